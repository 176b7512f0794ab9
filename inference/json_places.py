"""Where in a JSON text each character stands: which field it is of.

Pure, and made for hostile text: it never raises. A text that stops being JSON has no
places from there on; a text that is cut short has places up to its end. It says where
characters stand, not what the value means: `affiant.agents.programs.plan` parses plans.

    {"why":"up","actions":[{"action":"hold"}]}
           ^^^                        ^^^^^      fields `why`, `actions[0].action`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_DEPTH = 64
"""Deepest nesting that is followed."""
MAX_KEY = 80
"""Characters of a name that its path shows: each item below it repeats the path."""

_SPACE = " \t\r\n"
_NUMBER = "+-.0123456789eE"
_LITERALS = ("true", "false", "null")


@dataclass(frozen=True)
class Place:
    """Where one character stands."""

    path: str
    """Its field, as `actions[0].share_bps`; the empty text for the outermost value."""
    value: bool
    """Whether it is of the field's value: what ends a text or number counts, because it
    decides that no more of it follows; brackets, commas and names do not."""


@dataclass
class _Open:
    """A container that is not closed yet."""

    path: str
    array: bool
    index: int = 0
    key: str = ""

    def inner(self) -> str:
        """Path of the value that comes next."""
        if self.array:
            return f"{self.path}[{self.index}]"
        return f"{self.path}.{self.key}" if self.path else self.key


def json_places(text: str) -> tuple[Place | None, ...]:
    """Return the place of each character of `text`; None where it is no JSON."""
    scanner = _Scanner(text)
    scanner.run()
    return (*scanner.places, *[None] * (len(text) - len(scanner.places)))


def fields_of(places: Sequence[Place | None]) -> tuple[str, ...]:
    """Return the fields whose values some characters are of, each once, in order.

    Where they are of no value, the field that their first place stands in.
    """
    values = dict.fromkeys(item.path for item in places if item and item.value)
    if values:
        return tuple(values)
    return next(((item.path,) for item in places if item), ())


class _Scanner:
    """One pass over a text, with the containers that are open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: list[Place] = []
        self.open: list[_Open] = []
        self.expected = "value"

    def run(self) -> None:
        """Place characters until the text ends or is no JSON any more."""
        while self._at() < len(self.text) and self._step(self.text[self._at()]):
            pass

    def _at(self) -> int:
        return len(self.places)

    def _place(self, path: str, *, value: bool, count: int = 1) -> bool:
        self.places += [Place(path, value)] * count
        return True

    def _path(self) -> str:
        """Path of the innermost open container."""
        return self.open[-1].path if self.open else ""

    def _next_path(self) -> str:
        return self.open[-1].inner() if self.open else ""

    def _step(self, letter: str) -> bool:
        if letter in _SPACE:
            return self._place(self._path(), value=False)
        if letter in "]}" and self.open:
            return self._close(letter)
        if self.expected.startswith("value"):
            return self._value(letter)
        if self.expected.startswith("key") and letter == '"':
            return self._key()
        if letter == ":" and self.expected == "colon":
            self.expected = "value"
            return self._place(self._path(), value=False)
        if letter == "," and self.expected == "comma":
            return self._comma()
        return False

    def _value(self, letter: str) -> bool:
        path = self._next_path()
        if letter in "{[":
            if len(self.open) >= MAX_DEPTH:
                return False
            self.open.append(_Open(path, array=letter == "["))
            self.expected = "value or end" if letter == "[" else "key or end"
            return self._place(path, value=False)
        if letter == '"':
            self._place(path, value=False)
            self._place(path, value=True, count=self._string_length())
            self._after_value()
            return True
        start = self._at()
        end = start
        if letter in "-0123456789":
            while end < len(self.text) and self.text[end] in _NUMBER:
                end += 1
            self._place(path, value=True, count=end - start)
            self._after_value()
            # What stands behind a number ends it: it decides as a digit does.
            if end < len(self.text) and self._step(self.text[end]):
                self.places[end] = Place(path, value=True)
                return True
            return end == len(self.text)
        for literal in _LITERALS:
            rest = self.text[start : start + len(literal)]
            if literal.startswith(rest):
                self._place(path, value=True, count=len(rest))
                self._after_value()
                return True
        return False

    def _string_length(self) -> int:
        """Number of characters up to and including the closing quote, if there is."""
        start = at = self._at()
        while at < len(self.text):
            if self.text[at] == "\\":
                at += 1
            elif self.text[at] == '"':
                return at + 1 - start
            at += 1
        return len(self.text) - start

    def _key(self) -> bool:
        path = self._path()
        self._place(path, value=False)
        length = self._string_length()
        key = self.text[self._at() : self._at() + length]
        self.open[-1].key = key.removesuffix('"')[:MAX_KEY]
        self.expected = "colon"
        return self._place(path, value=False, count=length)

    def _comma(self) -> bool:
        container = self.open[-1]
        container.index += 1
        self.expected = "value" if container.array else "key"
        return self._place(container.path, value=False)

    def _close(self, letter: str) -> bool:
        container = self.open[-1]
        if container.array != (letter == "]"):
            return False
        if self.expected not in ("comma", "value or end", "key or end"):
            return False
        self.open.pop()
        self._after_value()
        return self._place(container.path, value=False)

    def _after_value(self) -> None:
        self.expected = "comma" if self.open else "end"
