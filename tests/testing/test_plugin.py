"""The plug-in: light to load, honest about what decides, and green without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLANNER = ROOT / "examples" / "planner" / "model"

DOUBLE = """
import pytest
from affiant.audit.check_evidence import check_manifests
from affiant.audit.errors import AuditRejectedError
from affiant.inference.manifest import TEST_DOUBLE, EngineManifest
from affiant.testing.scripted_engine import MANIFEST, NothingScriptedError

HOLD = {"why": "nothing to do", "actions": [{"action": "hold"}]}


def test_its_evidence_says_what_it_is_and_no_auditor_takes_it(chain, node, gate, agent):
    node.says(HOLD)
    bundle = agent().run_once().bundle
    manifests = bundle.content("manifests")
    assert EngineManifest.from_json(manifests["engine"]) == MANIFEST
    assert manifests["engine"]["engine"]["name"] == TEST_DOUBLE
    assert "there is no model" in manifests["model"]["test double"]
    assert gate.mandate.engine == MANIFEST.hash
    assert [permit.tier for permit in gate.mandate.nodes] == [0]
    with pytest.raises(AuditRejectedError, match=TEST_DOUBLE):
        check_manifests(
            bundle,
            mandate=gate.mandate,
            chain_id=chain.book.chain_id,
            gate=chain.book.gate,
        )


def test_nothing_is_said_for_it(node, gate, agent):
    result = agent().run_once()
    assert result.outcome in ("refused", "unavailable")
    assert NothingScriptedError.__name__ in str(result.error)
    assert gate.head == gate.mandate.id


def test_what_a_test_does_to_the_chain_is_undone(chain):
    chain.scenario.fund("0x" + "ab" * 20, {"WETH": 1})
    assert chain.balances("0x" + "ab" * 20)["WETH"] == 1


def test_what_a_test_did_to_the_chain_was_undone(chain):
    assert chain.balances("0x" + "ab" * 20)["WETH"] == 0


def test_another_mandate_can_be_granted(node, gate, agent):
    node.says(HOLD)
    other = gate.grant(record_holds=True)
    assert agent(mandate=other.mandate).run_once().outcome == "executed"
    assert other.head != other.mandate.id
"""


@pytest.mark.anvil
def test_a_new_project_is_green_within_a_minute_without_torch(
    project, run_pytest, child_seconds
):
    (project / "tests" / "test_double.py").write_text(DOUBLE)
    done = run_pytest(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout
    assert child_seconds() < 60


def test_loading_the_plug_in_imports_nothing_of_ours():
    probe = (
        "import sys, pytest, time;"
        "before = set(sys.modules); began = time.perf_counter();"
        "import affiant.testing.plugin;"
        "seconds = time.perf_counter() - began;"
        "print(sorted(set(sys.modules) - before), seconds)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    modules, _, seconds = done.stdout.rpartition(" ")
    assert modules == "['affiant', 'affiant.testing', 'affiant.testing.plugin']"
    assert float(seconds) < 0.1


@pytest.mark.slow
def test_an_agent_under_test_is_asked_for_by_name(tmp_path: Path, run_pytest):
    (tmp_path / "test_it.py").write_text("def test_it(agent_class):\n    pass\n")
    done = run_pytest(tmp_path)
    assert done.returncode == 1
    assert "no agent under test" in done.stdout


@pytest.mark.slow
@pytest.mark.vllm
def test_the_same_file_decides_with_a_real_model_unchanged(project, run_pytest):
    before = (project / "agent.py").read_bytes()
    done = run_pytest(
        project, "-rs", f"--affiant-model={PLANNER}", heavy=True, seconds=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 5 skipped" in done.stdout
    assert "a real one decides here" in done.stdout
    assert (project / "agent.py").read_bytes() == before
