"""Follow model, teacher and "hold" over seeded made-up markets, and plot what became.

    python examples/planner/outcomes.py [--paths 200] [--plots docs/planner]

Each agent lives through 12 slots of each of 200 markets: planned by the teacher,
holding, and, where the model knows the agent, planned by the model (in transformers,
under the plan grammar). Measured are the final value and the worst drawdown.

Prices are a random walk without a trend, and for the loan guardian with a steep fall.
Nobody can foresee it, so it shows what following the rule costs or spares, and whether
the model follows it. It says nothing about real markets.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ledger import Balances, Market, after, facts_of, later, value_of
from made_up import BOOK, WIDE_BOOK, make_request
from plans import hold
from teacher import RULES, branch, teach

from affiant.agents import (
    DollarCostAverager,
    LoanGuardian,
    Rebalancer,
    VerifiedAgent,
    YieldRotator,
)
from affiant.agents.programs.request import PreviousSummary
from affiant.onchain.address_book import AddressBook
from affiant.onchain.facts import TokenBalance
from affiant.onchain.observation import ChainView

SLOTS = 12
"""Decisions on each path."""

KNOWN = ("rebalancer",)
"""Agents whose requests the committed model was trained on."""

_START = YieldRotator.since
_DAY = 86_400

Decide = Callable[[Sequence[dict[str, Any]], AddressBook], list[dict[str, Any]]]
"""Turns the requests of one slot of all paths into plans."""


@dataclass(frozen=True)
class Trial:
    """How one agent is tried."""

    agent: type[VerifiedAgent]
    start: dict[str, tuple[float, float, float]]
    """By token: wallet, lent and owed, in whole tokens."""
    days: int
    """From one slot to the next."""
    volatility: float
    """Of WETH, a year."""
    drift: float = 0.0
    """Of WETH, a year."""

    @property
    def book(self) -> AddressBook:
        """Names; with the vault where the account may hold its shares."""
        return WIDE_BOOK if "vUSDC" in self.start else BOOK

    def balances(self) -> Balances:
        """Return what the account begins with, in base units."""
        return {
            name: TokenBalance(
                *(
                    round(amount * 10 ** min(9, self.book.tokens[name].decimals))
                    * 10 ** max(0, self.book.tokens[name].decimals - 9)
                    for amount in amounts
                )
            )
            for name, amounts in self.start.items()
        }


class Buyer(DollarCostAverager):
    """Buys for a thousand dollars every 30 days."""

    amount, budget, every = 1_000, 12_000, 30 * _DAY


TRIALS: dict[str, Trial] = {
    "rebalancer": Trial(
        Rebalancer,
        {"WETH": (6, 0, 0), "USDC": (10_000, 0, 0), "WBTC": (0, 0, 0)},
        days=15,
        volatility=0.8,
    ),
    "yield rotator": Trial(
        YieldRotator,
        {
            "WETH": (0, 0, 0),
            "USDC": (2_000, 18_000, 0),
            "WBTC": (0, 0, 0),
            "vUSDC": (0, 0, 0),
        },
        days=30,
        volatility=0.8,
    ),
    "loan guardian": Trial(
        LoanGuardian,
        {"WETH": (2, 8, 0), "USDC": (4_000, 0, 10_000), "WBTC": (0, 0, 0)},
        days=5,
        volatility=0.9,
        drift=-2.0,
    ),
    "dollar-cost averager": Trial(
        Buyer,
        {"WETH": (0, 0, 0), "USDC": (12_000, 0, 0), "WBTC": (0, 0, 0)},
        days=30,
        volatility=0.8,
    ),
}
"""By agent."""


def markets(agent: str, path: int) -> list[Market]:
    """Return the market of each slot; the same numbers give the same market."""
    trial, rng = TRIALS[agent], random.Random(f"affiant market {agent} {path}")
    years = trial.days / 365
    weth, supply, vault, rate = 2500.0, rng.randint(200, 700), 450.0, 1_000_000
    vault = float(rng.randint(200, 700))
    found = []
    for slot in range(SLOTS + 1):
        found.append(
            Market(
                weth=weth,
                supply_bps=supply,
                vault_rate=rate,
                timestamp=_START + (slot * trial.days + 2) * _DAY,
                off_bps=rng.choice((0, 3, -3, 8, -12, rng.randint(-90, 90))),
            )
        )
        shock = rng.gauss(0, trial.volatility * math.sqrt(years))
        weth *= math.exp(shock + (trial.drift - trial.volatility**2 / 2) * years)
        rate += round(rate * vault / 10_000 * years)
        supply = min(900, max(50, supply + rng.randint(-150, 150)))
        vault = min(900.0, max(0.0, vault + rng.randint(-150, 150)))
    return found


def follow(agent: str, paths: int, decide: Decide) -> tuple[list[list[float]], int]:
    """Return the value of every path after each slot, and how many plans acted."""
    trial = TRIALS[agent]
    view, acted = ChainView(), 0
    trial.agent.observe(object.__new__(trial.agent), view)
    names = tuple(kit.name for kit in trial.agent.actions)
    worlds = [markets(agent, path) for path in range(paths)]
    held = [trial.balances() for _ in worlds]
    before: list[PreviousSummary | None] = [None] * paths
    values = [
        [value_of(balances, world[0])]
        for balances, world in zip(held, worlds, strict=True)
    ]
    for slot in range(SLOTS):
        requests = [
            make_request(
                objective=trial.agent.objective,
                actions=names,
                facts=facts_of(held[path], world[slot], observes=view.names),
                slot=slot,
                previous=before[path],
                book=trial.book,
                features=trial.agent.features,
            )
            for path, world in enumerate(worlds)
        ]
        for path, plan in enumerate(decide(requests, trial.book)):
            world = worlds[path]
            acted += branch(plan) != "hold"
            names_of = tuple(action["action"] for action in plan["actions"])
            before[path] = PreviousSummary(slot=slot, actions=names_of)
            balances = after(held[path], plan, world[slot])
            held[path] = later(balances, world[slot + 1], seconds=trial.days * _DAY)
            values[path].append(value_of(held[path], world[slot + 1]))
    return values, acted


def drawdown(values: Sequence[float]) -> float:
    """Return the worst fall from a former height, as a share of it."""
    height = worst = 0.0
    for value in values:
        height = max(height, value)
        worst = max(worst, 1 - value / height)
    return worst


def by_teacher(
    requests: Sequence[dict[str, Any]], book: AddressBook
) -> list[dict[str, Any]]:
    """Plan as the rule does."""
    return [teach(request) for request in requests]


def by_holding(
    requests: Sequence[dict[str, Any]], book: AddressBook
) -> list[dict[str, Any]]:
    """Do nothing, ever."""
    return [hold("never") for _ in requests]


def by_model(folder: Path | None) -> Decide:
    """Plan as the model does; text that is no plan is a hold, as nothing is signed."""
    from evaluate import MODEL_FOLDER, Planner, checked

    from affiant.agents.programs.plan_errors import PlanError

    planner = Planner.load(folder or MODEL_FOLDER)

    def decide(
        requests: Sequence[dict[str, Any]], book: AddressBook
    ) -> list[dict[str, Any]]:
        found = [hold("no plan") for _ in requests]
        for index, text in planner.texts(requests):
            try:
                found[index] = checked(text, requests[index])
            except PlanError:
                continue
        return found

    return decide


def summary(runs: dict[str, tuple[list[list[float]], int]]) -> dict[str, Any]:
    """Return the figures of one agent, by who planned."""
    return {
        name: {
            "mean final value": round(fmean(path[-1] for path in values), 2),
            "median final value": round(median(path[-1] for path in values), 2),
            "mean worst drawdown": round(fmean(map(drawdown, values)), 4),
            "greatest worst drawdown": round(max(map(drawdown, values)), 4),
            "plans that act": acted,
        }
        for name, (values, acted) in runs.items()
    }


def plot(
    agent: str, runs: dict[str, tuple[list[list[float]], int]], file: Path
) -> None:
    """Draw value over time, and how the worst drawdowns are spread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4))
    colours = {"model": "#c0392b", "teacher": "#2c3e50", "hold": "#7f8c8d"}
    for name, (values, _) in runs.items():
        style = "--" if name == "teacher" else "-"
        slots = range(len(values[0]))
        by_slot = [sorted(path[slot] for path in values) for slot in slots]
        left.plot(
            slots,
            [median(row) for row in by_slot],
            style,
            color=colours[name],
            label=f"{name}, median",
        )
        if name != "teacher":
            low, high = (
                [row[len(row) * part // 10] for row in by_slot] for part in (1, 9)
            )
            left.fill_between(slots, low, high, color=colours[name], alpha=0.12)
        falls = sorted(100 * drawdown(path) for path in values)
        share = [100 * (index + 1) / len(falls) for index in range(len(falls))]
        right.plot(falls, share, style, color=colours[name], label=name)
    left.set(title=f"{agent}: value", xlabel="slot", ylabel="dollars")
    right.set(
        title="worst drawdown", xlabel="at most, percent", ylabel="percent of paths"
    )
    for axes in (left, right):
        axes.legend(fontsize=7, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Without a date, the same figures are the same file.
    figure.savefig(file, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    """Read the command line, follow every path, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--plots", type=Path, default=None, help="folder for plots")
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args()
    deciders = {
        "model": by_model(chosen.model),
        "teacher": by_teacher,
        "hold": by_holding,
    }
    result = {}
    for agent in RULES:
        runs = {
            name: follow(agent, chosen.paths, decide)
            for name, decide in deciders.items()
            if name != "model" or agent in KNOWN
        }
        result[agent] = summary(runs)
        print(json.dumps({agent: result[agent]}, indent=2), flush=True)
        if chosen.plots is not None:
            plot(agent, runs, chosen.plots / f"{agent.replace(' ', '-')}.png")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
