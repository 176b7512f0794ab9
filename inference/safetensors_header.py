"""Reading safetensors headers and the shard index without trusting them.

A header says where each tensor's bytes lie: 8 bytes little-endian length, then JSON
(https://github.com/huggingface/safetensors#format). It decides whether the ranges are
sound: inside the file, without holes or overlaps, as long as shape and type say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.inference.errors import (
    ModelFilesError,
    ModelFileTruncatedError,
    ModelIndexError,
    SafetensorsHeaderError,
)
from affiant.inference.model_parts import MAX_NUMBER, TensorPart, tensor_part

MAX_HEADER_BYTES = 100_000_000
"""Largest header accepted, in bytes; the format's own limit."""
MAX_INDEX_BYTES = 100_000_000
"""Largest shard index accepted, in bytes."""


@dataclass(frozen=True)
class TensorRange:
    """Where one tensor lies in its shard."""

    part: TensorPart
    """The tensor."""
    offset: int
    """First byte in the file."""


@dataclass(frozen=True)
class ShardHeader:
    """What a shard says of itself."""

    size: int
    """Bytes before the first tensor: the length field and the JSON."""
    tensors: tuple[TensorRange, ...]
    """In file order."""


def read_header(path: Path, *, name: str) -> ShardHeader:
    """Return the header of the shard at `path`.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        ModelFileTruncatedError: the file is shorter or longer than the header says.
        SafetensorsHeaderError: the header is not well formed.
        ModelFilesError: the file cannot be read.
    """
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            size = 8 + int.from_bytes(prefix, "little")
            if len(prefix) < 8 or size > length:
                raise ModelFileTruncatedError(
                    name, got=f"{length} bytes", expected=f"a header of {size} bytes"
                )
            if size - 8 > MAX_HEADER_BYTES:
                raise SafetensorsHeaderError(
                    name,
                    got=f"{size - 8} bytes",
                    expected=f"at most {MAX_HEADER_BYTES} bytes",
                )
            content = file.read(size - 8)
    except OSError as error:
        raise ModelFilesError(
            name, got=str(error), expected="a readable file"
        ) from error
    try:
        header = parse_json(content, what="header", max_bytes=MAX_HEADER_BYTES)
    except MalformedError as error:
        raise SafetensorsHeaderError(name, got=error.got, expected="JSON") from error
    if not isinstance(header, dict):
        raise SafetensorsHeaderError(name, got="no object", expected="an object")
    ranges = [
        _range(name, tensor, entry, data_start=size)
        for tensor, entry in header.items()
        if tensor != "__metadata__"
    ]
    ranges.sort(key=lambda item: (item.offset, item.part.size))
    end = size
    for item in ranges:
        if item.offset != end:
            raise SafetensorsHeaderError(
                name,
                got=f"`{item.part.name}` at byte {item.offset}",
                expected=f"byte {end}, without holes or overlaps",
            )
        end += item.part.size
    if end != length:
        raise ModelFileTruncatedError(
            name, got=f"{length} bytes", expected=f"{end} bytes"
        )
    return ShardHeader(size=size, tensors=tuple(ranges))


def _range(file: str, name: str, entry: JsonValue, *, data_start: int) -> TensorRange:
    def refuse(got: str, expected: str) -> SafetensorsHeaderError:
        return SafetensorsHeaderError(
            file, got=f"{name!r:.80} {got}", expected=expected
        )

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise refuse("of another form", "dtype, shape and data_offsets")
    try:
        part = tensor_part(name, dtype=entry["dtype"], shape=entry["shape"])
    except MalformedError as error:
        raise refuse(f"with {error.what} {error.got}", error.expected) from error
    offsets = entry["data_offsets"]
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(type(offset) is int for offset in offsets)
        or not 0 <= offsets[0] <= offsets[1] <= MAX_NUMBER
    ):
        raise refuse(f"at {offsets!r}"[:80], "[begin, end]")
    if offsets[1] - offsets[0] != part.size:
        raise refuse(
            f"of {offsets[1] - offsets[0]} bytes",
            f"{part.size} bytes, as shape and type say",
        )
    return TensorRange(part=part, offset=data_start + offsets[0])


def read_index(path: Path) -> dict[str, str]:
    """Return the shard of each tensor, as the index at `path` says.

    Raises:
        ModelIndexError: it is not an index.
        ModelFilesError: it cannot be read.
    """
    try:
        # A read of so many bytes would reserve them all, however short the file is.
        most = min(path.stat().st_size, MAX_INDEX_BYTES) + 1
        with path.open("rb") as file:
            content = file.read(most)
    except OSError as error:
        raise ModelFilesError(
            path.name, got=str(error), expected="a readable index"
        ) from error
    try:
        value = parse_json(content, what="index", max_bytes=MAX_INDEX_BYTES)
    except MalformedError as error:
        raise ModelIndexError(path.name, got=error.got, expected="JSON") from error
    shards = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(shards, dict) or not all(
        isinstance(shard, str) for shard in shards.values()
    ):
        raise ModelIndexError(
            path.name, got="no `weight_map`", expected="names of shards"
        )
    return shards
