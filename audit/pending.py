"""A decision that waits for its execution: the audit's steps, cheapest first.

It decides the order in which the audit's own steps are taken before a signature, so
that what costs a replay is reached only by what passed everything that costs less, and
at which block the present is judged: the newest. The checks are the audit's.

1. offline, no chain: signature and commitments (1), evidence (3), bounds (10);
2. a handful of reads at the newest block: mandate and key (2), slot, anchor, head (4);
3. the observation re-read, everything rebuilt from it (5, 6, 7, 9);
4. the replay (8);
5. the second stage once more, as the chain went on meanwhile.

A stage is begun only if every step before it passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affiant.agents.deciding.phases import Phases
from affiant.audit.court import Court
from affiant.audit.deadline import Deadline
from affiant.audit.endorser_errors import (
    EndorsementOpenError,
    EndorsementRefusedError,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.history import Present
from affiant.audit.result import Status, Step
from affiant.audit.steps import EVERY_STEP, Check, skip, take
from affiant.audit.walk import Walk
from affiant.onchain.evidence import EvidenceBundle

OFFLINE = (1, 3, 10)
"""Steps that need neither chain nor model."""

PRESENT = (2, 4)
"""Steps about the newest block."""

REBUILT = (5, 6, 7, 9)
"""Steps that need the chain's past and the tokenizer."""

REPLAYED = (8,)
"""The step that needs the model."""


class Pending:
    """One walk before a signature."""

    def __init__(
        self,
        bundle: EvidenceBundle,
        *,
        court: Court,
        deadline: Deadline,
        phases: Phases,
    ) -> None:
        """Begin; no step is taken yet.

        Args:
            bundle: hostile evidence.
            court: whose mandate is the bundle's own: the gate knows it by its hash.
            deadline: steps that would begin after it are skipped.
            phases: told the seconds of every step.
        """
        self._walk = Walk(court, digest=bundle.digest, bundle=bundle, waits=True)
        self._deadline = deadline
        self._phases = phases

    def read(self) -> None:
        """Take the steps that need neither chain nor model.

        Raises:
            EndorsementRefusedError, EndorsementOpenError: one did not pass.
        """
        self._stage(OFFLINE)
        self._walk.sound = self._walk.passed(3)
        self._require()

    def look(self, present: Present) -> None:
        """Take the steps about the newest block, anew if they were taken before.

        Args:
            present: the chain, nothing of which is remembered from an earlier look.

        Raises:
            EndorsementRefusedError, EndorsementOpenError: one did not pass.
        """
        walk = self._walk
        walk.steps = [step for step in walk.steps if step.number not in PRESENT]
        walk.court = replace(walk.court, history=present)
        before = walk.now

        def newest() -> str:
            walk.now = present.newest()
            if before is not None and walk.now.number < before.number:
                raise AuditUnavailableError(
                    "newest block",
                    reason=f"it went back from {before.number} to {walk.now.number}",
                )
            return ""

        asked = self._taken(PRESENT[0], newest)
        if asked.status is Status.PASS:
            self._stage(PRESENT)
        else:
            walk.steps.append(asked)
        self._require()

    def rebuild(self) -> None:
        """Take the steps that need the chain's past and the tokenizer.

        Raises:
            EndorsementRefusedError, EndorsementOpenError: one did not pass.
        """
        self._stage(REBUILT)
        self._require()

    def replay(self) -> None:
        """Take the step that needs the model.

        Raises:
            EndorsementRefusedError, EndorsementOpenError: it did not pass.
        """
        self._stage(REPLAYED)
        self._require()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All ten, in order; those that were not reached are skipped."""
        taken = {step.number: step for step in self._walk.steps}
        problem = next(
            (n for n in sorted(taken) if taken[n].status is not Status.PASS), None
        )
        why = (
            "not reached yet"
            if problem is None
            else f"not looked at, as step {problem} did not pass"
        )
        return tuple(taken.get(number) or skip(number, why) for number in EVERY_STEP)

    def _stage(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._walk.steps.append(self._taken(number, self._walk.check(number)))

    def _taken(self, number: int, check: Check) -> Step:
        def in_time() -> str:
            self._deadline.check()
            return check()

        with self._phases.phase(f"step_{number}"):
            return take(number, in_time)

    def _require(self) -> None:
        statuses = {step.status for step in self._walk.steps}
        if Status.FAIL in statuses:
            raise EndorsementRefusedError(self._walk.digest, steps=self.steps)
        if Status.SKIPPED in statuses:
            raise EndorsementOpenError(self._walk.digest, steps=self.steps)
