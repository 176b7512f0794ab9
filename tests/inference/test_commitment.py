"""Model commitments: what they bind, what they name, and what they refuse."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from affiant.encoding import to_hex
from affiant.errors import MalformedError
from affiant.inference.commitment import Change, ModelCommitment, commit_model
from affiant.inference.errors import (
    ModelFileMissingError,
    ModelFilesError,
    ModelFileTruncatedError,
    ModelIndexError,
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
    commitment = commit_model(folder)
    assert [tensor.name for tensor in commitment.tensors] == sorted(TENSORS)
    assert [len(tensor.chunks) for tensor in commitment.tensors] == [3, 1, 1]
    assert [file.path for file in commitment.files] == [
        "chat_template.jinja",
        "config.json",
        "tokenizer.json",
    ]


def test_is_the_same_for_every_number_of_threads_and_reports_progress(
    folder: Path,
) -> None:
    seen: list[tuple[int, int]] = []
    one = commit_model(folder, threads=1, progress=lambda *step: seen.append(step))
    assert one == commit_model(folder, threads=4)
    total = sum(tensor.nbytes for tensor in TENSORS.values()) + 8 + 2 + 14
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_resharding_keeps_the_root(folder: Path) -> None:
    before = commit_model(folder)
    shard_it(folder)
    assert commit_model(folder).root == before.root


def test_inert_files_do_not_count(folder: Path) -> None:
    before = commit_model(folder)
    (folder / "README.md").write_text("other")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "config.json").write_text("{}")
    assert commit_model(folder).root == before.root


def test_follows_links(folder: Path, tmp_path: Path) -> None:
    before = commit_model(folder)
    blob = tmp_path / "blob"
    shutil.move(folder / "model.safetensors", blob)
    (folder / "model.safetensors").symlink_to(blob)
    assert commit_model(folder).root == before.root


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
        ModelFileMissingError,
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


def test_rejects_hostile_json(folder: Path) -> None:
    good = commit_model(folder).to_json()
    bad: list[Any] = [
        None,
        [],
        {},
        {**good, "root": "0x" + "00" * 32},
        {**good, "format": "affiant-model/2"},
        {**good, "more": 1},
        {**good, "tensors": good["tensors"][::-1]},
        {**good, "files": good["files"] * 2},
        {**good, "files": [{**good["files"][0], "size": -1}]},
        {**good, "files": [{**good["files"][0], "chunks": []}]},
        {**good, "files": [{**good["files"][0], "chunks": ["0x00"]}]},
        {**good, "tensors": [{**good["tensors"][0], "shape": [1.5]}]},
    ]
    for value in bad:
        with pytest.raises(MalformedError):
            ModelCommitment.from_json(value)


def test_tiny_model_is_committed_whole(
    tiny_model: Path, tiny_commitment: ModelCommitment
) -> None:
    assert {file.path for file in tiny_commitment.files} == {
        path.name for path in tiny_model.iterdir() if path.suffix == ".json"
    }
    assert len(tiny_commitment.tensors) == 21
