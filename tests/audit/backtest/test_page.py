"""The page of a backtest: whole, quiet, and deaf to what hostile text would have it do.

What is drawn is a result made by hand: no chain is needed to look at a page.
"""

from __future__ import annotations

import builtins
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.backtest.result import BacktestResult, SlotRow
from affiant.audit.backtest.page import render_backtest
from affiant.audit.backtest.plots import PlotsMissingError, require_plots
from affiant.encoding import Digest
from affiant.onchain.mandate import Address

pytest.importorskip("matplotlib")

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e$x_1$"
DOLLAR = 10**8
ADDRESS = Address("0x00000000000000000000000000000000000000A1")


def row(index: int, **changes: Any) -> SlotRow:
    plain: dict[str, Any] = {
        "index": index,
        "slot": 5 + index,
        "time": 1_750_000_000 + 3600 * index,
        "prices": {"WETH": (2500 - 100 * index) * DOLLAR, "USDC": DOLLAR},
        "outcome": "held",
        "actions": ({"action": "hold"},),
        "why": "ok",
        "plan_refused": "",
        "error": "",
        "reason": "",
        "step": "",
        "digest": Digest(bytes([index]) * 32),
        "before": 25_000 * DOLLAR,
        "after": (25_000 - 100 * index) * DOLLAR,
        "held": (25_000 - 600 * index) * DOLLAR,
        "health_bps": None,
        "held_health_bps": None,
        "at_risk": 0,
        "swapped": 0,
        "pool_fees": 0,
        "gas": 0,
        "gas_cost": 0,
        "seconds": {"decide": 1.5},
    }
    return SlotRow(**{**plain, **changes})


def result(*rows: SlotRow) -> BacktestResult:
    return BacktestResult(
        agent="Rebalancer",
        objective="Keep WETH.",
        source="synthetic crash, seed 1",
        symbols=("WETH",),
        path_hash=Digest(bytes(32)),
        slot_seconds=3600,
        rows=rows or (row(0), row(1), row(2)),
        opening=("6 WETH",),
        opened=25_000 * DOLLAR,
        held_opened=25_000 * DOLLAR,
        chain_id=31337,
        gate=ADDRESS,
        account=ADDRESS,
        mandate=Digest(bytes(32)),
        program=Digest(bytes(32)),
        model=Digest(bytes(32)),
        engine=Digest(bytes(32)),
        device="a test",
        blocks=(1, 20),
        gas_price=10**9,
        wall_seconds=6.0,
    )


class Page(HTMLParser):
    """Every tag, attribute and address of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return render_backtest(result())


def test_one_page_without_scripts_or_addresses(text: str) -> None:
    page = Page(text)
    assert "script" not in page.tags and "img" not in page.tags
    assert "link" not in page.tags and "iframe" not in page.tags
    assert page.tags.count("svg") == 6
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "xlink:href", "src"):
            assert value.startswith("#")
    assert "url(http" not in text and "@import" not in text
    assert "default-src 'none'; style-src 'unsafe-inline'" in text


def test_ids_of_the_drawings_are_different(text: str) -> None:
    page = Page(text)
    # A clipping path of one drawing must not be another's.
    defined = [value for name, value in page.attributes if name == "id"]
    assert len(defined) == len(set(defined)) >= 6


def test_the_same_result_gives_the_same_page(text: str) -> None:
    assert render_backtest(result()) == text


def test_hostile_text_stays_text() -> None:
    """In every field that a model, a program, a chain or a file can fill."""
    rows = (
        row(0, why=HOSTILE + "why"),
        row(1, reason=HOSTILE + "reason", error="X", outcome="refused"),
        row(2, plan_refused=HOSTILE + "plan"),
        row(3, actions=({"action": HOSTILE, "x": HOSTILE + "action"},)),
    )
    rows = tuple(
        replace(item, prices={HOSTILE: (1 + item.index) * DOLLAR}) for item in rows
    )
    hostile = replace(
        result(*rows),
        agent=HOSTILE + "agent",
        objective=HOSTILE + "objective",
        source=HOSTILE + "source",
        device=HOSTILE + "device",
        opening=(HOSTILE + "opening",),
        symbols=(HOSTILE,),
    )
    text = render_backtest(hostile)
    page = Page(text)
    assert "script" not in page.tags and "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script" not in text and "\u202e" not in text
    shown = " ".join(page.words)
    for field in "agent objective source device opening why reason plan action".split():
        assert f"$x_1${field}" in shown


def test_says_what_was_refused_and_why() -> None:
    refused = row(
        1,
        outcome="refused",
        error="GateLossAboveLimitError",
        reason="lost 5",
        step="simulate",
        digest=None,
    )
    words = " ".join(Page(render_backtest(result(row(0), refused, row(2)))).words)
    assert "GateLossAboveLimitError: 1" in words
    assert "simulate: GateLossAboveLimitError: lost 5" in words
    assert "refused, 1 by the gate" in words


def test_says_that_a_loan_was_under_water() -> None:
    loan = row(1, health_bps=12_345, held_health_bps=9_999)
    page = Page(render_backtest(result(row(0), loan)))
    assert "1.23" in page.words
    assert "0.99: could have been liquidated" in page.words


def test_counts_are_of_all_slots() -> None:
    found = result(
        row(0, outcome="executed", swapped=100 * DOLLAR, pool_fees=DOLLAR),
        row(1, outcome="unavailable", error="X"),
        row(2, plan_refused="too little"),
    )
    assert found.counts == {"executed": 1, "held": 1, "refused": 0, "unavailable": 1}
    assert found.trades == 1 and found.plans_refused == 1
    assert found.turnover_bps == 40
    agent, hold = found.lines
    assert (agent.return_bps, agent.drawdown_bps) == (-80, 80)
    assert (hold.return_bps, hold.drawdown_bps) == (-480, 480)
    assert found.slots_per_minute == 30 and found.speed_up == 1800


def test_what_is_worth_nothing_has_no_return() -> None:
    found = replace(result(row(0, after=-DOLLAR), row(1, after=0)), opened=0)
    assert found.lines[0].return_bps == 0
    assert render_backtest(found)


def test_missing_matplotlib_is_said_before_anything_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for draw in (require_plots, lambda: render_backtest(result())):
        with pytest.raises(PlotsMissingError, match=r"affiant\[plots\]") as caught:
            draw()
    assert caught.value.extra == "affiant[plots]"


def test_importing_the_page_imports_no_matplotlib() -> None:
    code = (
        "import sys; import affiant.audit.backtest.page, affiant.cli.main;"
        "sys.exit('matplotlib' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root)
    assert done.returncode == 0
