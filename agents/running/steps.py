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
from affiant.agents.running.check import check_decision, require_bounds
from affiant.agents.running.progress import Progress, Saved
from affiant.agents.running.restore import (
    outcome_of,
    restored_bundle,
    restored_submission,
)
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.submit import Outgoing, place_of
from affiant.encoding import JsonValue, to_hex
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.contract_errors import (
    GateEndorsementsMissingError,
    decode_revert,
)
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.simulate import Simulation, simulate_execution


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
            return outcome_of(before, self._with.journal)
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

        First complete, so that a refusal names what differs; then, where the rung asks
        for endorsements, with them; then, for the gas, the very calldata that is sent.
        """
        after, simulation = progress, self._simulated(progress)
        endorsers: list[JsonValue] = []
        if not simulation.succeeded:
            refusal = decode_revert(simulation.revert_data)
            if not isinstance(refusal, GateEndorsementsMissingError):
                raise refusal
            if not self._with.endorsers.clients:
                raise refusal
            found = self._with.endorsers.endorse(
                _bundle(progress), needed=refusal.needed
            )
            endorsers = [item.endorser for item in found]
            joined = b"".join(item.signature for item in found)
            after = replace(after, endorsements=joined)
            simulation = self._simulated(after)
            if not simulation.succeeded:
                raise decode_revert(simulation.revert_data)
        require_bounds(_bundle(after), simulation, mandate=self._with.mandate)
        try:
            gas = self._with.chain.estimate_gas(self._call(after, blank=True))
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        value = self._gate.executed_among(
            simulation.events, digest=_bundle(after).digest, where="simulation"
        ).value_at_risk
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

    def _simulated(self, progress: Progress) -> Simulation:
        call = self._call(progress, blank=False)
        return simulate_execution(
            self._with.chain,
            sender=self._with.operator,
            gate=call.target,
            calldata=call.data,
            account=self._with.mandate.account,
            tracked=self._with.mandate.tracked,
        )

    def _approve(self, progress: Progress) -> Progress:
        """Ask a person where the owner wants that; until then the run waits."""
        asked = ask_for_approval(progress, around=self._with)
        if asked.state == "asked":
            if asked.new is not None:
                detail = asked.new.to_json()
                self._note("approve", progress, status="waiting", detail=detail)
            return progress.waiting("approval")
        if asked.state == "approved":
            self._note("approve", progress, status="done", detail=None)
        return progress

    def _submit(self, progress: Progress) -> Progress:
        """Send it, written down first."""
        bundle = _bundle(progress)
        if progress.transaction is not None:
            # Sent before the run was interrupted, as the journal says.
            return progress
        if progress.gas_estimate is None:
            raise RuntimeError("submit before simulate")
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

    def _record(self, progress: Progress) -> Progress:
        """Write down how the run ended."""
        statuses: dict[str, Status] = {
            "executed": "done",
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
        return self._gate.execute_call(
            submission, sender=self._with.operator, blank=blank
        )

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
