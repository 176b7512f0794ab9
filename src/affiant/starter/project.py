"""Writes a new project: an agent, its tests, its configuration.

It decides which names a project may have and that nothing which exists is written over:
the folder is made by us, or nothing is. What the files say is in `files/`.
"""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from affiant import __version__
from affiant.errors import RejectedError

MAX_NAME_CHARS = 40
"""Longest name of a project."""

PLACES = {
    "agent.py.txt": "agent.py",
    "test_agent.py.txt": "tests/test_agent.py",
    "agent.toml.txt": "agent.toml",
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "gitignore.txt": ".gitignore",
    "package.json.txt": "package.json",
    "package-lock.json.txt": "package-lock.json",
}
"""Where each of `files/` goes."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_TAKEN = {"affiant", "agent", "pytest", "test", "tests", "con", "nul", "aux", "prn"}
_CLASSES = {
    "ChainView",
    "Hold",
    "RunResult",
    "Supply",
    "Swap",
    "VerifiedAgent",
    "Withdraw",
}


class ProjectError(RejectedError):
    """A project that is not made: nothing was written."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class Project:
    """A project that was written."""

    folder: Path
    files: tuple[str, ...]
    """Relative to the folder."""

    def told(self) -> str:
        """Return what its owner does next, and what that takes."""
        steps = [
            (f"cd {self.folder}", ""),
            ("npm ci", "anvil and the protocols, once; about 110 MB"),
            ("pytest", "a test double decides: neither torch nor a model is needed"),
        ]
        missing = []
        if shutil.which("npm") is None:
            missing.append("npm, which comes with Node 20 or newer: https://nodejs.org")
        if find_spec("pytest") is None:
            missing.append("pytest: `pip install pytest`")
        return "\n".join(
            [
                f"{self.folder}: {', '.join(self.files)}",
                "",
                "Next:",
                *(f"  {command:<24}{why}".rstrip() for command, why in steps),
                *(f"Not here yet: {what}" for what in missing),
            ]
        )


def write_project(name: str, *, into: Path) -> Project:
    """Make the folder `name` in `into`, with everything that a project has.

    Raises:
        ProjectError: the name is none, or the folder exists or cannot be made.
    """
    class_name = class_of(name)
    folder = into / name
    try:
        # Made by us or not at all: whatever is there already stays as it is.
        folder.mkdir()
    except OSError as error:
        raise ProjectError(
            str(folder),
            got=error.strerror or str(error),
            expected="a folder that does not exist yet, in one that does",
        ) from error
    values = {
        "name": name,
        "class": class_name,
        "variable": name.replace("-", "_").upper(),
        "version": __version__,
    }
    for source, place in PLACES.items():
        text = (files("affiant.starter") / "files" / source).read_text("utf-8")
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return Project(folder=folder, files=tuple(PLACES.values()))


def class_of(name: str) -> str:
    """Return the name of the agent's class: `my-agent` has the class `MyAgent`.

    Raises:
        ProjectError: `name` is no name of a project.
    """
    if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise ProjectError(
            "project name",
            got=repr(name)[:80],
            expected="lower-case letters, digits and single hyphens, at most "
            f"{MAX_NAME_CHARS}, a letter first",
        )
    module, class_name = name.replace("-", "_"), name.title().replace("-", "")
    taken = (
        keyword.iskeyword(module)
        or keyword.issoftkeyword(module)
        or module in sys.stdlib_module_names
        or name in _TAKEN
        or keyword.iskeyword(class_name)
        or class_name in _CLASSES
    )
    if taken:
        raise ProjectError(
            "project name", got=repr(name), expected="one that nothing else has"
        )
    return class_name
