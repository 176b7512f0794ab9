"""The HTML report: one file that a risk committee can read, keep and print.

Pure: an `AuditReport` in, a page out. It judges nothing. The page holds no script and
asks for nothing from outside; a content security policy says so to the browser as
well. Every text that came from a model, a program or a chain is escaped by
construction (`markup.py`).
"""

from __future__ import annotations

from affiant.audit.appendix import (
    attacks_section,
    grades_section,
    mandate_section,
)
from affiant.audit.bars import slot_strip
from affiant.audit.cards import decision_card
from affiant.audit.charts import composition_chart, value_chart
from affiant.audit.completeness import slots_in_words
from affiant.audit.figures import moment, money, percent, short
from affiant.audit.markup import Markup, element
from affiant.audit.result import Account, AuditReport, Verdict
from affiant.audit.style import STYLE
from affiant.encoding import to_hex

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
"""Content security policy of the page: inline style, nothing else."""

TRUST = (
    (
        "Who acted",
        "An automated agent, run by an operator. Before each act, a node swore with "
        "its key what the agent saw, asked, was answered, and would therefore do.",
    ),
    (
        "What held the money",
        "A contract on the chain. It refused every act that was not sworn to, that "
        "left the targets the owner allowed, or that cost more than the owner's "
        "limit.",
    ),
    (
        "What this report adds",
        "An auditor read the chain at his own endpoint and repeated what the node "
        "swore: the readings, the question, the model's answer token by token, the "
        "calls. Each card says which steps were taken and how they ended.",
    ),
    (
        "Whom you still trust",
        "The auditor who made this report, the chain's consensus, the price feeds, "
        "and the gate's code, which has not yet been audited by others.",
    ),
)
"""The trust model in plain words."""


def render_report(report: AuditReport) -> str:
    """Return the report as one self-contained HTML page."""
    title = f"Affiant audit: mandate {short(to_hex(report.mandate))}"
    body = element(
        "body",
        _top(report),
        element(
            "main",
            _tiles(report),
            _trust(report),
            _completeness(report),
            _portfolio(report),
            _decisions(report),
            attacks_section(report),
            grades_section(report),
            mandate_section(report),
        ),
        _foot(report),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup('<meta http-equiv="Content-Security-Policy" content="' + POLICY + '">'),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _top(report: AuditReport) -> Markup:
    verdict = report.verdict.value
    return element(
        "header",
        element("p", "Affiant · audit report", class_="eyebrow"),
        element("h1", "What the agent did, and how far it is shown"),
        element(
            "p",
            report.objective or "The program's objective is not known.",
            class_="quiet",
        ),
        element(
            "div",
            report.headline,
            element("p", f"{report.completeness.sentence}. {_asked(report)}"),
            class_=f"verdict {verdict}",
            role="status",
        ),
        element(
            "div",
            element("strong", "To look into"),
            element("ul", *(element("li", finding) for finding in report.findings)),
            class_="findings",
        )
        if report.findings
        else None,
        class_="top",
    )


def _asked(report: AuditReport) -> str:
    if report.verdict is Verdict.ACCEPTED and report.decisions:
        return f"Every decision had to be {report.required}, and is."
    return f"Every decision had to be {report.required}."


def _tiles(report: AuditReport) -> Markup:
    total = report.completeness.total
    tiles = [
        (str(len(report.completeness.executed)), f"executed, of {total} slots"),
        (str(len(report.completeness.held)), "held, with a signed statement"),
        (str(len(report.completeness.unexplained)), "unexplained"),
    ]
    if report.portfolio:
        start, end = report.portfolio[0], report.portfolio[-1]
        tiles.append((money(end.value), f"account at block {end.block}"))
        change = end.value - start.value
        tiles.append(
            (
                money(change, signed=True),
                f"since block {start.block} ({percent(change, whole=start.value)})",
            )
        )
        gap = end.value - end.held_value
        tiles.append((money(gap, signed=True), "against leaving it alone"))
    return element(
        "div",
        *(
            element("div", element("b", number), element("span", words), class_="tile")
            for number, words in tiles
        ),
        class_="tiles",
    )


def _trust(report: AuditReport) -> Markup:
    items = []
    for name, words in TRUST:
        items += [element("dt", name), element("dd", words)]
    return element(
        "section",
        element("h2", "How to read this"),
        element("dl", *items),
        element("p", report.model_words, class_="quiet"),
    )


def _completeness(report: AuditReport) -> Markup:
    done = report.completeness
    notes = [
        element(
            "p",
            "The agent may act once per slot. A slot without an act needs a signed "
            "HOLD: a statement, as checkable as an act, that the model chose to do "
            "nothing. A slot with neither is unexplained: the operator was silent.",
        )
    ]
    if done.unexplained:
        notes.append(element("p", f"Unexplained: {slots_in_words(done.unexplained)}."))
    if done.unused:
        notes.append(
            element("p", f"Sworn but not executed: {slots_in_words(done.unused)}.")
        )
    if done.contradictory:
        notes.append(
            element(
                "p",
                "Two different outcomes sworn on the same head in "
                f"{slots_in_words(done.contradictory)}.",
            )
        )
    return element(
        "section",
        element("h2", "Is anything missing?"),
        element("p", element("strong", done.sentence + ".")),
        slot_strip(done) if done.total else None,
        *notes,
    )


def _portfolio(report: AuditReport) -> Markup:
    return element(
        "section",
        element("h2", "The account over time"),
        value_chart(report.portfolio),
        element("h3", "What it consists of"),
        composition_chart(report.portfolio),
        _portfolio_table(report.portfolio) if report.portfolio else None,
    )


def _portfolio_table(portfolio: tuple[Account, ...]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", str(entry.block), scope="row", class_="number"),
            element("td", moment(entry.timestamp), data_label="time"),
            element("td", money(entry.value), class_="number", data_label="account"),
            element(
                "td", money(entry.held_value), class_="number", data_label="left alone"
            ),
            element(
                "td",
                "; ".join(f"{name} {money(value)}" for name, value in entry.values),
                data_label="of it",
            ),
            element(
                "td",
                "yes" if entry.verified else "no",
                data_label="re-read by the auditor",
            ),
        )
        for entry in portfolio
    ]
    names = ("block", "time", "account", "left alone", "of it", "re-read")
    return element(
        "details",
        element("summary", "The numbers behind the pictures"),
        element(
            "table",
            element("caption", "Value of the account at each reading"),
            element(
                "thead",
                element("tr", *(element("th", name, scope="col") for name in names)),
            ),
            element("tbody", *rows),
            class_="wide",
        ),
    )


def _decisions(report: AuditReport) -> Markup:
    cards = [
        decision_card(audit, number=index)
        for index, audit in enumerate(report.decisions, start=1)
    ]
    if not cards:
        cards = [element("p", "No decision was found.", class_="quiet")]
    return element("section", element("h2", "Every decision"), *cards)


def _foot(report: AuditReport) -> Markup:
    return element(
        "footer",
        element(
            "p",
            "Values are in the price feeds' quote currency. Every figure on this page "
            "can be recomputed from the chain and the evidence with ",
            element("code", "affiant audit"),
            ".",
        ),
    )
