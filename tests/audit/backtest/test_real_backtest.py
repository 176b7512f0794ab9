"""A backtest with the reference planner, by the command, audited as it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "examples" / "planner" / "model"
AGENT = f"{ROOT / 'examples' / 'rebalancer.py'}:Rebalancer"

pytestmark = [pytest.mark.anvil, pytest.mark.model, pytest.mark.slow]


@pytest.mark.parametrize(
    "engine", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)]
)
def test_every_decision_of_a_backtest_is_reproduced(
    tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "crash"
    done = affiant(
        *("backtest", AGENT, "--model", str(MODEL), "--engine", engine),
        *("--synthetic", "crash:WETH,drop=40,at=0", "--seed", "3", "--slots", "4"),
        *("--out", str(out), "--audit", "--json"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(told["counts"].values()) == 4
    assert told["counts"]["refused"] == told["counts"]["unavailable"] == 0
    # The planner lends what lies idle: something was executed.
    assert told["counts"]["executed"] >= 1
    audit = json.loads((out / "audit.json").read_text())
    assert audit["verdict"] == "accepted", audit["headline"]
    page = (out / "report.html").read_text()
    assert "<svg" in page and "<script" not in page
    # And again from the folder alone, with the chain that was kept.
    again = affiant("audit", str(out), "--require", "signed", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["headline"].startswith("Accepted: 4 decisions")


def affiant(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=900,
    )
