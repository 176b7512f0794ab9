"""The whole demonstration, on the reference planner: what `make demo` promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from affiant.demo.attacks import ATTACKS, SAFE_ATTACKS
from affiant.demo.errors import DemoFailedError
from affiant.demo.run import LEAST_DECISIONS, run_demo
from affiant.demo.story import KINDS

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.anvil
@pytest.mark.vllm
def test_demo_shows_what_it_promises(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    run_demo(model=None, revision=None, engine="vllm", out=tmp_path / "out")
    said = capsys.readouterr().out
    assert "NO HARDWARE PROTECTION" in said
    assert len(re.findall(r"refused by", said)) == len(ATTACKS) + len(SAFE_ATTACKS)
    assert "a Safe 1.4.1 of 1 owner, the gate its only module" in said
    assert "edited in section `tokens`" in said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"] == "accepted"
    decisions = report["decisions"]
    assert len(decisions) >= LEAST_DECISIONS
    assert {decision["kind"] for decision in decisions} == {"executed", "held"}
    assert all(
        step["status"] == "pass" for decision in decisions for step in decision["steps"]
    )
    assert report["completeness"]["unexplained"] == []
    assert all(attack["ok"] for attack in report["attacks"])
    html = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    planned = " ".join(word for word in said.split())
    for kind, word in zip(KINDS, ("hold", "swap", "lend", "take back"), strict=True):
        assert word in planned, kind


def test_refuses_to_empty_a_folder_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(DemoFailedError, match="somebody else"):
        run_demo(model=None, revision=None, engine="vllm", out=tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_says_where_it_must_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DemoFailedError, match="repository's root"):
        run_demo(model=None, revision=None, engine="vllm", out=tmp_path / "out")
