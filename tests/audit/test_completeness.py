"""Every slot is executed, held, unused or unexplained, and counted once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from affiant.audit.completeness import (
    account_for_slots,
    contradictions_of,
    remarks_on,
    slot_ranges,
)
from affiant.audit.result import Kind, Status, Verdict


def test_counts_and_says_so_in_one_sentence(make: Any) -> None:
    audits = [make(slot=slot) for slot in range(10, 41)]
    audits += [make(slot=slot, kind=Kind.HELD) for slot in range(41, 55)]
    done = account_for_slots(audits, first=10, last=56)
    assert done.sentence == "47 slots: 31 executed, 14 held, 2 unexplained"
    assert done.unexplained == (55, 56)
    assert done.total == 47


def test_partitions_the_slots(make: Any) -> None:
    audits = [
        make(slot=3),
        make(slot=3, kind=Kind.HELD, label="also", outcome="as planned"),
        make(slot=4, kind=Kind.HELD),
        make(slot=5, kind=Kind.UNUSED),
        make(slot=5, kind=Kind.UNUSED, label="again"),
    ]
    done = account_for_slots(audits, first=2, last=6)
    sorts = [done.executed, done.held, done.unused, done.unexplained]
    assert sorts == [(3,), (4,), (5,), (2, 6)]
    assert sum(map(len, sorts)) == done.total
    assert "1 sworn but not executed" in done.sentence


def test_a_rejected_hold_explains_nothing(make: Any) -> None:
    hold = make(slot=7, kind=Kind.HELD)
    bad = replace(hold, verdict=Verdict.REJECTED)
    assert account_for_slots([hold], first=7, last=7).held == (7,)
    assert account_for_slots([bad], first=7, last=7).unexplained == (7,)


def test_an_execution_outside_of_the_range_widens_it(make: Any) -> None:
    done = account_for_slots([make(slot=2), make(slot=9)], first=4, last=6)
    assert (done.first, done.last) == (2, 9)
    assert done.unexplained == (3, 4, 5, 6, 7, 8)


def test_holds_outside_of_the_range_do_not_count(make: Any) -> None:
    done = account_for_slots([make(slot=9, kind=Kind.HELD)], first=4, last=6)
    assert done.held == ()
    assert done.total == 3


@pytest.mark.parametrize(
    ("outcome", "previous", "expected"),
    [
        ("as planned", "head", ()),
        ("something else", "head", (5,)),
        ("something else", "another head", ()),
    ],
    ids=["the same twice", "two outcomes on one head", "asked on a newer head"],
)
def test_two_outcomes_on_one_head_are_named(
    make: Any, outcome: str, previous: str, expected: tuple[int, ...]
) -> None:
    second = make(
        slot=5, kind=Kind.UNUSED, label="2", outcome=outcome, previous=previous
    )
    done = account_for_slots([make(slot=5), second], first=5, last=5)
    assert done.contradictory == expected


def test_a_forged_second_decision_contradicts_nobody(make: Any) -> None:
    forged = make(slot=5, kind=Kind.UNUSED, label="2", outcome="something else")
    failed = replace(forged.steps[0], status=Status.FAIL)
    forged = replace(forged, steps=(failed, *forged.steps[1:]))
    done = account_for_slots([make(slot=5), forged], first=5, last=5)
    assert done.contradictory == ()


def test_no_slot_at_all(make: Any) -> None:
    done = account_for_slots([], first=5, last=4)
    assert done.sentence == "0 slots: 0 executed, 0 held, 0 unexplained"


def test_two_mandates_are_misuse(make: Any) -> None:
    other = replace(make(slot=2), mandate=make(slot=2).previous)
    with pytest.raises(ValueError, match="different mandates"):
        account_for_slots([make(slot=1), other], first=1, last=2)


@pytest.mark.parametrize(
    ("slots", "words"),
    [((), ""), ((4,), "4"), ((4, 5, 6, 9, 11, 12), "4-6, 9, 11-12")],
)
def test_slot_ranges(slots: tuple[int, ...], words: str) -> None:
    assert slot_ranges(slots) == words


@pytest.mark.parametrize(
    ("skips", "count"),
    [
        ([], 0),
        ([(5, 0)], 0),
        ([(7, 2), (8, 0), (12, 3)], 0),
        ([(7, 0)], 1),
        ([(7, 2), (9, 0)], 1),
    ],
)
def test_the_events_own_count_of_skipped_slots_must_agree(
    make: Any, skips: list[tuple[int, int]], count: int
) -> None:
    done = account_for_slots([], first=5, last=4)
    assert len(contradictions_of(done, granted_slot=5, skips=skips)) == count


def test_remarks_name_the_slots(make: Any) -> None:
    audits = [make(slot=5), make(slot=7, kind=Kind.UNUSED)]
    remarks = remarks_on(account_for_slots(audits, first=5, last=9))
    assert any("slots 6, 8-9" in remark for remark in remarks)
    assert any("slot 7" in remark for remark in remarks)


def test_stopped_slots_need_no_explanation(make: Any) -> None:
    done = account_for_slots([make(slot=5)], first=4, last=7, stopped=(4, 5, 6))
    assert (done.stopped, done.unexplained) == ((4, 6), (7,))
    assert "2 stopped" in done.sentence
