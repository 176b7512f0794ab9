"""Grades fail closed: every step they rest on must be there and pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from affiant.audit.grades import (
    DOES_NOT_SHOW,
    GRADE_NAMES,
    REPRODUCED_STEPS,
    grade_decision,
    verdict_of,
)
from affiant.audit.result import Answer, Status, Step, Verdict
from affiant.audit.steps import EVERY_STEP, STEP_NAMES


def _steps() -> list[Step]:
    return [Step(n, STEP_NAMES[n], Status.PASS, "fine") for n in EVERY_STEP]


def _answers(steps: list[Step]) -> dict[str, Answer]:
    grades = grade_decision(steps, endorsements_asked=0, tier=0)
    assert tuple(grade.name for grade in grades) == GRADE_NAMES
    return {grade.name: grade.answer for grade in grades}


def test_all_steps_passed_is_signed_and_reproduced_and_claims_no_more() -> None:
    assert _answers(_steps()) == {
        "signed": Answer.YES,
        "reproduced": Answer.YES,
        "endorsed": Answer.NOT_CLAIMED,
        "hardware": Answer.NOT_CLAIMED,
    }


@pytest.mark.parametrize("number", REPRODUCED_STEPS)
@pytest.mark.parametrize("how", ["fail", "skip", "absent"])
def test_one_step_short_is_not_reproduced(number: int, how: str) -> None:
    steps = _steps()
    index = number - 1
    if how == "absent":
        del steps[index]
    else:
        status = Status.FAIL if how == "fail" else Status.SKIPPED
        steps[index] = replace(steps[index], status=status)
    answers = _answers(steps)
    assert answers["reproduced"] is Answer.NO
    assert answers["signed"] is (Answer.NO if number <= 2 else Answer.YES)
    grades = grade_decision(steps, endorsements_asked=0, tier=0)
    expected = Verdict.REJECTED if how == "fail" else Verdict.INCOMPLETE
    assert verdict_of(steps, grades, required="reproduced") is expected


def test_signed_is_enough_only_where_asked_for_and_never_with_a_failure() -> None:
    steps = _steps()
    steps[7] = replace(steps[7], status=Status.SKIPPED)
    grades = grade_decision(steps, endorsements_asked=0, tier=0)
    assert verdict_of(steps, grades, required="signed") is Verdict.ACCEPTED
    assert verdict_of(steps, grades, required="reproduced") is Verdict.INCOMPLETE
    steps[7] = replace(steps[7], status=Status.FAIL)
    assert verdict_of(steps, grades, required="signed") is Verdict.REJECTED


def test_unchecked_claims_are_no_and_not_not_claimed() -> None:
    grades = grade_decision(_steps(), endorsements_asked=2, tier=2)
    answers = {grade.name: grade.answer for grade in grades}
    assert answers["endorsed"] is Answer.NO
    assert answers["hardware"] is Answer.NO


def test_every_grade_says_what_it_does_not_show() -> None:
    for grade in grade_decision([], endorsements_asked=0, tier=0):
        assert grade.does_not_show == DOES_NOT_SHOW[grade.name]
        assert grade.does_not_show.endswith(".")


@pytest.mark.parametrize("required", ["", "endorsed", "hardware", "Signed"])
def test_unknown_required_grade_is_misuse(required: str) -> None:
    with pytest.raises(ValueError, match="required grade"):
        verdict_of([], [], required=required)


def _attestation(status: Status) -> Step:
    return Step(11, STEP_NAMES[11], status, "as found")


@pytest.mark.parametrize(
    ("status", "attested", "answer"),
    [
        (Status.PASS, 2, Answer.YES),
        (Status.PASS, 3, Answer.YES),
        (Status.PASS, 0, Answer.NO),
        (Status.PASS, None, Answer.NO),
        (Status.FAIL, None, Answer.NO),
        (Status.SKIPPED, None, Answer.NO),
    ],
)
def test_hardware_is_yes_only_where_it_was_verified_again(
    status: Status, attested: int | None, answer: Answer
) -> None:
    steps = [*_steps(), _attestation(status)]
    grades = grade_decision(steps, endorsements_asked=0, tier=0, attested=attested)
    by_name = {grade.name: grade for grade in grades}
    assert by_name["hardware"].answer is answer
    # The owner named the key: what hardware says is beside the point of these.
    assert by_name["signed"].answer is Answer.YES
    failed = status is Status.FAIL
    assert (verdict_of(steps, grades, required="signed") is Verdict.REJECTED) is failed


@pytest.mark.parametrize("taken", [None, Status.SKIPPED, Status.FAIL])
def test_a_key_that_nobody_named_rests_on_its_attestation(
    taken: Status | None,
) -> None:
    steps = [*_steps(), *([] if taken is None else [_attestation(taken)])]
    grades = grade_decision(steps, endorsements_asked=0, tier=0, named=False)
    answers = {grade.name: grade.answer for grade in grades}
    assert answers["signed"] is answers["reproduced"] is Answer.NO
    verdict = verdict_of(steps, grades, required="signed")
    assert verdict is not Verdict.ACCEPTED
    passed = [*_steps(), _attestation(Status.PASS)]
    grades = grade_decision(
        passed, endorsements_asked=0, tier=0, attested=0, named=False
    )
    assert verdict_of(passed, grades, required="reproduced") is Verdict.ACCEPTED
