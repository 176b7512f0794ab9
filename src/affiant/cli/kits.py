"""`affiant kits`: which action kits are installed, and which package brought each."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def kits(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the action kits that programs can name on this machine."""
    from affiant.onchain.kits import installed_kits

    installed = installed_kits().values()
    if as_json:
        told = [
            {
                "name": entry.kit.name,
                "version": entry.kit.version,
                "package": entry.distribution,
                "observes": list(entry.kit.required),
            }
            for entry in installed
        ]
        typer.echo(json.dumps(told))
        return
    for entry in installed:
        needs = ", ".join(entry.kit.required) or "nothing"
        typer.echo(
            f"{entry.kit.name} {entry.kit.version} ({entry.distribution}); "
            f"observes {needs}"
        )
