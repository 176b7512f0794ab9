"""Files that lead an engine out of a model folder: real engines follow, we refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from affiant.inference.commitment import commit_model
from affiant.inference.errors import ModelFilesError, ModelPointerError


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def edit(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **fields}))


def test_a_tokenizer_elsewhere_is_followed_by_transformers_and_refused(
    folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    before = AutoTokenizer.from_pretrained(folder)("ab").input_ids
    swapped = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = swapped["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (tmp_path / "tokenizer.4.json").write_text(json.dumps(swapped))
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=["../tokenizer.4.json"])
    assert AutoTokenizer.from_pretrained(folder)("ab").input_ids == before[::-1]
    with pytest.raises(ModelPointerError, match=r"\.\./tokenizer\.4\.json"):
        commit_model(folder)


def test_weights_elsewhere_are_followed_by_transformers_and_refused(
    folder: Path, other_model: Path
) -> None:
    from transformers import AutoModelForCausalLM

    shard = str(other_model / "model.safetensors")
    with safe_open(shard, framework="np") as file:
        names = list(file.keys())
    index = "weights.safetensors.index.json"
    edit(folder / "config.json", transformers_weights=index)
    commit_model(folder)
    edit(folder / index, metadata={}, weight_map=dict.fromkeys(names, shard))
    loaded, other = (
        AutoModelForCausalLM.from_pretrained(path, use_safetensors=True).state_dict()
        for path in (folder, other_model)
    )
    assert all(bool((loaded[name] == other[name]).all()) for name in names)
    with pytest.raises(ModelPointerError, match=index):
        commit_model(folder)


HOUSEKEEPING = ".cache/huggingface/download/tokenizer.4.json.metadata"
"""Left out of the commitment, and a name that transformers takes for a tokenizer's."""


@dataclass(frozen=True)
class Case:
    id: str
    file: str
    fields: dict[str, Any]


def shard(name: str) -> dict[str, Any]:
    return {"weight_map": {"x": name}}


OUTSIDE = [
    Case("vLLM's draft models", "config.json", {"speculators_config": {}}),
    Case(
        "one in a configuration for a version",
        "config.5.0.json",
        {"speculators_config": {"verifier": {"name_or_path": "other/model"}}},
    ),
    Case("an absolute path", "a.safetensors.index.json", shard("/x.safetensors")),
    Case("a drive", "a.safetensors.index.json", shard("C:/x.safetensors")),
    Case("a share", "a.safetensors.index.json", shard("\\\\host\\x.safetensors")),
    Case("a folder above", "a.safetensors.index.json", shard("x/../../y.safetensors")),
    Case(
        "in a subfolder",
        "text/model.safetensors.index.json",
        shard("../../y.safetensors"),
    ),
    Case(
        "the housekeeping",
        "tokenizer_config.json",
        {"fast_tokenizer_files": [f"./{HOUSEKEEPING}"]},
    ),
]


@pytest.mark.parametrize("case", OUTSIDE, ids=lambda case: case.id)
def test_refuses_what_leads_out(folder: Path, case: Case) -> None:
    (folder / HOUSEKEEPING).parent.mkdir(parents=True)
    (folder / HOUSEKEEPING).touch()
    (folder / "tokenizer.4.json").touch()
    (folder / "text").mkdir()
    commit_model(folder)
    edit(folder / case.file, **case.fields)
    with pytest.raises(ModelPointerError) as caught:
        commit_model(folder)
    assert caught.value.path == case.file


def test_refuses_an_adapter_to_a_model_elsewhere(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "x/y"}')
    commit_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelPointerError, match="adapter_config.json"):
        commit_model(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"fast_tokenizer_files": {"a": 1}}',
        b'{"fast_tokenizer_files": [1, null, "tokenizer.4.json"]}',
        b'{"time_step_limit": [0.0, Infinity]}',
    ],
)
def test_what_leads_nowhere_only_counts(folder: Path, content: bytes) -> None:
    before = commit_model(folder)
    (folder / "tokenizer_config.json").write_bytes(content)
    assert [change.name for change in before.diff(commit_model(folder))] == [
        "file:tokenizer_config.json"
    ]


def test_refuses_a_configuration_that_would_overflow_the_stack(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"[" * 10**6)
    with pytest.raises(ModelFilesError, match="deeper nesting"):
        commit_model(folder)
