"""JSON-RPC over HTTP with hard limits on time and size.

It decides only whether an answer is a well-formed JSON-RPC answer to the question
asked, within the limits; what the answer means is `chain.py`'s business. The endpoint
is not trusted: it may hang, drip bytes, drop the connection, lie about lengths or send
garbage, and every such case ends in a `ChainUnavailableError` within the time limit.
Nothing is retried, with one exception: a kept-alive connection that turns out to be
closed before a byte of the answer came is opened anew, once.
"""

from __future__ import annotations

import http.client
import io
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.onchain.errors import (
    ChainAnswerError,
    ChainTimeoutError,
    ChainUnavailableError,
)

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest answer accepted, in bytes."""

MAX_BATCH = 100
"""Most requests sent in one batch; longer ones are split."""

MAX_TEXT = 300
"""Most characters of an endpoint's own words that enter an error message."""


@dataclass(frozen=True)
class RpcFailure:
    """A JSON-RPC error object."""

    code: int
    message: str
    """At most `MAX_TEXT` characters."""
    data: JsonValue
    """Anything; for a revert, usually the revert bytes in hex."""


@dataclass(frozen=True)
class RpcRequest:
    """One method call."""

    method: str
    params: tuple[JsonValue, ...]


class JsonRpcEndpoint:
    """One HTTP(S) endpoint. Safe to share between threads."""

    def __init__(
        self, url: str, *, timeout: float, max_bytes: int = MAX_ANSWER_BYTES
    ) -> None:
        """Remember the endpoint; nothing is sent yet.

        Args:
            url: `http://` or `https://`, without user information.
            timeout: seconds from sending a request to the last byte of its answer.
            max_bytes: largest answer accepted.

        Raises:
            ValueError: `url` is not of that form, or a limit is not positive.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("endpoint URL: expected http://HOST or https://HOST")
        if parts.username is not None or parts.password is not None:
            raise ValueError("endpoint URL: expected no user information")
        if timeout <= 0 or max_bytes <= 0:
            raise ValueError("endpoint limits: expected positive numbers")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = f"[{self._host}]" if ":" in self._host else self._host
        # UnicodeEncodeError is a ValueError; `urlsplit` has removed line breaks.
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{self._port}\r\n"
            "Content-Type: application/json\r\nAccept-Encoding: identity\r\n"
            "Content-Length: "
        ).encode("ascii")
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.name = f"{parts.scheme}://{host}:{self._port}"
        """Scheme, host and port; the path may hold a key and is never shown."""

    def request(self, method: str, *params: JsonValue) -> JsonValue | RpcFailure:
        """Call one method and return its result or its error object.

        Raises:
            ChainTimeoutError: no complete answer in time.
            ChainAnswerError: the answer is no JSON-RPC answer to this request.
            ChainUnavailableError: no connection.
        """
        number = next(self._numbers)
        body = _request_json(RpcRequest(method, params), number=number)
        answer = self._post(body, method=method)
        return self._outcome(answer, number=number, method=method)

    def batch(
        self, requests: Sequence[RpcRequest]
    ) -> tuple[JsonValue | RpcFailure, ...]:
        """Call several methods, at most `MAX_BATCH` per round trip; results in order.

        Raises:
            As `request`; a batch with an answer missing or repeated is no answer.
        """
        outcomes: list[JsonValue | RpcFailure] = []
        for start in range(0, len(requests), MAX_BATCH):
            outcomes.extend(self._one_batch(requests[start : start + MAX_BATCH]))
        return tuple(outcomes)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _one_batch(
        self, requests: Sequence[RpcRequest]
    ) -> list[JsonValue | RpcFailure]:
        method = f"batch of {len(requests)}, first {requests[0].method}"
        numbers = [next(self._numbers) for _ in requests]
        body = [
            _request_json(request, number=number)
            for request, number in zip(requests, numbers, strict=True)
        ]
        answer = self._post(body, method=method)
        if not isinstance(answer, list) or len(answer) != len(requests):
            raise self._garbage(answer, method=method, expected="one answer for each")
        by_number: dict[int, JsonValue] = {}
        for item in answer:
            number = item.get("id") if isinstance(item, dict) else None
            if not isinstance(number, int) or number in by_number:
                raise self._garbage(item, method=method, expected="each id once")
            by_number[number] = item
        return [
            self._outcome(by_number.get(number), number=number, method=request.method)
            for request, number in zip(requests, numbers, strict=True)
        ]

    def _outcome(
        self, answer: JsonValue, *, number: int, method: str
    ) -> JsonValue | RpcFailure:
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
            raise self._garbage(answer, method=method, expected="a JSON-RPC 2.0 answer")
        error = answer.get("error")
        got_number = answer.get("id")
        # A node that could not read the request answers its error with id null.
        if got_number != number and not (got_number is None and error is not None):
            raise self._garbage(answer, method=method, expected=f"id {number}")
        if error is None:
            if "result" not in answer:
                raise self._garbage(answer, method=method, expected="result or error")
            return answer["result"]
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            raise self._garbage(answer, method=method, expected="an error with a code")
        return RpcFailure(
            code=error["code"],
            message=str(error.get("message"))[:MAX_TEXT],
            data=error.get("data"),
        )

    def _garbage(
        self, value: JsonValue, *, method: str, expected: str
    ) -> ChainAnswerError:
        return ChainAnswerError(
            self.name, method=method, got=repr(value)[:MAX_TEXT], expected=expected
        )

    def _post(self, body: JsonValue, *, method: str) -> JsonValue:
        data = json.dumps(body, separators=(",", ":")).encode()
        deadline = time.monotonic() + self._timeout
        try:
            status, content = self._exchange(data, deadline=deadline)
        except TimeoutError as error:
            raise ChainTimeoutError(
                self.name, method=method, limit=self._timeout
            ) from error
        # ValueError: http.client lets some malformed lengths through as such.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"[:MAX_TEXT]
            raise ChainUnavailableError(
                self.name, method=method, reason=reason
            ) from error
        if status != 200:
            raise ChainAnswerError(
                self.name,
                method=method,
                got=f"HTTP status {status}: {content[:MAX_TEXT]!r}",
                expected="HTTP status 200",
            )
        try:
            return parse_json(content, what="answer", max_bytes=self._max_bytes)
        except MalformedError as error:
            raise ChainAnswerError(
                self.name, method=method, got=error.got, expected=error.expected
            ) from error

    def _exchange(self, data: bytes, *, deadline: float) -> tuple[int, bytes]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._exchange_on(connection, data, deadline=deadline)
            except (
                http.client.RemoteDisconnected,
                ConnectionResetError,
                BrokenPipeError,
            ):
                pass
        connection = self._connected(deadline=deadline)
        return self._exchange_on(connection, data, deadline=deadline)

    def _connected(self, *, deadline: float) -> socket.socket:
        connection = socket.create_connection(
            (self._host, self._port), timeout=_remaining(deadline)
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._secure:
            return connection
        try:
            connection.settimeout(_remaining(deadline))
            return ssl.create_default_context().wrap_socket(
                connection, server_hostname=self._host
            )
        except BaseException:
            connection.close()
            raise

    def _exchange_on(
        self, connection: socket.socket, data: bytes, *, deadline: float
    ) -> tuple[int, bytes]:
        complete = False
        try:
            connection.settimeout(_remaining(deadline))
            connection.sendall(self._head + b"%d\r\n\r\n" % len(data) + data)
            # `HTTPResponse` only ever calls `makefile` on what it is given.
            response = http.client.HTTPResponse(
                _DeadlineSocket(connection, deadline=deadline),  # type: ignore[arg-type]
                method="POST",
            )
            response.begin()
            # One byte more than allowed shows that there was more.
            content = response.read(self._max_bytes + 1)
            complete = response.isclosed() and not response.will_close
        finally:
            if not complete:
                connection.close()
        with self._lock:
            if complete:
                self._idle.append(connection)
        return response.status, content


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


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("deadline")
    return seconds


def _request_json(request: RpcRequest, *, number: int) -> dict[str, JsonValue]:
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": request.method,
        "params": list(request.params),
    }
