"""The parts of a model folder: tensors of its shards, their headers, every other file.

It decides which files are shards and whether shards and index agree. Which files count
at all is `model_listing`'s business, what the hashes mean `commitment`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affiant.inference.chunk_hashing import Extent
from affiant.inference.errors import ModelFileMissingError, ModelIndexError
from affiant.inference.model_listing import Listing, list_folder
from affiant.inference.model_parts import FilePart, Part
from affiant.inference.model_pointers import require_inside
from affiant.inference.safetensors_header import read_header, read_index

INDEX_NAME = "model.safetensors.index.json"
"""Name of the shard index."""
SHARD_SUFFIX = ".safetensors"
"""Ending of a shard's name."""


@dataclass(frozen=True)
class PlacedPart:
    """A part and where its bytes lie."""

    part: Part
    """The part."""
    extent: Extent
    """Its bytes."""


@dataclass(frozen=True)
class ModelScan:
    """The parts of a model folder. Their extents cover every byte of every file."""

    folder: Path
    """The folder."""
    listing: Listing
    """Its files, as they were before anything was read."""
    parts: tuple[PlacedPart, ...]
    """In the order of their leaves."""


def scan_model(folder: Path) -> ModelScan:
    """List the parts of the model in `folder`.

    Raises:
        ModelFilesError: the folder, a name, a shard, a header or the index is not as it
            must be; the subclass says what.
    """
    listing = list_folder(folder)
    require_inside(folder, listing=listing)
    index = read_index(folder / INDEX_NAME) if INDEX_NAME in listing.files else None
    shards = _shards(folder, listing=listing, index=index)
    placed: list[PlacedPart] = []
    home: dict[str, str] = {}
    for path, stamp in listing.files.items():
        if path not in shards:
            placed.append(
                PlacedPart(
                    FilePart("file", path, stamp.size), Extent(path, 0, stamp.size)
                )
            )
            continue
        header = read_header(folder / path, name=path)
        placed.append(
            PlacedPart(
                FilePart("header", path, header.size), Extent(path, 0, header.size)
            )
        )
        for tensor in header.tensors:
            name = tensor.part.name
            if name in home:
                raise ModelIndexError(
                    path, got=f"`{name}` again", expected=f"once, in {home[name]}"
                )
            home[name] = path
            placed.append(
                PlacedPart(tensor.part, Extent(path, tensor.offset, tensor.part.size))
            )
    if index is not None:
        _check_index(index, home)
    placed.sort(key=lambda item: item.part.order)
    return ModelScan(folder=folder, listing=listing, parts=tuple(placed))


def _shards(
    folder: Path, *, listing: Listing, index: dict[str, str] | None
) -> frozenset[str]:
    """Return the files whose tensors are the model's.

    Where there is an index, these are the files that it names. Other safetensors files,
    such as adapters and other formats of the same weights, are files like any other.
    """
    if index is not None:
        shards = frozenset(index.values())
        for shard in sorted(shards):
            if shard not in listing.files:
                raise ModelFileMissingError(
                    f"{shard!s:.80}",
                    got="no such file",
                    expected=f"a shard, as {INDEX_NAME} says",
                )
    else:
        # Hidden ones are plain files: the patterns of engines do not find them.
        shards = frozenset(
            path
            for path in listing.files
            if path.endswith(SHARD_SUFFIX) and "/" not in path and path[0] != "."
        )
    if not shards:
        raise ModelFileMissingError(
            str(folder), got="no safetensors file", expected="at least one"
        )
    return shards


def _check_index(index: dict[str, str], home: dict[str, str]) -> None:
    for name in sorted(index.keys() | home.keys()):
        if index.get(name) != home.get(name):
            raise ModelIndexError(
                INDEX_NAME,
                got=f"{name!r:.80} in {index.get(name, 'no shard')}",
                expected=f"in {home.get(name, 'no shard')}, where it is",
            )
