"""One run after another: what is done at each look at the chain, and in which order.

    lock ─> settle what was sent ─> end what was interrupted
         ─> look after what is queued ─> go on, or begin, or wait

It decides whether a new run is begun: only in a slot without a decision, with nothing
of this slot on its way, and unless the agent's operator has said otherwise. It trusts
the agent's own chain endpoint and disk.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from affiant.agents.durable.checkpoints import CheckpointError, Checkpoints
from affiant.agents.durable.journal import Entry, JournalError
from affiant.agents.errors import described
from affiant.agents.running.approve import still_open
from affiant.agents.running.graph import AgentGraph
from affiant.agents.running.progress import Progress, RunResult
from affiant.agents.running.queued import QueuedDecisions
from affiant.agents.running.recovery import Recovery
from affiant.agents.running.restore import settled_progress
from affiant.agents.running.steps import AgentSteps
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.attempts import Attempt
from affiant.encoding import Digest
from affiant.errors import AffiantError, UnavailableError

NO_SLOT = -1
"""Slot of a run that could not even ask the chain which slot it is."""


class Runs:
    """One agent's runs, one at a time."""

    def __init__(
        self,
        around: Surroundings,
        *,
        idle: Callable[[], bool],
        tell: Callable[[RunResult], None],
    ) -> None:
        """Open the checkpoints beside the journal; nothing is locked yet.

        Args:
            idle: whether no new decision is to be taken.
            tell: called after every run, with what became of it.

        Raises:
            CheckpointError: they cannot be opened.
        """
        self._around = around
        self._journal = around.journal
        self._idle = idle
        self._tell = tell
        self._turn = threading.RLock()
        self._checkpoints = Checkpoints.beside(around.journal.database)
        self._graph = AgentGraph(AgentSteps(around), checkpoints=self._checkpoints)
        self._queued = QueuedDecisions(around)
        self._told_to_wait: Digest | None = None
        self._recovery = Recovery(
            journal=around.journal,
            submitter=around.submitter,
            graph=self._graph,
            checkpoints=self._checkpoints,
            approvals=around.approvals,
            mandate=around.mandate,
            clock=around.clock,
        )

    def once(self) -> RunResult:
        """Take the newest slot's decision, if it was not taken yet.

        1. be the only process; 2. ask the chain; 3. end what was interrupted; 4. look
        after what waits in the gate's queue: while it does, nothing else acts; 5. go on
        with this slot's run; 6. or begin one.

        Raises:
            AgentLockedError: another process runs this agent.
            JournalTruncatedError: the journal has lost its end.
            JournalError, CheckpointError: the agent's own memory cannot be used.
        """
        with self._turn:
            # 1.
            self._around.lock.take()
            result = self._once()
            self._around.lock.mark(self._journal.newest())
            return result

    def _once(self) -> RunResult:
        around, run, slot = self._around, secrets.token_hex(8), NO_SLOT
        try:
            # 2. The endpoint may have changed its mind about which chain it serves.
            around.chain.verify_chain_id()
            slot = around.mandate.slot_of(around.chain.block_number())
            # 3.
            left = self._recovery.look(slot)
            for entry in left.settled:
                self._tell_settled(entry)
            # 4.
            queued = self._queued.look(slot=slot, waiting=left.waiting)
        except (JournalError, CheckpointError):
            raise
        except AffiantError as error:
            return self._ended_early(run, slot=slot, error=error)
        if queued is not None:
            return self._tell_queued(queued)
        # 5.
        if left.resumable is not None:
            return self._go_on(left.resumable, slot=slot)
        pending = [entry for entry in left.waiting if entry.slot == slot]
        if pending or self._journal.finished(mandate=around.mandate.id, slot=slot):
            skipped = Progress(
                run=run,
                slot=slot,
                outcome="skipped",
                transaction=pending[0].transaction if pending else None,
            )
            return RunResult.of(skipped)
        # 6.
        if self._idle():
            return RunResult.of(Progress(run=run, slot=slot, waits_for="resume"))
        return self._begin(run, slot=slot)

    def wait(self) -> None:
        """Return when no run is in progress; a run that calls this is none."""
        with self._turn:
            pass

    def close(self) -> None:
        """Close the checkpoints and let other processes run the agent."""
        self._checkpoints.close()
        self._around.lock.release()

    def _begin(self, run: str, *, slot: int) -> RunResult:
        """Begin a run, written down first."""
        for asked in self._around.approvals.pending():
            if asked.slot != slot:
                self._around.approvals.close(asked.digest, why="its slot is over")
        self._journal.append(
            Entry(
                run=run,
                mandate=self._around.mandate.id,
                slot=slot,
                step="decide",
                status="started",
                at=self._around.clock(),
            )
        )
        thread = self._recovery.thread(slot)
        # What an earlier run of this slot may have left is not this run's.
        self._checkpoints.prune(thread)
        return self._ended(self._graph.run(Progress(run=run, slot=slot), thread=thread))

    def _go_on(self, thread: str, *, slot: int) -> RunResult:
        """Go on with the slot's interrupted run, or wait on with it."""
        saved = self._graph.unfinished(thread)
        if saved is None:
            raise RuntimeError("a run that can go on has no checkpoint")
        if saved.digest is not None and self._graph.waits_for(thread) == "approval":
            try:
                waits = still_open(saved.digest, around=self._around)
            except UnavailableError:
                # The run is as good as it was; only the chain is away.
                waits = True
            if waits:
                progress = Progress(
                    run=saved.run,
                    slot=slot,
                    decided=saved.digest,
                    waits_for="approval",
                )
                return RunResult.of(progress)
        return self._ended(self._graph.resume(thread))

    def _tell_settled(self, entry: Entry) -> None:
        """Tell of a run whose transaction was settled just now."""
        progress = settled_progress(entry, around=self._around)
        released = Attempt.of(entry).act == "release"
        if released and progress.outcome == "queued":
            return  # It came to nothing: the decision waits as before.
        self._tell(RunResult.of(progress))

    def _tell_queued(self, result: RunResult) -> RunResult:
        """Tell of a queued decision: once that it waits, and how that ended."""
        waits = result.outcome == "waiting"
        if not waits or self._told_to_wait != result.digest:
            self._tell(result)
        self._told_to_wait = result.digest if waits else None
        return result

    def _ended(self, progress: Progress) -> RunResult:
        """Tell of a run, and delete its checkpoints once it has ended."""
        result = RunResult.of(progress)
        if result.outcome != "waiting":
            self._checkpoints.prune(self._recovery.thread(progress.slot))
        self._tell(result)
        return result

    def _ended_early(self, run: str, *, slot: int, error: AffiantError) -> RunResult:
        unavailable = isinstance(error, UnavailableError)
        progress = Progress(
            run=run,
            slot=slot,
            outcome="unavailable" if unavailable else "refused",
            error=error,
            failed_step="decide",
        )
        self._journal.append(
            Entry(
                run=run,
                mandate=self._around.mandate.id,
                slot=slot,
                step="record",
                status="unavailable" if unavailable else "refused",
                at=self._around.clock(),
                detail={"step": "decide", **described(error)},
            )
        )
        result = RunResult.of(progress)
        self._tell(result)
        return result
