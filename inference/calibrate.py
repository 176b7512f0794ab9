"""Calibration: honest inferences through two engines, and the profile they give.

It decides which limits an auditor may hold another engine's inferences to, and how sure
they are. It is honest only if the generating engine is: calibrate on engines of your
own. Even questions make the limits, odd ones judge them: the false positives stated are
those of inferences that the limits have not seen.

1. every question is generated and self-checked by the generator;
2. each is replayed by the generator itself: how many come out exactly;
3. each is replayed by the other engine, in batches, and measured;
4. per class of lengths: limits from one half, false positives on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isnan

from affiant.encoding import Digest, JsonValue, canonical_json, keccak256
from affiant.inference.engine import Engine
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.infer import Inference, infer
from affiant.inference.measure import Measures
from affiant.inference.profile import (
    MAX_DRIFT,
    Exactness,
    LengthClass,
    Limits,
    Profile,
    rounded,
)
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    replay,
    replay_many,
)
from affiant.inference.sampling import Sampling

BOUNDARIES = (1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Shortest output of each class of lengths, in tokens."""
MIN_HALF = 20
"""Fewest inferences that limits come from, and that they are tried on, per class."""
CONFIDENCE = 0.95
"""Of the upper bounds."""
TOGETHER = 32
"""Questions put to an engine at the same time."""

Progress = Callable[[str, int, int], None]
"""Told (what is being done, how many are done, how many in all)."""


@dataclass(frozen=True)
class CalibrationQuestion:
    """One honest question."""

    prompt_ids: tuple[int, ...]
    schema: JsonValue | None
    sampling: Sampling
    seed: bytes | None
    """32 bytes where `sampling` has a temperature."""
    max_tokens: int


def vary(
    questions: Sequence[CalibrationQuestion], *, count: int
) -> list[CalibrationQuestion]:
    """Return `count` distinct questions: those given, then again at temperature 1.

    How far an honest replay lies does not depend on how tokens were chosen, so drawing
    other outputs to the same prompts is a cheap way to more of them.

    Raises:
        ValueError: none are given.
    """
    if not questions:
        raise ValueError("questions: got none, expected some")
    found = list(questions[:count])
    while len(found) < count:
        seed = keccak256(b"affiant calibration" + len(found).to_bytes(4, "big"))
        base = questions[len(found) % len(questions)]
        found.append(replace(base, sampling=Sampling(Fraction(1)), seed=seed))
    return found


def calibrate(
    generator: Engine,
    replayer: Engine | None,
    *,
    model: Digest,
    questions: Sequence[CalibrationQuestion],
    progress: Progress = lambda what, done, total: None,
) -> Profile:
    """Return the profile of `generator`, replayed by itself and by `replayer`.

    Args:
        generator: the engine that generates.
        replayer: the other engine; `None` measures exactness alone.
        model: root of the commitment of the model that both hold.
        questions: distinct ones, in the lengths and kinds that will be replayed.
        progress: told what is being done.

    Raises:
        ValueError: no questions.
        RejectedError, UnavailableError: an engine refuses a question, or breaks down.
    """
    if not questions:
        raise ValueError("questions: got none, expected some")
    # 1.
    honest = generate(generator, questions, model=model, progress=progress)
    sworn = [
        sworn_of(done, question)
        for done, question in zip(honest, questions, strict=True)
    ]
    # 2.
    exact = 0
    for count, item in enumerate(sworn):
        exact += replay(generator, item, model=model).grade == "exact"
        progress("replaying in the same profile", count + 1, len(sworn))
    # 3.
    measured: list[Measures] = []
    if replayer is not None:
        for start in range(0, len(sworn), TOGETHER):
            batch = sworn[start : start + TOGETHER]
            verdicts = replay_many(replayer, batch, model=model)
            measured += [_measured(verdict) for verdict in verdicts]
            progress("replaying in the other engine", len(measured), len(sworn))
    # 4.
    return Profile(
        model=model,
        generator=generator.manifest,
        replayer=(replayer or generator).manifest,
        prompts=keccak256(
            canonical_json([list(question.prompt_ids) for question in questions])
        ),
        exactness=Exactness(
            inferences=len(honest),
            tokens=sum(len(done.output_ids) for done in honest),
            exact=exact,
            rollbacks=sum(done.rollbacks for done in honest),
        ),
        classes=classes_of(measured),
    )


def _measured(verdict: ReplayVerdict) -> Measures:
    """Return what was measured of an honest inference.

    Raises:
        EngineUnavailableError: nothing could be: no limit may come of that.
    """
    if isnan(verdict.measures.fingerprint):
        raise EngineUnavailableError(
            "replayer", got="; ".join(verdict.reasons), expected="usable logits"
        )
    return verdict.measures


def generate(
    engine: Engine,
    questions: Sequence[CalibrationQuestion],
    *,
    model: Digest,
    progress: Progress = lambda what, done, total: None,
) -> list[Inference]:
    """Return the settled inference of each question, several at the same time.

    Raises:
        RejectedError, UnavailableError: as `infer`.
    """

    def one(question: CalibrationQuestion) -> Inference:
        return infer(
            engine,
            model=model,
            request=b"{}",
            prompt_ids=question.prompt_ids,
            schema=question.schema,
            max_tokens=question.max_tokens,
            sampling=question.sampling,
            seed=question.seed,
        )

    found: list[Inference] = []
    with ThreadPoolExecutor(TOGETHER) as pool:
        for done in pool.map(one, questions):
            found.append(done)
            progress("generating", len(found), len(questions))
    return found


def sworn_of(done: Inference, question: CalibrationQuestion) -> SwornInference:
    """Return a finished inference as evidence would state it."""
    return SwornInference(
        receipt=done.receipt,
        prompt_ids=done.prompt_ids,
        output_ids=done.output_ids,
        trace=done.trace,
        schema=question.schema,
        sampling=question.sampling,
        seed=question.seed,
        max_tokens=question.max_tokens,
    )


def classes_of(measured: Sequence[Measures]) -> tuple[LengthClass, ...]:
    """Return limits per class of lengths; classes with too few inferences are left out.

    Args:
        measured: of honest inferences, in any order that tells nothing about them.
    """
    found = []
    for least, after in zip(BOUNDARIES, (*BOUNDARIES[1:], 2**31), strict=True):
        own = [item for item in measured if least <= item.tokens < after]
        making, judging = own[::2], own[1::2]
        if len(judging) < MIN_HALF:
            continue
        limits = Limits.of(making)
        exceeded = sum(bool(limits.exceeded(item)) for item in judging)
        # Nothing is claimed of lengths beyond those that were looked at.
        lengths = [item.tokens for item in making]
        found.append(
            LengthClass(
                least=min(lengths),
                most=max(lengths),
                calibrated=len(making),
                judged=len(judging),
                exceeded=exceeded,
                false_positives=rounded(upper_bound(exceeded, of=len(judging))),
                limits=limits,
                drift=tuple(
                    sorted(rounded(item.fingerprint) for item in making[:MAX_DRIFT])
                ),
            )
        )
    return tuple(found)


def upper_bound(count: int, *, of: int, confidence: float = CONFIDENCE) -> float:
    """Return the upper Clopper–Pearson bound of a share, one-sided.

    Args:
        count: how often it happened.
        of: in how many independent trials; positive.
        confidence: of the bound.
    """
    from scipy.stats import beta

    if count == of:
        return 1.0
    return float(beta.ppf(confidence, count + 1, of - count))
