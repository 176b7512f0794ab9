"""Replay as an auditor does it: honest inferences pass, each kind of lie does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError, RejectedError
from affiant.inference.candidates import offer
from affiant.inference.engine import Prefill
from affiant.inference.errors import (
    ContextExceededError,
    LogitsInvalidError,
    ReceiptMismatchError,
)
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.infer import Inference, infer, trace_of
from affiant.inference.manifest import EngineManifest, GrammarManifest
from affiant.inference.profile import Exactness, LengthClass, Limits, Profile
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    check_sworn,
    replay,
    replay_many,
)
from affiant.inference.sampler import SAMPLER
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.trace import Trace
from affiant.inference.transformers_engine import TransformersEngine

SEED = bytes(range(32))
OTHER_SEED = bytes(32)
WARM = Sampling(Fraction(7, 10))
MAX_TOKENS = 64
ELSEWHERE = EngineManifest(
    engine="another",
    engine_version="1",
    torch_version="1",
    dtype="float32",
    kv_dtype="none",
    attention="another",
    tensor_parallel=1,
    pipeline_parallel=1,
    threads=1,
    execution="eager",
    batch_invariant=False,
    grammar=GrammarManifest(backend="xgrammar", version="0", any_whitespace=False),
    sampler=SAMPLER,
    fingerprint=FINGERPRINT,
    device="another",
)
"""The manifest of an engine that is not here."""


def sworn_again(evidence: SwornInference) -> SwornInference:
    """Return it with a receipt that swears to all of it: a consistent liar."""
    return replace(
        evidence,
        receipt=replace(
            evidence.receipt,
            prompt=tokens_hash(evidence.prompt_ids),
            output=tokens_hash(evidence.output_ids),
            trace=evidence.trace.root,
        ),
    )


def run(engine: Any, **changes: Any) -> SwornInference:
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
    return SwornInference(
        receipt=done.receipt,
        prompt_ids=done.prompt_ids,
        output_ids=done.output_ids,
        trace=done.trace,
        schema=asked["schema"],
        sampling=asked["sampling"],
        seed=asked["seed"],
        max_tokens=MAX_TOKENS,
    )


def forge(
    engine: Any, evidence: SwornInference, output_ids: tuple[int, ...]
) -> SwornInference:
    """Return evidence for another output, with the most plausible trace a liar has."""
    found = engine.prefill(evidence.prompt_ids, output_ids)
    trace = trace_of(found, prompt_ids=evidence.prompt_ids, output_ids=output_ids)
    return sworn_again(replace(evidence, output_ids=output_ids, trace=trace))


@pytest.fixture(scope="module")
def plan(engine: TransformersEngine, schema: dict[str, Any]) -> SwornInference:
    """An honest greedy plan."""
    return run(engine, schema=schema)


@pytest.fixture(scope="module")
def sampled(engine: TransformersEngine, schema: dict[str, Any]) -> SwornInference:
    """An honest sampled plan."""
    return run(engine, schema=schema, sampling=WARM, seed=SEED)


def test_honest_inferences_replay_exactly(
    engine: TransformersEngine, plan: SwornInference, sampled: SwornInference
) -> None:
    for evidence in (plan, sampled, run(engine)):
        verdict = replay(engine, evidence)
        assert verdict.grade == "exact", verdict
        assert verdict.same_profile and verdict.measures.mismatches == 0
        assert verdict.measures.tokens == len(evidence.output_ids)
        assert verdict.measures.worst_margin == 0.0 and verdict.reasons == ()
        # Half a step of a float16 remains.
        assert verdict.measures.worst_window < 1e-3


def elsewhere(evidence: SwornInference) -> SwornInference:
    """Return it as sworn by an engine of another profile."""
    receipt = replace(evidence.receipt, engine=ELSEWHERE.hash)
    return replace(evidence, receipt=receipt)


def calibrated(engine: TransformersEngine, limits: Limits) -> Profile:
    """Return a calibration of `ELSEWHERE`, replayed by `engine`, up to 64 tokens."""
    return Profile(
        model=keccak256(b"model"),
        generator=ELSEWHERE,
        replayer=engine.manifest,
        prompts=keccak256(b"prompts"),
        exactness=Exactness(inferences=9, tokens=99, exact=9, rollbacks=0),
        classes=(
            LengthClass(
                least=1,
                most=MAX_TOKENS,
                calibrated=9,
                judged=9,
                exceeded=0,
                false_positives=0.3,
                limits=limits,
                drift=(0.001,),
            ),
        ),
    )


NARROW = Limits(
    worst_margin=0.25, mean_margin=0.01, fingerprint=0.01, worst_window=0.01
)


def test_another_profile_says_nothing_without_a_calibration(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    verdict = replay(engine, elsewhere(plan))
    assert verdict.grade == "inconclusive" and not verdict.same_profile
    assert verdict.measures.mismatches == 0 and verdict.profile is None
    assert "got none" in verdict.reasons[0]


def test_another_profile_is_consistent_within_its_calibration_and_never_exact(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    profile = calibrated(engine, NARROW)
    verdict = replay(engine, elsewhere(plan), profiles=[profile])
    assert verdict.grade == "consistent" and verdict.profile == profile.hash


@dataclass(frozen=True)
class Misfit:
    """A calibration that does not speak of this replay."""

    id: str
    change: Callable[[Profile], Profile]


@pytest.mark.parametrize(
    "misfit",
    [
        Misfit("another model", lambda p: replace(p, model=keccak256(b"other"))),
        Misfit("another generator", lambda p: replace(p, generator=p.replayer)),
        Misfit("another replayer", lambda p: replace(p, replayer=ELSEWHERE)),
        Misfit(
            "other lengths",
            lambda p: replace(p, classes=(replace(p.classes[0], least=63),)),
        ),
    ],
    ids=lambda misfit: misfit.id,
)
def test_a_calibration_of_something_else_says_nothing(
    engine: TransformersEngine, plan: SwornInference, misfit: Misfit
) -> None:
    profile = misfit.change(calibrated(engine, NARROW))
    verdict = replay(engine, elsewhere(plan), profiles=[profile])
    assert verdict.grade == "inconclusive"
    assert verdict.reasons[0].startswith("profile: got ")


def test_replays_of_several_are_those_of_each(
    engine: TransformersEngine, plan: SwornInference, sampled: SwornInference
) -> None:
    profile = calibrated(engine, NARROW)
    many = [plan, elsewhere(plan), sampled, elsewhere(sampled), elsewhere(run(engine))]
    verdicts = replay_many(engine, many, profiles=[profile])
    assert [verdict.grade for verdict in verdicts] == [
        "exact",
        "consistent",
        "exact",
        "consistent",
        "consistent",
    ]
    assert replay_many(engine, []) == []


def other_token(evidence: SwornInference, engine: Any) -> tuple[int, ...]:
    """Return the output with one token replaced by its runner-up under the grammar."""
    output = evidence.output_ids
    masks = engine.compile_grammar(evidence.schema).masks(output).allowed
    logits = engine.prefill(evidence.prompt_ids, output).logits
    for at, offered in enumerate(offer(logits, allowed=masks).in_order()):
        others = [token for token, _ in offered if token != output[at]]
        if others:
            continued = engine.generate(
                evidence.prompt_ids,
                schema=evidence.schema,
                max_tokens=MAX_TOKENS,
                sampling=evidence.sampling,
                seed=evidence.seed,
                prefix=(*output[:at], others[0]),
            )
            return tuple(continued)
    raise AssertionError("every position had one candidate")


@dataclass(frozen=True)
class Lie:
    """A lie that a node swears to consistently."""

    id: str
    tell: Callable[[Any, SwornInference], SwornInference]


def shifted_trace(evidence: SwornInference) -> Trace:
    """Return the trace with one number of one fingerprint a step of a float16 off."""
    first, *rest = evidence.trace.entries
    image = bytearray(first.fingerprint)
    image[1] ^= 1
    return Trace(entries=(replace(first, fingerprint=bytes(image)), *rest))


LIES = [
    Lie("a wrong token", lambda e, v: forge(e, v, other_token(v, e))),
    Lie(
        "an edited prompt",
        lambda e, v: sworn_again(replace(v, prompt_ids=(*v.prompt_ids[:-1], 9))),
    ),
    Lie(
        "a token outside the grammar",
        lambda e, v: forge(e, v, (e.encode("x")[0], *v.output_ids[1:])),
    ),
    Lie(
        "an end before the plan is complete",
        lambda e, v: forge(e, v, (*v.output_ids[:5], 1)),
    ),
    Lie(
        "a shifted trace", lambda e, v: sworn_again(replace(v, trace=shifted_trace(v)))
    ),
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
    engine: TransformersEngine, plan: SwornInference, lie: Lie
) -> None:
    verdict = replay(engine, lie.tell(engine, plan))
    assert verdict.grade == "inconsistent", verdict
    assert verdict.reasons


def test_reasons_name_token_got_and_expected(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    forged = forge(engine, plan, other_token(plan, engine))
    at = next(
        index
        for index, (got, honest) in enumerate(
            zip(forged.output_ids, plan.output_ids, strict=False)
        )
        if got != honest
    )
    verdict = replay(engine, forged)
    assert verdict.measures.mismatches == 1 and verdict.measures.worst_margin > 0
    assert verdict.reasons[0].startswith(
        f"token {at}: got {forged.output_ids[at]}, expected {plan.output_ids[at]}"
    )


def test_a_sampled_plan_needs_its_own_seed(
    engine: TransformersEngine, sampled: SwornInference
) -> None:
    verdict = replay(engine, replace(sampled, seed=OTHER_SEED))
    assert verdict.grade == "inconsistent" and verdict.measures.mismatches > 0


def test_another_model_is_inconsistent(
    other_engine: TransformersEngine, engine: TransformersEngine, plan: SwornInference
) -> None:
    # Same manifest: the profile does not name the model.
    assert other_engine.manifest.hash == engine.manifest.hash
    verdict = replay(other_engine, plan)
    assert verdict.grade == "inconsistent" and verdict.measures.fingerprint > 0.1


@dataclass(frozen=True)
class Refusal:
    """SwornInference that is refused before anything is computed."""

    id: str
    change: Callable[[SwornInference], SwornInference]
    expected: type[Exception]


def receipt_with(name: str) -> Callable[[SwornInference], SwornInference]:
    def change(evidence: SwornInference) -> SwornInference:
        fields: dict[str, Any] = {name: keccak256(b"another")}
        return replace(evidence, receipt=replace(evidence.receipt, **fields))

    return change


def entry_dropped(evidence: SwornInference) -> SwornInference:
    trace = Trace(entries=evidence.trace.entries[:-1])
    return sworn_again(replace(evidence, trace=trace))


def entries_swapped(evidence: SwornInference) -> SwornInference:
    first, second, *rest = evidence.trace.entries
    return sworn_again(replace(evidence, trace=Trace(entries=(second, first, *rest))))


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
        lambda v: sworn_again(replace(v, output_ids=(320, *v.output_ids[1:]))),
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
        lambda v: sworn_again(
            replace(
                v,
                output_ids=v.output_ids[:-1],
                trace=Trace(entries=v.trace.entries[:-1]),
            )
        ),
        MalformedError,
    ),
    Refusal(
        "an output that goes on after its end",
        lambda v: sworn_again(
            replace(
                v,
                output_ids=(*v.output_ids, v.output_ids[-1]),
                trace=Trace(entries=(*v.trace.entries, v.trace.entries[-1])),
            )
        ),
        MalformedError,
    ),
    Refusal(
        "an output over the limit", lambda v: replace(v, max_tokens=4), MalformedError
    ),
    Refusal(
        "more than the context",
        lambda v: sworn_again(replace(v, prompt_ids=v.prompt_ids * 100)),
        ContextExceededError,
    ),
    Refusal("no seed", lambda v: replace(v, sampling=WARM), MalformedError),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.id)
def test_refuses(
    engine: TransformersEngine, plan: SwornInference, case: Refusal
) -> None:
    with pytest.raises(case.expected):
        replay(engine, case.change(plan))


def test_refuses_the_receipt_of_another_model(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    with pytest.raises(ReceiptMismatchError) as caught:
        replay(engine, plan, model=Digest(bytes(32)))
    assert caught.value.field == "model"


class AlteredEngine:
    """A real engine whose prefill is altered, as other hardware or a fault would."""

    def __init__(
        self,
        engine: TransformersEngine,
        *,
        logits: Callable[[Any], Any] = lambda values: values,
        hidden: Callable[[Any], Any] = lambda values: values,
    ) -> None:
        self._engine = engine
        self._logits = logits
        self._hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prefill(self, prompt_ids: Any, output_ids: Any) -> Prefill:
        found = self._engine.prefill(prompt_ids, output_ids)
        return Prefill(
            logits=self._logits(found.logits.copy()),
            hidden=self._hidden(found.hidden.copy()),
        )


def test_refuses_logits_that_are_no_numbers(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    for alter in (lambda x: x * np.nan, lambda x: x + np.inf, lambda x: x[:-1]):
        with pytest.raises(LogitsInvalidError):
            replay(AlteredEngine(engine, logits=alter), plan)
    for alter in (lambda x: x * np.nan, lambda x: x + np.inf, lambda x: x + 1e38):
        with pytest.raises(LogitsInvalidError):
            replay(AlteredEngine(engine, hidden=alter), plan)


def judge_elsewhere(
    engine: TransformersEngine, evidence: SwornInference, *, noise: float
) -> ReplayVerdict:
    """Replay in another profile whose logits and states are off by up to `noise`."""
    draw = np.random.default_rng(0)

    def alter(values: Any) -> Any:
        return values + draw.uniform(-noise, noise, values.shape).astype(np.float32)

    return replay(
        AlteredEngine(engine, logits=alter, hidden=alter),
        elsewhere(evidence),
        profiles=[calibrated(engine, NARROW)],
    )


def test_grades_of_another_profile(engine: TransformersEngine) -> None:
    free = run(engine)
    assert judge_elsewhere(engine, free, noise=0.001).grade == "consistent"
    # Tokens may stand, but the states are too far away for it to be the same model.
    far = judge_elsewhere(engine, free, noise=0.3)
    assert far.grade == "inconsistent" and far.measures.fingerprint > 0.01
    assert any(reason.startswith("fingerprint: got ") for reason in far.reasons)


def test_a_near_tie_elsewhere_is_measured_and_named(engine: TransformersEngine) -> None:
    free = run(engine)
    logits = engine.prefill(free.prompt_ids, free.output_ids).logits
    rows = offer(logits).in_order()
    gaps = [row[0][1] - row[1][1] if len(row) > 1 else 10**6 for row in rows]
    at = int(np.argmin(gaps))
    runner_up = rows[at][1][0]

    def alter(values: Any) -> Any:
        values[at, runner_up] += gaps[at] / 256 + 0.01
        return values

    assert gaps[at] < 50, "the fixture has no near tie"
    altered = AlteredEngine(engine, logits=alter)
    verdict = replay(altered, elsewhere(free), profiles=[calibrated(engine, NARROW)])
    assert verdict.grade == "consistent" and verdict.measures.mismatches == 1
    assert 0 < verdict.measures.worst_margin < 0.25
    strict = replace(NARROW, worst_margin=0.0)
    verdict = replay(altered, elsewhere(free), profiles=[calibrated(engine, strict)])
    assert verdict.grade == "inconsistent"
    assert verdict.reasons[0].startswith(f"token {at}: got ")


def test_every_change_of_sworn_evidence_is_refused_by_the_field_it_touches(
    engine: TransformersEngine, plan: SwornInference
) -> None:
    """Each token id, and each byte of each fingerprint, under the honest receipt."""

    def refused(changed: SwornInference, field: str) -> None:
        with pytest.raises(ReceiptMismatchError) as caught:
            check_sworn(engine, changed)
        assert caught.value.field == field

    for name in ("prompt", "output"):
        ids = getattr(plan, f"{name}_ids")
        for at in range(len(ids)):
            other = (*ids[:at], ids[at] ^ 1, *ids[at + 1 :])
            refused(replace(plan, **{f"{name}_ids": other}), name)
    for at, entry in enumerate(plan.trace.entries):
        changes = [replace(entry, token=entry.token ^ 1)]
        for byte in range(len(entry.fingerprint)):
            image = bytearray(entry.fingerprint)
            image[byte] ^= 1 << byte % 8
            changes.append(replace(entry, fingerprint=bytes(image)))
        for change in changes:
            entries = (*plan.trace.entries[:at], change, *plan.trace.entries[at + 1 :])
            refused(replace(plan, trace=Trace(entries=entries)), "trace")


@given(
    ids=st.lists(st.integers(-(2**40), 2**40), max_size=12),
    others=st.lists(st.integers(0, 400), max_size=12),
    length=st.integers(0, 12),
    limit=st.one_of(st.none(), st.integers(-1, 20)),
)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_hostile_evidence_never_leaks_another_error(
    engine: TransformersEngine,
    ids: list[int],
    others: list[int],
    length: int,
    limit: int | None,
) -> None:
    """Consistently sworn rubbish is refused by type, or judged."""
    try:
        sworn = sworn_again(
            SwornInference(
                receipt=InferenceReceipt(*[keccak256(b"any")] * 6),
                prompt_ids=tuple(ids),
                output_ids=tuple(others),
                trace=Trace.of(others[:length], [bytes(32)] * len(others[:length])),
                schema=None,
                sampling=GREEDY,
                seed=None,
                max_tokens=limit,
            )
        )
        verdict = replay(engine, sworn)
    except RejectedError:
        return
    assert verdict.grade in ("inconclusive", "inconsistent")
