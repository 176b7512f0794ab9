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
from math import isqrt
from typing import Any

from teacher import read, teach

from affiant.agents.programs.request import PreviousSummary, build_request
from affiant.encoding import ZERO_DIGEST
from affiant.onchain.address_book import (
    AaveEntry,
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.facts import (
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)
from affiant.onchain.mandate import Address

TRAINING, HELD_OUT = "training", "held-out"
"""Names of the splits; they seed the draws."""

LENDING_OBJECTIVE = (
    "Keep WETH between {low} % and {high} % of the portfolio; keep at most {limit} % "
    "in idle USDC and lend the rest; prefer few, small trades."
)
"""Objective of an agent that swaps and lends."""

SWAP_OBJECTIVE = (
    "Keep WETH between {low} % and {high} % of the portfolio; prefer few, small trades."
)
"""Objective of an agent that only swaps."""

LENDING_ACTIONS = ("swap", "supply", "withdraw", "hold")
"""Actions of an agent that swaps and lends, in the order of its class."""

SWAP_ACTIONS = ("swap", "hold")
"""Actions of an agent that only swaps."""

_BRANCHES = ("hold", "sell", "buy", "withdraw", "supply")


def draw(split: str, index: int) -> dict[str, Any]:
    """Return scenario number `index` of `split`, as a request."""
    rng = random.Random(f"affiant planner {split} {index}")
    lends = rng.random() < 0.8
    while True:
        low, limit = 5 * rng.randint(4, 14), 5 * rng.randint(1, 6)
        high = low + rng.choice((10, 20))
        shares = _shares(rng, low, high, limit, lends=lends)
        if shares is not None:
            break
    objective = LENDING_OBJECTIVE if lends else SWAP_OBJECTIVE
    return make_request(
        objective=objective.format(low=low, high=high, limit=limit),
        actions=LENDING_ACTIONS if lends else SWAP_ACTIONS,
        facts=_facts(rng, *shares, lends=lends),
        slot=index,
        previous=_previous(rng, LENDING_ACTIONS if lends else SWAP_ACTIONS),
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


def make_request(
    *,
    objective: str,
    actions: tuple[str, ...],
    facts: Facts,
    slot: int,
    previous: PreviousSummary | None,
) -> dict[str, Any]:
    """Build the request of a program with this objective and these actions."""
    manifest = {
        "objective": objective,
        "actions": [{"name": name, "version": 1} for name in actions],
    }
    return build_request(
        manifest,
        facts=facts,
        book=BOOK,
        mandate_id=ZERO_DIGEST,
        slot=slot,
        previous=previous,
    )


def sqrt_price_x96(price: int, *, base: str, quote: str, scale: int) -> int:
    """Return the pool's square root price for `price` / `scale` quote per base."""
    numerator = price * 10 ** BOOK.tokens[quote].decimals
    denominator = scale * 10 ** BOOK.tokens[base].decimals
    return isqrt((numerator << 192) // denominator)


def _address(number: int) -> Address:
    return Address(f"0x{number:040x}")


def _token(number: int, decimals: int) -> TokenEntry:
    return TokenEntry(
        address=_address(number),
        decimals=decimals,
        feed=_address(number + 16),
        feed_decimals=8,
        max_age=3600,
        a_token=_address(number + 32),
        variable_debt=_address(number + 48),
    )


BOOK = AddressBook(
    chain_id=31337,
    gate=_address(100),
    node_registry=_address(101),
    model_registry=_address(102),
    tokens={"WETH": _token(1, 18), "USDC": _token(2, 6), "WBTC": _token(3, 8)},
    uniswap=UniswapEntry(
        factory=_address(103),
        router=_address(104),
        quoter=_address(105),
        position_manager=_address(106),
        pools={"WETH/USDC": PoolEntry(_address(107), 500, _address(1), _address(2))},
    ),
    aave=AaveEntry(_address(108), _address(109), _address(110)),
)
"""Names and decimals of the made-up portfolios; the addresses mean nothing."""


def _shares(
    rng: random.Random, low: int, high: int, limit: int, *, lends: bool
) -> tuple[int, int, int, int] | None:
    """Draw WETH, idle USDC, lent USDC and WBTC in percent; None if it cannot be."""
    branch = rng.choice(_BRANCHES if lends else _BRANCHES[:3])
    other = rng.choice((0, 0, 0, rng.randint(1, 15)))
    reach = rng.choice((2, 8, 25))
    if branch == "sell":
        weth = high + rng.randint(1, reach)
    elif branch in ("buy", "withdraw"):
        weth = low - rng.randint(1, reach)
    elif rng.random() < 0.3:
        weth = rng.choice((low, low + 1, high - 1, high))
    else:
        weth = rng.randint(low, high)
    rest = 100 - other - weth
    if weth < 0 or rest < 0:
        return None
    need = (low + high) // 2 - weth
    least, most = {
        "hold": (0, limit if lends else rest),
        "sell": (0, rest),
        "buy": (need if rng.random() < 0.9 else 0, rest),
        "withdraw": (0, need - 1),
        "supply": (limit + 1, rest),
    }[branch]
    most = min(most, rest)
    if least > most:
        return None
    near = rng.random() < 0.3
    if branch in ("hold", "withdraw"):
        least = max(least, most - 3) if near else least
    elif branch in ("buy", "supply"):
        most = min(most, least + 3) if near else most
    idle = rng.randint(least, most) if lends else rest
    return weth, idle, rest - idle, other


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


def _previous(rng: random.Random, actions: tuple[str, ...]) -> PreviousSummary | None:
    if rng.random() < 0.15:
        return None
    return PreviousSummary(slot=0, actions=(rng.choice(actions),))
