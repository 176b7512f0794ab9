"""A decision that waits in the gate's queue: looked after until its one end.

    queued ─> ready ─> released (sent, settled) ─> executed
       └──> cancelled, over, or stopped for good

The run that queued it has ended, with the record `queued`: the slot is used up, and the
head is taken. Until the wait ends the gate lets no other decision of the mandate act,
so the agent asks for none. At every look this module asks the gate what became of it;
once the delay is served, by the chain's clock, it simulates the execution, writes it
down and sends it, at most once per slot. It decides when to send and how to call the
end; the gate decides whether it executes. It trusts journal and endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affiant.agents.durable.journal import Entry, Status, Step
from affiant.agents.errors import (
    QueueCancelledError,
    QueueExpiredError,
    QueueStoppedError,
    QueueSupersededError,
    described,
)
from affiant.agents.running.progress import Progress, RunResult
from affiant.agents.running.restore import settled_progress
from affiant.agents.running.simulated import require_bounds, simulated
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.attempts import Attempt
from affiant.agents.sending.submit import Outgoing, place_of_log
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError, MalformedError, RejectedError
from affiant.onchain.chain_types import Block, CallRequest
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.gate import GateClient, MandateState, Submission
from affiant.onchain.gate_calldata import decode_submission
from affiant.onchain.gate_events import DecisionQueued
from affiant.onchain.gate_queue import QueueEnd, end_of_queued, queued_on
from affiant.onchain.transactions import signed_call


class QueuedDecisions:
    """One agent's queued decision, if it has one; the gate allows no second."""

    def __init__(self, around: Surroundings) -> None:
        """Remember what to work with; nothing is asked yet."""
        self._around = around
        self._gate = GateClient(around.chain, around.book.gate)
        self._events: dict[Digest, DecisionQueued] = {}
        self._released_in: tuple[Digest, int] | None = None
        """Last slot in which a release was sent: what reverts is not sent at every
        look."""

    def look(self, *, slot: int, waiting: Sequence[Entry]) -> RunResult | None:
        """See what became of what waits, and send it where it is time.

        Args:
            slot: the newest.
            waiting: `sending` entries of what is on its way.

        Returns:
            How its run stands: `waiting` for `delay`, or how it ended; None: nothing
            waits.

        Raises:
            UnavailableError: chain or journal cannot be asked; nothing was sent, or it
                was written down before.
        """
        for record in self._around.journal.queued(self._around.mandate.id):
            on_its_way = [e for e in waiting if e.digest == record.digest]
            if on_its_way:
                return _waits(record, transaction=on_its_way[-1].transaction)
            return self._look(record, slot=slot)
        return None

    def _look(self, record: Entry, *, slot: int) -> RunResult:
        attempt, latest = self._attempt(record), self._around.chain.latest_block()
        state = self._gate.state_of(self._around.mandate.id, block=latest)
        digest = _digest(record)
        if state.head == digest and state.queued_at:
            over = self._over(record, attempt, state=state, latest=latest)
            if over is not None:
                return self._ended(record, over)
            return self._in_time(record, attempt, slot=slot, latest=latest)
        end = end_of_queued(
            self._around.chain,
            gate=self._around.book.gate,
            mandate=self._around.mandate,
            digest=digest,
            slot=record.slot,
        )
        if end is not None and end.how == "executed":
            return self._executed(record, end)
        if end is not None:
            return self._ended(record, QueueCancelledError(digest, by=str(end.by)))
        over = self._over(record, attempt, state=state, latest=latest)
        if over is not None and state.head != digest:
            over = QueueSupersededError(digest, head=state.head)
        # In time, and not in the queue: the endpoint is behind, or a reorganisation is
        # under way that `settle` will notice.
        return _waits(record) if over is None else self._ended(record, over)

    def _over(
        self, record: Entry, attempt: Attempt, *, state: MandateState, latest: Block
    ) -> RejectedError | None:
        """Return why it can never execute any more; None: it may yet."""
        digest, now = _digest(record), latest.timestamp
        if state.revoked:
            return QueueStoppedError(digest, reason="the mandate is revoked")
        if now > attempt.valid_until:
            told = record.detail if isinstance(record.detail, dict) else {}
            return QueueExpiredError(
                digest,
                valid_until=attempt.valid_until,
                now=now,
                reason=str(told.get("message", "")),
            )
        if now >= self._around.mandate.expiry:
            return QueueStoppedError(digest, reason="the mandate has expired")
        return None

    def _in_time(
        self, record: Entry, attempt: Attempt, *, slot: int, latest: Block
    ) -> RunResult:
        """Release it, where its delay is served and nothing was sent in this slot."""
        event = self._event(record)
        digest = _digest(record)
        if (
            event is None
            or latest.timestamp < event.ready_at
            or self._released_in == (digest, slot)
            or self._around.stopping()
        ):
            return _waits(record)
        try:
            transaction = self._release(record, attempt, slot=slot)
        except RejectedError as error:
            self._not_now(record, error)
            return _waits(record)
        self._around.submitter.settled(
            transaction, timeout=self._around.confirm_seconds
        )
        progress = settled_progress(
            replace(record, transaction=transaction), around=self._around
        )
        if progress.outcome == "queued":
            return _waits(record, transaction=transaction)
        return RunResult.of(progress)

    def _release(self, record: Entry, attempt: Attempt, *, slot: int) -> str:
        """Simulate the execution, write it down and send it; return its hash.

        Raises:
            RejectedError: it would not pass now, or may not be sent; nothing was sent.
        """
        around = self._around
        submission = self._submission(record, attempt)
        call = self._gate.execute_call(submission, sender=around.operator)
        simulation = simulated(call, around=around)
        if not simulation.succeeded:
            raise decode_revert(simulation.revert_data)
        require_bounds(
            simulation, tracked=around.mandate.tracked, bounds=submission.bounds
        )
        gas = self._gas(call)
        detail: dict[str, JsonValue] = {
            "act": "release",
            "gas": gas,
            "changes": [str(change) for change in simulation.changes],
            "endpoint": simulation.endpoint,
        }
        self._note(record, step="simulate", status="done", detail=detail)
        # Again, right before it counts: a server may have given it away meanwhile.
        around.lock.take()
        self._released_in = (_digest(record), slot)
        sent = around.submitter.send(
            Outgoing(
                run=record.run,
                slot=record.slot,
                digest=_digest(record),
                call=call,
                gas=gas,
                previous=attempt.previous,
                valid_until=attempt.valid_until,
                act="release",
            )
        )
        took: dict[str, JsonValue] = {"endpoints": list(sent.taken_by)}
        self._note(sent.entry, step="submit", status="done", detail=took)
        return str(sent.entry.transaction)

    def _submission(self, record: Entry, attempt: Attempt) -> Submission:
        """Return what was queued, as the operator signed it: nothing else executes."""
        around = self._around
        queued = signed_call(attempt.raw, signer=around.operator)
        chain_id, gate = around.book.chain_id, around.book.gate
        submission = decode_submission(
            queued.data, mandate=around.mandate, chain_id=chain_id, gate=gate
        )
        digest = submission.decision.digest(chain_id=chain_id, gate=gate)
        if digest != record.digest:
            raise MalformedError(
                "journal, queued decision",
                got=to_hex(digest),
                expected=to_hex(_digest(record)),
            )
        return submission

    def _gas(self, call: CallRequest) -> int:
        try:
            return self._around.chain.estimate_gas(call)
        except CallRevertedError as error:
            raise decode_revert(error.data) from error

    def _attempt(self, record: Entry) -> Attempt:
        """Return the transaction that queued it, as it was written down.

        Raises:
            MalformedError: the journal is not one of ours.
        """
        found = [
            Attempt.of(entry)
            for entry in self._around.journal.entries(run=record.run)
            if entry.status == "sending"
        ]
        queueing = [attempt for attempt in found if attempt.act == "queue"]
        if not queueing:
            raise MalformedError(
                f"journal, run {record.run}",
                got="a queued decision that was never sent",
                expected="the transaction that queued it",
            )
        return queueing[-1]

    def _event(self, record: Entry) -> DecisionQueued | None:
        digest = _digest(record)
        if digest not in self._events:
            found = queued_on(
                self._around.chain,
                gate=self._around.book.gate,
                mandate=self._around.mandate,
                digest=digest,
                slot=record.slot,
            )
            if found is None:
                return None
            self._events[digest] = found
        return self._events[digest]

    def _not_now(self, record: Entry, error: AffiantError) -> None:
        """Write down why it does not pass now; once, as long as that is the reason."""
        told = record.detail if isinstance(record.detail, dict) else {}
        if told.get("error") != type(error).__name__:
            detail = {"step": "release", **described(error)}
            self._note(record, status="queued", detail=detail)

    def _executed(self, record: Entry, end: QueueEnd) -> RunResult:
        """Write down an execution that this agent did not send, or lost sight of."""
        transaction = to_hex(end.log.transaction_hash)
        done = replace(record, transaction=transaction)
        where = {"why": "executed", **place_of_log(end.log)}
        self._note(done, step="confirm", status="done", detail=where)
        why: dict[str, JsonValue] = {"why": "executed in the gate's queue"}
        self._note(done, status="done", detail=why)
        return RunResult.of(settled_progress(done, around=self._around))

    def _ended(self, record: Entry, error: RejectedError) -> RunResult:
        """Write down that it never executes, and why."""
        detail: dict[str, JsonValue] = {"step": "release", **described(error)}
        self._note(record, status="refused", detail=detail)
        return RunResult.of(
            Progress(
                run=record.run,
                slot=record.slot,
                decided=record.digest,
                transaction=record.transaction,
                outcome="refused",
                error=error,
                failed_step="release",
            )
        )

    def _note(
        self,
        record: Entry,
        *,
        step: Step = "record",
        status: Status,
        detail: JsonValue,
    ) -> None:
        at = self._around.clock()
        self._around.journal.append(
            replace(record, step=step, status=status, detail=detail, at=at)
        )


def _waits(record: Entry, *, transaction: str | None = None) -> RunResult:
    return RunResult.of(
        Progress(
            run=record.run,
            slot=record.slot,
            decided=record.digest,
            transaction=transaction,
            waits_for="delay",
        )
    )


def _digest(record: Entry) -> Digest:
    if record.digest is None:
        raise RuntimeError("a queued decision without a digest")
    return record.digest
