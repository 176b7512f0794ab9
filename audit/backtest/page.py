"""A backtest as one HTML page that can be read, kept and printed.

Pure but for the drawing: a `BacktestResult` in, a page out. It judges nothing, and says
what it does not show. The page holds no script and asks for nothing from outside; every
text of a model, a program or a chain is escaped by construction (`markup.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.agents.backtest.result import BacktestResult
from affiant.audit.backtest.plots import Curve, Marks, plot
from affiant.audit.backtest.style import PLOT_STYLE
from affiant.audit.backtest.tables import (
    compared,
    decisions,
    in_percent,
    shown_price,
)
from affiant.audit.figures import moment, money
from affiant.audit.markup import Markup, element
from affiant.audit.report import POLICY
from affiant.audit.style import STYLE
from affiant.encoding import to_hex

TRUTHS = (
    "Prices are the path's: feeds say them, and real Uniswap pools are traded to them "
    "before each slot. Nobody else trades, and nobody trades against the agent.",
    "Pools are as deep as the local chain's: 100 million dollars a side of WETH, 120 "
    "million of WBTC. Other depths give other slippage.",
    "Lending rates are Aave's own curve over the local chain's deposits and loans; the "
    "interest accrues by the path's seconds. Nobody liquidates.",
    "Gas is paid by the operator, not out of the account: it is costed beside the "
    "values, at a price that was assumed.",
    "Each decision is sworn to and can be audited. What a past or invented path would "
    "have earned says nothing about the next one.",
)
"""What such a result means, and what not."""


def render_backtest(result: BacktestResult) -> str:
    """Return the page.

    Raises:
        PlotsMissingError: matplotlib is not installed.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup('<meta http-equiv="Content-Security-Policy" content="' + POLICY + '">'),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"Affiant backtest: {result.agent}"),
        element("style", Markup(STYLE + PLOT_STYLE)),
    )
    body = element(
        "body",
        _top(result),
        element(
            "main",
            _tiles(result),
            compared(result),
            _plots(result),
            _refusals(result),
            decisions(result),
            _speed(result),
            _meaning(),
            _sworn(result),
        ),
        _foot(result),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _top(result: BacktestResult) -> Markup:
    agent, hold = result.lines
    gap = agent.gain - hold.gain
    return element(
        "header",
        element("p", "Affiant · backtest", class_="eyebrow"),
        element("h1", f"{result.agent} along {result.source}"),
        element("p", result.objective, class_="quiet"),
        element(
            "p",
            f"{len(result.rows)} slots, {_span(result.slot_seconds)} each, from "
            f"{moment(result.rows[0].time)} to {moment(result.rows[-1].time)}. The "
            f"agent ended {money(abs(gap))} {'above' if gap >= 0 else 'below'} doing "
            "nothing.",
        ),
        class_="top",
    )


def _tiles(result: BacktestResult) -> Markup:
    agent, hold = result.lines
    counts = result.counts
    tiles = (
        (
            in_percent(agent.return_bps, signed=True),
            f"agent: {money(agent.values[-1])}",
        ),
        (
            in_percent(hold.return_bps, signed=True),
            f"doing nothing: {money(hold.values[-1])}",
        ),
        (in_percent(agent.drawdown_bps), "worst fall from a high (agent)"),
        (str(counts["executed"]), f"executed, of {len(result.rows)} slots"),
        (str(counts["held"]), f"held; {result.plans_refused} for a plan refused"),
        (
            str(counts["refused"]),
            f"refused, {result.refused_on_chain} by the gate; "
            f"{counts['unavailable']} unavailable",
        ),
    )
    return element(
        "div",
        *(
            element("div", element("b", number), element("span", words), class_="tile")
            for number, words in tiles
        ),
        class_="tiles",
    )


def _plots(result: BacktestResult) -> Markup:
    rows = result.rows
    times = [row.time for row in rows]
    agent, hold = result.lines
    began = rows[0].time - result.slot_seconds
    ends = [began, *times]
    outcomes = (
        ("executed", "^", 2),
        ("refused", "x", 4),
        ("unavailable", "x", 3),
    )
    value = plot(
        "What the portfolios were worth, in dollars: the agent's from "
        f"{money(agent.values[0])} to {money(agent.values[-1])}, the one left alone to "
        f"{money(hold.values[-1])}.",
        curves=[
            Curve("agent", ends, [_dollars(v) for v in agent.values], color=0),
            Curve(
                "doing nothing",
                ends,
                [_dollars(v) for v in hold.values],
                color=5,
                dashed=True,
            ),
        ],
        marks=[
            Marks(
                name,
                [row.time for row in rows if row.outcome == name],
                [_dollars(row.after) for row in rows if row.outcome == name],
                color=color,
                shape=shape,
            )
            for name, shape, color in outcomes
        ],
        unit="dollars",
    )
    falls = plot(
        "How far each portfolio was below its highest value so far; the agent's worst "
        f"was {in_percent(agent.drawdown_bps)}.",
        curves=[
            Curve("agent", ends, _falls(agent.values), color=0),
            Curve("doing nothing", ends, _falls(hold.values), color=5, dashed=True),
        ],
        unit="below the high",
        percent=True,
    )
    moved = [name for name in rows[0].prices if name in result.symbols]
    prices = plot(
        "The path: each price as a part of its first one: "
        + ", ".join(
            f"{name} from {shown_price(rows[0].prices[name])} to "
            f"{shown_price(rows[-1].prices[name])}"
            for name in moved
        )
        + ".",
        curves=[
            Curve(
                name,
                times,
                [row.prices[name] / rows[0].prices[name] for row in rows],
                color=index % 6,
                stepped=True,
            )
            for index, name in enumerate(moved)
        ],
        unit="of the first price",
        percent=True,
    )
    return element(
        "section",
        element("h2", "Over time"),
        *(
            element("figure", element("h3", name), drawn, class_="chart")
            for name, drawn in (
                ("What it was worth", value),
                ("How far below its high", falls),
                ("The prices that were played", prices),
            )
        ),
    )


def _refusals(result: BacktestResult) -> Markup:
    if not result.refusals and not result.plans_refused:
        return element(
            "section",
            element("h2", "What was refused"),
            element("p", "Nothing: no bound, no mandate and no check said no."),
        )
    lines = [f"{name}: {count}" for name, count in result.refusals.items()]
    if result.plans_refused:
        lines.append(
            f"plans that could not be carried out, held instead: {result.plans_refused}"
        )
    return element(
        "section",
        element("h2", "What was refused"),
        element(
            "p",
            f"The gate's bounds, mandate and rules refused {result.refused_on_chain} "
            "times; what refused, by name:",
        ),
        element("ul", *(element("li", line) for line in lines), class_="plain"),
    )


def _speed(result: BacktestResult) -> Markup:
    steps = list(result.seconds_by_step.items())
    return element(
        "section",
        element("h2", "How fast"),
        element(
            "p",
            f"{result.slots_per_minute:.1f} slots a minute: {result.speed_up:,.0f} "
            f"times as fast as the path, on {result.device}.",
        ),
        element(
            "details",
            element("summary", "Where the time went"),
            element(
                "ul",
                *(
                    element("li", f"{name}: {seconds:.1f} s")
                    for name, seconds in steps[:20]
                ),
                class_="plain",
            ),
        ),
    )


def _meaning() -> Markup:
    return element(
        "section",
        element("h2", "What this does and does not mean"),
        element("ul", *(element("li", words) for words in TRUTHS), class_="plain"),
    )


def _sworn(result: BacktestResult) -> Markup:
    items: list[Markup] = []
    for name, words in (
        ("program", to_hex(result.program)),
        ("model", to_hex(result.model)),
        ("engine", to_hex(result.engine)),
        ("mandate", to_hex(result.mandate)),
        ("gate", result.gate),
        ("account", result.account),
        ("prices", to_hex(result.path_hash)),
    ):
        items += [element("dt", name), element("dd", element("code", words))]
    return element("section", element("h2", "What was sworn to"), element("dl", *items))


def _foot(result: BacktestResult) -> Markup:
    how = (
        "The chain is kept beside this page: `affiant audit` on this folder audits "
        "every decision from it."
        if result.chain_kept
        else "The chain was not kept: `affiant audit evidence/*` checks the evidence "
        "of each decision, offline."
    )
    return element("footer", element("p", how))


def _falls(values: Sequence[int]) -> list[float]:
    falls, high = [], 0
    for value in values:
        high = max(high, value)
        falls.append(0.0 if high <= 0 else (value - high) / high)
    return falls


def _dollars(value: int) -> float:
    return value / 10**8


def _span(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            return f"{count} {unit if count != 1 else unit.removesuffix('s')}"
    return f"{seconds} seconds"
