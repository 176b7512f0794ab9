"""`affiant new`: a project with an agent, tests and a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    name: Annotated[
        str, typer.Argument(help="Lower-case letters, digits and hyphens.")
    ],
    folder: Annotated[
        Path, typer.Option("--in", help="Where the project's folder is made.")
    ] = Path("."),
) -> None:
    """Write a project whose tests pass at once, without a model.

    Nothing that exists is ever written over.
    """
    from affiant.starter.project import write_project

    project = write_project(name, into=folder)
    typer.echo(project.told())
