"""The canonical sampler: vectors, equality of both versions, distribution, refusals."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.candidates import keep_largest, offer
from affiant.inference.errors import LogitsInvalidError, SamplingUnsupportedError
from affiant.inference.sampler import Draw, choose_offered, choose_tokens, gumbel_units
from affiant.inference.sampler_reference import (
    GAP_UNITS,
    TOP_K,
    UNITS,
    candidates_reference,
    choose_reference,
    gumbel_reference,
    noise_key,
)
from affiant.inference.sampling import GREEDY, Sampling

VECTORS = Path(__file__).parents[1] / "vectors" / "sampler.json"
GENERATOR = VECTORS.with_name("make_sampler.py")
SEED = bytes(range(32))

logit_rows = st.lists(
    st.one_of(
        st.floats(-20, 20, width=32),
        # A coarse set makes ties, also exactly between two grid points.
        st.integers(-2048, 2048).map(lambda n: n / 512),
        st.just(-math.inf),
    ),
    min_size=1,
    max_size=150,
).filter(lambda row: any(value != -math.inf for value in row))


def test_vectors_are_what_the_generator_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_sampler", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert VECTORS.read_text(encoding="utf-8") == module.text()


Implementation = Callable[[Any, Any, Draw], tuple[list[list[int]] | None, int]]
"""Logits and mask of one row to its candidates, where it shows them, and its token."""


def by_reference(logits: Any, allowed: Any, draw: Draw) -> tuple[list[list[int]], int]:
    offered = candidates_reference(logits, allowed=allowed, position=draw.position)
    token = choose_reference(
        offered, sampling=draw.sampling, seed=draw.seed, position=draw.position
    )
    return [list(pair) for pair in offered], token


def by_arrays(logits: Any, allowed: Any, draw: Draw) -> tuple[list[list[int]], int]:
    row, mask = np.array([logits], dtype=np.float32), np.array([allowed])
    (offered,) = offer(row, allowed=mask).in_order()
    (token,) = choose_tokens(row, [draw], allowed=mask)
    return [list(pair) for pair in offered], int(token)


def by_torch(logits: Any, allowed: Any, draw: Draw) -> tuple[list[list[int]], int]:
    torch = pytest.importorskip("torch")
    vllm_sampler = pytest.importorskip("affiant.inference.vllm_sampler")
    row = torch.tensor([logits], dtype=torch.float32)
    row[0, ~torch.tensor(allowed)] = -torch.inf
    offered = vllm_sampler.offer_on_device(row, positions=[draw.position])
    (token,) = choose_offered(offered, [draw])
    return [list(pair) for pair in offered.in_order()[0]], int(token)


def by_processor(logits: Any, allowed: Any, draw: Draw) -> tuple[None, int]:
    torch = pytest.importorskip("torch")
    vllm_sampler = pytest.importorskip("affiant.inference.vllm_sampler")
    from vllm import SamplingParams
    from vllm.v1.sample.logits_processor import BatchUpdate

    request = vllm_sampler.RequestSampling(
        draw.sampling, seed=draw.seed, prefix=(), start=draw.position
    )
    params = SamplingParams(temperature=0.0, extra_args=request.to_extra_args())
    processor = vllm_sampler.CanonicalLogitsProcessor(
        None, torch.device("cpu"), is_pin_memory=False
    )
    processor.update_state(
        BatchUpdate(batch_size=1, removed=[], added=[(0, params, [], [])], moved=[])
    )
    row = torch.tensor([logits], dtype=torch.float32)
    row[0, ~torch.tensor(allowed)] = -torch.inf
    left = processor.apply(row)
    assert int(torch.isfinite(left).sum()) == 1
    return None, int(left.argmax())


@pytest.mark.parametrize(
    "implementation",
    [
        by_reference,
        by_arrays,
        pytest.param(by_torch, marks=pytest.mark.vllm),
        pytest.param(by_processor, marks=pytest.mark.vllm),
    ],
)
def test_every_implementation_reproduces_the_vectors(
    implementation: Implementation,
) -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    for entry in vectors["choices"]:
        for sampled in [{"temperature": None, "token": entry["greedy"]}] + entry[
            "sampled"
        ]:
            draw = Draw(
                Sampling.from_json({"temperature": sampled["temperature"]}),
                seed=SEED,
                position=entry["position"],
            )
            candidates, token = implementation(entry["logits"], entry["allowed"], draw)
            assert token == sampled["token"]
            assert candidates in (None, entry["candidates"])


def test_both_versions_of_the_noise_reproduce_the_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    for entry in vectors["noise"]:
        key = int(entry["key"])
        assert noise_key(SEED, position=entry["position"]) == key
        tokens = np.array([token for token, _ in entry["gumbel"]], dtype=np.int64)
        keys = np.full(len(tokens), key, dtype=np.uint64)
        expected = [units for _, units in entry["gumbel"]]
        assert gumbel_units(keys, tokens).tolist() == expected
        assert [gumbel_reference(key, token=int(at)) for at in tokens] == expected


def test_noise_is_splitmix64_of_key_and_token() -> None:
    # First output of SplitMix64 from state 0 (Vigna, prng.di.unimi.it/splitmix64.c).
    h = 0xE220A8397B1DCDAF
    uniform = ((h >> 12) + 0.5) * 2.0**-52
    assert gumbel_reference(0, token=0) == round(-math.log(-math.log(uniform)) * 256)


def test_key_is_the_first_bytes_of_keccak_of_seed_and_position() -> None:
    digest = keccak256(SEED + b"\x00\x00\x01\x02")
    assert noise_key(SEED, position=258) == int.from_bytes(digest[:8], "big")


@given(row=logit_rows, data=st.data())
@settings(max_examples=200, deadline=None)
def test_candidates_equal_the_reference(row: list[float], data: st.DataObject) -> None:
    usable = [index for index, value in enumerate(row) if value != -math.inf]
    must = data.draw(st.sampled_from(usable))
    allowed = data.draw(st.lists(st.booleans(), min_size=len(row), max_size=len(row)))
    allowed[must] = True
    for mask in (None, allowed):
        expected = candidates_reference(row, allowed=mask, position=0)
        (got,) = offer(
            np.array([row], dtype=np.float32),
            allowed=None if mask is None else np.array([mask]),
        ).in_order()
        assert got == expected


@given(
    row=logit_rows,
    seed=st.binary(min_size=32, max_size=32),
    position=st.integers(0, 2**32 - 1),
    temperature=st.fractions(
        min_value=Fraction(1, 20), max_value=20, max_denominator=1000
    ).filter(lambda value: value.numerator <= 1000),
)
@settings(max_examples=200, deadline=None)
def test_choice_equals_the_reference(
    row: list[float], seed: bytes, position: int, temperature: Fraction
) -> None:
    offered = candidates_reference(row, allowed=None, position=position)
    for sampling in (GREEDY, Sampling(temperature)):
        expected = choose_reference(
            offered, sampling=sampling, seed=seed, position=position
        )
        (got,) = choose_tokens(
            np.array([row], dtype=np.float32), [Draw(sampling, seed, position)]
        )
        assert got == expected


def crowd(rows: int) -> tuple[Any, list[Draw]]:
    """Return logits and draws of many requests in one batch, no two alike."""
    logits = np.random.default_rng(0).normal(size=(rows, 90)).astype(np.float32) * 4
    samplings = [GREEDY, Sampling(Fraction(7, 10)), Sampling(Fraction(3, 2))]
    return logits, [
        Draw(samplings[row % 3], seed=keccak256(bytes([row])), position=row * row)
        for row in range(rows)
    ]


def test_a_batch_neighbour_changes_nothing() -> None:
    logits, draws = crowd(70)
    together = choose_tokens(logits, draws)
    alone = [
        int(choose_tokens(row[None], [draw])[0])
        for row, draw in zip(logits, draws, strict=True)
    ]
    assert together.tolist() == alone
    order = np.random.default_rng(1).permutation(70)
    moved = choose_tokens(logits[order], [draws[row] for row in order])
    assert moved.tolist() == together[order].tolist()
    for row in range(0, 70, 9):
        others = logits.copy()
        others[np.arange(70) != row] *= -1
        assert choose_tokens(others, draws)[row] == together[row]


def test_another_seed_changes_everything() -> None:
    # Over 64 equal logits every draw is uniform: two agree once in 64 times.
    logits = np.zeros((640, 64), dtype=np.float32)
    one, two = (
        choose_tokens(
            logits, [Draw(Sampling(Fraction(1)), seed, row) for row in range(640)]
        )
        for seed in (bytes(31) + b"\x00", bytes(31) + b"\x01")
    )
    # Binomial(640, 1/64): 10 expected, above 24 once in 30 000 times.
    assert (one == two).sum() <= 24
    # And within one seed, no position repeats another.
    assert (one[1:] == one[:-1]).sum() <= 24


def test_ties_go_to_the_smaller_id() -> None:
    row = np.array([[1.0, 2.0, 2.0005, 2.0]], dtype=np.float32)
    assert choose_tokens(row, [Draw(GREEDY, None, 0)]).tolist() == [1]
    assert offer(row).in_order() == [((1, 512), (2, 512), (3, 512), (0, 256))]


def test_candidates_stop_at_the_gap_and_at_top_k() -> None:
    row = np.array([[0.0, -GAP_UNITS / UNITS, -(GAP_UNITS + 1) / UNITS]], np.float32)
    assert [token for token, _ in offer(row).in_order()[0]] == [0, 1]
    flat = np.zeros((1, 200), dtype=np.float32)
    assert [token for token, _ in offer(flat).in_order()[0]] == list(range(TOP_K))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_largest_of_many_are_kept(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 150), min_size=1, max_size=4))
    units = [
        data.draw(st.lists(st.integers(-9, 9), min_size=count, max_size=count))
        for count in counts
    ]
    kept = keep_largest(
        np.concatenate([np.arange(count) for count in counts]),
        np.array([unit for row in units for unit in row], dtype=np.int64),
        np.array(counts),
        width=150,
    )
    for row, offered in zip(units, kept.in_order(), strict=True):
        ranked = sorted(enumerate(row), key=lambda pair: (-pair[1], pair[0]))
        assert list(offered) == ranked[:TOP_K]


@pytest.mark.parametrize("temperature", [Fraction(1), Fraction(7, 10), Fraction(3, 2)])
def test_samples_follow_the_softmax(temperature: Fraction) -> None:
    logits = np.array([2.0, 1.5, 1.0, 0.0, -0.5, -1.0, -3.0], dtype=np.float32)
    weights = np.exp(logits.astype(np.float64) / float(temperature))
    draws = 8000
    expected = weights / weights.sum() * draws
    counts = np.zeros(len(logits))
    tokens = choose_tokens(
        np.repeat(logits[None], draws, axis=0),
        [
            Draw(Sampling(temperature), keccak256(draw.to_bytes(4, "big")), draw % 50)
            for draw in range(draws)
        ],
    )
    np.add.at(counts, tokens, 1)
    statistic = ((counts - expected) ** 2 / expected).sum()
    # Chi-square, 6 degrees of freedom: 22.46 is passed once in a thousand.
    assert statistic < 22.46
    # And the test can fail: neighbouring temperature, same draws.
    wrong = np.exp(logits.astype(np.float64) / float(temperature * 6 / 5))
    wrong = wrong / wrong.sum() * draws
    assert ((counts - wrong) ** 2 / wrong).sum() > 22.46


@dataclass(frozen=True)
class Case:
    id: str
    row: list[float]
    allowed: list[bool] | None


@pytest.mark.parametrize(
    "case",
    [
        Case("NaN", [0.0, math.nan], None),
        Case("plus infinity", [0.0, math.inf], None),
        Case("a logit beyond int32 on the grid", [0.0, 1e9], None),
        Case("a negative logit beyond int32 on the grid", [0.0, -1e9], None),
        Case("no token allowed", [0.0, 1.0], [False, False]),
        Case("only minus infinity allowed", [0.0, -math.inf], [False, True]),
    ],
    ids=lambda case: case.id,
)
def test_rejects_unusable_logits(case: Case) -> None:
    with pytest.raises(LogitsInvalidError) as reference:
        candidates_reference(case.row, allowed=case.allowed, position=3)
    with pytest.raises(LogitsInvalidError) as arrays:
        offer(
            np.array([case.row], dtype=np.float32),
            allowed=None if case.allowed is None else np.array([case.allowed]),
            first_position=3,
        )
    assert reference.value.position == arrays.value.position == 3


def test_ignores_nan_where_the_mask_forbids_it() -> None:
    row = np.array([[math.nan, 1.0]], dtype=np.float32)
    offered = offer(row, allowed=np.array([[False, True]]))
    assert offered.in_order() == [((1, 256),)]


@pytest.mark.parametrize("seed", [None, b"", bytes(31), bytes(33)])
def test_rejects_a_temperature_without_a_seed(seed: bytes | None) -> None:
    with pytest.raises(MalformedError, match="seed"):
        choose_tokens(np.zeros((1, 2)), [Draw(Sampling(Fraction(1)), seed, 0)])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"temperature": 0},
        {"temperature": 0.7},
        {"temperature": "7/10"},
        {"temperature": [0, 1]},
        {"temperature": [-7, 10]},
        {"temperature": [14, 20]},
        {"temperature": [7, 0]},
        {"temperature": [True, 1]},
        {"temperature": [1001, 1]},
        {"temperature": [1, 1001]},
        {"temperature": [7, 10, 1]},
        {"temperature": None, "top_p": 1},
        {"top_k": 64},
    ],
    ids=repr,
)
def test_rejects_sampling_that_replay_does_not_cover(value: object) -> None:
    with pytest.raises(SamplingUnsupportedError):
        Sampling.from_json(value)


def test_sampling_survives_json() -> None:
    for sampling in (GREEDY, Sampling(Fraction(7, 10))):
        assert Sampling.from_json(sampling.to_json()) == sampling
