"""Hashes and encodings that every layer shares: Keccak-256, canonical JSON, roots.

Pure: bytes in, bytes out. It decides nothing and trusts nobody. `docs/formats.md` is
the specification; the worked example there is checked by `tests/test_formats.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NewType

import rfc8785
from sha3 import keccak_256

from affiant.errors import MalformedError

Digest = NewType("Digest", bytes)
"""32 bytes, Keccak-256 of something."""

JsonValue = Any
"""A value that JSON can express; we never put fractions in as floats."""

ZERO_DIGEST = Digest(bytes(32))
"""32 zero bytes, used where nothing precedes."""

_HEX32 = re.compile(r"0x[0-9a-f]{64}")
_STRUCTURE = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)
_MAX_DEPTH = 64
"""Deepest nesting accepted from hostile JSON; ours is under ten."""


def keccak256(data: bytes) -> Digest:
    """Return the Keccak-256 digest of `data` (the Ethereum hash, not SHA3-256)."""
    return Digest(keccak_256(data).digest())


def canonical_json(value: JsonValue) -> bytes:
    """Return the RFC 8785 encoding of `value`, UTF-8.

    Raises:
        MalformedError: `value` holds something that canonical JSON cannot express.
    """
    try:
        return bytes(rfc8785.dumps(value))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise MalformedError(
            "canonical JSON", got=str(error), expected="a JSON value within IEEE 754"
        ) from error


def parse_json(data: bytes, *, what: str, max_bytes: int) -> JsonValue:
    """Parse hostile JSON: bounded in size and depth, duplicate keys and NaN refused.

    Args:
        data: UTF-8 text.
        what: name of the thing for the error message.
        max_bytes: largest size accepted, in bytes.

    Raises:
        MalformedError: anything else than one JSON value within the limits.
    """
    if len(data) > max_bytes:
        raise MalformedError(
            what, got=f"{len(data)} bytes", expected=f"at most {max_bytes} bytes"
        )

    # Before parsing: the parser recurses, and where a library has raised Python's
    # recursion limit (py_ecc does, on import) deep nesting overflows the C stack.
    if _nests_deeper(data, limit=_MAX_DEPTH):
        raise MalformedError(
            what, got="deeper nesting", expected=f"at most {_MAX_DEPTH} levels"
        )

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = {key for key, _ in pairs}
        if len(keys) != len(pairs):
            raise ValueError("duplicate key")
        return dict(pairs)

    def refuse_constant(name: str) -> None:
        raise ValueError(f"constant {name}")

    try:
        value: JsonValue = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=refuse_duplicates,
            parse_constant=refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(what, got=str(error)[:200], expected="JSON") from error
    return value


def _nests_deeper(data: bytes, *, limit: int) -> bool:
    """Whether brackets outside of strings nest deeper than `limit`."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    depth, inside = 0, False
    for match in _STRUCTURE.finditer(data):
        mark = match[0]
        if mark == b'"':
            inside = not inside
        elif not inside and mark in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif not inside and mark in b"]}":
            depth -= 1
    return False


def to_hex(data: bytes) -> str:
    """Return `data` as lower-case hexadecimal with a `0x` prefix."""
    return "0x" + data.hex()


def from_hex(text: object, *, what: str) -> bytes:
    """Return the bytes of `0x`-prefixed hexadecimal `text`.

    Raises:
        MalformedError: `text` is not a string of that form.
    """
    # No group: the engine would remember each repetition of it, at 140 times the size.
    if (
        not isinstance(text, str)
        or len(text) % 2
        or not re.fullmatch(r"0x[0-9a-fA-F]*", text)
    ):
        raise MalformedError(what, got=repr(text)[:80], expected="0x-prefixed hex")
    return bytes.fromhex(text[2:])


def digest_from_hex(text: object, *, what: str) -> Digest:
    """Return the 32 bytes of `text`, which must be `0x` and 64 lower-case hex digits.

    Raises:
        MalformedError: `text` is not a string of that form.
    """
    if not isinstance(text, str) or not _HEX32.fullmatch(text):
        raise MalformedError(
            what, got=repr(text)[:80], expected="0x and 64 lower-case hex digits"
        )
    return Digest(bytes.fromhex(text[2:]))


def merkle_root(leaves: Sequence[bytes]) -> Digest:
    """Return the root over leaf digests, domain-separated and length-committing.

    A leaf node is keccak256(0x00 ‖ leaf), an inner node keccak256(0x01 ‖ left ‖ right);
    an odd node is carried up unpaired; the root is keccak256(0x02 ‖ uint64 count ‖
    top), so that a tree of another size never has the same root. No leaves: top is 32
    zero bytes.

    Args:
        leaves: each 32 bytes.
    """
    level: list[bytes] = [keccak256(b"\x00" + leaf) for leaf in leaves]
    while len(level) > 1:
        paired: list[bytes] = [
            keccak256(b"\x01" + level[i] + level[i + 1])
            for i in range(0, len(level) - 1, 2)
        ]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    top = level[0] if level else bytes(32)
    return keccak256(b"\x02" + len(leaves).to_bytes(8, "big") + top)
