"""Measure the planner model on held-out scenarios, under the plan grammar.

    python examples/planner/evaluate.py [--count 2000] [--json FILE]

For each agent, in its own words and in words that no training prompt has: the class of
action, its exact arguments, and whether the text is a plan at all. Beside it stands
what always holding scores. It measures imitation of simple rules on made-up portfolios,
nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decoding import MODEL_FOLDER, Planner, checked
from phrases import HELD_OUT as HELD_OUT_WORDS
from scenarios import HELD_OUT, Scenario, draw
from teacher import RULES, branch, teach

from affiant.agents.programs.plan_errors import PlanError

NO_PLAN = "none"
"""Class of a text that is no plan."""


@dataclass(frozen=True)
class Answered:
    """One scenario, what the teacher plans and what the model does."""

    agent: str
    wanted: dict[str, Any]
    got: dict[str, Any] | None
    """None for a text that is no plan."""

    @property
    def got_class(self) -> str:
        """The class of the model's plan; a plan of several actions has its own."""
        if self.got is None:
            return NO_PLAN
        return branch(self.got) if len(self.got["actions"]) == 1 else "several"


def answer(
    planner: Planner, scenarios: Sequence[Scenario], *, reworded: bool = False
) -> list[Answered]:
    """Ask the model about every scenario.

    Args:
        planner: the model.
        scenarios: what the teacher answers, in the agents' own words.
        reworded: ask in words that no training prompt has.
    """
    found: dict[int, Answered] = {}
    for wide in (False, True):
        members = [
            (index, scenario)
            for index, scenario in enumerate(scenarios)
            if bool(scenario.book.vaults) == wide
        ]
        if not members:
            continue
        book = members[0][1].book
        asked = [
            scenario.reworded(HELD_OUT_WORDS) if reworded else scenario.request
            for _, scenario in members
        ]
        for position, text in planner.texts(asked, book):
            index, scenario = members[position]
            try:
                got = checked(text, asked[position], book)
            except PlanError:
                got = None
            found[index] = Answered(scenario.agent, teach(scenario.request), got)
    return [found[index] for index in range(len(scenarios))]


def score(answers: Sequence[Answered]) -> dict[str, Any]:
    """Compare the model with the teacher over the classes of the teacher's plans."""
    seen: dict[str, list[bool]] = defaultdict(list)
    for item in answers:
        wanted = branch(item.wanted)
        seen[wanted].append(item.got_class == wanted)
    recalls = {name: sum(hits) / len(hits) for name, hits in sorted(seen.items())}
    exact = [
        item.got is not None and item.got["actions"] == item.wanted["actions"]
        for item in answers
    ]
    return {
        "scenarios": len(answers),
        "balanced accuracy": sum(recalls.values()) / len(recalls),
        "balanced accuracy of always holding": 1 / len(recalls)
        if "hold" in recalls
        else 0.0,
        "recall": recalls,
        "exact actions": sum(exact) / len(exact),
        "invalid plans": sum(item.got is None for item in answers) / len(answers),
    }


def measure(answers: Sequence[Answered]) -> dict[str, Any]:
    """Score all agents together, and each alone."""
    return {"all agents": score(answers)} | {
        agent: score([item for item in answers if item.agent == agent])
        for agent in RULES
        if any(item.agent == agent for item in answers)
    }


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args()
    scenarios = [draw(HELD_OUT, index) for index in range(chosen.count)]
    planner = Planner.load(chosen.model)
    result = {
        "own words": measure(answer(planner, scenarios)),
        "other words": measure(answer(planner, scenarios, reworded=True)),
    }
    print(json.dumps(result, indent=2))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
