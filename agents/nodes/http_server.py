"""Our services over HTTP: hostile bodies in, canonical JSON out, within limits.

It decides how large a question may be, how long it may take to arrive, how many are
held and served at once, and what a refusal looks like: `{"error", "message", "got",
"expected"}`, and what the service adds. What is asked and what is answered is the
service's. The only module that imports FastAPI. Whoever asks is not trusted, and there
is nothing to log in to.

`HttpServer` serves on loopback by default. Put a TLS proxy in front to go further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from affiant.agents.errors import ServerBusyError
from affiant.app_server import AppServer, Bodies, BodiesHeldError
from affiant.encoding import JsonValue, canonical_json
from affiant.errors import AffiantError


@dataclass(frozen=True)
class ServiceLimits:
    """What a service puts up with."""

    body_bytes: int
    """Largest body of a request."""
    body_seconds: float
    """Longest time that a body may take to arrive."""
    held_bytes: int
    """Most bytes of bodies held at once, arriving or in use."""
    requests: int = 64
    """Most requests answered at once, those that wait inside the service included."""


@dataclass(frozen=True)
class Answered:
    """An answer with status 200."""

    content: bytes
    """JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """One method and path, and who answers it."""

    method: str
    """GET or POST."""
    path: str
    answer: Callable[[bytes], Answered]
    """Given the body; called in a thread; refuses by raising an `AffiantError`."""

    @property
    def name(self) -> str:
        """Such as `POST /v1/decide`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Service:
    """What is served, and how its errors are told."""

    what: str
    """Name of a request's body, for messages."""
    endpoints: Sequence[Endpoint]
    statuses: Sequence[tuple[type[AffiantError], int]]
    """HTTP status per error; the first match wins, and there MUST be one for all."""
    limits: ServiceLimits
    more: Callable[[AffiantError], dict[str, JsonValue]] = lambda _error: {}
    """What else a refusal tells."""


def server_timing(seconds: Mapping[str, float]) -> str:
    """Return a `Server-Timing` header (W3C) of named seconds; never part of answers."""
    return ", ".join(
        f"{name};dur={value * 1000:.3f}" for name, value in seconds.items()
    )


def create_app(service: Service) -> FastAPI:
    """Return the HTTP application of a service."""
    # No schema pages: the service's endpoints are all there is.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    bodies = Bodies(
        service.what,
        max_bytes=service.limits.body_bytes,
        seconds=service.limits.body_seconds,
        held_bytes=service.limits.held_bytes,
    )
    threads = CapacityLimiter(service.limits.requests)

    for endpoint in service.endpoints:
        app.add_api_route(
            endpoint.path,
            _handler(endpoint, bodies=bodies, threads=threads),
            methods=[endpoint.method],
        )

    @app.exception_handler(AffiantError)
    async def refused(_request: Request, error: Exception) -> Response:
        status = next(
            code for kind, code in service.statuses if isinstance(error, kind)
        )
        more = service.more(error) if isinstance(error, AffiantError) else {}
        return _json(
            {
                "error": type(error).__name__,
                "message": str(error)[:2000],
                "got": str(getattr(error, "got", ""))[:500],
                "expected": str(getattr(error, "expected", ""))[:500],
                **more,
            },
            status=status,
        )

    @app.exception_handler(HTTPException)
    async def no_such_path(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        got = f"{request.method} {request.url.path[:200]}"
        expected = " or ".join(endpoint.name for endpoint in service.endpoints)
        return _json(
            {
                "error": "NoSuchEndpoint",
                "message": f"got {got}, expected {expected}",
                "got": got,
                "expected": expected,
            },
            status=status,
        )

    @app.exception_handler(Exception)
    async def failed(_request: Request, error: Exception) -> Response:
        # Our own bug: name the class for the log, and nothing of what is inside.
        return _json(
            {
                "error": "InternalError",
                "message": f"failed with {type(error).__name__}",
                "got": type(error).__name__,
                "expected": "no failure",
            },
            status=500,
        )

    return app


def _handler(
    endpoint: Endpoint, *, bodies: Bodies, threads: CapacityLimiter
) -> Callable[[Request], object]:
    async def handle(request: Request) -> Response:
        try:
            async with bodies.read(request) as body:
                answered = await _answered(endpoint, body, threads=threads)
        except BodiesHeldError as error:
            raise ServerBusyError("bytes of requests", limit=error.limit) from error
        return Response(
            answered.content,
            media_type="application/json",
            headers=dict(answered.headers),
        )

    return handle


async def _answered(
    endpoint: Endpoint, body: bytes, *, threads: CapacityLimiter
) -> Answered:
    # Turned away rather than queued: whoever waits costs memory.
    if threads.available_tokens < 1:
        raise ServerBusyError("requests", limit=int(threads.total_tokens))
    return await to_thread.run_sync(lambda: endpoint.answer(body), limiter=threads)


def _json(value: JsonValue, *, status: int) -> Response:
    return Response(
        canonical_json(value), status_code=status, media_type="application/json"
    )


class HttpServer(AppServer):
    """Runs a service in a thread of this process, on one socket."""

    def __init__(
        self, service: Service, *, name: str, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Args:
            name: of the thread.

        Raises:
            OSError: the address is taken.
        """
        super().__init__(create_app(service), name=name, host=host, port=port)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
