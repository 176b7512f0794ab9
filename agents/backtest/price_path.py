"""Price paths: what the world's prices were, or are made to be, moment by moment.

Pure. It decides what a file of prices says and refuses, by line, whatever is not
plainly that. It does not decide whether the prices are true: who recorded them does.

    time,WETH,WBTC
    1750000000,2500,60000.5
    1750003600,2512.25,60110

`time` is unix seconds, strictly increasing. A price is dollars of one whole token:
plain digits, at most 8 after the point (a feed's own decimals), more than 0. Lines, the
last one too, end in LF or CRLF; there are no quotes, no empty cells, no comments.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from affiant.agents.backtest.errors import PricePathError
from affiant.encoding import Digest, keccak256

PRICE_DECIMALS = 8
"""Decimals of every price; those of Chainlink's dollar feeds."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Largest file read, in bytes."""

MAX_ROWS = 1_000_000
"""Most rows of a path."""

MAX_SYMBOLS = 32
"""Most columns of prices."""

MAX_GAP_SECONDS = 2 * 24 * 3600
"""Longest time between two rows, by default: twice the longest heartbeat of a feed."""

SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,15}")
"""What a symbol may be: as tokens of an address book are called."""

MAX_PRICE = 10**12 * 10**PRICE_DECIMALS
"""Highest price accepted."""

_TIME = re.compile(r"[0-9]{1,12}")
_PRICE = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,8}))?")
_TIME_WORDS = "unix seconds"
_PRICE_WORDS = "dollars as plain digits, at most 8 after the point, more than 0"


@dataclass(frozen=True)
class PricePath:
    """Prices of some symbols at increasing times."""

    symbols: tuple[str, ...]
    times: tuple[int, ...]
    """Unix seconds, strictly increasing."""
    rows: tuple[tuple[int, ...], ...]
    """Per time, a price for each symbol: `PRICE_DECIMALS` decimals, more than 0."""
    source: str
    """Where it is from, for people."""

    @property
    def seconds(self) -> int:
        """How long it lasts."""
        return self.times[-1] - self.times[0]

    @property
    def hash(self) -> Digest:
        """keccak256 of its CSV text: the same for the same prices."""
        return keccak256(self.to_csv())

    def at(self, time: int) -> Mapping[str, int]:
        """Return the newest prices that were known at `time`, never a later one.

        Raises:
            ValueError: `time` is before the path.
        """
        index = bisect_right(self.times, time) - 1
        if index < 0:
            raise ValueError(f"{time} is before the path")
        return dict(zip(self.symbols, self.rows[index], strict=True))

    def sampled(self, *, every: int | None, slots: int | None) -> PricePath:
        """Return one row per slot.

        Args:
            every: seconds per slot; None: the path's own rows.
            slots: most rows; None: as many as the path has.

        Raises:
            PricePathError: fewer than two rows, or fewer than `slots`, come of it.
        """
        times: tuple[int, ...] = self.times
        if every is not None:
            times = tuple(range(self.times[0], self.times[-1] + 1, every))
        if slots is not None and len(times) < slots:
            raise PricePathError(
                self.source,
                line=None,
                got=f"{len(times)} slots",
                expected=f"{slots}: a longer path, or fewer seconds per slot",
            )
        times = times[:slots]
        if len(times) < 2:
            raise PricePathError(
                self.source, line=None, got=f"{len(times)} slots", expected="at least 2"
            )
        rows = tuple(
            tuple(self.at(time)[symbol] for symbol in self.symbols) for time in times
        )
        return PricePath(self.symbols, times, rows, self.source)

    def to_csv(self) -> bytes:
        """Return the text that `parse_prices` reads."""
        lines = [",".join(("time", *self.symbols))]
        for time, row in zip(self.times, self.rows, strict=True):
            lines.append(",".join((str(time), *(plain_price(price) for price in row))))
        return ("\n".join(lines) + "\n").encode("ascii")


def plain_price(price: int) -> str:
    """Return a price as plain digits: `2512.25`."""
    whole, part = divmod(price, 10**PRICE_DECIMALS)
    return f"{whole}.{part:0{PRICE_DECIMALS}d}".rstrip("0").rstrip(".")


def parse_price(text: str) -> int | None:
    """Return a price with `PRICE_DECIMALS` decimals; None where `text` is none."""
    found = _PRICE.fullmatch(text)
    if found is None:
        return None
    price = int(found[1]) * 10**PRICE_DECIMALS
    price += int((found[2] or "").ljust(PRICE_DECIMALS, "0"))
    return price if 0 < price <= MAX_PRICE else None


def parse_prices(
    data: bytes, *, source: str, max_gap: int = MAX_GAP_SECONDS
) -> PricePath:
    """Read a file of prices; see the module for its form.

    Args:
        data: the file's bytes; hostile.
        source: what the file is called in messages.
        max_gap: longest time between two rows, in seconds.

    Raises:
        PricePathError: too large, or a line is not what is expected; names it.
    """
    if len(data) > MAX_FILE_BYTES:
        raise PricePathError(
            source,
            line=None,
            got=f"more than {MAX_FILE_BYTES} bytes",
            expected="at most that many",
        )
    lines = _lines(data, source=source)
    symbols = _header(next(lines, (1, "")), source=source)
    times: list[int] = []
    rows: list[tuple[int, ...]] = []
    for number, line in lines:
        if len(times) == MAX_ROWS:
            raise _wrong(source, number, f"more than {MAX_ROWS} rows", "fewer")
        cells = line.split(",", len(symbols) + 1)
        if len(cells) != len(symbols) + 1:
            raise _wrong(
                source,
                number,
                f"{len(line.split(','))} cells",
                f"{len(symbols) + 1}: time,{','.join(symbols)}",
            )
        times.append(
            _time(cells[0], times, source=source, number=number, max_gap=max_gap)
        )
        rows.append(_row(symbols, cells[1:], source=source, number=number))
    if len(times) < 2:
        raise PricePathError(
            source,
            line=None,
            got=f"{len(times)} rows of prices",
            expected="at least 2",
        )
    return PricePath(symbols, tuple(times), tuple(rows), source)


def _lines(data: bytes, *, source: str) -> Iterator[tuple[int, str]]:
    start, number = 0, 0
    while start < len(data):
        number += 1
        end = data.find(b"\n", start)
        if end < 0:
            # A file that was cut may end in the middle of a number.
            raise _wrong(source, number, "a line without an end", "LF or CRLF")
        try:
            line = data[start:end].decode("ascii")
        except UnicodeDecodeError as error:
            raise _wrong(
                source, number, f"byte 0x{data[start + error.start]:02x}", "ASCII"
            ) from error
        yield number, line.removesuffix("\r")
        start = end + 1


def _header(first: tuple[int, str], *, source: str) -> tuple[str, ...]:
    number, line = first
    name, _, rest = line.partition(",")
    symbols = tuple(rest.split(",")) if rest else ()
    if name != "time" or not symbols:
        raise _wrong(source, number, _shown(line), "`time,` and at least one symbol")
    if len(symbols) > MAX_SYMBOLS:
        raise _wrong(
            source, number, f"{len(symbols)} symbols", f"at most {MAX_SYMBOLS}"
        )
    for index, symbol in enumerate(symbols):
        if not SYMBOL.fullmatch(symbol):
            raise _wrong(source, number, _shown(symbol), "a token's name, as WETH")
        if symbol in symbols[:index]:
            raise _wrong(source, number, f"{symbol} twice", "every symbol once")
    return symbols


def _time(
    cell: str, before: list[int], *, source: str, number: int, max_gap: int
) -> int:
    if not _TIME.fullmatch(cell):
        raise _wrong(source, number, f"time {_shown(cell)}", _TIME_WORDS)
    time = int(cell)
    if before and time <= before[-1]:
        raise _wrong(source, number, f"time {time}", f"one after {before[-1]}")
    if before and time - before[-1] > max_gap:
        raise _wrong(
            source,
            number,
            f"a gap of {time - before[-1]} s since the row before",
            f"at most {max_gap} s",
        )
    return time


def _row(
    symbols: tuple[str, ...], cells: list[str], *, source: str, number: int
) -> tuple[int, ...]:
    prices = []
    for symbol, cell in zip(symbols, cells, strict=True):
        price = parse_price(cell)
        if price is None:
            got = "nothing" if not cell else _shown(cell)
            raise _wrong(source, number, f"{symbol} {got}", _PRICE_WORDS)
        prices.append(price)
    return tuple(prices)


def _wrong(source: str, number: int, got: str, expected: str) -> PricePathError:
    return PricePathError(source, line=number, got=got, expected=expected)


def _shown(text: str) -> str:
    return ascii(text)[:80]
