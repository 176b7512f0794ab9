"""Which files of a model folder count, and whether they stay as they are.

Everything counts but a few names that no engine opens (`LEFT_OUT`) and the housekeeping
of version control and downloads (`GIT`, `DOWNLOADS`). These are exact names, not
patterns such as `*.md`: engines search folders by pattern and even by substring of the
listing, so that the mere name of a file can change what they do. Linked files are
followed (hub caches are made of them); linked folders are refused, as engines differ in
whether they enter them.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from affiant.errors import MalformedError
from affiant.inference.errors import (
    ModelChangedError,
    ModelFileMissingError,
    ModelFilesError,
    ModelNameError,
)
from affiant.inference.model_parts import require_name

LEFT_OUT = frozenset(
    {
        ".git",
        ".gitattributes",
        ".gitignore",
        "LICENSE",
        "LICENSE.md",
        "LICENSE.txt",
        "NOTICE",
        "NOTICE.md",
        "NOTICE.txt",
        "README.md",
        "model.sig",
    }
)
"""Files of the top folder, spelled exactly so, that are left out. `.git` is a file in a
linked checkout; `model.sig` holds a publisher's signature over the rest."""
GIT = re.compile(
    r"\.git/([^.]+|hooks/[a-z-]+\.sample|objects/pack/pack-[0-9a-f]+\.[a-z]+"
    r"|objects/info/commit-graphs/graph-[0-9a-f]+\.graph)"
)
"""Files of a checkout that are left out. Engines search all of a model folder for names
such as `consolidated*.safetensors`; none of their patterns does without a dot."""
DOWNLOADS = re.compile(
    r"\.cache/huggingface/(\.gitignore|CACHEDIR\.TAG"
    r"|download/(?P<of>.+)\.(metadata|lock))"
)
"""Files of the hub's client that are left out, if the file that they tell of is there:
a pattern that finds such a name finds that file too."""
MAX_FILES = 100_000
"""Most files in a model folder, housekeeping included."""
MAX_DEPTH = 32
"""Deepest nesting of folders."""


@dataclass(frozen=True)
class Stamp:
    """What the file system says of a file; a write or a replacement changes it."""

    device: int
    """Number of the file system."""
    inode: int
    """Number of the file in it."""
    size: int
    """Length in bytes."""
    modified: int
    """Time of the last write, in nanoseconds."""
    changed: int
    """Time of the last change of content or attributes, in nanoseconds."""


@dataclass(frozen=True)
class Listing:
    """The files of a model folder."""

    files: dict[str, Stamp]
    """Every file that counts, by path inside the folder."""
    left_out: tuple[str, ...]
    """Paths of the files that do not count, sorted."""


def list_folder(folder: Path) -> Listing:
    """List the files of the model in `folder`, whatever else they are.

    Raises:
        ModelFileMissingError: no such folder, or a link to nothing.
        ModelNameError: a name does not print as what it is, or two names are one on
            some file systems.
        ModelFilesError: a linked folder, something that is neither file nor folder, too
            many files, or an unreadable folder.
    """
    if not folder.is_dir():
        raise ModelFileMissingError(
            str(folder), got="no such folder", expected="a model folder"
        )
    names: dict[str, str] = {}
    found: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        for entry in _entries(folder, prefix):
            path = prefix + entry.name
            _require_name(path, names)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path + "/")
            else:
                found.append(path)
            if len(names) > MAX_FILES:
                raise ModelFilesError(
                    path, got=f"over {MAX_FILES} files", expected="fewer"
                )
    left_out = {path for path in found if _left_out(path, names)}
    return Listing(
        files={path: _stamp(folder, path) for path in sorted({*found} - left_out)},
        left_out=tuple(sorted(left_out)),
    )


def require_unchanged(folder: Path, *, before: Listing) -> None:
    """Refuse a folder whose files are not those of an earlier listing any more.

    Raises:
        ModelChangedError: a file came, went or was written to.
        ModelFilesError: the folder cannot be listed any more.
    """
    now = list_folder(folder).files
    for path in sorted(before.files.keys() | now.keys()):
        if path not in now or path not in before.files:
            came = "a new file" if path in now else "no such file any more"
            raise ModelChangedError(path, got=came, expected="the folder as it was")
        if now[path] != before.files[path]:
            raise ModelChangedError(
                path, got="another content or file", expected="the file as it was"
            )


def _entries(folder: Path, prefix: str) -> list[os.DirEntry[str]]:
    if prefix.count("/") > MAX_DEPTH:
        raise ModelFilesError(
            prefix, got="deeper folders", expected=f"at most {MAX_DEPTH} levels"
        )
    try:
        with os.scandir(folder / prefix) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ModelFilesError(
            prefix or str(folder), got=str(error), expected="a readable folder"
        ) from error


def _require_name(path: str, names: dict[str, str]) -> None:
    """Refuse a path that another machine would read differently."""
    try:
        require_name(path, what="path")
    except MalformedError as error:
        raise ModelNameError(
            repr(path)[:80], got="this name", expected=error.expected
        ) from error
    if "\\" in path:
        raise ModelNameError(path, got="a backslash", expected="`/` alone as separator")
    other = names.setdefault(_folded(path), path)
    if other != path:
        raise ModelNameError(
            path, got=f"`{other}` beside it", expected="names that differ in more"
        )


def _left_out(path: str, names: dict[str, str]) -> bool:
    if path in LEFT_OUT or GIT.fullmatch(path):
        return True
    download = DOWNLOADS.fullmatch(path)
    return download is not None and (
        download["of"] is None or names.get(_folded(download["of"])) == download["of"]
    )


def _folded(path: str) -> str:
    """Return what file systems that ignore case and composition compare."""
    composed = unicodedata.normalize("NFC", path).casefold()
    return unicodedata.normalize("NFC", composed)


def _stamp(folder: Path, path: str) -> Stamp:
    try:
        found = (folder / path).stat()
    except FileNotFoundError as error:
        # A link to nothing, as an unfinished download leaves it.
        raise ModelFileMissingError(
            path, got="a dangling link", expected="a file"
        ) from error
    except OSError as error:
        raise ModelFilesError(
            path, got=str(error), expected="a readable file"
        ) from error
    if stat.S_ISDIR(found.st_mode):
        raise ModelFilesError(
            path, got="a link to a folder", expected="the folder itself"
        )
    if not stat.S_ISREG(found.st_mode):
        raise ModelFilesError(
            path, got="neither a file nor a folder", expected="a file"
        )
    return Stamp(
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        modified=found.st_mtime_ns,
        changed=found.st_ctime_ns,
    )
