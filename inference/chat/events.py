"""Server-sent events: how chunks travel, written and read.

Pure. The reader takes hostile bytes as they come: lines and events are bounded, and
comments (they only keep a connection open) are dropped. What an event says is for
whoever asked (the HTML standard, section 9.2, "Server-sent events").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from affiant.encoding import JsonValue, canonical_json
from affiant.errors import MalformedError

DONE = b"data: [DONE]\n\n"
"""OpenAI's last event."""
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment; it only keeps the connection open."""
DONE_DATA = b"[DONE]"
"""The data of the last event."""


def event(value: JsonValue) -> bytes:
    """Return `value` as one event."""
    return b"data: " + canonical_json(value) + b"\n\n"


def events(parts: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes]:
    """Yield the data of each event in a stream that arrives in parts.

    An event that is not ended by an empty line is none.

    Args:
        parts: bytes as they arrive, cut anywhere.
        max_bytes: most bytes of all of them together.

    Raises:
        MalformedError: there are more.
    """
    data: list[bytes] = []
    for line in _lines(parts, max_bytes=max_bytes):
        if not line:
            if data:
                yield b"\n".join(data)
            data = []
        elif line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").removeprefix(b" "))


def _lines(parts: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes]:
    total, pending = 0, bytearray()
    for part in parts:
        total += len(part)
        if total > max_bytes:
            raise MalformedError(
                "stream", got=f"over {max_bytes} bytes", expected="fewer"
            )
        # Only what is new is searched: a line may come byte by byte.
        start = max(len(pending) - 1, 0)
        pending += part
        while (at := pending.find(b"\n", start)) >= 0:
            yield bytes(pending[:at]).removesuffix(b"\r")
            del pending[: at + 1]
            start = 0
