"""Files of prices: what is refused, by line; and what a path says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from affiant.agents.backtest import price_path
from affiant.agents.backtest.errors import PricePathError
from affiant.agents.backtest.price_path import (
    MAX_FILE_BYTES,
    parse_price,
    parse_prices,
    plain_price,
)

GOOD = b"time,WETH,WBTC\n100,2500,60000.5\n160,2512.25,60110\n220,1,0.00000001\n"


@dataclass(frozen=True)
class Case:
    """A file that is refused, where, and with which words."""

    id: str
    data: bytes
    line: int | None
    got: str


CASES = (
    Case("empty file", b"", 1, "''"),
    Case("no header", b"100,2500\n160,2500\n", 1, "'100,2500'"),
    Case("no symbol", b"time\n100\n", 1, "'time'"),
    Case("empty symbol", b"time,\n100,1\n160,1\n", 1, "'time,'"),
    Case("a symbol twice", b"time,WETH,WETH\n1,1,1\n2,1,1\n", 1, "WETH twice"),
    Case("a symbol that is markup", b"time,<b>\n1,1\n2,1\n", 1, "'<b>'"),
    Case("too many symbols", b"time" + b",A" * 33 + b"\n", 1, "33 symbols"),
    Case("a byte order mark", b"\xef\xbb\xbf" + GOOD, 1, "byte 0xef"),
    Case("not ASCII", GOOD + "260,２５００,1\n".encode(), 5, "byte 0xef"),
    Case("an empty line", GOOD + b"\n", 5, "1 cells"),
    Case("a cell missing", GOOD + b"280,2500\n", 5, "2 cells"),
    Case("a cell too many", GOOD + b"280,2500,1,1\n", 5, "4 cells"),
    Case("an empty price", GOOD + b"280,,1\n", 5, "WETH nothing"),
    Case("not a number", GOOD + b"280,NaN,1\n", 5, "WETH 'NaN'"),
    Case("infinite", GOOD + b"280,inf,1\n", 5, "WETH 'inf'"),
    Case("negative", GOOD + b"280,2500,-1\n", 5, "WBTC '-1'"),
    Case("zero", GOOD + b"280,0,1\n", 5, "WETH '0'"),
    Case("zero with decimals", GOOD + b"280,0.00000000,1\n", 5, "WETH '0.00000000'"),
    Case("finer than a feed", GOOD + b"280,1.000000001,1\n", 5, "WETH '1.000000001'"),
    Case("an exponent", GOOD + b"280,1e3,1\n", 5, "WETH '1e3'"),
    Case("a separator", GOOD + b'280,"2,500",1\n', 5, "4 cells"),
    Case("a space", GOOD + b"280, 2500,1\n", 5, "WETH ' 2500'"),
    Case("a price without an end", GOOD + b"280,1" + b"0" * 13 + b",1\n", 5, "WETH"),
    Case("a time that is no number", GOOD + b"noon,1,1\n", 5, "time 'noon'"),
    Case("a negative time", GOOD + b"-5,1,1\n", 5, "time '-5'"),
    Case("the same time again", GOOD + b"220,1,1\n", 5, "time 220"),
    Case("an earlier time", GOOD + b"219,1,1\n", 5, "time 219"),
    Case("a gap", GOOD + b"173021,1,1\n", 5, "a gap of 172801 s"),
    Case("one row", b"time,WETH\n1,1\n", None, "1 rows"),
    Case("no rows", b"time,WETH\n", None, "0 rows"),
    Case("cut in a number", GOOD + b"280,2500,6", 5, "a line without an end"),
    Case("a null byte", b"time,WETH\n1,1\x00\n2,1\n", 2, "WETH '1\\x00'"),
    Case(
        "carriage returns alone", b"time,WETH\r1,1\r2,1\r", 1, "a line without an end"
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_refuses_by_line(case: Case) -> None:
    with pytest.raises(PricePathError) as caught:
        parse_prices(case.data, source="prices.csv")
    assert caught.value.line == case.line
    assert case.got in caught.value.got
    assert caught.value.source == "prices.csv"
    assert str(caught.value).startswith("prices.csv")


def test_refuses_a_huge_file_unread() -> None:
    with pytest.raises(PricePathError, match="bytes"):
        parse_prices(b"x" * (MAX_FILE_BYTES + 1), source="prices.csv")


def test_refuses_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_path, "MAX_ROWS", 2)
    with pytest.raises(PricePathError, match="more than 2 rows") as caught:
        parse_prices(GOOD, source="prices.csv")
    assert caught.value.line == 4


def test_every_prefix_is_refused_or_is_a_shorter_path() -> None:
    whole = parse_prices(GOOD, source="prices.csv")
    for end in range(len(GOOD)):
        try:
            cut = parse_prices(GOOD[:end], source="prices.csv")
        except PricePathError:
            continue
        # Never a number that was cut: another price would be another market.
        assert GOOD[:end].endswith(b"\n")
        assert cut.rows == whole.rows[: len(cut.rows)]


def test_reads_and_writes_the_same_prices() -> None:
    path = parse_prices(GOOD, source="prices.csv")
    assert path.symbols == ("WETH", "WBTC")
    assert path.rows[0] == (2500 * 10**8, 6_000_050_000_000)
    assert path.rows[2] == (10**8, 1)
    assert path.to_csv() == GOOD
    crlf = parse_prices(GOOD.replace(b"\n", b"\r\n"), source="other.csv")
    assert crlf.hash == path.hash


def test_knows_no_price_before_its_time() -> None:
    path = parse_prices(GOOD, source="prices.csv")
    assert path.at(159)["WETH"] == 2500 * 10**8
    assert path.at(160)["WETH"] == 251_225_000_000
    assert path.at(10**9)["WETH"] == 10**8
    with pytest.raises(ValueError, match="before the path"):
        path.at(99)


def test_samples_slots_without_looking_ahead() -> None:
    path = parse_prices(GOOD, source="prices.csv").sampled(every=50, slots=None)
    assert path.times == (100, 150, 200)
    assert [row[0] for row in path.rows] == [2500 * 10**8] * 2 + [251_225_000_000]
    assert path.sampled(every=None, slots=2).times == (100, 150)


def test_refuses_more_slots_than_there_are() -> None:
    path = parse_prices(GOOD, source="prices.csv")
    with pytest.raises(PricePathError, match="3 slots"):
        path.sampled(every=None, slots=4)
    with pytest.raises(PricePathError, match="at least 2"):
        path.sampled(every=1000, slots=None)


@pytest.mark.parametrize("text", ["1", "0.00000001", "2500.5", "1000000000000"])
def test_a_price_is_written_as_it_was_read(text: str) -> None:
    price = parse_price(text)
    assert price is not None
    assert plain_price(price) == text
