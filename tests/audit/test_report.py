"""The page holds nothing but text and pictures, whatever a model or chain says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from affiant.audit.completeness import account_for_slots
from affiant.audit.markup import Markup, element, text
from affiant.audit.report import render_report
from affiant.audit.result import Attack, AuditReport, Status, Verdict, exit_code
from affiant.audit.terminal import print_audit

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    "' onmouseover='x' </style></title><svg/onload=x>\u202egnp.exe\x1b[2J&amp;"
)


class _Elements(HTMLParser):
    """Collects elements and attributes, and checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _parse(page: str) -> _Elements:
    elements = _Elements()
    elements.feed(page)
    elements.close()
    assert elements.open == []
    return elements


def _poison(report: AuditReport) -> AuditReport:
    decisions = tuple(
        replace(
            audit,
            story=replace(
                audit.story,
                asked=((HOSTILE, HOSTILE),),
                why=HOSTILE,
                plan=(HOSTILE,),
                calls=(HOSTILE,),
                saw=((HOSTILE, HOSTILE),),
                changes=tuple(
                    replace(change, name=HOSTILE) for change in audit.story.changes
                ),
            ),
            steps=tuple(
                replace(step, detail=HOSTILE, got=HOSTILE, expected=HOSTILE)
                for step in audit.steps
            ),
            grades=tuple(replace(grade, reason=HOSTILE) for grade in audit.grades),
        )
        for audit in report.decisions
    )
    portfolio = tuple(
        replace(entry, values=tuple((HOSTILE + n, v) for n, v in entry.values))
        for entry in report.portfolio
    )
    return replace(
        report,
        decisions=decisions,
        portfolio=portfolio,
        objective=HOSTILE,
        mandate_words=(HOSTILE,),
        model_words=HOSTILE,
        findings=(HOSTILE,),
        attacks=(Attack(HOSTILE, HOSTILE, HOSTILE, False),),
    )


def test_page_is_self_contained(report: AuditReport) -> None:
    page = render_report(report)
    elements = _parse(page)
    forbidden = {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    assert not forbidden & set(elements.tags)
    names = {name for name, _ in elements.attributes}
    assert not any(name.startswith("on") for name in names)
    assert not {"src", "href", "action", "style"} & names
    assert not re.search(r"https?:|url\(|@import|javascript:", page)
    assert "default-src 'none'" in page


def test_hostile_text_changes_no_element(report: AuditReport) -> None:
    clean, poisoned = render_report(report), render_report(_poison(report))
    allowed = set(_parse(clean).tags)
    elements = _parse(poisoned)
    assert set(elements.tags) <= allowed
    assert not any(name.startswith("on") for name, _ in elements.attributes)
    assert "<script" not in poisoned and "<img" not in poisoned
    assert "\u202e" not in poisoned and "\x1b" not in poisoned
    assert "&lt;script&gt;alert(1)" in poisoned
    assert poisoned.count("</style>") == 1 and poisoned.count("</title>") >= 1


def test_page_says_what_matters(report: AuditReport) -> None:
    page = render_report(report)
    for words in (
        "Rejected: 1 of 6 decisions",
        report.completeness.sentence,
        "To look into",
        "What each grade shows, and what it does not",
        "does not show that the plan was wise",
        "NOT REFUSED",
        "read 3 of 14 is not what the chain answers",
    ):
        assert words in page


def test_page_without_anything_to_show(report: AuditReport) -> None:
    bare = replace(
        report,
        decisions=(),
        portfolio=(),
        attacks=(),
        findings=(),
        mandate_words=(),
        objective="",
        completeness=replace(
            report.completeness,
            first=1,
            last=0,
            executed=(),
            held=(),
            unused=(),
            stopped=(),
            unexplained=(),
        ),
    )
    assert "No decision was found." in render_report(bare)
    _parse(render_report(bare))


def test_json_is_stable_and_plain(report: AuditReport) -> None:
    def dumped() -> str:
        return json.dumps(report.to_json(), sort_keys=True)

    assert dumped() == dumped()
    value = json.loads(dumped())
    assert value["format"] == "affiant-audit/1"
    assert value["decisions"][2]["steps"][4]["status"] == "fail"

    def check(item: object) -> None:
        assert not isinstance(item, float)
        if isinstance(item, int) and not isinstance(item, bool):
            assert abs(item) < 2**53
        children = (
            item.values()
            if isinstance(item, dict)
            else item
            if isinstance(item, list)
            else ()
        )
        for child in children:
            check(child)

    check(value)


@pytest.mark.parametrize(
    ("verdict", "slots", "words"),
    [
        (Verdict.ACCEPTED, 0, "Nothing was decided, and no slot is unexplained."),
        (
            Verdict.INCOMPLETE,
            1,
            "Nothing was decided: incomplete, 1 slot is unexplained.",
        ),
        (
            Verdict.INCOMPLETE,
            3,
            "Nothing was decided: incomplete, 3 slots are unexplained.",
        ),
    ],
)
def test_no_decision_is_not_called_reproduced(
    report: AuditReport, verdict: Verdict, slots: int, words: str
) -> None:
    done = account_for_slots((), first=1, last=slots)
    bare = replace(
        report, decisions=(), completeness=done, findings=(), verdict=verdict
    )
    assert bare.headline == words
    page = render_report(bare)
    assert words in page and "and is." not in page


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.ACCEPTED, 0), (Verdict.REJECTED, 1), (Verdict.INCOMPLETE, 3)],
)
def test_exit_codes(report: AuditReport, verdict: Verdict, code: int) -> None:
    assert exit_code(replace(report, verdict=verdict)) == code


def test_terminal_shows_failures_and_cannot_be_steered(report: AuditReport) -> None:
    console = Console(record=True, width=200, force_terminal=False, file=None)
    with console.capture() as capture:
        print_audit(_poison(report), console)
    shown = capture.get()
    assert "\x1b" not in shown and "\u202e" not in shown
    assert report.headline in shown
    assert report.completeness.sentence in shown
    with console.capture() as capture:
        print_audit(report, console, verbose=True)
    shown = capture.get()
    assert shown.count("✓") > 50
    assert "5 observation re-read: read 3 of 14" in shown


def test_terminal_names_the_steps_once_and_says_why_some_were_skipped(
    report: AuditReport,
) -> None:
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        print_audit(report, console)
    shown = capture.get()
    assert shown.count("steps: 1 event · 2 permission · ") == 1
    assert "10 effects" in shown.splitlines()[0]
    skipped = [
        step
        for audit in report.decisions
        for step in audit.steps
        if step.status is Status.SKIPPED
    ]
    assert skipped
    for step in skipped:
        assert f"– {step.number:2d} {step.name}: {step.detail}" in shown
    assert f"✓  1 {report.decisions[0].steps[0].name}" not in shown


def test_terminal_does_not_read_markup(report: AuditReport) -> None:
    marked = replace(report, findings=("[bold]not bold[/bold] [link=x]y[/link]",))
    console = Console(width=200, force_terminal=False)
    with console.capture() as capture:
        print_audit(marked, console)
    assert "[bold]not bold[/bold]" in capture.get()


def test_markup_refuses_our_own_slips() -> None:
    assert text("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"
    assert element("p", "<b>", Markup("<b>x</b>")) == "<p>&lt;b&gt;<b>x</b></p>"
    with pytest.raises(ValueError, match="attribute"):
        element("p", onclick="x")
    with pytest.raises(ValueError, match="tag"):
        element("p onclick=x")
