"""What an observation says, as numbers by the address book's names.

Pure values. Nothing is decided here: `facts.py` decodes them out of recorded bytes and
refuses what no healthy contract says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class TokenBalance:
    """What the account holds and owes of one token, in base units."""

    wallet: int
    supplied: int = 0
    """Balance of the aToken; 0 where the book has none."""
    debt: int = 0
    """Balance of the variable-debt token; 0 where the book has none."""


@dataclass(frozen=True)
class PriceFact:
    """A feed's answer: the price of one whole token."""

    answer: int
    """Greater than 0, with `decimals` decimals."""
    decimals: int
    """As the book states them."""
    updated_at: int
    """Unix seconds, not after the observation."""


@dataclass(frozen=True)
class PoolFact:
    """A Uniswap v3 pool's state."""

    sqrt_price_x96: int
    """√(token1 / token0) in base units, as a Q64.96 number."""
    tick: int
    liquidity: int
    """In range at this price."""
    fee: int
    """Hundredths of a basis point, as the book states it."""


@dataclass(frozen=True)
class LendingFact:
    """An Aave reserve's rates: yearly, in rays (10^27 is 100 %)."""

    supply_rate_ray: int
    borrow_rate_ray: int
    """The variable rate."""


@dataclass(frozen=True)
class BorrowingFact:
    """What an account's deposits at Aave back, in Aave's base currency (8 decimals)."""

    collateral: int
    debt: int
    available: int
    """What can still be borrowed."""
    threshold_bps: int
    """Share of the collateral that may be owed before it is liquidated."""


@dataclass(frozen=True)
class VaultFact:
    """An ERC-4626 vault's own rate."""

    assets_per_share: int
    """Base units of the asset for one whole share; more than 0."""


@dataclass(frozen=True)
class Facts:
    """Everything that an observation says, by the book's names."""

    block_number: int
    timestamp: int
    """Unix seconds of the observed block."""
    balances: Mapping[str, TokenBalance]
    prices: Mapping[str, PriceFact]
    pools: Mapping[str, PoolFact]
    lending: Mapping[str, LendingFact]
    borrowing: BorrowingFact | None = None
    """None where the program does not observe it."""
    native: int | None = None
    """The account's native balance in wei; None likewise."""
    vaults: Mapping[str, VaultFact] = field(default_factory=dict)
    """By the name of the share token."""

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        for name in ("balances", "prices", "pools", "lending", "vaults"):
            frozen = MappingProxyType(dict(getattr(self, name)))
            object.__setattr__(self, name, frozen)
