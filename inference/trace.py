"""The trace: per output token, what the canonical sampler chose from.

    leaf = keccak256("affiant-trace/1" ‖ uint32 position ‖ uint32 token
                     ‖ uint8 count ‖ count × (uint32 id ‖ int32 units)
                     ‖ uint16 length ‖ fingerprint)
    root = merkle_root(leaves), `affiant.encoding`

Integers are big-endian. The fingerprint is reserved and empty in this version. The
module says whether a trace is well formed, not whether it is true: `replay` does that.
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
from affiant.inference.receipt import MAX_TOKEN_ID
from affiant.inference.sampler import GAP_UNITS, MAX_UNITS, TOP_K, Choice

FORMAT = "affiant-trace/1"
"""Format tag, in the JSON and in every leaf."""
MAX_TOKENS = 65_536
"""Most output tokens that a trace may carry."""
MAX_FINGERPRINT = 1024
"""Most bytes of a fingerprint."""


@dataclass(frozen=True)
class TraceEntry:
    """One output token's candidates."""

    token: int
    """The output token; one of the candidates."""
    candidates: tuple[tuple[int, int], ...]
    """(id, quantised logit in grid units), by logit descending, then id ascending."""
    fingerprint: bytes = b""
    """Reserved for the activation fingerprint; empty in this version."""

    def leaf(self, *, position: int) -> Digest:
        """Return the digest of this entry at output `position`."""
        body = b"".join(
            token.to_bytes(4, "big") + units.to_bytes(4, "big", signed=True)
            for token, units in self.candidates
        )
        return keccak256(
            FORMAT.encode()
            + position.to_bytes(4, "big")
            + self.token.to_bytes(4, "big")
            + len(self.candidates).to_bytes(1, "big")
            + body
            + len(self.fingerprint).to_bytes(2, "big")
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
    def from_choices(cls, choices: Sequence[Choice]) -> Trace:
        """Return the trace of canonical choices."""
        return cls(
            entries=tuple(
                TraceEntry(token=choice.token, candidates=choice.candidates)
                for choice in choices
            )
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the trace as JSON: per token the id, candidates and fingerprint."""
        return {
            "format": FORMAT,
            "tokens": [
                {
                    "token": entry.token,
                    "candidates": [list(pair) for pair in entry.candidates],
                    "fingerprint": to_hex(entry.fingerprint),
                }
                for entry in self.entries
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Trace:
        """Parse a trace from hostile JSON.

        Raises:
            MalformedError: another format, an id or logit out of range, candidates out
                of order, beyond the gap or without the token.
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
    if not isinstance(value, dict) or set(value) != {
        "token",
        "candidates",
        "fingerprint",
    }:
        raise MalformedError(
            what, got=repr(value)[:80], expected="token, candidates and fingerprint"
        )
    pairs = value["candidates"]
    if not isinstance(pairs, list) or not 1 <= len(pairs) <= TOP_K:
        raise MalformedError(
            f"{what}.candidates",
            got=f"{len(pairs)} pairs" if isinstance(pairs, list) else repr(pairs)[:40],
            expected=f"1 to {TOP_K} pairs",
        )
    offered: list[tuple[int, int]] = []
    for pair in pairs:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(type(term) is int for term in pair)
            or not 0 <= pair[0] <= MAX_TOKEN_ID
            or abs(pair[1]) > MAX_UNITS
        ):
            raise MalformedError(
                f"{what}.candidates", got=repr(pair)[:40], expected="[id, units]"
            )
        offered.append((pair[0], pair[1]))
    ordered = sorted(set(offered), key=lambda item: (-item[1], item[0]))
    ids = {token for token, _ in offered}
    if ordered != offered or len(ids) != len(offered):
        raise MalformedError(
            f"{what}.candidates", got="another order", expected="logit desc, id asc"
        )
    if offered[-1][1] < offered[0][1] - GAP_UNITS:
        raise MalformedError(
            f"{what}.candidates",
            got=f"a gap of {offered[0][1] - offered[-1][1]} units",
            expected=f"at most {GAP_UNITS}",
        )
    token = value["token"]
    if type(token) is not int or token not in ids:
        raise MalformedError(
            f"{what}.token", got=repr(token)[:40], expected="one of its candidates"
        )
    fingerprint = from_hex(value["fingerprint"], what=f"{what}.fingerprint")
    if len(fingerprint) > MAX_FINGERPRINT:
        raise MalformedError(
            f"{what}.fingerprint",
            got=f"{len(fingerprint)} bytes",
            expected=f"at most {MAX_FINGERPRINT}",
        )
    return TraceEntry(token=token, candidates=tuple(offered), fingerprint=fingerprint)
