"""An explanation as one HTML page: for people who did not write the code.

Pure: an `Explanation` in, a page out, with the audit report's own markup, style and
content security policy: no script, nothing from outside. Every text that came from a
model, a program or a chain is escaped by construction.
"""

from __future__ import annotations

from affiant.audit.explain import phrases
from affiant.audit.explain.imagined_page import (
    imagined_section,
    sensitivity_section,
    sweep_section,
)
from affiant.audit.explain.inference_page import inference_section
from affiant.audit.explain.result import Explanation
from affiant.audit.explain.style import EXPLAIN_STYLE
from affiant.audit.explain.views import (
    CallsView,
    RequestView,
)
from affiant.audit.figures import money, short
from affiant.audit.markup import Markup, element, wide_table
from affiant.audit.report import POLICY
from affiant.audit.result import Status
from affiant.audit.style import STYLE
from affiant.encoding import to_hex


def render_explanation(explanation: Explanation) -> str:
    """Return the explanation as one self-contained HTML page."""
    digest = short(to_hex(explanation.digest))
    actions = () if explanation.calls is None else explanation.calls.actions
    inferences = [
        inference_section(view, actions=actions) for view in explanation.inferences
    ]
    body = element(
        "body",
        _top(explanation),
        element(
            "main",
            _checks(explanation),
            *inferences,
            _request(explanation.request),
            _calls(explanation.calls),
            sensitivity_section(explanation.sensitivity),
            imagined_section(explanation.imagined),
            sweep_section(explanation.sweep),
        ),
        _foot(explanation),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup('<meta http-equiv="Content-Security-Policy" content="' + POLICY + '">'),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Affiant: how decision {digest} came about"),
        element("style", Markup(STYLE + EXPLAIN_STYLE)),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _top(explanation: Explanation) -> Markup:
    calls = explanation.calls
    return element(
        "header",
        element("p", "Affiant · explanation of one decision", class_="eyebrow"),
        element("h1", "How did it arrive at that answer?"),
        element("p", explanation.objective, class_="quiet")
        if explanation.objective
        else None,
        element(
            "div",
            "; ".join(calls.plan) if calls is not None else "The plan is not known.",
            element("p", f"“{calls.why}”") if calls is not None else None,
            element("p", phrases.headline(explanation), class_="fine"),
            class_="verdict incomplete" if explanation.gaps else "verdict plain",
            role="status",
        ),
        element(
            "div",
            element("strong", "Not explained"),
            element(
                "ul",
                *(
                    element("li", f"{gap.what}: {gap.reason}")
                    for gap in explanation.gaps
                ),
            ),
            class_="findings",
        )
        if explanation.gaps
        else None,
        class_="top",
    )


def _checks(explanation: Explanation) -> Markup:
    rows = [
        element(
            "tr",
            element("td", str(step.number), class_="number", data_label="step"),
            element("th", step.name, scope="row"),
            element(
                "td",
                element("span", step.status.value, class_=f"pill {step.status.value}"),
            ),
            element("td", step.detail),
        )
        for step in explanation.steps
    ]
    failed = any(step.status is Status.FAIL for step in explanation.steps)
    return element(
        "section",
        element("h2", "What was checked first"),
        element(
            "p",
            "Something contradicts what was sworn: read the rest with that in mind."
            if failed
            else "Nothing is explained here that does not hash to what was sworn.",
        ),
        wide_table("Steps of the audit that one file allows", _STEP_COLUMNS, rows),
        element("p", phrases.NOT_OFFLINE, class_="quiet fine"),
    )


_STEP_COLUMNS = ("no.", "what is checked", "result", "finding")


def _request(view: RequestView | None) -> Markup | None:
    if view is None:
        return None
    lines = [
        element(
            "tr",
            element("th", element("code", line.text), scope="row"),
            element("td", ", ".join(line.origins) or "–", data_label="moves with"),
        )
        for line in view.prompt
    ]
    fields = [
        element(
            "tr",
            element("th", field.path, scope="row"),
            element("td", field.value, data_label="said"),
            element(
                "td",
                ", ".join(field.origins) or "format and address book",
                data_label="from",
            ),
            element("td", "yes" if field.shown else "no", data_label="in the prompt"),
        )
        for field in view.fields
    ]
    idle = []
    for label, words in phrases.idle_words(view):
        idle += [element("dt", label), element("dd", words)]
    return element(
        "section",
        element("h2", "What was it asked, and where did that come from?"),
        element(
            "p",
            "Found out by changing every recorded word and building everything behind "
            "it again, not by a table that somebody wrote.",
        ),
        wide_table("The prompt, line by line", ("line", "moves with"), lines),
        element(
            "details",
            element("summary", f"All {len(view.fields)} fields of the request"),
            wide_table(
                "Fields of the request",
                ("field", "said", "from", "in the prompt"),
                fields,
            ),
        ),
        element(
            "details",
            element(
                "summary",
                f"{view.idle} of {view.words} recorded words reach neither request nor "
                "calls",
            ),
            element("dl", *idle),
        ),
    )


def _calls(view: CallsView | None) -> Markup | None:
    if view is None:
        return None
    parts: list[Markup] = []
    for number, call in enumerate(view.calls, start=1):
        rows = [
            element(
                "tr",
                element("th", argument.name, scope="row"),
                element("td", element("code", argument.value), data_label="value"),
                element(
                    "td",
                    ", ".join(argument.follows) or "kit, address book and mandate",
                    data_label="follows from",
                ),
            )
            for argument in call.arguments
        ]
        parts += [
            element("h3", f"{number}. {call.sentence}"),
            *([element("p", call.minimum)] if call.minimum else []),
            wide_table(
                "What each part follows from", ("part", "value", "follows from"), rows
            ),
        ]
    bounds = [
        element(
            "tr",
            element("th", bound.name, scope="row"),
            element("td", bound.amount, class_="number", data_label="at least"),
            element("td", ", ".join(bound.follows) or "–", data_label="follows from"),
        )
        for bound in view.bounds
    ]
    if bounds:
        parts.append(
            wide_table("Bounds", ("token", "at least", "follows from"), bounds)
        )
    if view.at_risk is not None:
        parts.append(element("p", f"Value at risk: {money(view.at_risk)}."))
    if not view.calls:
        parts.insert(0, element("p", "No call follows from the plan.", class_="quiet"))
    return element("section", element("h2", "From the plan to the calls"), *parts)


def _foot(explanation: Explanation) -> Markup:
    return element(
        "footer",
        element(
            "p",
            f"Decision {to_hex(explanation.digest)} of mandate "
            f"{to_hex(explanation.mandate)} at gate {explanation.gate} on chain "
            f"{explanation.chain_id}. This page explains; it is no evidence, and "
            "judges nothing. ",
            element("code", "affiant audit"),
            " judges.",
        ),
    )
