"""Calibration: two real engines on a tiny model, and the bounds that it states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affiant.encoding import keccak256
from affiant.inference.calibrate import (
    MIN_HALF,
    CalibrationQuestion,
    calibrate,
    classes_of,
    generate,
    sworn_of,
    upper_bound,
    vary,
)
from affiant.inference.engine import Prefill
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.measure import Measures
from affiant.inference.profile import Profile
from affiant.inference.replay import replay, replay_many
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.transformers_engine import TransformersEngine

MODEL = keccak256(b"model")


@pytest.fixture(scope="module")
def half(tiny_model: Path) -> Iterator[TransformersEngine]:
    """The same model in bfloat16: another profile."""
    loaded = TransformersEngine.load(tiny_model, dtype="bfloat16")
    yield loaded
    loaded.close()


def questions(engine: Any, *, count: int, first: int = 0) -> list[CalibrationQuestion]:
    """Return distinct questions of 24 tokens each."""
    return [
        CalibrationQuestion(
            prompt_ids=tuple(engine.encode(f"what now? {number * 37} WETH")),
            schema=None,
            sampling=Sampling(Fraction(1)),
            seed=keccak256(number.to_bytes(4, "big")),
            max_tokens=24,
        )
        for number in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def profile(engine: TransformersEngine, half: TransformersEngine) -> Profile:
    """A calibration of float32, replayed by bfloat16."""
    asked = questions(engine, count=60)
    return calibrate(engine, half, model=MODEL, questions=asked)


def test_says_what_was_measured(
    profile: Profile, engine: TransformersEngine, half: TransformersEngine
) -> None:
    assert profile.fits(
        model=MODEL, generator=engine.manifest.hash, replayer=half.manifest.hash
    )
    assert profile.exactness.inferences == profile.exactness.exact == 60
    (found,) = [item for item in profile.classes if item.most == 24]
    assert found.calibrated + found.judged <= 60 and found.judged >= MIN_HALF
    assert 0 < found.false_positives <= 1 and found.limits.fingerprint > 0
    assert Profile.from_bytes(profile.to_bytes()) == profile


def test_the_same_questions_give_the_same_profile(
    profile: Profile, engine: TransformersEngine, half: TransformersEngine
) -> None:
    again = calibrate(engine, half, model=MODEL, questions=questions(engine, count=60))
    assert again.hash == profile.hash


def test_tells_honest_inferences_from_those_of_another_model(
    profile: Profile,
    engine: TransformersEngine,
    half: TransformersEngine,
    other_engine: TransformersEngine,
) -> None:
    asked = questions(engine, count=24, first=1000)

    def grades(serving: TransformersEngine) -> list[str]:
        sworn = [
            sworn_of(done, told)
            for done, told in zip(
                generate(serving, asked, model=MODEL), asked, strict=True
            )
        ]
        # The other model claims to have been run by the calibrated engine.
        sworn = [
            replace(item, receipt=replace(item.receipt, engine=engine.manifest.hash))
            for item in sworn
        ]
        verdicts = replay_many(half, sworn, model=MODEL, profiles=[profile])
        return [item.grade for item in verdicts if item.measures.tokens == 24]

    honest, lying = grades(engine), grades(other_engine)
    assert len(honest) > 5 and honest.count("consistent") >= len(honest) - 2
    assert len(lying) > 5 and set(lying) == {"inconsistent"}


def test_a_token_far_off_is_inconsistent_at_any_length(
    profile: Profile, engine: TransformersEngine, half: TransformersEngine
) -> None:
    (question,) = questions(engine, count=1, first=7)
    (done,) = generate(engine, [replace(question, max_tokens=60)], model=MODEL)
    honest = sworn_of(done, replace(question, max_tokens=60))
    assert profile.class_of(len(done.output_ids)) is None
    verdict = replay(half, honest, model=MODEL, profiles=[profile])
    assert (
        verdict.grade == "inconclusive" and "calibrated length" in verdict.reasons[-1]
    )
    lied = replace(honest, seed=keccak256(b"another seed"))
    verdict = replay(half, lied, model=MODEL, profiles=[profile])
    assert verdict.grade == "inconsistent" and "at any length" in verdict.reasons[-1]


def test_no_limit_comes_of_what_could_not_be_measured(
    engine: TransformersEngine, half: TransformersEngine
) -> None:
    class Overflowing:
        def __getattr__(self, name: str) -> Any:
            return getattr(half, name)

        def prefill_many(self, jobs: Any) -> list[Prefill]:
            found = half.prefill_many(jobs)
            return [Prefill(item.logits * np.inf, item.hidden) for item in found]

    asked = questions(engine, count=2)
    with pytest.raises(EngineUnavailableError, match="usable logits"):
        calibrate(engine, Overflowing(), model=MODEL, questions=asked)


def test_exactness_alone_needs_no_other_engine(engine: TransformersEngine) -> None:
    found = calibrate(engine, None, model=MODEL, questions=questions(engine, count=3))
    assert found.exactness.exact == 3 and found.classes == ()
    assert found.replayer == found.generator


def test_needs_questions(engine: TransformersEngine) -> None:
    with pytest.raises(ValueError, match="questions"):
        calibrate(engine, None, model=MODEL, questions=[])
    with pytest.raises(ValueError, match="questions"):
        vary([], count=3)


def test_prompts_are_asked_again_with_other_draws(engine: TransformersEngine) -> None:
    base = [
        replace(item, sampling=GREEDY, seed=None) for item in questions(engine, count=2)
    ]
    found = vary(base, count=7)
    assert found[:2] == base and len(set(map(repr, found))) == 7
    assert {item.prompt_ids for item in found} == {item.prompt_ids for item in base}
    assert vary(base, count=1) == base[:1]


def test_bounds_are_clopper_and_pearsons() -> None:
    # No event in n trials: 1 - 0.05^(1/n), the "rule of three".
    assert upper_bound(0, of=3000) == pytest.approx(1 - 0.05 ** (1 / 3000))
    assert upper_bound(0, of=2995) < 1 / 1000 < upper_bound(0, of=2990)
    # Clopper and Pearson 1934; R: binom.test(3, 100, alternative = "less").
    assert upper_bound(3, of=100) == pytest.approx(0.0757, abs=1e-4)
    assert upper_bound(5, of=5) == 1.0


def measures(tokens: int, fingerprint: float) -> Measures:
    return Measures(tokens, 0, 0.0, 0.0, fingerprint, fingerprint)


def test_limits_come_from_one_half_and_are_tried_on_the_other() -> None:
    low, high = measures(20, 0.01), measures(24, 0.9)
    (found,) = classes_of([low, high] * 30)
    assert found.limits.fingerprint == 0.0125 and found.exceeded == found.judged == 30
    assert found.false_positives == 1.0
    # Of lengths that made no limit, nothing is claimed.
    assert (found.least, found.most) == (20, 20)
    assert classes_of([low] * (2 * MIN_HALF - 1)) == ()
    by_length = classes_of([measures(n, 0.1) for n in (10, 40, 100) for _ in range(60)])
    assert [(item.least, item.most) for item in by_length] == [
        (10, 10),
        (40, 40),
        (100, 100),
    ]
