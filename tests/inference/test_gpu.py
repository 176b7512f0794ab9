"""The same code on a GPU: an honest output replays exactly in its own profile."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from affiant.encoding import keccak256
from affiant.inference.calibrate import CalibrationQuestion, calibrate
from affiant.inference.commitment import commit_model
from affiant.inference.engine import Engine
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

    exact_in_its_own_profile(
        VllmEngine.load(MODEL, settings=VllmSettings(gpu_memory_utilization=0.3))
    )


@pytest.mark.gpu
def test_the_second_engine_takes_the_gpu_and_replays_exactly_on_it() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    from affiant.inference.load import load_engine

    engine = load_engine(MODEL, name="transformers", dtype=None)
    assert engine.manifest.device.startswith("cuda-")
    exact_in_its_own_profile(engine)


def exact_in_its_own_profile(engine: Engine) -> None:
    """Generate together, prefill alone, replay; close the engine."""
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
        profile = calibrate(
            engine, None, model=commit_model(MODEL).root, questions=questions
        )
        assert profile.exactness.exact == profile.exactness.inferences == 16
    finally:
        engine.close()
