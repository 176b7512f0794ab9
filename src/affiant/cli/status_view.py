"""One screen that shows how an agent stands.

It decides what is shown and how, from an `AgentStatus` alone. Every text goes out as
plain text: reasons are a model's words, messages may be a node's, and neither may bring
markup or control sequences into a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from affiant.agents.durable.run_history import Run
from affiant.agents.observing.status import AgentStatus, OnChain
from affiant.agents.programs.one_line import one_line
from affiant.encoding import to_hex
from affiant.onchain.words_proof import dollars, duration

STYLES = {
    "executed": "green",
    "held": "cyan",
    "queued": "magenta",
    "refused": "red",
    "unavailable": "yellow",
    "lost": "red",
    "failed": "bold red",
    "running": "blue",
}
"""Colour per outcome."""

WEI = 10**18
"""Base units of a chain's currency."""

MAX_WHY_CHARS = 140
"""Longest reason shown, in characters."""

_SECONDS = re.compile(r"\b[1-3][0-9]{9}\b")


def status_screen(status: AgentStatus, *, title: str, now: float) -> RenderableType:
    """Return what a terminal shows.

    Args:
        title: what the agent is called.
        now: unix seconds, for ages.
    """
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Group(
        Panel(
            _facts(status),
            title=Text(f" {one_line(title)} ", style="bold"),
            title_align="left",
            subtitle=Text(f" {time} ", style="dim"),
            subtitle_align="right",
            border_style="red" if status.problems else "green",
            padding=(0, 1),
        ),
        _runs(status, now=now),
    )


def _facts(status: AgentStatus) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(ratio=1)
    for name, value in _lines(status):
        rows.add_row(name, value)
    return rows


def _lines(status: AgentStatus) -> Iterator[tuple[str, RenderableType]]:
    found = status.on_chain
    yield "mandate", _mandate(status)
    yield "account", Text(str(status.mandate.account))
    if found is not None:
        yield "unaudited", _ladder(status, found)
        yield "head", _head(found)
        if found.state.queued_at:
            yield "queued", _queued(found)
        if found.funds is not None:
            style = "" if found.funds else "bold red"
            yield "gas money", Text(f"{found.funds / WEI:.6g}", style=style)
    yield "on its way", _pending(status)
    yield "answers", _reached(status)
    for problem in status.problems:
        yield "", Text(f"! {_times(one_line(problem))}", style="red")


def _mandate(status: AgentStatus) -> Text:
    text = Text(_short(to_hex(status.mandate.id)) + "  ")
    if status.on_chain is None:
        return text.append("unknown: the chain does not say", style="yellow")
    left = status.mandate.expiry - status.on_chain.state.block.timestamp
    if status.on_chain.problem:
        return text.append("● not live", style="bold red")
    text.append("● live", style="bold green")
    return text.append(f", expires in {duration(left)}", style="dim")


def _ladder(status: AgentStatus, found: OnChain) -> RenderableType:
    unaudited, rungs = dollars(found.state.unaudited), len(status.mandate.ladder)
    if found.rung is None:
        return Text(f"{unaudited}: above the ladder, nothing executes", style="red")
    words = Text(f"{unaudited} of {dollars(found.rung.limit)}")
    asks = [f"rung {found.rung_number} of {rungs}", f"tier {found.rung.tier}"]
    if found.rung.endorsements:
        asks.append(f"endorsements {found.rung.endorsements}")
    if found.rung.delay:
        asks.append(f"delay {duration(found.rung.delay)}")
    words.append(f"  {', '.join(asks)}", style="dim")
    line = Table.grid(padding=(0, 2))
    # In per cent: values have more digits than a float holds.
    used = 100 * found.state.unaudited // max(found.rung.limit, 1)
    line.add_row(
        ProgressBar(total=100, completed=used, width=20, complete_style=_heat(used)),
        words,
    )
    return line


def _heat(percent: int) -> str:
    return "green" if percent < 50 else "yellow" if percent < 85 else "red"


def _head(found: OnChain) -> Text:
    text = Text(_short(to_hex(found.state.head)))
    text.append(f"  slot {found.slot}, block {found.state.block.number}", style="dim")
    return text


def _queued(found: OnChain) -> Text:
    """Return since when the head waits, from when it executes, and until when."""
    now, state, event = found.state.block.timestamp, found.state, found.queued
    left = state.queued_until - now
    if left < 0:
        return Text("its time is over; the next decision takes the head", style="red")
    text = Text("", style="magenta")
    if event is not None:
        wait = event.ready_at - now
        text.append(f"{dollars(event.value_at_risk)} of slot {event.slot}, ")
        text.append(f"ready in {duration(wait)}" if wait > 0 else "ready to execute")
        text.append(", ")
    text.append(f"can be cancelled; over in {duration(left)}")
    return text


def _pending(status: AgentStatus) -> Text:
    if not status.pending:
        return Text("nothing", style="dim")
    parts = [
        f"{_short(str(entry.transaction))} of slot {entry.slot}"
        for entry in status.pending
    ]
    return Text(", ".join(parts), style="yellow")


def _reached(status: AgentStatus) -> Text:
    text = Text()
    for item in status.reached:
        mark, style = ("✗", "bold red") if item.problem else ("✓", "green")
        text.append("\n" if text else "")
        text.append(f"{mark} ", style=style)
        text.append(f"{item.what:<9}")
        text.append(one_line(item.url), style="dim")
    return text


def _runs(status: AgentStatus, *, now: float) -> RenderableType:
    if not status.runs:
        return Text("  no run yet", style="dim")
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("slot", justify="right", no_wrap=True)
    table.add_column("ago", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("actions", no_wrap=True, max_width=18, overflow="ellipsis")
    table.add_column("why", ratio=1)
    table.add_column("decision", no_wrap=True, style="dim")
    for run in status.runs:
        table.add_row(
            str(run.slot) if run.slot >= 0 else "?",
            _ago(now - run.at),
            Text(one_line(run.outcome), style=STYLES.get(run.outcome, "")),
            Text(", ".join(run.actions)),
            _why(run),
            "" if run.digest is None else _short(to_hex(run.digest)),
        )
    return table


def _why(run: Run) -> Text:
    why = one_line(run.why)
    if len(why) > MAX_WHY_CHARS:
        why = f"{why[:MAX_WHY_CHARS]}…"
    if run.error:
        text = Text(f"{one_line(run.error)} in {one_line(run.step)}", style="red")
        return text.append(f": {why}", style="dim")
    return Text(why)


def _times(text: str) -> str:
    """Return `text` with the unix seconds in it as times of day."""
    return _SECONDS.sub(
        lambda found: datetime.fromtimestamp(int(found[0]), UTC).strftime(
            "%Y-%m-%d %H:%M:%S UTC"
        ),
        text,
    )


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def _short(digest: str) -> str:
    return f"{digest[:10]}…{digest[-4:]}" if len(digest) > 20 else digest
