"""Single values inside a schema from outside: numbers, enumerations, types.

Small checks, each of which refuses with the place, what is there and what may be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import NoReturn

from affiant.encoding import JsonValue
from affiant.inference.errors import SchemaLimitError

BOUND_DIGITS = 6
"""Decimals of a number's bound; the grammar knows no more."""
MAX_BOUND = 2**53 - 1
"""Largest bound of a number, either side of zero."""


def refuse(where: str, *, got: str, expected: str) -> NoReturn:
    """Raise `SchemaLimitError` for the schema's part at `where`."""
    raise SchemaLimitError(where, got=got, expected=expected)


def kind_of(value: JsonValue) -> str:
    """Return the JSON type of `value`, in words."""
    for types, name in (
        (type(None), "null"),
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a number"),
        (str, "a string"),
        (list, "a list"),
        (dict, "an object"),
    ):
        if isinstance(value, types):
            return name
    return type(value).__name__


def check_only(stated: Collection[str], known: Collection[str], *, where: str) -> None:
    """Refuse keywords besides `known`: the grammar would ignore them."""
    for name in sorted(stated):
        if name not in known:
            refuse(
                where,
                got=f"`{name}`"[:80],
                expected=f"only what is enforced here: {', '.join(sorted(known))}",
            )


def natural(value: JsonValue, *, most: int, where: str) -> int:
    """Return a count from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        refuse(where, got=repr(value)[:60], expected=f"an integer from 0 to {most}")
    return value


def check_bound(value: JsonValue, *, where: str) -> None:
    """Refuse a bound that the grammar would round."""
    if (
        type(value) not in (int, float)
        or not -MAX_BOUND <= value <= MAX_BOUND
        or (Fraction(str(value)) * 10**BOUND_DIGITS).denominator != 1
    ):
        refuse(
            where,
            got=repr(value)[:60],
            expected=f"a number within ±{MAX_BOUND}, at most {BOUND_DIGITS} decimals",
        )


def check_types(values: Sequence[JsonValue], stated: JsonValue, *, where: str) -> None:
    """Refuse `enum` or `const` values of another type than the one beside them.

    Args:
        values: the values.
        stated: what `type` says; `None` where there is no `type`.
        where: the schema's place.
    """
    if stated is None:
        return
    names = stated if isinstance(stated, list) else [stated]
    for value in values:
        if not any(_is_of(value, name) for name in names):
            refuse(
                where,
                got=f"{kind_of(value)} among the values",
                expected=f"of type {stated}"[:80],
            )


def _is_of(value: JsonValue, name: JsonValue) -> bool:
    if name == "number":
        return type(value) in (int, float)
    types: dict[JsonValue, type] = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "null": type(None),
        "array": list,
        "object": dict,
    }
    return isinstance(name, str) and type(value) is types.get(name)
