"""What every service of ours puts up with, and no more."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from affiant.agents.errors import ServerBusyError
from affiant.agents.nodes.http_server import (
    Answered,
    Endpoint,
    HttpServer,
    Service,
    ServiceLimits,
    server_timing,
)
from affiant.errors import AffiantError, MalformedError, UnavailableError

LIMITS = ServiceLimits(body_bytes=1000, body_seconds=5, held_bytes=1500, requests=2)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    running: list[HttpServer] = []

    def start(
        answer: Callable[[bytes], Answered], *, limits: ServiceLimits = LIMITS
    ) -> str:
        service = Service(
            what="question",
            endpoints=(Endpoint("POST", "/ask", answer),),
            statuses=(
                (ServerBusyError, 429),
                (UnavailableError, 503),
                (MalformedError, 400),
                (AffiantError, 422),
            ),
            limits=limits,
            more=lambda error: {"family": type(error).__mro__[1].__name__},
        )
        running.append(HttpServer(service, name="test").start())
        return running[-1].url

    yield start
    for server in running:
        server.stop()


def ask(url: str, body: bytes, *, path: str = "/ask") -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.post(url + path, content=body, timeout=20)


def echo(body: bytes) -> Answered:
    return Answered(json.dumps({"length": len(body)}).encode(), {"x-kept": "yes"})


class Slow:
    """Begins a request whose body never ends."""

    def __init__(self, url: str, *, stated: int, sent: bytes) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.connection = socket.create_connection((host, int(port)), timeout=20)
        head = f"POST /ask HTTP/1.1\r\nhost: x\r\ncontent-length: {stated}\r\n\r\n"
        self.connection.sendall(head.encode() + sent)

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def test_answers_with_content_and_headers(serve: Any) -> None:
    response = ask(serve(echo), b"four")
    assert (response.status_code, response.json()) == (200, {"length": 4})
    assert response.headers["x-kept"] == "yes"
    assert response.headers["content-type"] == "application/json"


def test_refuses_a_body_that_is_too_large_whatever_it_states(serve: Any) -> None:
    url = serve(echo)

    def drip() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(100)

    with httpx.Client(trust_env=False) as client:
        chunked = client.post(url + "/ask", content=drip(), timeout=20)
    for response in (ask(url, bytes(1001)), chunked):
        assert response.status_code == 400
        assert response.json()["expected"] == "at most 1000 bytes"
    assert ask(url, bytes(1000)).status_code == 200


def test_bodies_that_never_end_do_not_keep_others_out(serve: Any) -> None:
    """More of them than requests may be answered at once; each has sent a byte."""
    url = serve(echo)
    slow = [Slow(url, stated=900, sent=b"{") for _ in range(40)]
    try:
        assert ask(url, b"hello").status_code == 200
    finally:
        for one in slow:
            one.connection.close()


def test_a_body_that_never_ends_is_refused_in_time(serve: Any) -> None:
    limits = ServiceLimits(
        body_bytes=1000, body_seconds=0.2, held_bytes=1500, requests=2
    )
    url = serve(echo, limits=limits)
    with Slow(url, stated=1000, sent=bytes(800)) as slow:
        answer = slow.connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"all of it within 0.2 s" in answer
    # What it held is free again.
    assert ask(url, bytes(1000)).status_code == 200


def test_holds_no_more_bytes_than_it_may(serve: Any) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(body: bytes) -> Answered:
        if len(body) == 1000:
            inside.set()
            assert go_on.wait(20)
        return echo(body)

    url = serve(wait)
    first = threading.Thread(target=ask, args=(url, bytes(1000)))
    first.start()
    try:
        assert inside.wait(20)
        refused = ask(url, bytes(600))
        assert (refused.status_code, refused.json()["error"]) == (
            429,
            "ServerBusyError",
        )
        assert ask(url, bytes(500)).status_code == 200
    finally:
        go_on.set()
        first.join()
    assert ask(url, bytes(600)).status_code == 200


def test_turns_away_whom_no_thread_is_free_for(serve: Any) -> None:
    inside, go_on = threading.Semaphore(0), threading.Event()

    def wait(body: bytes) -> Answered:
        inside.release()
        assert go_on.wait(20)
        return echo(body)

    url = serve(wait)
    waiting = [threading.Thread(target=ask, args=(url, b"x")) for _ in range(2)]
    for thread in waiting:
        thread.start()
    try:
        assert inside.acquire(timeout=20) and inside.acquire(timeout=20)
        refused = ask(url, b"x")
        assert refused.status_code == 429
        assert "at most 2" in refused.json()["message"]
    finally:
        go_on.set()
        for thread in waiting:
            thread.join()
    assert ask(url, b"x").status_code == 200


def test_a_refusal_tells_its_class_and_what_the_service_adds(serve: Any) -> None:
    def refuse(_: bytes) -> Answered:
        raise MalformedError("thing", got="x" * 3000, expected="y")

    response = ask(serve(refuse), b"")
    answer = response.json()
    assert response.status_code == 400
    assert sorted(answer) == ["error", "expected", "family", "got", "message"]
    assert (answer["error"], answer["expected"]) == ("MalformedError", "y")
    assert len(answer["got"]) == 500 and answer["family"] == "RejectedError"


def test_a_bug_tells_its_class_and_nothing_else(serve: Any) -> None:
    def bug(_: bytes) -> Answered:
        raise ZeroDivisionError("secret")

    response = ask(serve(bug), b"")
    assert response.status_code == 500
    assert response.json()["got"] == "ZeroDivisionError"
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/ask/x"])
def test_there_is_nothing_else(serve: Any, path: str) -> None:
    response = ask(serve(echo), b"", path=path)
    assert response.status_code == 404
    assert response.json()["expected"] == "POST /ask"


def test_seconds_are_told_in_milliseconds() -> None:
    assert server_timing({"step_1": 0.0015, "sign": 2}) == (
        "step_1;dur=1.500, sign;dur=2000.000"
    )
