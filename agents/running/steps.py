"""What an agent does in each step; the graph says in which order.

It decides how a step's failure ends a run: an expected error becomes an outcome and a
journal entry, never a transaction. It does not decide what is right: `check`, the gate
and the auditor do. An error that nobody expects is journalled and raised: it is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from affiant.agents.deciding.live import live_head
from affiant.agents.deciding.phases import Phases
from affiant.agents.durable.journal import Entry, Status, Step
from affiant.agents.errors import described
from affiant.agents.programs.refused_plan import plan_section
from affiant.agents.running.approve import ask_for_approval
from affiant.agents.running.check import check_decision
from affiant.agents.running.progress import Progress, Saved
from affiant.agents.running.restore import (
    outcome_of,
    restored_bundle,
    restored_submission,
)
from affiant.agents.running.simulated import require_bounds, simulated
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.submit import Outgoing, place_of
from affiant.encoding import JsonValue, to_hex
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.contract_errors import (
    GateDelayNotServedError,
    GateEndorsementsMissingError,
    decode_revert,
)
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.gate_queue import queued_among
from affiant.onchain.simulate import Simulation


class AgentSteps:
    """The steps over one agent's surroundings."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Remember them."""
        self._with = surroundings
        self._gate = GateClient(surroundings.chain, surroundings.book.gate)

    def take(self, step: Step, progress: Progress) -> Progress:
        """Take one step, journal what became of it, and return what is known after it.

        Raises:
            JournalError: the journal cannot be written; nothing is sent without it.
        """
        return self._guarded(step, progress, lambda: self._STEPS[step](self, progress))

    def restore(self, saved: Saved, *, step: Step) -> Progress:
        """Return what is known before `step` of a run that was interrupted.

        Nothing but the decision's digest is taken from the checkpoint: what was sent is
        the journal's to say, the decision is checked against the chain as if it had
        just come, and simulated again.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        before = Progress(run=saved.run, slot=saved.slot)
        return self._guarded(step, before, lambda: self._restored(saved, before, step))

    def stopping(self) -> bool:
        """Return whether no further step is to be begun."""
        return self._with.stopping()

    def _guarded(
        self, step: Step, progress: Progress, work: Callable[[], Progress]
    ) -> Progress:
        phases = Phases(self._with.monotonic)
        try:
            with phases.phase(step):
                after = work()
        except AffiantError as error:
            unavailable = isinstance(error, UnavailableError)
            after = replace(
                progress,
                outcome="unavailable" if unavailable else "refused",
                error=error,
                failed_step=step,
            )
            self._note(
                step,
                after,
                status="unavailable" if unavailable else "refused",
                detail=described(error),
            )
        except Exception as error:
            self._note(step, progress, status="failed", detail=described(error))
            raise
        return replace(after, seconds={**after.seconds, **phases.seconds})

    def _restored(self, saved: Saved, before: Progress, step: Step) -> Progress:
        if step == "decide":
            return before
        if step == "record":
            return outcome_of(before, around=self._with)
        if step == "check":
            # It was not kept yet; a node asked again gives the same answer.
            return self._decide(before)
        sent = restored_submission(saved, before, around=self._with, step=step)
        if sent is not None:
            return sent
        after = restored_bundle(saved, before, around=self._with)
        return after if step == "simulate" else self._simulate(after)

    def _decide(self, progress: Progress) -> Progress:
        """Ask the node, once it is clear that the mandate may act."""
        live_head(
            self._gate,
            mandate=self._with.mandate,
            slot=progress.slot,
            latest=self._with.chain.latest_block(),
        )
        return self._asked(progress)

    def _asked(self, progress: Progress) -> Progress:
        """Return what the next node answers that was not tried in this run."""
        reply = self._with.nodes.decide(
            self._with.mandate,
            slot=progress.slot,
            chain_id=self._with.book.chain_id,
            gate=self._with.book.gate,
            tried=progress.tried,
            passed_over=lambda url, error: self._pass_over(progress, url, error),
        )
        answer = reply.answer
        after = replace(
            progress,
            bundle=answer.bundle,
            tried=(*progress.tried, reply.url),
            seconds={
                **progress.seconds,
                **{f"node.{name}": value for name, value in answer.seconds.items()},
            },
        )
        detail = {"node": answer.bundle.node, "url": reply.url}
        self._note("decide", after, status="done", detail=detail)
        return after

    def _pass_over(self, progress: Progress, url: str, error: AffiantError) -> None:
        """Write down why a node's answer, or silence, does not count."""
        detail = {"passedOver": url, **described(error)}
        self._note("decide", progress, status="refused", detail=detail)

    def _checked(self, progress: Progress) -> Progress:
        """Return the first decision that checks, and what was derived from it."""
        while True:
            try:
                derived = check_decision(
                    _bundle(progress),
                    program=self._with.program,
                    book=self._with.book,
                    mandate=self._with.mandate,
                    store=self._with.store,
                    chain=self._with.chain,
                    tokenizer=self._with.tokenizer,
                )
            except AffiantError as error:
                url, tried = progress.tried[-1], progress.tried
                if not self._with.nodes.another(url, error, tried=tried):
                    raise
                self._pass_over(progress, url, error)
                progress = self._asked(progress)
            else:
                return replace(progress, derived=derived)

    def _check(self, progress: Progress) -> Progress:
        """Re-derive everything derivable; keep the evidence; a HOLD ends the run.

        A decision that does not hold is passed over where there is another node.
        """
        after = self._checked(progress)
        bundle, derived = _bundle(after), after.derived
        if derived is None:
            raise RuntimeError("nothing was derived")
        # Before anything is sent: whoever acts on chain can always show why.
        uri = self._with.store.put(bundle)
        detail: dict[str, JsonValue] = {
            "plan": plan_section(derived.plan, refused=derived.refused),
            "evidence": uri,
            "tokens": "checked" if self._with.tokenizer else "left to the auditor",
            "endpoint": self._with.chain.endpoint,
        }
        if derived.holds and not self._with.mandate.record_holds:
            after = replace(after, outcome="held")
            self._note("check", after, status="held", detail=detail)
        else:
            self._note("check", after, status="done", detail=detail)
        return after

    def _simulate(self, progress: Progress) -> Progress:
        """Run it on the newest state, without sending it; have it endorsed if it must.

        It is the very calldata that is sent; where the rung asks for endorsements, with
        them; where it asks for a delay, what queues it.
        """
        after, (simulation, refusal) = progress, self._simulated(progress)
        endorsers: list[JsonValue] = []
        if isinstance(refusal, GateEndorsementsMissingError):
            if not self._with.endorsers.clients:
                raise refusal
            found = self._with.endorsers.endorse(
                _bundle(progress), needed=refusal.needed
            )
            endorsers = [item.endorser for item in found]
            joined = b"".join(item.signature for item in found)
            after = replace(after, endorsements=joined)
            simulation, refusal = self._simulated(after)
        if isinstance(refusal, GateDelayNotServedError):
            after = replace(after, queues=True)
            simulation, refusal = self._simulated(after)
        if refusal is not None:
            raise refusal
        if not after.queues:
            require_bounds(
                simulation,
                tracked=self._with.mandate.tracked,
                bounds=_bundle(after).bounds,
            )
        try:
            gas = self._with.chain.estimate_gas(self._call(after, blank=True))
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        value = self._value_at_risk(after, simulation)
        after = replace(after, gas_estimate=gas, value_at_risk=value)
        self._note(
            "simulate",
            after,
            status="done",
            detail={
                "gas": gas,
                "valueAtRisk": str(value),
                "changes": [str(change) for change in simulation.changes],
                "endpoint": simulation.endpoint,
                **({"endorsers": endorsers} if endorsers else {}),
            },
        )
        return after

    def _simulated(self, progress: Progress) -> tuple[Simulation, AffiantError | None]:
        """Run what is sent; where it is refused, the complete form names what differs.

        What is sent leaves out what the gate knows, so that there a decision on another
        head looks like a signature by nobody.
        """
        simulation = simulated(self._call(progress, blank=True), around=self._with)
        if simulation.succeeded:
            return simulation, None
        complete = simulated(self._call(progress, blank=False), around=self._with)
        named = simulation if complete.succeeded else complete
        return simulation, decode_revert(named.revert_data)

    def _value_at_risk(self, progress: Progress, simulation: Simulation) -> int:
        """Return the value that the gate itself measured, with 8 decimals."""
        digest = _bundle(progress).digest
        if progress.queues:
            return queued_among(
                simulation.events,
                gate=self._gate.address,
                digest=digest,
                where="simulation",
            ).value_at_risk
        return self._gate.executed_among(
            simulation.events, digest=digest, where="simulation"
        ).value_at_risk

    def _approve(self, progress: Progress) -> Progress:
        """Ask a person where the owner wants that; until then the run waits."""
        state = self._approval(progress)
        if state == "asked":
            return progress.waiting("approval")
        if state == "approved":
            self._note("approve", progress, status="done", detail=None)
        return progress

    def _approval(self, progress: Progress) -> str:
        """Return where the decision stands with whoever approves, asking if need be."""
        asked = ask_for_approval(progress, around=self._with)
        if asked.new is not None:
            detail = asked.new.to_json()
            self._note("approve", progress, status="waiting", detail=detail)
        return asked.state

    def _submit(self, progress: Progress) -> Progress:
        """Send it, written down first."""
        bundle = _bundle(progress)
        if progress.transaction is not None:
            # Sent before the run was interrupted, as the journal says.
            return progress
        if progress.gas_estimate is None:
            raise RuntimeError("submit before simulate")
        # Again: a resumed run did not come by `approve`, and it was simulated anew.
        if self._approval(progress) == "asked":
            return progress.waiting("approval")
        # Again, right before it counts: a server may have given it away meanwhile.
        self._with.lock.take()
        sent = self._with.submitter.send(
            Outgoing(
                run=progress.run,
                slot=progress.slot,
                digest=bundle.digest,
                call=self._call(progress, blank=True),
                gas=progress.gas_estimate,
                previous=bundle.decision.previous,
                valid_until=bundle.decision.valid_until,
                act="queue" if progress.queues else "execute",
            )
        )
        after = replace(progress, transaction=sent.entry.transaction)
        detail = {"endpoints": list(sent.taken_by)}
        self._note("submit", after, status="done", detail=detail)
        return after

    def _confirm(self, progress: Progress) -> Progress:
        """Wait for the receipt and find the gate's event in it."""
        bundle = _bundle(progress)
        receipt = self._with.submitter.confirm(
            str(progress.transaction), timeout=self._with.confirm_seconds
        )
        if progress.queues:
            return self._queued(progress, receipt)
        event = self._gate.executed_in(receipt, digest=bundle.digest)
        after = replace(
            progress,
            executed=event,
            gas_used=receipt.gas_used,
            # A replacement's, where the first one was stuck.
            transaction=to_hex(receipt.transaction_hash),
            outcome="executed",
        )
        self._note(
            "confirm",
            after,
            status="done",
            detail={
                **place_of(receipt),
                "gas": receipt.gas_used,
                "skipped": event.skipped,
                "valueAtRisk": str(event.value_at_risk),
                "changes": [str(change) for change in event.changes],
            },
        )
        return after

    def _queued(self, progress: Progress, receipt: TransactionReceipt) -> Progress:
        """Find the gate's event that the decision has the head and waits."""
        after = replace(
            progress,
            gas_used=receipt.gas_used,
            transaction=to_hex(receipt.transaction_hash),
            outcome="queued",
        )
        event = queued_among(
            receipt.logs,
            gate=self._gate.address,
            digest=_bundle(progress).digest,
            where=f"transaction {after.transaction}",
        )
        self._note(
            "confirm",
            after,
            status="queued",
            detail={
                **place_of(receipt),
                "gas": receipt.gas_used,
                "skipped": event.skipped,
                "valueAtRisk": str(event.value_at_risk),
                "readyAt": event.ready_at,
                "validUntil": event.valid_until,
            },
        )
        return after

    def _record(self, progress: Progress) -> Progress:
        """Write down how the run ended."""
        statuses: dict[str, Status] = {
            "executed": "done",
            "queued": "queued",
            "held": "held",
            "refused": "refused",
            "unavailable": "unavailable",
        }
        if progress.outcome is None:
            raise RuntimeError("record before an outcome")
        self._note(
            "record",
            progress,
            status=statuses[progress.outcome],
            detail={"outcome": progress.outcome}
            if progress.error is None
            else {"step": progress.failed_step, **described(progress.error)},
        )
        if progress.digest is not None and progress.outcome != "unavailable":
            self._with.approvals.close(progress.digest, why="the run has ended")
        return progress

    _STEPS: dict[Step, Callable[[AgentSteps, Progress], Progress]] = {
        "decide": _decide,
        "check": _check,
        "simulate": _simulate,
        "approve": _approve,
        "submit": _submit,
        "confirm": _confirm,
        "record": _record,
    }

    def _call(self, progress: Progress, *, blank: bool) -> CallRequest:
        submission = Submission.of(
            _bundle(progress), endorsements=progress.endorsements
        )
        sender = self._with.operator
        if progress.queues:
            # Complete: after its delay, the very same arguments are executed.
            return self._gate.queue_call(submission, sender=sender)
        return self._gate.execute_call(submission, sender=sender, blank=blank)

    def _note(
        self, step: Step, progress: Progress, *, status: Status, detail: JsonValue
    ) -> None:
        self._with.journal.append(
            Entry(
                run=progress.run,
                mandate=self._with.mandate.id,
                slot=progress.slot,
                step=step,
                status=status,
                at=self._with.clock(),
                digest=progress.digest,
                transaction=progress.transaction,
                detail=detail,
            )
        )


def _bundle(progress: Progress) -> EvidenceBundle:
    if progress.bundle is None:
        raise RuntimeError("a step before decide")
    return progress.bundle
