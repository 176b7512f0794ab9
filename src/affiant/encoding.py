"""Hashes and encodings that every layer shares: Keccak-256, canonical JSON, roots.

Pure: bytes in, bytes out. It decides nothing and trusts nobody. `docs/formats.md` is
the specification; the worked example there is checked by `tests/test_formats.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NewType

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
# Possessive, and without an end at the end of the text: nothing is remembered for
# going back, and nothing is looked at twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_WORDS = {str, bool, type(None)}
MAX_INTEGER = 2**53 - 1
"""Greatest integer that canonical JSON takes (RFC 7493, section 2.2)."""
MAX_DEPTH = 64
"""Deepest nesting accepted from hostile JSON; ours is under ten."""
MAX_ITEMS = 4_000_000
"""Most values accepted in one hostile JSON text: a text within its limit of bytes must
not ask for gigabytes of small objects."""


def keccak256(data: bytes) -> Digest:
    """Return the Keccak-256 digest of `data` (the Ethereum hash, not SHA3-256)."""
    return Digest(keccak_256(data).digest())


def canonical_json(value: JsonValue) -> bytes:
    """Return the RFC 8785 encoding of `value`, UTF-8.

    Without fractions and with ASCII keys, as ours are, Python's own encoder in C writes
    the same bytes ten times as fast (`tests/test_encoding.py` compares the two).

    Raises:
        MalformedError: `value` holds something that canonical JSON cannot express.
    """
    try:
        if _is_plain(value):
            text = json.dumps(
                value, ensure_ascii=False, separators=(",", ":"), sort_keys=True
            )
            return text.encode("utf-8")
        return bytes(rfc8785.dumps(value))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise MalformedError(
            "canonical JSON", got=str(error), expected="a JSON value within IEEE 754"
        ) from error


def _is_plain(value: JsonValue, *, depth: int = 0) -> bool:
    """Say whether Python's encoder writes `value` as RFC 8785 has it.

    Numbers must be integers that a double holds exactly; keys must be ASCII, because
    RFC 8785 orders the others by UTF-16. Subclasses may have their own spelling.
    """
    kind = type(value)
    if kind is dict:
        try:
            if not "".join(value).isascii():
                return False
        except TypeError:  # a key that is no text
            return False
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        return kind in _WORDS or (kind is int and abs(value) <= MAX_INTEGER)
    # Without a step for each: token ids and hashes are many.
    kinds = set(map(type, items))
    if kinds <= _WORDS:
        return True
    if kinds == {int}:
        return bool(-MAX_INTEGER <= min(items) and max(items) <= MAX_INTEGER)
    # Deeper than ours ever are: left to the other encoder, and never to the C stack.
    if depth > MAX_DEPTH:
        return False
    for item in items:
        kind = type(item)
        if kind in _WORDS or (kind is int and abs(item) <= MAX_INTEGER):
            continue
        if kind is int or not _is_plain(item, depth=depth + 1):
            return False
    return True


def parse_json(data: bytes, *, what: str, max_bytes: int) -> JsonValue:
    """Parse hostile JSON: bounded in size, values and depth; no duplicate key, no NaN.

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

    if json_items(data) > MAX_ITEMS:
        raise MalformedError(what, got="more values", expected=f"at most {MAX_ITEMS}")

    # Before parsing: the parser recurses, and where a library has raised Python's
    # recursion limit (py_ecc does, on import) deep nesting overflows the C stack.
    if nests_deeper(data, limit=MAX_DEPTH):
        raise MalformedError(
            what, got="deeper nesting", expected=f"at most {MAX_DEPTH} levels"
        )

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("duplicate key")
        return value

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


def json_items(text: bytes) -> int:
    """Return at least the number of values in JSON text, without parsing it."""
    return sum(text.count(mark) for mark in (b",", b"[", b"{"))


def nests_deeper(data: bytes, *, limit: int) -> bool:
    """Say whether brackets outside of strings nest deeper than `limit`.

    Of text that is JSON up to some byte, all up to there is counted as a parser would
    meet it.
    """
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    depth = 0
    for mark in _STRING.sub(b"", data).translate(None, _NO_BRACKETS):
        if mark in b"[{":
            depth += 1
            if depth > limit:
                return True
        else:
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
    level = [_leaf_node(leaf) for leaf in leaves]
    while len(level) > 1:
        level = _level_above(level)
    return _root(len(leaves), level[0] if level else ZERO_DIGEST)


@dataclass(frozen=True)
class MerklePath:
    """How one leaf hangs together with the root of its tree.

    Place and size of the tree fix on which side each sibling stands and on which levels
    there is none (an odd node is carried up), so the siblings alone are listed.
    """

    index: int
    """Place of the leaf, from 0."""
    count: int
    """Leaves in the tree."""
    siblings: tuple[Digest, ...]
    """What the leaf's branch is paired with, from the leaf up."""

    def __post_init__(self) -> None:
        """Refuse a path that fits no tree.

        Raises:
            MalformedError: the place is outside of the tree, or it has another number
                of siblings.
        """
        if not 0 <= self.index < self.count < 2**64:
            raise MalformedError(
                "Merkle path",
                got=f"leaf {self.index} of {self.count}",
                expected="a leaf of the tree",
            )
        needed = len(list(_sides(self.index, self.count)))
        if len(self.siblings) != needed:
            raise MalformedError(
                "Merkle path",
                got=f"{len(self.siblings)} siblings",
                expected=f"{needed}, for leaf {self.index} of {self.count}",
            )

    def root_of(self, leaf: bytes) -> Digest:
        """Return the root of the tree in which `leaf` has this path.

        Args:
            leaf: 32 bytes.
        """
        node = _leaf_node(leaf)
        sides = _sides(self.index, self.count)
        for side, sibling in zip(sides, self.siblings, strict=True):
            pair = (sibling, node) if side == "left" else (node, sibling)
            node = _inner_node(*pair)
        return _root(self.count, node)


def merkle_path(leaves: Sequence[bytes], index: int) -> MerklePath:
    """Return the path of leaf `index` to `merkle_root(leaves)`.

    Args:
        leaves: each 32 bytes.
        index: place of the leaf, from 0.

    Raises:
        MalformedError: there is no such leaf.
    """
    siblings: list[Digest] = []
    if 0 <= index < len(leaves):
        level, at = [_leaf_node(leaf) for leaf in leaves], index
        while len(level) > 1:
            if at ^ 1 < len(level):
                siblings.append(level[at ^ 1])
            level, at = _level_above(level), at // 2
    return MerklePath(index, len(leaves), tuple(siblings))


def _sides(index: int, count: int) -> Iterator[Literal["left", "right"]]:
    """Yield where the sibling of a leaf's branch stands, on each level that has one."""
    while count > 1:
        if index % 2:
            yield "left"
        elif index + 1 < count:
            yield "right"
        index, count = index // 2, (count + 1) // 2


def _level_above(level: list[Digest]) -> list[Digest]:
    above = [
        _inner_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)
    ]
    if len(level) % 2:
        above.append(level[-1])
    return above


def _leaf_node(leaf: bytes) -> Digest:
    return keccak256(b"\x00" + leaf)


def _inner_node(left: bytes, right: bytes) -> Digest:
    return keccak256(b"\x01" + left + right)


def _root(count: int, top: bytes) -> Digest:
    return keccak256(b"\x02" + count.to_bytes(8, "big") + top)
