"""A user's file is run, and what it should hold is named when it does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from affiant.agents.errors import ConfigError
from affiant.agents.settings.loading import load_agent_class

AGENT = """
from affiant.agents import Hold, VerifiedAgent

class Still(VerifiedAgent):
    objective = "Do nothing."
    actions = (Hold,)

    def observe(self, view):
        view.balances()
"""


@dataclass(frozen=True)
class Case:
    """What a file holds, what is asked of it, and what the error must say."""

    id: str
    text: str
    reference: str
    said: str


CASES = (
    Case("unknown class", AGENT, "{file}:Other", "Other"),
    Case("not an agent", "class Plain: pass", "{file}:Plain", "Plain"),
    Case("imported, not defined", AGENT, "{file}:VerifiedAgent", "VerifiedAgent"),
    Case("no agent at all", "x = 1", "{file}", "no class name"),
    Case("two agents", AGENT + AGENT.replace("Still", "Calm"), "{file}", "Calm"),
    Case("raises", "raise KeyError('x')", "{file}:Still", "KeyError"),
    Case("no Python", "class", "{file}:Still", "SyntaxError"),
    Case("no file", AGENT, "missing.py:Still", "no file missing.py"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_refuses(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "agent.py"
    file.write_text(case.text)
    with pytest.raises(ConfigError, match=case.said):
        load_agent_class(case.reference.format(file=file))


@pytest.mark.parametrize("reference", ["{file}:Still", "{file}"])
def test_finds_the_class(reference: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.py"
    file.write_text(AGENT)
    found = load_agent_class(reference.format(file=file))
    assert found.__name__ == "Still"
    assert found.objective == "Do nothing."
