"""The rules that the planner model is trained to imitate: one for each ready agent.

They decide one plan from one request, and read nothing but the request: the numbers in
the objective's text, the whole percents of the portfolio, and the numbers that the
program computed. They are deliberately simple. They are no investment advice, and the
model is no better than they are.

Every reason states each number before what follows from it: first what is copied from
the request, then the comparison, then the sum. A model that writes it in that order has
each step's operands in front of it.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import ModuleType
from typing import Any

import averaging
import guarding
import rebalancing
import rotating
from reading import Request

RULES: dict[str, ModuleType] = {
    "rebalancer": rebalancing,
    "yield rotator": rotating,
    "loan guardian": guarding,
    "dollar-cost averager": averaging,
}
"""The rule of each agent."""


def agent_of(request: Request) -> str:
    """Return whose request it is, by the actions that its program has."""
    names = tuple(request["actions"])
    for agent, rule in RULES.items():
        # The averager and a rebalancer that only swaps have the same actions.
        if names == rule.ACTIONS and (agent != "dollar-cost averager" or _due(request)):
            return agent
    return "rebalancer"


def read(request: Request) -> Hashable:
    """Return the numbers of `request` that its agent's rule looks at.

    Raises:
        ValueError: the objective is not worded as the agents word it.
    """
    return RULES[agent_of(request)].read(request)


def teach(request: Request) -> dict[str, Any]:
    """Return the teacher's plan for `request`, as the plan's JSON object.

    Raises:
        ValueError: as `read`.
    """
    rule = RULES[agent_of(request)]
    plan: dict[str, Any] = rule.decide(rule.read(request))
    return plan


def branch(plan: dict[str, Any]) -> str:
    """Return the class of a plan: its action, a swap by what it does with WETH."""
    action = plan["actions"][0]
    if action["action"] == "swap":
        return "sell" if action["sell"] == "WETH" else "buy"
    return str(action["action"])


def _due(request: Request) -> bool:
    return any(item["feature"] == "due" for item in request.get("features", ()))
