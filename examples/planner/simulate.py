"""Follow the demo's price path off chain, with the teacher or with the model.

    python examples/planner/simulate.py           # the teacher, and the model beside it

No fees, no interest, no slippage: it shows which actions a path calls for, not what
they would earn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from price_path import OBJECTIVE, START, WETH_PRICES
from scenarios import BOOK, LENDING_ACTIONS, make_request, sqrt_price_x96
from teacher import teach

from affiant.agents.programs.request import PreviousSummary
from affiant.onchain.facts import (
    Facts,
    LendingFact,
    PoolFact,
    PriceFact,
    TokenBalance,
)

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
    balances = {
        name: TokenBalance(wallet=int(amount) * 10 ** BOOK.tokens[name].decimals)
        for name, amount in START.items()
    }
    previous = None
    for slot, price in enumerate(prices):
        request = make_request(
            objective=OBJECTIVE,
            actions=LENDING_ACTIONS,
            facts=_facts(balances, price, slot),
            slot=slot,
            previous=previous,
        )
        plan = decide(request)
        yield SimulatedSlot(price, request, plan)
        for action in plan["actions"]:
            balances = _apply(balances, action, price)
        names = tuple(action["action"] for action in plan["actions"])
        previous = PreviousSummary(slot=slot, actions=names)


def _facts(balances: dict[str, TokenBalance], price: int, slot: int) -> Facts:
    dollars = {"WETH": price, "USDC": 1, "WBTC": 60_000}
    root = sqrt_price_x96(price, base="WETH", quote="USDC", scale=1)
    return Facts(
        block_number=10 * slot,
        timestamp=1_800_000_000 + 120 * slot,
        balances=balances,
        prices={
            name: PriceFact(answer=dollars[name] * 10**8, decimals=8, updated_at=0)
            for name in balances
        },
        pools={"WETH/USDC": PoolFact(root, tick=0, liquidity=10**18, fee=500)},
        lending={"USDC": LendingFact(400 * 10**23, 600 * 10**23)},
    )


def _apply(
    balances: dict[str, TokenBalance], action: dict[str, Any], price: int
) -> dict[str, TokenBalance]:
    """Return the balances after one action at the feed's price."""
    if action["action"] == "hold":
        return balances
    changed = dict(balances)
    if action["action"] == "swap":
        sold, bought = balances[action["sell"]], balances[action["buy"]]
        amount = sold.wallet * action["share_bps"] // 10_000
        # WETH has 18 decimals, USDC 6; no other pair is traded on the path.
        yielded = (
            amount * price // 10**12
            if action["sell"] == "WETH"
            else amount * 10**12 // price
        )
        changed[action["sell"]] = replace(sold, wallet=sold.wallet - amount)
        changed[action["buy"]] = replace(bought, wallet=bought.wallet + yielded)
        return changed
    held = balances[action["asset"]]
    if action["action"] == "supply":
        amount = held.wallet * action["share_bps"] // 10_000
    else:
        amount = -(held.supplied * action["share_bps"] // 10_000)
    changed[action["asset"]] = replace(
        held, wallet=held.wallet - amount, supplied=held.supplied + amount
    )
    return changed


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
