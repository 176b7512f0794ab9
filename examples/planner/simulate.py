"""Follow the demo's price path off chain, with the teacher or with the model.

    python examples/planner/simulate.py           # the teacher, and the model beside it

It shows which actions a path calls for, not what they would earn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ledger import Balances, Market, after, facts_of
from made_up import BOOK, make_request
from price_path import OBJECTIVE, START, WETH_PRICES
from rebalancing import ACTIONS
from teacher import teach

from affiant.agents.programs.request import PreviousSummary
from affiant.onchain.facts import TokenBalance

OBSERVES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")
"""What the demo's agent observes."""

Decide = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns a request into a plan's JSON object."""


@dataclass(frozen=True)
class SimulatedSlot:
    """One slot of the path."""

    price: int
    """Dollars per WETH."""
    request: dict[str, Any]
    plan: dict[str, Any]


def follow(
    decide: Decide, prices: tuple[int, ...] = WETH_PRICES
) -> Iterator[SimulatedSlot]:
    """Yield each slot of the path, applying every plan before the next price."""
    balances: Balances = {
        name: TokenBalance(wallet=int(amount) * 10 ** BOOK.tokens[name].decimals)
        for name, amount in START.items()
    }
    previous = None
    for slot, price in enumerate(prices):
        market = Market(price, 400, 10**6, 1_800_000_000 + 120 * slot)
        request = make_request(
            objective=OBJECTIVE,
            actions=ACTIONS,
            facts=facts_of(balances, market, observes=OBSERVES),
            slot=slot,
            previous=previous,
        )
        plan = decide(request)
        yield SimulatedSlot(price, request, plan)
        balances = after(balances, plan, market)
        names = tuple(action["action"] for action in plan["actions"])
        previous = PreviousSummary(slot=slot, actions=names)


def main() -> None:
    """Print the path with the teacher's plans, and where the model's differ."""
    from evaluate import Planner

    planner = Planner.load()
    for slot in follow(teach):
        tokens = slot.request["portfolio"]["tokens"]
        weth, usdc = tokens[0]["share"], tokens[1]["share"]
        print(
            f"WETH at {slot.price}: WETH {weth['total']}%, USDC {usdc['wallet']}% idle "
            f"and {usdc['supplied']}% lent"
        )
        model = planner.plan(slot.request)
        print(f"  teacher {slot.plan['actions'][0]}")
        print(f"  model   {model['actions'][0]}  {model['why']}")


if __name__ == "__main__":
    main()
