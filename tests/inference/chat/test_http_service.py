"""Hostile requests: what is refused, how soon, in whose words, and what goes on."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from affiant.encoding import keccak256, to_hex
from affiant.inference.chat.attestation import Attestation
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.http_service import MAX_BODY_BYTES
from affiant.inference.chat.node import ChatLimits
from affiant.inference.chat.serve import ChatServer
from affiant.inference.engine import Prefill
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.transformers_engine import TransformersEngine

BODY: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 8,
    "seed": 1,
}
CHAT = "/v1/chat/completions"


def ask(
    server: ChatServer,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    **changes: Any,
) -> httpx.Response:
    """Post `body`, or the usual one with `changes`."""
    data = body if isinstance(body, bytes) else json.dumps({**BODY, **changes}).encode()
    return httpx.post(
        server.url + CHAT,
        content=data,
        headers={"content-type": "application/json", **(headers or {})},
        timeout=30,
        trust_env=False,
    )


def said(response: httpx.Response) -> dict[str, Any]:
    """Return the error object, which must be of OpenAI's form and ours."""
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code", "affiant"}
    assert set(body["error"]["affiant"]) == {"error", "got", "expected"}
    assert body["error"]["message"]
    found: dict[str, Any] = body["error"]
    return found


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "JSON"),
    "garbage": (b"\xff\x00", 400, "JSON"),
    "a list": (b"[]", 400, "object"),
    "a number": (b"1", 400, "object"),
    "deep nesting": (b'{"messages":' + b"[" * 100_000, 400, "nesting"),
    "deep metadata": (
        b'{"model":"tiny","metadata":' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}",
        400,
        "nesting",
    ),
    "a key twice": (b'{"model":"tiny","model":"other"}', 400, "duplicate"),
    "not a number": (b'{"model":"tiny","temperature":NaN}', 400, "NaN"),
    "infinity": (b'{"model":"tiny","temperature":1e999}', 400, "JSON"),
    "a huge number": (b'{"model":"tiny","seed":' + b"9" * 5000 + b"}", 400, "JSON"),
    "half a surrogate": (
        b'{"model":"tiny","messages":[{"role":"user","content":"\\ud800"}]}',
        400,
        "JSON",
    ),
    "too much": (b" " * (MAX_BODY_BYTES + 1), 413, "at most"),
}


@pytest.mark.parametrize("body, status, names", BODIES.values(), ids=list(BODIES))
def test_refuses_hostile_bodies(
    server: ChatServer, body: bytes, status: int, names: str
) -> None:
    response = ask(server, body)
    assert response.status_code == status
    assert names in said(response)["message"]
    assert said(response)["type"] == "invalid_request_error"
    assert response.headers["x-should-retry"] == "false"
    assert ask(server).status_code == 200


BOMB = {"type": "string", "pattern": "^(([a-z]{0,30}){0,30}){0,30}$"}
REFUSED: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "another model": ({"model": "gpt-9"}, 404, "model_not_found", "model"),
    "top_p": ({"top_p": 0.9}, 400, "unsupported_parameter", "top_p"),
    "several": ({"n": 2}, 400, "unsupported_parameter", "n"),
    "tools": ({"tools": [{}]}, 400, "unsupported_parameter", "tools"),
    "unknown": ({"top_k": 1}, 400, "unsupported_parameter", "top_k"),
    "a fine temperature": (
        {"temperature": 0.12345},
        400,
        "unsupported_value",
        "temperature",
    ),
    "no tokens": ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
    "many tokens": (
        {"max_tokens": 100_000},
        400,
        "invalid_value",
        "max_completion_tokens",
    ),
    "a prefill for every token": (
        {"stream": True, "max_tokens": 130, "affiant": {"release": 2}},
        400,
        "invalid_value",
        "affiant.release",
    ),
    "a long prompt": (
        {"messages": [{"role": "user", "content": "x" * 900_000}]},
        400,
        "context_length_exceeded",
        "messages",
    ),
    "a schema bomb": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": BOMB},
            }
        },
        400,
        "invalid_schema",
        "response_format",
    ),
    "a schema that ends never": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"$ref": "#"}},
            }
        },
        400,
        "invalid_schema",
        "response_format",
    ),
    "a bomb in a stream": (
        {
            "stream": True,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": BOMB},
            },
        },
        400,
        "invalid_schema",
        "response_format",
    ),
}


@pytest.mark.parametrize(
    "changes, status, code, param", REFUSED.values(), ids=list(REFUSED)
)
def test_refuses_by_parameter(
    server: ChatServer,
    changes: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
) -> None:
    response = ask(server, **changes)
    assert response.status_code == status
    assert (said(response)["code"], said(response)["param"]) == (code, param)


def test_an_empty_prompt_is_refused(server: ChatServer) -> None:
    response = ask(server, messages=[{"role": "user", "content": ""}])
    assert response.status_code == 400


@pytest.mark.parametrize("stated", [None, "text/plain", "application/x-json", ""])
def test_takes_json_only(server: ChatServer, stated: str | None) -> None:
    headers = {} if stated is None else {"content-type": stated}
    with httpx.Client(trust_env=False) as client:
        response = client.post(server.url + CHAT, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert said(response)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/"),
        ("GET", CHAT),
        ("PUT", CHAT),
        ("POST", "/v1/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/models"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/v1/models/../../etc/passwd"),
    ],
)
def test_there_is_nothing_else(server: ChatServer, method: str, path: str) -> None:
    response = httpx.request(method, server.url + path, trust_env=False)
    assert response.status_code in (404, 405)
    assert said(response)["code"] in ("unknown_url", "model_not_found")


def test_text_that_spells_the_end_token_ends_nothing(
    server: ChatServer, engine: TransformersEngine
) -> None:
    text = "<eos> hello <stop><pad>"
    response = ask(server, messages=[{"role": "user", "content": text}])
    completion = Completion.from_json(response.json()["affiant"])
    assert not engine.stop_ids & set(completion.prompt_ids)
    assert engine.decode(completion.prompt_ids) == text


def raw(server: ChatServer, data: bytes) -> socket.socket:
    """Open a connection and send `data`."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(data)
    return connection


def head(length: int) -> bytes:
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def test_a_body_that_does_not_come_is_not_waited_for(serve: Any) -> None:
    server = serve(body_seconds=0.3)
    connection = raw(server, head(1000) + b"{")
    answer = connection.recv(65536)
    connection.close()
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"request_timeout" in answer
    assert ask(server).status_code == 200


class Gated:
    """A real engine that generates when it is let, and tells who is inside."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.open = threading.Event()
        self.inside = 0
        self.abandoned = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(
        self, *asked: Any, wanted: Callable[[], bool] | None = None, **more: Any
    ) -> Any:
        self.inside += 1
        while not self.open.is_set() and (wanted is None or wanted()):
            self.open.wait(0.01)
        if wanted is not None and not wanted():
            self.abandoned += 1
        return self._engine.generate(*asked, wanted=wanted, **more)


@pytest.fixture
def gated(engine: TransformersEngine) -> Iterator[Gated]:
    """A gated engine, opened at the end whatever happens."""
    found = Gated(engine)
    yield found
    found.open.set()


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, for at most 20 seconds."""
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit, "it never came to be"
        threading.Event().wait(0.01)


@contextmanager
def asking(server: ChatServer, count: int, **changes: Any) -> Iterator[list[int]]:
    """Ask `count` times at once; the list fills with statuses."""
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(ask(server, **changes).status_code)
        )
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    yield statuses
    for thread in threads:
        thread.join(30)


def test_turns_away_whom_it_has_no_room_for(serve: Any, gated: Gated) -> None:
    limits = ChatLimits(running=2, waiting=1, max_tokens=200)
    server = serve(engine=gated, limits=limits)
    with asking(server, 3) as statuses:
        until(lambda: server.node.inside == 3)
        for stream in (False, True):
            response = ask(server, stream=stream)
            assert response.status_code == 429
            assert said(response)["code"] == "queue_full"
            assert said(response)["type"] == "rate_limit_error"
            assert response.headers["retry-after"] == "2"
            assert response.headers["x-should-retry"] == "true"
        # Two run, one waits: whoever waits is not inside the engine.
        assert gated.inside == 2
        gated.open.set()
    assert statuses == [200] * 3
    assert server.node.inside == 0


def test_memory_of_self_checks_limits_how_many_run(serve: Any) -> None:
    # 200 tokens over 320 ids at 5 bytes: 320 kB each.
    limits = ChatLimits(running=8, max_tokens=200, check_bytes=1_000_000)
    assert serve(limits=limits).node.running == 3
    assert serve(limits=ChatLimits(check_bytes=1)).node.running == 1


def test_whoever_hangs_up_is_not_worked_for(serve: Any, gated: Gated) -> None:
    server = serve(engine=gated)
    for stream in (False, True):
        before = gated.abandoned
        body = json.dumps({**BODY, "stream": stream}).encode()
        connection = raw(server, head(len(body)) + body)
        until(lambda: server.node.inside == 1)
        connection.close()
        until(lambda: server.node.inside == 0)
        assert gated.abandoned == before + 1
    gated.open.set()
    assert ask(server).status_code == 200


def test_a_request_that_takes_too_long_is_given_up(serve: Any, gated: Gated) -> None:
    server = serve(engine=gated, limits=ChatLimits(seconds=0.3, max_tokens=200))
    response = ask(server)
    assert response.status_code == 504
    assert said(response)["code"] == "timeout"
    assert response.headers["x-should-retry"] == "false"
    streamed = ask(server, stream=True)
    assert streamed.status_code == 200
    assert '"code":"timeout"' in streamed.text and "[DONE]" not in streamed.text
    until(lambda: server.node.inside == 0)


def test_a_stream_opens_at_once_and_stays_open(serve: Any, gated: Gated) -> None:
    server = serve(engine=gated, keep_alive_seconds=0.05)
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream(
            "POST", server.url + CHAT, json={**BODY, "stream": True}
        ) as response,
    ):
        lines = response.iter_lines()
        assert '"role":"assistant"' in next(lines)
        assert next(lines) == ""
        # Nothing is generated yet; the connection is kept.
        assert next(lines) == ": keep-alive"
        gated.open.set()
        rest = list(lines)
    assert rest[-2] == "data: [DONE]"
    assert any('"affiant"' in line for line in rest)


class Fickle:
    """A real engine that changes its mind about token 2 once there are 20."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prefill(self, prompt_ids: Any, output_ids: Any) -> Prefill:
        found: Prefill = self._engine.prefill(prompt_ids, output_ids)
        if len(output_ids) < 20:
            return found
        logits = found.logits.copy()
        logits[2, output_ids[2]] -= 50
        return Prefill(logits, found.hidden)


def test_a_released_token_that_does_not_stay_ends_the_stream(
    serve: Any, engine: TransformersEngine
) -> None:
    server = serve(engine=Fickle(engine))
    response = ask(
        server, stream=True, max_tokens=60, temperature=0, affiant={"release": 8}
    )
    events = [
        json.loads(line.removeprefix("data: "))
        for line in response.text.splitlines()
        if line.startswith("data: ")
    ]
    assert events[-1]["error"]["affiant"]["error"] == "ReleasedTokenError"
    assert "[DONE]" not in response.text
    # Text went out, and nobody swears to it.
    assert any(e["choices"][0]["delta"].get("content") for e in events[:-1])
    assert not any("affiant" in e for e in events[:-1])


class Broken:
    """An engine that breaks down at its first generation."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(self, *_: Any, **__: Any) -> Any:
        raise EngineUnavailableError("x", got="smoke", expected="none")


def test_a_broken_engine_is_told_and_stays_told(
    serve: Any, engine: TransformersEngine
) -> None:
    server = serve(engine=Broken(engine))
    health = server.url + "/health"
    assert httpx.get(health, trust_env=False).status_code == 200
    for _ in range(2):
        response = ask(server)
        assert response.status_code == 503
        assert said(response)["code"] == "engine_unavailable"
    response = httpx.get(health, trust_env=False)
    assert response.status_code == 503 and "smoke" in said(response)["message"]


class Buggy(Broken):
    """An engine with a bug of ours."""

    def generate(self, *_: Any, **__: Any) -> Any:
        raise KeyError("secret-internal-name")


def test_a_bug_of_ours_tells_nothing_of_the_inside(
    serve: Any, engine: TransformersEngine
) -> None:
    server = serve(engine=Buggy(engine))
    for stream in (False, True):
        response = ask(server, stream=stream)
        assert response.status_code == (200 if stream else 500)
        assert "internal_error" in response.text and "KeyError" in response.text
        assert "secret-internal-name" not in response.text


def test_stopping_gives_up_what_runs(serve: Any, gated: Gated) -> None:
    server = serve(engine=gated)
    with asking(server, 2) as statuses:
        until(lambda: server.node.inside == 2)
        server.node.close()
        response = ask(server)
        assert (response.status_code, said(response)["code"]) == (503, "stopping")
    assert statuses == [503, 503]


def test_attests_to_the_askers_nonce(server: ChatServer) -> None:
    nonce = keccak256(b"mine")
    found = httpx.get(
        f"{server.url}/v1/attestation?nonce={to_hex(nonce)}", trust_env=False
    ).json()
    attestation = Attestation.from_json(found)
    attestation.check(nonce=nonce)
    assert attestation.key == server.node.address
    assert attestation.model == server.node.model
    assert attestation.manifest == server.node.engine.manifest
    assert attestation.evidence == {"tier": 0, "hardware": None}


@pytest.mark.parametrize("query", ["", "?nonce=", "?nonce=0x00", "?nonce=abc"])
def test_attests_to_nothing_without_a_nonce(server: ChatServer, query: str) -> None:
    response = httpx.get(f"{server.url}/v1/attestation{query}", trust_env=False)
    assert response.status_code == 400
    assert "nonce" in said(response)["message"]


def test_many_at_once_change_nothing(serve: Any) -> None:
    server = serve(limits=ChatLimits(running=4, waiting=32, max_tokens=200))
    alone = {
        seed: ask(server, seed=seed).json()["choices"][0]["message"]["content"]
        for seed in range(4)
    }
    found: list[tuple[int, str]] = []

    def one(seed: int) -> None:
        answer = ask(server, seed=seed).json()
        Completion.from_json(answer["affiant"]).check()
        found.append((seed, answer["choices"][0]["message"]["content"]))

    threads = [threading.Thread(target=one, args=(n % 4,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 16
    assert all(alone[seed] == text for seed, text in found)
