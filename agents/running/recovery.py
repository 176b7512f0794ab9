"""What becomes of runs that were interrupted: gone on with, or recorded as abandoned.

Asked before anything new is begun. The chain says what became of what was sent; a run
of the newest slot that sent nothing goes on where its checkpoint says; every other run
ends here, with its reason in the journal, so that none is left open. It trusts journal
and chain, and a checkpoint only to say where to begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from affiant.agents.durable.approvals import Approvals
from affiant.agents.durable.checkpoints import CheckpointRefusedError, Checkpoints
from affiant.agents.durable.journal import Entry, Journal, Status, Step
from affiant.agents.running.graph import AgentGraph
from affiant.agents.sending.submit import Submitter
from affiant.encoding import to_hex
from affiant.onchain.mandate import Mandate

_ENDS: tuple[tuple[Step, Status], ...] = (
    ("confirm", "done"),
    ("confirm", "queued"),
    ("check", "held"),
    ("confirm", "refused"),
    ("confirm", "lost"),
)
"""What settles how a run ended, though its record was not written any more; of several,
the first: a transaction that replaced a lost one was executed all the same."""


@dataclass(frozen=True)
class Left:
    """What other runs, of this process or one before it, have left to do."""

    waiting: tuple[Entry, ...]
    """Sent, and not known to be mined or lost."""
    settled: tuple[Entry, ...]
    """Sent, and found out about just now."""
    resumable: str | None
    """Thread of the run of the newest slot that goes on."""


@dataclass
class Recovery:
    """Ends what was interrupted."""

    journal: Journal
    submitter: Submitter
    graph: AgentGraph
    checkpoints: Checkpoints
    approvals: Approvals
    mandate: Mandate
    clock: Callable[[], float]
    _ended: int = 0
    """Number of an entry up to which every run has its record."""

    def thread(self, slot: int) -> str:
        """Return the name under which a slot's run is kept."""
        return f"{to_hex(self.mandate.id)}:{slot}"

    def look(self, slot: int) -> Left:
        """Settle what was sent, and see what can go on in `slot`, the newest.

        Raises:
            ChainUnavailableError: the chain cannot be asked.
            JournalError, CheckpointError: the agent's own memory cannot be used.
        """
        before = self.journal.unsettled(self.mandate.id)
        waiting = self.submitter.settle()
        on_its_way = {entry.run for entry in waiting}
        newest = self.journal.newest()
        if not self._ended:
            self._prune_last()
        open_runs = self.journal.open_runs(self.mandate.id, after=self._ended)
        resumable = None
        for last in open_runs:
            reason = self._hopeless(last, slot=slot)
            if reason is None:
                resumable = self.thread(slot)
            elif last.run not in on_its_way:
                # What is on its way is ended by the chain, through `settle`.
                self._end(last, reason, over=last.slot != slot)
        if not open_runs:
            self._ended = newest
        return Left(
            waiting=waiting,
            settled=tuple(
                {e.run: e for e in before if e.run not in on_its_way}.values()
            ),
            resumable=resumable,
        )

    def _prune_last(self) -> None:
        """Delete what the last process had no time to, between record and deletion."""
        for entry in self.journal.entries(mandate=self.mandate.id, last=1):
            if entry.step == "record":
                self.checkpoints.prune(self.thread(entry.slot))

    def _hopeless(self, last: Entry, *, slot: int) -> str | None:
        """Return why an open run cannot go on where it was; None: it can."""
        if last.slot != slot:
            return f"its slot is over: it is slot {slot}"
        try:
            saved = self.graph.unfinished(self.thread(slot))
        except CheckpointRefusedError as error:
            return str(error)
        if saved is None or saved.slot != slot:
            return "it has no checkpoint"
        if saved.run != last.run:
            return f"the checkpoint is run {saved.run}'s"
        return None

    def _end(self, last: Entry, reason: str, *, over: bool) -> None:
        """Write the record that a run lacks: what the journal knows, or `abandoned`."""
        known: set[tuple[Step, Status]] = set()
        queued = False
        for entry in self.journal.entries(run=last.run):
            # What came before an earlier record is in it already.
            if entry.step == "record":
                known, queued = set(), entry.status == "queued"
            known.add((entry.step, entry.status))
        ended = [status for step, status in _ENDS if (step, status) in known]
        status: Status = ended[0] if ended else "abandoned"
        if queued and status != "done":
            # A release that came to nothing: only the gate ends a wait.
            status = "queued"
        self.journal.append(
            replace(
                last,
                step="record",
                status=status,
                at=self.clock(),
                detail={"step": last.step, "why": f"interrupted; {reason}"},
            )
        )
        self.checkpoints.prune(self.thread(last.slot))
        if over and last.digest is not None:
            self.approvals.close(last.digest, why=reason)
