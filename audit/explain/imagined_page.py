"""The page's sections about decisions that nobody made. Pure; escapes by construction.

Every one of them says that it is not sworn, in words and by its frame.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.charts import (
    HEIGHT,
    SERIES,
    WIDTH,
    framed,
    grid,
    money_labels,
    round_marks,
    svg,
)
from affiant.audit.explain import phrases
from affiant.audit.explain.views import (
    DecisionView,
    Difference,
    ImaginedView,
    SensitivityView,
    SweepView,
    TrialView,
)
from affiant.audit.figures import money
from affiant.audit.markup import Child, Markup, element, wide_table


def sensitivity_section(view: SensitivityView | None) -> Markup | None:
    """Return which fields the plan depends on; None if it was not asked for."""
    if view is None:
        return None
    parts: list[Markup] = []
    for effect, words in phrases.EFFECTS.items():
        title = element("h3", f"{words[0].upper()}{words[1:]}")
        if effect in phrases.QUIET:
            paths = phrases.quiet_paths(view, effect=effect)
            if paths:
                listed = element("p", ", ".join(paths), class_="quiet fine")
                parts += [title, listed]
            continue
        trials = [trial for trial in view.trials if trial.effect == effect]
        if trials:
            parts += [title, _trials(trials)]
    return _unsworn(
        "What does the plan depend on?",
        element(
            "p",
            f"Each field of the request was changed a little, alone, and the model was "
            f"asked again: {view.generations} answers. Such requests need not hang "
            "together; this shows what the model reads, not what a market does.",
        ),
        *parts,
        reproduces=view.reproduces,
    )


def imagined_section(view: ImaginedView | None) -> Markup | None:
    """Return sworn and imagined decision side by side; None without a what-if."""
    if view is None:
        return None
    return _unsworn(
        f"What if {' and '.join(view.settings)}?",
        element(
            "p",
            "The plan, the calls and the bounds are the same."
            if view.same
            else "The decision is another.",
            class_="verdict plain",
        ),
        element(
            "div",
            element("section", element("h4", "sworn"), *_side(view.sworn)),
            element("section", element("h4", "what if"), *_side(view.imagined)),
            class_="columns sides",
        ),
        _differences("What was seen", view.facts),
        _differences("What the prompt said", view.prompt),
        element(
            "details",
            element("summary", f"{len(view.request)} fields of the request differ"),
            _differences("Fields of the request", view.request),
        )
        if view.request
        else None,
        reproduces=view.reproduces,
    )


def sweep_section(view: SweepView | None) -> Markup | None:
    """Return the decision over a range of one fact; None without a sweep."""
    if view is None:
        return None
    rows = [
        element(
            "tr",
            element("th", point.value, scope="row", class_="number"),
            element(
                "td",
                point.plan,
                element("small", f" {point.refused}") if point.refused else None,
                data_label="decision",
            ),
            element(
                "td",
                "–" if point.at_risk is None else money(point.at_risk),
                class_="number",
                data_label="value at risk",
            ),
            element(
                "td", "flips here" if index in view.flips else "", data_label="flip"
            ),
        )
        for index, point in enumerate(view.points)
    ]
    return _unsworn(
        f"The decision over {view.fact}",
        element("p", f"Recorded: {view.recorded}.") if view.recorded else None,
        _chart(view),
        wide_table(
            "Value by value", (view.fact, "decision", "value at risk", ""), rows
        ),
        reproduces=True,
    )


def _chart(view: SweepView) -> Markup:
    """Draw the value at risk over the fact, one colour per kind of decision."""
    kinds = list(dict.fromkeys(point.kind for point in view.points))
    values = [point.at_risk or 0 for point in view.points]
    marks = round_marks(0, max(values))
    high = marks[-1]
    count = len(view.points)
    shapes: list[Markup] = []
    for index, point in enumerate(view.points):
        x = WIDTH * (index + 0.5) / count
        y = HEIGHT * (1 - (point.at_risk or 0) / high)
        series = f"series{min(kinds.index(point.kind), SERIES - 1)}"
        if index in view.flips:
            at = WIDTH * index / count
            shapes.append(element("line", x1=at, x2=at, y1=0, y2=HEIGHT, class_="flip"))
        shapes += [
            element("line", x1=x, x2=x, y1=HEIGHT, y2=y, class_=f"stem {series}"),
            element("path", d=f"M{x:.1f} {y:.1f}h0", class_=f"point {series}"),
        ]
    keys = [
        element(
            "li",
            element("i", class_=f"key block series{min(index, SERIES - 1)}"),
            kind or "no plan",
        )
        for index, kind in enumerate(kinds)
    ]
    flips = ", ".join(
        f"between {view.points[at - 1].value} and {view.points[at].value}"
        for at in view.flips
    )
    label = f"Value at risk over {view.fact}; the decision " + (
        f"flips {flips}." if flips else "never flips."
    )
    return element(
        "figure",
        element("ul", *keys, class_="legend"),
        framed(
            svg(label, *grid(len(marks)), *shapes),
            money_labels(marks),
            (view.points[0].value, view.points[-1].value),
        ),
        element("figcaption", label),
        class_="chart",
    )


def _trials(trials: Sequence[TrialView]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", trial.path, scope="row"),
            element("td", f"{trial.old} → {trial.new}", data_label="change"),
            element("td", trial.plan or "–", data_label="then planned"),
        )
        for trial in trials
    ]
    return wide_table("Field by field", ("field", "change", "then planned"), rows)


def _side(side: DecisionView) -> list[Markup]:
    parts = [
        part
        for question, answer in side.answers
        for part in (
            element("p", element("b", question)),
            element("blockquote", answer),
        )
    ]
    if side.why:
        parts.append(element("blockquote", side.why))
    parts.append(
        element(
            "ul",
            *(element("li", line) for line in side.plan or ("no plan",)),
            class_="plain",
        )
    )
    if side.refused:
        parts.append(
            element("p", f"Nothing would be sworn: {side.refused}", class_="stamp")
        )
    if side.calls:
        parts.append(
            element("ol", *(element("li", line) for line in side.calls), class_="plain")
        )
    if side.bounds:
        pairs = []
        for name, least in side.bounds:
            pairs += [element("dt", name), element("dd", f"at least {least}")]
        parts.append(element("dl", *pairs, class_="facts"))
    if side.at_risk is not None:
        parts.append(element("p", f"Value at risk {money(side.at_risk)}."))
    return parts


def _differences(caption: str, rows: Sequence[Difference]) -> Markup | None:
    if not rows:
        return None
    return wide_table(
        caption,
        ("", "sworn", "what if"),
        [
            element(
                "tr",
                element("th", row.what, scope="row"),
                element("td", row.sworn, data_label="sworn"),
                element("td", row.imagined, data_label="what if"),
            )
            for row in rows
        ],
    )


def _unsworn(title: str, *children: Child, reproduces: bool) -> Markup:
    return element(
        "section",
        element("h2", title),
        element("p", phrases.NOT_SWORN, class_="stamp"),
        element(
            "p",
            "This engine does not answer the unchanged request as was sworn: a "
            "difference may be the engine's.",
            class_="stamp",
        )
        if not reproduces
        else None,
        *children,
        class_="unsworn",
    )
