"""Replay as an auditor does it: honest inferences pass, each kind of lie does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from affiant.encoding import Digest, JsonValue, keccak256
from affiant.errors import MalformedError
from affiant.inference.engine import GREEDY, Sampling
from affiant.inference.errors import (
    ContextExceededError,
    LogitsInvalidError,
    ReceiptMismatchError,
)
from affiant.inference.infer import Inference, infer
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import ReplayVerdict, replay
from affiant.inference.sampler import Choice, choose_rows
from affiant.inference.trace import Trace
from affiant.inference.transformers_engine import TransformersEngine

SEED = bytes(range(32))
OTHER_SEED = bytes(32)
WARM = Sampling(Fraction(7, 10))
MAX_TOKENS = 64


@dataclass(frozen=True)
class Evidence:
    """What an auditor gets; a lie changes some of it."""

    receipt: InferenceReceipt
    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    trace: Trace
    schema: JsonValue
    sampling: Sampling = GREEDY
    seed: bytes | None = None
    max_tokens: int | None = MAX_TOKENS

    def judge(self, engine: Any) -> ReplayVerdict:
        """Replay it on `engine`."""
        return replay(
            engine,
            receipt=self.receipt,
            prompt_ids=self.prompt_ids,
            output_ids=self.output_ids,
            trace=self.trace,
            schema=self.schema,
            sampling=self.sampling,
            seed=self.seed,
            max_tokens=self.max_tokens,
        )

    def sworn(self) -> Evidence:
        """Return it with a receipt that swears to all of it: a consistent liar."""
        return replace(
            self,
            receipt=replace(
                self.receipt,
                prompt=tokens_hash(self.prompt_ids),
                output=tokens_hash(self.output_ids),
                trace=self.trace.root,
            ),
        )


def run(engine: Any, **changes: Any) -> Evidence:
    """Run an honest inference and return its evidence."""
    asked: dict[str, Any] = {
        "prompt_ids": engine.encode("what now? WETH 1500 USDC hold"),
        "schema": None,
        "sampling": GREEDY,
        "seed": None,
        **changes,
    }
    done: Inference = infer(
        engine,
        model=keccak256(b"model"),
        request=b"{}",
        max_tokens=MAX_TOKENS,
        **asked,
    )
    return Evidence(
        receipt=done.receipt,
        prompt_ids=done.prompt_ids,
        output_ids=done.output_ids,
        trace=done.trace,
        schema=asked["schema"],
        sampling=asked["sampling"],
        seed=asked["seed"],
    )


def forge(engine: Any, evidence: Evidence, output_ids: tuple[int, ...]) -> Evidence:
    """Return evidence for another output, with the most plausible trace a liar has."""
    logits = engine.prefill(evidence.prompt_ids, output_ids)
    choices = choose_rows(
        logits, allowed=None, sampling=evidence.sampling, seed=evidence.seed
    )
    plausible = [
        choice
        if any(token == pair[0] for pair in choice.candidates)
        else Choice(token=token, candidates=((token, choice.candidates[0][1]),))
        for choice, token in zip(choices, output_ids, strict=True)
    ]
    trace = Trace.from_choices(
        [
            replace(choice, token=token)
            for choice, token in zip(plausible, output_ids, strict=True)
        ]
    )
    return replace(evidence, output_ids=output_ids, trace=trace).sworn()


@pytest.fixture(scope="module")
def plan(engine: TransformersEngine, schema: dict[str, Any]) -> Evidence:
    """An honest greedy plan."""
    return run(engine, schema=schema)


@pytest.fixture(scope="module")
def sampled(engine: TransformersEngine, schema: dict[str, Any]) -> Evidence:
    """An honest sampled plan."""
    return run(engine, schema=schema, sampling=WARM, seed=SEED)


def test_honest_inferences_replay_exactly(
    engine: TransformersEngine, plan: Evidence, sampled: Evidence
) -> None:
    for evidence in (plan, sampled, run(engine)):
        verdict = evidence.judge(engine)
        assert verdict.grade == "exact", verdict
        assert verdict.same_profile and verdict.mismatches == 0
        assert verdict.tokens == len(evidence.output_ids)
        assert verdict.worst_margin == 0.0 and verdict.reasons == ()


def test_another_profile_is_never_exact(
    engine: TransformersEngine, plan: Evidence
) -> None:
    other = replace(
        plan, receipt=replace(plan.receipt, engine=keccak256(b"another profile"))
    )
    verdict = other.judge(engine)
    assert verdict.grade == "consistent" and not verdict.same_profile


def other_token(evidence: Evidence, engine: Any) -> tuple[int, ...]:
    """Return the output with one token replaced by its runner-up under the grammar."""
    output = list(evidence.output_ids)
    for index, entry in enumerate(evidence.trace.entries):
        others = [t for t, _ in entry.candidates if t != entry.token]
        if others:
            asked = {
                "schema": evidence.schema,
                "sampling": evidence.sampling,
                "seed": evidence.seed,
            }
            forced = (*output[:index], others[0])
            continued = engine.generate(
                evidence.prompt_ids, max_tokens=MAX_TOKENS, prefix=forced, **asked
            )
            return tuple(continued)
    raise AssertionError("every position had one candidate")


@dataclass(frozen=True)
class Lie:
    """A lie that a node swears to consistently."""

    id: str
    tell: Callable[[Any, Evidence], Evidence]


def shifted_trace(evidence: Evidence) -> Trace:
    """Return the trace with every logit of one entry a grid unit higher."""
    first, *rest = evidence.trace.entries
    pairs = tuple((token, units + 1) for token, units in first.candidates)
    return Trace(entries=(replace(first, candidates=pairs), *rest))


LIES = [
    Lie("a wrong token", lambda e, v: forge(e, v, other_token(v, e))),
    Lie(
        "an edited prompt",
        lambda e, v: replace(v, prompt_ids=(*v.prompt_ids[:-1], 9)).sworn(),
    ),
    Lie(
        "a token outside the grammar",
        lambda e, v: forge(e, v, (e.encode("x")[0], *v.output_ids[1:])),
    ),
    Lie(
        "an end before the plan is complete",
        lambda e, v: forge(e, v, (*v.output_ids[:5], 1)),
    ),
    Lie("a shifted trace", lambda e, v: replace(v, trace=shifted_trace(v)).sworn()),
    Lie("another seed", lambda e, v: replace(v, seed=OTHER_SEED, sampling=WARM)),
    Lie("another temperature", lambda e, v: replace(v, seed=SEED, sampling=WARM)),
    Lie(
        "another schema",
        lambda e, v: replace(
            v,
            schema={
                "type": "object",
                "properties": {"x": {"const": 1}},
                "required": ["x"],
            },
        ),
    ),
    Lie("no schema", lambda e, v: replace(v, schema=None)),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.id)
def test_the_same_profile_catches(
    engine: TransformersEngine, plan: Evidence, lie: Lie
) -> None:
    verdict = lie.tell(engine, plan).judge(engine)
    assert verdict.grade == "inconsistent", verdict
    assert verdict.reasons


def test_reasons_name_token_got_and_expected(
    engine: TransformersEngine, plan: Evidence
) -> None:
    forged = forge(engine, plan, other_token(plan, engine))
    at = next(
        index
        for index, (got, honest) in enumerate(
            zip(forged.output_ids, plan.output_ids, strict=False)
        )
        if got != honest
    )
    verdict = forged.judge(engine)
    assert verdict.mismatches == 1 and verdict.worst_margin > 0
    assert verdict.reasons[0].startswith(
        f"token {at}: got {forged.output_ids[at]}, expected {plan.output_ids[at]}"
    )


def test_a_sampled_plan_needs_its_own_seed(
    engine: TransformersEngine, sampled: Evidence
) -> None:
    verdict = replace(sampled, seed=OTHER_SEED).judge(engine)
    assert verdict.grade == "inconsistent" and verdict.mismatches > 0


def test_another_model_is_inconsistent(
    other_engine: TransformersEngine, engine: TransformersEngine, plan: Evidence
) -> None:
    # Same manifest: the profile does not name the model.
    assert other_engine.manifest.hash == engine.manifest.hash
    verdict = plan.judge(other_engine)
    assert verdict.grade == "inconsistent" and verdict.worst_trace_distance > 0.25


@dataclass(frozen=True)
class Refusal:
    """Evidence that is refused before anything is computed."""

    id: str
    change: Callable[[Evidence], Evidence]
    expected: type[Exception]


def receipt_with(name: str) -> Callable[[Evidence], Evidence]:
    def change(evidence: Evidence) -> Evidence:
        fields: dict[str, Any] = {name: keccak256(b"another")}
        return replace(evidence, receipt=replace(evidence.receipt, **fields))

    return change


def entry_dropped(evidence: Evidence) -> Evidence:
    trace = Trace(entries=evidence.trace.entries[:-1])
    return replace(evidence, trace=trace).sworn()


def entries_swapped(evidence: Evidence) -> Evidence:
    first, second, *rest = evidence.trace.entries
    return replace(evidence, trace=Trace(entries=(second, first, *rest))).sworn()


REFUSALS = [
    Refusal("receipt of another prompt", receipt_with("prompt"), ReceiptMismatchError),
    Refusal("receipt of another output", receipt_with("output"), ReceiptMismatchError),
    Refusal("receipt of another trace", receipt_with("trace"), ReceiptMismatchError),
    Refusal(
        "edited prompt under the honest receipt",
        lambda v: replace(v, prompt_ids=v.prompt_ids[1:]),
        ReceiptMismatchError,
    ),
    Refusal("empty prompt", lambda v: replace(v, prompt_ids=()), MalformedError),
    Refusal("empty output", lambda v: replace(v, output_ids=()), MalformedError),
    Refusal(
        "an id beyond the vocabulary",
        lambda v: replace(v, output_ids=(320, *v.output_ids[1:])).sworn(),
        MalformedError,
    ),
    Refusal(
        "a negative id",
        lambda v: replace(v, output_ids=(-1, *v.output_ids[1:])),
        MalformedError,
    ),
    Refusal("a trace of another length", entry_dropped, MalformedError),
    Refusal("a trace of another order", entries_swapped, MalformedError),
    Refusal(
        "an output without its end",
        lambda v: replace(
            v,
            output_ids=v.output_ids[:-1],
            trace=Trace(entries=v.trace.entries[:-1]),
        ).sworn(),
        MalformedError,
    ),
    Refusal(
        "an output that goes on after its end",
        lambda v: replace(
            v,
            output_ids=(*v.output_ids, v.output_ids[-1]),
            trace=Trace(entries=(*v.trace.entries, v.trace.entries[-1])),
        ).sworn(),
        MalformedError,
    ),
    Refusal(
        "an output over the limit", lambda v: replace(v, max_tokens=4), MalformedError
    ),
    Refusal(
        "more than the context",
        lambda v: replace(v, prompt_ids=v.prompt_ids * 100).sworn(),
        ContextExceededError,
    ),
    Refusal("no seed", lambda v: replace(v, sampling=WARM), MalformedError),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.id)
def test_refuses(engine: TransformersEngine, plan: Evidence, case: Refusal) -> None:
    with pytest.raises(case.expected):
        case.change(plan).judge(engine)


def test_refuses_the_receipt_of_another_model(
    engine: TransformersEngine, plan: Evidence
) -> None:
    with pytest.raises(ReceiptMismatchError) as caught:
        replay(
            engine,
            receipt=plan.receipt,
            prompt_ids=plan.prompt_ids,
            output_ids=plan.output_ids,
            trace=plan.trace,
            schema=plan.schema,
            sampling=GREEDY,
            seed=None,
            model=Digest(bytes(32)),
        )
    assert caught.value.field == "model"


class AlteredEngine:
    """A real engine whose prefill is altered, as other hardware or a fault would."""

    def __init__(
        self, engine: TransformersEngine, alter: Callable[[np.ndarray[Any, Any]], Any]
    ) -> None:
        self._engine = engine
        self._alter = alter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prefill(self, prompt_ids: Any, output_ids: Any) -> Any:
        return self._alter(self._engine.prefill(prompt_ids, output_ids).copy())


def test_refuses_logits_that_are_no_numbers(
    engine: TransformersEngine, plan: Evidence
) -> None:
    for alter in (lambda x: x * np.nan, lambda x: x + np.inf, lambda x: x[:-1]):
        with pytest.raises(LogitsInvalidError):
            plan.judge(AlteredEngine(engine, alter))


def judge_elsewhere(
    engine: TransformersEngine, evidence: Evidence, *, noise: float
) -> ReplayVerdict:
    """Replay in another profile whose logits differ by up to `noise`."""
    draw = np.random.default_rng(0)

    def alter(logits: Any) -> Any:
        return logits + draw.uniform(-noise, noise, logits.shape).astype(np.float32)

    receipt = replace(evidence.receipt, engine=keccak256(b"another profile"))
    return replace(evidence, receipt=receipt).judge(AlteredEngine(engine, alter))


def test_grades_of_another_profile(engine: TransformersEngine) -> None:
    free = run(engine)
    assert judge_elsewhere(engine, free, noise=0.01).grade == "consistent"
    # Tokens stand, logits are too far to say that it is the same model.
    far = judge_elsewhere(engine, free, noise=0.6)
    assert far.grade in ("inconclusive", "inconsistent")
    assert far.worst_trace_distance > 0.25
    assert judge_elsewhere(engine, free, noise=8.0).grade == "inconsistent"


def test_a_near_tie_elsewhere_is_inconclusive(engine: TransformersEngine) -> None:
    free = run(engine)
    gaps = [
        entry.candidates[0][1] - entry.candidates[1][1]
        if len(entry.candidates) > 1
        else 10**6
        for entry in free.trace.entries
    ]
    at = int(np.argmin(gaps))
    runner_up = free.trace.entries[at].candidates[1][0]

    def alter(logits: Any) -> Any:
        logits[at, runner_up] += gaps[at] / 256 + 0.01
        return logits

    assert gaps[at] < 50, "the fixture has no near tie"
    receipt = replace(free.receipt, engine=keccak256(b"another profile"))
    verdict = replace(free, receipt=receipt).judge(AlteredEngine(engine, alter))
    assert verdict.grade == "inconclusive" and verdict.mismatches == 1
    assert 0 < verdict.worst_margin < 0.25
    assert verdict.reasons[0].startswith(f"token {at}: got ")
