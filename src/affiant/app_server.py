"""A web application in a thread of this process, and request bodies that end.

It decides only how long and how large a request may be, and when a server is up; what
a request means is for the application. Nobody who asks is trusted: a body may be huge,
may come byte by byte, or never end. Serves on loopback unless told otherwise; a TLS
proxy belongs in front of anything further.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self

import uvicorn
from anyio import fail_after

from affiant.errors import MalformedError, UnavailableError

START_SECONDS = 30.0
"""Longest that `AppServer.start` waits for the server to listen."""
STOP_SECONDS = 5
"""How long open answers may go on once the server is to stop."""
CONNECTIONS = 512
"""Most connections at once; a further one is turned away without being read."""


class BodyTooLargeError(MalformedError):
    """A request body is larger than allowed."""


class BodyLateError(MalformedError):
    """A request body did not arrive in time."""


class BodyTypeError(MalformedError):
    """A request body is not said to be JSON."""


class BodiesHeldError(UnavailableError):
    """The bodies of other requests take all the room that there is."""

    def __init__(self, what: str, *, limit: int) -> None:
        super().__init__(f"{what}: got others that fill {limit} bytes, expected room")
        self.limit = limit
        self.got = "others that fill the room"
        self.expected = f"room within {limit} bytes"


class BodySource(Protocol):
    """What is needed of a web framework's request."""

    @property
    def headers(self) -> Any:
        """Headers by lower-case name."""
        ...

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        ...


class Bodies:
    """Reads bodies; used by one event loop only, so that nothing needs a lock."""

    def __init__(
        self, what: str, *, max_bytes: int, seconds: float, held_bytes: int
    ) -> None:
        """Set the limits.

        Args:
            what: name of a body, for errors.
            max_bytes: largest body.
            seconds: longest time that one may take to arrive.
            held_bytes: most bytes of all bodies that are arriving or in use.
        """
        self._what = what
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._room = held_bytes
        self._held = 0

    @asynccontextmanager
    async def read(self, request: BodySource) -> AsyncIterator[bytes]:
        """Yield the whole body, which takes its room until the end of the block.

        Raises:
            BodyTooLargeError, BodyLateError, BodiesHeldError: as they say.
        """
        data = bytearray()
        try:
            try:
                with fail_after(self._seconds):
                    await self._fill(data, request)
            except TimeoutError as error:
                raise BodyLateError(
                    self._what,
                    got="a part of it",
                    expected=f"all of it within {self._seconds:g} s",
                ) from error
            yield bytes(data)
        finally:
            self._held -= len(data)

    async def _fill(self, data: bytearray, request: BodySource) -> None:
        stated = str(request.headers.get("content-length", ""))
        if stated.isdigit() and int(stated[:40]) > self._max_bytes:
            raise self._too_large(stated[:40])
        async for chunk in request.stream():
            if len(data) + len(chunk) > self._max_bytes:
                raise self._too_large(f"over {len(data)}")
            if self._held + len(chunk) > self._room:
                raise BodiesHeldError(self._what, limit=self._room)
            self._held += len(chunk)
            data += chunk

    def _too_large(self, got: str) -> BodyTooLargeError:
        return BodyTooLargeError(
            self._what, got=f"{got} bytes", expected=f"at most {self._max_bytes} bytes"
        )


def require_json(request: BodySource, *, what: str) -> None:
    """Refuse a body that is not said to be JSON.

    Pages of strangers can make a browser send anything else without asking first.

    Raises:
        BodyTypeError: another content type, or none.
    """
    stated = str(request.headers.get("content-type", "")).partition(";")[0].strip()
    if stated.lower() != "application/json":
        raise BodyTypeError(
            f"{what} content type", got=repr(stated)[:80], expected="application/json"
        )


class AppServer:
    """Runs an ASGI application in a thread of this process, on one socket."""

    def __init__(
        self, app: Any, *, name: str, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Args:
            app: the application.
            name: what the thread is called.
            host: address to listen on.
            port: port to listen on.

        Raises:
            OSError: the address is taken.
        """
        self._socket = socket.create_server((host, port))
        bound = self._socket.getsockname()
        self.url = f"http://{bound[0]}:{bound[1]}"
        """Where it answers."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS,
                limit_concurrency=CONNECTIONS,
            )
        )
        self._name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Self:
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
            raise RuntimeError(f"the server of {self._name} did not start")
        return self

    def wait(self) -> None:
        """Serve until `stop` is called, for a command line."""
        self._thread.join()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=2 * STOP_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
