"""Synthetic price paths: the same seed gives the same prices on every machine.

Pure, in integers alone: noise is a sum of twelve uniform draws (Irwin and Hall: mean 0,
variance 1, no tail beyond ±6), because a logarithm or a cosine may differ in its last
bit from one machine to the next. It decides what a path's words mean; it does not say
that any market ever moved like that.

    gbm         a random walk in proportion (geometric Brownian motion)
    reverting   pulled back to where it began
    crash       a random walk with a fall in the middle, and some of it won back
    trend       a steady rise or fall, with noise around it

A path is asked for as `KIND[:SYMBOL][,name=number …]`: `crash:WETH,drop=40`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

from affiant.agents.backtest.errors import PricePathError
from affiant.agents.backtest.price_path import (
    MAX_PRICE,
    MAX_ROWS,
    PricePath,
    parse_price,
)
from affiant.encoding import keccak256

ONE = 10**12
"""Unit of the arithmetic here."""

YEAR = 365 * 24 * 3600
"""Seconds that yearly figures are over."""

START = 1_750_000_000
"""Unix seconds of the first row."""

DEFAULT_SYMBOL = "WETH"
"""What a path without a symbol is about."""

FIRST_PRICES: Mapping[str, str] = {
    "WETH": "2500",
    "WBTC": "60000",
    "USDC": "1",
    "vUSDC": "1.05",
}
"""Where symbols begin unless `start` says otherwise: the local chain's own prices."""

KINDS: Mapping[str, Mapping[str, str]] = {
    "gbm": {"volatility": "80", "drift": "0"},
    "reverting": {"volatility": "80", "halflife": "24"},
    "crash": {
        "volatility": "60",
        "drift": "0",
        "at": "50",
        "drop": "40",
        "over": "3",
        "recovery": "25",
    },
    "trend": {"volatility": "20", "drift": "100"},
}
"""Per kind, its settings and what they are unless said: `volatility` and `drift` in per
cent a year; `halflife` in hours; `at` and `over` in per cent of the path, `drop` in per
cent of the price, `recovery` in per cent of the fall."""

_SPEC = re.compile(r"([a-z]{1,16})(?::([A-Za-z][A-Za-z0-9.]{0,15}))?((?:,.*)?)")
_SETTING = re.compile(r"([a-z]{1,16})=(-?)([0-9]{1,9}(?:\.[0-9]{1,8})?)")


@dataclass(frozen=True)
class SyntheticSpec:
    """One symbol's path, as asked for."""

    kind: str
    symbol: str
    start: int
    """First price, with a path's decimals."""
    settings: Mapping[str, int]
    """In the units of `KINDS`, times `ONE`."""

    @classmethod
    def parse(cls, text: str) -> SyntheticSpec:
        """Read `KIND[:SYMBOL][,name=number …]`.

        Raises:
            PricePathError: it is not of that form, or a name or number is unknown.
        """
        found = _SPEC.fullmatch(text) if len(text) <= 200 else None
        if found is None or found[1] not in KINDS:
            raise _refused(
                ascii(text)[:80],
                f"KIND[:SYMBOL][,name=number …] with one of {sorted(KINDS)}",
            )
        kind, symbol = found[1], found[2] or DEFAULT_SYMBOL
        given = dict(KINDS[kind])
        start = FIRST_PRICES.get(symbol, "1")
        for part in found[3].split(",")[1:]:
            setting = _SETTING.fullmatch(part)
            if setting is None or setting[1] not in {*given, "start"}:
                raise _refused(
                    ascii(part)[:80], f"start or one of {sorted(given)}, = a number"
                )
            if setting[1] == "start":
                start = setting[2] + setting[3]
            else:
                given[setting[1]] = setting[2] + setting[3]
        first = parse_price(start)
        if first is None:
            raise _refused(f"start={start}", "a price")
        settings = {name: _scaled(number) for name, number in given.items()}
        for name, low, high in _RANGES:
            if name in settings and not low * ONE <= settings[name] <= high * ONE:
                raise _refused(f"{name}={given[name]}", f"{low} to {high}")
        return cls(kind, symbol, first, settings)


_RANGES = (
    ("volatility", 0, 1_000),
    ("drift", -1_000, 10_000),
    ("halflife", 1, 10_000),
    ("at", 0, 100),
    ("over", 0, 100),
    ("drop", 0, 99),
    ("recovery", 0, 100),
)


def synthetic_path(
    specs: Sequence[str], *, seed: int, rows: int, every: int
) -> PricePath:
    """Return the path that `specs` ask for.

    Args:
        specs: one per symbol; see the module.
        seed: the same gives the same prices; each symbol has noise of its own.
        rows: how many.
        every: seconds between two rows.

    Raises:
        PricePathError: a spec is none, a symbol is asked for twice, or the numbers
            are out of range.
    """
    parsed = [SyntheticSpec.parse(text) for text in specs]
    symbols = tuple(spec.symbol for spec in parsed)
    if not symbols or len(set(symbols)) != len(symbols):
        raise _refused(f"{list(symbols)}", "every symbol once, and at least one")
    if not 2 <= rows <= MAX_ROWS:
        raise _refused(f"{rows} rows", f"2 to {MAX_ROWS}")
    if not 1 <= every <= YEAR:
        raise _refused(f"{every} seconds per row", f"1 to {YEAR}")
    columns = [_column(spec, seed=seed, rows=rows, every=every) for spec in parsed]
    return PricePath(
        symbols=symbols,
        times=tuple(START + index * every for index in range(rows)),
        rows=tuple(zip(*columns, strict=True)),
        source=f"synthetic {' '.join(specs)}, seed {seed}",
    )


def _column(spec: SyntheticSpec, *, seed: int, rows: int, every: int) -> list[int]:
    # Another symbol beside it changes nothing about this one.
    own = keccak256(f"affiant backtest {seed} {spec.symbol}".encode())
    draw = random.Random(int.from_bytes(own, "big"))
    settings = spec.settings
    # Per cent a year, to parts of `ONE` per row.
    drift = settings.get("drift", 0) * every // (100 * YEAR)
    noise = settings["volatility"] * isqrt(every * ONE * ONE // YEAR) // (100 * ONE)
    price = spec.start * ONE
    prices = [spec.start]
    for index in range(1, rows):
        factor = ONE + drift + noise * _normal(draw) // ONE
        if spec.kind == "reverting":
            gap = (spec.start * ONE - price) * ONE // price
            # ln 2 = 0.693…: half of a gap is gone after a half-life.
            pull = 693_147_180_560 * every * ONE // (3600 * settings["halflife"])
            factor += gap * min(pull, ONE) // ONE
        if spec.kind == "crash":
            factor = factor * _fall(settings, index=index, rows=rows) // ONE
        # One step never takes more than nine tenths: a price stays a price.
        price = price * max(factor, ONE // 10) // ONE
        price = min(max(price, ONE), MAX_PRICE * ONE)
        prices.append(price // ONE)
    return prices


def _fall(settings: Mapping[str, int], *, index: int, rows: int) -> int:
    """Return what the crash alone does to the price in one row, as parts of `ONE`."""
    began = 1 + (rows - 2) * settings["at"] // (100 * ONE)
    steps = max(1, rows * settings["over"] // (100 * ONE))
    left = ONE - settings["drop"] // 100
    if began <= index < began + steps:
        done = index - began
        return (
            (ONE - (ONE - left) * (done + 1) // steps)
            * ONE
            // (ONE - (ONE - left) * done // steps)
        )
    after = rows - began - steps
    if index >= began + steps and after > 0:
        won = (ONE - left) * settings["recovery"] // (100 * ONE)
        done = index - began - steps
        return (left + won * (done + 1) // after) * ONE // (left + won * done // after)
    return ONE


def _normal(draw: random.Random) -> int:
    """Return a number of mean 0 and variance 1, as parts of `ONE`."""
    total = sum(draw.getrandbits(32) for _ in range(12)) - 6 * (2**32 - 1)
    return total * ONE // 2**32


def _scaled(number: str) -> int:
    """Return a decimal number times `ONE`."""
    sign = -1 if number.startswith("-") else 1
    whole, _, part = number.removeprefix("-").partition(".")
    return sign * (int(whole) * ONE + int(part.ljust(12, "0")))


def _refused(got: str, expected: str) -> PricePathError:
    return PricePathError("synthetic path", line=None, got=got, expected=expected)
