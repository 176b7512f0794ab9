"""HTTP requests that end: one deadline from connecting to the last byte.

It decides only that an exchange is over in time and that no more than the allowed bytes
were kept (of an answer read as it arrives, the reader counts); what an answer means is
for whoever asked. The server is not trusted: it may
hang, drip headers or body byte by byte, send interim answers for ever, lie about
lengths or drop the connection. A timeout per read, as HTTP clients have it, stops none
of the first three. Nothing is retried, with one exception: a kept-alive connection that
turns out to be closed before a byte of the answer came is opened anew, once. No
proxies, no redirects, no cookies, no compression.

The one thing outside the deadline is the resolver, which has its own.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

PART_BYTES = 64 * 1024
"""Most bytes of an arriving answer handed over at once."""

MAX_REASON = 300
"""Most characters of a broken exchange's description."""


@dataclass(frozen=True)
class HttpAnswer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of a repeated one, the last."""
    content: bytes
    """The body; where it was longer than allowed, one byte more than that."""


@dataclass(frozen=True)
class OpenAnswer:
    """An answer that is still arriving."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of a repeated one, the last."""
    parts: Iterator[bytes]
    """The body as it arrives; raises `TimeoutError` after the common deadline and
    `ConnectionError` where it breaks off."""


class HttpEndpoint:
    """One HTTP(S) address. Safe to share between threads."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Remember the address; nothing is sent yet.

        Args:
            url: `http://` or `https://`, without user information.
            timeout: seconds from connecting to the last byte of an answer.

        Raises:
            ValueError: `url` is not of that form, or `timeout` is not positive.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoint URL: expected http://HOST or https://HOST")
        if parts.username is not None or parts.password is not None:
            raise ValueError("endpoint URL: expected no user information")
        if timeout <= 0:
            raise ValueError("endpoint limits: expected positive numbers")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path
        # UnicodeEncodeError is a ValueError; `urlsplit` has removed line breaks.
        self._path.encode("ascii")
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = f"{host}:{self._port}"
        self._authority.encode("ascii")
        self._timeout = timeout
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self.name = f"{parts.scheme}://{self._authority}"
        """Scheme, host and port; the path may hold a key and is never shown."""

    def exchange(
        self,
        method: str,
        *,
        path: str = "",
        body: bytes = b"",
        max_bytes: int,
        seconds: float | None = None,
    ) -> HttpAnswer:
        """Send one request and return the answer to it, whatever its status.

        Args:
            method: "GET" or "POST".
            path: added to the URL's own path.
            body: JSON.
            max_bytes: longest answer kept whole.
            seconds: what is left of the asker's own time, where that is less than the
                endpoint's.

        Raises:
            TimeoutError: no complete answer in time.
            ConnectionError: no connection, or what came is not HTTP; says which.
        """
        limit = self._timeout if seconds is None else min(seconds, self._timeout)
        deadline = time.monotonic() + limit
        request = self._request(method, path=path, body=body)
        with _as_connection_error():
            return self._exchange(
                request, method=method, max_bytes=max_bytes, deadline=deadline
            )

    @contextmanager
    def opened(
        self, method: str, *, path: str = "", body: bytes = b""
    ) -> Iterator[OpenAnswer]:
        """Send one request and yield the answer while it arrives.

        The connection is closed at the end of the block; the deadline runs until then.
        Arguments and errors are those of `exchange`; how much is read is the caller's
        to bound.
        """
        deadline = time.monotonic() + self._timeout
        request = self._request(method, path=path, body=body)
        with _as_connection_error():
            connection = self._connected(deadline=deadline)
        try:
            with _as_connection_error():
                _send(connection, request, deadline=deadline)
                response = _response(connection, method=method, deadline=deadline)
            yield OpenAnswer(response.status, _headers(response), _parts(response))
        finally:
            connection.close()

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _request(self, method: str, *, path: str, body: bytes) -> bytes:
        return (
            f"{method} {(self._path + path) or '/'} HTTP/1.1\r\n"
            f"Host: {self._authority}\r\n"
            "Content-Type: application/json\r\nAccept-Encoding: identity\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode("ascii") + body

    def _exchange(
        self, request: bytes, *, method: str, max_bytes: int, deadline: float
    ) -> HttpAnswer:
        def on(connection: socket.socket) -> HttpAnswer:
            return self._exchange_on(
                connection,
                request,
                method=method,
                max_bytes=max_bytes,
                deadline=deadline,
            )

        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return on(kept)
            except (
                http.client.RemoteDisconnected,
                ConnectionResetError,
                BrokenPipeError,
            ):
                pass
        return on(self._connected(deadline=deadline))

    def _connected(self, *, deadline: float) -> socket.socket:
        connection = self._reached(deadline=deadline)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._secure:
                return connection
            connection.settimeout(_remaining(deadline))
            return ssl.create_default_context().wrap_socket(
                connection, server_hostname=self._host
            )
        except BaseException:
            connection.close()
            raise

    def _reached(self, *, deadline: float) -> socket.socket:
        # `socket.create_connection` would grant the timeout to each address anew.
        failure: OSError = OSError(f"no address of {self._host}")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(_remaining(deadline))
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure

    def _exchange_on(
        self,
        connection: socket.socket,
        request: bytes,
        *,
        method: str,
        max_bytes: int,
        deadline: float,
    ) -> HttpAnswer:
        complete = False
        try:
            _send(connection, request, deadline=deadline)
            response = _response(connection, method=method, deadline=deadline)
            # One byte more than allowed shows that there was more.
            content = response.read(max_bytes + 1)
            if len(content) <= max_bytes:
                _require_end(response)
            complete = response.isclosed() and not response.will_close
        finally:
            if not complete:
                connection.close()
        with self._lock:
            if complete:
                self._idle.append(connection)
        return HttpAnswer(
            status=response.status,
            headers=_headers(response),
            content=content,
        )


@contextmanager
def _as_connection_error() -> Iterator[None]:
    """Turn what sockets and parsers raise into the errors of `exchange`."""
    try:
        yield
    except TimeoutError:
        raise
    # ValueError: http.client lets some malformed lengths through as such.
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
        raise ConnectionError(reason) from error


def _response(
    connection: socket.socket, *, method: str, deadline: float
) -> http.client.HTTPResponse:
    # `HTTPResponse` only ever calls `makefile` on what it is given.
    response = http.client.HTTPResponse(
        _DeadlineSocket(connection, deadline=deadline),  # type: ignore[arg-type]
        method=method,
    )
    response.begin()
    return response


def _headers(response: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): text for name, text in response.getheaders()}


def _parts(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        with _as_connection_error():
            part = response.read1(PART_BYTES)
            if not part:
                _require_end(response)
        if not part:
            return
        yield part


def _require_end(response: http.client.HTTPResponse) -> None:
    """Refuse a body that broke off; of a stated length, `HTTPResponse` returns it."""
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


class _DeadlineSocket:
    """Gives `HTTPResponse` a file whose every read ends by one common deadline."""

    def __init__(self, raw: socket.socket, *, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_DeadlineReader(self._raw, deadline=self._deadline))


class _DeadlineReader(io.RawIOBase):
    def __init__(self, raw: socket.socket, *, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._raw.settimeout(_remaining(self._deadline))
        return self._raw.recv_into(buffer)


def _send(connection: socket.socket, data: bytes, *, deadline: float) -> None:
    # `SSLSocket.sendall` would grant the timeout to each record anew.
    rest = memoryview(data)
    while rest:
        connection.settimeout(_remaining(deadline))
        rest = rest[connection.send(rest) :]


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("deadline")
    return seconds
