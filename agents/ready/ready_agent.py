"""What the ready agents have in common: an objective made of words and numbers.

It decides how a class's numbers become its objective and its features, and refuses
numbers that make no sense. It does not decide what is done: a model plans, and the
mandate bounds it. It trusts the author of the class and nobody else.

    class Careful(Rebalancer):
        low, high, idle = 30, 40, 5

A subclass is another program with another hash, which the owner grants anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import ClassVar

from affiant.agents.agent import VerifiedAgent
from affiant.agents.errors import ProgramDefinitionError
from affiant.agents.programs.features import Feature

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")


class ReadyAgent(VerifiedAgent):
    """Base of the ready agents; a subclass writes other numbers."""

    words: ClassVar[str]
    """The objective, with the names of the class's own numbers in braces."""
    ranges: ClassVar[Mapping[str, tuple[int, int]]] = {}
    """Least and greatest value of each number, both allowed."""
    tokens: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that name tokens of the address book."""
    _worded: ClassVar[bool] = True

    def __init_subclass__(cls, **given: object) -> None:
        """Write the objective and the features from the class's numbers.

        An `objective` that a subclass writes itself stays as it is.

        Raises:
            ProgramDefinitionError: a number is missing or out of range, or the numbers
                contradict one another.
        """
        super().__init_subclass__(**given)
        for name, (least, most) in cls.ranges.items():
            value = getattr(cls, name, None)
            if type(value) is not int or not least <= value <= most:
                raise ProgramDefinitionError(
                    f"{cls.__name__}.{name}: got {value!r}, expected a whole number "
                    f"from {least} to {most}"
                )
        for name in cls.tokens:
            value = getattr(cls, name, None)
            if not isinstance(value, str) or not _NAME.fullmatch(value):
                raise ProgramDefinitionError(
                    f"{cls.__name__}.{name}: got {value!r}, expected a token's name"
                )
        cls.check()
        if "objective" in cls.__dict__:
            cls._worded = False
        elif cls._worded:
            fields = [name for _, name, _, _ in Formatter().parse(cls.words) if name]
            cls.objective = cls.words.format(
                **{name: getattr(cls, name) for name in fields}
            )
        if "features" not in cls.__dict__:
            cls.features = cls.measures()

    @classmethod
    def check(cls) -> None:
        """Refuse numbers that contradict one another.

        Raises:
            ProgramDefinitionError: they do.
        """

    @classmethod
    def measures(cls) -> tuple[Feature, ...]:
        """Return what is computed for every request; nothing by default."""
        return ()

    @classmethod
    def require_below(cls, first: str, second: str) -> None:
        """Refuse a class whose number `first` is not below its number `second`.

        Raises:
            ProgramDefinitionError: it is not.
        """
        low, high = getattr(cls, first), getattr(cls, second)
        if low >= high:
            raise ProgramDefinitionError(
                f"{cls.__name__}.{first}: got {low}, expected less than `{second}`, "
                f"which is {high}"
            )
