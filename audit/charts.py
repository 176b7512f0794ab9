"""Curves of an audit as inline SVG: the account's value and what it consists of.

Pure. Lines and areas are stretched to the page's width (`preserveAspectRatio="none"`
with strokes that do not scale), words stand beside them as HTML, so that a picture
reads the same on a phone and on paper. Colour never carries meaning alone: every
picture has a caption, a label and a table of its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.figures import moment, money, percent
from affiant.audit.markup import Markup, element, join
from affiant.audit.result import Account
from affiant.onchain.mandate import VALUE_DECIMALS

WIDTH, HEIGHT = 1000.0, 260.0
"""Coordinates of the plots; the page stretches them."""

SERIES = 6
"""Distinct colours for tokens in the style sheet; more tokens share the last."""


def value_chart(portfolio: Sequence[Account]) -> Markup:
    """Draw the account's value against holding its first portfolio untouched."""
    if len(portfolio) < 2:
        return _nothing("Fewer than two readings of the account: no curve to draw.")
    values = [entry.value for entry in portfolio]
    held = [entry.held_value for entry in portfolio]
    marks = round_marks(min(values + held), max(values + held))
    low, high = marks[0], marks[-1]
    first, last = portfolio[0].block, portfolio[-1].block

    def path(series: Sequence[int]) -> str:
        points = (
            f"{_x(entry.block, first, last):.1f} {_y(value, low, high):.1f}"
            for entry, value in zip(portfolio, series, strict=True)
        )
        return "M" + " L".join(points)

    dots = [
        element(
            "path",
            d=f"M{_x(entry.block, first, last):.1f} {_y(entry.value, low, high):.1f}h0",
            class_="dot" if entry.verified else "dot unverified",
        )
        for entry in portfolio
    ]
    end, start = portfolio[-1], portfolio[0]
    difference = end.value - end.held_value
    label = (
        f"Account value from {money(start.value)} at block {start.block} to "
        f"{money(end.value)} at block {end.block}; untouched, the first portfolio "
        f"would be worth {money(end.held_value)}."
    )
    plot = svg(
        label,
        *grid(len(marks)),
        element("path", d=path(held), class_="line held"),
        element("path", d=path(values), class_="line account"),
        *dots,
    )
    legend = element(
        "ul",
        element("li", element("i", class_="key account"), "account"),
        element(
            "li",
            element("i", class_="key held"),
            "first portfolio, left alone (no interest)",
        ),
        class_="legend",
    )
    return element(
        "figure",
        legend,
        framed(plot, money_labels(marks), _block_marks(portfolio)),
        element(
            "figcaption",
            f"{label} {_compared(difference, whole=end.held_value)}"
            + ("" if low == 0 else " The scale does not begin at zero."),
        ),
        class_="chart",
    )


def composition_chart(portfolio: Sequence[Account]) -> Markup:
    """Draw each token's share of the account's value over time, stacked."""
    usable = [entry for entry in portfolio if entry.value > 0]
    if len(usable) < 2:
        return _nothing("Fewer than two readings of the account: no shares to draw.")
    names = sorted({name for entry in usable for name, value in entry.values if value})
    first, last = usable[0].block, usable[-1].block
    lower = [0.0] * len(usable)
    areas: list[Markup] = []
    keys: list[Markup] = []
    for index, name in enumerate(names):
        shares = [
            max(0, dict(entry.values).get(name, 0)) / _positive(entry)
            for entry in usable
        ]
        upper = [below + share for below, share in zip(lower, shares, strict=True)]
        xs = [_x(entry.block, first, last) for entry in usable]
        there = [
            f"{x:.1f} {HEIGHT * (1 - y):.1f}" for x, y in zip(xs, upper, strict=True)
        ]
        back = [
            f"{x:.1f} {HEIGHT * (1 - y):.1f}"
            for x, y in reversed(list(zip(xs, lower, strict=True)))
        ]
        series = f"series{min(index, SERIES - 1)}"
        areas.append(
            element(
                "path", d="M" + " L".join(there + back) + "Z", class_=f"area {series}"
            )
        )
        now = dict(usable[-1].values).get(name, 0)
        keys.append(
            element(
                "li",
                element("i", class_=f"key block {series}"),
                f"{name} {percent(now, whole=usable[-1].value)}",
            )
        )
        lower = upper
    label = "Shares of the account's value: " + "; ".join(
        f"{name} from "
        f"{percent(dict(usable[0].values).get(name, 0), whole=usable[0].value)} to "
        f"{percent(dict(usable[-1].values).get(name, 0), whole=usable[-1].value)}"
        for name in names
    )
    marks = ["0 %", "25 %", "50 %", "75 %", "100 %"]
    return element(
        "figure",
        element("ul", *reversed(keys), class_="legend"),
        framed(svg(label, *areas, *grid(5)), marks, _block_marks(usable)),
        element(
            "figcaption",
            label + ". Wallet and supplied tokens together, debts subtracted.",
        ),
        class_="chart",
    )


def _compared(difference: int, *, whole: int) -> str:
    if not difference:
        return "The two are equal."
    share = percent(abs(difference), whole=whole)
    side = "above" if difference > 0 else "below"
    return f"The account is {money(abs(difference))} ({share}) {side} that."


def framed(plot: Markup, ys: Sequence[str], xs: Sequence[str]) -> Markup:
    """Return a plot with its marks beside it, `ys` from the bottom up."""
    return element(
        "div",
        element("div", *(element("span", y) for y in reversed(ys)), class_="ys"),
        plot,
        element("div", *(element("span", x) for x in xs), class_="xs"),
        class_="frame",
    )


def svg(label: str, *children: Markup) -> Markup:
    """Return a plot of `WIDTH` by `HEIGHT` that the page stretches."""
    return element(
        "svg",
        element("title", label),
        *children,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def grid(lines: int) -> list[Markup]:
    """Return evenly spaced level lines, two at least."""
    return [
        element(
            "line",
            x1=0,
            x2=WIDTH,
            y1=HEIGHT * step / (lines - 1),
            y2=HEIGHT * step / (lines - 1),
            class_="grid",
        )
        for step in range(lines)
    ]


def round_marks(low: int, high: int) -> list[int]:
    """Return 3 to 7 evenly spaced round values that enclose `low` to `high`.

    The range is at least a hundredth of the value, so that a cent's change does not
    look like a fall.
    """
    centre, span = (low + high) // 2, max(high - low, high // 100, 10**6)
    low, high = min(low, centre - span // 2), max(high, centre + span // 2)
    power = 1
    while power * 50 < span:
        power *= 10
    step = next(size for m in (1, 2, 5, 10, 20, 50) if (size := m * power) * 5 >= span)
    first, last = max(0, low // step), -(-high // step)
    return [step * index for index in range(first, max(last, first + 2) + 1)]


def money_labels(marks: Sequence[int]) -> list[str]:
    """Return values as dollars, without cents where none has any."""
    whole = all(mark % 10**VALUE_DECIMALS == 0 for mark in marks)
    return [money(mark).removesuffix(".00") if whole else money(mark) for mark in marks]


def _block_marks(entries: Sequence[Account]) -> list[str]:
    first, last = entries[0], entries[-1]
    return [
        f"block {first.block} · {moment(first.timestamp)}",
        f"block {last.block} · {moment(last.timestamp)}",
    ]


def _x(block: int, first: int, last: int) -> float:
    return WIDTH * (block - first) / max(last - first, 1)


def _y(value: int, low: int, high: int) -> float:
    return HEIGHT * (1 - (value - low) / max(high - low, 1))


def _positive(entry: Account) -> int:
    return max(sum(max(0, value) for _, value in entry.values), 1)


def _nothing(sentence: str) -> Markup:
    return join(element("p", sentence, class_="quiet"))
