"""The fingerprint: vectors, both versions equal, distances kept, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import Digest, digest_from_hex, keccak256, to_hex
from affiant.inference.errors import LogitsInvalidError
from affiant.inference.fingerprint import (
    BYTES,
    distances,
    fingerprint_key,
    fingerprint_reference,
    fingerprints,
    images,
)
from affiant.inference.receipt import tokens_hash

VECTORS = Path(__file__).parents[1] / "vectors" / "sampler.json"
KEY = keccak256(b"key")


def test_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["trace"]
    key = fingerprint_key(
        tokens_hash(vectors["prompt"]), tokens_hash(vectors["output"])
    )
    assert key == digest_from_hex(vectors["key"], what="key")
    states = np.array(vectors["states"], dtype=np.float32)
    assert [to_hex(data) for data in fingerprints(states, key=key)] == (
        vectors["fingerprints"]
    )


@given(
    width=st.integers(1, 70),
    seed=st.binary(min_size=32, max_size=32),
    numbers=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_arrays_equal_the_reference(width: int, seed: bytes, numbers: int) -> None:
    # Multiples of 1/256: sums are exact, so that no order of adding can matter.
    draw = np.random.default_rng(numbers)
    states = (draw.integers(-4096, 4096, (3, width)) / 256).astype(np.float32)
    found = fingerprints(states, key=Digest(seed))
    assert found == tuple(
        fingerprint_reference(row.tolist(), key=Digest(seed)) for row in states
    )
    assert all(len(data) == BYTES for data in found)


def test_distances_between_states_are_kept() -> None:
    draw = np.random.default_rng(0)
    ours = draw.normal(size=(2000, 300)).astype(np.float32)
    for share in (0.01, 0.1, 1.0):
        theirs = ours + share * draw.normal(size=ours.shape).astype(np.float32)
        sworn = fingerprints(theirs, key=KEY)
        far = distances(sworn, ours=images(ours, key=KEY))
        true = np.linalg.norm(theirs - ours, axis=1) / np.linalg.norm(ours, axis=1)
        assert np.median(far) == pytest.approx(np.median(true), rel=0.1)
    same = distances(fingerprints(ours, key=KEY), ours=images(ours, key=KEY))
    assert same.max() < 1e-3


def test_another_key_is_another_image() -> None:
    state = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)
    one, two = (images(state, key=keccak256(bytes([at]))) for at in (0, 1))
    assert np.linalg.norm(one - two) > 0.5 * np.linalg.norm(one)
    prompt, output = keccak256(b"p"), keccak256(b"o")
    assert fingerprint_key(prompt, output) != fingerprint_key(output, prompt)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_states_that_are_no_numbers(bad: float) -> None:
    states = np.ones((3, 8), dtype=np.float32)
    states[1, 2] = bad
    with pytest.raises(LogitsInvalidError) as made:
        fingerprints(states, key=KEY)
    with pytest.raises(LogitsInvalidError) as compared:
        images(states, key=KEY)
    assert made.value.position == compared.value.position == 1


def test_refuses_states_beyond_a_float16() -> None:
    with pytest.raises(LogitsInvalidError):
        fingerprints(np.full((1, 8), 1e6, dtype=np.float32), key=KEY)


@pytest.mark.parametrize(
    "sworn",
    [b"", bytes(BYTES - 1), bytes(BYTES + 1), b"\x7c\x00" * 16, b"\x7e\x00" * 16],
    ids=["empty", "short", "long", "infinite", "not a number"],
)
def test_what_is_no_fingerprint_is_infinitely_far(sworn: bytes) -> None:
    state = np.ones((1, 8), dtype=np.float32)
    (far,) = distances((sworn,), ours=images(state, key=KEY))
    assert math.isinf(far)


def test_a_state_of_zeros_has_a_distance() -> None:
    state = np.zeros((1, 8), dtype=np.float32)
    (same,) = distances((bytes(BYTES),), ours=images(state, key=KEY))
    assert same == 0.0
