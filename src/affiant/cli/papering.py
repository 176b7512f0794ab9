"""`affiant agent run --paper` and `affiant agent paper`: what would have been done."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli.console import log
from affiant.encoding import to_hex

if TYPE_CHECKING:
    from affiant.agents.paper import PaperPoint
    from affiant.agents.paper.agent import PaperResult


def run_on_paper(config: Path, reference: str, *, once: bool) -> None:
    """Run an agent on paper: slot by slot until interrupted, or the newest slot.

    Raises:
        RejectedError, UnavailableError: as `PaperAgent.from_config`; of one slot, also
            why it came to nothing.
    """
    from affiant.agents.paper import PaperAgent
    from affiant.agents.settings.loading import load_agent_class

    with closing(PaperAgent.from_config(load_agent_class(reference), config)) as runner:
        if once:
            result = runner.run_once()
            typer.echo(_line(result))
            if result.entry is None and result.error is not None:
                raise result.error
            return
        log.print("running on paper: nothing can be sent; interrupt to stop")
        with _stopped() as stop:
            runner.run(stop=stop, on_result=lambda result: typer.echo(_line(result)))


def paper(
    config: Annotated[Path, typer.Argument(help="The agent's TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what an agent would have done so far, and what would have come of it."""
    from affiant.agents.errors import ConfigError
    from affiant.agents.paper import PaperJournal, paper_portfolio
    from affiant.agents.paper.places import paper_places
    from affiant.agents.settings.config import load_book, load_config, load_mandate

    read = load_config(config)
    mandate, book = load_mandate(read.mandate.file), load_book(read.book.file)
    file, _ = paper_places(read)
    if not file.is_file():
        raise ConfigError(str(file), got="nothing", expected="a paper journal")
    with closing(PaperJournal(file)) as journal:
        entries = journal.entries(mandate.id)
    points = paper_portfolio(entries, book=book)
    if as_json:
        told = [
            {
                "slot": point.slot,
                "timestamp": point.timestamp,
                "outcome": entry.outcome,
                "digest": None if entry.digest is None else to_hex(entry.digest),
                "real": str(point.real),
                "paper": str(point.paper),
                "cost": str(point.cost),
                "paperIndex": str(point.paper_index),
                "realIndex": str(point.real_index),
                "told": dict(entry.told),
            }
            for point, entry in zip(points, entries, strict=True)
        ]
        typer.echo(json.dumps(told))
        return
    for point, entry in zip(points, entries, strict=True):
        typer.echo(_point_line(point, entry.outcome))
    if not points:
        typer.echo("nothing is written down of this mandate")


def _point_line(point: PaperPoint, outcome: str) -> str:
    from affiant.agents.backtest.result import signed_price
    from affiant.agents.paper.portfolio import INDEX_ONE

    return (
        f"slot {point.slot}: {outcome}; real ${signed_price(point.real)}, on paper "
        f"${signed_price(point.paper)}; prices since the first slot "
        f"{100 * (point.real_index - INDEX_ONE) / INDEX_ONE:+.2f} % real, "
        f"{100 * (point.paper_index - INDEX_ONE) / INDEX_ONE:+.2f} % on paper"
    )


def _line(result: PaperResult) -> str:
    """Return what became of one look, as one line."""
    slot = "no slot" if result.slot is None else f"slot {result.slot}"
    line = f"{slot}: {result.outcome.replace('_', ' ')} on paper"
    if result.entry is not None and result.entry.digest is not None:
        line += f" {to_hex(result.entry.digest)}"
    if result.error is not None:
        line += f": {type(result.error).__name__}: {result.error}"
    return line


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """Have SIGTERM and an interruption end it after the look in progress."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        stop.set()

    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, ask) for kind in kinds]
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
