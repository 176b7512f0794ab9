"""What a service of ours says when it refuses: hostile text, cut and made printable.

Pure. It decides nothing; the words go to a journal and a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError

MAX_REFUSAL_BYTES = 64 * 1024
"""Longest refusal that is parsed, in bytes; a longer one has no name."""


@dataclass(frozen=True)
class RefusalWords:
    """A refusal in words."""

    error: str
    """The name that it gives; at most 80 characters."""
    message: str
    """At most 600 characters."""


def words_of_refusal(body: bytes) -> RefusalWords:
    """Return the words in the body of a refusal, whatever it is."""
    try:
        value: JsonValue = parse_json(body, what="refusal", max_bytes=MAX_REFUSAL_BYTES)
    except MalformedError:
        value = None
    item = value if isinstance(value, dict) else {}
    return RefusalWords(
        _printable(str(item.get("error", "unnamed"))[:80]),
        _printable(str(item.get("message", body[:200]))[:600]),
    )


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )
