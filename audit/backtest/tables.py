"""The tables of a backtest's page: against doing nothing, and every decision.

Pure. Every text of a model, a program or a chain is escaped by construction.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.agents.backtest.price_path import plain_price
from affiant.agents.backtest.result import BacktestResult, Line, SlotRow
from affiant.audit.figures import moment, money, short
from affiant.audit.markup import Markup, element, join, wide_table
from affiant.audit.words import action_in_words
from affiant.encoding import to_hex

MAX_TABLE_SLOTS = 2_000
"""Most slots in the page's table; `report.json` has every one."""


def compared(result: BacktestResult) -> Markup:
    agent, hold = result.lines

    def row(name: str, of_agent: str, of_hold: str) -> Markup:
        return element(
            "tr",
            element("th", name, scope="row"),
            element("td", of_agent, class_="number", data_label="agent"),
            element("td", of_hold, class_="number", data_label="doing nothing"),
        )

    def both(name: str, words: Sequence[str]) -> Markup:
        return row(name, words[0], words[1])

    lines: tuple[Line, Line] = (agent, hold)
    rows = (
        both("began with", [money(line.values[0]) for line in lines]),
        both("ended with", [money(line.values[-1]) for line in lines]),
        both("gain", [money(line.gain, signed=True) for line in lines]),
        both("return", [in_percent(line.return_bps, signed=True) for line in lines]),
        both(
            "worst fall from a high", [in_percent(line.drawdown_bps) for line in lines]
        ),
        both("lowest health of loans", list(map(_health, result.lowest_health_bps))),
        row("trades", str(result.trades), "0"),
        row("turnover", in_percent(result.turnover_bps) + " of the portfolio", "0 %"),
        row("paid to pools (in the values)", money(result.pool_fees), money(0)),
        row(
            f"gas (not in the values), at {result.gas_price / 10**9:g} gwei",
            f"{money(result.gas_cost)} for {sum(r.gas for r in result.rows):,} gas",
            money(0),
        ),
    )
    table = element(
        "table",
        element("caption", "From one path, on one chain, from the same beginning"),
        element(
            "thead",
            element(
                "tr",
                element("th", "", scope="col"),
                element("th", "agent", scope="col"),
                element("th", "doing nothing", scope="col"),
            ),
        ),
        element("tbody", *rows),
        class_="wide lines",
    )
    return element(
        "section",
        element("h2", "Against doing nothing"),
        element(
            "p",
            "A second account began alike and was left alone: its interest and its "
            "debts ran on. Began with: " + "; ".join(result.opening) + ".",
        ),
        table,
    )


def _health(bps: int | None) -> str:
    if bps is None:
        return "nothing owed"
    shown = f"{bps // 10_000}.{bps % 10_000 // 100:02d}"
    return shown if bps >= 10_000 else f"{shown}: could have been liquidated"


def decisions(result: BacktestResult) -> Markup:
    shown = result.rows[:MAX_TABLE_SLOTS]
    columns = ("slot", "prices", "plan", "outcome", "value", "decision")
    left = len(result.rows) - len(shown)
    table = wide_table(
        "Every slot, in order",
        columns,
        [_decision(row, result.symbols) for row in shown],
    )
    note = None
    if left:
        note = element("p", f"{left} later slots are in report.json alone.")
    # The table's own class is wide; another makes it denser.
    return element(
        "section",
        element("h2", "Every decision"),
        element("div", table, class_="slots"),
        note,
    )


def _decision(row: SlotRow, symbols: Sequence[str]) -> Markup:
    prices = ", ".join(
        f"{name} {shown_price(row.prices[name])}"
        for name in symbols
        if name in row.prices
    )
    planned = "; ".join(map(action_in_words, row.actions)) or "no plan"
    reason = row.plan_refused and f"not carried out: {row.plan_refused}"
    if row.error:
        reason = f"{row.step}: {row.error}: {row.reason}"
    change = row.after - row.before
    return element(
        "tr",
        element(
            "th",
            join(str(row.index + 1), element("br"), element("small", moment(row.time))),
            scope="row",
            class_="number",
        ),
        element("td", prices, data_label="prices"),
        element(
            "td",
            planned,
            element("br") if row.why else None,
            element("small", f"“{row.why}”") if row.why else None,
            class_="words",
            data_label="plan",
        ),
        element(
            "td",
            element("span", row.outcome, class_=f"pill {row.outcome}"),
            element("br") if reason else None,
            element("small", reason[:600]) if reason else None,
            data_label="outcome",
        ),
        element(
            "td",
            f"{money(row.before)} → {money(row.after)}",
            element("br"),
            element(
                "small",
                f"{money(change, signed=True)}; doing nothing {money(row.held)}",
            ),
            data_label="value",
        ),
        element(
            "td",
            element("code", short(to_hex(row.digest))) if row.digest else "none",
            data_label="decision",
        ),
    )


def shown_price(price: int) -> str:
    """Return a price for people: cents, or all of it below ten dollars."""
    return money(price) if price >= 10 * 10**8 else f"${plain_price(price)}"


def in_percent(bps: int, *, signed: bool = False) -> str:
    sign = "−" if bps < 0 else "+" if signed and bps > 0 else ""
    return f"{sign}{abs(bps) // 100}.{abs(bps) % 100:02d} %"
