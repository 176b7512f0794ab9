"""Hashing in chunks: the same as plain hashing, in little memory, and stoppable."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affiant.inference.chunk_hashing import SPAN_BYTES, Extent, hash_extents
from affiant.inference.errors import (
    ModelChangedError,
    ModelFilesError,
    ModelFileTruncatedError,
)
from affiant.inference.model_parts import CHUNK_BYTES

SIZE = 3 * CHUNK_BYTES + 17
EDGES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, SIZE]


def plain(content: bytes, extent: Extent) -> tuple[bytes, ...]:
    """Hash an extent as the format's words say."""
    data = content[extent.offset : extent.offset + extent.size]
    starts = range(0, len(data), CHUNK_BYTES) if data else range(1)
    return tuple(blake3(data[at : at + CHUNK_BYTES]).digest() for at in starts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of a little over 3 MiB."""
    root = tmp_path_factory.mktemp("files")
    for name in ("a", "b"):
        content = blake3(name.encode()).digest(length=SIZE)
        (root / name).write_bytes(content)
    return root


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), threads=st.integers(1, 4))
def test_equals_plain_hashing(folder: Path, data: st.DataObject, threads: int) -> None:
    extents = []
    for _ in range(data.draw(st.integers(0, 6))):
        first, last = sorted(
            data.draw(st.sampled_from(EDGES) | st.integers(0, SIZE)) for _ in range(2)
        )
        name = data.draw(st.sampled_from("ab"))
        extents.append(Extent(name, first, last - first))
    content = {name: (folder / name).read_bytes() for name in "ab"}
    seen: list[tuple[int, int]] = []
    found = hash_extents(
        folder,
        extents,
        threads=threads,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found == [plain(content[extent.path], extent) for extent in extents]
    total = sum(extent.size for extent in extents)
    assert seen == sorted(seen)
    assert not seen or seen[-1] == (total, total)


def sparse(folder: Path, size: int) -> Extent:
    with (folder / "sparse").open("wb") as file:
        file.truncate(size)
    return Extent("sparse", 0, size)


def test_large_files_are_cut_into_spans(tmp_path: Path) -> None:
    extent = sparse(tmp_path, 2 * SPAN_BYTES + 5)
    found = hash_extents(tmp_path, [extent], threads=2)[0]
    zeros = blake3(bytes(CHUNK_BYTES)).digest()
    assert found == (*[zeros] * 128, blake3(bytes(5)).digest())


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    extent = sparse(tmp_path, 2**30)
    tracemalloc.start()
    try:
        hash_extents(tmp_path, [extent], threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Two buffers of 1 MiB, and 1024 digests.
    assert peak < 4 * 2**20


def test_many_small_extents_share_spans(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 40)
    extents = [Extent("a", at, 1) for at in range(10_000)]
    found = hash_extents(tmp_path, extents, threads=2)
    assert found == [(blake3(bytes([at % 256])).digest(),) for at in range(10_000)]


def test_an_interruption_ends_it_at_once(tmp_path: Path) -> None:
    extent = sparse(tmp_path, 2**34)
    seen: list[int] = []

    def interrupt(done: int, total: int) -> None:
        seen.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_extents(tmp_path, [extent], threads=2, progress=interrupt)
    # 256 spans; those under way end at their first chunk, the rest never begin.
    assert len(seen) <= 8


def test_refuses_a_file_that_shrank_went_or_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "folder").mkdir()
    for extent, expected, said in (
        (Extent("a", 0, 4), ModelFileTruncatedError, "got 3 bytes, expected 4 bytes"),
        (Extent("a", 9, 1), ModelFileTruncatedError, "`a`"),
        (Extent("gone", 0, 1), ModelChangedError, "`gone`"),
        (Extent("folder", 0, 1), ModelFilesError, "`folder`"),
    ):
        with pytest.raises(expected, match=said):
            hash_extents(tmp_path, [extent])
