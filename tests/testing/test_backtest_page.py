"""What `docs/backtest.md` shows is run: its test in a new project, its opening read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from affiant.agents.backtest import parse_opening, parse_prices

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "backtest.md").read_text()


@pytest.mark.anvil
def test_the_page_s_test_is_green(
    project: Path, run_pytest: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    ((name, content),) = re.findall(
        r"^```python (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
    assert name == "tests/test_crash.py"
    (project / name).write_text(content)
    done = run_pytest(project, name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_page_s_files_are_read() -> None:
    (opening, _) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    read = parse_opening(opening.encode(), file="opening.toml")
    assert [item.action for item in read.positions] == ["supply", "borrow"]
    assert read.balances["WETH"] == Decimal(6)
    (prices,) = re.findall(r"^```\n(time,.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert parse_prices(prices.encode(), source="page").symbols == ("WETH", "WBTC")
