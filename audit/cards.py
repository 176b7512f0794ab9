"""One card per decision in the HTML report. Pure; every text goes through `markup`."""

from __future__ import annotations

from affiant.audit.bars import change_bars
from affiant.audit.figures import moment, money
from affiant.audit.markup import Markup, element
from affiant.audit.result import Answer, DecisionAudit, Grade, Kind, Status, Step
from affiant.encoding import to_hex

KIND_WORDS = {
    Kind.EXECUTED: "Executed",
    Kind.HELD: "Held",
    Kind.UNUSED: "Sworn, not executed",
}
"""What became of a decision, in words."""


def decision_card(audit: DecisionAudit, *, number: int) -> Markup:
    """Return the card of one decision; `number` counts from 1."""
    story = audit.story
    identity = f"decision-{number}"
    return element(
        "article",
        element(
            "header",
            element(
                "h3",
                f"{number}. {KIND_WORDS[audit.kind]}: {_summary(audit)}",
                id=identity,
            ),
            element(
                "span",
                audit.verdict.value,
                class_=f"pill {audit.verdict.value}",
            ),
            element("span", _when(audit), class_="when"),
        ),
        element(
            "div",
            element("section", *_left(audit)),
            element("section", *_right(audit)),
            class_="columns",
        ),
        change_bars(story.changes) if story.changes else None,
        element(
            "details",
            element("summary", _steps_summary(audit)),
            _steps_table(audit.steps),
            open="open",
        )
        if any(step.status is not Status.PASS for step in audit.steps)
        else element(
            "details",
            element("summary", _steps_summary(audit)),
            _steps_table(audit.steps),
        ),
        _identity(audit),
        class_="card",
        aria_labelledby=identity,
    )


def grade_pill(grade: Grade) -> Markup:
    """Return a grade's name and answer as one pill."""
    style = grade.answer.value.replace(" ", "-")
    return element(
        "span",
        f"{grade.name}: {grade.answer.value}",
        class_=f"pill {style}",
        title=grade.reason,
    )


def _left(audit: DecisionAudit) -> list[Markup]:
    story = audit.story
    parts = [element("h4", f"What it saw at block {audit.anchor}")]
    if story.saw:
        pairs = []
        for label, value in story.saw:
            pairs += [element("dt", label), element("dd", value)]
        parts.append(element("dl", *pairs, class_="facts"))
    else:
        parts.append(element("p", "Not known: no sound evidence.", class_="quiet"))
    return parts


def _right(audit: DecisionAudit) -> list[Markup]:
    story = audit.story
    parts = [element("h4", "What the model planned, and why")]
    for question, answer in story.asked:
        parts.append(element("p", element("b", question)))
        parts.append(element("blockquote", answer))
    if story.why:
        parts.append(element("blockquote", story.why))
    if story.plan:
        parts.append(
            element("ul", *(element("li", line) for line in story.plan), class_="plain")
        )
    if not story.why and not story.plan:
        parts.append(element("p", "Not known: no sound evidence.", class_="quiet"))
    parts.append(element("h4", "Calls"))
    if story.calls:
        parts.append(
            element(
                "ol", *(element("li", line) for line in story.calls), class_="plain"
            )
        )
    else:
        parts.append(element("p", "None.", class_="quiet"))
    parts.append(element("h4", "How far it is shown"))
    parts.append(element("p", *_spaced([grade_pill(grade) for grade in audit.grades])))
    for grade in audit.grades:
        if grade.answer is Answer.NO:
            parts.append(element("p", f"Not {grade.name}: {grade.reason}"))
    return parts


def _summary(audit: DecisionAudit) -> str:
    if audit.story.plan:
        return "; ".join(audit.story.plan)
    if audit.kind is Kind.HELD:
        return "no action"
    return "plan not known"


def _when(audit: DecisionAudit) -> str:
    parts = [f"slot {audit.slot}"]
    if audit.block is not None:
        parts.append(f"block {audit.block}")
    parts.append(moment(audit.timestamp))
    if audit.story.value_at_risk is not None:
        parts.append(f"value at risk {money(audit.story.value_at_risk)}")
    return " · ".join(parts)


def _steps_summary(audit: DecisionAudit) -> str:
    counts = {
        status: sum(step.status is status for step in audit.steps) for status in Status
    }
    parts = [f"{counts[Status.PASS]} of {len(audit.steps)} steps passed"]
    if counts[Status.FAIL]:
        parts.append(f"{counts[Status.FAIL]} failed")
    if counts[Status.SKIPPED]:
        parts.append(f"{counts[Status.SKIPPED]} skipped")
    return ", ".join(parts)


def _steps_table(steps: tuple[Step, ...]) -> Markup:
    rows = []
    for step in steps:
        detail: list[Markup | str] = [step.detail]
        if step.got is not None or step.expected is not None:
            pairs = []
            for label, value in (("got", step.got), ("expected", step.expected)):
                if value is not None:
                    pairs += [
                        element("dt", label),
                        element("dd", element("code", value)),
                    ]
            detail.append(element("dl", *pairs))
        rows.append(
            element(
                "tr",
                element("td", str(step.number), class_="number"),
                element("th", step.name, scope="row"),
                element(
                    "td",
                    element(
                        "span", step.status.value, class_=f"pill {step.status.value}"
                    ),
                ),
                element("td", *detail),
            )
        )
    head = element(
        "tr",
        *(
            element("th", name, scope="col")
            for name in ("no.", "what is checked", "result", "finding")
        ),
    )
    return element(
        "table",
        element("caption", "Steps of the audit"),
        element("thead", head),
        element("tbody", *rows),
        class_="wide",
    )


def _identity(audit: DecisionAudit) -> Markup:
    pairs = [
        element("dt", "decision digest"),
        element("dd", to_hex(audit.digest), class_="hash"),
        element("dt", "previous head"),
        element("dd", to_hex(audit.previous), class_="hash"),
        element("dt", "node key"),
        element("dd", audit.node, class_="hash"),
    ]
    if audit.transaction is not None:
        pairs += [
            element("dt", "transaction"),
            element("dd", to_hex(audit.transaction), class_="hash"),
        ]
    return element(
        "details", element("summary", "Digests and keys"), element("dl", *pairs)
    )


def _spaced(items: list[Markup]) -> list[Markup | str]:
    spaced: list[Markup | str] = []
    for item in items:
        spaced += [item, " "]
    return spaced
