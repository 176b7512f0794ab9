"""Pictures of an audit: one cell per slot, one bar per measured change.

Pure. Colour never carries meaning alone: cells have signs, bars stand beside their
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.figures import units
from affiant.audit.markup import Markup, element, join
from affiant.audit.result import Change, Completeness


def slot_strip(completeness: Completeness) -> Markup:
    """Draw one cell per slot, in order: executed, held, unused or unexplained."""
    sorts = {
        **{slot: ("executed", "●") for slot in completeness.executed},
        **{slot: ("held", "–") for slot in completeness.held},
        **{slot: ("unused", "×") for slot in completeness.unused},
        **{slot: ("stopped", "■") for slot in completeness.stopped},
        **{slot: ("waiting", "…") for slot in completeness.waiting},
        **{slot: ("unexplained", "?") for slot in completeness.unexplained},
    }
    names = {
        "executed": "executed",
        "held": "held (signed)",
        "unused": "sworn, not executed",
        "stopped": "stopped",
        "waiting": "a queued decision waited",
        "unexplained": "unexplained",
    }
    cells = [
        element(
            "span",
            element("b", sorts[slot][1], aria_hidden="true"),
            class_=f"cell {sorts[slot][0]}",
            title=f"slot {slot}: {names[sorts[slot][0]]}",
        )
        for slot in sorted(sorts)
    ]
    present = {sort for sort, _ in sorts.values()}
    legend = [
        element(
            "li",
            element("span", element("b", sign), class_=f"cell {sort}"),
            names[sort],
        )
        for sort, sign in (
            ("executed", "●"),
            ("held", "–"),
            ("unused", "×"),
            ("stopped", "■"),
            ("waiting", "…"),
            ("unexplained", "?"),
        )
        if sort in present
    ]
    return element(
        "figure",
        element(
            "div",
            *cells,
            class_="strip",
            role="img",
            aria_label=(
                f"Slots {completeness.first} to {completeness.last}: "
                f"{completeness.sentence}"
            ),
        ),
        element("ul", *legend, class_="legend"),
        class_="chart",
    )


def change_bars(changes: Sequence[Change]) -> Markup:
    """Draw each token's measured change as a bar and its sworn bound as a mark."""
    touched = [change for change in changes if change.bound or change.measured]
    still = [change.name for change in changes if change not in touched]
    rows = []
    for change in touched:
        measured = change.measured
        reach = max(abs(change.bound), abs(measured or 0), 1) * 1.12
        zero = 50.0
        parts: list[Markup] = [element("line", x1=zero, x2=zero, y1=0, y2=20)]
        if measured:
            width = abs(measured) / reach * 50
            kind = "gain" if measured > 0 else "fall"
            left = zero if measured > 0 else zero - width
            parts.append(
                element(
                    "rect", x=left, y=5, width=width, height=10, class_=f"bar {kind}"
                )
            )
        mark = zero + change.bound / reach * 50
        parts.append(element("line", x1=mark, x2=mark, y1=1, y2=19, class_="bound"))
        bound = units(change.bound, decimals=change.decimals, signed=True)
        shown = (
            "not executed"
            if measured is None
            else units(measured, decimals=change.decimals, signed=True)
        )
        verdict = "–"
        if measured is not None:
            verdict = "kept" if measured >= change.bound else "MISSED"
        label = f"{change.name}: measured {shown}, at least {bound} sworn"
        rows.append(
            element(
                "tr",
                element(
                    "th",
                    change.name,
                    element("small", " debt") if change.debt else None,
                    scope="row",
                ),
                element("td", bound, class_="number", data_label="sworn, at least"),
                element("td", shown, class_="number", data_label="measured"),
                element(
                    "td",
                    element(
                        "svg",
                        *parts,
                        viewBox="0 0 100 20",
                        preserveAspectRatio="none",
                        role="img",
                        aria_label=label,
                        class_="bars",
                    ),
                    class_="picture",
                ),
                element("td", verdict, data_label="bound"),
            )
        )
    if not touched:
        return element("p", "No tracked token or debt may worsen.", class_="quiet fine")
    rest = None
    if still:
        rest = element(
            "p",
            f"Also tracked, no loss allowed: {', '.join(still)}.",
            class_="quiet fine",
        )
    names = ("token", "sworn, at least", "measured", "", "bound")
    table = element(
        "table",
        element(
            "caption",
            "What changed in the account: the least change sworn (upright mark) and "
            "the change that the gate measured (bar).",
        ),
        element(
            "thead",
            element("tr", *(element("th", name, scope="col") for name in names)),
        ),
        element("tbody", *rows),
        class_="changes",
    )
    return join(table, rest)
