"""Plots of a backtest as inline SVG: the only door to matplotlib.

It draws numbers and decides nothing. Matplotlib is imported when something is drawn,
and nowhere else; without it the error says which extra brings it. No text of a model or
a chain is ever drawn: labels are ours and the address book's names.

The page is light or dark by the reader's setting, so colours are not matplotlib's to
choose: lines are drawn in marked colours that become the style sheet's own variables.
Each plot is drawn twice, wide and narrow; the style sheet shows one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from affiant.audit.markup import Markup, element, visible
from affiant.errors import UnavailableError

EXTRA = "affiant[plots]"
"""What brings matplotlib."""

_INK, _SOFT, _RULE = "#010101", "#020202", "#030303"
_SERIES = tuple(f"#0{index}0a0a" for index in range(6))
_VARIABLES: Mapping[str, str] = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _RULE: "var(--rule)",
    **{color: f"var(--s{index})" for index, color in enumerate(_SERIES)},
}
_DAY = 86_400
_STEPS = (
    *(60, 300, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600),
    *(days * _DAY for days in (1, 2, 7, 14, 30, 91, 182, 365, 730)),
)
_WIDE, _NARROW = (10.0, 3.4), (3.7, 3.0)


class PlotsMissingError(UnavailableError):
    """Matplotlib is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "plots: got no matplotlib, expected the extra `plots`: "
            f'pip install "{EXTRA}"'
        )
        self.extra = EXTRA


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    name: str
    times: Sequence[int]
    """Unix seconds."""
    values: Sequence[float]
    color: int
    """0 to 5, of the style sheet's series."""
    dashed: bool = False
    stepped: bool = False


@dataclass(frozen=True)
class Marks:
    """Points on a plot that stand for what was done."""

    name: str
    times: Sequence[int]
    values: Sequence[float]
    color: int
    shape: str
    """Matplotlib's name of a marker: "^", "v", "o", "x"."""


def require_plots() -> None:
    """Refuse before anything is begun that would need plots at its end.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    _matplotlib()


def plot(
    label: str,
    *,
    curves: Sequence[Curve],
    marks: Sequence[Marks] = (),
    unit: str,
    percent: bool = False,
) -> Markup:
    """Return a plot over time, drawn for wide and for narrow pages.

    Args:
        label: what it shows, for those who cannot see it; escaped.
        unit: name of the vertical axis.
        percent: whether values are parts of one, shown as per cent.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    drawn = [
        element(
            "div",
            _svg(
                curves, marks=marks, unit=unit, size=size, percent=percent, seed=label
            ),
            class_=f"plot {name}",
            role="img",
            aria_label=label,
        )
        for name, size in (("wide", _WIDE), ("narrow", _NARROW))
    ]
    return element("div", *drawn)


def _svg(
    curves: Sequence[Curve],
    *,
    marks: Sequence[Marks],
    unit: str,
    size: tuple[float, float],
    percent: bool,
    seed: str,
) -> Markup:
    matplotlib = _matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    # Words stay words: found, copied and read aloud, in the page's own fonts.
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"{seed} {size}",
        "font.family": "sans-serif",
        "font.size": 9.5,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        figure: Any = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        for curve in curves:
            axes.plot(
                curve.times,
                curve.values,
                label=visible(curve.name),
                color=_SERIES[curve.color],
                linestyle="--" if curve.dashed else "-",
                drawstyle="steps-post" if curve.stepped else "default",
                linewidth=1.8,
            )
        for mark in marks:
            if mark.times:
                axes.plot(
                    mark.times,
                    mark.values,
                    mark.shape,
                    label=mark.name,
                    color=_SERIES[mark.color],
                    markersize=6,
                    linestyle="none",
                )
        axes.set_ylabel(unit, color=_SOFT)
        axes.grid(True, color=_RULE, linewidth=0.8)
        axes.tick_params(colors=_SOFT, labelcolor=_SOFT)
        for side in axes.spines.values():
            side.set_visible(False)
        if percent:
            axes.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _: f"{100 * value:g} %")
            )
        else:
            axes.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _: f"{value:,.10g}")
            )
        axes.yaxis.set_major_locator(MaxNLocator(5))
        times = [time for curve in curves for time in curve.times]
        _label_times(axes, first=min(times), last=max(times), narrow=size == _NARROW)
        legend = figure.legend(
            loc="outside upper left",
            ncols=2 if size == _NARROW else 6,
            frameon=False,
            labelcolor=_INK,
        )
        legend.set_in_layout(True)
        written = io.StringIO()
        figure.savefig(
            written,
            format="svg",
            metadata={key: None for key in ("Creator", "Date", "Format", "Type")},
        )
    return _inlined(written.getvalue())


def _label_times(axes: Any, *, first: int, last: int, narrow: bool) -> None:
    """Label round moments, few enough to be read: days below hours."""
    most = 3 if narrow else 7
    fitting = [step for step in _STEPS if (last - first) // step <= most]
    step = fitting[0] if fitting else (last - first) // most
    ticks = range(-(-first // step) * step, last + 1, step)
    labels, day = [], ""
    for tick in ticks:
        moment = datetime.fromtimestamp(tick, tz=UTC)
        date = moment.strftime("%d %b %Y").lstrip("0")
        if step >= _DAY:
            labels.append(date)
            continue
        labels.append(moment.strftime("%H:%M") + ("" if date == day else f"\n{date}"))
        day = date
    axes.set_xticks(list(ticks), labels)


def _inlined(svg: str) -> Markup:
    """Return the drawing as a part of a page: no prologue, and the page's colours."""
    svg = svg[svg.index("<svg") :]
    # The metadata names vocabularies by address: nothing is fetched, and none needed.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    # Names that nothing refers to would be there once per drawing.
    used = set(re.findall(r"""(?:url\(|href=")#([^)"]+)""", svg))
    svg = re.sub(
        r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg
    )
    # Sized by the page, not in points.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return Markup(svg.strip())


def _matplotlib() -> ModuleType:
    try:
        import matplotlib
    except ImportError as error:
        raise PlotsMissingError from error
    return matplotlib
