"""The auditor's own model folder: committed, tokenised with, replayed on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from neighbours import neighbour

from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replayer import FolderReplayer, replayer_of
from affiant.inference.sampling import GREEDY

if TYPE_CHECKING:
    from affiant.inference.infer import Inference

SCHEMA = {
    "type": "object",
    "properties": {"action": {"const": "hold"}, "share": {"type": "integer"}},
    "required": ["action", "share"],
    "additionalProperties": False,
}


def _builder() -> Any:
    pytest.importorskip("torch", reason="a real model needs torch")
    return neighbour("inference/conftest.py").build_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _builder()(tmp_path_factory.mktemp("model"), seed=1)


@pytest.fixture(scope="module")
def sworn(folder: Path) -> tuple[Any, Inference]:
    """What an honest node with this folder swears: its manifest and an inference."""
    # Both need torch: tests without it are collected all the same.
    from affiant.inference.infer import infer
    from affiant.inference.transformers_engine import TransformersEngine

    engine = TransformersEngine.load(folder)
    inference = infer(
        engine,
        model=FolderReplayer(folder).root,
        request=b"{}",
        prompt_ids=engine.encode("plan:"),
        schema=SCHEMA,
        max_tokens=48,
        sampling=GREEDY,
        seed=None,
    )
    engine.close()
    return engine.manifest, inference


def _replay(
    replayer: FolderReplayer, sworn: tuple[Any, Inference], *, engine: Any = None
) -> Any:
    from affiant.inference.replay import SwornInference

    manifest, inference = sworn
    return replayer.replay(
        SwornInference(
            receipt=replace(inference.receipt, engine=engine or manifest.hash),
            prompt_ids=inference.prompt_ids,
            output_ids=inference.output_ids,
            trace=inference.trace,
            schema=SCHEMA,
            sampling=GREEDY,
            seed=None,
            max_tokens=48,
        ),
        manifest=manifest,
    )


@pytest.mark.parametrize("choice", ["auto", "same", "transformers"])
def test_replays_exactly_in_the_same_profile(
    folder: Path, sworn: Any, choice: Any
) -> None:
    replayer = FolderReplayer(folder, engine=choice)
    assert _replay(replayer, sworn).grade == "exact"
    replayer.close()


def test_cannot_tell_in_another_profile_without_a_calibration(
    folder: Path, sworn: Any
) -> None:
    replayer = FolderReplayer(folder)
    verdict = _replay(replayer, sworn, engine=sworn[1].receipt.prompt)
    assert verdict.grade == "inconclusive" and verdict.measures.mismatches == 0
    replayer.close()


def test_says_that_the_sworn_profile_is_not_to_be_had(folder: Path, sworn: Any) -> None:
    manifest, inference = sworn
    elsewhere = replace(manifest, device="cuda-sm90-of-another-machine")
    replayer = FolderReplayer(folder, engine="same")
    with pytest.raises(AuditUnavailableError, match="profile is another"):
        _replay(replayer, (elsewhere, inference))
    greedy = replace(manifest, threads=10_000)
    with pytest.raises(AuditUnavailableError, match="threads"):
        _replay(replayer, (greedy, inference))
    replayer.close()
    # With a choice, transformers replays instead, and says no more than it can.
    replayer = FolderReplayer(folder)
    assert _replay(replayer, (elsewhere, inference)).grade == "inconclusive"
    replayer.close()


def test_tokenises_without_loading_the_model(folder: Path, sworn: Any) -> None:
    _, inference = sworn
    replayer = FolderReplayer(folder)
    assert tuple(replayer.encode("plan:")) == inference.prompt_ids
    assert replayer.decode(inference.output_ids) == inference.text
    assert replayer.chat([{"role": "user", "content": "x"}]) is None
    assert replayer.engines.live is None


def test_another_folder_is_not_taken_for_the_sworn_one(
    sworn: Any, tmp_path: Path
) -> None:
    other = FolderReplayer(_builder()(tmp_path / "other", seed=2))
    with pytest.raises(AuditUnavailableError, match="other model folder"):
        _replay(other, sworn)


def test_one_changed_byte_is_another_model(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    same = FolderReplayer(copied).root
    assert same == FolderReplayer(folder).root
    shard = copied / "model.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    assert FolderReplayer(copied).root != same


def test_a_folder_that_cannot_be_used_caps_the_audit(
    folder: Path, tmp_path: Path
) -> None:
    assert replayer_of(None)[0] is None
    replayer, words = replayer_of(tmp_path / "missing")
    assert replayer is None and "cannot be used" in words
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    shard = cut / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    replayer, words = replayer_of(cut)
    assert replayer is None and "model.safetensors" in words
