"""Model commitments: what they bind, what they name, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from safetensors.numpy import save_file

from affiant.encoding import keccak256, merkle_root, to_hex
from affiant.errors import MalformedError
from affiant.inference.commitment import Change, ModelCommitment, commit_model
from affiant.inference.errors import (
    ModelFileMissingError,
    ModelFilesError,
    ModelFileTruncatedError,
    ModelIndexError,
    ModelNameError,
    ModelPointerError,
    SafetensorsHeaderError,
)
from affiant.inference.model_files import INDEX_NAME

TENSORS = {
    # 2.5 MiB: three chunks.
    "a.weight": np.arange(655_360, dtype=np.float32).reshape(1280, 512),
    "b.weight": np.ones((3, 5), dtype=np.float16),
    "c.empty": np.zeros((0, 4), dtype=np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model folder with one shard."""
    root = tmp_path / "model"
    root.mkdir()
    save_file(TENSORS, root / "model.safetensors")
    (root / "config.json").write_text('{"a": 1}')
    (root / "tokenizer.json").write_text("{}")
    (root / "chat_template.jinja").write_text("{{ messages }}")
    (root / "README.md").write_text("read me")
    (root / ".gitattributes").write_text("*")
    return root


def shard_it(folder: Path) -> None:
    """Split the model into two shards with an index."""
    (folder / "model.safetensors").unlink()
    parts = {
        "one.safetensors": ["a.weight"],
        "two.safetensors": ["b.weight", "c.empty"],
    }
    for name, tensors in parts.items():
        save_file({key: TENSORS[key] for key in tensors}, folder / name)
    index = {key: name for name, tensors in parts.items() for key in tensors}
    (folder / INDEX_NAME).write_text(json.dumps({"weight_map": index}))


def test_names_what_counts(folder: Path) -> None:
    entries = commit_model(folder).entries
    assert {entry.part.label: len(entry.chunks) for entry in entries} == {
        "tensor:a.weight": 3,
        "tensor:b.weight": 1,
        "tensor:c.empty": 1,
        "header:model.safetensors": 1,
        "file:chat_template.jinja": 1,
        "file:config.json": 1,
        "file:tokenizer.json": 1,
    }


def test_the_root_is_the_written_rule(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]

    def u64(*numbers: int) -> bytes:
        return b"".join(struct.pack(">Q", number) for number in numbers)

    def text(word: str) -> bytes:
        return u64(len(word)) + word.encode()

    def tensor(name: str, dtype: str, index: int, chunk: bytes) -> bytes:
        shape = TENSORS[name].shape
        head = text(name) + text(dtype) + u64(len(shape), *shape, index)
        return keccak256(b"affiant-model/2 tensor" + head + blake3(chunk).digest())

    def whole(kind: str, path: str, data: bytes) -> bytes:
        head = f"affiant-model/2 {kind}".encode() + text(path) + u64(len(data), 0)
        return keccak256(head + blake3(data).digest())

    a = TENSORS["a.weight"].tobytes()
    names = ("chat_template.jinja", "config.json", "tokenizer.json")
    assert commit_model(folder).root == merkle_root(
        [
            *(tensor("a.weight", "F32", i, a[i << 20 : i + 1 << 20]) for i in range(3)),
            tensor("b.weight", "F16", 0, TENSORS["b.weight"].tobytes()),
            tensor("c.empty", "F32", 0, b""),
            whole("header", "model.safetensors", content[:header]),
            *(whole("file", name, (folder / name).read_bytes()) for name in names),
        ]
    )


def test_is_the_same_for_every_number_of_threads_and_reports_progress(
    folder: Path,
) -> None:
    seen: list[tuple[int, int]] = []
    one = commit_model(folder, threads=1, progress=lambda *step: seen.append(step))
    assert one == commit_model(folder, threads=4)
    total = (folder / "model.safetensors").stat().st_size + 8 + 2 + 14
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_names_a_changed_byte_by_tensor_and_chunk(folder: Path) -> None:
    before = commit_model(folder)
    shard = folder / "model.safetensors"
    header = 8 + struct.unpack("<Q", shard.read_bytes()[:8])[0]
    place = json.loads(shard.read_bytes()[8:header])["a.weight"]["data_offsets"][0]
    flip(shard, header + place + (1 << 20))
    after = commit_model(folder)
    assert after.root != before.root
    assert before.diff(after) == (Change("changed", "tensor:a.weight", 1),)


def test_names_changed_added_and_removed_files(folder: Path) -> None:
    before = commit_model(folder)
    flip(folder / "config.json", 2)
    (folder / "tokenizer.json").unlink()
    (folder / "generation_config.json").write_text("{}")
    assert before.diff(commit_model(folder)) == (
        Change("changed", "file:config.json", 0),
        Change("added", "file:generation_config.json", None),
        Change("removed", "file:tokenizer.json", None),
    )


@pytest.mark.parametrize("change", ["type", "shape", "name"])
def test_binds_type_shape_and_name(folder: Path, change: str) -> None:
    before = commit_model(folder)
    tensors: dict[str, Any] = dict(TENSORS)
    if change == "type":
        tensors["b.weight"] = TENSORS["b.weight"].view(np.int16)
    elif change == "shape":
        tensors["b.weight"] = TENSORS["b.weight"].reshape(5, 3)
    else:
        tensors["d.weight"] = tensors.pop("b.weight")
    save_file(tensors, folder / "model.safetensors")
    after = commit_model(folder)
    assert after.root != before.root
    assert before.diff(after)


def header_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    parsed: dict[str, Any] = json.loads(content[8 : 8 + size])
    return parsed


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the header of the shard and keep its data."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = header_of(path)
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + size :])


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"x")


def drop_shard(folder: Path) -> None:
    shard_it(folder)
    (folder / "two.safetensors").unlink()


def change_index(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    shard_it(folder)
    index = json.loads((folder / INDEX_NAME).read_text())
    change(index["weight_map"])
    (folder / INDEX_NAME).write_text(json.dumps(index))


@dataclass(frozen=True)
class Case:
    id: str
    damage: Callable[[Path], Any]
    expected: type[ModelFilesError]


CASES = [
    Case("folder is gone", lambda f: shutil.rmtree(f), ModelFileMissingError),
    Case(
        "no shard",
        lambda f: (f / "model.safetensors").unlink(),
        ModelFileMissingError,
    ),
    Case("a shard of the index is gone", drop_shard, ModelFileMissingError),
    Case(
        "a dangling link",
        lambda f: (f / "x.json").symlink_to(f / "gone"),
        ModelFileMissingError,
    ),
    Case(
        "a link to itself",
        lambda f: (f / "x.json").symlink_to(f / "x.json"),
        ModelFilesError,
    ),
    Case(
        "a linked folder",
        lambda f: (f / "additional_chat_templates").symlink_to(f),
        ModelFilesError,
    ),
    Case("a pipe", lambda f: os.mkfifo(f / "x.json"), ModelFilesError),
    Case(
        "names that differ in case",
        lambda f: (f / "Config.json").write_text("{}"),
        ModelNameError,
    ),
    Case(
        "names that differ in composition",
        lambda f: [(f / name).write_text("") for name in ("\u00e9", "e\u0301")],
        ModelNameError,
    ),
    Case(
        "a name that is no UTF-8",
        lambda f: (f / os.fsdecode(b"x\xff.json")).write_text("{}"),
        ModelNameError,
    ),
    Case(
        "a name that moves the cursor",
        lambda f: (f / "x\x1b[2J.json").write_text("{}"),
        ModelNameError,
    ),
    Case(
        "a name that reads backwards",
        lambda f: (f / "\u202enosj.gifnoc").write_text("{}"),
        ModelNameError,
    ),
    Case(
        "a backslash in a name",
        lambda f: (f / "a\\config.json").write_text("{}"),
        ModelNameError,
    ),
    Case(
        "folders without end",
        lambda f: (f / "/".join("x" * 40)).mkdir(parents=True),
        ModelFilesError,
    ),
    Case("last byte cut off", truncate, ModelFileTruncatedError),
    Case("a byte more", lengthen, ModelFileTruncatedError),
    Case(
        "empty shard",
        lambda f: (f / "model.safetensors").write_bytes(b""),
        ModelFileTruncatedError,
    ),
    Case(
        "header longer than the file",
        lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
        ModelFileTruncatedError,
    ),
    Case(
        "header is no JSON",
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{]"),
        SafetensorsHeaderError,
    ),
    Case(
        "header is a list",
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"[]"),
        SafetensorsHeaderError,
    ),
    Case(
        "duplicate name in the header",
        lambda f: (f / "model.safetensors").write_bytes(
            struct.pack("<Q", 14) + b'{"a":{},"a":1}'
        ),
        SafetensorsHeaderError,
    ),
    Case(
        "a tensor whose name moves the cursor",
        lambda f: rewrite(f, lambda h: h.update({"\x1b[2J": h.pop("b.weight")})),
        SafetensorsHeaderError,
    ),
    Case(
        "a tensor whose name is no text",
        lambda f: rewrite(f, lambda h: h.update({"\ud800": h.pop("b.weight")})),
        SafetensorsHeaderError,
    ),
    Case(
        "a tensor whose name is endless",
        lambda f: rewrite(f, lambda h: h.update({"x" * 5000: h.pop("b.weight")})),
        SafetensorsHeaderError,
    ),
    Case(
        "fractional offsets",
        lambda f: rewrite(f, lambda h: h["b.weight"].update(data_offsets=[0.0, 30])),
        SafetensorsHeaderError,
    ),
    Case(
        "dimensions that no JSON expresses",
        lambda f: rewrite(f, lambda h: h["c.empty"].update(shape=[0, 2**53])),
        SafetensorsHeaderError,
    ),
    Case(
        "unknown type",
        lambda f: rewrite(f, lambda h: h["b.weight"].update(dtype="F99")),
        SafetensorsHeaderError,
    ),
    Case(
        "shape and length disagree",
        lambda f: rewrite(f, lambda h: h["b.weight"].update(shape=[3, 4])),
        SafetensorsHeaderError,
    ),
    Case(
        "negative shape",
        lambda f: rewrite(f, lambda h: h["b.weight"].update(shape=[-3, -5])),
        SafetensorsHeaderError,
    ),
    Case(
        "overlapping tensors",
        lambda f: rewrite(
            f,
            lambda h: h["b.weight"].update(data_offsets=[0, 30]),
        ),
        SafetensorsHeaderError,
    ),
    Case(
        "offsets beyond the file",
        lambda f: rewrite(
            f,
            lambda h: h["b.weight"].update(data_offsets=[2**40, 2**40 + 30]),
        ),
        SafetensorsHeaderError,
    ),
    Case(
        "hole: a tensor left out of the header",
        lambda f: rewrite(f, lambda h: h.pop("b.weight")),
        ModelFilesError,
    ),
    Case(
        "index lacks a tensor",
        lambda f: change_index(f, lambda m: m.pop("b.weight")),
        ModelIndexError,
    ),
    Case(
        "index names a tensor that is nowhere",
        lambda f: change_index(f, lambda m: m.update(z="one.safetensors")),
        ModelIndexError,
    ),
    Case(
        "index names the wrong shard",
        lambda f: change_index(f, lambda m: m.update({"b.weight": "one.safetensors"})),
        ModelIndexError,
    ),
    Case(
        "index names a file outside the folder",
        lambda f: change_index(f, lambda m: m.update(z="../x.safetensors")),
        ModelPointerError,
    ),
    Case(
        "index is no index",
        lambda f: (f / INDEX_NAME).write_text('{"weight_map": 5}'),
        ModelIndexError,
    ),
    Case(
        "a tensor twice",
        lambda f: save_file({"b.weight": TENSORS["b.weight"]}, f / "n.safetensors"),
        ModelIndexError,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rejects_a_damaged_folder(folder: Path, case: Case) -> None:
    case.damage(folder)
    with pytest.raises(case.expected):
        commit_model(folder)


def test_json_there_and_back(folder: Path) -> None:
    commitment = commit_model(folder)
    value = json.loads(json.dumps(commitment.to_json()))
    assert ModelCommitment.from_json(value) == commitment
    assert commitment.summary()["root"] == to_hex(commitment.root)


def bad_parts(parts: Any) -> list[Any]:
    tensor, file = parts[0], parts[-1]
    return [
        {},
        {**tensor, "kind": "shard"},
        {**tensor, "kind": ["tensor"]},
        {**tensor, "more": 1},
        {**tensor, "name": ""},
        {**tensor, "name": "a\x1b[2J"},
        {**tensor, "name": "\ud800"},
        {**tensor, "name": "a" * 4097},
        {**tensor, "name": 1},
        {**tensor, "dtype": "F99"},
        {**tensor, "dtype": ["F32"]},
        {**tensor, "shape": [1.5]},
        {**tensor, "shape": [True]},
        {**tensor, "shape": [2**53]},
        {**tensor, "shape": [2**40, 2**40]},
        {**tensor, "shape": [1] * 17},
        {**tensor, "shape": "12"},
        {**tensor, "dtype": "F4", "shape": [1]},
        {**tensor, "chunks": tensor["chunks"][1:]},
        {**tensor, "chunks": tensor["chunks"] * 2},
        {**file, "size": -1},
        {**file, "size": 2 * file["size"] + 2**20},
        {**file, "path": "../\n"},
        {**file, "chunks": []},
        {**file, "chunks": ["0x00"]},
        {**file, "chunks": [None]},
    ]


def test_rejects_hostile_json(folder: Path) -> None:
    good = commit_model(folder).to_json()
    bad: list[Any] = [
        None,
        [],
        {},
        {**good, "root": "0x" + "00" * 32},
        {**good, "root": None},
        {**good, "format": "affiant-model/1"},
        {**good, "more": 1},
        {**good, "parts": good["parts"][::-1]},
        {**good, "parts": good["parts"] * 2},
        {**good, "parts": good["parts"][:-1]},
        {**good, "parts": {}},
        {**good, "parts": [None]},
        *({**good, "parts": [part]} for part in bad_parts(good["parts"])),
    ]
    for value in bad:
        with pytest.raises(MalformedError):
            ModelCommitment.from_json(value)


def test_tiny_model_is_committed_whole(
    tiny_model: Path, tiny_commitment: ModelCommitment
) -> None:
    summary = tiny_commitment.summary()
    assert summary["files"] == sorted(path.name for path in tiny_model.glob("*.json"))
    assert summary["shards"] == ["model.safetensors"]
    assert summary["tensors"] == 21
