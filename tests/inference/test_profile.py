"""Profiles: there and back, addressed by their hash, hostile ones refused."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.encoding import canonical_json, keccak256
from affiant.errors import MalformedError
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.manifest import EngineManifest, GrammarManifest
from affiant.inference.measure import Measures
from affiant.inference.profile import (
    FLOORS,
    MAX_BYTES,
    MAX_CLASSES,
    MAX_DRIFT,
    SAFETY,
    Exactness,
    LengthClass,
    Limits,
    Profile,
    decimal,
    rounded,
)
from affiant.inference.sampler import SAMPLER

ENGINE = EngineManifest(
    engine="vllm",
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
    device="cpu",
)
LIMITS = Limits(
    worst_margin=0.25, mean_margin=0.01, fingerprint=0.0123, worst_window=0.02
)
CLASS = LengthClass(
    least=16,
    most=31,
    calibrated=40,
    judged=39,
    exceeded=1,
    false_positives=0.115,
    limits=LIMITS,
    drift=(0.001, 0.0012, 0.005),
)
PROFILE = Profile(
    model=keccak256(b"model"),
    generator=ENGINE,
    replayer=replace(ENGINE, engine="transformers"),
    prompts=keccak256(b"prompts"),
    exactness=Exactness(inferences=79, tokens=2000, exact=79, rollbacks=1),
    classes=(CLASS, replace(CLASS, least=32, most=60)),
)
MEASURES = Measures(
    tokens=20,
    mismatches=0,
    worst_margin=0.0,
    mean_margin=0.0,
    fingerprint=0.01,
    worst_window=0.01,
)


def test_there_and_back() -> None:
    data = PROFILE.to_bytes()
    assert Profile.from_bytes(data) == PROFILE
    assert Profile.from_bytes(data).hash == PROFILE.hash == keccak256(data)


def test_no_byte_can_change_unnoticed() -> None:
    data = PROFILE.to_bytes()
    for at in range(len(data)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(data)
            changed[at] ^= flip
            try:
                parsed = Profile.from_bytes(bytes(changed))
            except MalformedError:
                continue
            assert parsed.hash != PROFILE.hash, f"byte {at}"
    for end in range(0, len(data), 7):
        with pytest.raises(MalformedError):
            Profile.from_bytes(data[:end])


@dataclass(frozen=True)
class Case:
    id: str
    change: Callable[[Any], object]


HOSTILE = [
    Case("another format", lambda v: v.update(format="affiant-profile/2")),
    Case("an unknown field", lambda v: v.update(more=1)),
    Case("no model", lambda v: v.pop("model")),
    Case("a short digest", lambda v: v.update(prompts="0x00")),
    Case("no classes", lambda v: v.update(classes=None)),
    Case("too many classes", lambda v: v.update(classes=v["classes"] * 9)),
    Case("overlapping classes", lambda v: v["classes"][1].update(least=31)),
    Case("an empty class of lengths", lambda v: v["classes"][0].update(most=3)),
    Case("nothing calibrated", lambda v: v["classes"][0].update(calibrated=0)),
    Case("more exceeded than judged", lambda v: v["classes"][0].update(exceeded=99)),
    Case("no drift", lambda v: v["classes"][0].update(drift=[])),
    Case("drift out of order", lambda v: v["classes"][0]["drift"].reverse()),
    Case("more drift than calibrated", lambda v: v["classes"][0].update(calibrated=2)),
    Case("a negative count", lambda v: v["exactness"].update(exact=-1)),
    Case("a number as text", lambda v: v["exactness"].update(exact="1")),
    Case(
        "a limit as a number",
        lambda v: v["classes"][0]["limits"].update(worst_margin=0.25),
    ),
    Case(
        "an infinite limit",
        lambda v: v["classes"][0]["limits"].update(worst_margin="inf"),
    ),
    Case(
        "a negative limit",
        lambda v: v["classes"][0]["limits"].update(worst_margin="-1"),
    ),
    Case("a limit missing", lambda v: v["classes"][0]["limits"].pop("fingerprint")),
    Case("an engine without a name", lambda v: v["generator"].pop("engine")),
    Case(
        "another spelling of a number",
        lambda v: v["classes"][0]["limits"].update(worst_margin="0.250"),
    ),
    Case(
        "a share over one",
        lambda v: v["classes"][0].update(falsePositivesAtMost="1.5"),
    ),
]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.id)
def test_refuses(case: Case) -> None:
    value = copy.deepcopy(json.loads(PROFILE.to_bytes()))
    case.change(value)
    with pytest.raises(MalformedError):
        Profile.from_bytes(canonical_json(value))


def test_refuses_more_than_a_profile_may_hold() -> None:
    full = replace(CLASS, calibrated=MAX_DRIFT + 1, drift=(0.5,) * MAX_DRIFT)
    most = replace(PROFILE, classes=(full,))
    assert Profile.from_bytes(most.to_bytes()) == most
    more = replace(full, drift=(0.5,) * (MAX_DRIFT + 1))
    with pytest.raises(MalformedError, match=f"at most {MAX_DRIFT}"):
        Profile.from_bytes(replace(PROFILE, classes=(more,)).to_bytes())
    classes = tuple(
        replace(CLASS, least=at, most=at) for at in range(1, MAX_CLASSES + 2)
    )
    Profile.from_bytes(replace(PROFILE, classes=classes[:-1]).to_bytes())
    with pytest.raises(MalformedError, match=f"at most {MAX_CLASSES}"):
        Profile.from_bytes(replace(PROFILE, classes=classes).to_bytes())
    with pytest.raises(MalformedError):
        Profile.from_bytes(PROFILE.to_bytes() + b" " * MAX_BYTES)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"[" * 70, b"\xff"])
def test_refuses_what_is_no_profile(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Profile.from_bytes(data)


@given(st.floats(min_value=0, max_value=1e11))
def test_stored_numbers_come_back(value: float) -> None:
    assert float(decimal(rounded(value))) == rounded(value)
    assert rounded(rounded(value)) == rounded(value)
    assert math.isclose(rounded(value), value, rel_tol=1e-8, abs_tol=1e-19)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan, 1e12])
def test_refuses_to_store(value: float) -> None:
    with pytest.raises(ValueError, match="stored"):
        decimal(value)


def test_limits_name_what_lies_beyond_them() -> None:
    assert LIMITS.exceeded(MEASURES) == ()
    at = replace(MEASURES, worst_margin=0.25, mean_margin=0.01, fingerprint=0.0123)
    assert LIMITS.exceeded(at) == ()
    (said,) = LIMITS.exceeded(replace(MEASURES, fingerprint=0.5))
    assert said == "fingerprint: got 0.5, expected at most 0.0123"
    for bad in (math.inf, math.nan):
        assert len(LIMITS.exceeded(replace(MEASURES, worst_margin=bad))) == 1


def test_limits_are_wider_than_what_was_seen_and_never_nothing() -> None:
    far = replace(MEASURES, fingerprint=0.02, worst_margin=1.0)
    limits = Limits.of([MEASURES, far])
    assert limits.fingerprint == rounded(SAFETY * 0.02)
    assert limits.worst_margin == SAFETY
    assert Limits.of([MEASURES]).worst_margin == FLOORS["worst_margin"]


def test_a_class_holds_the_lengths_it_was_made_of() -> None:
    found = [PROFILE.class_of(tokens) for tokens in (15, 16, 31, 32, 60, 61)]
    one, two = PROFILE.classes
    assert found == [None, one, one, two, two, None]
