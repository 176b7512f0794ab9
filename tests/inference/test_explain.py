"""Explanations of tokens: against an independent softmax, the replay, and the noise."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.errors import MalformedError
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.explain import Choice, closest_calls, explain_choices
from affiant.inference.measure import measure
from affiant.inference.retrace import Retrace, retrace
from affiant.inference.sampler_reference import (
    UNITS,
    candidates_reference,
    choose_reference,
    gumbel_reference,
    noise_key,
)
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.trace import Trace

SEED = bytes(range(32))
WARM = Sampling(Fraction(3, 2))
SAMPLINGS = (GREEDY, WARM, Sampling(Fraction(1, 3)))

rows = st.lists(
    st.one_of(
        st.floats(-12, 12, width=32),
        # A coarse set makes ties, also exactly between two grid points.
        st.integers(-2048, 2048).map(lambda n: n / 512),
        st.just(-math.inf),
    ),
    min_size=2,
    max_size=90,
).filter(lambda row: any(value != -math.inf for value in row))


def explain(
    logits: np.ndarray[Any, Any],
    output_ids: list[int],
    *,
    allowed: np.ndarray[Any, Any] | None = None,
    sampling: Sampling = GREEDY,
    violation: int | None = None,
    most: int = 100,
) -> tuple[Choice, ...]:
    """Explain an output whose masks are given."""
    seed = None if sampling.temperature is None else SEED
    free = retrace(
        logits, output_ids=output_ids, grammar=None, sampling=sampling, seed=seed
    )
    if allowed is not None:
        masked = np.where(allowed, logits, -np.inf).astype(np.float32)
        free = retrace(
            masked, output_ids=output_ids, grammar=None, sampling=sampling, seed=seed
        )
    again = Retrace(
        chosen=free.chosen,
        violation=violation,
        allowed=allowed,
        mismatches=free.mismatches,
    )
    return explain_choices(
        logits,
        output_ids=output_ids,
        again=again,
        sampling=sampling,
        seed=seed,
        most=most,
    )


def softmax(logits: list[float], temperature: float) -> list[float]:
    """Return the softmax, computed with nothing but `math`."""
    largest = max(logits)
    weights = [math.exp((value - largest) / temperature) for value in logits]
    whole = math.fsum(weights)
    return [weight / whole for weight in weights]


@settings(max_examples=150, deadline=None)
@given(
    row=rows,
    data=st.data(),
    sampling=st.sampled_from(SAMPLINGS),
)
def test_probabilities_margins_and_noise_are_the_reference_s(
    row: list[float], data: st.DataObject, sampling: Sampling
) -> None:
    mask = data.draw(
        st.lists(st.booleans(), min_size=len(row), max_size=len(row)).filter(
            lambda bits: any(
                bit and value != -math.inf for bit, value in zip(bits, row, strict=True)
            )
        )
    )
    token = data.draw(st.sampled_from([i for i, bit in enumerate(mask) if bit]))
    seed = None if sampling.temperature is None else SEED
    (choice,) = explain(
        np.array([row], dtype=np.float32),
        [token],
        allowed=np.array([mask]),
        sampling=sampling,
    )
    # Probabilities, over the allowed tokens.
    allowed = [index for index, bit in enumerate(mask) if bit]
    exact = [float(np.float32(row[index])) for index in allowed]
    heat = 1.0 if sampling.temperature is None else float(sampling.temperature)
    expected = dict(zip(allowed, softmax(exact, heat), strict=True))
    assert choice.allowed == len(allowed)
    for item in choice.alternatives:
        assert item.probability == pytest.approx(expected[item.token], abs=1e-12)
    assert choice.probability == pytest.approx(expected[token], abs=1e-12)
    shown = [item.probability for item in choice.alternatives]
    assert shown == sorted(shown, reverse=True) and len(shown) == len(allowed)
    # The canonical and the greedy token.
    offered = candidates_reference(
        [float(np.float32(value)) for value in row], allowed=mask, position=0
    )
    canonical = choose_reference(offered, sampling=sampling, seed=seed, position=0)
    assert (choice.canonical, choice.greedy) == (canonical, offered[0][0])
    # What could not be drawn.
    candidates = {item[0] for item in offered}
    if sampling.temperature is None:
        assert choice.beyond == 0.0
    else:
        left = math.fsum(
            share for index, share in expected.items() if index not in candidates
        )
        assert choice.beyond == pytest.approx(left, abs=1e-12)
    # Scores, hence margins: of the canonical token, over everything it competes with.
    key = noise_key(SEED, position=0)
    if sampling.temperature is None:
        scores = {
            index: Fraction(round(value * UNITS), UNITS)
            for index, value in zip(allowed, exact, strict=True)
            if value != -math.inf
        }
    else:
        scores = {
            index: Fraction(units, UNITS)
            + sampling.temperature * Fraction(gumbel_reference(key, token=index), UNITS)
            for index, units in offered
        }
        for item in choice.alternatives:
            if item.token in candidates:
                noise = Fraction(gumbel_reference(key, token=item.token), UNITS)
                assert item.noise == pytest.approx(float(sampling.temperature * noise))
            else:
                assert item.noise is None
    if token in scores:
        rest = [score for index, score in scores.items() if index != token]
        if not rest:
            assert choice.margin is None and choice.runner_up is None
        else:
            assert choice.margin == pytest.approx(float(scores[token] - max(rest)))
            assert choice.runner_up is not None
            assert scores[choice.runner_up] == max(rest)
    if token != canonical:
        assert choice.runner_up == canonical
        assert choice.margin is not None and choice.margin <= 0


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_margins_of_other_tokens_are_the_replay_s(sampling: Sampling) -> None:
    rng = np.random.default_rng(7)
    logits = rng.normal(0, 2, (60, 50)).astype(np.float32)
    output = [int(token) for token in rng.integers(0, 50, 60)]
    seed = None if sampling.temperature is None else SEED
    again = retrace(
        logits, output_ids=output, grammar=None, sampling=sampling, seed=seed
    )
    _, margins = measure(
        again,
        logits=logits,
        images=np.ones((60, 16)),
        trace=Trace.of(output, [bytes(32)] * 60),
        output_ids=output,
        sampling=sampling,
        seed=seed,
    )
    choices = explain(logits, output, sampling=sampling)
    assert len(again.mismatches) > 20 and set(margins) == set(again.mismatches)
    equal = 0
    for at, below in margins.items():
        margin = choices[at].margin
        assert margin is not None
        # The replay asks for less where a candidate may have been none elsewhere.
        assert -margin >= below - 1e-9
        equal += -margin == pytest.approx(below)
    assert equal > 10
    if sampling is GREEDY:
        near = [at for at in margins if -(choices[at].margin or 0) < 8]
        assert near and all(margins[at] == -(choices[at].margin or 0) for at in near)


def test_a_forbidden_token_is_said_to_be_forbidden() -> None:
    logits = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    (choice,) = explain(
        logits, [2], allowed=np.array([[True, True, False]]), violation=0
    )
    assert choice.forbidden and not choice.forced
    assert choice.probability == 0.0 and choice.surprise == math.inf
    assert (choice.canonical, choice.runner_up, choice.margin) == (1, 1, -math.inf)
    assert [item.token for item in choice.alternatives] == [1, 0]
    assert closest_calls([choice]) == (choice,)


def test_forced_tokens_are_no_choice() -> None:
    logits = np.array([[1.0, 2.0], [0.5, 0.0]], dtype=np.float32)
    masks = np.array([[True, False], [True, True]])
    forced, free = explain(logits, [0, 0], allowed=masks)
    assert forced.forced and forced.margin is None and forced.surprise == 0.0
    assert not free.forced and free.margin == 0.5
    assert closest_calls([forced, free]) == (free,)


def test_closest_comes_first_whichever_way_it_fell() -> None:
    logits = np.array([[4, 0, 0], [0, 0.25, 0], [1, 0, 0]], dtype=np.float32)
    calls = closest_calls(explain(logits, [0, 0, 0]))
    assert [(item.position, item.margin) for item in calls] == [
        (1, -0.25),
        (2, 1.0),
        (0, 4.0),
    ]


def test_the_chosen_token_is_kept_among_few_alternatives() -> None:
    logits = np.array([[5, 4, 3, 2, 1]], dtype=np.float32)
    (choice,) = explain(logits, [4], most=2)
    assert [item.token for item in choice.alternatives] == [0, 4]


def test_unusable_logits_and_missing_seeds_are_refused() -> None:
    again = Retrace(chosen=(0,), violation=None, allowed=None, mismatches=())
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(LogitsInvalidError):
            explain_choices(
                np.full((1, 3), value, dtype=np.float32),
                output_ids=[0],
                again=again,
                sampling=GREEDY,
                seed=None,
            )
    with pytest.raises(MalformedError, match="seed"):
        explain_choices(
            np.zeros((1, 3), dtype=np.float32),
            output_ids=[0],
            again=again,
            sampling=WARM,
            seed=b"short",
        )


def test_a_real_model_s_output_adds_up(engine: Any, schema: dict[str, Any]) -> None:
    """The product of the probabilities is the output's own, under the masks."""
    prompt = engine.encode("what now? WETH 1500 USDC hold")
    output = engine.generate(
        prompt, schema=schema, max_tokens=64, sampling=WARM, seed=SEED
    )
    logits = engine.prefill(prompt, output).logits
    again = retrace(
        logits,
        output_ids=output,
        grammar=engine.compile_grammar(schema),
        sampling=WARM,
        seed=SEED,
    )
    choices = explain_choices(
        logits, output_ids=output, again=again, sampling=WARM, seed=SEED
    )
    assert len(choices) == len(output) and not again.mismatches
    assert again.allowed is not None
    bits = 0.0
    for position, token in enumerate(output):
        allowed = np.flatnonzero(again.allowed[position])
        shares = softmax([float(v) for v in logits[position][allowed]], 1.5)
        bits -= math.log2(shares[list(allowed).index(token)])
    assert math.fsum(item.surprise for item in choices) == pytest.approx(bits)
    assert any(item.greedy != item.token for item in choices), "nothing was drawn"
    assert all((item.margin or 0.0) >= 0.0 for item in choices)
