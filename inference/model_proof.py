"""Proof that one chunk belongs to a committed model, from the root and the chunk alone.

A proof says which part and chunk, what the chunk hashes to, and how its leaf hangs
together with the root (`affiant.encoding.MerklePath`). Whoever checks it trusts the
root and nothing else: the proof is hostile until then, and has exactly one spelling
(canonical JSON), so that no byte of it can change unnoticed. The format is in
`docs/formats.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from affiant.encoding import (
    Digest,
    JsonValue,
    MerklePath,
    canonical_json,
    digest_from_hex,
    merkle_path,
    parse_json,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.commitment import ModelCommitment
from affiant.inference.errors import (
    ChunkProofError,
    ModelFilesError,
    ModelPartMissingError,
)
from affiant.inference.model_files import scan_model
from affiant.inference.model_parts import (
    CHUNK_BYTES,
    Part,
    chunk_count,
    chunk_leaf,
    chunk_size,
    part_from_json,
    require_number,
)

PROOF_FORMAT = "affiant-model-proof/2"
"""Format tag; its number is that of the commitment."""
MAX_PROOF_BYTES = 1 << 16
"""Largest proof read, in bytes. A name takes at most 24 KiB in JSON, a path 4 KiB."""


@dataclass(frozen=True)
class ChunkProof:
    """That a chunk of a part is under a root."""

    part: Part
    """What the chunk belongs to."""
    chunk: int
    """The chunk's place in the part, from 0."""
    digest: Digest
    """BLAKE3 of the chunk's bytes."""
    path: MerklePath
    """From its leaf to the root."""

    @property
    def offset(self) -> int:
        """First byte of the chunk inside the part."""
        return self.chunk * CHUNK_BYTES

    @property
    def size(self) -> int:
        """Length of the chunk, in bytes."""
        return chunk_size(self.part, self.chunk)

    def check(self, *, root: Digest, data: bytes) -> None:
        """Refuse anything but the chunk's bytes under the committed root.

        1. the bytes are as many as this chunk of the part has;
        2. they hash to what the proof says;
        3. the chunk's leaf has this path under the root.

        Args:
            root: the model's identity, from a mandate, a receipt or a registry.
            data: what the chunk is said to be.

        Raises:
            ChunkProofError: one of them does not hold.
        """
        # 1.
        if len(data) != self.size:
            raise ChunkProofError(
                "length", got=f"{len(data)} bytes", expected=f"{self.size} bytes"
            )
        # 2.
        digest = Digest(blake3(data).digest())
        if digest != self.digest:
            raise ChunkProofError(
                "bytes", got=f"BLAKE3 {to_hex(digest)}", expected=to_hex(self.digest)
            )
        # 3.
        leaf = chunk_leaf(self.part, index=self.chunk, digest=digest)
        found = self.path.root_of(leaf)
        if found != root:
            raise ChunkProofError("root", got=to_hex(found), expected=to_hex(root))

    def to_bytes(self) -> bytes:
        """Return the proof as a file: canonical JSON without a final newline."""
        return canonical_json(
            {
                "format": PROOF_FORMAT,
                "part": self.part.to_json(),
                "chunk": {"index": self.chunk, "blake3": to_hex(self.digest)},
                "leaf": {"index": self.path.index, "count": self.path.count},
                "siblings": [to_hex(sibling) for sibling in self.path.siblings],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ChunkProof:
        """Parse a proof from hostile bytes.

        Raises:
            MalformedError: it is too large, spelled otherwise than `to_bytes` spells
                it, a field is missing, unknown or not what it should be, there is no
                such chunk in the part or leaf in the tree, or the tree has another
                number of siblings.
        """
        value = parse_json(data, what="model proof", max_bytes=MAX_PROOF_BYTES)
        fields = _fields(value, "", {"format", "part", "chunk", "leaf", "siblings"})
        if fields["format"] != PROOF_FORMAT:
            raise _refuse("format", f"{fields['format']!r:.80}", PROOF_FORMAT)
        part = part_from_json(fields["part"])
        chunk = _fields(fields["chunk"], "chunk", {"index", "blake3"})
        leaf = _fields(fields["leaf"], "leaf", {"index", "count"})
        siblings = fields["siblings"]
        index = require_number(chunk["index"], what="chunk index")
        if index >= chunk_count(part):
            raise _refuse("chunk index", f"{index}", f"under {chunk_count(part)}")
        if not isinstance(siblings, list) or len(siblings) > 64:
            raise _refuse("siblings", "no list of them", "at most 64")
        proof = cls(
            part=part,
            chunk=index,
            digest=digest_from_hex(chunk["blake3"], what="chunk blake3"),
            path=MerklePath(
                index=require_number(leaf["index"], what="leaf index"),
                count=require_number(leaf["count"], what="leaf count"),
                siblings=tuple(
                    digest_from_hex(sibling, what="sibling") for sibling in siblings
                ),
            ),
        )
        if proof.to_bytes() != data:
            raise _refuse("spelling", "another", "canonical JSON, nothing around it")
        return proof


def prove_chunk(commitment: ModelCommitment, label: str, *, chunk: int) -> ChunkProof:
    """Return the proof of one chunk.

    Args:
        commitment: the whole commitment.
        label: the part: `tensor:<name>`, `header:<path of the shard>`, `file:<path>`.
        chunk: the chunk's place in the part, from 0.

    Raises:
        ModelPartMissingError: there is no such part, or no such chunk in it.
    """
    first = 0
    for entry in commitment.entries:
        if entry.part.label != label:
            first += len(entry.chunks)
            continue
        if not 0 <= chunk < len(entry.chunks):
            raise ModelPartMissingError(
                label, got=f"chunk {chunk}", expected=f"0 to {len(entry.chunks) - 1}"
            )
        return ChunkProof(
            part=entry.part,
            chunk=chunk,
            digest=entry.chunks[chunk],
            path=merkle_path(commitment.leaves(), first + chunk),
        )
    raise ModelPartMissingError(
        label, got="no such part", expected=f"one of the {len(commitment.entries)}"
    )


def read_chunk(folder: str | Path, proof: ChunkProof) -> bytes:
    """Return the bytes that `proof` is about, from a folder that holds them.

    Args:
        folder: the model's folder.
        proof: made from its commitment.

    Raises:
        ModelPartMissingError: the folder has no such part.
        ChunkProofError: the chunk is another there.
        ModelFilesError: the folder cannot be read.
    """
    scan = scan_model(Path(folder))
    extents = [item.extent for item in scan.parts if item.part == proof.part]
    if not extents:
        raise ModelPartMissingError(
            proof.part.label, got="no such part", expected="the one that was proven"
        )
    try:
        with (scan.folder / extents[0].path).open("rb") as file:
            file.seek(extents[0].offset + proof.offset)
            data = file.read(proof.size)
    except OSError as error:
        raise ModelFilesError(
            extents[0].path, got=str(error), expected="a readable file"
        ) from error
    if blake3(data).digest() != proof.digest:
        raise ChunkProofError(
            "bytes", got="another chunk", expected=f"BLAKE3 {to_hex(proof.digest)}"
        )
    return data


def _fields(value: JsonValue, what: str, expected: set[str]) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or set(value) != expected:
        got = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise _refuse(
            f"{what} fields".strip(), f"{got!r:.80}", ", ".join(sorted(expected))
        )
    return value


def _refuse(what: str, got: str, expected: str) -> MalformedError:
    return MalformedError(f"model proof `{what}`", got=got, expected=expected)
