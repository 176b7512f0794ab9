"""The decisions of `affiant demo`, one line each, while prices move along a fixed path.

The path is the only script: what the agent does in a slot is what the model planned,
and what is printed is what the chain says happened.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from affiant.agents import RunResult
from affiant.audit.figures import short, units
from affiant.audit.words import name_tracked, plan_in_words
from affiant.demo.errors import DemoFailedError
from affiant.demo.stage import Stage
from affiant.encoding import to_hex

KINDS = ("hold", "swap", "supply", "withdraw")
"""Actions that the path must call for."""


@dataclass(frozen=True)
class PricePath:
    """What the world does during the demonstration."""

    start: dict[str, str]
    """Whole tokens that the account begins with."""
    weth_prices: tuple[int, ...]
    """Dollars per WETH at the anchor of each slot."""


def load_price_path(file: Path) -> PricePath:
    """Read the demonstration's prices out of the example's own file.

    Raises:
        DemoFailedError: it is not there, or does not define them.
    """
    spec = importlib.util.spec_from_file_location("affiant_price_path", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise DemoFailedError(str(file), got="no such file", expected="a price path")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return PricePath(dict(module.START), tuple(module.WETH_PRICES))


def move_market(stage: Stage, weth_price: int) -> None:
    """Set the price, refresh every feed, and open the next slot."""
    stage.scenario.set_price("WETH", Decimal(weth_price))
    stage.scenario.refresh_feeds()
    stage.scenario.next_slot(stage.mandate.cadence)


def play(stage: Stage, prices: Sequence[int]) -> Iterator[RunResult]:
    """Move the market and let the agent take its decision, price by price."""
    for price in prices:
        move_market(stage, price)
        yield stage.agent.run_once()


def require_decision(result: RunResult) -> None:
    """Refuse a run that neither executed nor held.

    Raises:
        DemoFailedError: says why it did not.
    """
    if result.outcome not in ("executed", "held"):
        raise DemoFailedError(
            f"slot {result.slot}",
            got=f"{result.outcome} in {result.failed_step}: {result.error}",
            expected="executed or held",
        ) from result.error


def kinds_of(results: Sequence[RunResult]) -> set[str]:
    """Return the names of all actions that were planned."""
    return {
        name
        for result in results
        if result.derived is not None
        for name in result.derived.plan.action_names
    }


def line_of(stage: Stage, result: RunResult) -> str:
    """Return one decision as one line."""
    derived, bundle = result.derived, result.bundle
    if derived is None or bundle is None:
        return f"slot {result.slot}: {result.outcome}: {result.error}"
    portfolio = derived.asked[-1].request["portfolio"]
    saw = ", ".join(
        f"{token['token']} {token['share']['total']}%"
        + (f" ({token['share']['supplied']}% lent)" if token["supplied"] != "0" else "")
        for token in portfolio["tokens"]
        if token["share"]["total"]
    )
    price = next(
        token["price"] for token in portfolio["tokens"] if token["token"] == "WETH"
    )
    planned = "; ".join(plan_in_words(derived.plan.actions))
    gas = "off chain" if result.gas_used is None else f"{result.gas_used:,} gas"
    return (
        f"block {derived.facts.block_number}  WETH ${Decimal(price):,.0f}; {saw}  →  "
        f"{planned}, because “{derived.plan.why}”  ·  "
        f"{short(to_hex(bundle.digest))}  ·  {gas}  ·  {changed(stage, result)}"
    )


def changed(stage: Stage, result: RunResult) -> str:
    """Return in words what a decision changed in the account."""
    if result.executed is None:
        return "nothing changed"
    return (
        ", ".join(
            f"{name_tracked(entry, book=stage.book)} "
            f"{units(change, decimals=entry.decimals, signed=True)}"
            for entry, change in zip(
                stage.mandate.tracked, result.executed.changes, strict=True
            )
            if change
        )
        or "nothing changed"
    )
