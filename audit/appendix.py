"""The report's last sections: attacks, what the grades show, the mandate.

Pure: values in, markup out. It judges nothing and escapes by construction.
"""

from __future__ import annotations

from affiant.audit.grades import DOES_NOT_SHOW, GRADE_NAMES
from affiant.audit.markup import Markup, element
from affiant.audit.result import Answer, AuditReport
from affiant.encoding import to_hex

GRADE_SHOWS = {
    "signed": "A key that the owner permits swore to exactly what was executed.",
    "reproduced": (
        "From an endpoint and a model folder of his own, the auditor came to the same "
        "observation, question, tokens, calls and bounds."
    ),
    "endorsed": "Endorsers named by the owner reproduced it before it was executed.",
    "hardware": "The key was held by measured, attested hardware.",
}
"""For each grade, what a yes shows."""


def attacks_section(report: AuditReport) -> Markup | None:
    """Return the table of attacks on the gate; None if none were sent."""
    if not report.attacks:
        return None
    refused = sum(attack.ok for attack in report.attacks)
    rows = [
        element(
            "tr",
            element("th", attack.name, scope="row"),
            element("td", element("code", attack.expected), data_label="must refuse"),
            element("td", element("code", attack.got), data_label="answer"),
            element(
                "td",
                element(
                    "span",
                    "refused" if attack.ok else "NOT REFUSED",
                    class_="pill yes" if attack.ok else "pill no",
                ),
            ),
        )
        for attack in report.attacks
    ]
    names = ("attack", "error that must refuse it", "the gate's answer", "result")
    return element(
        "section",
        element("h2", "Attacks on the gate"),
        element(
            "p",
            f"{refused} of {len(report.attacks)} attacks were refused by the contract "
            "with the error made for them.",
        ),
        element(
            "table",
            element("caption", "Attacks sent to the real contract"),
            element(
                "thead",
                element("tr", *(element("th", name, scope="col") for name in names)),
            ),
            element("tbody", *rows),
            class_="wide",
        ),
    )


def grades_section(report: AuditReport) -> Markup:
    """Return what each grade shows, and how many decisions reach it."""
    rows = []
    total = len(report.decisions)
    for name in GRADE_NAMES:
        grades = [audit.grade(name) for audit in report.decisions]
        yes = sum(grade.answer is Answer.YES for grade in grades)
        claimed = sum(grade.answer is not Answer.NOT_CLAIMED for grade in grades)
        count = f"{yes} of {total}" if claimed or not total else "not claimed"
        rows.append(
            element(
                "tr",
                element("th", name, scope="row"),
                element("td", count, data_label="decisions", class_="number"),
                element("td", GRADE_SHOWS[name], data_label="shows"),
                element("td", DOES_NOT_SHOW[name], data_label="does not show"),
            )
        )
    names = ("grade", "decisions", "what a yes shows", "what it does not show")
    return element(
        "section",
        element("h2", "What each grade shows, and what it does not"),
        element(
            "table",
            element("caption", "Grades, weakest first"),
            element(
                "thead",
                element("tr", *(element("th", name, scope="col") for name in names)),
            ),
            element("tbody", *rows),
            class_="wide",
        ),
    )


def mandate_section(report: AuditReport) -> Markup:
    """Return the mandate in words, and the hashes that name everything."""
    pairs = []
    for label, value in (
        ("chain", str(report.chain_id)),
        ("gate", report.gate),
        ("account", report.account),
        ("mandate", to_hex(report.mandate)),
        ("program", to_hex(report.program)),
        ("model", to_hex(report.model)),
        ("engine", to_hex(report.engine)),
        ("granted at block", str(report.granted_block)),
        ("audited to block", f"{report.audited_block} {to_hex(report.audited_hash)}"),
    ):
        pairs += [element("dt", label), element("dd", value, class_="hash")]
    return element(
        "section",
        element("h2", "The mandate"),
        element(
            "ul",
            *(element("li", line) for line in report.mandate_words),
            class_="plain",
        )
        if report.mandate_words
        else None,
        element("dl", *pairs),
    )
