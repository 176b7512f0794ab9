"""Fields of hostile JSON: each is what it should be, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping

from affiant.encoding import JsonValue, from_hex, to_hex
from affiant.errors import MalformedError
from affiant.inference.receipt import MAX_TOKEN_ID
from affiant.inference.trace import MAX_TOKENS


def bytes_field(value: Mapping[str, JsonValue], name: str, *, length: int) -> bytes:
    """Return `length` bytes, which stand in `value` as lower-case hexadecimal.

    Raises:
        MalformedError: not that.
    """
    found = from_hex(value[name], what=name)
    if len(found) != length or to_hex(found) != value[name]:
        raise MalformedError(
            name, got=repr(value[name])[:80], expected=f"0x and {2 * length} hex digits"
        )
    return found


def natural_field(value: Mapping[str, JsonValue], name: str, *, bits: int) -> int:
    """Return an unsigned integer of at most `bits` bits.

    Raises:
        MalformedError: not that.
    """
    found = value[name]
    if type(found) is not int or not 0 <= found < 2**bits:
        raise MalformedError(name, got=repr(found)[:80], expected=f"uint{bits}")
    return found


def flag_field(value: Mapping[str, JsonValue], name: str) -> bool:
    """Return true or false.

    Raises:
        MalformedError: neither.
    """
    if type(value[name]) is not bool:
        raise MalformedError(name, got=repr(value[name])[:80], expected="true or false")
    return bool(value[name])


def ids_field(value: Mapping[str, JsonValue], name: str) -> tuple[int, ...]:
    """Return token ids, at least one.

    Raises:
        MalformedError: not a list of ids, none, or too many.
    """
    ids = value[name]
    if not isinstance(ids, list) or not 0 < len(ids) <= MAX_TOKENS:
        got = f"{len(ids)} ids" if isinstance(ids, list) else type(ids).__name__
        raise MalformedError(name, got=got, expected=f"1 to {MAX_TOKENS} token ids")
    for index, token in enumerate(ids):
        if type(token) is not int or not 0 <= token <= MAX_TOKEN_ID:
            raise MalformedError(
                f"{name}[{index}]",
                got=repr(token)[:40],
                expected=f"0 to {MAX_TOKEN_ID}",
            )
    return tuple(ids)
