"""What the commands share: where words go, exit statuses, models and files by name."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from affiant.errors import MalformedError

EXIT_REJECTED = 1
"""The adversary or the rules said no."""
EXIT_MISUSE = 2
"""The command was called wrongly."""
EXIT_UNAVAILABLE = 3
"""A chain, node or store did not answer; the same call may work later."""

log = Console(stderr=True)
"""Progress and errors."""


def split_model(model: str) -> tuple[str, str | None]:
    """Split `OWNER/NAME@REVISION`; a folder has no revision.

    A hub id without a revision means its main branch: what was fetched is known by its
    commitment, not by its name.
    """
    if Path(model).is_dir():
        return model, None
    name, _, revision = model.partition("@")
    if not revision and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        revision = "main"
    return name, revision or None


def read_file(path: Path) -> bytes:
    """Return the content of `path`.

    Raises:
        MalformedError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedError(
            str(path), got=error.strerror or str(error), expected="a readable file"
        ) from error
