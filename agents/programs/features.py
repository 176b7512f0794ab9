"""Features: numbers that a program computes from facts and puts into its requests.

A feature is written as a Python function and is *data*: its source stands in the
program's manifest, under the program's hash, and everybody evaluates it from there with
the interpreter below. Nothing is ever executed as Python, so a node or an auditor may
evaluate the features of somebody whom it does not trust. The language is the part of
Python that this needs: whole numbers, comparisons, `if`, names for steps in between. It
has no loops, no calls but `min`, `max` and `abs`, no text, no fractions and no way out.

    @feature(decimals=2)
    def weth_worth(facts: Facts) -> int:
        price = facts.prices["WETH"]
        units = facts.balances["WETH"].wallet * price.answer
        return units * 100 // 10 ** (18 + price.decimals)

It decides what a feature may be and what it comes to; it does not judge whether that is
a sensible thing to tell a model. What it cannot compute is refused, and with it the
request: there is no default.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from affiant.agents.programs.feature_language import (
    MAX_SOURCE_CHARS,
    check_source,
    evaluate,
)
from affiant.agents.programs.plan_errors import RequestError
from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.facts import (
    BALANCES,
    LENDING_PREFIX,
    POOL_PREFIX,
    PRICES,
    VAULT_PREFIX,
    Facts,
)
from affiant.onchain.mandate import object_fields

LANGUAGE = "affiant-feature/1"
"""Version tag of what sources mean. Another meaning is another version."""

MAX_FEATURES = 16
"""Most features of one program."""

MAX_DECIMALS = 18
"""Most decimals of a feature's value."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FIELDS = ["name", "decimals", "language", "source"]


@dataclass(frozen=True)
class Feature:
    """One number, computed from facts. Equal features have equal manifests."""

    name: str
    """Up to 32 lower-case letters, digits and `_`; the function's name."""
    decimals: int
    """The value is what the source returns, divided by 10^decimals."""
    source: str
    """The function, in the language's part of Python."""

    def __post_init__(self) -> None:
        """Refuse what is no feature.

        Raises:
            MalformedError: the name, the decimals or the source.
        """
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise MalformedError(
                "feature name", got=repr(self.name)[:80], expected=_NAME.pattern
            )
        if type(self.decimals) is not int or not 0 <= self.decimals <= MAX_DECIMALS:
            raise MalformedError(
                f"decimals of the feature `{self.name}`",
                got=repr(self.decimals)[:40],
                expected=f"0 to {MAX_DECIMALS}",
            )
        if check_source(self.source) != self.name:
            raise MalformedError(
                f"feature `{self.name}`",
                got=f"the source of `{check_source(self.source)}`"[:120],
                expected="its own",
            )

    def of(self, facts: Facts) -> int:
        """Return the value in units of 10^-decimals.

        Raises:
            RequestError: it cannot be computed from these facts.
        """
        try:
            return evaluate(self.source, facts)
        except MalformedError as error:
            raise RequestError(
                f"feature `{self.name}`", got=error.got, expected=error.expected
            ) from error

    def to_json(self) -> dict[str, JsonValue]:
        """Return the feature as the program's manifest holds it."""
        return {
            "name": self.name,
            "decimals": self.decimals,
            "language": LANGUAGE,
            "source": self.source,
        }


def feature(*, decimals: int = 0) -> Callable[[Callable[[Facts], int]], Feature]:
    """Make a feature of a function of facts.

    Args:
        decimals: the number is what the function returns, divided by 10^decimals.

    Raises:
        MalformedError: the function uses more of Python than features have.
    """

    def make(function: Callable[[Facts], int]) -> Feature:
        return Feature(
            name=function.__name__, decimals=decimals, source=_source_of(function)
        )

    return make


def parse_features(value: JsonValue) -> tuple[Feature, ...]:
    """Parse a manifest's hostile `features`.

    Raises:
        MalformedError: no list, none or too many, or one that is none.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_FEATURES:
        raise MalformedError(
            "program.features",
            got=repr(value)[:80],
            expected=f"a list of 1 to {MAX_FEATURES}",
        )
    found = tuple(_parse(item) for item in value)
    if len({item.name for item in found}) != len(found):
        raise MalformedError(
            "program.features", got="a name twice", expected="each once"
        )
    return found


def check_observed(
    features: Sequence[Feature], *, observes: Sequence[str], book: AddressBook
) -> None:
    """Refuse features that ask for facts which the program does not observe.

    Raises:
        MalformedError: names the feature and what is missing.
    """
    for item in features:
        for group, name in _asked(item.source):
            expected = {
                "balances": BALANCES,
                "prices": PRICES,
                "pools": POOL_PREFIX + name,
                "lending": LENDING_PREFIX + name,
                "vaults": VAULT_PREFIX + name,
            }.get(group)
            known = group not in ("balances", "prices") or name in book.tokens
            if (expected is not None and expected not in observes) or not known:
                raise MalformedError(
                    f"feature `{item.name}`",
                    got=f"facts.{group}[{name!r}]"[:120],
                    expected=f"something that `observe` declares: {list(observes)}",
                )


@lru_cache(maxsize=256)
def _feature(name: str, decimals: int, source: str) -> Feature:
    return Feature(name=name, decimals=decimals, source=source)


def _parse(value: JsonValue) -> Feature:
    item = object_fields(value, what="program.features", names=_FIELDS)
    if item["language"] != LANGUAGE:
        raise MalformedError(
            "program.features.language",
            got=repr(item["language"])[:80],
            expected=repr(LANGUAGE),
        )
    if not isinstance(item["name"], str) or not isinstance(item["source"], str):
        raise MalformedError(
            "program.features", got=repr(item)[:120], expected="name and source as text"
        )
    # True is 1 to Python, and to a cache.
    if type(item["decimals"]) is not int:
        raise MalformedError(
            "program.features.decimals",
            got=repr(item["decimals"])[:40],
            expected=f"0 to {MAX_DECIMALS}",
        )
    return _feature(item["name"], item["decimals"], item["source"])


def _source_of(function: Callable[[Facts], int]) -> str:
    """Return the function's source from `def` on, without trailing blanks."""
    try:
        lines = textwrap.dedent(inspect.getsource(function)).splitlines()
        (node,) = ast.parse("\n".join(lines)).body
    except (OSError, TypeError, SyntaxError, ValueError) as error:
        raise MalformedError(
            f"feature `{getattr(function, '__name__', function)}`",
            got=f"no source that can be read: {error}"[:200],
            expected="a function defined with `def` in a file",
        ) from error
    source = "\n".join(line.rstrip() for line in lines[node.lineno - 1 :])
    if len(source) > MAX_SOURCE_CHARS:
        raise MalformedError(
            f"feature `{function.__name__}`",
            got=f"{len(source)} characters",
            expected=f"at most {MAX_SOURCE_CHARS}",
        )
    return source


def _asked(source: str) -> list[tuple[str, str]]:
    """Return (group, name) of every `facts.GROUP["NAME"]` in a checked source."""
    return [
        (node.value.attr, node.slice.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name)
        and node.value.value.id == "facts"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]
