"""From steps to grades: signed, reproduced, endorsed, hardware.

Pure. It decides how strong an audited decision is, from the numbered steps alone, and
says for every grade what it does not show. It fails closed: a grade is *yes* only if
every step it rests on is present and passed; a step that is missing counts as skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.result import Answer, Grade, Status, Step, Verdict

SIGNED_STEPS = (1, 2)
"""Steps that *signed* rests on."""

REPRODUCED_STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
"""Steps that *reproduced* rests on."""

GRADE_NAMES = ("signed", "reproduced", "endorsed", "hardware")
"""Every grade, weakest first."""

DOES_NOT_SHOW = {
    "signed": (
        "It does not show that the model was run at all, or that the key was used by "
        "the program it names."
    ),
    "reproduced": (
        "It does not show that the plan was wise, or that the check was made before "
        "the money moved."
    ),
    "endorsed": (
        "It does not show more than that the endorsers named by the owner signed; "
        "they could collude."
    ),
    "hardware": (
        "It does not show that the maker's attestation chain is sound or that the "
        "machine was physically guarded."
    ),
}
"""For each grade, what even a yes does not show."""


HARDWARE_TIER = 2
"""Least tier that hardware gives."""

ATTESTATION_STEP = 11
"""Step that *hardware* rests on; taken only where hardware is claimed."""


def grade_decision(
    steps: Sequence[Step],
    *,
    endorsements_asked: int,
    tier: int,
    attested: int | None = None,
    named: bool = True,
) -> tuple[Grade, ...]:
    """Return the four grades of a decision.

    Args:
        steps: the numbered steps that were taken; absent numbers count as skipped.
        endorsements_asked: endorsements that the mandate's ladder asks for.
        tier: tier at which the mandate permits the node's key by name.
        attested: tier that the attestation step verified, where it was taken and
            passed.
        named: whether the mandate permits the key by name; otherwise every grade rests
            on its attestation too.
    """
    endorsed_reason = (
        "The mandate asks for no endorsement, and none was made."
        if endorsements_asked == 0
        else "Endorsements are asked for, but this auditor cannot check them yet."
    )
    permission = () if named else (ATTESTATION_STEP,)
    return (
        _from_steps("signed", steps, needed=(*SIGNED_STEPS, *permission)),
        _from_steps("reproduced", steps, needed=(*REPRODUCED_STEPS, *permission)),
        _grade(
            "endorsed",
            Answer.NOT_CLAIMED if endorsements_asked == 0 else Answer.NO,
            endorsed_reason,
        ),
        _hardware(steps, tier=tier, attested=attested),
    )


def verdict_of(
    steps: Sequence[Step], grades: Sequence[Grade], *, required: str
) -> Verdict:
    """Return the verdict over one decision.

    A failed step rejects, whatever grade is asked for. Otherwise every grade up to
    `required` must be *yes*.

    Raises:
        ValueError: `required` is neither signed nor reproduced.
    """
    if required not in ("signed", "reproduced"):
        raise ValueError(f"required grade `{required}`: signed or reproduced")
    if any(step.status is Status.FAIL for step in steps):
        return Verdict.REJECTED
    names = GRADE_NAMES[: GRADE_NAMES.index(required) + 1]
    answers = {grade.name: grade.answer for grade in grades}
    if all(answers.get(name) is Answer.YES for name in names):
        return Verdict.ACCEPTED
    return Verdict.INCOMPLETE


def _from_steps(name: str, steps: Sequence[Step], *, needed: tuple[int, ...]) -> Grade:
    by_number = {step.number: step for step in steps}
    for number in needed:
        step = by_number.get(number)
        if step is not None and step.status is Status.FAIL:
            reason = f"Step {number} ({step.name}) failed: {step.detail}"
            return _grade(name, Answer.NO, reason)
    for number in needed:
        step = by_number.get(number)
        if step is None:
            return _grade(name, Answer.NO, f"Step {number} was not taken.")
        if step.status is not Status.PASS:
            reason = f"Step {number} ({step.name}) was skipped: {step.detail}"
            return _grade(name, Answer.NO, reason)
    if name == "signed":
        reason = "A key that the mandate permits signed exactly this decision."
    else:
        reason = "Observation, request, tokens, calls and bounds came out the same."
    return _grade(name, Answer.YES, reason)


def _hardware(steps: Sequence[Step], *, tier: int, attested: int | None) -> Grade:
    taken = [step for step in steps if step.number == ATTESTATION_STEP]
    if not taken:
        if tier <= 1:
            reason = (
                f"The key is permitted at tier {tier}: named by the owner, attested by "
                "no hardware."
            )
            return _grade("hardware", Answer.NOT_CLAIMED, reason)
        reason = f"Tier {tier} is asked for, and the evidence names no attestation."
        return _grade("hardware", Answer.NO, reason)
    (step,) = taken
    if step.status is not Status.PASS:
        ended = "failed" if step.status is Status.FAIL else "was skipped"
        reason = f"Step {step.number} ({step.name}) {ended}: {step.detail}"
        return _grade("hardware", Answer.NO, reason)
    if attested is None or attested < HARDWARE_TIER:
        reason = f"It was verified again, and gives tier 0: {step.detail}"
        return _grade("hardware", Answer.NO, reason)
    return _grade("hardware", Answer.YES, step.detail)


def _grade(name: str, answer: Answer, reason: str) -> Grade:
    return Grade(
        name=name, answer=answer, reason=reason, does_not_show=DOES_NOT_SHOW[name]
    )
