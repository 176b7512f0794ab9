"""The whole audit on a real chain and gate, and everything that must not pass."""

from __future__ import annotations

from typing import Any

import pytest

from affiant.audit.auditor import audit_mandate
from affiant.audit.report import render_report
from affiant.audit.result import (
    Answer,
    AuditReport,
    Kind,
    Status,
    Verdict,
    exit_code,
)
from affiant.encoding import canonical_json, keccak256
from affiant.errors import UnavailableError
from affiant.onchain.chain import Chain
from affiant.onchain.events import HistoryBrokenError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.json_rpc import JsonRpcEndpoint

pytestmark = pytest.mark.anvil


def _problems(report: AuditReport) -> list[str]:
    return [
        f"slot {audit.slot} step {step.number}: {step.detail}"
        for audit in report.decisions
        for step in audit.steps
        if step.status is not Status.PASS
    ]


def test_accepts_what_was_done_and_accounts_for_every_slot(chronicle: Any) -> None:
    report = chronicle.audit()
    assert _problems(report) == []
    assert report.verdict is Verdict.ACCEPTED
    kinds = [audit.kind for audit in report.decisions]
    assert kinds == [
        Kind.EXECUTED,
        Kind.HELD,
        Kind.EXECUTED,
        Kind.EXECUTED,
        Kind.UNUSED,
    ]
    slots = [audit.slot for audit in report.decisions]
    first = slots[0]
    done = report.completeness
    assert done.executed == (first, first + 3, first + 4)
    assert done.held == (first + 1,)
    assert done.unused == (first + 5,)
    assert first + 2 in done.unexplained
    assert (
        f"3 executed, 1 held, 1 sworn but not executed, {len(done.unexplained)} "
        "unexplained" in done.sentence
    )
    assert exit_code(report) == 0


def test_grades_claim_no_more_than_was_done(chronicle: Any) -> None:
    for audit in chronicle.audit().decisions:
        answers = [grade.answer for grade in audit.grades]
        assert answers == [
            Answer.YES,
            Answer.YES,
            Answer.NOT_CLAIMED,
            Answer.NOT_CLAIMED,
        ]


def test_tells_what_happened_in_words(chronicle: Any) -> None:
    report = chronicle.audit()
    swap, hold, supply, withdraw, unused = (item.story for item in report.decisions)
    assert swap.why == "too much WETH"
    assert swap.plan[0].startswith("swap 10 % of WETH for USDC")
    assert swap.calls[0].startswith("sell 1 WETH on Uniswap for at least ")
    assert hold.plan == ("hold",) and hold.calls == ()
    assert "to Aave" in supply.calls[0] and "from Aave" in withdraw.calls[0]
    changed = {item.name: item.measured for item in swap.changes if item.measured}
    assert changed["WETH"] == -(10**18) and changed["USDC"] > 0
    assert all(item.measured is None for item in unused.changes)
    assert any("WETH" in label for label, _ in swap.saw)
    assert any("DEV KEY" in line for line in report.mandate_words)


def test_values_the_account_over_time(chronicle: Any) -> None:
    portfolio = chronicle.audit().portfolio
    assert [entry.block for entry in portfolio] == sorted(
        {entry.block for entry in portfolio}
    )
    assert len(portfolio) == 6 and portfolio[-1].slot is None
    assert all(entry.verified for entry in portfolio)
    assert portfolio[0].value == portfolio[0].held_value
    lost = portfolio[0].value - portfolio[-1].value
    assert 0 <= lost < portfolio[0].value // 100


def test_two_audits_are_the_same_byte_for_byte(chronicle: Any) -> None:
    upto = chronicle.world.chain.block_number()
    first, second = (
        canonical_json(chronicle.audit(to_block=upto).to_json()) for _ in range(2)
    )
    assert first == second
    page = render_report(chronicle.audit(to_block=upto))
    assert page == render_report(chronicle.audit(to_block=upto))
    assert "Accepted: 5 decisions, all reproduced." in page


def test_audits_up_to_an_earlier_block(chronicle: Any) -> None:
    whole = chronicle.audit()
    upto = whole.decisions[2].block
    part = chronicle.audit(to_block=upto)
    assert part.audited_block == upto
    assert len(part.decisions) == 3
    assert part.verdict is Verdict.ACCEPTED


def test_progress_is_told(chronicle: Any) -> None:
    told: list[tuple[int, int, str]] = []
    chronicle.audit(progress=lambda *words: told.append(words))
    assert [done for done, total, _ in told if total] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("required", ["endorsed", "hardware", ""])
def test_a_grade_that_cannot_be_shown_is_misuse(chronicle: Any, required: str) -> None:
    with pytest.raises(ValueError, match="required grade"):
        chronicle.audit(required=required)


def test_an_unknown_mandate_is_rejected(chronicle: Any) -> None:
    with pytest.raises(HistoryBrokenError):
        chronicle.audit(mandate=keccak256(b"never granted"))


def test_an_endpoint_that_is_gone_is_unavailable(chronicle: Any) -> None:
    gone = Chain(
        JsonRpcEndpoint("http://127.0.0.1:9", timeout=0.5),
        chain_id=chronicle.world.book.chain_id,
    )
    with pytest.raises(UnavailableError):
        audit_mandate(
            gone,
            gate=chronicle.world.book.gate,
            mandate=chronicle.world.mandate.id,
            store=EvidenceStore(str(chronicle.folder)),
        )


@pytest.mark.parametrize(("distance", "drifts"), [(0.0005, False), (0.9, True)])
def test_a_node_whose_inferences_drift_is_rejected(
    chronicle: Any, make_elsewhere: Any, distance: float, drifts: bool
) -> None:
    report = chronicle.audit(replayer=make_elsewhere(chronicle, distance=distance))
    # Each decision passes by itself, within its calibration.
    assert {audit.verdict for audit in report.decisions} == {Verdict.ACCEPTED}
    assert "within its calibration" in report.decisions[0].steps[7].detail
    assert report.verdict is (Verdict.REJECTED if drifts else Verdict.ACCEPTED)
    said = [finding for finding in report.findings if "drift" in finding]
    assert bool(said) == drifts
    if drifts:
        assert chronicle.world.key.address in said[0]
