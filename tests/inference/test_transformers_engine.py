"""transformers as an engine: what breaks down is typed, threads are its profile's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from affiant.inference.engine import PrefillJob
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.sampling import GREEDY
from affiant.inference.transformers_engine import TransformersEngine

PROMPT, OUTPUT = (5, 6, 7), (8, 9, 10)


@pytest.fixture
def own(tiny_model: Any) -> Iterator[TransformersEngine]:
    """An engine that a test may break."""
    loaded = TransformersEngine.load(tiny_model, gpu=False)
    yield loaded
    loaded.close()


USES: dict[str, Callable[[TransformersEngine], Any]] = {
    "prefill": lambda engine: engine.prefill(PROMPT, OUTPUT),
    "prefill_many": lambda engine: engine.prefill_many(
        [PrefillJob(PROMPT, OUTPUT), PrefillJob(PROMPT, OUTPUT[:2])]
    ),
    "generate": lambda engine: engine.generate(
        PROMPT, schema=None, max_tokens=4, sampling=GREEDY, seed=None
    ),
}


class Broken:
    """A model on a machine that cannot: every use raises."""

    device = torch.device("cpu")

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_output_embeddings(self) -> Any:
        return torch.nn.Linear(1, 1)

    def __call__(self, **_: Any) -> Any:
        raise self._error


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] not enough memory"),
        MemoryError(),
        IndexError("index out of range in self"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_breakdown_is_typed_and_the_engine_goes_on(
    own: TransformersEngine, use: str, error: Exception
) -> None:
    model, own._model = own._model, Broken(error)
    with pytest.raises(EngineUnavailableError, match="broken down") as caught:
        USES[use](own)
    assert caught.value.__cause__ is error
    own._model = model
    USES[use](own)


@pytest.mark.parametrize("use", USES)
def test_a_closed_engine_says_so(own: TransformersEngine, use: str) -> None:
    own.close()
    own.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        USES[use](own)


@pytest.mark.parametrize("use", USES)
def test_each_use_has_the_threads_of_its_profile(
    own: TransformersEngine, use: str
) -> None:
    """Whatever anything else in the process set: threads split sums."""
    seen = set()
    hook = own._model.register_forward_pre_hook(
        lambda *_: seen.add(torch.get_num_threads())
    )
    before = own.prefill(PROMPT, OUTPUT).logits
    torch.set_num_threads(own.manifest.threads + 1)
    USES[use](own)
    hook.remove()
    assert seen == {own.manifest.threads}
    assert (own.prefill(PROMPT, OUTPUT).logits == before).all()


def test_does_not_run_in_threads_that_are_not_its_profiles(
    own: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own.manifest.threads
    # As vLLM leaves it in its process: no other number is to be had.
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: before + 1)
    with pytest.raises(EngineUnavailableError, match=f"not {before}"):
        own.prefill(PROMPT, OUTPUT)
    monkeypatch.undo()
    own.prefill(PROMPT, OUTPUT)


def test_takes_a_gpu_and_its_numbers_where_there_is_one(tiny_model: Any) -> None:
    loaded = TransformersEngine.load(tiny_model)
    manifest = loaded.manifest
    loaded.close()
    if torch.cuda.is_available():
        assert manifest.device.startswith("cuda-") and manifest.threads == 0
        assert manifest.dtype == "bfloat16"
    else:
        assert manifest.device.startswith("cpu-") and manifest.threads > 0
        assert manifest.dtype == "float32"
