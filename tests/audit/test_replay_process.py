"""A model in a process of its own: what hangs or dies is ended and begun anew."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from neighbours import neighbour

from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.replay_process import ReplayProcess, _answer, _opened
from affiant.encoding import keccak256
from affiant.inference.sampling import GREEDY

if TYPE_CHECKING:
    from affiant.inference.infer import Inference

pytestmark = pytest.mark.process

SCHEMA = {
    "type": "object",
    "properties": {"action": {"const": "hold"}, "share": {"type": "integer"}},
    "required": ["action", "share"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="a real model needs torch")
    built: Path = neighbour("inference/conftest.py").build_model(
        tmp_path_factory.mktemp("model"), seed=1
    )
    return built


@pytest.fixture(scope="module")
def replayer(folder: Path) -> Iterator[ReplayProcess]:
    made = ReplayProcess(folder, engine="transformers", replay_seconds=60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def inference(folder: Path, replayer: ReplayProcess) -> Inference:
    """What an honest node with this folder swears."""
    from affiant.inference.infer import infer
    from affiant.inference.transformers_engine import TransformersEngine

    engine = TransformersEngine.load(folder)
    made = infer(
        engine,
        model=replayer.root,
        request=b"{}",
        prompt_ids=engine.encode("plan:"),
        schema=SCHEMA,
        max_tokens=48,
        sampling=GREEDY,
        seed=None,
    )
    engine.close()
    return made


def sworn(inference: Inference, **changes: Any) -> Any:
    from affiant.inference.replay import SwornInference

    return SwornInference(
        receipt=replace(inference.receipt, **changes),
        prompt_ids=inference.prompt_ids,
        output_ids=inference.output_ids,
        trace=inference.trace,
        schema=SCHEMA,
        sampling=GREEDY,
        seed=None,
        max_tokens=48,
    )


def pid(replayer: ReplayProcess) -> int:
    assert replayer._child is not None
    return replayer._child.process.pid


def test_replays_exactly_in_its_profile(
    replayer: ReplayProcess, inference: Inference
) -> None:
    verdict = replayer.replay(sworn(inference), manifest=replayer.manifest)
    assert (verdict.grade, verdict.same_profile) == ("exact", True)
    assert verdict.measures.tokens == len(inference.output_ids)
    assert inference.receipt.engine == replayer.manifest.hash


def test_tokenises_as_the_model_does(
    replayer: ReplayProcess, folder: Path, inference: Inference
) -> None:
    from affiant.inference.tokenizer import ModelTokenizer

    words = ModelTokenizer(folder)
    text = 'plan: {"why":"…"}'
    assert replayer.encode(text) == words.encode(text)
    assert replayer.decode(inference.output_ids) == words.decode(inference.output_ids)
    messages = [{"role": "user", "content": "hello"}]
    assert replayer.chat(messages) == words.chat(messages)


def test_another_profile_is_unavailable(
    replayer: ReplayProcess, inference: Inference
) -> None:
    other = replace(replayer.manifest, threads=replayer.manifest.threads + 1)
    changed = sworn(inference, engine=other.hash)
    with pytest.raises(AuditUnavailableError, match="same profile"):
        replayer.replay(changed, manifest=replace(other, device="another machine"))


def test_another_profile_does_not_cost_the_process_its_own(
    replayer: ReplayProcess, inference: Inference
) -> None:
    for changes in ({"dtype": "bfloat16"}, {"engine": "vllm"}, {"engine": "x" * 200}):
        other = replace(replayer.manifest, **changes)
        with pytest.raises(AuditUnavailableError, match="same profile"):
            replayer.replay(sworn(inference, engine=other.hash), manifest=other)
    before = pid(replayer)
    verdict = replayer.replay(sworn(inference), manifest=replayer.manifest)
    assert verdict.grade == "exact" and pid(replayer) == before


def test_no_memory_is_no_fault_of_whoever_asks() -> None:
    def ask() -> None:
        raise MemoryError("cannot allocate 40 GB")

    with pytest.raises(AuditUnavailableError, match="40 GB"):
        _opened(_answer(ask))
    with pytest.raises(RuntimeError, match="KeyError"):
        _opened(_answer(lambda: {}["bug"]))


def test_another_model_is_unavailable(
    replayer: ReplayProcess, inference: Inference
) -> None:
    changed = sworn(inference, model=keccak256(b"another"))
    with pytest.raises(AuditUnavailableError, match="other model folder"):
        replayer.replay(changed, manifest=replayer.manifest)


def test_what_is_not_sworn_is_rejected(
    replayer: ReplayProcess, inference: Inference
) -> None:
    changed = sworn(inference, trace=keccak256(b"another"))
    with pytest.raises(AuditRejectedError, match="ReceiptMismatchError"):
        replayer.replay(changed, manifest=replayer.manifest)
    before = pid(replayer)
    assert replayer.encode("still there") and pid(replayer) == before


def test_a_process_that_hangs_is_ended_in_time_and_begun_anew(
    replayer: ReplayProcess, inference: Inference
) -> None:
    stuck = pid(replayer)
    replayer._replay_seconds = 1.0
    os.kill(stuck, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(AuditUnavailableError, match="no answer within 1 s"):
        replayer.replay(sworn(inference), manifest=replayer.manifest)
    assert time.monotonic() - start < 10
    with pytest.raises(ProcessLookupError):
        os.kill(stuck, 0)
    replayer._replay_seconds = 60.0
    verdict = replayer.replay(sworn(inference), manifest=replayer.manifest)
    assert verdict.grade == "exact" and pid(replayer) != stuck


def test_a_process_that_dies_is_begun_anew(
    replayer: ReplayProcess, inference: Inference
) -> None:
    os.kill(pid(replayer), signal.SIGKILL)
    with pytest.raises(AuditUnavailableError, match="it ended with status -9"):
        replayer.replay(sworn(inference), manifest=replayer.manifest)
    verdict = replayer.replay(sworn(inference), manifest=replayer.manifest)
    assert verdict.grade == "exact"


def test_after_a_restart_it_must_be_the_same_model(
    folder: Path, inference: Inference, tmp_path: Path
) -> None:
    copied = tmp_path / "model"
    shutil.copytree(folder, copied)
    length = len(inference.prompt_ids) + len(inference.output_ids)
    replayer = ReplayProcess(
        copied, engine="transformers", limits=ReplayLimits(max_context=length - 1)
    )
    with pytest.raises(AuditUnavailableError, match=f"context of {length - 1} here"):
        replayer.replay(sworn(inference), manifest=replayer.manifest)
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    os.kill(pid(replayer), signal.SIGKILL)
    with pytest.raises(AuditUnavailableError):
        replayer.encode("hello")
    with pytest.raises(AuditUnavailableError, match="not what it was"):
        replayer.encode("hello")
    replayer.close()


def test_no_model_no_process(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailableError, match="model folder"):
        ReplayProcess(tmp_path, engine="transformers")


def test_it_has_no_variable_that_it_was_not_given_and_ends_when_closed(
    folder: Path,
) -> None:
    environment = {"PATH": os.environ["PATH"], "TOKENIZERS_PARALLELISM": "false"}
    replayer = ReplayProcess(folder, engine="transformers", environment=environment)
    child = pid(replayer)
    told = Path(f"/proc/{child}/environ").read_bytes().decode()
    names = {item.partition("=")[0] for item in told.split("\0") if item}
    assert names <= {*environment, "LC_CTYPE"}
    replayer.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    with pytest.raises(AuditUnavailableError, match="closed"):
        replayer.encode("hello")
