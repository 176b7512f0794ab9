"""The model commitment: one root over every byte of a folder that shapes a model.

    root = merkle_root(leaves of tensors by name, of shard headers by path, of files by
                       path), each chunk a leaf as `model_parts` says

Every byte of every file counts, wherever an engine might look for it, except the few
files that `model_listing` leaves out. Tensors are addressed by name, so that one of
them can be shown alone; the headers bind the rest of a shard: the order of its tensors,
and its metadata, in which some quantisers keep what their numbers mean. Files are
hashed as they lie on the disk: engines repack weights in memory. That a server loaded
this folder is not shown here; replay shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from affiant.encoding import (
    Digest,
    JsonValue,
    digest_from_hex,
    merkle_root,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.chunk_hashing import Progress, hash_extents
from affiant.inference.model_files import scan_model
from affiant.inference.model_listing import require_unchanged
from affiant.inference.model_parts import (
    FORMAT,
    FilePart,
    Part,
    chunk_count,
    chunk_leaf,
    part_from_json,
)


@dataclass(frozen=True)
class Entry:
    """One part and what its bytes are."""

    part: Part
    """The tensor, header or file."""
    chunks: tuple[Digest, ...]
    """BLAKE3 of each 1 MiB chunk."""

    def leaves(self) -> Iterator[Digest]:
        """Yield the leaf of each chunk."""
        for index, digest in enumerate(self.chunks):
            yield chunk_leaf(self.part, index=index, digest=digest)


@dataclass(frozen=True)
class Change:
    """One difference between two commitments."""

    kind: Literal["added", "removed", "changed"]
    """What happened to it."""
    name: str
    """`tensor:<name>`, `header:<path of the shard>` or `file:<path>`."""
    chunk: int | None
    """The changed chunk; `None` where type, shape or size differ or all of it does."""

    def __str__(self) -> str:
        """Return the change in words."""
        chunk = "" if self.chunk is None else f" chunk {self.chunk}"
        return f"{self.kind} {self.name}{chunk}"


@dataclass(frozen=True)
class ModelCommitment:
    """The commitment to one model folder."""

    entries: tuple[Entry, ...]
    """Every part, in the order of its leaves."""

    @cached_property
    def root(self) -> Digest:
        """The model's identity; the receipt's `model`."""
        return merkle_root(self.leaves())

    def leaves(self) -> list[Digest]:
        """Return the leaves of all parts, in order."""
        return [leaf for entry in self.entries for leaf in entry.leaves()]

    def diff(self, other: ModelCommitment) -> tuple[Change, ...]:
        """Return what `other` has differently, named by part and chunk."""
        ours = {entry.part.label: entry for entry in self.entries}
        theirs = {entry.part.label: entry for entry in other.entries}
        changes: list[Change] = []
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in theirs:
                changes.append(Change("removed", name, None))
            elif name not in ours:
                changes.append(Change("added", name, None))
            elif ours[name].part != theirs[name].part:
                changes.append(Change("changed", name, None))
            else:
                pairs = zip(ours[name].chunks, theirs[name].chunks, strict=True)
                changes += [
                    Change("changed", name, index)
                    for index, (mine, yours) in enumerate(pairs)
                    if mine != yours
                ]
        return tuple(changes)

    def summary(self) -> dict[str, JsonValue]:
        """Return the root and what there is, small enough for evidence."""
        parts = [entry.part for entry in self.entries]
        files = [part for part in parts if isinstance(part, FilePart)]
        return {
            "format": FORMAT,
            "root": to_hex(self.root),
            "tensors": len(parts) - len(files),
            "shards": [part.path for part in files if part.kind == "header"],
            "files": [part.path for part in files if part.kind == "file"],
        }

    def to_json(self) -> dict[str, JsonValue]:
        """Return the whole commitment as JSON."""
        return {
            "format": FORMAT,
            "root": to_hex(self.root),
            "parts": [
                {
                    **entry.part.to_json(),
                    "chunks": [to_hex(digest) for digest in entry.chunks],
                }
                for entry in self.entries
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> ModelCommitment:
        """Parse a commitment from hostile JSON; its stated root is recomputed.

        Raises:
            MalformedError: a field is missing, unknown or not what it should be, parts
                are not sorted and unique, a part has another number of chunks than its
                size says, or the root is another.
        """
        if not isinstance(value, dict) or set(value) != {"format", "root", "parts"}:
            raise _refuse(got="other fields", expected="format, root and parts")
        if value["format"] != FORMAT:
            raise _refuse(got=f"format {value['format']!r:.80}", expected=FORMAT)
        if not isinstance(value["parts"], list):
            raise _refuse(got="parts that are no list", expected="a list")
        commitment = cls(tuple(_entry(item) for item in value["parts"]))
        order = [entry.part.order for entry in commitment.entries]
        if order != sorted(set(order)):
            raise _refuse(got="parts in disorder", expected="each once, in order")
        stated = digest_from_hex(value["root"], what="model commitment `root`")
        if stated != commitment.root:
            raise _refuse(
                got=f"root {to_hex(stated)}",
                expected=f"{to_hex(commitment.root)}, of its parts",
            )
        return commitment


def commit_model(
    folder: str | Path, *, progress: Progress | None = None, threads: int | None = None
) -> ModelCommitment:
    """Hash the model in `folder` and return its commitment.

    Files are streamed by several threads; memory depends on their number, not on the
    model.

    Args:
        folder: a local model folder.
        progress: told how many bytes are done.
        threads: how many read and hash; by default one per CPU.

    Raises:
        ModelFilesError: the folder cannot be committed to, or changed meanwhile; the
            subclass says why.
    """
    scan = scan_model(Path(folder))
    hashed = hash_extents(
        scan.folder,
        [placed.extent for placed in scan.parts],
        progress=progress,
        threads=threads,
    )
    require_unchanged(scan.folder, before=scan.listing)
    return ModelCommitment(
        tuple(
            Entry(placed.part, digests)
            for placed, digests in zip(scan.parts, hashed, strict=True)
        )
    )


def _entry(value: JsonValue) -> Entry:
    if not isinstance(value, dict):
        raise _refuse(got="a part that is no object", expected="an object")
    part = part_from_json({key: value[key] for key in value if key != "chunks"})
    chunks = value.get("chunks")
    if not isinstance(chunks, list) or len(chunks) != chunk_count(part):
        raise _refuse(
            got=f"another number of chunks of {part.label}",
            expected=f"{chunk_count(part)}, as its size says",
        )
    return Entry(part, tuple(digest_from_hex(item, what="chunk") for item in chunks))


def _refuse(*, got: str, expected: str) -> MalformedError:
    return MalformedError("model commitment", got=got, expected=expected)
