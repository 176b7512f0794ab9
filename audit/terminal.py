"""An audit on a terminal: one line per decision, what did not pass, the verdict.

Steps that passed are shown only if asked for. It only shows. Text that came from a
model or a chain is stripped of control characters and never read as markup, so that a
plan cannot move the cursor or colour the verdict.
"""

from __future__ import annotations

import unicodedata

from rich.console import Console
from rich.text import Text

from affiant.audit.completeness import slots_in_words
from affiant.audit.figures import short, units
from affiant.audit.result import (
    Answer,
    AuditReport,
    DecisionAudit,
    Kind,
    Status,
    Verdict,
)
from affiant.audit.steps import STEP_WORDS
from affiant.encoding import to_hex

STYLES = {
    Verdict.ACCEPTED: "green",
    Verdict.REJECTED: "bold red",
    Verdict.INCOMPLETE: "yellow",
}
"""Colour of each verdict; the word is always printed as well."""

MARKS = {Status.PASS: "✓", Status.FAIL: "✗", Status.SKIPPED: "–"}
"""One sign per step."""

_KIND_WORDS = {Kind.EXECUTED: "executed", Kind.HELD: "held", Kind.UNUSED: "unused"}
_STEP_STYLES = {Status.PASS: "green", Status.FAIL: "bold red", Status.SKIPPED: "yellow"}


def print_audit(
    report: AuditReport, console: Console, *, verbose: bool = False
) -> None:
    """Print the report: a line per decision, completeness, grades, verdict.

    Under a decision stands each of its steps that failed or was skipped, and why.

    Args:
        verbose: also the steps that passed.
    """
    if report.decisions:
        console.print(_legend(), soft_wrap=True)
    for audit in report.decisions:
        console.print(_line(audit), soft_wrap=True)
        for step in audit.steps:
            if not verbose and step.status is Status.PASS:
                continue
            console.print(
                Text.assemble(
                    ("    ", ""),
                    (f"{MARKS[step.status]} ", _STEP_STYLES[step.status]),
                    (f"{step.number:2d} {step.name}: ", ""),
                    (plain_text(step.detail), "dim"),
                ),
                soft_wrap=True,
            )
    console.print(Text(f"\n{report.completeness.sentence}"), soft_wrap=True)
    if report.completeness.unexplained:
        slots = slots_in_words(report.completeness.unexplained)
        console.print(Text(f"unexplained: {slots}", style="yellow"))
    for finding in report.findings:
        console.print(Text(f"! {plain_text(finding)}", style="yellow"), soft_wrap=True)
    console.print(_grades(report), soft_wrap=True)
    console.print(Text(report.headline, style=STYLES[report.verdict]), soft_wrap=True)


def _legend() -> Text:
    steps = " · ".join(f"{number} {word}" for number, word in STEP_WORDS.items())
    marks = ", ".join(f"{MARKS[status]} {status.value}" for status in Status)
    return Text(f"steps: {steps} ({marks})", style="dim")


def _line(audit: DecisionAudit) -> Text:
    marks = Text()
    for step in audit.steps:
        marks.append(MARKS[step.status], style=_STEP_STYLES[step.status])
    changed = ", ".join(
        f"{change.name} {units(change.measured, decimals=change.decimals, signed=True)}"
        for change in audit.story.changes
        if change.measured
    )
    plan = "; ".join(audit.story.plan) or ("hold" if audit.kind is Kind.HELD else "?")
    place = f"block {audit.block}" if audit.block is not None else "off chain"
    return Text.assemble(
        (f"slot {audit.slot} · {place} · {_KIND_WORDS[audit.kind]:<8} ", ""),
        (short(to_hex(audit.digest)), "dim"),
        " ",
        marks,
        " ",
        (audit.verdict.value, STYLES[audit.verdict]),
        (f"  {plain_text(plan)}", ""),
        (f"  ({plain_text(changed)})" if changed else "", "dim"),
    )


def _grades(report: AuditReport) -> Text:
    parts = []
    total = len(report.decisions)
    for name in ("signed", "reproduced", "endorsed", "hardware"):
        grades = [audit.grade(name) for audit in report.decisions]
        yes = sum(grade.answer is Answer.YES for grade in grades)
        claimed = any(grade.answer is not Answer.NOT_CLAIMED for grade in grades)
        parts.append(f"{name} {yes}/{total}" if claimed else f"{name} not claimed")
    return Text(" · ".join(parts), style="dim")


def plain_text(value: str) -> str:
    """Return hostile text with control and direction-changing characters shown."""
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        else f"\\u{ord(character):04x}"
        for character in value
    )
