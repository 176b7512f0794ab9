"""What made-up slots share: two address books, and requests as the agents make them.

They go through the same `build_request`, features and prompt as a real slot, so that
the model never sees a prompt that an agent would not write.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
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
from affiant.onchain.facts import Facts
from affiant.onchain.mandate import Address

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
