"""`affiant mandate`: what a mandate permits, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affiant.encoding import to_hex

mandate_app = typer.Typer(help="Read mandates.", no_args_is_help=True)


@mandate_app.command("show")
def mandate_show(
    mandate: Annotated[Path, typer.Argument(help="The mandate's JSON.")],
    book: Annotated[Path, typer.Option(help="The address book's JSON.")],
    block_seconds: Annotated[
        float, typer.Option(help="Seconds between blocks, for amounts per day.")
    ] = 12.0,
) -> None:
    """Say in plain words what a mandate permits, and the most that it can cost."""
    from affiant.agents.config import load_book, load_mandate
    from affiant.onchain.words import mandate_in_words

    granted = load_mandate(mandate)
    typer.echo(f"mandate {to_hex(granted.id)}")
    for line in mandate_in_words(granted, load_book(book), block_seconds=block_seconds):
        typer.echo(f"  {line}")
