"""How much work a pattern of a schema is, for the patterns that may come from outside.

The grammar backend unrolls repetitions, cannot be interrupted, and reads some patterns
in its own way: it ignores lookaheads, anchors at both ends whatever is written, and
writes some quotes and backslashes into JSON unescaped (xgrammar 0.2.8). So only a plain
subset is let through, and its cost is counted before anything is compiled:

    pattern = ^ sequence $
    piece   = letter | \\d | \\w | \\ and a punctuation mark | . | [class] | (either|or)
    repeat  = * | + | ? | {m} | {m,} | {m,n}
"""

from __future__ import annotations

from typing import NoReturn

from affiant.inference.errors import SchemaLimitError

MAX_PATTERN_CHARS = 256
"""Longest pattern, in characters."""
MAX_REPEATS = 128
"""Largest number in a quantifier; above, the backend takes up to 0.1 s per token."""
_WIDE = 2
"""Cost of a piece that stands for most of Unicode; measured against a-z."""
_DEPTH = 8
"""Deepest nesting of groups."""
_PUNCTUATION = frozenset(".-+*?()[]{}|/^$,:;@#%&=_~!<> ")


def pattern_cost(pattern: str, *, where: str) -> int:
    """Return how many steps `pattern` unrolls to, wide ones counted twice.

    Args:
        pattern: a regular expression of a schema.
        where: its place in the schema, for the error.

    Raises:
        SchemaLimitError: it is not of the subset that is let through.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise SchemaLimitError(
            where,
            got=f"{len(pattern)} characters",
            expected=f"at most {MAX_PATTERN_CHARS}",
        )
    if len(pattern) < 2 or pattern[0] != "^" or pattern[-1] != "$":
        raise SchemaLimitError(
            where, got=f"pattern {pattern[:60]!r}", expected="^…$, anchored both ends"
        )
    return _Reader(pattern, where=where).read()


class _Reader:
    def __init__(self, pattern: str, *, where: str) -> None:
        self._pattern = pattern
        self._where = where
        self._at = 1
        self._end = len(pattern) - 1

    def read(self) -> int:
        cost = self._alternatives(depth=0)
        if self._at != self._end:
            self._refuse("an unopened )")
        return cost

    def _alternatives(self, *, depth: int) -> int:
        if depth > _DEPTH:
            self._refuse("deeper groups", expected=f"at most {_DEPTH} deep")
        cost = 0
        while self._at < self._end and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                if depth == 0:
                    # Anchors would belong to one side each; the backend disagrees.
                    self._refuse("| outside of a group")
                self._at += 1
                continue
            cost += self._piece(depth=depth) * self._repeats()
        return cost

    def _piece(self, *, depth: int) -> int:
        letter = self._next()
        if letter == "(":
            if self._pattern.startswith("?:", self._at):
                self._at += 2
            elif self._pattern[self._at] == "?":
                self._refuse("a group that looks around or has a name")
            cost = self._alternatives(depth=depth + 1)
            if self._at >= self._end:
                self._refuse("an unclosed (")
            self._at += 1
            return max(cost, 1)
        if letter == "[":
            return self._class()
        if letter == ".":
            return _WIDE
        if letter == "\\":
            self._escape()
        elif letter in "^$*+?{}]" or not _harmless(letter):
            self._refuse(f"{letter!r}")
        return 1

    def _class(self) -> int:
        wide = self._pattern[self._at] == "^"
        if wide:
            self._at += 1
        empty = True
        while (letter := self._next()) != "]":
            empty = False
            if letter == "\\":
                self._escape()
            elif letter == "[" or not _harmless(letter):
                self._refuse(f"{letter!r} in a class")
            wide = wide or not letter.isascii()
        if empty:
            self._refuse("an empty class")
        return _WIDE if wide else 1

    def _escape(self) -> None:
        letter = self._next()
        if letter not in "dw" and letter not in _PUNCTUATION:
            self._refuse(f"\\{letter}", expected="\\d, \\w or a punctuation mark")

    def _repeats(self) -> int:
        if self._at >= self._end or self._pattern[self._at] not in "*+?{":
            return 1
        mark = self._next()
        repeats = {"*": 1, "?": 1, "+": 2}.get(mark) or self._counted()
        if self._at < self._end and self._pattern[self._at] in "*+?{":
            self._refuse("a repeated repetition")
        return repeats

    def _counted(self) -> int:
        close = self._pattern.find("}", self._at, self._end)
        inside = self._pattern[self._at : close] if close > 0 else ""
        least, comma, most = inside.partition(",")
        numbers = [text for text in (least, most) if text]
        if not least or not all(
            text.isascii() and text.isdigit() and len(text) <= 4 for text in numbers
        ):
            self._refuse(f"{{{inside[:20]}", expected="{m}, {m,} or {m,n}")
        self._at = close + 1
        largest = max(int(text) for text in numbers)
        if largest > MAX_REPEATS or int(least) > int(most or least):
            self._refuse(f"{{{inside}}}", expected=f"up to {MAX_REPEATS} times")
        return max(largest, 1) + (1 if comma and not most else 0)

    def _next(self) -> str:
        if self._at >= self._end:
            self._refuse("an end in the middle")
        self._at += 1
        return self._pattern[self._at - 1]

    def _refuse(self, got: str, *, expected: str = "the plain subset") -> NoReturn:
        raise SchemaLimitError(
            self._where, got=f"{got} in a pattern", expected=expected
        )


def _harmless(letter: str) -> bool:
    """Whether the backend writes `letter` into JSON as it should be written."""
    return letter.isprintable() and letter not in '"\\'
