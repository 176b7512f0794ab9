"""The dollar-cost averager: buys a token for the same amount of cash, again and again.

It remembers nothing. How many buys are due follows from the anchor's time and from the
cash that is left: `budget` less the wallet is what was spent, and spent ÷ `amount` is
how many buys were made. A slot that was missed leaves two due, which are bought in two
slots. Cash that somebody sends to the account, up to the budget, counts as not spent
yet, and cash that is taken out counts as spent (ADR 51).

It decides what is read and asked; the model decides the plan; the kit's price bound and
the gate's bounds hold whatever it says.

    class Mine(DollarCostAverager):
        since, every = 1_793_000_000, 24 * 3600
        amount, budget = 250, 5_000
"""

from __future__ import annotations

from typing import ClassVar

from affiant.agents.programs.features import Feature
from affiant.agents.ready.ready_agent import ReadyAgent
from affiant.onchain.kits import Hold, Swap
from affiant.onchain.observation import ChainView


class DollarCostAverager(ReadyAgent):
    """Buys `asset` for `amount` of `cash` every `every` seconds from `since` on."""

    asset: ClassVar[str] = "WETH"
    cash: ClassVar[str] = "USDC"
    amount: ClassVar[int] = 500
    """What one buy costs, in whole tokens of `cash`."""
    budget: ClassVar[int] = 10_000
    """What the wallet holds at first, in whole tokens of `cash`."""
    since: ClassVar[int] = 1_735_689_600
    """Unix seconds of the first buy."""
    every: ClassVar[int] = 7 * 24 * 3600
    """Seconds from one buy to the next."""
    limit: ClassVar[int] = 50
    """Furthest that the pool may be from the feeds, in basis points."""
    decimals: ClassVar[int] = 6
    """Decimals of `cash`."""

    words = (
        "Buy {asset} with {cash} whenever a buy is due; wait while the pool is more "
        "than {limit} bps from the feed."
    )
    ranges: ClassVar = {
        "amount": (1, 2**64),
        "budget": (1, 2**64),
        "since": (0, 2**40),
        "every": (1, 2**32),
        "limit": (1, 99),
        "decimals": (0, 36),
    }
    tokens = ("asset", "cash")
    actions = (Swap, Hold)

    @classmethod
    def measures(cls) -> tuple[Feature, ...]:
        """Return how many buys are due, and what one is of the wallet in percent."""
        unit = 10**cls.decimals
        amount, budget = cls.amount * unit, cls.budget * unit
        due = f"""def due(facts):
    left = facts.balances["{cls.cash}"].wallet
    if left == 0 or facts.timestamp < {cls.since}:
        return 0
    planned = (facts.timestamp - {cls.since}) // {cls.every} + 1
    bought = max(0, {budget} - left + {amount // 2}) // {amount}
    return max(0, min(99, min(planned, {budget // amount}) - bought))"""
        portion = f"""def portion(facts):
    left = facts.balances["{cls.cash}"].wallet
    if left <= {amount}:
        return 100
    return max(1, (200 * {amount} + left) // (2 * left))"""
        return (
            Feature(name="due", decimals=0, source=due),
            Feature(name="portion", decimals=0, source=portion),
        )

    def observe(self, view: ChainView) -> None:
        """Name what is read at each slot's anchor."""
        view.balances()
        view.prices()
        view.pool(f"{self.asset}/{self.cash}")
