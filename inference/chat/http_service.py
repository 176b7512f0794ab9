"""The chat node over HTTP, for OpenAI's clients as they are.

`POST /v1/chat/completions` (also as a stream of events), `GET /v1/models`,
`GET /v1/models/NAME`, `GET /v1/attestation?nonce=…`, `GET /health`. It decides only how
a request arrives and how an answer leaves: bodies are bounded in size and time, whoever
hangs up is not worked for any more, and errors have OpenAI's form. Nobody who asks is
trusted, and there is nothing to log in to; an `Authorization` header is ignored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from affiant.app_server import Bodies, require_json
from affiant.encoding import JsonValue, canonical_json, digest_from_hex, parse_json
from affiant.errors import AffiantError
from affiant.inference.chat.answer import (
    Refusal,
    chunk,
    completion_body,
    model_body,
    no_such_endpoint,
    refusal,
    usage_chunk,
)
from affiant.inference.chat.errors import CompletionTimeoutError, ModelUnknownError
from affiant.inference.chat.events import DONE, KEEP_ALIVE, event
from affiant.inference.chat.node import Answered, Asked, ChatNode

MAX_BODY_BYTES = 1024 * 1024
"""Largest request body, in bytes."""
HELD_BYTES = 64 * MAX_BODY_BYTES
"""Most bytes of bodies held at once."""
BODY_SECONDS = 10.0
"""Longest time that a body may take to arrive."""
KEEP_ALIVE_SECONDS = 10.0
"""How long a stream is silent before a comment keeps it open."""
READERS = 4
"""Threads that parse and render requests."""
RETRY_SECONDS = 2
"""When to come back, for whoever is turned away."""

_log = logging.getLogger("affiant.chat")


def create_app(
    node: ChatNode,
    *,
    body_seconds: float = BODY_SECONDS,
    keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
) -> FastAPI:
    """Return the HTTP application over `node`.

    Args:
        node: what answers.
        body_seconds: longest time that a body may take to arrive.
        keep_alive_seconds: how long a stream is silent before a comment.
    """
    # No schema pages: these endpoints are all there is.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    bodies = Bodies(
        "chat request",
        max_bytes=MAX_BODY_BYTES,
        seconds=body_seconds,
        held_bytes=HELD_BYTES,
    )
    readers = CapacityLimiter(READERS)

    @app.post("/v1/chat/completions")
    async def post_completion(request: Request) -> Response:
        node.require_room()
        require_json(request, what="chat request")
        async with bodies.read(request) as body:
            asked = await to_thread.run_sync(lambda: _read(node, body), limiter=readers)
        if not asked.request.stream:
            return await _whole(node, asked, request)
        stream = _Stream(node, asked, keep_alive_seconds=keep_alive_seconds)
        return _EventResponse(stream)

    @app.get("/v1/models")
    async def get_models() -> Response:
        return _json({"object": "list", "data": [model_body(node)]})

    @app.get("/v1/models/{name:path}")
    async def get_model(name: str) -> Response:
        if name != node.name:
            raise ModelUnknownError("model", got=repr(name)[:120], expected=node.name)
        return _json(model_body(node))

    @app.get("/v1/attestation")
    async def get_attestation(nonce: str = "") -> Response:
        asked = digest_from_hex(nonce, what="nonce")
        return _json((await to_thread.run_sync(node.attest, asked)).to_json())

    @app.get("/health")
    async def get_health() -> Response:
        node.require_engine()
        return _json({"status": "ok", "inside": node.inside, "running": node.running})

    @app.exception_handler(AffiantError)
    async def refused(_request: Request, error: Exception) -> Response:
        return _refused(refusal(error))

    @app.exception_handler(HTTPException)
    async def no_such_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = request.url.path
        return _refused(no_such_endpoint(request.method, path, status=status))

    @app.exception_handler(Exception)
    async def failed(_request: Request, error: Exception) -> Response:
        return _refused(refusal(error))

    return app


def _read(node: ChatNode, body: bytes) -> Asked:
    return node.read(parse_json(body, what="chat request", max_bytes=MAX_BODY_BYTES))


async def _whole(node: ChatNode, asked: Asked, request: Request) -> Response:
    """Answer when the inference is over; nobody there any more: give it up."""
    future = asyncio.wrap_future(node.submit(asked))
    gone = asyncio.ensure_future(_hang_up(request))
    try:
        done, _ = await asyncio.wait(
            (future, gone),
            timeout=node.limits.seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if future not in done:
            raise CompletionTimeoutError(seconds=node.limits.seconds)
        answered = future.result()
    finally:
        asked.given_up.set()
        gone.cancel()
        _forget(future)
    body = await to_thread.run_sync(
        lambda: canonical_json(completion_body(asked, answered))
    )
    return Response(body, media_type="application/json")


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Stream:
    """One streamed answer: opens at once, text follows when it stays."""

    def __init__(
        self, node: ChatNode, asked: Asked, *, keep_alive_seconds: float
    ) -> None:
        self._node = node
        self._asked = asked
        self.given_up = asked.given_up
        self._silence = keep_alive_seconds
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        # Submitted before the stream opens: whoever is turned away gets a status.
        self._future = node.submit(asked, release=self._hand_over)
        self._future.add_done_callback(lambda _: self._hand_over(None))

    def _hand_over(self, piece: str | None) -> None:
        """Take a piece, in a thread of the node; `None` says that it is over."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the answer's events."""
        asked = self._asked
        try:
            yield event(chunk(asked, {"role": "assistant", "content": ""}))
            async for part in self._text():
                yield part
            answered = self._future.result()
            yield event(chunk(asked, {}, last=answered.completion))
            if asked.request.with_usage:
                yield event(usage_chunk(asked, answered.completion))
            yield DONE
        except Exception as error:  # also our own bugs: the status is sent already
            if not isinstance(error, AffiantError):
                _log.exception("a stream failed")
            yield event(refusal(error).body)

    async def _text(self) -> AsyncIterator[bytes]:
        until = self._loop.time() + self._node.limits.seconds
        while True:
            left = until - self._loop.time()
            if left <= 0:
                raise CompletionTimeoutError(seconds=self._node.limits.seconds)
            try:
                async with asyncio.timeout(min(left, self._silence)):
                    piece = await self._pieces.get()
            except TimeoutError:
                yield KEEP_ALIVE
                continue
            if piece is None:
                return
            yield event(chunk(self._asked, {"content": piece}))


class _EventResponse(StreamingResponse):
    """A stream that is given up when nobody takes it, also before its first event."""

    def __init__(self, stream: _Stream) -> None:
        super().__init__(
            stream.events(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        self._given_up = stream.given_up

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the stream; the signature is ASGI's."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._given_up.set()


def _forget(future: asyncio.Future[Answered]) -> None:
    """Look at the outcome, so that nothing complains that nobody did."""

    def look(done: asyncio.Future[Answered]) -> None:
        if not done.cancelled():
            done.exception()

    future.add_done_callback(look)


def _refused(told: Refusal) -> Response:
    headers = {"x-should-retry": "true" if told.retry else "false"}
    if told.retry:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return _json(told.body, status=told.status, headers=headers)


def _json(
    value: JsonValue, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        canonical_json(value),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )
