"""The same code on a GPU: an honest output replays exactly in its own profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from affiant.encoding import canonical_json
from affiant.inference.commitment import commit_model
from affiant.inference.infer import infer
from affiant.inference.replay import replay
from affiant.inference.sampling import GREEDY

MODEL = Path(__file__).resolve().parents[2] / "examples" / "planner" / "model"


@pytest.mark.gpu
@pytest.mark.vllm
def test_honest_output_replays_exactly_on_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    from affiant.inference.vllm_engine import VllmEngine

    engine = VllmEngine.load(MODEL, gpu_memory_utilization=0.3)
    try:
        assert engine.manifest.dtype == "bfloat16"
        root = commit_model(MODEL).root
        inference = infer(
            engine,
            model=root,
            request=canonical_json({"asked": "anything"}),
            prompt_ids=engine.encode("Objective: hold\nPlan:\n"),
            schema=None,
            max_tokens=32,
            sampling=GREEDY,
            seed=None,
        )
        verdict = replay(
            engine,
            receipt=inference.receipt,
            prompt_ids=inference.prompt_ids,
            output_ids=inference.output_ids,
            trace=inference.trace,
            schema=None,
            sampling=GREEDY,
            seed=None,
            max_tokens=32,
            model=root,
        )
        assert (verdict.grade, verdict.same_profile) == ("exact", True)
    finally:
        engine.close()
