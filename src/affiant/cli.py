"""The `affiant` command: parse, call one function, print.

Results go to stdout (`--json` is stable), progress and errors to stderr. Exit status: 0
accepted, 1 rejected, 2 misuse, 3 unavailable. It decides nothing itself, and no command
takes a private key: keys come from keystore files, passwords from the environment.
Imports are made inside the commands, so that `--help` needs neither torch nor a chain.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from affiant import __version__
from affiant.errors import AffiantError, RejectedError

EXIT_REJECTED = 1
"""The adversary or the rules said no."""
EXIT_MISUSE = 2
"""The command was called wrongly."""
EXIT_UNAVAILABLE = 3
"""A chain, node or store did not answer; the same call may work later."""

app = typer.Typer(
    name="affiant",
    help="On-chain agents whose every act is sworn to first, and refused otherwise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
agent_app = typer.Typer(help="Run an agent.", no_args_is_help=True)
model_app = typer.Typer(help="Commit to a model.", no_args_is_help=True)
mandate_app = typer.Typer(help="Read mandates.", no_args_is_help=True)
app.add_typer(agent_app, name="agent")
app.add_typer(model_app, name="model")
app.add_typer(mandate_app, name="mandate")

log = Console(stderr=True)
"""Progress and errors."""


def main() -> NoReturn:
    """Run the command line and turn typed errors into a line and an exit status."""
    try:
        app()
    except RejectedError as error:
        _fail(error, EXIT_REJECTED)
    except AffiantError as error:
        _fail(error, EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        log.print("stopped")
        sys.exit(130)
    sys.exit(0)


def _fail(error: AffiantError, status: int) -> NoReturn:
    log.print(f"{type(error).__name__}: {error}", style="red", markup=False)
    sys.exit(status)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """On-chain agents whose every act is sworn to first, and refused otherwise."""
