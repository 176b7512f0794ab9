"""Attacks on what a model commitment covers: change anything that an engine may read.

Each test changes a folder as an attacker would and asks that the change is found, and
named by part and chunk, or refused by an error that names the file.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from affiant.inference.commitment import Change, ModelCommitment, commit_model
from affiant.inference.errors import ModelChangedError, ModelFilesError
from affiant.inference.model_files import INDEX_NAME
from affiant.inference.model_listing import list_folder

MASKS = (0x01, 0x20, 0x80)
"""What is flipped: the last bit, the case of a letter, the sign of a number."""

FILES = {
    "config.json": '{"model_type": "llama"}',
    "generation_config.json": '{"eos_token_id": [1, 2]}',
    "tokenizer.json": '{"model": {"vocab": {}}}',
    "tokenizer_config.json": '{"chat_template": "{{ messages }}"}',
    "special_tokens_map.json": "{}",
    "added_tokens.json": "{}",
    "vocab.txt": "a\nb\n",
    "chat_template.jinja": "{{ messages }}",
    "additional_chat_templates/tools.jinja": "{{ tools }}",
    "hf_quant_config.json": '{"producer": {"name": "modelopt"}}',
    "modeling_custom.py": "import torch\n",
    "params.json": '{"dim": 8}',
    "original/params.json": "{}",
    "adapter/adapter_config.json": '{"r": 8}',
    "pytorch_model.bin": "weights of another format",
    "LICENSE.py": "import os\n",
    "docs/README.md": "in a subfolder",
    ".hidden.json": "{}",
    "notice": "spelled in lower case",
    "picture.png": "PNG",
    "empty.json": "",
}
"""Files that are no shards; all of them count."""

LEFT_OUT = {
    "README.md": "# A model\n",
    "LICENSE": "Apache-2.0\n",
    "NOTICE.txt": "notice\n",
    ".gitattributes": "*.safetensors filter=lfs\n",
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/hooks/pre-commit.sample": "#!/bin/sh\n",
    ".git/objects/pack/pack-00ff.idx": "idx",
    ".cache/huggingface/CACHEDIR.TAG": "Signature",
    ".cache/huggingface/download/config.json.metadata": "0123\n",
    ".cache/huggingface/download/original/params.json.lock": "",
    "model.sig": "{}",
}
"""Files that do not count."""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def write_shards(folder: Path) -> None:
    """Write two shards with metadata, and the index."""
    shards: dict[str, dict[str, Any]] = {
        "model-00001-of-00002.safetensors": {
            "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
            "b.weight": np.arange(5, dtype=np.int8),
        },
        "model-00002-of-00002.safetensors": {"c.weight": np.ones(7, dtype=np.float16)},
    }
    quantisation = {"format": "pt", "a.weight": '{"_type": "Float8Tensor"}'}
    for shard, tensors in shards.items():
        save_file(tensors, folder / shard, metadata=quantisation)
    index = {name: shard for shard, tensors in shards.items() for name in tensors}
    (folder / INDEX_NAME).write_text(
        json.dumps({"metadata": {"total_size": 67}, "weight_map": index})
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with one of everything."""
    root = tmp_path / "model"
    root.mkdir()
    write_shards(root)
    # An adapter beside the model, and another format of the same weights.
    save_file({"lora.a": np.ones(3, np.float32)}, root / "adapter_model.safetensors")
    (root / "original").mkdir()
    shutil.copy(root / "adapter_model.safetensors", root / "original/c.safetensors")
    write(root, FILES)
    write(root, LEFT_OUT)
    return root


def flip(path: Path, offset: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


@dataclass(frozen=True)
class Place:
    """Where a byte of a folder belongs."""

    path: str
    name: str
    """The part's label."""
    chunk: int


def places(folder: Path, path: str, *, shard: bool) -> list[tuple[int, Place]]:
    """Return (first byte, where it belongs) of each stretch of a file, in order."""
    content = (folder / path).read_bytes()
    if not shard:
        return [(0, Place(path, f"file:{path}", 0))]
    size = 8 + struct.unpack("<Q", content[:8])[0]
    found = [(0, Place(path, f"header:{path}", 0))]
    for name, entry in json.loads(content[8:size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            found += [
                (size + at, Place(path, f"tensor:{name}", (at - begin) >> 20))
                for at in range(begin, end, 1 << 20)
            ]
    return sorted(found, key=lambda item: item[0])


def place_of(stretches: list[tuple[int, Place]], offset: int) -> Place:
    return [place for first, place in stretches if first <= offset][-1]


def require_named(folder: Path, before: ModelCommitment, place: Place) -> None:
    """Commit to a changed folder; the change must be named, alone if it can be."""
    try:
        after = commit_model(folder, threads=1)
    except ModelFilesError as error:
        assert place.path in str(error)
        assert not place.name.startswith("tensor:"), "bytes of tensors are never parsed"
        return
    changes = before.diff(after)
    assert after.root != before.root
    assert Change("changed", place.name, place.chunk) in changes
    if not place.name.startswith("header:"):
        assert len(changes) == 1


def counted(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield (path, whether it is a shard) of every file that must count."""
    shards = set(json.loads((folder / INDEX_NAME).read_text())["weight_map"].values())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in LEFT_OUT:
            yield name, name in shards


def test_every_byte_of_every_file_is_named(folder: Path) -> None:
    before = commit_model(folder)
    flipped = 0
    for name, shard in counted(folder):
        stretches = places(folder, name, shard=shard)
        for offset in range((folder / name).stat().st_size):
            mask = MASKS[offset % len(MASKS)]
            flip(folder / name, offset, mask)
            require_named(folder, before, place_of(stretches, offset))
            flip(folder / name, offset, mask)
            flipped += 1
    assert commit_model(folder) == before
    assert flipped > 1000


def test_bytes_of_a_real_sharded_model_are_named(
    tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "sharded"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(tiny_model).save_pretrained(
        folder, max_shard_size="150KB"
    )
    before = commit_model(folder)
    draw = random.Random(0)
    shards = 0
    for name, shard in counted(folder):
        size = (folder / name).stat().st_size
        stretches = places(folder, name, shard=shard)
        ends = [first - 1 for first, _ in stretches[1:]] + [size - 1]
        edges = {first for first, _ in stretches} | set(ends)
        for offset in sorted(edges | {draw.randrange(size) for _ in range(100)}):
            mask = draw.choice(MASKS)
            flip(folder / name, offset, mask)
            require_named(folder, before, place_of(stretches, offset))
            flip(folder / name, offset, mask)
        shards += shard
    assert shards > 2
    assert commit_model(folder) == before


def test_bytes_of_later_chunks_are_named(folder: Path) -> None:
    """Parts of several MiB: first and last byte of each chunk."""
    size = 2 * 2**20 + 5
    (folder / "tokenizer.json").write_bytes(bytes(size))
    (folder / INDEX_NAME).unlink()
    for shard in folder.glob("*.safetensors"):
        shard.unlink()
    save_file({"big": np.zeros(size, np.uint8)}, folder / "model.safetensors")
    before = commit_model(folder)
    for path, shard in (("tokenizer.json", False), ("model.safetensors", True)):
        stretches = places(folder, path, shard=shard)
        start = stretches[-3][0] if shard else 0
        for chunk in range(3):
            for offset in {chunk << 20, min((chunk + 1) << 20, size) - 1}:
                flip(folder / path, start + offset, 1)
                name = "tensor:big" if shard else f"file:{path}"
                assert before.diff(commit_model(folder)) == (
                    Change("changed", name, chunk),
                )
                flip(folder / path, start + offset, 1)


def test_every_file_is_missed_and_every_new_one_is_seen(folder: Path) -> None:
    before = commit_model(folder)
    for name in FILES:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        without = commit_model(folder)
        assert Change("removed", f"file:{name}", None) in before.diff(without)
        assert Change("added", f"file:{name}", None) in without.diff(before)
        (folder / name).write_bytes(content)


def test_what_is_left_out_does_not_count(folder: Path) -> None:
    before = commit_model(folder)
    assert set(list_folder(folder).left_out) == set(LEFT_OUT)
    for name in LEFT_OUT:
        (folder / name).write_text("another content")
    assert commit_model(folder).root == before.root
    for name in LEFT_OUT:
        (folder / name).unlink()
    assert commit_model(folder).root == before.root


@pytest.mark.parametrize(
    "name",
    [
        # Searched for by vLLM in the whole folder; the first decides what it loads.
        ".git/consolidated.safetensors",
        ".git/refs/heads/consolidated.x.safetensors",
        ".git/objects/pack/consolidated.safetensors",
        ".cache/huggingface/consolidated.safetensors",
        ".cache/huggingface/download/tokenizer.model.v3.metadata",
        ".cache/huggingface/download/tekken.json",
        ".cache/tekken.json",
        ".x/consolidated.safetensors",
        # Where a configuration can point a tokenizer or a loader to.
        ".git/tokenizer.4.json",
        ".cache/huggingface/download/x.json",
        ".hidden/model.safetensors",
        # Nearly the names that are left out.
        "README.MD",
        "LICENSE_custom.py",
        "LICENSE.json",
        "sub/README.md",
        "README.md.json",
        "tokenizer.json.png",
        "model.sig.json",
        "README.md/config.json",
    ],
)
def test_names_that_an_engine_may_find_count(folder: Path, name: str) -> None:
    if name.startswith("README.md/") or name == "README.MD":
        (folder / "README.md").unlink()
    before = commit_model(folder)
    write(folder, {name: "{}"})
    assert before.diff(commit_model(folder)) == (Change("added", f"file:{name}", None),)


def test_quantisation_metadata_in_a_header_counts(folder: Path) -> None:
    """torchao keeps what its tensors mean in `__metadata__`; both engines read it."""
    before = commit_model(folder)
    name = "model-00001-of-00002.safetensors"
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"Float8Tensor", b"Int4x2Tensor"))
    assert before.diff(commit_model(folder)) == (
        Change("changed", f"header:{name}", 0),
    )


def test_the_order_of_tensors_counts(folder: Path) -> None:
    """Of two names that a loader maps to one parameter, the one read last wins."""
    before = commit_model(folder)
    name = "model-00001-of-00002.safetensors"
    content = (folder / name).read_bytes()
    size = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:size])
    header["b.weight"]["data_offsets"] = [0, 5]
    header["a.weight"]["data_offsets"] = [5, 53]
    encoded = json.dumps(header).encode()
    (folder / name).write_bytes(
        struct.pack("<Q", len(encoded)) + encoded + content[-5:] + content[size:-5]
    )
    changes = before.diff(commit_model(folder))
    assert {change.name for change in changes} == {f"header:{name}"}


def test_what_the_index_does_not_name_counts(folder: Path) -> None:
    """vLLM loads `consolidated*.safetensors` instead of what the index names."""
    before = commit_model(folder)
    shutil.copy(
        folder / "adapter_model.safetensors", folder / "consolidated.safetensors"
    )
    assert before.diff(commit_model(folder)) == (
        Change("added", "file:consolidated.safetensors", None),
    )


def test_files_named_like_shards_count(folder: Path) -> None:
    """Without an index every safetensors file at the top is a shard."""
    (folder / INDEX_NAME).unlink()
    before = commit_model(folder)
    save_file({"more": np.ones(3, np.float32)}, folder / "zzz.safetensors")
    assert before.diff(commit_model(folder)) == (
        Change("added", "header:zzz.safetensors", None),
        Change("added", "tensor:more", None),
    )
    (folder / "zzz.safetensors").unlink()
    (folder / ".hidden.safetensors").write_text("no shard: patterns do not find it")
    assert before.diff(commit_model(folder)) == (
        Change("added", "file:.hidden.safetensors", None),
    )


def test_links_are_followed_to_what_they_hold(folder: Path, tmp_path: Path) -> None:
    """Hub caches consist of links; only what is read through them counts."""
    before = commit_model(folder)
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, (name, _) in enumerate(list(counted(folder))):
        shutil.move(folder / name, blobs / str(number))
        (folder / name).symlink_to(blobs / str(number))
    assert commit_model(folder).root == before.root
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder / "tokenizer.json")
    assert {change.name for change in before.diff(commit_model(folder))} == {
        "file:config.json"
    }


PATHS = st.sampled_from(
    [
        "config.json",
        "tokenizer.json",
        "a/config.json",
        "a/b.jinja",
        "ab.jinja",
        ".a",
        "LICENSE.py",
        "README.md",
        ".gitattributes",
    ]
)
CONTENTS = st.sampled_from([b"", b"{}", b"a", b"ab", b"b"])
FOLDERS = st.dictionaries(PATHS, CONTENTS, max_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FOLDERS, FOLDERS)
def test_roots_are_equal_where_files_are(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, bytes],
    second: dict[str, bytes],
) -> None:
    found = []
    for files in (first, {**first, **second}):
        root = tmp_path_factory.mktemp("model")
        save_file({"w": np.ones(2, np.float32)}, root / "model.safetensors")
        for name, content in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)
        counting = {path: files[path] for path in files if path not in LEFT_OUT}
        found.append((counting, commit_model(root, threads=1)))
        shutil.rmtree(root)
    (files, before), (other_files, after) = found
    changed = {
        f"file:{path}"
        for path in files.keys() | other_files.keys()
        if files.get(path) != other_files.get(path)
    }
    assert {change.name for change in before.diff(after)} == changed
    assert (before.root == after.root) == (not changed)


def test_an_unreadable_folder_is_not_an_empty_one(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (folder / "original").chmod(0)
    try:
        with pytest.raises(ModelFilesError, match="original"):
            commit_model(folder)
    finally:
        (folder / "original").chmod(0o755)


def rename_over(folder: Path) -> None:
    (folder / "new").write_text(FILES["config.json"])
    (folder / "new").replace(folder / "config.json")


def rewrite_with_old_times(folder: Path) -> None:
    path = folder / "tokenizer.json"
    old = path.stat()
    path.write_text(FILES["tokenizer.json"].replace("vocab", "VOCAB"))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


@dataclass(frozen=True)
class Race:
    id: str
    change: Callable[[Path], Any]
    path: str


RACES = [
    Race("a file comes", lambda f: (f / "x.jinja").touch(), "x.jinja"),
    Race("a file goes", lambda f: (f / "vocab.txt").unlink(), "vocab.txt"),
    Race("a file is replaced by its like", rename_over, "config.json"),
    Race("a byte changes", lambda f: flip(f / INDEX_NAME, 3, 1), INDEX_NAME),
    Race("times are set back", rewrite_with_old_times, "tokenizer.json"),
    Race(
        "a tensor changes",
        lambda f: flip(f / "model-00002-of-00002.safetensors", 150, 1),
        "model-00002-of-00002.safetensors",
    ),
    Race(
        "a file comes to a subfolder",
        lambda f: (f / "additional_chat_templates" / "x.jinja").touch(),
        "additional_chat_templates/x.jinja",
    ),
]


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.id)
def test_refuses_a_folder_that_changes_while_it_is_hashed(
    folder: Path, race: Race
) -> None:
    # Times of files are as coarse as the kernel's tick: let them lie in the past.
    for path in folder.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    done: list[int] = []

    def change_once(now: int, total: int) -> None:
        if not done:
            race.change(folder)
        done.append(now)

    with pytest.raises(ModelChangedError) as caught:
        commit_model(folder, progress=change_once)
    assert caught.value.path == race.path


READS = """
import importlib, os, sys
folder, module, engine = sys.argv[1:]
seen = set()
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        if path.startswith(folder):
            seen.add(os.path.relpath(path, folder))
sys.addaudithook(hook)
getattr(importlib.import_module(f"affiant.inference.{module}"), engine).load(
    folder
).close()
print(*sorted(seen), sep="\\n")
"""


@pytest.mark.parametrize(
    "engine",
    [
        "transformers_engine TransformersEngine",
        pytest.param("vllm_engine VllmEngine", marks=pytest.mark.vllm),
    ],
)
def test_engines_open_nothing_that_is_left_out(
    tiny_model: Path, tmp_path: Path, engine: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    write(folder, {name: "{" for name in LEFT_OUT})
    done = subprocess.run(
        [sys.executable, "-c", READS, str(folder), *engine.split()],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    opened = set(done.stdout.splitlines())
    assert "config.json" in opened
    assert not opened & set(LEFT_OUT)
