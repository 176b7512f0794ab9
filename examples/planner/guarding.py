"""The loan guardian's rule: what the model is to plan.

1. What is owed is within the limit: hold.
2. Above: repay what brings it down to the aim, rounded up to 5 % of the debt, if the
   wallet can pay that; otherwise repay what it can.
3. A wallet that can pay nothing: lend the WETH in it as further collateral, if any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plans import hold, move
from reading import Request, feature, numbers_of, share

from affiant.agents import LoanGuardian

ACTIONS = tuple(kit.name for kit in LoanGuardian.actions)
"""Actions of the agent, in the order of its class."""

WORDS = LoanGuardian.words.format(
    cash="USDC", collateral="WETH", limit="{limit}", aim="{aim}"
)
"""Its objective."""

BRANCHES = ("hold", "repay", "supply")
"""Classes of its plans."""

NEED_STEP = 5
"""Repayments are whole multiples of this many percent of the debt."""


@dataclass(frozen=True)
class Reading:
    """The numbers that the rule looks at, in whole percent."""

    limit: int
    aim: int
    """Of where Aave liquidates."""
    owed: int
    """What is owed, of the same; 100 is liquidation."""
    payable: int
    """What the wallet's USDC can pay of the debt."""
    weth: int
    """WETH in the wallet, of the portfolio."""


def read(request: Request) -> Reading:
    """Read the numbers out of `request`.

    Raises:
        ValueError: the objective is not worded as the agent words it.
    """
    numbers = numbers_of(request["objective"], WORDS)
    return Reading(
        limit=numbers["limit"],
        aim=numbers["aim"],
        owed=feature(request, "owed"),
        payable=feature(request, "payable"),
        weth=share(request, "WETH", "wallet"),
    )


def decide(seen: Reading) -> dict[str, Any]:
    """Return the plan for what was read."""
    why = f"Owed {seen.owed}%, limit {seen.limit}%"
    if seen.owed <= seen.limit:
        return hold(f"{why}: inside, hold.")
    part = seen.owed - seen.aim
    need = min(100, -(-100 * part // (NEED_STEP * seen.owed)) * NEED_STEP)
    why += (
        f": above, target {seen.aim}%, need {part} of {seen.owed}, {need}%; "
        f"wallet pays {seen.payable}%"
    )
    if seen.payable >= need:
        return move(f"{why}: enough, repay {need}%.", "repay", "USDC", 100 * need)
    if seen.payable > 0:
        part = seen.payable
        return move(f"{why}: short, repay {part}%.", "repay", "USDC", 100 * part)
    why += f": none; WETH {seen.weth}%"
    if seen.weth > 0:
        return move(f"{why}: lend all.", "supply", "WETH", 10_000)
    return hold(f"{why}: hold.")
