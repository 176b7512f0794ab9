"""Why an endorser signs nothing.

    RejectedError
    ├── NotEndorsedHereError      not this endorser's to endorse, whatever it says
    ├── AlreadySignedError        it would contradict what this key signed before
    ├── EndorsementRefusedError   a step of the audit failed; carries all ten
    ├── CheckpointRefusedError    the audit rejects something, or the figures differ
    └── NotProvenFalseError       no step proves that the key swore falsely
    UnavailableError
    ├── EndorserBusyError         no room or no time for another request now
    ├── EndorsementOpenError      a step could not be taken; carries all ten
    ├── CheckpointOpenError       the audit could not look at everything
    └── SignedUnavailableError    the memory of what was signed cannot be used

The first family is final for what was asked; the second may go another way later.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.result import Status, Step
from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError, UnavailableError

MAX_REASONS = 20
"""Most reasons spelled out in a message."""


class NotEndorsedHereError(RejectedError):
    """This endorser does not endorse such a decision at all."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}"[:1000])
        self.what = what
        self.got = got
        self.expected = expected


class AlreadySignedError(RejectedError):
    """This key signed something before that the signature would contradict."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}, signed before")
        self.what = what
        self.got = got
        self.expected = expected


class _StepsError(Exception):
    """What errors about a walk through the steps share."""

    steps: tuple[Step, ...]
    """All ten, in order."""
    digest: Digest
    """Of the decision."""
    got: str
    """Of the first step that failed or was skipped."""
    expected: str
    """Likewise."""

    def _tell(self, digest: Digest, steps: Sequence[Step], *, word: str) -> str:
        self.digest = digest
        self.steps = tuple(steps)
        # A step that an error ended; the others were not reached.
        problems = [step for step in steps if step.error]
        open_ones = sum(step.status is not Status.PASS for step in steps)
        self.got = (problems[0].got or problems[0].detail) if problems else ""
        self.expected = (problems[0].expected or "") if problems else ""
        reasons = [reason_of(step) for step in problems]
        if open_ones > len(problems):
            reasons.append(f"{open_ones - len(problems)} more were not looked at")
        return f"decision {to_hex(digest)} is not endorsed, {word}: {spelled(reasons)}"


class EndorsementRefusedError(_StepsError, RejectedError):
    """A step of the audit failed: what was sworn is not so."""

    def __init__(self, digest: Digest, *, steps: Sequence[Step]) -> None:
        super().__init__(self._tell(digest, steps, word="it contradicts"))


class EndorsementOpenError(_StepsError, UnavailableError):
    """No step failed, but one could not be taken here and now."""

    def __init__(self, digest: Digest, *, steps: Sequence[Step]) -> None:
        super().__init__(self._tell(digest, steps, word="it could not be looked at"))


class CheckpointRefusedError(RejectedError):
    """Not everything up to the head is right, or the figures differ."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class CheckpointOpenError(UnavailableError):
    """Nothing contradicts, but not everything up to the head was looked at."""

    def __init__(self, what: str, *, reasons: Sequence[str]) -> None:
        super().__init__(f"{what}: {spelled(reasons)}")
        self.what = what
        self.reasons = tuple(reasons)


class NotProvenFalseError(RejectedError):
    """The audit does not prove that the key swore falsely."""

    def __init__(self, decision: Digest, *, reasons: Sequence[str]) -> None:
        super().__init__(
            f"decision {to_hex(decision)}: got no proof that it is false, expected "
            f"one: {spelled(reasons)}"
        )
        self.decision = decision
        self.reasons = tuple(reasons)


class EndorserBusyError(UnavailableError):
    """The endorser has no room, or no time, for another request now."""

    def __init__(self, what: str, *, limit: str) -> None:
        super().__init__(f"{what}: got more, expected at most {limit}; ask again later")
        self.what = what
        self.limit = limit


class SignedUnavailableError(UnavailableError):
    """The memory of what was signed cannot be used; nothing is signed then."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"memory of what was signed: {reason}"[:1000])
        self.reason = reason


def reason_of(step: Step) -> str:
    """Return one step as a reason, such as `step 4 (…) failed: slot: got …`."""
    word = "failed" if step.status is Status.FAIL else "was not taken"
    return f"step {step.number} ({step.name}) {word}: {step.detail}"


def spelled(reasons: Sequence[str]) -> str:
    """Return reasons as one text, cut after `MAX_REASONS`."""
    more = len(reasons) - MAX_REASONS
    return "; ".join([*reasons[:MAX_REASONS], *([f"{more} more"] if more > 0 else [])])
