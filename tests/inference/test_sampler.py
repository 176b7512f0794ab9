"""The canonical sampler: vectors, equality of both versions, distribution, refusals."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.engine import GREEDY, Sampling
from affiant.inference.errors import LogitsInvalidError, SamplingUnsupportedError
from affiant.inference.sampler import (
    GAP_UNITS,
    TOP_K,
    UNITS,
    candidates,
    candidates_reference,
    choose,
    choose_reference,
    choose_rows,
    gumbel_reference,
    gumbel_units,
    noise_key,
)

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


def test_array_version_reproduces_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    for entry in vectors["noise"]:
        key = int(entry["key"])
        tokens = np.array([token for token, _ in entry["gumbel"]], dtype=np.int64)
        assert gumbel_units(key, tokens).tolist() == [
            units for _, units in entry["gumbel"]
        ]
    for entry in vectors["choices"]:
        logits = np.array([entry["logits"]], dtype=np.float32)
        allowed = np.array([entry["allowed"]])
        for sampled in [{"temperature": None, "token": entry["greedy"]}] + entry[
            "sampled"
        ]:
            (choice,) = choose_rows(
                logits,
                allowed=allowed,
                sampling=Sampling.from_json({"temperature": sampled["temperature"]}),
                seed=SEED,
                first_position=entry["position"],
            )
            assert choice.token == sampled["token"]
            assert [list(pair) for pair in choice.candidates] == entry["candidates"]


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
        (got,) = candidates(
            np.array([row], dtype=np.float32),
            allowed=None if mask is None else np.array([mask]),
        )
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
        got = choose(offered, sampling=sampling, seed=seed, position=position)
        assert got.token == expected


def test_blocks_do_not_change_candidates() -> None:
    logits = np.random.default_rng(0).normal(size=(70, 90)).astype(np.float32) * 4
    together = candidates(logits, allowed=None)
    assert together == [candidates(row[None], allowed=None)[0] for row in logits]


def test_ties_go_to_the_smaller_id() -> None:
    (choice,) = choose_rows(
        np.array([[1.0, 2.0, 2.0005, 2.0]], dtype=np.float32),
        allowed=None,
        sampling=GREEDY,
        seed=None,
    )
    assert choice.token == 1
    assert choice.candidates == ((1, 512), (2, 512), (3, 512), (0, 256))


def test_candidates_stop_at_the_gap_and_at_top_k() -> None:
    row = np.array([[0.0, -GAP_UNITS / UNITS, -(GAP_UNITS + 1) / UNITS]], np.float32)
    assert [token for token, _ in candidates(row, allowed=None)[0]] == [0, 1]
    flat = np.zeros((1, 200), dtype=np.float32)
    assert [token for token, _ in candidates(flat, allowed=None)[0]] == list(
        range(TOP_K)
    )


@pytest.mark.parametrize("temperature", [Fraction(1), Fraction(7, 10), Fraction(3, 2)])
def test_samples_follow_the_softmax(temperature: Fraction) -> None:
    logits = np.array([2.0, 1.5, 1.0, 0.0, -0.5, -1.0, -3.0], dtype=np.float32)
    weights = np.exp(logits.astype(np.float64) / float(temperature))
    draws = 8000
    expected = weights / weights.sum() * draws
    (offered,) = candidates(logits[None], allowed=None)
    counts = np.zeros(len(logits))
    for draw in range(draws):
        choice = choose(
            offered,
            sampling=Sampling(temperature),
            seed=keccak256(draw.to_bytes(4, "big")),
            position=draw % 50,
        )
        counts[choice.token] += 1
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
        candidates(
            np.array([case.row], dtype=np.float32),
            allowed=None if case.allowed is None else np.array([case.allowed]),
            first_position=3,
        )
    assert reference.value.position == arrays.value.position == 3


def test_ignores_nan_where_the_mask_forbids_it() -> None:
    row = np.array([[math.nan, 1.0]], dtype=np.float32)
    assert candidates(row, allowed=np.array([[False, True]])) == [((1, 256),)]


@pytest.mark.parametrize("seed", [None, b"", bytes(31), bytes(33)])
def test_rejects_a_temperature_without_a_seed(seed: bytes | None) -> None:
    with pytest.raises(MalformedError, match="seed"):
        choose(((1, 1),), sampling=Sampling(Fraction(1)), seed=seed, position=0)


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
