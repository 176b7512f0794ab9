"""The same code on a GPU: an honest output replays exactly in its own profile."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from affiant.encoding import keccak256
from affiant.inference.calibrate import CalibrationQuestion, calibrate
from affiant.inference.commitment import commit_model
from affiant.inference.sampling import GREEDY, Sampling

MODEL = Path(__file__).resolve().parents[2] / "examples" / "planner" / "model"


@pytest.mark.gpu
@pytest.mark.vllm
def test_honest_output_replays_exactly_on_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    from affiant.inference.vllm_engine import VllmEngine
    from affiant.inference.vllm_process import VllmSettings

    engine = VllmEngine.load(MODEL, settings=VllmSettings(gpu_memory_utilization=0.3))
    try:
        assert engine.manifest.dtype == "bfloat16"
        questions = [
            CalibrationQuestion(
                prompt_ids=tuple(engine.encode(f"Objective: hold {number}\nPlan:\n")),
                schema=None,
                sampling=Sampling(Fraction(4, 5)) if number % 2 else GREEDY,
                seed=keccak256(bytes([number])) if number % 2 else None,
                max_tokens=32,
            )
            for number in range(16)
        ]
        # Generated together, prefilled alone, replayed.
        profile = calibrate(
            engine, None, model=commit_model(MODEL).root, questions=questions
        )
        assert profile.exactness.exact == profile.exactness.inferences == 16
    finally:
        engine.close()
