"""The whole audit on a real chain and gate, and everything that must not pass."""

from __future__ import annotations

from typing import Any

import pytest

from affiant.audit.result import AuditReport, Kind, Status, Verdict

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
