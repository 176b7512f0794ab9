"""Logits of any bits: the arrays refuse and choose what the plain sampler does.

Rows as long as a vocabulary take another way through the arrays than short ones: groups
of tokens are looked at before the tokens themselves. Here both are fed numbers, edges
of what is allowed, and any 32 bits at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import fuzz_targets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import keccak256
from affiant.inference.candidates import offer
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.sampler import Draw, choose_tokens
from affiant.inference.sampler_reference import (
    GAP_UNITS,
    TOP_K,
    UNITS,
    candidates_reference,
    choose_reference,
)
from affiant.inference.sampling import GREEDY, Sampling

SEED = keccak256(b"seed")
WIDTHS = (1, 2, 63, 128, 511, 512, 513, 640, 700, 1200)
"""Groups are looked at from 512 tokens on; some widths leave a rest."""
EDGES = (
    float("nan"),
    float("inf"),
    float("-inf"),
    2.0**23,
    2.0**23 - 0.5,
    -(2.0**23),
    -(2.0**23) + 0.5,
    3e38,
    -3e38,
    0.0,
    -0.0,
    1e-45,
    1 / 512,
    3 / 512,
)
bits = st.integers(0, 2**32 - 1).map(
    lambda word: struct.unpack("<f", word.to_bytes(4, "little"))[0]
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return (1, width) logits and a mask or none."""
    width = draw(st.sampled_from(WIDTHS))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.0, 1 / 256, 0.1, 1.0, 3.0, 1e4]))
    row = random.normal(0, scale, (1, width))
    if draw(st.booleans()):
        # On the grid and halfway between its points: ties of every kind.
        row = np.rint(row * 512) / 512
    row = row.astype(np.float32)
    if draw(st.booleans()):
        row[random.random(row.shape) < draw(st.sampled_from([0.3, 0.99]))] = -np.inf
    for value in draw(st.lists(st.one_of(st.sampled_from(EDGES), bits), max_size=3)):
        row[0, draw(st.integers(0, width - 1))] = value
    density = draw(st.sampled_from([None, 0.02, 0.5, 1.0]))
    mask = None if density is None else random.random(row.shape) <= density
    return row, mask


def outcome(choose: Callable[[], Any]) -> Any:
    """Return what is chosen, or where and of which token it is refused."""
    try:
        return choose()
    except LogitsInvalidError as error:
        return error.position, error.got.partition(" for ")[2] or error.got


@given(
    row_and_mask=rows(),
    temperature=st.sampled_from([None, Fraction(1, 20), Fraction(4, 5), Fraction(20)]),
)
@settings(max_examples=400, deadline=None)
def test_any_bits_are_chosen_from_or_refused_as_the_reference_does(
    row_and_mask: tuple[Any, Any], temperature: Fraction | None
) -> None:
    row, mask = row_and_mask
    sampling = GREEDY if temperature is None else Sampling(temperature)

    def reference() -> Any:
        allowed = None if mask is None else mask[0].tolist()
        offered = candidates_reference(row[0].tolist(), allowed=allowed, position=7)
        token = choose_reference(offered, sampling=sampling, seed=SEED, position=7)
        return offered, token

    def arrays() -> Any:
        (offered,) = offer(row, allowed=mask, first_position=7).in_order()
        (token,) = choose_tokens(row, [Draw(sampling, SEED, 7)], allowed=mask)
        return offered, int(token)

    assert outcome(arrays) == outcome(reference)


def test_a_winner_that_is_no_candidate_does_not_win() -> None:
    # Thousands of equal logits: 64 are candidates, more are looked at, and their noise
    # is as good. Every row where another one would have won is told apart.
    rows, width = 200, 2048
    logits = np.zeros((rows, width), dtype=np.float32)
    warm = Sampling(Fraction(1))
    tokens = choose_tokens(logits, [Draw(warm, SEED, at) for at in range(rows)])
    first = tuple((token, 0) for token in range(TOP_K))
    assert tokens.tolist() == [
        choose_reference(first, sampling=warm, seed=SEED, position=at)
        for at in range(rows)
    ]


@pytest.mark.parametrize("width", [700, 5000])
def test_the_gap_counts_in_long_rows_too(width: int) -> None:
    row = np.full((1, width), -(GAP_UNITS + 1) / UNITS, dtype=np.float32)
    row[0, [3, width - 1, width // 2]] = 0.0, -GAP_UNITS / UNITS, -8.0 - 1 / 512
    (offered,) = offer(row).in_order()
    # The third is halfway to the next grid point, and halves go to even.
    assert offered == ((3, 0), (width // 2, -GAP_UNITS), (width - 1, -GAP_UNITS))


def test_the_target_of_the_fuzzer_takes_numbers_and_refuses_others() -> None:
    target = next(item for item in fuzz_targets.targets() if item.name == "logits")
    assert target.check(target.seed) == target.seed
    for bad in (float("nan"), float("inf"), 3e38):
        data = struct.pack("<f", bad) + target.seed[4:]
        assert target.check(data) is None
