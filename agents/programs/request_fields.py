"""The fields of a request, one by one: named, changed a little, put back together.

Pure. It decides how a field is named (`portfolio.tokens.WETH.share.total`), what a
small change of it is, and whether the prompt shows it at all; it does not decide
whether such a request could ever come about. A field that is a name, or nothing at all,
has no small change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affiant.agents.programs.prompt import render_prompt
from affiant.encoding import JsonValue
from affiant.errors import MalformedError

NAMING = ("token", "pool", "vault", "feature")
"""Fields by which an item of a list is called, where it has one."""

SIGNED = ("deviationBps",)
"""Integers that may be negative."""

ABSENT: Mapping[str, JsonValue] = {
    "price": "1",
    "deviationBps": 1,
    "healthBps": 1,
    "previous": {"slot": 0, "actions": ["another"]},
    "question": "another",
}
"""What fields that may be null could say instead."""

Keys = tuple[str | int, ...]

_DECIMAL = re.compile(r"-?[0-9]{1,80}(?:\.[0-9]{1,80})?")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Field:
    """One value of a request that is no list or object."""

    path: str
    """What it is called."""
    keys: Keys
    """The way to it: names and positions."""
    value: JsonValue


@dataclass(frozen=True)
class Nudge:
    """One field of a request, changed a little."""

    path: str
    """The field's; of a number in a text, with its place: `objective, number 2`."""
    old: str
    """What the field, or the number, said."""
    new: str
    request: dict[str, JsonValue]
    """The whole request with the change."""


def request_fields(request: JsonValue) -> tuple[Field, ...]:
    """Return every field of a JSON value, in order; empty lists and objects count."""
    return tuple(_walk(request, path="", keys=()))


def nudges(request: Mapping[str, JsonValue]) -> tuple[Nudge, ...]:
    """Return small changes of every field that has one: one up, one down where it can.

    Integers by one, decimals by a hundredth (nothing becomes one), each number in the
    objective by one, an earlier action to another that the program has.
    """
    return tuple(
        Nudge(path, old, new, _with_value(request, field.keys, value))
        for field in request_fields(request)
        for path, old, new, value in _changes(field, request=request)
    )


def shown_fields(request: Mapping[str, JsonValue]) -> frozenset[str]:
    """Return the paths of the fields that the prompt shows, found by changing each.

    Raises:
        RequestError: the request itself cannot be rendered.
    """
    before = render_prompt(request)
    shown = set()
    for field in request_fields(request):
        others = [value for *_, value in _changes(field, request=request)]
        for value in (*others, *_replacements(field)):
            try:
                after = render_prompt(_with_value(request, field.keys, value))
            except MalformedError:
                continue  # A format that no template knows shows nothing.
            if after != before:
                shown.add(field.path)
                break
    return frozenset(shown)


def _walk(value: JsonValue, *, path: str, keys: Keys) -> Iterator[Field]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(item, path=inner, keys=(*keys, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            name = _name_of(item)
            inner = f"{path}[{index}]" if name is None else f"{path}.{name}"
            yield from _walk(item, path=inner, keys=(*keys, index))
    else:
        yield Field(path, keys, value)


def _name_of(item: JsonValue) -> str | None:
    if isinstance(item, Mapping):
        for key in NAMING:
            if isinstance(item.get(key), str):
                return str(item[key])
    return None


def _changes(
    field: Field, *, request: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str, str, JsonValue]]:
    """Yield (path, what it said, what it says now, the field's new value)."""
    path, value, name = field.path, field.value, field.keys[-1]
    if type(value) is int:
        least = -math.inf if name in SIGNED or value < 0 else 0
        for new in (value + 1, value - 1):
            if new >= least:
                yield path, str(value), str(new), new
    elif not isinstance(value, str) or name in (*NAMING, "format"):
        return
    elif field.keys[:2] == ("previous", "actions"):
        for other in [name for name in request["actions"] if name != value][:2]:
            yield path, value, str(other), other
    elif field.keys == ("objective",):
        for count, number in enumerate(_NUMBER.finditer(value), start=1):
            for new in (int(number[0]) + 1, int(number[0]) - 1):
                if new >= 0:
                    text = f"{value[: number.start()]}{new}{value[number.end() :]}"
                    yield f"{path}, number {count}", number[0], str(new), text
    elif _DECIMAL.fullmatch(value):
        whole, _, fraction = value.partition(".")
        units, places = int(whole + fraction), len(fraction) + 2
        for hundredths in (101, 99) if units else (100,):
            written = _decimal((units or 1) * hundredths, places=places)
            yield path, value, written, written


def _replacements(field: Field) -> tuple[JsonValue, ...]:
    """Return other values, not small ones, for finding out whether one is shown."""
    if type(field.value) is int:
        return (field.value + 1000,)
    if isinstance(field.value, str):
        return (f"{field.value}1", "1")
    name = field.keys[-1] if field.keys else ""
    return (ABSENT[str(name)],) if field.value is None and name in ABSENT else ()


def _decimal(units: int, *, places: int) -> str:
    sign, digits = "-" if units < 0 else "", str(abs(units)).rjust(places + 1, "0")
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :]
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _with_value(request: JsonValue, keys: Sequence[Any], value: JsonValue) -> JsonValue:
    """Return a copy of `request` with another value at the end of `keys`."""
    if not keys:
        return value
    copy: Any = list(request) if isinstance(request, list) else dict(request)
    copy[keys[0]] = _with_value(copy[keys[0]], keys[1:], value)
    return copy
