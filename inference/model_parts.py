"""What a model commitment is made of: parts, cut into chunks, and each chunk's leaf.

    tensor   leaf = keccak256("affiant-model/2 tensor" ‖ name ‖ dtype ‖ rank ‖ shape
                              ‖ index ‖ blake3(chunk))
    header   leaf = keccak256("affiant-model/2 header" ‖ path ‖ size ‖ index
                              ‖ blake3(chunk))
    file     leaf = keccak256("affiant-model/2 file" ‖ path ‖ size ‖ index
                              ‖ blake3(chunk))

A shard is a header part (its first bytes, up to the tensors) and a part per tensor;
every other file is one part. Texts are preceded by their length in bytes; lengths,
sizes, ranks, dimensions and indices are uint64, big-endian. Chunks are 1 MiB, the last
may be shorter, and nothing at all is one empty chunk. Pure: it reads no file and trusts
none of the values that it parses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from affiant.encoding import Digest, JsonValue, keccak256
from affiant.errors import MalformedError

FORMAT = "affiant-model/2"
"""Format tag, in the JSON and in every leaf."""
CHUNK_BYTES = 1 << 20
"""Bytes per chunk."""
MAX_NAME_BYTES = 4096
"""Longest name of a tensor or path of a file, in UTF-8."""
MAX_RANK = 16
"""Most dimensions of a tensor."""
MAX_NUMBER = 2**53 - 1
"""Largest size or dimension: what canonical JSON can express."""
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
"""Bits per element of each type that safetensors knows (0.8)."""


@dataclass(frozen=True)
class TensorPart:
    """The values of one tensor."""

    name: str
    """Name in the safetensors header."""
    dtype: str
    """Type as safetensors spells it, a key of `BITS`."""
    shape: tuple[int, ...]
    """Length of each dimension."""

    @property
    def label(self) -> str:
        """What the part is called where a change is named."""
        return f"tensor:{self.name}"

    @property
    def size(self) -> int:
        """Length in bytes."""
        return math.prod(self.shape) * BITS[self.dtype] // 8

    @property
    def order(self) -> tuple[int, str]:
        """Where the part's leaves stand in the tree: tensors come first, by name."""
        return 0, self.name

    def head(self) -> bytes:
        """Return what each of the part's leaves begins with."""
        numbers = (len(self.shape), *self.shape)
        return (
            f"{FORMAT} tensor".encode()
            + _text(self.name)
            + _text(self.dtype)
            + b"".join(_u64(number) for number in numbers)
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the part as JSON."""
        return {
            "kind": "tensor",
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
        }


@dataclass(frozen=True)
class FilePart:
    """A whole file, or what lies before the tensors of a shard."""

    kind: Literal["header", "file"]
    """`header`: the first bytes of a shard; `file`: a file that is no shard."""
    path: str
    """Path inside the folder, with `/`."""
    size: int
    """Length in bytes."""

    @property
    def label(self) -> str:
        """What the part is called where a change is named."""
        return f"{self.kind}:{self.path}"

    @property
    def order(self) -> tuple[int, str]:
        """Where the part's leaves stand: headers by path, then files by path."""
        return 1 if self.kind == "header" else 2, self.path

    def head(self) -> bytes:
        """Return what each of the part's leaves begins with."""
        return f"{FORMAT} {self.kind}".encode() + _text(self.path) + _u64(self.size)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the part as JSON."""
        return {"kind": self.kind, "path": self.path, "size": self.size}


Part = TensorPart | FilePart
"""What is committed to, chunk by chunk."""


def chunk_count(part: Part) -> int:
    """Return how many chunks `part` has; at least one."""
    return max(1, -(-part.size // CHUNK_BYTES))


def chunk_size(part: Part, index: int) -> int:
    """Return the length of chunk `index` of `part`, in bytes."""
    return min(CHUNK_BYTES, part.size - index * CHUNK_BYTES)


def chunk_leaf(part: Part, *, index: int, digest: Digest) -> Digest:
    """Return the leaf of one chunk.

    Args:
        part: what the chunk belongs to.
        index: the chunk's place in it, from 0.
        digest: BLAKE3 of the chunk's bytes.
    """
    return keccak256(part.head() + _u64(index) + digest)


def part_from_json(value: JsonValue) -> Part:
    """Parse a part from hostile JSON.

    Raises:
        MalformedError: a field is missing, unknown or not what it should be.
    """
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in ("tensor", "header", "file"):
        raise _refuse("kind", got=kind, expected="tensor, header or file")
    fields = {"name", "dtype", "shape"} if kind == "tensor" else {"path", "size"}
    if set(value) != {"kind", *fields}:
        raise _refuse(
            "fields", got=sorted(value), expected=f"kind, {', '.join(sorted(fields))}"
        )
    if kind == "tensor":
        return tensor_part(value["name"], dtype=value["dtype"], shape=value["shape"])
    return FilePart(
        kind,
        require_name(value["path"], what="path"),
        require_number(value["size"], what="size"),
    )


def tensor_part(name: object, *, dtype: object, shape: object) -> TensorPart:
    """Return the tensor that hostile values describe.

    Args:
        name: its name.
        dtype: its type, a key of `BITS`.
        shape: the length of each dimension.

    Raises:
        MalformedError: they describe none.
    """
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _refuse("dtype", got=dtype, expected="a type of safetensors")
    if not isinstance(shape, list) or len(shape) > MAX_RANK:
        raise _refuse("shape", got=shape, expected=f"at most {MAX_RANK} dimensions")
    lengths = tuple(require_number(length, what="shape") for length in shape)
    bits = math.prod(lengths) * BITS[dtype]
    if bits % 8 or bits // 8 > MAX_NUMBER:
        raise _refuse("shape", got=shape, expected="whole bytes, fewer than 2^53")
    return TensorPart(require_name(name, what="name"), dtype, lengths)


def require_name(value: object, *, what: str) -> str:
    """Return `value` if it is a name that prints as what it is.

    Raises:
        MalformedError: it is no text, empty, too long, or holds control characters,
            lone surrogates or what else moves a terminal's cursor.
    """
    if (
        not isinstance(value, str)
        or not value
        or not value.isprintable()
        or len(value.encode()) > MAX_NAME_BYTES
    ):
        raise _refuse(
            what, got=value, expected=f"1 to {MAX_NAME_BYTES} bytes of printable text"
        )
    return value


def require_number(value: object, *, what: str) -> int:
    """Return `value` if it is a natural number that canonical JSON can express.

    Raises:
        MalformedError: it is not.
    """
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise _refuse(what, got=value, expected="a natural number under 2^53")
    return value


def _refuse(what: str, *, got: Any, expected: str) -> MalformedError:
    return MalformedError(f"model part `{what}`", got=repr(got)[:80], expected=expected)


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return _u64(len(encoded)) + encoded
