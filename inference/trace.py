"""The trace: per output token, the token and the state that it was chosen in.

    leaf = keccak256("affiant-trace/2" ‖ uint32 position ‖ uint32 token ‖ fingerprint)
    root = merkle_root(leaves), `affiant.encoding`

Integers are big-endian; the fingerprint is `affiant.inference.fingerprint`'s, 32 bytes.
Candidates and their logits are not in it: measured, they separate no better and take
sixteen times the bytes (ADR 9); whoever has the model computes them from one prefill.
The module says whether a trace is well formed, not whether it is true: `replay` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import (
    Digest,
    JsonValue,
    from_hex,
    keccak256,
    merkle_root,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.fingerprint import BYTES
from affiant.inference.receipt import MAX_TOKEN_ID

FORMAT = "affiant-trace/2"
"""Format tag, in the JSON and in every leaf."""
MAX_TOKENS = 65_536
"""Most output tokens that a trace may carry."""


@dataclass(frozen=True)
class TraceEntry:
    """One output token."""

    token: int
    """Its id."""
    fingerprint: bytes
    """Image of the model's last hidden state before it, `fingerprint.BYTES` long."""

    def leaf(self, *, position: int) -> Digest:
        """Return the digest of this entry at output `position`."""
        return keccak256(
            FORMAT.encode()
            + position.to_bytes(4, "big")
            + self.token.to_bytes(4, "big")
            + self.fingerprint
        )


@dataclass(frozen=True)
class Trace:
    """One entry per output token."""

    entries: tuple[TraceEntry, ...]
    """In output order."""

    @property
    def root(self) -> Digest:
        """Merkle root over the leaves; the receipt's `trace`."""
        return merkle_root(
            [entry.leaf(position=index) for index, entry in enumerate(self.entries)]
        )

    @classmethod
    def of(cls, tokens: Sequence[int], fingerprints: Sequence[bytes]) -> Trace:
        """Return the trace of an output and the states that it was chosen in."""
        return cls(
            entries=tuple(
                TraceEntry(token, fingerprint)
                for token, fingerprint in zip(tokens, fingerprints, strict=True)
            )
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the trace as JSON: per token its id and fingerprint."""
        return {
            "format": FORMAT,
            "tokens": [
                [entry.token, to_hex(entry.fingerprint)] for entry in self.entries
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Trace:
        """Parse a trace from hostile JSON.

        Raises:
            MalformedError: another format, too many tokens, an id out of range or a
                fingerprint of another length.
        """
        if (
            not isinstance(value, dict)
            or set(value) != {"format", "tokens"}
            or value["format"] != FORMAT
            or not isinstance(value["tokens"], list)
        ):
            raise MalformedError("trace", got=repr(value)[:80], expected=FORMAT)
        if len(value["tokens"]) > MAX_TOKENS:
            raise MalformedError(
                "trace",
                got=f"{len(value['tokens'])} tokens",
                expected=f"at most {MAX_TOKENS}",
            )
        return cls(
            entries=tuple(
                _parse_entry(item, what=f"trace[{index}]")
                for index, item in enumerate(value["tokens"])
            )
        )


def _parse_entry(value: JsonValue, *, what: str) -> TraceEntry:
    if not isinstance(value, list) or len(value) != 2:
        raise MalformedError(
            what, got=repr(value)[:80], expected="[token id, fingerprint]"
        )
    token, image = value
    if type(token) is not int or not 0 <= token <= MAX_TOKEN_ID:
        raise MalformedError(
            f"{what}.token", got=repr(token)[:40], expected=f"0 to {MAX_TOKEN_ID}"
        )
    fingerprint = from_hex(image, what=f"{what}.fingerprint")
    if to_hex(fingerprint) != image:
        raise MalformedError(
            f"{what}.fingerprint", got=repr(image)[:80], expected="lower-case hex"
        )
    if len(fingerprint) != BYTES:
        raise MalformedError(
            f"{what}.fingerprint",
            got=f"{len(fingerprint)} bytes",
            expected=f"{BYTES} bytes",
        )
    return TraceEntry(token, fingerprint)
