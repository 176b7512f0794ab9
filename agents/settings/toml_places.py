"""Where each key and value of a TOML file stands, by line and column.

`tomllib` decides what a file says and keeps no places. This walks over a text that
`tomllib` has accepted, and notes where things stand; it decides nothing about meaning.
Of a text that is no TOML it may say anything, and never runs for ever.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way to a value: names of tables and keys, positions in arrays."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!"")|""(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!'')|''(?!'))*'{3,5}"),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


@dataclass(frozen=True, order=True)
class Place:
    """A place in a text; both count from 1."""

    line: int
    column: int
    """In characters."""


@dataclass(frozen=True)
class Placed:
    """Where one key, table or array entry stands."""

    key: Place
    """Where its name begins; of an array's entry, where the entry does."""
    value: Place
    """Where its value begins; of a table, where its header does."""


def toml_places(text: str) -> Mapping[Path, Placed]:
    """Return the place of every key, table and array entry of a valid TOML text."""
    walk = _Walk(text.replace("\r\n", "\n"))
    try:
        walk.document()
    except (_LostError, RecursionError, tomllib.TOMLDecodeError):
        pass  # What was found until then is right; the rest has no place.
    return walk.found


class _LostError(Exception):
    """The text is not what `tomllib` would have accepted."""


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, Placed] = {}
        self._line, self._line_start, self._counted = 1, 0, 0
        self._entries: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_SPACE)
            if self.at >= len(self.text):
                return
            start = self._place()
            if self.text.startswith("[[", self.at):
                table = self._header(opens=2, start=start)
            elif self.text[self.at] == "[":
                table = self._header(opens=1, start=start)
            else:
                self._pair(table)

    def _header(self, *, opens: int, start: Place) -> Path:
        self.at += opens
        self._skip(_BLANK)
        place = self._place()
        names = self._key()
        self._skip(_BLANK)
        self.at += opens
        table: Path = ()
        for depth, name in enumerate(names):
            table = (*table, name)
            if depth == len(names) - 1 and opens == 2:
                number = self._entries.get(table, -1) + 1
                self._entries[table] = number
                self._note(table, Placed(place, start))
                table = (*table, number)
            elif table in self._entries:
                table = (*table, self._entries[table])
            self._note(table, Placed(place, start))
        return table

    def _pair(self, table: Path) -> None:
        place = self._place()
        path = (*table, *self._key())
        self._skip(_BLANK)
        self._expect("=")
        self._skip(_BLANK)
        for depth in range(len(table) + 1, len(path)):
            self._note(path[:depth], Placed(place, place))
        self._note(path, Placed(place, self._place()))
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in ("'", '"'):
            self._string()
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._expect("[")
        number = 0
        while True:
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "]":
                self.at += 1
                return
            place = self._place()
            self._note((*path, number), Placed(place, place))
            self._value((*path, number))
            number += 1
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at : self.at + 1] != "]":
                raise _LostError

    def _inline_table(self, path: Path) -> None:
        self._expect("{")
        while True:
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == "}":
                self.at += 1
                return
            self._pair(path)
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at : self.at + 1] != "}":
                raise _LostError

    def _key(self) -> tuple[str, ...]:
        names: list[str] = []
        while True:
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] in ("'", '"'):
                names.append(str(tomllib.loads(f"name = {self._string()}")["name"]))
            else:
                bare = _BARE_KEY.match(self.text, self.at)
                if bare is None:
                    raise _LostError
                names.append(bare[0])
                self.at = bare.end()
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] != ".":
                return tuple(names)
            self.at += 1

    def _string(self) -> str:
        for pattern in _STRINGS:
            found = pattern.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return found[0]
        raise _LostError

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()

    def _expect(self, character: str) -> None:
        if self.text[self.at : self.at + 1] != character:
            raise _LostError
        self.at += 1

    def _note(self, path: Path, placed: Placed) -> None:
        self.found.setdefault(path, placed)

    def _place(self) -> Place:
        # Only ever forward, so that a long file is counted once.
        passed = self.text[self._counted : self.at]
        if "\n" in passed:
            self._line += passed.count("\n")
            self._line_start = self._counted + passed.rindex("\n") + 1
        self._counted = self.at
        return Place(self._line, self.at - self._line_start + 1)
