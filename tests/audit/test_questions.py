"""Auditing a decision of several inferences: each is rebuilt, and each is replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.auditor import audit_mandate
from affiant.audit.report import render_report
from affiant.audit.result import AuditReport, Status, Verdict
from affiant.encoding import keccak256
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission

_questions = neighbour("agents/test_questions.py")


@dataclass
class Told:
    """One executed decision that was made with questions."""

    asked: Any
    bundle: EvidenceBundle
    folder: Path

    def audit(self, *, folder: Path | None = None, replayer: Any) -> AuditReport:
        return audit_mandate(
            self.asked.world.chain,
            gate=self.asked.world.book.gate,
            mandate=self.asked.mandate.id,
            store=EvidenceStore(str(folder or self.folder)),
            replayer=replayer,
        )


@pytest.fixture(scope="module")
def told(_settled: Any, tmp_path_factory: Any) -> Iterator[Told]:
    world, folder = _settled, tmp_path_factory.mktemp("questions")
    engine = _questions.adviser(world.engine)
    engine.text = world.swap
    program = replace(world.program(), questions=_questions.QUESTIONS)
    mandate = world.mandate_for(program=program.hash, salt=keccak256(b"questions"))
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    world.scenario.refresh_feeds()
    asked = _questions.Asked(world, program, mandate, engine)
    bundle = asked.decide(folder)
    world.gate.execute(Submission.of(bundle), operator=world.operator)
    world.scenario.next_slot(mandate.cadence)
    yield Told(asked, bundle, folder / "node-evidence")


def test_every_inference_is_rebuilt_and_replayed(
    told: Told, make_replayer: Any
) -> None:
    report = told.audit(replayer=make_replayer(told.asked.engine))
    assert report.verdict is Verdict.ACCEPTED, report.findings
    (audit,) = report.decisions
    details = {step.number: step.detail for step in audit.steps}
    assert "3 requests" in details[6] and "every answer" in details[6]
    assert "of 3 inferences" in details[8]
    assert audit.story.asked == (
        (_questions.QUESTIONS[0].ask, "It is, by 3 %."),
        (_questions.QUESTIONS[1].ask, "Sell a tenth of it."),
    )
    assert "Sell a tenth of it." in render_report(report)


def test_without_the_model_answers_are_not_believed(told: Told) -> None:
    (audit,) = told.audit(replayer=None).decisions
    skipped = [step.number for step in audit.steps if step.status is Status.SKIPPED]
    assert skipped == [6, 8, 9]
    assert audit.verdict is Verdict.INCOMPLETE


STEPS = {
    "an answer changed in one request": 6,
    "an answer that the tokens do not say": 6,
    "a question that the program does not ask": 6,
    "no questions asked": 6,
    "a question asked twice": 6,
    "questions in another order": 6,
    "another output for a question": 6,
}
"""The step that names each lie."""


@pytest.mark.parametrize("lie", _questions.LIES, ids=lambda lie: lie.id)
def test_a_lie_about_questions_is_found_out(
    told: Told, make_replayer: Any, tmp_path: Path, lie: Any
) -> None:
    world = told.asked.world
    # Not executed: the same node swears to something else in the same slot.
    lied = _questions.resealed(told.bundle, world.key, lie.change)
    EvidenceStore(str(tmp_path)).put(told.bundle)
    EvidenceStore(str(tmp_path)).put(lied)
    replayer = make_replayer(told.asked.engine)
    report = told.audit(folder=tmp_path, replayer=replayer)
    (audit,) = [item for item in report.decisions if item.digest == lied.digest]
    failed = [step.number for step in audit.steps if step.status is Status.FAIL]
    assert failed[0] == STEPS[lie.id], [step.detail for step in audit.steps]
    assert audit.verdict is Verdict.REJECTED
    assert report.verdict is Verdict.REJECTED


def test_one_lying_inference_of_several_is_named(
    told: Told, make_replayer: Any
) -> None:
    """The model would have answered otherwise; the node swears consistently."""
    engine = told.asked.engine

    class Truth(type(engine)):  # type: ignore[misc]
        def prefill(self, prompt_ids: Any, output_ids: Any) -> Any:
            found = super().prefill(prompt_ids, output_ids)
            if "Answered:" in self.decode(prompt_ids) and len(output_ids) < 40:
                found.logits[3, 99] = 40.0
            return found

    report = told.audit(replayer=make_replayer(Truth(text=engine.text)))
    (audit,) = report.decisions
    (failed,) = [step for step in audit.steps if step.status is Status.FAIL]
    assert failed.number == 8 and "inference 2" in failed.detail
