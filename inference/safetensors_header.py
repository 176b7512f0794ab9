"""Reading safetensors headers and the shard index without trusting them.

A header says where each tensor's bytes lie: 8 bytes little-endian length, then JSON
(https://github.com/huggingface/safetensors#format). It decides whether the ranges are
sound: inside the file, without holes or overlaps, as long as shape and type say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.inference.errors import (
    ModelFileMissingError,
    ModelFilesError,
    ModelFileTruncatedError,
    ModelIndexError,
    SafetensorsHeaderError,
)

MAX_HEADER_BYTES = 100_000_000
"""Largest header accepted; the format's own limit."""
MAX_INDEX_BYTES = 100_000_000
"""Largest shard index accepted."""
MAX_RANK = 16
"""Most dimensions of a tensor."""
BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits per element of each type that the format knows (safetensors 0.8)."""


@dataclass(frozen=True)
class TensorRange:
    """Where one tensor lies in its shard."""

    name: str
    """Name of the tensor."""
    dtype: str
    """Type, a key of `BITS`."""
    shape: tuple[int, ...]
    """Length of each dimension."""
    offset: int
    """First byte in the file."""
    size: int
    """Length in bytes."""


def read_header(path: Path) -> tuple[TensorRange, ...]:
    """Return the tensors of the shard at `path`, in file order.

    Raises:
        ModelFileTruncatedError: the file is shorter or longer than the header says.
        SafetensorsHeaderError: the header is not well formed.
        ModelFilesError: the file cannot be read.
    """
    name = path.name
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            size = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or 8 + size > length:
                raise ModelFileTruncatedError(
                    name, got=f"{length} bytes", expected=f"a header of {size} bytes"
                )
            if size > MAX_HEADER_BYTES:
                raise SafetensorsHeaderError(
                    name, got=f"{size} bytes", expected=f"at most {MAX_HEADER_BYTES}"
                )
            content = file.read(size)
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
        _range(name, tensor, entry, data_start=8 + size)
        for tensor, entry in header.items()
        if tensor != "__metadata__"
    ]
    ranges.sort(key=lambda item: (item.offset, item.size))
    end = 8 + size
    for item in ranges:
        if item.offset != end:
            raise SafetensorsHeaderError(
                name,
                got=f"`{item.name}` at byte {item.offset}",
                expected=f"byte {end}, without holes or overlaps",
            )
        end += item.size
    if end != length:
        raise ModelFileTruncatedError(
            name, got=f"{length} bytes", expected=f"{end} bytes"
        )
    return tuple(ranges)


def _range(file: str, name: str, entry: JsonValue, *, data_start: int) -> TensorRange:
    def refuse(got: str, expected: str) -> SafetensorsHeaderError:
        return SafetensorsHeaderError(file, got=f"`{name}` {got}", expected=expected)

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise refuse("of another form", "dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise refuse(f"of type {dtype!r}"[:80], "a type of safetensors")
    if not _naturals(shape) or len(shape) > MAX_RANK:
        raise refuse(f"of shape {shape!r}"[:80], "natural numbers")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise refuse(f"at {offsets!r}"[:80], "[begin, end]")
    bits = math.prod(shape) * BITS[dtype]
    size = offsets[1] - offsets[0]
    if bits != 8 * size:
        raise refuse(f"of {size} bytes", f"{bits} bits, as shape and type say")
    return TensorRange(
        name=name,
        dtype=dtype,
        shape=tuple(shape),
        offset=data_start + offsets[0],
        size=size,
    )


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < 2**63 for item in value
    )


def read_index(path: Path) -> dict[str, str]:
    """Return the shard of each tensor, as the index at `path` says.

    Raises:
        ModelIndexError: it is not an index.
        ModelFileMissingError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileMissingError(
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
