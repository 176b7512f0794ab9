"""Made-up facts: portfolios, prices, rates and loans, by the names of two books.

They go through the same `build_request`, features and prompt as a real slot, so that
the model never sees a prompt that an agent would not write. Nobody claims that markets
look like this.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any

from affiant.agents.programs.features import Feature
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

Shares = Mapping[str, tuple[int, int, int]]
"""By token: wallet, lent and owed, in percent of the gross portfolio."""

RAY_PER_BPS = 10**23
"""One basis point of Aave's rates."""


def make_request(
    *,
    objective: str,
    actions: tuple[str, ...],
    facts: Facts,
    slot: int,
    previous: PreviousSummary | None,
    book: AddressBook | None = None,
    features: Sequence[Feature] = (),
) -> dict[str, Any]:
    """Build the request of a program with this objective, actions and features."""
    manifest: dict[str, Any] = {
        "objective": objective,
        "actions": [{"name": name, "version": 1} for name in actions],
    }
    if features:
        manifest["features"] = [item.to_json() for item in features]
    return build_request(
        manifest,
        facts=facts,
        book=BOOK if book is None else book,
        mandate_id=ZERO_DIGEST,
        slot=slot,
        previous=previous,
    )


def sqrt_price_x96(price: int, *, base: str, quote: str, scale: int) -> int:
    """Return the pool's square root price for `price` / `scale` quote per base."""
    numerator = price * 10 ** BOOK.tokens[quote].decimals
    denominator = scale * 10 ** BOOK.tokens[base].decimals
    return isqrt((numerator << 192) // denominator)


def made_facts(
    rng: random.Random,
    shares: Shares,
    *,
    pool: bool = False,
    lending: bool = False,
    timestamp: int | None = None,
    supply_bps: int | None = None,
    off_bps: int | None = None,
) -> Facts:
    """Return facts of a portfolio with about these shares.

    Args:
        rng: draws the rest.
        shares: what is held and owed; a token that is missing is not in the book.
        pool: observe the pool.
        lending: observe Aave's rates of USDC.
        timestamp: unix seconds of the anchor; drawn if None.
        supply_bps: what lending USDC earns; drawn if None.
        off_bps: the pool's distance from the feeds; drawn if None.
    """
    total = rng.randint(50, 999) * 10 ** rng.randint(1, 4)  # dollars
    prices = {
        "WETH": rng.randint(100_000, 600_000) * 10**6,
        "USDC": 10**8 + rng.choice((0, 0, 0, rng.randint(-15, 15) * 10**4)),
        "WBTC": rng.randint(2_000_000, 12_000_000) * 10**6,
        "vUSDC": rng.randint(10_000, 15_000) * 10**4,
    }

    def units(name: str, percent: int) -> int:
        # Up to 0.4 % beside the whole percent, so that amounts are not round.
        parts = 1000 * percent + (rng.randint(-400, 400) if percent else 0)
        scale = 10 ** (8 + WIDE_BOOK.tokens[name].decimals)
        return total * parts * scale // (100_000 * prices[name])

    balances = {
        name: TokenBalance(*(units(name, part) for part in parts))
        for name, parts in shares.items()
    }
    drift = rng.choice((0, rng.randint(-9, 9), rng.randint(-60, 60)))
    if off_bps is not None:
        drift = off_bps
    pool_price = prices["WETH"] * (10_000 + drift) // prices["USDC"]
    rate = rng.randint(50, 900) if supply_bps is None else supply_bps
    root = sqrt_price_x96(pool_price, base="WETH", quote="USDC", scale=10_000)
    return Facts(
        block_number=rng.randint(10, 10**6),
        timestamp=rng.randint(1_735_700_000, 1_900_000_000)
        if timestamp is None
        else timestamp,
        balances=balances,
        prices={name: PriceFact(prices[name], 8, 0) for name in balances},
        pools={"WETH/USDC": PoolFact(root, 0, 10**18, 500)} if pool else {},
        lending={"USDC": LendingFact(rate * RAY_PER_BPS, 2 * rate * RAY_PER_BPS)}
        if lending
        else {},
    )


def before(rng: random.Random, actions: tuple[str, ...]) -> PreviousSummary | None:
    """Return what the decision before may have been."""
    if rng.random() < 0.15:
        return None
    return PreviousSummary(slot=0, actions=(rng.choice(actions),))


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
"""Names and decimals of most made-up portfolios; the addresses mean nothing."""

WIDE_BOOK = replace(
    BOOK,
    tokens={
        **BOOK.tokens,
        "vUSDC": replace(_token(4, 6), a_token=None, variable_debt=None),
    },
    vaults={"vUSDC": "USDC"},
)
"""The same with a vault, for the agents that need one and for some that do not."""
