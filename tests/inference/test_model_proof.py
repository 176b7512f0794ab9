"""Proofs of single chunks: what they show, and every way to forge one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from affiant.encoding import Digest, MerklePath, canonical_json, keccak256, to_hex
from affiant.errors import MalformedError, RejectedError
from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.errors import ChunkProofError, ModelPartMissingError
from affiant.inference.model_parts import FilePart, TensorPart, chunk_count
from affiant.inference.model_proof import (
    MAX_PROOF_BYTES,
    ChunkProof,
    prove_chunk,
    read_chunk,
)

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Model:
    """A committed model on the disk."""

    folder: Path
    commitment: ModelCommitment

    @property
    def root(self) -> Digest:
        return self.commitment.root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Nine leaves: an odd number, so that some are carried up."""
    folder = tmp_path_factory.mktemp("model")
    tensors = {
        "a.weight": np.arange(3 * MIB // 4 + 100, dtype=np.float32),
        "b.weight": np.ones((2, 3), np.float16),
        "c.empty": np.zeros((0, 4), np.float32),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"é": "ü"})
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    return Model(folder, commit_model(folder))


@pytest.fixture
def proof(model: Model) -> ChunkProof:
    return prove_chunk(model.commitment, "tensor:a.weight", chunk=3)


def test_every_chunk_is_proven_by_its_bytes_alone(model: Model) -> None:
    count = len(model.commitment.leaves())
    seen = []
    for entry in model.commitment.entries:
        for chunk in range(chunk_count(entry.part)):
            made = prove_chunk(model.commitment, entry.part.label, chunk=chunk)
            parsed = ChunkProof.from_bytes(made.to_bytes())
            parsed.check(root=model.root, data=read_chunk(model.folder, made))
            assert parsed == made
            seen.append(parsed.path.index)
    assert (seen, count) == (list(range(9)), 9)


def test_the_bytes_are_those_of_the_file(model: Model, proof: ChunkProof) -> None:
    content = (model.folder / "model.safetensors").read_bytes()
    size = 8 + struct.unpack("<Q", content[:8])[0]
    place = json.loads(content[8:size])["a.weight"]["data_offsets"]
    data = content[size + place[0] + 3 * MIB : size + place[1]]
    assert read_chunk(model.folder, proof) == data
    assert (proof.offset, proof.size) == (3 * MIB, 400)
    header = prove_chunk(model.commitment, "header:model.safetensors", chunk=0)
    header.check(root=model.root, data=content[:size])


def test_the_file_is_the_written_format(proof: ChunkProof) -> None:
    value = json.loads(proof.to_bytes())
    assert value == {
        "format": "affiant-model-proof/2",
        "part": {
            "kind": "tensor",
            "name": "a.weight",
            "dtype": "F32",
            "shape": [3 * MIB // 4 + 100],
        },
        "chunk": {"index": 3, "blake3": to_hex(proof.digest)},
        "leaf": {"index": 3, "count": 9},
        "siblings": [to_hex(sibling) for sibling in proof.path.siblings],
    }
    assert len(value["siblings"]) == 4


def test_a_proof_follows_from_the_written_rules(
    model: Model, proof: ChunkProof
) -> None:
    """From root, proof and bytes, with nothing of ours but Keccak."""
    value = json.loads(proof.to_bytes())
    part, data = value["part"], read_chunk(model.folder, proof)

    def u64(*numbers: int) -> bytes:
        return b"".join(struct.pack(">Q", number) for number in numbers)

    leaf = keccak256(
        b"affiant-model/2 tensor"
        + (u64(len(part["name"])) + part["name"].encode())
        + (u64(len(part["dtype"])) + part["dtype"].encode())
        + u64(len(part["shape"]), *part["shape"], value["chunk"]["index"])
        + blake3(data).digest()
    )
    index, width = value["leaf"]["index"], value["leaf"]["count"]
    node = keccak256(b"\x00" + leaf)
    siblings = [bytes.fromhex(sibling[2:]) for sibling in value["siblings"]]
    while width > 1:
        if index % 2 == 1:
            node = keccak256(b"\x01" + siblings.pop(0) + node)
        elif index + 1 < width:
            node = keccak256(b"\x01" + node + siblings.pop(0))
        index, width = index // 2, (width + 1) // 2
    assert not siblings
    assert keccak256(b"\x02" + u64(value["leaf"]["count"]) + node) == model.root


def test_the_page_shows_what_our_code_gives(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    numbers = struct.pack("<2f", 1, 2)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + numbers
    )
    page = (ROOT / "docs" / "formats.md").read_text()
    assert header.decode() in page
    assert struct.pack("<Q", len(header)).hex() in page
    assert numbers.hex() in page
    commitment = commit_model(tmp_path)
    shown = page.split("chunk example\n")[1].split("```")[0]
    labels = [f"leaf {entry.part.label}" for entry in commitment.entries]
    values = [*commitment.leaves(), commitment.root]
    assert shown.splitlines() == [
        f"{label:<29} = {to_hex(value)}"
        for label, value in zip([*labels, "root"], values, strict=True)
    ]
    proof = prove_chunk(commitment, "file:config.json", chunk=0)
    assert f"```json\n{proof.to_bytes().decode()}\n```" in page


@pytest.mark.parametrize("label", ["tensor:a.weight", "file:config.json"])
@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_no_byte_of_a_proof_can_change(model: Model, label: str, mask: int) -> None:
    made = prove_chunk(model.commitment, label, chunk=0)
    good, data = made.to_bytes(), read_chunk(model.folder, made)
    for at in range(len(good)):
        bad = good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :]
        with pytest.raises(RejectedError, match="got .*expected ") as caught:
            ChunkProof.from_bytes(bad).check(root=model.root, data=data)
        assert isinstance(caught.value, MalformedError | ChunkProofError)


def test_no_prefix_and_nothing_longer_is_a_proof(proof: ChunkProof) -> None:
    good = proof.to_bytes()
    for at in range(len(good)):
        with pytest.raises(MalformedError):
            ChunkProof.from_bytes(good[:at])
    for bad in (good + b"\n", b" " + good, good + good, good.replace(b":", b": ", 1)):
        with pytest.raises(MalformedError):
            ChunkProof.from_bytes(bad)


def test_no_byte_of_the_chunk_or_the_root_can_change(
    model: Model, proof: ChunkProof
) -> None:
    data = read_chunk(model.folder, proof)
    for at in range(len(data)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(ChunkProofError) as caught:
            proof.check(root=model.root, data=bad)
        assert caught.value.field == "bytes"
    for bad in (b"", data[:-1], data + b"\0", data * 2):
        with pytest.raises(ChunkProofError) as caught:
            proof.check(root=model.root, data=bad)
        assert caught.value.field == "length"
    for at in range(32):
        root = bytearray(model.root)
        root[at] ^= 1
        with pytest.raises(ChunkProofError) as caught:
            proof.check(root=Digest(bytes(root)), data=data)
        assert caught.value.field == "root"


def leaf_as(**changes: int) -> Callable[[Any], None]:
    return lambda value: value["leaf"].update(changes)


def part_as(**changes: Any) -> Callable[[Any], None]:
    return lambda value: value["part"].update(changes)


@dataclass(frozen=True)
class Case:
    id: str
    forge: Callable[[Any], Any]
    expected: type[RejectedError]
    said: str


FORGERIES = [
    Case("another place", leaf_as(index=2), ChunkProofError, "root"),
    Case("a place outside", leaf_as(index=9), MalformedError, "leaf 9 of 9"),
    Case("a larger tree", leaf_as(count=10), ChunkProofError, "root"),
    Case("a much larger tree", leaf_as(count=99), MalformedError, "siblings"),
    Case("an endless tree", leaf_as(count=2**53), MalformedError, "2\\^53"),
    Case("no tree", leaf_as(index=0, count=0), MalformedError, "leaf 0 of 0"),
    Case("a negative place", leaf_as(index=-1), MalformedError, "natural"),
    Case("another name", part_as(name="b.weight"), ChunkProofError, "root"),
    Case("an empty name", part_as(name=""), MalformedError, "printable"),
    Case("a name that moves", part_as(name="\x1b[2J"), MalformedError, "printable"),
    Case("a long name", part_as(name="é" * 2049), MalformedError, "4096"),
    Case("an alike type", part_as(dtype="I32"), ChunkProofError, "root"),
    Case("a narrower type", part_as(dtype="F16"), MalformedError, "chunk index"),
    Case("no type", part_as(dtype="float"), MalformedError, "dtype"),
    Case(
        "an alike shape",
        part_as(shape=[3 * MIB // 4 + 100, 1]),
        ChunkProofError,
        "root",
    ),
    Case("a shape of fractions", part_as(shape=[1.5]), MalformedError, "natural"),
    Case("a true shape", part_as(shape=[True]), MalformedError, "natural"),
    Case("a shape of 17", part_as(shape=[1] * 17), MalformedError, "dimensions"),
    Case("an endless shape", part_as(shape=[2**52] * 16), MalformedError, "bytes"),
    Case("another kind", part_as(kind="file"), MalformedError, "fields"),
    Case("an unknown kind", part_as(kind="shard"), MalformedError, "kind"),
    Case("a kind that is a list", part_as(kind=[]), MalformedError, "kind"),
    Case("a field more", part_as(offset=0), MalformedError, "fields"),
    Case(
        "the tensor as a file",
        lambda v: v.update(part={"kind": "file", "path": "a", "size": 3 * MIB + 400}),
        ChunkProofError,
        "root",
    ),
    Case(
        "another chunk",
        lambda v: v["chunk"].update(index=2),
        ChunkProofError,
        "length",
    ),
    Case(
        "a chunk beyond the part",
        lambda v: v["chunk"].update(index=4),
        MalformedError,
        "under 4",
    ),
    Case(
        "another digest",
        lambda v: v["chunk"].update(blake3="0x" + "00" * 32),
        ChunkProofError,
        "bytes",
    ),
    Case(
        "a digest in capitals",
        lambda v: v["chunk"].update(blake3=v["chunk"]["blake3"].upper()),
        MalformedError,
        "lower-case",
    ),
    Case(
        "siblings in another order",
        lambda v: v["siblings"].reverse(),
        ChunkProofError,
        "root",
    ),
    Case(
        "a sibling less",
        lambda v: v["siblings"].pop(),
        MalformedError,
        "3 siblings",
    ),
    Case(
        "a sibling more",
        lambda v: v["siblings"].append("0x" + "00" * 32),
        MalformedError,
        "5 siblings",
    ),
    Case(
        "endless siblings",
        lambda v: v.update(siblings=["0x"] * 999),
        MalformedError,
        "at most 64",
    ),
    Case("siblings of none", lambda v: v.update(siblings=None), MalformedError, "64"),
    Case("no siblings", lambda v: v.pop("siblings"), MalformedError, "fields"),
    Case("no part", lambda v: v.update(part=None), MalformedError, "kind"),
    Case("no chunk", lambda v: v.update(chunk=3), MalformedError, "chunk fields"),
    Case("no leaf", lambda v: v.update(leaf=[3, 9]), MalformedError, "leaf fields"),
    Case(
        "another format",
        lambda v: v.update(format="affiant-model-proof/1"),
        MalformedError,
        "proof/2",
    ),
    Case("unknown fields", lambda v: v.update(more=1), MalformedError, "fields"),
    Case("a nameless field", lambda v: v.update({"": 1}), MalformedError, "fields"),
    Case(
        "more than fits",
        lambda v: v.update(more="x" * MAX_PROOF_BYTES),
        MalformedError,
        "at most",
    ),
]


@pytest.mark.parametrize("case", FORGERIES, ids=lambda case: case.id)
def test_rejects_a_forged_proof(model: Model, proof: ChunkProof, case: Case) -> None:
    value = json.loads(proof.to_bytes())
    case.forge(value)
    with pytest.raises(case.expected, match=case.said):
        ChunkProof.from_bytes(canonical_or_plain(value)).check(
            root=model.root, data=read_chunk(model.folder, proof)
        )


def canonical_or_plain(value: Any) -> bytes:
    try:
        return canonical_json(value)
    except MalformedError:
        return json.dumps(value).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_field_can_be_anything_else(
    model: Model, proof: ChunkProof, data: st.DataObject
) -> None:
    value = json.loads(proof.to_bytes())
    holder = value
    while True:
        key = data.draw(st.sampled_from(sorted(holder)))
        if not isinstance(holder[key], dict) or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(JSON)
    changed = canonical_or_plain(value)
    if changed == proof.to_bytes():
        return
    with pytest.raises((MalformedError, ChunkProofError)):
        ChunkProof.from_bytes(changed).check(
            root=model.root, data=read_chunk(model.folder, proof)
        )


@given(st.binary(max_size=200))
def test_random_bytes_never_leak_an_exception(data: bytes) -> None:
    with pytest.raises(MalformedError):
        ChunkProof.from_bytes(data)


def test_an_inner_node_or_a_section_of_evidence_is_no_chunk(model: Model) -> None:
    """A path cut short would make an inner node pass for a leaf."""
    whole = prove_chunk(model.commitment, "tensor:a.weight", chunk=0)
    short = MerklePath(0, 5, whole.path.siblings[1:])
    forged = replace(whole, path=short)
    with pytest.raises(ChunkProofError, match="root"):
        forged.check(root=model.root, data=read_chunk(model.folder, whole))


@pytest.mark.parametrize(
    ("label", "chunk"),
    [
        ("tensor:a.weight", 4),
        ("tensor:a.weight", -1),
        ("tensor:c.empty", 1),
        ("tensor:none", 0),
        ("file:model.safetensors", 0),
        ("a.weight", 0),
        ("", 0),
    ],
)
def test_there_is_no_proof_of_what_is_not_there(
    model: Model, label: str, chunk: int
) -> None:
    with pytest.raises(ModelPartMissingError, match="got .*expected "):
        prove_chunk(model.commitment, label, chunk=chunk)


def test_a_changed_folder_gives_no_chunk(model: Model, tmp_path: Path) -> None:
    made = prove_chunk(model.commitment, "file:config.json", chunk=0)
    for path in model.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ChunkProofError, match="another chunk"):
        read_chunk(tmp_path, made)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelPartMissingError):
        read_chunk(tmp_path, made)


def test_the_longest_name_fits_a_proof() -> None:
    name = "\U00010000" * 1024
    path = MerklePath(0, 2**53 - 1, (Digest(bytes(32)),) * 53)
    for part in (
        TensorPart(name, "F32", (2**40,) + (1,) * 15),
        FilePart("file", name, 1),
    ):
        proof = ChunkProof(part, 0, Digest(bytes(32)), path)
        assert len(proof.to_bytes()) < MAX_PROOF_BYTES
        assert ChunkProof.from_bytes(proof.to_bytes()) == proof
