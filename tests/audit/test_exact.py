"""Before a signature, only an exact replay counts, and reasons are no inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from affiant.audit.exact import ExactOnly
from affiant.encoding import keccak256
from affiant.inference.measure import Measures
from affiant.inference.replay import ReplayVerdict


@dataclass
class Saying:
    """A replayer with a fixed verdict."""

    verdict: ReplayVerdict
    root: Any = keccak256(b"model")

    def encode(self, text: str) -> list[int]:
        return [len(text)]

    def decode(self, ids: Any) -> str:
        return f"{len(ids)} ids"

    def chat(self, messages: Any) -> None:
        return None

    def replay(self, sworn: Any, *, manifest: Any) -> ReplayVerdict:
        return self.verdict


def verdict(grade: Any, *, same: bool, mismatches: int = 0) -> ReplayVerdict:
    measures = Measures(40, mismatches, 0.5, 0.1, 0.2, 0.3)
    return ReplayVerdict(grade, same, measures, None, ("token 3: got 5, expected 9",))


def said(item: ReplayVerdict, *, secretive: bool = False) -> ReplayVerdict:
    replayer = ExactOnly(Saying(item), secretive=secretive)
    assert replayer.root == keccak256(b"model")
    assert (replayer.encode("abc"), replayer.decode([1, 2])) == ([3], "2 ids")
    assert replayer.chat([]) is None
    anything: Any = None
    return replayer.replay(anything, manifest=anything)


def test_an_exact_replay_passes() -> None:
    item = verdict("exact", same=True)
    assert said(item) == item
    assert said(item, secretive=True) == item


@pytest.mark.parametrize("grade", ["exact", "consistent", "inconsistent"])
def test_another_profile_says_nothing(grade: str) -> None:
    found = said(verdict(grade, same=False))
    assert found.grade == "inconclusive"
    assert "another profile" in found.reasons[0]


def test_inconsistent_in_the_sworn_profile_stays() -> None:
    found = said(verdict("inconsistent", same=True, mismatches=2))
    assert found.grade == "inconsistent"
    assert "expected 9" in found.reasons[0]


def test_secretive_reasons_do_not_tell_what_the_model_says() -> None:
    found = said(verdict("inconsistent", same=True, mismatches=2), secretive=True)
    assert found.reasons == ("2 of 40 tokens are not the canonical ones",)
    found = said(verdict("inconsistent", same=True), secretive=True)
    assert "the trace is not" in found.reasons[0]
