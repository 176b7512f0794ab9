"""A made-up account: what it holds, what an action changes, what a slot earns.

Prices are the feeds'. A swap costs the pool's fee and nothing else: no depth, no gas.
Interest is simple within a slot. A loan that passes Aave's limit is liquidated once a
slot: half of it is repaid out of the collateral, with a bonus for the liquidator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from made_up import BOOK, RAY_PER_BPS, WIDE_BOOK, sqrt_price_x96

from affiant.onchain.fact_types import VaultFact
from affiant.onchain.facts import (
    BorrowingFact,
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)

FEE_BPS = 5
"""The pool's fee, in basis points."""

THRESHOLD_BPS = 8250
"""Share of WETH that may be owed before it is liquidated."""

LIQUIDATION_BONUS_BPS = 500
"""What a liquidator gets on top."""

YEAR = 365 * 86_400
"""Seconds."""


@dataclass(frozen=True)
class Market:
    """The world in one slot."""

    weth: float
    """Dollars per WETH; USDC stays at one dollar."""
    supply_bps: int
    """What lending USDC earns a year; borrowing costs half as much again."""
    vault_rate: int
    """Base units of USDC for one whole share of the vault."""
    timestamp: int
    """Unix seconds."""
    off_bps: int = 0
    """The pool's distance from the feeds."""


Balances = Mapping[str, TokenBalance]
"""By token name, in base units."""


def price_of(name: str, market: Market) -> int:
    """Return the feed's answer, with 8 decimals."""
    if name == "vUSDC":
        return market.vault_rate * 100
    dollars = {"WETH": market.weth, "USDC": 1.0, "WBTC": 60_000.0}[name]
    return round(dollars * 10**8)


def value_of(balances: Balances, market: Market) -> float:
    """Return what is held less what is owed, in dollars."""
    total = 0
    for name, held in balances.items():
        units = held.wallet + held.supplied - held.debt
        scale = 10 ** (8 + WIDE_BOOK.tokens[name].decimals - 2)
        total += units * price_of(name, market) // scale
    return total / 100


def facts_of(balances: Balances, market: Market, *, observes: tuple[str, ...]) -> Facts:
    """Return what an agent that observes these names would read."""
    root = sqrt_price_x96(
        round(market.weth * 10**4) * (10_000 + market.off_bps),
        base="WETH",
        quote="USDC",
        scale=10**8,
    )
    rate = market.supply_bps * RAY_PER_BPS
    return Facts(
        block_number=1,
        timestamp=market.timestamp,
        balances=balances,
        prices={name: PriceFact(price_of(name, market), 8, 0) for name in balances},
        pools={"WETH/USDC": PoolFact(root, 0, 10**18, 100 * FEE_BPS)}
        if "pool:WETH/USDC" in observes
        else {},
        lending={"USDC": LendingFact(rate, rate * 3 // 2)}
        if "lending:USDC" in observes
        else {},
        borrowing=loan_of(balances, market) if "borrowing" in observes else None,
        vaults={"vUSDC": VaultFact(market.vault_rate)}
        if "vault:vUSDC" in observes
        else {},
    )


def loan_of(balances: Balances, market: Market) -> BorrowingFact:
    """Return the account's standing with Aave, in its base currency (8 decimals)."""
    backing = balances["WETH"].supplied * price_of("WETH", market) // 10**18
    owed = balances["USDC"].debt * price_of("USDC", market) // 10**6
    return BorrowingFact(
        collateral=backing,
        debt=owed,
        available=max(0, backing * 8 // 10 - owed),
        threshold_bps=THRESHOLD_BPS,
    )


def after(balances: Balances, plan: Mapping[str, Any], market: Market) -> Balances:
    """Return the balances after a plan; an action that the kits refuse does nothing."""
    for action in plan["actions"]:
        balances = _after_one(balances, action, market)
    return balances


def later(balances: Balances, market: Market, *, seconds: int) -> Balances:
    """Return the balances after interest, and after a liquidation if it is due."""
    changed = dict(balances)
    held = changed["USDC"]
    earned = held.supplied * market.supply_bps * seconds // (10_000 * YEAR)
    cost = held.debt * market.supply_bps * 3 * seconds // (2 * 10_000 * YEAR)
    changed["USDC"] = replace(
        held, supplied=held.supplied + earned, debt=held.debt + cost
    )
    loan = loan_of(changed, market)
    if loan.debt * 10_000 <= loan.collateral * THRESHOLD_BPS:
        return changed
    repaid = changed["USDC"].debt // 2
    dollars = repaid * (10_000 + LIQUIDATION_BONUS_BPS) // 10_000
    taken = dollars * 10**12 * 10**8 // price_of("WETH", market)
    changed["USDC"] = replace(changed["USDC"], debt=changed["USDC"].debt - repaid)
    changed["WETH"] = replace(
        changed["WETH"], supplied=max(0, changed["WETH"].supplied - taken)
    )
    return changed


def _after_one(
    balances: Balances, action: Mapping[str, Any], market: Market
) -> Balances:
    name = action["action"]
    if name == "hold":
        return balances
    changed = dict(balances)
    if name == "swap":
        sell, buy = action["sell"], action["buy"]
        amount = balances[sell].wallet * action["share_bps"] // 10_000
        got = _converted(amount, sell, buy, market) * (10_000 - FEE_BPS) // 10_000
        changed[sell] = replace(balances[sell], wallet=balances[sell].wallet - amount)
        changed[buy] = replace(balances[buy], wallet=balances[buy].wallet + got)
    elif name in ("supply", "withdraw"):
        held = balances[action["asset"]]
        amount = (
            held.wallet * action["share_bps"] // 10_000
            if name == "supply"
            else -(held.supplied * action["share_bps"] // 10_000)
        )
        changed[action["asset"]] = replace(
            held, wallet=held.wallet - amount, supplied=held.supplied + amount
        )
    elif name == "repay":
        held = balances[action["asset"]]
        amount = held.debt * action["share_bps"] // 10_000
        if amount > held.wallet:
            return balances
        changed[action["asset"]] = replace(
            held, wallet=held.wallet - amount, debt=held.debt - amount
        )
    elif name in ("deposit", "redeem"):
        pair = ("USDC", "vUSDC") if name == "deposit" else ("vUSDC", "USDC")
        amount = balances[pair[0]].wallet * action["share_bps"] // 10_000
        got = _converted(amount, *pair, market)
        for token, change in zip(pair, (-amount, got), strict=True):
            held = balances[token]
            changed[token] = replace(held, wallet=held.wallet + change)
    else:
        raise ValueError(f"no ledger entry for {name!r}")
    return changed


def _converted(amount: int, sell: str, buy: str, market: Market) -> int:
    """Return `amount` of one token in another, at the feeds' prices."""
    tokens = BOOK.tokens if "vUSDC" not in (sell, buy) else WIDE_BOOK.tokens
    numerator = amount * price_of(sell, market) * 10 ** tokens[buy].decimals
    return numerator // (price_of(buy, market) * 10 ** tokens[sell].decimals)
