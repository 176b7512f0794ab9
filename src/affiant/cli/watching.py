"""`agent check`, `status`, `agent watch`: looking at an agent without touching it."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from affiant.cli.console import EXIT_REJECTED, EXIT_UNAVAILABLE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from affiant.agents.settings.preflight import Check

Config = Annotated[Path, typer.Argument(help="The agent's TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Agent = Annotated[
    str | None,
    typer.Option(
        "--agent", help="FILE.py:CLASS of the `VerifiedAgent`; the file's if not given."
    ),
]

_MARKS = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "refused": ("✗", "bold red"),
    "unavailable": ("✗", "bold yellow"),
    "not looked at": ("–", "dim"),
}


def agent_check(config: Config, agent: Agent = None, as_json: AsJson = False) -> None:
    """Look at everything that an agent needs, and run nothing.

    Exit status 1 where something is refused, 3 where somebody does not answer.
    """
    from affiant.agents.settings.preflight import check_agent

    checks = check_agent(config, reference=agent)
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"what": one.what, "verdict": one.verdict, "detail": one.detail}
                    for one in checks
                ]
            )
        )
    else:
        Console(soft_wrap=True).print(_table(checks))
    verdicts = {check.verdict for check in checks}
    if "refused" in verdicts:
        raise typer.Exit(EXIT_REJECTED)
    if "unavailable" in verdicts:
        raise typer.Exit(EXIT_UNAVAILABLE)


def status(
    config: Config,
    last: Annotated[int, typer.Option(help="Runs to show.", min=1, max=100)] = 8,
    as_json: AsJson = False,
) -> None:
    """Show how an agent stands: mandate, money, queue, last decisions, who answers.

    Exit status 3 where something keeps it from acting now.
    """
    from affiant.agents.observing.status import StatusReader
    from affiant.agents.settings.config import load_config
    from affiant.cli.status_view import status_screen

    with closing(StatusReader(load_config(config), last=last)) as reader:
        found = reader.read()
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        Console().print(status_screen(found, title=str(config), now=time.time()))
    if found.problems:
        raise typer.Exit(EXIT_UNAVAILABLE)


def watch(
    config: Config,
    seconds: Annotated[
        float, typer.Option(help="Time between two looks.", min=0.2, max=3600)
    ] = 2.0,
    last: Annotated[int, typer.Option(help="Runs to show.", min=1, max=100)] = 15,
) -> None:
    """Show how an agent stands, again and again, until interrupted.

    Reads the journal and the chain only; the agent does not notice.
    """
    from rich.live import Live

    from affiant.agents.observing.status import StatusReader
    from affiant.agents.settings.config import load_config
    from affiant.cli.status_view import status_screen

    def screen() -> RenderableType:
        return status_screen(reader.read(), title=str(config), now=time.time())

    with closing(StatusReader(load_config(config), last=last)) as reader:
        with Live(screen(), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(seconds)
                live.update(screen(), refresh=True)


def _table(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for check in checks:
        mark, style = _MARKS[check.verdict]
        table.add_row(
            Text(mark, style=style),
            Text(check.what),
            Text(
                check.detail
                if check.verdict == "ok"
                else f"{check.verdict}: {check.detail}"
            ),
        )
    return table
