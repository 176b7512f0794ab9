"""The numbered steps of an audit, and how one check becomes a `Step`.

It names the steps and turns what a check raises into *fail* or *skipped*; it never
turns anything into *pass* by itself. The checks are in `check_chain.py`,
`check_evidence.py`, `check_inference.py` and `check_effects.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from affiant.audit.result import Status, Step
from affiant.errors import RejectedError, UnavailableError

STEP_NAMES = {
    1: "event, calldata, digest, signature",
    2: "mandate and key at that block",
    3: "evidence under the sworn root",
    4: "slot, anchor and head",
    5: "observation re-read",
    6: "program, request and prompt rebuilt",
    7: "sampling and seed",
    8: "every token replayed",
    9: "plan, calls and bounds derived",
    10: "effects within bounds",
    11: "attestation verified again",
}
"""Number and name of every step; the numbers mean the same in every report. The last
is taken only where a decision claims hardware."""

EVERY_STEP = tuple(range(1, 11))
"""Steps that are taken of every decision, whatever it claims."""

STEP_WORDS = {
    1: "event",
    2: "permission",
    3: "evidence",
    4: "place",
    5: "observation",
    6: "request",
    7: "sampling",
    8: "tokens",
    9: "plan",
    10: "effects",
    11: "attestation",
}
"""One word for every step, where there is no room for its name."""

MAX_SHOWN = 400
"""Characters of a got or expected value kept in a step."""

Check = Callable[[], str]
"""A check: returns what it found in one sentence, or raises.

MUST raise a `RejectedError` if something contradicts and an `UnavailableError` if it
cannot be done; MUST return only if everything it names was compared."""


def take(number: int, check: Check) -> Step:
    """Take the step `number`: run its check and record how it ended.

    Errors outside the two families are our bugs and pass through.

    Raises:
        ValueError: there is no such step.
    """
    name = _name(number)
    try:
        return Step(number, name, Status.PASS, check())
    except RejectedError as error:
        return Step(
            number,
            name,
            Status.FAIL,
            _cut(str(error)),
            got=_value(error, "got"),
            expected=_value(error, "expected"),
            error=type(error).__name__,
        )
    except UnavailableError as error:
        return Step(
            number,
            name,
            Status.SKIPPED,
            _cut(str(error)),
            error=type(error).__name__,
        )


def skip(number: int, reason: str) -> Step:
    """Return the step `number` as skipped, with the reason.

    Raises:
        ValueError: there is no such step, or the reason is empty.
    """
    if not reason:
        raise ValueError("a skipped step needs a reason")
    return Step(number, _name(number), Status.SKIPPED, _cut(reason))


def _name(number: int) -> str:
    if number not in STEP_NAMES:
        raise ValueError(f"no step {number}")
    return STEP_NAMES[number]


def _value(error: Exception, name: str) -> str | None:
    value = getattr(error, name, None)
    if value is None:
        return None
    return _cut("0x" + value.hex() if isinstance(value, bytes) else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " …"
