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


def read_file(path: Path, *, max_bytes: int | None = None) -> bytes:
    """Return the content of `path`.

    Args:
        path: a file.
        max_bytes: largest content accepted; no limit if not given.

    Raises:
        MalformedError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(-1 if max_bytes is None else max_bytes + 1)
    except OSError as error:
        raise MalformedError(
            str(path), got=error.strerror or str(error), expected="a readable file"
        ) from error
    if max_bytes is not None and len(content) > max_bytes:
        raise MalformedError(
            str(path),
            got=f"over {max_bytes} bytes",
            expected=f"at most {max_bytes} bytes",
        )
    return content
