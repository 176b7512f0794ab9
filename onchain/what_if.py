"""What if: the small language in which a person changes recorded facts.

Pure, for text from a command line. It decides what a setting says, not whether the
observation has such a fact or could hold such a value: `altered` does, which knows the
address book. What comes out of it is never an observation that anybody made.

    price:WETH=2500         dollars of one whole token, at its feed
    market:WETH=2500        the same, and every observed pool of WETH follows the feeds
    pool:WETH/USDC=2500     quote tokens that a pool gives for one base token
    wallet:USDC=0           whole tokens that the account holds,
    supplied:USDC=5000      has lent,
    debt:USDC=100           and owes
    supply-rate:USDC=4.1%   what lending earns a year
    borrow-rate:USDC=6%     what borrowing costs a year
    age:WETH=7200           seconds since the feed's answer

A value with a sign and a percent sign changes what was recorded by that much:
`price:WETH=-10%`. A sweep is `price:WETH=2000..4000/9`: nine values, both ends
included, evenly spaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from affiant.onchain.errors import SettingError

KINDS = "price market pool wallet supplied debt supply-rate borrow-rate age".split()
"""Kinds of facts that can be set."""

RATES = ("supply-rate", "borrow-rate")
"""Kinds whose values are percentages."""

MAX_TEXT = 120
"""Longest setting, in characters."""

MAX_STEPS = 65
"""Most values of a sweep."""

_SETTING = re.compile(r"([a-z-]{1,16}):([A-Za-z0-9./]{1,40})=(.{1,90})", re.DOTALL)
_NUMBER = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_VALUE = re.compile(rf"([+-]?)({_NUMBER})(%?)")
_RANGE = re.compile(rf"({_NUMBER}%?)\.\.({_NUMBER}%?)/([0-9]{{1,3}})")


@dataclass(frozen=True)
class Setting:
    """One changed fact."""

    kind: str
    """One of `KINDS`."""
    name: str
    """Of a token or pool, as the address book has it; not looked up yet."""
    value: Decimal
    """As written, without the percent sign."""
    relative: bool = False
    """Whether `value` is a change in percent of what was recorded."""
    rounded: bool = False
    """Whether a value finer than the fact is rounded; otherwise it is refused."""

    def __str__(self) -> str:
        """Return it as it would be written."""
        sign = "+" if self.relative and self.value >= 0 else ""
        percent = "%" if self.relative or self.kind in RATES else ""
        return f"{self.kind}:{self.name}={sign}{plain(self.value)}{percent}"


@dataclass(frozen=True)
class Sweep:
    """One fact over a range of values."""

    settings: tuple[Setting, ...]
    """Two or more, ascending; they differ in their value only."""

    @property
    def fact(self) -> str:
        """What is varied: `price:WETH`."""
        return f"{self.settings[0].kind}:{self.settings[0].name}"


def parse_setting(text: str) -> Setting:
    """Parse `KIND:NAME=VALUE`.

    Raises:
        SettingError: it is not of that form, the kind is unknown, or the value is not
            one that the kind can have.
    """
    kind, name, written = _parts(text)
    found = _VALUE.fullmatch(written)
    if found is None:
        raise SettingError(
            "value", got=_shown(written), expected="a number such as 2500, 4.1% or -10%"
        )
    sign, number, percent = found.groups()
    relative = bool(sign)
    if relative and not percent:
        raise SettingError(
            "value", got=_shown(written), expected="no sign, or a change in percent"
        )
    if relative and kind == "age":
        raise SettingError("age", got=_shown(written), expected="whole seconds")
    return _setting(kind, name, f"{sign}{number}", percent=percent, relative=relative)


def parse_sweep(text: str) -> Sweep:
    """Parse `KIND:NAME=LOW..HIGH/COUNT`.

    Raises:
        SettingError: it is not of that form, or the range is empty or too fine.
    """
    kind, name, written = _parts(text)
    found = _RANGE.fullmatch(written)
    if found is None:
        raise SettingError(
            "sweep", got=_shown(written), expected="LOW..HIGH/COUNT, as 2000..4000/9"
        )
    low, high = (
        _setting(
            kind, name, end.removesuffix("%"), percent=end[-1:].strip("0123456789")
        )
        for end in found.groups()[:2]
    )
    count = int(found[3])
    if not 2 <= count <= MAX_STEPS:
        raise SettingError("sweep", got=f"{count} values", expected=f"2 to {MAX_STEPS}")
    if not low.value < high.value:
        raise SettingError(
            "sweep", got=_shown(written), expected="a low end below the high one"
        )
    step = (high.value - low.value) / (count - 1)
    values = [low.value + step * index for index in range(count - 1)] + [high.value]
    return Sweep(tuple(Setting(kind, name, value, rounded=True) for value in values))


def plain(value: Decimal) -> str:
    """Return a number without exponent or trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _parts(text: str) -> tuple[str, str, str]:
    found = _SETTING.fullmatch(text) if len(text) <= MAX_TEXT else None
    if found is None:
        raise SettingError(
            "setting", got=_shown(text), expected="KIND:NAME=VALUE, as price:WETH=2500"
        )
    kind, name, written = found.groups()
    if kind not in KINDS:
        raise SettingError("kind", got=_shown(kind), expected=f"one of {[*KINDS]}")
    return kind, name, written


def _setting(
    kind: str, name: str, number: str, *, percent: str, relative: bool = False
) -> Setting:
    value = Decimal(number)
    if not relative and bool(percent) != (kind in RATES):
        raise SettingError(
            kind,
            got=_shown(number + percent),
            expected="a percentage" if kind in RATES else "a number without %",
        )
    if kind == "age" and value != value.to_integral_value():
        raise SettingError("age", got=_shown(number), expected="whole seconds")
    if relative and value < -100:
        raise SettingError(
            kind, got=_shown(number + percent), expected="at least -100%"
        )
    return Setting(kind, name, value, relative=relative)


def _shown(text: str) -> str:
    """Return hostile text as a short ASCII literal, fit for an error message."""
    return ascii(text)[:80]
