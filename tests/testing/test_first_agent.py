"""The tutorial's code is run: what `docs/first-agent.md` shows is what happens."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-agent.md"
README = PAGE.parents[1] / "README.md"
_BLOCK = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENTRY_POINTS = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FIRST = {"agent.py", "tests/test_agent.py"}
OWN_ACTION = {"lend_above.py", "lender.py"}
OWN_TESTS = {"tests/test_lender.py"}

MOST_LINES = 60
"""Of an agent with an action of its own, blank lines left out."""


def blocks() -> dict[str, str]:
    found = dict(_BLOCK.findall(PAGE.read_text()))
    assert set(found) == FIRST | OWN_ACTION | OWN_TESTS
    return found


def write(project: Path, names: set[str]) -> None:
    for name, content in blocks().items():
        if name in names:
            (project / name).write_text(content)


@pytest.mark.anvil
def test_what_the_page_shows_is_green(project: Path, run_pytest) -> None:
    write(project, FIRST)
    done = run_pytest(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.anvil
def test_an_agent_with_an_action_of_its_own_acts_through_the_gate(
    project: Path, run_pytest
) -> None:
    write(project, OWN_ACTION | OWN_TESTS)
    (text,) = _ENTRY_POINTS.findall(PAGE.read_text())
    # What `pip install -e .` writes beside the project's own files.
    info = project / "my_keeper-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-keeper\nVersion: 0.1.0\n"
    )
    lines = []
    for group, entries in tomllib.loads(text)["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    done = run_pytest(project, "tests/test_lender.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_an_agent_with_an_action_of_its_own_takes_sixty_lines() -> None:
    lines = [
        line
        for name, content in blocks().items()
        if name in OWN_ACTION
        for line in content.splitlines()
        if line.strip()
    ]
    assert 20 < len(lines) <= MOST_LINES


def test_the_readme_leads_there() -> None:
    place = "docs/first-agent.md#an-action-of-its-own"
    assert place in README.read_text()
    assert "\n## An action of its own\n" in PAGE.read_text()
