"""From a real model's tokens to the verdict: random weights, real everything else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.agents import Hold, Question, VerifiedAgent
from affiant.audit.auditor import audit_mandate
from affiant.audit.result import AuditReport, Status, Verdict
from affiant.encoding import keccak256
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.observation import ChainView
from affiant.onchain.registry import NodeRegistryClient

pytestmark = pytest.mark.anvil

SLOTS = 2
"""Slots in which the model is asked."""


class Holder(VerifiedAgent):
    """May only hold: a random model's other plans could hardly be carried out.

    It asks a question first, so that each decision has two inferences.
    """

    objective = "Say something."
    actions = (Hold,)
    questions = (Question("Is anything the matter?", max_tokens=24),)
    max_tokens = 512
    validity_seconds = 3600

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()


def _build(folder: Path, *, seed: int) -> Path:
    built: Path = neighbour("inference/conftest.py").build_model(
        folder, seed=seed, positions=2048
    )
    return built


@dataclass
class Run:
    """A mandate that a random model lived under."""

    world: Any
    mandate: Any
    model: Path
    store: EvidenceStore

    def audit(self, model: Path | None) -> AuditReport:
        return audit_mandate(
            self.world.chain,
            gate=self.world.book.gate,
            mandate=self.mandate.id,
            store=self.store,
            model_folder=None if model is None else str(model),
        )


@pytest.fixture(scope="module")
def run(_settled: Any, tmp_path_factory: Any) -> Run:
    # A real model needs torch: pure tests are collected without.
    from affiant.agents.deciding.decide import decide
    from affiant.inference.commitment import commit_model
    from affiant.inference.transformers_engine import TransformersEngine

    world = _settled
    model = _build(tmp_path_factory.mktemp("model"), seed=3)
    folder = tmp_path_factory.mktemp("node")
    engine, commitment = TransformersEngine.load(model), commit_model(model)
    root = commitment.root
    program = Holder.program(book=world.book, model=root, engine=engine.manifest.hash)
    mandate = world.mandate_for(
        program=program.hash,
        model=root,
        engine=engine.manifest.hash,
        salt=keccak256(b"a real model"),
    )
    world.grant(mandate)
    NodeRegistryClient(world.chain, world.book.node_registry).announce_for(
        world.key,
        model=root,
        engine=engine.manifest.hash,
        valid_until=2**40,
        payer=world.operator,
    )
    serving = world.serving(
        folder, engine=engine, model=root, model_summary=commitment.summary()
    )
    for _ in range(SLOTS):
        world.scenario.next_slot(mandate.cadence)
        world.scenario.refresh_feeds()
        decide(
            program=program,
            book=world.book,
            mandate=mandate,
            slot=mandate.slot_of(world.chain.block_number()),
            serving=serving,
        )
    world.scenario.next_slot(mandate.cadence)
    engine.close()
    store = EvidenceStore(str(folder / "node-evidence"))
    return Run(world, mandate, model, store)


def test_every_token_replays(run: Run) -> None:
    report = run.audit(run.model)
    assert len(report.decisions) == SLOTS
    for audit in report.decisions:
        assert [step.status for step in audit.steps] == [Status.PASS] * 10, audit.steps
        assert "of 2 inferences" in audit.steps[7].detail
        assert "exactly the same" in audit.steps[7].detail
        ((question, _),) = audit.story.asked
        assert question == "Is anything the matter?"
    assert report.verdict is Verdict.ACCEPTED


def test_another_model_of_the_same_shape_reproduces_nothing(
    run: Run, tmp_path: Path
) -> None:
    report = run.audit(_build(tmp_path / "other", seed=4))
    assert report.verdict is Verdict.INCOMPLETE
    assert all("other model folder" in a.steps[7].detail for a in report.decisions)


def test_tokens_of_another_model_are_inconsistent(run: Run, tmp_path: Path) -> None:
    """The auditor's folder is right, the node swore to it, and ran something else."""
    from affiant.audit.replayer import FolderReplayer

    class Fooled(FolderReplayer):
        """Takes the other folder for the sworn one, so that tokens alone can tell."""

        root = run.mandate.model

    other = Fooled(_build(tmp_path / "other", seed=4))
    object.__setattr__(other, "_root", run.mandate.model)
    report = audit_mandate(
        run.world.chain,
        gate=run.world.book.gate,
        mandate=run.mandate.id,
        store=run.store,
        replayer=other,
    )
    for audit in report.decisions:
        assert audit.steps[7].status is Status.FAIL
        assert "inconsistent" in audit.steps[7].detail
    assert report.verdict is Verdict.REJECTED


def test_the_command_replays_files_offline(run: Run) -> None:
    files = sorted(Path(run.store.url).glob("*.zst"))
    done = _affiant("replay", *files, "--model", run.model, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [len(file["inferences"]) for file in found["files"]] == [2] * SLOTS
    assert {file["inferences"][0]["grade"] for file in found["files"]} == {"exact"}
    assert found["drift"] == []


def test_a_calibration_lets_another_engine_speak(run: Run, tmp_path: Path) -> None:
    """The whole path: calibrate on the evidence's prompts, then replay with that."""
    files = sorted(Path(run.store.url).glob("*.zst"))
    done = _affiant(
        *("calibrate", *files, "--model", run.model, "--engine", "transformers"),
        *("--replayer-dtype", "bfloat16", "--count", 90, "--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    (profile,) = tmp_path.glob("*.json")
    assert f"profile 0x{profile.stem}" in done.stdout
    assert "90 of 90 inferences came out exactly" in done.stdout
    assert "bfloat16" in done.stdout
    # A profile under another name is not the one that somebody vouched for.
    renamed = tmp_path / "other" / f"{'0' * 64}.json"
    renamed.parent.mkdir()
    renamed.write_bytes(profile.read_bytes())
    asked = ["replay", *files, "--model", run.model, "--profile"]
    refused = _affiant(*asked, renamed)
    assert refused.returncode == 1 and "name of profile" in refused.stderr
    assert _affiant(*asked, profile).returncode == 0


def _affiant(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
