"""BLAKE3 over the chunks of many parts at once: streamed, parallel, with progress.

Work is handed to threads in spans of neighbouring chunks and a few spans at a time, so
memory depends on the number of threads and not on the model. BLAKE3 and reading both
release the interpreter's lock. What the digests mean is the commitment's business.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from blake3 import blake3

from affiant.encoding import Digest
from affiant.inference.errors import (
    ModelChangedError,
    ModelFilesError,
    ModelFileTruncatedError,
)
from affiant.inference.model_parts import CHUNK_BYTES

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all), by one thread at a time."""
SPAN_BYTES = 64 * CHUNK_BYTES
"""Most bytes that a thread takes at once."""
_SPAN_PIECES = 4096
_SPANS_PER_THREAD = 2


@dataclass(frozen=True)
class Extent:
    """Bytes of a file that are hashed in chunks of their own."""

    path: str
    """Path of the file inside the folder."""
    offset: int
    """First byte."""
    size: int
    """Length in bytes; nothing at all is one empty chunk."""


@dataclass(frozen=True)
class _Piece:
    """Some chunks of one extent."""

    extent: int
    offset: int
    size: int


@dataclass(frozen=True)
class _Span:
    """Pieces of one file that one thread hashes."""

    path: str
    pieces: tuple[_Piece, ...]


def hash_extents(
    folder: Path,
    extents: Sequence[Extent],
    *,
    progress: Progress | None = None,
    threads: int | None = None,
) -> list[tuple[Digest, ...]]:
    """Return the BLAKE3 of every chunk of every extent, in the order of `extents`.

    Args:
        folder: where the files are.
        extents: what to hash; read in file order, whatever their order is.
        progress: told how many bytes are done.
        threads: how many read and hash; by default one per CPU.

    Raises:
        ModelChangedError: a file went meanwhile.
        ModelFileTruncatedError: a file became shorter meanwhile.
        ModelFilesError: one cannot be read.
    """
    workers = threads or os.cpu_count() or 1
    reading = _Reading(
        folder, total=sum(extent.size for extent in extents), progress=progress
    )
    digests: list[list[Digest]] = [[] for _ in extents]
    under_way: deque[Future[list[tuple[int, Digest]]]] = deque()

    def take() -> None:
        for extent, digest in under_way.popleft().result():
            digests[extent].append(digest)

    with ThreadPoolExecutor(workers) as pool:
        try:
            for span in _spans(extents):
                if len(under_way) >= workers * _SPANS_PER_THREAD:
                    take()
                under_way.append(pool.submit(reading.hash_span, span))
            while under_way:
                take()
        finally:
            # After a failure or an interruption nobody wants the rest.
            pool.shutdown(wait=False, cancel_futures=True)
    return [tuple(found) for found in digests]


def _spans(extents: Sequence[Extent]) -> Iterator[_Span]:
    """Cut the extents into spans, in file order."""
    order = sorted(
        range(len(extents)), key=lambda at: (extents[at].path, extents[at].offset)
    )
    path, pieces, size = "", list[_Piece](), 0
    for at in order:
        extent = extents[at]
        for start in range(0, max(extent.size, 1), SPAN_BYTES):
            length = min(SPAN_BYTES, extent.size - start)
            if pieces and (
                extent.path != path
                or size + length > SPAN_BYTES
                or len(pieces) == _SPAN_PIECES
            ):
                yield _Span(path, tuple(pieces))
                pieces, size = [], 0
            path, size = extent.path, size + length
            pieces.append(_Piece(at, extent.offset + start, length))
    if pieces:
        yield _Span(path, tuple(pieces))


class _Reading:
    """Reads and hashes spans for several threads, and counts what is done."""

    def __init__(self, folder: Path, *, total: int, progress: Progress | None) -> None:
        self._folder = folder
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def hash_span(self, span: _Span) -> list[tuple[int, Digest]]:
        """Return (extent, digest) of each chunk of `span`."""
        digests: list[tuple[int, Digest]] = []
        # One buffer for all: a fresh megabyte per chunk costs page faults.
        buffer = memoryview(bytearray(CHUNK_BYTES))
        try:
            with FileIO(self._folder / span.path) as file:
                for piece in span.pieces:
                    file.seek(piece.offset)
                    for at in range(0, max(piece.size, 1), CHUNK_BYTES):
                        chunk = buffer[: min(CHUNK_BYTES, piece.size - at)]
                        _fill(chunk, file, span.path)
                        digests.append((piece.extent, Digest(blake3(chunk).digest())))
                        self._report(len(chunk))
        except FileNotFoundError as error:
            raise ModelChangedError(
                span.path, got="no such file any more", expected="the file as it was"
            ) from error
        except OSError as error:
            raise ModelFilesError(
                span.path, got=str(error), expected="a readable file"
            ) from error
        return digests

    def _report(self, size: int) -> None:
        if self._progress is None:
            return
        with self._lock:
            self._done += size
            self._progress(self._done, self._total)


def _fill(chunk: memoryview, file: FileIO, path: str) -> None:
    filled = 0
    while filled < len(chunk):
        count = file.readinto(chunk[filled:])
        if not count:
            raise ModelFileTruncatedError(
                path,
                got=f"{file.tell()} bytes",
                expected=f"{file.tell() + len(chunk) - filled} bytes",
            )
        filled += count
