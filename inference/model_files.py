"""What a model folder holds, and BLAKE3 over it in parallel, one chunk at a time.

It decides which files shape a model and whether shards and index agree; what the hashes
mean is the commitment's business. Links are followed (hub caches are made of them).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from blake3 import blake3

from affiant.encoding import Digest
from affiant.inference.errors import (
    ModelFileMissingError,
    ModelFilesError,
    ModelFileTruncatedError,
    ModelIndexError,
)
from affiant.inference.safetensors_header import TensorRange, read_header, read_index

CHUNK_BYTES = 1 << 20
"""Bytes per chunk."""
INDEX_NAME = "model.safetensors.index.json"
"""Name of the shard index."""
SHARD_SUFFIX = ".safetensors"
"""Ending of a shard's name."""
INERT = (
    "*.md",
    "LICENSE*",
    "NOTICE*",
    "*.png",
    "*.jpg",
    "*.svg",
    "*.pdf",
)
"""Files that no engine reads; with hidden ones, the only ones left out."""
Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all), by one thread at a time."""

_SPAN_CHUNKS = 64


@dataclass(frozen=True)
class ModelScan:
    """The parts of a model folder."""

    folder: Path
    """The folder."""
    tensors: tuple[tuple[str, TensorRange], ...]
    """(shard, tensor), by tensor name."""
    files: tuple[tuple[str, int], ...]
    """(path, size in bytes) of every other file that counts, by path."""

    @property
    def total_bytes(self) -> int:
        """Bytes that will be hashed."""
        return sum(tensor.size for _, tensor in self.tensors) + sum(
            size for _, size in self.files
        )


def scan_model(folder: Path) -> ModelScan:
    """List the tensors and files of the model in `folder`.

    Raises:
        ModelFileMissingError: the folder, a shard or every shard is missing.
        ModelFileTruncatedError: a shard is not as long as its header says.
        SafetensorsHeaderError: a header is not well formed.
        ModelIndexError: index and shards disagree, or a tensor is there twice.
    """
    if not folder.is_dir():
        raise ModelFileMissingError(
            str(folder), got="no such folder", expected="a model folder"
        )
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if _counts(path, folder=folder)
    )
    index = read_index(folder / INDEX_NAME) if INDEX_NAME in names else None
    # With an index, engines read the shards that it names and no others.
    shards = (
        sorted(set(index.values()))
        if index is not None
        else [name for name in names if name.endswith(SHARD_SUFFIX) and "/" not in name]
    )
    if not shards:
        raise ModelFileMissingError(
            str(folder), got="no safetensors file", expected="at least one"
        )
    found: dict[str, tuple[str, TensorRange]] = {}
    for shard in shards:
        if shard not in names:
            raise ModelFileMissingError(
                shard, got="no such file", expected="a shard that the index names"
            )
        for tensor in read_header(folder / shard):
            if tensor.name in found:
                raise ModelIndexError(
                    shard,
                    got=f"`{tensor.name}` again",
                    expected=f"once, in {found[tensor.name][0]}",
                )
            found[tensor.name] = (shard, tensor)
    if index is not None:
        _check_index(index, {name: shard for name, (shard, _) in found.items()})
    return ModelScan(
        folder=folder,
        tensors=tuple(found[name] for name in sorted(found)),
        files=tuple(
            (name, (folder / name).stat().st_size)
            for name in names
            if name not in shards and name != INDEX_NAME
        ),
    )


def _counts(path: Path, *, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    if any(part.startswith(".") for part in parts) or path.is_dir():
        return False
    if any(fnmatch(path.name, pattern) for pattern in INERT):
        return False
    if not path.is_file():
        # A link to nothing, as an unfinished download leaves it.
        raise ModelFileMissingError(
            "/".join(parts), got="a dangling link", expected="a file"
        )
    return True


def _check_index(index: dict[str, str], found: dict[str, str]) -> None:
    for name in sorted(index.keys() | found.keys()):
        if index.get(name) != found.get(name):
            raise ModelIndexError(
                INDEX_NAME,
                got=f"`{name}` in {index.get(name, 'no shard')}",
                expected=f"in {found.get(name, 'no shard')}, where it is",
            )


class Hashing:
    """BLAKE3 of chunks by a pool of threads, with progress."""

    def __init__(
        self, pool: ThreadPoolExecutor, *, total: int, progress: Progress | None
    ) -> None:
        """Prepare to hash `total` bytes on `pool`."""
        self._pool = pool
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def start(
        self, path: Path, *, offset: int, size: int
    ) -> list[Future[list[Digest]]]:
        """Queue a range of a file; `finish` returns its chunks' digests."""
        span = CHUNK_BYTES * _SPAN_CHUNKS
        starts = range(0, size, span) if size else range(1)
        return [
            self._pool.submit(self._hash, path, offset + at, min(span, size - at))
            for at in starts
        ]

    def finish(self, job: list[Future[list[Digest]]]) -> tuple[Digest, ...]:
        """Wait for a range and return the digest of each of its chunks.

        Raises:
            ModelFileTruncatedError: the file became shorter meanwhile.
            ModelFilesError: it cannot be read.
        """
        return tuple(digest for future in job for digest in future.result())

    def _hash(self, path: Path, offset: int, size: int) -> list[Digest]:
        digests: list[Digest] = []
        try:
            with path.open("rb") as file:
                file.seek(offset)
                for at in range(0, size, CHUNK_BYTES) if size else range(1):
                    expected = min(CHUNK_BYTES, size - at)
                    chunk = file.read(expected)
                    if len(chunk) != expected:
                        raise ModelFileTruncatedError(
                            path.name,
                            got=f"{offset + at + len(chunk)} bytes",
                            expected=f"{offset + size} bytes",
                        )
                    digests.append(Digest(blake3(chunk).digest()))
                    self._report(expected)
        except OSError as error:
            raise ModelFilesError(
                path.name, got=str(error), expected="a readable file"
            ) from error
        return digests

    def _report(self, size: int) -> None:
        with self._lock:
            self._done += size
            if self._progress is not None:
                self._progress(self._done, self._total)
