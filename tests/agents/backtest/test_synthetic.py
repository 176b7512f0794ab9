"""Synthetic paths: the same everywhere, and of the kind that was asked for."""

from __future__ import annotations

import pytest

from affiant.agents.backtest.errors import PricePathError
from affiant.agents.backtest.synthetic import KINDS, SyntheticSpec, synthetic_path
from affiant.encoding import to_hex

DAY = 24 * 3600
PINNED = {
    "gbm": "0xc203a3f806d37332",
    "reverting": "0x6e139d058aff4c9a",
    "crash": "0xaea478fd3bdc6e61",
    "trend": "0x8f0be137c61cbf01",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_seed_gives_the_same_prices_everywhere(kind: str) -> None:
    """The hashes were computed once; another machine must find the same."""
    path = synthetic_path([kind], seed=7, rows=50, every=3600)
    assert to_hex(path.hash)[:18] == PINNED[kind]


def test_another_seed_gives_other_prices() -> None:
    one, other = (
        synthetic_path(["gbm"], seed=seed, rows=20, every=3600) for seed in (1, 2)
    )
    assert one.rows != other.rows
    assert one.rows[0] == other.rows[0]


def test_another_symbol_changes_nothing_about_the_first() -> None:
    alone = synthetic_path(["gbm"], seed=1, rows=30, every=3600)
    both = synthetic_path(["gbm", "trend:WBTC"], seed=1, rows=30, every=3600)
    assert [row[0] for row in both.rows] == [row[0] for row in alone.rows]
    assert both.symbols == ("WETH", "WBTC")


def test_volatility_is_per_year() -> None:
    """A thousand days of 80 % a year: daily moves of about 4.2 %."""
    path = synthetic_path(["gbm"], seed=3, rows=1001, every=DAY)
    prices = [row[0] for row in path.rows]
    moves = [b / a - 1 for a, b in zip(prices, prices[1:], strict=False)]
    spread = (sum(move * move for move in moves) / len(moves)) ** 0.5
    assert 0.038 < spread < 0.046


def test_a_trend_without_noise_is_exactly_that() -> None:
    path = synthetic_path(
        ["trend:vUSDC,drift=10,volatility=0"], seed=1, rows=366, every=DAY
    )
    first, last = path.rows[0][0], path.rows[-1][0]
    # 10 % a year in 365 steps compounds to e^0.1 as nearly as daily steps can.
    assert 1.1050 < last / first < 1.1052


def test_a_crash_falls_by_what_was_said() -> None:
    path = synthetic_path(
        ["crash,drop=40,at=50,over=0,recovery=0,volatility=0"],
        seed=1,
        rows=100,
        every=3600,
    )
    prices = [row[0] for row in path.rows]
    assert prices[0] == prices[45] == 2500 * 10**8
    assert prices[-1] == prices[55] == 1500 * 10**8


def test_a_crash_wins_back_what_was_said() -> None:
    path = synthetic_path(
        ["crash,drop=50,recovery=50,volatility=0"], seed=1, rows=101, every=3600
    )
    prices = [row[0] / 10**8 for row in path.rows]
    assert min(prices) == pytest.approx(1250, rel=1e-6)
    assert prices[-1] == pytest.approx(1875, rel=1e-3)


def test_a_reverting_path_stays_near_where_it_began() -> None:
    wild = synthetic_path(["gbm"], seed=5, rows=2000, every=3600)
    tame = synthetic_path(["reverting,halflife=6"], seed=5, rows=2000, every=3600)

    def reach(prices: list[int]) -> int:
        return max(abs(price - prices[0]) for price in prices)

    assert reach([r[0] for r in tame.rows]) < reach([r[0] for r in wild.rows])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "walk",
        "gbm:",
        "gbm:<b>",
        "gbm,",
        "gbm,volatility",
        "gbm,volatility=",
        "gbm,volatility=NaN",
        "gbm,volatility=1e3",
        "gbm,volatility=-1",
        "gbm,volatility=100000",
        "gbm,halflife=1",
        "reverting,halflife=0",
        "crash,drop=100",
        "crash,drop=1000000000000",
        "gbm,start=0",
        "gbm,start=-5",
        "gbm" + ",drift=1" * 100,
    ],
)
def test_refuses_what_is_no_path(text: str) -> None:
    with pytest.raises(PricePathError):
        SyntheticSpec.parse(text)


def test_refuses_a_symbol_twice_and_none() -> None:
    for specs in ([], ["gbm", "trend:WETH"]):
        with pytest.raises(PricePathError, match="every symbol once"):
            synthetic_path(specs, seed=1, rows=10, every=60)


def test_the_wildest_path_stays_a_path() -> None:
    path = synthetic_path(
        ["gbm,volatility=1000,drift=-1000"], seed=1, rows=500, every=30 * DAY
    )
    assert all(row[0] > 0 for row in path.rows)
