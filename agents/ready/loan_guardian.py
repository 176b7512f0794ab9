"""The loan guardian: keeps an Aave loan away from its liquidation.

Aave liquidates a loan when its health factor falls to 1. The guardian looks at the
inverse, in whole percent: what is owed of what may be owed (`owed` 80 is a health
factor of 1.25). Above `limit` it repays down to `aim` out of the cash in the wallet;
without cash it lends the collateral token that lies in the wallet. It never borrows,
and it never sells or withdraws collateral: with an empty wallet it can only hold.

It decides what is read and asked; the model decides the plan; the rule
`HealthFactorFloor` and the gate's bounds hold whatever it says.

    class Mine(LoanGuardian):
        limit, aim = 60, 45
"""

from __future__ import annotations

from typing import ClassVar

from affiant.agents.programs.features import Feature
from affiant.agents.ready.ready_agent import ReadyAgent
from affiant.onchain.kits import Hold, Repay, Supply
from affiant.onchain.observation import ChainView


class LoanGuardian(ReadyAgent):
    """Repays a loan of `cash` while the price of its collateral falls."""

    cash: ClassVar[str] = "USDC"
    """What is owed, and kept in the wallet to repay with."""
    collateral: ClassVar[str] = "WETH"
    """What is lent when no cash is left."""
    limit: ClassVar[int] = 75
    """Most that may be owed, in percent of what Aave liquidates at."""
    aim: ClassVar[int] = 60
    """What a repayment brings it down to, in percent of the same."""

    words = (
        "Keep the loan at or under {limit} % of where Aave liquidates it; above that, "
        "repay down to {aim} % with the {cash} in the wallet, and without any lend the "
        "{collateral} in the wallet."
    )
    ranges: ClassVar = {"limit": (1, 99), "aim": (0, 98)}
    tokens = ("cash", "collateral")
    actions = (Repay, Supply, Hold)

    @classmethod
    def check(cls) -> None:
        """Refuse an aim that is not below the limit."""
        cls.require_below("aim", "limit")

    @classmethod
    def measures(cls) -> tuple[Feature, ...]:
        """Return what is owed of the most, and what the wallet can pay of it."""
        owed = """def owed(facts):
    loan = facts.borrowing
    backing = loan.collateral * loan.threshold_bps
    if loan.debt == 0:
        return 0
    if backing == 0:
        return 100
    return min(100, -(-100 * 10000 * loan.debt // backing))"""
        payable = f"""def payable(facts):
    held = facts.balances["{cls.cash}"]
    if held.debt == 0:
        return 0
    return min(100, 100 * held.wallet // held.debt)"""
        return (
            Feature(name="owed", decimals=0, source=owed),
            Feature(name="payable", decimals=0, source=payable),
        )

    def observe(self, view: ChainView) -> None:
        """Name what is read at each slot's anchor."""
        view.balances()
        view.prices()
        view.borrowing()
