"""Made-up portfolios that the planner model is trained and measured on.

Every scenario is a pure function of a split's name and an index, so that the data are
the same on every machine. It goes through the same `build_request` as a real slot: the
model never sees a prompt that an agent would not write. Scenarios are drawn so that
each branch of the teacher is about as frequent, many of them right at a limit; nobody
claims that markets look like this. Bands and limits are multiples of five, as people
write them; shares are any whole percent.

`HELD_OUT` scenarios are never trained on, nor is a training scenario kept whose numbers
(the teacher's whole `Reading`) are those of a held-out one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from made_up import BOOK as BOOK
from made_up import before, make_request, sqrt_price_x96
from rebalancing import (
    ACTIONS,
    LENDING_WORDS,
    SWAP_ACTIONS,
    SWAP_WORDS,
    draw_shares,
)
from teacher import read, teach

from affiant.onchain.facts import (
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)

TRAINING, HELD_OUT = "training", "held-out"
"""Names of the splits; they seed the draws."""


def draw(split: str, index: int) -> dict[str, Any]:
    """Return scenario number `index` of `split`, as a request."""
    rng = random.Random(f"affiant planner {split} {index}")
    lends = rng.random() < 0.8
    while True:
        low, limit = 5 * rng.randint(4, 14), 5 * rng.randint(1, 6)
        high = low + rng.choice((10, 20))
        shares = draw_shares(rng, low, high, limit, lends=lends)
        if shares is not None:
            break
    words = LENDING_WORDS if lends else SWAP_WORDS
    return make_request(
        objective=words.format(low=low, high=high, idle=limit),
        actions=ACTIONS if lends else SWAP_ACTIONS,
        facts=_facts(rng, *shares, lends=lends),
        slot=index,
        previous=before(rng, ACTIONS if lends else SWAP_ACTIONS),
    )


def training_examples(
    count: int, held_out: int
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield `count` (request, plan) pairs, none with the numbers of a held-out one."""
    kept_back = {read(draw(HELD_OUT, index)) for index in range(held_out)}
    index = 0
    while count > 0:
        request = draw(TRAINING, index)
        index += 1
        if read(request) in kept_back:
            continue
        count -= 1
        yield request, teach(request)


def _facts(
    rng: random.Random, weth: int, idle: int, lent: int, other: int, *, lends: bool
) -> Facts:
    total = rng.randint(50, 999) * 10 ** rng.randint(1, 4)  # dollars
    prices = {
        "WETH": rng.randint(100_000, 600_000) * 10**6,
        "USDC": 10**8 + rng.choice((0, 0, 0, rng.randint(-15, 15) * 10**4)),
        "WBTC": rng.randint(2_000_000, 12_000_000) * 10**6,
    }

    def units(name: str, percent: int) -> int:
        # Up to 0.4 % beside the whole percent, so that amounts are not round.
        parts = 1000 * percent + (rng.randint(-400, 400) if percent else 0)
        scale = 10 ** (8 + BOOK.tokens[name].decimals)
        return total * parts * scale // (100_000 * prices[name])

    balances = {
        "WETH": TokenBalance(wallet=units("WETH", weth), supplied=0, debt=0),
        "USDC": TokenBalance(
            wallet=units("USDC", idle), supplied=units("USDC", lent), debt=0
        ),
        "WBTC": TokenBalance(wallet=units("WBTC", other), supplied=0, debt=0),
    }
    if other == 0 and rng.random() < 0.3:
        del balances["WBTC"], prices["WBTC"]
    drift = rng.choice((0, rng.randint(-9, 9), rng.randint(-60, 60)))
    pool_price = prices["WETH"] * (10_000 + drift) // prices["USDC"]
    supply_bps = rng.randint(50, 900)
    return Facts(
        block_number=rng.randint(10, 10**6),
        timestamp=rng.randint(1_700_000_000, 1_900_000_000),
        balances=balances,
        prices={
            name: PriceFact(answer=answer, decimals=8, updated_at=0)
            for name, answer in prices.items()
        },
        pools={
            "WETH/USDC": PoolFact(
                sqrt_price_x96=sqrt_price_x96(
                    pool_price, base="WETH", quote="USDC", scale=10_000
                ),
                tick=0,
                liquidity=10**18,
                fee=500,
            )
        },
        lending={
            "USDC": LendingFact(
                supply_rate_ray=supply_bps * 10**23,
                borrow_rate_ray=2 * supply_bps * 10**23,
            )
        }
        if lends
        else {},
    )
