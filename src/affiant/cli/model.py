"""`affiant model`: committing to a model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from affiant.cli.console import EXIT_REJECTED, log, read_file, split_model
from affiant.encoding import parse_json, to_hex

MAX_COMMITMENT_BYTES = 512 * 2**20
"""Largest commitment file read, in bytes."""

model_app = typer.Typer(help="Commit to a model.", no_args_is_help=True)


@model_app.command("commit")
def model_commit(
    model: Annotated[str, typer.Argument(help="Folder, or OWNER/NAME[@REVISION].")],
    compare: Annotated[
        Path | None,
        typer.Option(help="A commitment's JSON; changed files and chunks are named."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all leaves.")] = False,
) -> None:
    """Commit to every tensor and every file that changes a model's behaviour."""
    from affiant.inference.commitment import ModelCommitment, commit_model
    from affiant.inference.model_folder import model_folder

    name, revision = split_model(model)
    folder = model_folder(name, revision=revision)
    with Progress(
        TextColumn("hashing"),
        BarColumn(),
        DownloadColumn(),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("hashing", total=None)
        commitment = commit_model(
            folder,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if compare is not None:
        earlier = ModelCommitment.from_json(
            parse_json(
                read_file(compare), what=str(compare), max_bytes=MAX_COMMITMENT_BYTES
            )
        )
        changes = earlier.diff(commitment)
        for change in changes:
            typer.echo(str(change))
        if changes:
            raise typer.Exit(EXIT_REJECTED)
    if as_json:
        typer.echo(json.dumps(commitment.to_json()))
    else:
        typer.echo(to_hex(commitment.root))
