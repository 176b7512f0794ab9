"""The auditor's own model folder: committed, tokenised with, replayed on."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from neighbours import neighbour

from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.replayer import FolderReplayer, ReplayJob, replayer_of
from affiant.encoding import keccak256
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


def _job(sworn: tuple[Any, Inference], *, engine: Any = None) -> ReplayJob:
    from affiant.inference.replay import SwornInference

    manifest, inference = sworn
    return ReplayJob(
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
        manifest,
    )


def _replay(
    replayer: FolderReplayer, sworn: tuple[Any, Inference], *, engine: Any = None
) -> Any:
    job = _job(sworn, engine=engine)
    return replayer.replay(job.sworn, manifest=job.manifest)


@pytest.fixture
def watched(folder: Path) -> Iterator[tuple[FolderReplayer, list[str]]]:
    """A replayer, and what it said that it loads."""
    said: list[str] = []
    replayer = FolderReplayer(folder, progress=said.append)
    said.clear()
    yield replayer, said
    replayer.close()


def _engines() -> int:
    """Return how many models are in memory."""
    from affiant.inference.transformers_engine import TransformersEngine

    gc.collect()
    return sum(
        type(item) is TransformersEngine and item._model is not None
        for item in gc.get_objects()
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


def test_names_that_strangers_make_up_load_nothing(sworn: Any, watched: Any) -> None:
    """Anybody can sign such files with the root of a public model."""
    replayer, said = watched
    manifest, inference = sworn
    before = _engines()
    made_up = [
        *(replace(manifest, engine=f"engine {number}") for number in range(4)),
        *(replace(manifest, engine_version=f"{number}") for number in range(3)),
        *(replace(manifest, threads=number) for number in (1, 64)),
        replace(manifest, threads=0),
    ]
    for claimed in made_up:
        assert _replay(replayer, (claimed, inference)).grade == "inconclusive"
        assert _replay(replayer, sworn).grade == "exact"
    for dtype in ("float64", "fp8", "x" * 200):
        with pytest.raises(AuditUnavailableError, match="dtype"):
            _replay(replayer, (replace(manifest, dtype=dtype), inference))
    assert said == ["loading the model in transformers (float32)"]
    assert _engines() == before + 1


def test_one_model_is_in_memory_at_a_time(sworn: Any, watched: Any) -> None:
    replayer, said = watched
    manifest, inference = sworn
    before = _engines()
    half = replace(manifest, dtype="bfloat16")
    for _ in range(2):
        # In another profile that this machine has: same numbers, other type.
        assert _replay(replayer, (half, inference)).grade == "inconsistent"
        assert _replay(replayer, sworn).grade == "exact"
        assert _engines() == before + 1
    assert len(said) == 4
    replayer.close()
    assert _engines() == before


def test_a_strangers_threads_do_not_make_an_honest_file_a_liar(
    sworn: Any, watched: Any
) -> None:
    replayer, _ = watched
    manifest, inference = sworn
    assert _replay(replayer, sworn).grade == "exact"
    # Whatever else in the process sets: the profile says how many.
    torch = pytest.importorskip("torch")
    for number in (1, 5):
        single = replace(manifest, threads=number)
        assert _replay(replayer, (single, inference)).grade == "inconclusive"
        torch.set_num_threads(number)
        assert _replay(replayer, sworn).grade == "exact"
        assert torch.get_num_threads() == manifest.threads


def test_what_is_longer_than_the_auditors_context_is_not_a_lie(
    folder: Path, sworn: Any
) -> None:
    _, inference = sworn
    length = len(inference.prompt_ids) + len(inference.output_ids)
    for context in (1, length - 1):
        replayer = FolderReplayer(folder, limits=ReplayLimits(max_context=context))
        with pytest.raises(AuditUnavailableError, match=f"{length} tokens"):
            _replay(replayer, sworn)
        assert replayer.engines.live is None
    replayer = FolderReplayer(folder, limits=ReplayLimits(max_context=length))
    assert _replay(replayer, sworn).grade == "exact"
    replayer.close()


@pytest.mark.vllm
def test_a_model_served_shortened_is_replayed_shortened(folder: Path) -> None:
    """The context is no part of a profile, and vLLM starts with no more than that."""
    pytest.importorskip("vllm", reason="vLLM has no wheel here")
    from affiant.inference.infer import infer

    replayer = FolderReplayer(
        folder, engine="same", limits=ReplayLimits(max_context=64)
    )
    manifest = replayer.prepare("vllm")
    engine = replayer.engines.live
    assert engine.max_context == 64
    inference = infer(
        engine,
        model=replayer.root,
        request=b"{}",
        prompt_ids=engine.encode("plan:"),
        schema=SCHEMA,
        max_tokens=48,
        sampling=GREEDY,
        seed=None,
    )
    assert _replay(replayer, (manifest, inference)).grade == "exact"
    replayer.close()
    assert replayer.engines.live is None


def test_what_takes_more_memory_than_is_given_is_not_a_lie(
    folder: Path, sworn: Any
) -> None:
    from affiant.inference.errors import ReplayMemoryError

    replayer = FolderReplayer(folder, limits=ReplayLimits(memory_bytes=10_000))
    with pytest.raises(ReplayMemoryError, match="at most 10000"):
        _replay(replayer, sworn)
    replayer.close()


def test_what_breaks_an_engine_costs_nobody_else_a_replay(
    sworn: Any, watched: Any
) -> None:
    from affiant.inference.errors import EngineUnavailableError

    replayer, said = watched
    assert _replay(replayer, sworn).grade == "exact"
    replayer.engines.live.close()  # As a machine's failure leaves it.
    with pytest.raises(EngineUnavailableError):
        _replay(replayer, sworn)
    assert _replay(replayer, sworn).grade == "exact"
    # Together: those that it took along are replayed again.
    replayer.engines.live.close()
    found = replayer.replay_each([_job(sworn)] * 3)
    assert [item.grade for item in found] == ["exact"] * 3
    assert len(said) == 3


def test_what_need_not_be_exact_is_replayed_in_one_pass(
    sworn: Any, watched: Any
) -> None:
    replayer, _ = watched
    manifest, inference = sworn
    passes: list[int] = []
    assert _replay(replayer, sworn).grade == "exact"
    replayer.engines.live._model.register_forward_pre_hook(lambda *_: passes.append(1))
    elsewhere = replace(manifest, device="cuda-sm90-of-another-machine")
    other_model = replace(
        inference, receipt=replace(inference.receipt, model=keccak256(b"another"))
    )
    jobs = [_job((elsewhere, inference)) for _ in range(6)]
    jobs.insert(2, _job(sworn))
    jobs.insert(4, _job((elsewhere, other_model)))
    found = replayer.replay_each(jobs)
    # The six together, and the exact one alone.
    assert len(passes) == 2
    assert isinstance(found.pop(4), AuditUnavailableError)
    assert found.pop(2).grade == "exact"
    for verdict in found:
        assert (verdict.grade, verdict.measures.mismatches) == ("inconclusive", 0)


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
