"""The node over HTTP: exactly `POST /v1/decide` and `GET /v1/node`.

It decides only what a question may look like: a mandate and a slot and nothing else. A
prompt, an observation, calls or any other field is refused by name before anything
runs. Answers are canonical JSON of an evidence bundle; errors are `{"error", "message",
"got", "expected"}`. The only module that imports FastAPI. Whoever asks is not trusted,
and there is nothing to log in to: an answer is the same for everybody.

`NodeServer` serves on loopback by default. Put a TLS proxy in front to go further.
"""

from __future__ import annotations

import socket
import threading
from typing import Annotated, Any

import uvicorn
from anyio import fail_after, to_thread
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from affiant.agents.errors import (
    DecisionTimeoutError,
    NodeBusyError,
    NotLiveError,
    NotServedError,
    SlotRefusedError,
)
from affiant.agents.node import Decided, Node
from affiant.encoding import JsonValue, canonical_json, parse_json, to_hex
from affiant.errors import AffiantError, MalformedError, UnavailableError
from affiant.onchain.mandate import Mandate

MAX_QUESTION_BYTES = 256 * 1024
"""Largest request body accepted, in bytes; a mandate of 64-entry lists fits."""

BODY_SECONDS = 10.0
"""Longest time that a question may take to arrive."""

START_SECONDS = 30.0
"""Longest that `NodeServer.start` waits for the server to listen."""

_STATUS: tuple[tuple[type[AffiantError], int], ...] = (
    (MalformedError, 400),
    (NotServedError, 403),
    (NotLiveError, 403),
    (SlotRefusedError, 409),
    (NodeBusyError, 429),
    (DecisionTimeoutError, 504),
    (UnavailableError, 503),
    (AffiantError, 422),
)
"""First match wins."""


class Question(BaseModel):
    """What `POST /v1/decide` accepts; nothing else may go in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mandate: dict[str, Any]
    """The mandate's JSON, parsed further by `Mandate.from_json`."""
    slot: Annotated[int, Field(ge=0, lt=2**64)]
    """The newest slot."""


def create_app(node: Node, *, body_seconds: float = BODY_SECONDS) -> FastAPI:
    """Return the HTTP application over `node`.

    Args:
        body_seconds: longest time that a question may take to arrive.
    """
    # No schema pages: two endpoints are all there is.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/v1/decide")
    async def post_decide(request: Request) -> Response:
        mandate, slot = parse_question(await _body(request, seconds=body_seconds))
        decided = await to_thread.run_sync(lambda: node.decide(mandate, slot=slot))
        plain = await to_thread.run_sync(decided.bundle.to_plain)
        return Response(
            plain,
            media_type="application/json",
            headers={"Server-Timing": _server_timing(decided)},
        )

    @app.get("/v1/node")
    async def get_node() -> Response:
        return _json(
            {
                "key": node.serving.key.address,
                "model": to_hex(node.serving.model),
                "engine": to_hex(node.serving.engine.manifest.hash),
                "programs": [to_hex(program) for program in node.programs],
            }
        )

    @app.exception_handler(AffiantError)
    async def refused(_request: Request, error: Exception) -> Response:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return _refusal(error, status=status)

    @app.exception_handler(HTTPException)
    async def no_such_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _json(
            {
                "error": "NoSuchEndpoint",
                "message": f"got {request.method} {request.url.path[:200]}, expected "
                "POST /v1/decide or GET /v1/node",
                "got": f"{request.method} {request.url.path[:200]}",
                "expected": "POST /v1/decide or GET /v1/node",
            },
            status=status,
        )

    @app.exception_handler(Exception)
    async def failed(_request: Request, error: Exception) -> Response:
        # Our own bug: name the class for the log, and nothing of what is inside.
        return _json(
            {
                "error": "InternalError",
                "message": f"the node failed with {type(error).__name__}",
                "got": type(error).__name__,
                "expected": "no failure",
            },
            status=500,
        )

    return app


def parse_question(body: bytes) -> tuple[Mandate, int]:
    """Parse a hostile request body into a mandate and a slot.

    Raises:
        MalformedError: names the first field that is unknown, missing or mistyped.
    """
    value = parse_json(body, what="question", max_bytes=MAX_QUESTION_BYTES)
    try:
        question = Question.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][:1]) or "question"
        raise MalformedError(
            f"question `{place}`",
            got=f"{first['msg']}: {first['input']!r}"[:200],
            expected="exactly `mandate` and `slot`",
        ) from error
    return Mandate.from_json(question.mandate), question.slot


async def _body(request: Request, *, seconds: float) -> bytes:
    try:
        with fail_after(seconds):
            return await _read(request)
    except TimeoutError as error:
        raise MalformedError(
            "question",
            got="a part of it",
            expected=f"all of it within {seconds:g} s",
        ) from error


async def _read(request: Request) -> bytes:
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > MAX_QUESTION_BYTES:
        raise _too_large(stated)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_QUESTION_BYTES:
            raise _too_large(f"over {len(data)}")
    return bytes(data)


def _too_large(got: str) -> MalformedError:
    return MalformedError(
        "question", got=f"{got} bytes", expected=f"at most {MAX_QUESTION_BYTES} bytes"
    )


def _refusal(error: Exception, *, status: int) -> Response:
    return _json(
        {
            "error": type(error).__name__,
            "message": str(error)[:2000],
            "got": str(getattr(error, "got", ""))[:500],
            "expected": str(getattr(error, "expected", ""))[:500],
        },
        status=status,
    )


def _json(value: JsonValue, *, status: int = 200) -> Response:
    return Response(
        canonical_json(value), status_code=status, media_type="application/json"
    )


def _server_timing(decided: Decided) -> str:
    return ", ".join(
        f"{name};dur={seconds * 1000:.3f}" for name, seconds in decided.seconds.items()
    )


class NodeServer:
    """Runs a node's application in a thread of this process, on one socket."""

    def __init__(
        self,
        node: Node,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Raises:
            OSError: the address is taken.
        """
        self.node = node
        self._socket = socket.create_server((host, port))
        bound = self._socket.getsockname()
        self.url = f"http://{bound[0]}:{bound[1]}"
        """Where the node answers."""
        config = uvicorn.Config(
            create_app(node, body_seconds=body_seconds),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._run, name="affiant-node", daemon=True
        )

    def start(self) -> NodeServer:
        """Serve in a thread; returns when the server listens.

        Raises:
            RuntimeError: it did not start.
        """
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(START_SECONDS / 0.02)):
            if self._server.started or not self._thread.is_alive():
                break
            waited.wait(0.02)
        if not self._server.started:
            raise RuntimeError("the node's server did not start")
        return self

    def wait(self) -> None:
        """Serve until `stop` is called, for a command line."""
        self._thread.join()

    def stop(self) -> None:
        """Stop serving and wait for the thread; the node itself stays usable."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> NodeServer:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
