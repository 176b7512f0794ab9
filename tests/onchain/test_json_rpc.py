"""Hostile endpoints: whatever they do, a typed error comes within the time limit."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from affiant.errors import RejectedError, UnavailableError
from affiant.onchain.chain import Chain
from affiant.onchain.errors import (
    ChainAnswerError,
    ChainIdMismatchError,
    ChainRefusedError,
    ChainTimeoutError,
    ChainUnavailableError,
    RateLimitedError,
)
from affiant.onchain.json_rpc import (
    MAX_RETRY_SECONDS,
    RETRY_SECONDS,
    JsonRpcEndpoint,
    RpcFailure,
    RpcRequest,
)
from affiant.onchain.rate_limit import TokenBucket

Handler = Callable[[socket.socket, object], None]

LIMIT = 0.4
"""Seconds a round trip may take in these tests."""

MAX_BYTES = 20_000


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Serve each request on a loopback port with `handler(connection, body)`."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def converse(connection: socket.socket) -> None:
        # The other side hangs up when it has had enough.
        with contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while line := reader.readline():
                if match := re.match(rb"(?i)content-length: (\d+)", line):
                    length = int(match[1])
                if line == b"\r\n":
                    handler(connection, json.loads(reader.read(length)))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/secret-key"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            connection.close()
        thread.join(5)


def http(body: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


def reply(body: object) -> bytes:
    return http(json.dumps(body).encode())


def sends(*parts: bytes, pause: float = 0) -> Handler:
    def handler(connection: socket.socket, request: object) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        connection.shutdown(socket.SHUT_RDWR)

    return handler


def answers(make: Callable[[dict[str, object]], object]) -> Handler:
    def handler(connection: socket.socket, request: object) -> None:
        assert isinstance(request, dict)
        connection.sendall(reply(make(request)))

    return handler


def hangs(connection: socket.socket, request: object) -> None:
    connection.recv(1)


@dataclass(frozen=True)
class Case:
    sentence: str
    handler: Handler
    error: type[Exception]


ENDLESS_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

CASES = [
    Case("never answers", hangs, ChainTimeoutError),
    Case(
        "drips its headers byte by byte",
        sends(*[bytes([b]) for b in http(b"{}")], pause=0.05),
        ChainTimeoutError,
    ),
    Case(
        "asks to continue for ever",
        sends(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 100, pause=0.02),
        ChainTimeoutError,
    ),
    Case(
        "is processing for ever",
        sends(*[b"HTTP/1.1 102 Processing\r\n\r\n"] * 100, pause=0.02),
        ChainAnswerError,
    ),
    Case(
        "drips its body byte by byte",
        sends(http(b"", length=100), *[b" "] * 100, pause=0.05),
        ChainTimeoutError,
    ),
    Case(
        "promises more than it sends and waits",
        lambda c, r: (c.sendall(http(b'{"a', length=100)), hangs(c, r))[0],
        ChainTimeoutError,
    ),
    Case("drops the connection", sends(), ChainUnavailableError),
    Case("drops it in the headers", sends(b"HTTP/1.1 20"), ChainUnavailableError),
    Case(
        "sends less than promised",
        sends(http(b"{}", length=9)),
        ChainUnavailableError,
    ),
    Case(
        "speaks no HTTP", sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ChainUnavailableError
    ),
    Case("lies about lengths", sends(http(b"{}", length=-5)), ChainUnavailableError),
    Case(
        "sends a malformed chunk",
        sends(ENDLESS_CHUNKS + b"zz\r\n"),
        ChainUnavailableError,
    ),
    Case(
        "sends headers without end",
        sends(b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 200),
        ChainUnavailableError,
    ),
    Case(
        "sends one header line without end",
        sends(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 70_000),
        ChainUnavailableError,
    ),
    Case("is overloaded", sends(http(b"busy", status="503 No")), ChainAnswerError),
    Case("rate-limits", sends(http(b"slow", status="429 No")), RateLimitedError),
    Case(
        "redirects elsewhere",
        sends(b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
        ChainAnswerError,
    ),
    Case(
        "sends more than allowed",
        sends(http(b" " * (MAX_BYTES + 1))),
        ChainAnswerError,
    ),
    Case(
        "sends chunks without end",
        sends(ENDLESS_CHUNKS, *[b"1000\r\n" + b" " * 4096 + b"\r\n"] * 9),
        ChainAnswerError,
    ),
    Case("sends nothing", sends(http(b"")), ChainAnswerError),
    Case("sends no JSON", sends(http(b"<html>")), ChainAnswerError),
    Case("sends invalid UTF-8", sends(http(b'{"a":"\xff"}')), ChainAnswerError),
    Case(
        "sends NaN",
        sends(http(b'{"jsonrpc":"2.0","id":1,"result":NaN}')),
        ChainAnswerError,
    ),
    Case(
        "sends deep nesting", sends(http(b"[" * 9000 + b"]" * 9000)), ChainAnswerError
    ),
    Case(
        "sends a duplicate key",
        sends(http(b'{"jsonrpc":"2.0","id":1,"id":1,"result":"0x1"}')),
        ChainAnswerError,
    ),
    Case("sends a list", answers(lambda r: []), ChainAnswerError),
    Case("sends null", answers(lambda r: None), ChainAnswerError),
    Case(
        "answers another question",
        answers(lambda r: {"jsonrpc": "2.0", "id": 10**6, "result": "0x1"}),
        ChainAnswerError,
    ),
    Case(
        "speaks another protocol version",
        answers(lambda r: {"jsonrpc": "1.0", "id": r["id"], "result": "0x1"}),
        ChainAnswerError,
    ),
    Case(
        "sends neither result nor error",
        answers(lambda r: {"jsonrpc": "2.0", "id": r["id"]}),
        ChainAnswerError,
    ),
    Case(
        "sends an error without a code",
        answers(lambda r: {"jsonrpc": "2.0", "id": r["id"], "error": "no"}),
        ChainAnswerError,
    ),
    Case(
        "refuses",
        answers(
            lambda r: {
                "jsonrpc": "2.0",
                "id": r["id"],
                "error": {"code": -32601, "message": "x" * 9999},
            }
        ),
        ChainRefusedError,
    ),
    Case(
        "sends a chain id that is no quantity",
        answers(lambda r: {"jsonrpc": "2.0", "id": r["id"], "result": 31337}),
        ChainAnswerError,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_connect_refuses_an_endpoint_that(case: Case) -> None:
    with serving(case.handler) as url:
        started = time.monotonic()
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT, max_bytes=MAX_BYTES)
        with closing(endpoint), pytest.raises(case.error) as caught:
            Chain(endpoint, chain_id=31337).verify_chain_id()
        assert time.monotonic() - started < LIMIT + 3
        assert isinstance(caught.value, UnavailableError)
        assert len(str(caught.value)) < 1500
        assert "secret-key" not in str(caught.value)


def test_connect_refuses_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ChainUnavailableError) as caught:
        Chain.connect(f"http://127.0.0.1:{port}", expected_chain_id=1, timeout=LIMIT)
    assert caught.value.endpoint == f"http://127.0.0.1:{port}"


def test_connect_refuses_another_chain_and_does_not_invite_a_retry() -> None:
    mainnet = answers(lambda r: {"jsonrpc": "2.0", "id": r["id"], "result": "0x1"})
    with serving(mainnet) as url, pytest.raises(ChainIdMismatchError) as caught:
        Chain.connect(url, expected_chain_id=31337, timeout=LIMIT)
    assert (caught.value.got, caught.value.expected) == (1, 31337)
    assert isinstance(caught.value, RejectedError)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8545",
        "ftp://host",
        "http://",
        "http://user:password@host",
        "http://host:99999",
        "http://host/ä",
    ],
)
def test_a_malformed_url_is_misuse(url: str) -> None:
    with pytest.raises(ValueError):
        JsonRpcEndpoint(url, timeout=1)


def test_a_kept_connection_is_used_again_and_reopened_when_closed() -> None:
    seen: list[socket.socket] = []
    closed = threading.Event()

    def handler(connection: socket.socket, request: object) -> None:
        assert isinstance(request, dict)
        seen.append(connection)
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": len(seen)}
        connection.sendall(reply(answer))
        if len(seen) == 2:
            connection.shutdown(socket.SHUT_RDWR)
            closed.set()

    with serving(handler) as url:
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT)
        assert [endpoint.request("any") for _ in range(2)] == [1, 2]
        assert closed.wait(5)
        assert [endpoint.request("any") for _ in range(2)] == [3, 4]
        endpoint.close()
    assert seen[0] is seen[1]
    assert seen[1] is not seen[2]
    assert seen[2] is seen[3]


def _answer(item: dict[str, object], **fields: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": item["id"], **fields}


def batch_endpoint(
    make: Callable[[list[dict[str, object]]], object],
) -> Handler:
    def handler(connection: socket.socket, request: object) -> None:
        assert isinstance(request, list)
        connection.sendall(reply(make(request)))

    return handler


def test_a_batch_is_put_in_order_and_keeps_failures_apart() -> None:
    def make(items: list[dict[str, object]]) -> object:
        good = [_answer(item, result=item["method"]) for item in items]
        good[1] = _answer(items[1], error={"code": 3, "message": "no", "data": "0x12"})
        return good[::-1]

    with serving(batch_endpoint(make)) as url:
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT)
        with closing(endpoint):
            outcomes = endpoint.batch([RpcRequest(name, ()) for name in "abc"])
    assert outcomes == ("a", RpcFailure(3, "no", "0x12"), "c")


@pytest.mark.parametrize(
    "make",
    [
        lambda items: [],
        lambda items: [_answer(item, result=1) for item in items[:-1]],
        lambda items: [_answer(items[0], result=1)] * len(items),
        lambda items: [_answer({"id": n}, result=1) for n in range(900, 903)],
        lambda items: _answer({"id": None}, error={"code": -32600, "message": "no"}),
        lambda items: [1, 2, 3],
    ],
    ids=["empty", "one short", "one repeated", "strangers", "no batches", "numbers"],
)
def test_a_batch_refuses(make: Callable[[list[dict[str, object]]], object]) -> None:
    with serving(batch_endpoint(make)) as url:
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT)
        with closing(endpoint), pytest.raises(ChainAnswerError):
            endpoint.batch([RpcRequest(name, ()) for name in "abc"])


def test_a_long_batch_is_split_and_stays_in_order() -> None:
    sizes: list[int] = []

    def make(items: list[dict[str, object]]) -> object:
        sizes.append(len(items))
        return [_answer(item, result=item["method"]) for item in items]

    with serving(batch_endpoint(make)) as url:
        names = [str(number) for number in range(250)]
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT)
        with closing(endpoint):
            outcomes = endpoint.batch([RpcRequest(name, ()) for name in names])
    assert list(outcomes) == names
    assert sizes == [100, 100, 50]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"", RETRY_SECONDS),
        (b"Retry-After: 7\r\n", 7),
        (b"Retry-After: 999999999\r\n", MAX_RETRY_SECONDS),
        (b"Retry-After: " + b"9" * 400 + b"\r\n", RETRY_SECONDS),
        (b"Retry-After: -5\r\n", RETRY_SECONDS),
        (b"Retry-After: soon\r\n", RETRY_SECONDS),
        (b"Retry-After: Fri, 01 Jan 1999 00:00:00 GMT\r\n", 0),
        (b"Retry-After: Fri, 01 Jan 2999 00:00:00 GMT\r\n", MAX_RETRY_SECONDS),
    ],
    ids=[
        "nothing",
        "seconds",
        "years",
        "a number without end",
        "the past",
        "words",
        "a past date",
        "a far date",
    ],
)
def test_how_long_an_endpoint_is_left_alone_that_says(
    header: bytes, seconds: float
) -> None:
    answer = b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n" + header + b"\r\n"
    with serving(sends(answer)) as url:
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT)
        with closing(endpoint), pytest.raises(RateLimitedError) as caught:
            endpoint.request("any")
    assert caught.value.retry_after == seconds


def test_our_own_rate_is_kept_to_and_what_comes_too_late_is_not_asked() -> None:
    asked: list[object] = []

    def handler(connection: socket.socket, request: object) -> None:
        asked.append(request)
        answers(lambda r: {"jsonrpc": "2.0", "id": r["id"], "result": "0x1"})(
            connection, request
        )

    with serving(handler) as url:
        bucket = TokenBucket(per_second=20, burst=1)
        endpoint = JsonRpcEndpoint(url, timeout=LIMIT, bucket=bucket)
        with closing(endpoint):
            started = time.monotonic()
            for _ in range(3):
                endpoint.request("any")
            assert time.monotonic() - started >= 0.1
            bounded = endpoint.until(time.monotonic() + 0.01)
            with pytest.raises(RateLimitedError):
                bounded.request("any")
    assert len(asked) == 3


def test_an_operations_deadline_ends_an_exchange_before_its_own_limit() -> None:
    drips = sends(http(b"", length=100), *[b" "] * 100, pause=0.05)
    with serving(drips) as url:
        endpoint = JsonRpcEndpoint(url, timeout=20)
        started = time.monotonic()
        with closing(endpoint), pytest.raises(ChainTimeoutError):
            endpoint.until(started + 0.2).request("any")
        assert time.monotonic() - started < 4
