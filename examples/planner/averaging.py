"""The dollar-cost averager's rule: what the model is to plan.

1. No buy is due: hold.
2. The pool is further from the feeds than the objective allows: wait.
3. Otherwise spend one portion, however many are due: the next slot takes the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plans import hold, swap
from reading import Request, feature, numbers_of

from affiant.agents import DollarCostAverager

ACTIONS = tuple(kit.name for kit in DollarCostAverager.actions)
"""Actions of the agent, in the order of its class."""

WORDS = DollarCostAverager.words.format(asset="WETH", cash="USDC", limit="{limit}")
"""Its objective."""

BRANCHES = ("hold", "buy")
"""Classes of its plans."""


@dataclass(frozen=True)
class Reading:
    """The numbers that the rule looks at."""

    limit: int
    """Furthest that the pool may be from the feeds, in basis points."""
    due: int
    """How many buys are due."""
    portion: int
    """What one buy is of the wallet's USDC, in percent."""
    off: int
    """How far the pool is from the feeds, in basis points, either way."""


def read(request: Request) -> Reading:
    """Read the numbers out of `request`.

    Raises:
        ValueError: the objective is not worded as the agent words it, or the pool has
            no price to compare.
    """
    (pool,) = request["pools"]
    if pool["deviationBps"] is None:
        raise ValueError("the pool has no price to compare")
    return Reading(
        limit=numbers_of(request["objective"], WORDS)["limit"],
        due=feature(request, "due"),
        portion=feature(request, "portion"),
        off=abs(pool["deviationBps"]),
    )


def decide(seen: Reading) -> dict[str, Any]:
    """Return the plan for what was read."""
    if seen.due == 0:
        return hold("Due 0: none, hold.")
    why = f"Due {seen.due}: some; pool {seen.off} bps off, limit {seen.limit}"
    if seen.off > seen.limit:
        return hold(f"{why}: far, wait.")
    share = 100 * seen.portion
    return swap(f"{why}: near, take {seen.portion}%.", "USDC", "WETH", share)
