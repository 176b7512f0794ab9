"""What an agent does in each step; the graph says in which order.

It decides how a step's failure ends a run: an expected error becomes an outcome and a
journal entry, never a transaction. It does not decide what is right: `check`, the gate
and the auditor do. An error that nobody expects is journalled and raised: it is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from affiant.agents.check import check_decision
from affiant.agents.derive import Tokenizer
from affiant.agents.endorsed import Endorsers
from affiant.agents.journal import Entry, Journal, Status, Step
from affiant.agents.live import live_head
from affiant.agents.node_client import NodeClient
from affiant.agents.phases import Phases
from affiant.agents.program import Program
from affiant.agents.progress import Progress
from affiant.agents.refused_plan import plan_section
from affiant.agents.submit import Outgoing, Submitter
from affiant.encoding import JsonValue
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.contract_errors import (
    GateEndorsementsMissingError,
    decode_revert,
)
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.simulate import Simulation, simulate_execution


@dataclass(frozen=True)
class Surroundings:
    """Everything that an agent's steps work with."""

    program: Program
    book: AddressBook
    mandate: Mandate
    chain: Chain
    """The agent's own endpoint."""
    node: NodeClient
    store: EvidenceStore
    """The owner's own evidence; every decision is kept here before it is sent."""
    journal: Journal
    submitter: Submitter
    operator: Address
    """Who submits and pays gas."""
    tokenizer: Tokenizer | None
    """The model's, where it is at hand."""
    clock: Callable[[], float]
    """Unix seconds, for the journal."""
    monotonic: Callable[[], float]
    """Monotonic seconds, for durations."""
    confirm_seconds: float
    """Longest wait for a receipt."""
    endorsers: Endorsers
    """Who is asked where a rung takes endorsements."""


class AgentSteps:
    """The six steps over one agent's surroundings."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Remember them."""
        self._with = surroundings
        self._gate = GateClient(surroundings.chain, surroundings.book.gate)

    def take(self, step: Step, progress: Progress) -> Progress:
        """Take one step, journal what became of it, and return what is known after it.

        Raises:
            JournalError: the journal cannot be written; nothing is sent without it.
        """
        phases = Phases(self._with.monotonic)
        try:
            with phases.phase(step):
                after = self._STEPS[step](self, progress)
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

    def _decide(self, progress: Progress) -> Progress:
        """Ask the node, once it is clear that the mandate may act."""
        live_head(
            self._gate,
            mandate=self._with.mandate,
            slot=progress.slot,
            latest=self._with.chain.latest_block(),
        )
        answer = self._with.node.decide(
            self._with.mandate,
            slot=progress.slot,
            chain_id=self._with.book.chain_id,
            gate=self._with.book.gate,
        )
        after = replace(
            progress,
            bundle=answer.bundle,
            seconds={
                **progress.seconds,
                **{f"node.{name}": value for name, value in answer.seconds.items()},
            },
        )
        self._note("decide", after, status="done", detail={"node": answer.bundle.node})
        return after

    def _check(self, progress: Progress) -> Progress:
        """Re-derive everything derivable; keep the evidence; a HOLD ends the run."""
        bundle = _bundle(progress)
        derived = check_decision(
            bundle,
            program=self._with.program,
            book=self._with.book,
            mandate=self._with.mandate,
            store=self._with.store,
            chain=self._with.chain,
            tokenizer=self._with.tokenizer,
        )
        # Before anything is sent: whoever acts on chain can always show why.
        uri = self._with.store.put(bundle)
        after = replace(progress, derived=derived)
        detail: dict[str, JsonValue] = {
            "plan": plan_section(derived.plan, refused=derived.refused),
            "evidence": uri,
            "tokens": "checked" if self._with.tokenizer else "left to the auditor",
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
        try:
            gas = self._with.chain.estimate_gas(self._call(after, blank=True))
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        after = replace(after, gas_estimate=gas)
        self._note(
            "simulate",
            after,
            status="done",
            detail={
                "gas": gas,
                "changes": [str(change) for change in simulation.changes],
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

    def _submit(self, progress: Progress) -> Progress:
        """Send it, written down first."""
        bundle = _bundle(progress)
        if progress.gas_estimate is None:
            raise RuntimeError("submit before simulate")
        transaction = self._with.submitter.send(
            Outgoing(
                run=progress.run,
                slot=progress.slot,
                digest=bundle.digest,
                call=self._call(progress, blank=True),
                gas=progress.gas_estimate,
            )
        )
        after = replace(progress, transaction=transaction)
        self._note("submit", after, status="done", detail=None)
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
            outcome="executed",
        )
        self._note(
            "confirm",
            after,
            status="done",
            detail={
                "block": receipt.block_number,
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
        return progress

    _STEPS: dict[Step, Callable[[AgentSteps, Progress], Progress]] = {
        "decide": _decide,
        "check": _check,
        "simulate": _simulate,
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
                digest=None if progress.bundle is None else progress.bundle.digest,
                transaction=progress.transaction,
                detail=detail,
            )
        )


def described(error: BaseException) -> dict[str, JsonValue]:
    """Return an error as the journal writes it: its class's name and its message."""
    return {"error": type(error).__name__, "message": str(error)[:2000]}


def _bundle(progress: Progress) -> EvidenceBundle:
    if progress.bundle is None:
        raise RuntimeError("a step before decide")
    return progress.bundle
