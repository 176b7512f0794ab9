"""Rebuilding what a run knew, from the journal, the evidence and the chain.

An interrupted run left a checkpoint, which says little and is believed less. This
module decides what of it still stands: a decision is read from the owner's evidence
under its digest and checked as if it had just come; what was sent, and how the run
ended, is what the journal says. It trusts the journal and the agent's own endpoint.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from affiant.agents.durable.checkpoints import CheckpointRefusedError
from affiant.agents.durable.journal import Entry, Step
from affiant.agents.nodes.node_client import check_asked
from affiant.agents.running.check import check_decision
from affiant.agents.running.progress import Outcome, Progress, Saved
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.attempts import Attempt
from affiant.encoding import Digest, digest_from_hex
from affiant.errors import AffiantError, RejectedError, UnavailableError
from affiant.onchain.gate import GateClient


class RunInterruptedError(UnavailableError):
    """A run ended in another process; the journal has its reason in words."""


class RunRefusedError(RejectedError):
    """A run was refused in another process; the journal has its reason in words."""


def restored_bundle(
    saved: Saved, before: Progress, *, around: Surroundings
) -> Progress:
    """Return the run with its decision, read from evidence and checked again.

    Raises:
        AffiantError: as `check_asked` and `check_decision`: the decision is not, or not
            any more, one that may be sent.
    """
    digest = _digest(saved)
    bundle = around.store.get(digest)
    check_asked(
        bundle,
        mandate=around.mandate,
        slot=saved.slot,
        chain_id=around.book.chain_id,
        gate=around.book.gate,
    )
    derived = check_decision(
        bundle,
        program=around.program,
        book=around.book,
        mandate=around.mandate,
        store=around.store,
        chain=around.chain,
        tokenizer=around.tokenizer,
    )
    return replace(before, bundle=bundle, derived=derived)


def restored_submission(
    saved: Saved, before: Progress, *, around: Surroundings, step: Step
) -> Progress | None:
    """Return the run as one whose transaction is on its way; None: nothing was sent.

    Raises:
        CheckpointRefusedError: it waits for a transaction that the journal knows not.
        RunRefusedError: it was sent, and came to nothing.
        EvidenceUnavailableError: the decision's evidence is gone.
    """
    digest = _digest(saved)
    sent = around.journal.sent(digest)
    if sent is None:
        if step == "confirm":
            raise CheckpointRefusedError(
                "step", got="confirm, of what was never sent", expected="one before it"
            )
        return None
    open_ = {entry.digest for entry in around.journal.unsettled(around.mandate.id)}
    known = around.journal.entries(digest=digest)
    done = any(e.step == "confirm" and e.status in ("done", "queued") for e in known)
    if digest not in open_ and not done:
        raise RunRefusedError(_words(known[-1]))
    if digest not in open_:
        # Found mined, and settled; whoever owns the nonce looks for it no more.
        return outcome_of(before, around=around)
    return replace(
        before,
        bundle=around.store.get(digest),
        transaction=sent.transaction,
        queues=Attempt.of(sent).act == "queue",
    )


def outcome_of(before: Progress, *, around: Surroundings) -> Progress:
    """Return a run of which only the record is missing, as the journal tells it.

    Evidence and event are there as far as store and chain have them still.

    Raises:
        CheckpointRefusedError: the journal says nothing that ends a run.
    """
    for entry in reversed(around.journal.entries(run=before.run)):
        outcome = _outcome(entry)
        if outcome is None:
            continue
        error: AffiantError | None = None
        if outcome in ("refused", "unavailable"):
            kind = RunRefusedError if outcome == "refused" else RunInterruptedError
            error = kind(_words(entry))
        known = replace(
            before,
            outcome=outcome,
            decided=entry.digest,
            transaction=entry.transaction,
            error=error,
            failed_step=None if error is None else entry.step,
        )
        return _with_evidence(known, around=around)
    raise CheckpointRefusedError(
        "step", got="record, of a run that has not ended", expected="one before it"
    )


def settled_progress(sending: Entry, *, around: Surroundings) -> Progress:
    """Return what became of a run whose transaction was settled after it had ended.

    What the chain or the evidence cannot tell any more is left out: the journal has
    said already whether it was executed.
    """
    records = [e for e in around.journal.entries(run=sending.run) if e.step == "record"]
    last = records[-1] if records else sending
    executed = last.status == "done"
    outcome: Outcome = "executed" if executed else "refused"
    outcome = "queued" if last.status == "queued" else outcome
    refused = outcome == "refused"
    progress = Progress(
        run=sending.run,
        slot=sending.slot,
        decided=sending.digest,
        transaction=last.transaction,
        outcome=outcome,
        error=RunRefusedError(_words(last)) if refused else None,
        failed_step="confirm" if refused else None,
    )
    return _with_evidence(progress, around=around)


def _with_evidence(progress: Progress, *, around: Surroundings) -> Progress:
    """Return it with its bundle, and the gate's event where it was executed."""
    digest, transaction = progress.decided, progress.transaction
    if digest is None:
        return progress
    with suppress(AffiantError):
        progress = replace(progress, bundle=around.store.get(digest))
        if progress.outcome != "executed" or transaction is None:
            return progress
        receipt = around.chain.receipt(
            digest_from_hex(transaction, what="journal.transaction")
        )
        if receipt is not None:
            gate = GateClient(around.chain, around.book.gate)
            progress = replace(
                progress,
                executed=gate.executed_in(receipt, digest=digest),
                gas_used=receipt.gas_used,
            )
    return progress


def _outcome(entry: Entry) -> Outcome | None:
    if (entry.step, entry.status) == ("confirm", "done"):
        return "executed"
    if (entry.step, entry.status) == ("confirm", "queued"):
        return "queued"
    if (entry.step, entry.status) == ("check", "held"):
        return "held"
    if entry.status == "refused":
        return "refused"
    return "unavailable" if entry.status == "unavailable" else None


def _words(entry: Entry) -> str:
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    said = detail.get("message", detail.get("why", ""))
    return f"{detail.get('error', entry.status)}: {said}"


def _digest(saved: Saved) -> Digest:
    if saved.digest is None:
        raise CheckpointRefusedError("digest", got="none", expected="a decision's")
    return saved.digest
