"""The tutorial's code is run: what `docs/first-agent.md` shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-agent.md"
_BLOCK = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.anvil
def test_what_the_page_shows_is_green(project: Path, run_pytest) -> None:
    blocks = dict(_BLOCK.findall(PAGE.read_text()))
    assert set(blocks) == {"agent.py", "tests/test_agent.py"}
    for name, content in blocks.items():
        (project / name).write_text(content)
    done = run_pytest(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
