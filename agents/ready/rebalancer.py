"""The rebalancer: keeps a token within a band of the portfolio, and lends idle cash.

The class is the program: it decides what is read and asked. The model decides the plan;
allow-list, bounds and loss limit hold whatever it says. It compares the whole percents
that stand in every request, so it computes nothing of its own.

    class Mine(Rebalancer):
        low, high, idle = 40, 60, 10
"""

from __future__ import annotations

from typing import ClassVar

from affiant.agents.ready.ready_agent import ReadyAgent
from affiant.onchain.kits import Hold, Supply, Swap, Withdraw
from affiant.onchain.observation import ChainView


class Rebalancer(ReadyAgent):
    """Keeps `asset` within a band and lends the `cash` that lies idle."""

    asset: ClassVar[str] = "WETH"
    cash: ClassVar[str] = "USDC"
    low: ClassVar[int] = 55
    """Least share of the portfolio that is to be `asset`, in percent."""
    high: ClassVar[int] = 65
    """Greatest share, in percent."""
    idle: ClassVar[int] = 15
    """Most idle `cash`, in percent of the portfolio; what is above is lent."""

    words = (
        "Keep {asset} between {low} % and {high} % of the portfolio; keep at most "
        "{idle} % in idle {cash} and lend the rest; prefer few, small trades."
    )
    ranges: ClassVar = {"low": (0, 100), "high": (0, 100), "idle": (0, 100)}
    tokens = ("asset", "cash")
    actions = (Swap, Supply, Withdraw, Hold)

    @classmethod
    def check(cls) -> None:
        """Refuse a band whose lower end is not below its upper one."""
        cls.require_below("low", "high")

    def observe(self, view: ChainView) -> None:
        """Name what is read at each slot's anchor; the rendering is fixed."""
        view.balances()
        view.prices()
        view.pool(f"{self.asset}/{self.cash}")
        view.lending(self.cash)
