"""The model commitment: one root over everything in a folder that shapes a model.

    tensor chunk  leaf = keccak256("affiant-model/1 tensor" ‖ len(name) ‖ name
                         ‖ len(dtype) ‖ dtype ‖ rank ‖ shape ‖ index ‖ blake3(chunk))
    file chunk    leaf = keccak256("affiant-model/1 file" ‖ len(path) ‖ path
                         ‖ size ‖ index ‖ blake3(chunk))
    root          = merkle_root(tensor leaves by name, then file leaves by path)

Numbers are big-endian uint64, chunks are 1 MiB (the last may be shorter; nothing at all
is one empty chunk). Tensors are addressed by name, not by shard, so re-sharding keeps
the root; the shard index is checked and carries nothing else. Every other file counts,
except the few kinds that no engine reads (`model_files.INERT`). Files are hashed as
they lie on the disk: engines repack weights in memory. That a server loaded this folder
is not shown here; replay shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from affiant.encoding import (
    Digest,
    JsonValue,
    digest_from_hex,
    keccak256,
    merkle_root,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.model_files import Hashing, Progress, scan_model

FORMAT = "affiant-model/1"
"""Format tag, in the JSON and in every leaf."""


@dataclass(frozen=True)
class TensorEntry:
    """One tensor."""

    name: str
    """Name in the safetensors header."""
    dtype: str
    """Type as safetensors spells it, such as `BF16`."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    chunks: tuple[Digest, ...]
    """BLAKE3 of each 1 MiB chunk."""

    def leaves(self) -> Iterator[Digest]:
        """Yield the leaf of each chunk."""
        shape = b"".join(_u64(length) for length in self.shape)
        head = (
            f"{FORMAT} tensor".encode()
            + _text(self.name)
            + _text(self.dtype)
            + _u64(len(self.shape))
            + shape
        )
        for index, chunk in enumerate(self.chunks):
            yield keccak256(head + _u64(index) + chunk)


@dataclass(frozen=True)
class FileEntry:
    """One file that is not a safetensors shard."""

    path: str
    """Path inside the folder, with `/`."""
    size: int
    """Length in bytes."""
    chunks: tuple[Digest, ...]
    """BLAKE3 of each 1 MiB chunk."""

    def leaves(self) -> Iterator[Digest]:
        """Yield the leaf of each chunk."""
        head = f"{FORMAT} file".encode() + _text(self.path) + _u64(self.size)
        for index, chunk in enumerate(self.chunks):
            yield keccak256(head + _u64(index) + chunk)


@dataclass(frozen=True)
class Change:
    """One difference between two commitments."""

    kind: str
    """`added`, `removed` or `changed`."""
    name: str
    """Tensor `tensor:<name>` or file `file:<path>`."""
    chunk: int | None
    """The changed chunk; `None` where type, shape or size differ or all of it does."""


@dataclass(frozen=True)
class ModelCommitment:
    """The commitment to one model folder."""

    tensors: tuple[TensorEntry, ...]
    """Sorted by name."""
    files: tuple[FileEntry, ...]
    """Sorted by path."""

    @property
    def root(self) -> Digest:
        """The model's identity; the receipt's `model`."""
        return merkle_root(
            [leaf for tensor in self.tensors for leaf in tensor.leaves()]
            + [leaf for file in self.files for leaf in file.leaves()]
        )

    def diff(self, other: ModelCommitment) -> tuple[Change, ...]:
        """Return what `other` has differently, named by tensor or file and chunk."""
        ours, theirs = self._named(), other._named()
        changes: list[Change] = []
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in theirs:
                changes.append(Change("removed", name, None))
            elif name not in ours:
                changes.append(Change("added", name, None))
            elif ours[name][0] != theirs[name][0]:
                changes.append(Change("changed", name, None))
            else:
                pairs = zip(ours[name][1], theirs[name][1], strict=True)
                changes += [
                    Change("changed", name, index)
                    for index, (mine, yours) in enumerate(pairs)
                    if mine != yours
                ]
        return tuple(changes)

    def _named(self) -> dict[str, tuple[object, tuple[Digest, ...]]]:
        named: dict[str, tuple[object, tuple[Digest, ...]]] = {}
        for tensor in self.tensors:
            shape = (tensor.dtype, tensor.shape, len(tensor.chunks))
            named[f"tensor:{tensor.name}"] = (shape, tensor.chunks)
        for file in self.files:
            named[f"file:{file.path}"] = ((file.size, len(file.chunks)), file.chunks)
        return named

    def summary(self) -> dict[str, JsonValue]:
        """Return the root and counts, small enough for evidence."""
        return {
            "format": FORMAT,
            "root": to_hex(self.root),
            "tensors": len(self.tensors),
            "files": [file.path for file in self.files],
        }

    def to_json(self) -> dict[str, JsonValue]:
        """Return the whole commitment as JSON."""
        return {
            "format": FORMAT,
            "root": to_hex(self.root),
            "tensors": [
                {
                    "name": tensor.name,
                    "dtype": tensor.dtype,
                    "shape": list(tensor.shape),
                    "chunks": [to_hex(chunk) for chunk in tensor.chunks],
                }
                for tensor in self.tensors
            ],
            "files": [
                {
                    "path": file.path,
                    "size": file.size,
                    "chunks": [to_hex(chunk) for chunk in file.chunks],
                }
                for file in self.files
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> ModelCommitment:
        """Parse a commitment from hostile JSON; its stated root is recomputed.

        Raises:
            MalformedError: a field is missing or of another type, entries are not
                sorted and unique, or the root is another.
        """
        try:
            commitment = cls(
                tensors=tuple(
                    TensorEntry(
                        name=_is_text(item["name"]),
                        dtype=_is_text(item["dtype"]),
                        shape=tuple(_is_count(length) for length in item["shape"]),
                        chunks=_digests(item["chunks"]),
                    )
                    for item in value["tensors"]
                ),
                files=tuple(
                    FileEntry(
                        path=_is_text(item["path"]),
                        size=_is_count(item["size"]),
                        chunks=_digests(item["chunks"]),
                    )
                    for item in value["files"]
                ),
            )
            names = [tensor.name for tensor in commitment.tensors]
            paths = [file.path for file in commitment.files]
            if names != sorted(set(names)) or paths != sorted(set(paths)):
                raise TypeError("entries are not sorted and unique")
            if commitment.to_json() != value:
                raise TypeError("another root, or unknown fields")
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise MalformedError(
                "model commitment", got=str(error)[:200], expected=FORMAT
            ) from error
        return commitment


def commit_model(
    folder: str | Path, *, progress: Progress | None = None, threads: int | None = None
) -> ModelCommitment:
    """Hash the model in `folder` and return its commitment.

    Files are streamed, 1 MiB at a time, by several threads.

    Args:
        folder: a local model folder.
        progress: told how many bytes are done.
        threads: how many read and hash; by default one per CPU.

    Raises:
        ModelFileMissingError: the folder, a shard or every shard is missing.
        ModelFileTruncatedError: a shard is not as long as its header says.
        SafetensorsHeaderError: a header is not well formed.
        ModelIndexError: index and shards disagree, or a tensor is there twice.
    """
    scan = scan_model(Path(folder))
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        hashing = Hashing(pool, total=scan.total_bytes, progress=progress)
        tensor_jobs = [
            (
                item,
                hashing.start(scan.folder / shard, offset=item.offset, size=item.size),
            )
            for shard, item in scan.tensors
        ]
        file_jobs = [
            (path, size, hashing.start(scan.folder / path, offset=0, size=size))
            for path, size in scan.files
        ]
        return ModelCommitment(
            tensors=tuple(
                TensorEntry(
                    name=item.name,
                    dtype=item.dtype,
                    shape=item.shape,
                    chunks=hashing.finish(job),
                )
                for item, job in tensor_jobs
            ),
            files=tuple(
                FileEntry(path=path, size=size, chunks=hashing.finish(job))
                for path, size, job in file_jobs
            ),
        )


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return _u64(len(encoded)) + encoded


def _is_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    value.encode("utf-8")
    return value


def _is_count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise TypeError(f"{value!r} is not a natural number")
    return value


def _digests(value: object) -> tuple[Digest, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError("chunks are not a list")
    return tuple(digest_from_hex(item, what="chunk") for item in value)
