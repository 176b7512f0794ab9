"""Paths recorded from a chain whose feeds moved, and from feeds that lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from affiant.agents.backtest import parse_prices
from affiant.agents.backtest.errors import FeedHistoryError, PricePathError
from affiant.agents.backtest.recording import record_path
from affiant.cli.main import app
from affiant.onchain.chain import Chain
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.mandate import Address

pytestmark = pytest.mark.anvil

PRICES = ("2500", "2510.5", "2400.12345678", "2400.12345678", "3000")


@pytest.fixture(scope="module")
def moved() -> Iterator[tuple[Devnet, int, int]]:
    """A chain whose WETH moved through `PRICES`, ten blocks each."""
    with Devnet.start() as devnet:
        scenario = Scenario(devnet)
        first = devnet.rpc.block_number()
        for price in PRICES:
            scenario.set_price("WETH", Decimal(price))
            scenario.mine(9)
        yield devnet, first + 1, devnet.rpc.block_number()


def feeds(devnet: Devnet) -> dict[str, Address]:
    return {name: devnet.book.tokens[name].feed for name in ("WETH", "USDC")}


def test_records_what_feeds_said(moved: tuple[Devnet, int, int]) -> None:
    devnet, first, last = moved
    chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id, read_only=True)
    with closing(chain):
        path = record_path(chain, feeds(devnet), first=first, last=last, step=5)
    assert path.symbols == ("WETH", "USDC")
    weth = [Decimal(row[0]).scaleb(-8) for row in path.rows]
    # A refreshed answer is a row too; the last block closes the path.
    assert weth == [*map(Decimal, PRICES), Decimal(PRICES[-1])]
    assert all(row[1] == 10**8 for row in path.rows)
    again = parse_prices(path.to_csv(), source="recorded.csv")
    assert (again.times, again.rows) == (path.times, path.rows)


def test_the_command_writes_a_file_that_is_read_again(
    moved: tuple[Devnet, int, int], tmp_path: Path
) -> None:
    devnet, first, last = moved
    out = tmp_path / "prices.csv"
    arguments = [
        *("backtest", "record", "--rpc", devnet.url, "--out", str(out)),
        *("--from", str(first), "--to", str(last), "--step", "10"),
        *("--feed", f"WETH={devnet.book.tokens['WETH'].feed}"),
    ]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert parse_prices(out.read_bytes(), source="x").symbols == ("WETH",)
    before = out.read_bytes()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2 and out.read_bytes() == before


@pytest.mark.parametrize("answer", [0, -1])
def test_refuses_an_answer_that_is_no_price(
    moved: tuple[Devnet, int, int], answer: int
) -> None:
    devnet, *_ = moved
    scenario = Scenario(devnet)
    first = devnet.rpc.block_number()
    scenario.set_feed("WBTC", answer=answer)
    last = devnet.rpc.block_number()
    chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    with closing(chain), pytest.raises(FeedHistoryError) as caught:
        record_path(
            chain, {"WBTC": devnet.book.tokens["WBTC"].feed}, first=first, last=last
        )
    assert caught.value.block == last
    scenario.set_price("WBTC", Decimal(60_000))


def test_refuses_what_is_no_feed(moved: tuple[Devnet, int, int]) -> None:
    devnet, first, last = moved
    chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    nobody = Address("0x000000000000000000000000000000000000dEaD")
    with closing(chain):
        for target in (nobody, devnet.book.gate, devnet.book.tokens["WETH"].address):
            with pytest.raises(FeedHistoryError):
                record_path(chain, {"WETH": target}, first=first, last=last)


def test_refuses_an_empty_or_a_future_range(moved: tuple[Devnet, int, int]) -> None:
    devnet, first, last = moved
    chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    with closing(chain):
        for start, end, step in ((last, first, 1), (first, first, 1), (1, 9, 0)):
            with pytest.raises(PricePathError):
                record_path(chain, feeds(devnet), first=start, last=end, step=step)
        with pytest.raises(ChainUnavailableError):
            record_path(chain, feeds(devnet), first=last, last=last + 10_000)
