"""Signing a verdict: proof that a key swore falsely, so that it swears nothing more.

It decides which failed steps of an audit prove that the *key* lied, and signs only on
such proof. A ban is final, and an honest key must not fall to a stranger's file, a
reorganisation, an endpoint that is down or an auditor whose software is older than the
node's. So a step proves something only if

- the key signed this very decision (step 1), the evidence is what it swore (step 3) and
  its block is this chain's (step 4); and
- the step failed in a comparison of what was sworn with what follows from the chain and
  the committed model, not because something was absent or could not be read.

The audit is made twice, on fresh readings and a fresh replay, and must say the same.
What proves nothing here can still be reason enough for the account itself, which bans
keys and revokes mandates without anybody's proof.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.auditor import Progress
from affiant.audit.chain_history import ChainHistory
from affiant.audit.checkpoint import require_endorser
from affiant.audit.court import Court
from affiant.audit.digest_signer import DigestSigner
from affiant.audit.endorser_errors import NotProvenFalseError, reason_of
from affiant.audit.exact import ExactOnly
from affiant.audit.replayer import Replayer
from affiant.audit.result import DecisionAudit, Status, Step
from affiant.audit.signed import SignedMemory
from affiant.audit.stored import StoredEvidence
from affiant.audit.walk import examine_execution, examine_unexecuted
from affiant.encoding import Digest
from affiant.onchain.chain import Chain
from affiant.onchain.checkpoint import Verdict
from affiant.onchain.events import MandateHistory, mandate_history
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address
from affiant.onchain.permitted import may_permit
from affiant.onchain.signed_statement import SignedStatement

CONDITIONS = {
    1: "without it, somebody else may have written this",
    3: "without it, whoever published the evidence may have changed it",
    4: "without it, the node may have sworn this on another fork, or in a race",
}
"""Steps that must have passed, and why."""

PROOFS = {
    5: "the key swore to a read that the chain does not return at the sworn block",
    6: "program, request or prompt are not those that follow from what else the key "
    "swore",
    7: "the key swore to tokens or a seed that the program and the chain do not give",
    8: "in its own profile an honest inference replays exactly, and this one does not",
    9: "the calls or bounds that the key swore do not follow from the sworn tokens",
}
"""Steps whose failure proves that the key swore falsely, and why.

Not among them: 2 (mandate and key: facts about permission, which the gate judges) and
10 (effects: what the market and the gate did)."""

COMPARISONS = {
    **dict.fromkeys(PROOFS, frozenset({"AuditRejectedError"})),
    9: frozenset({"AuditRejectedError", "PlanRefusedError"}),
}
"""Errors of a comparison, by step: sworn against derived. Anything else (a manifest
that this version does not parse, a prompt that this machine's engine is too small for)
may be the auditor's own limit. A plan that is refused proves something in step 9 only,
where it is this decision's: in step 6 it is that of the decision before."""


def sign_verdict(
    chain: Chain,
    *,
    gate: Address,
    mandate: Digest,
    decision: Digest,
    store: EvidenceStore,
    replayer: Replayer,
    key: DigestSigner,
    signed: SignedMemory,
    from_block: int = 0,
    progress: Progress | None = None,
) -> tuple[SignedStatement, tuple[str, ...]]:
    """Audit one decision and, if it is proven false, sign that its key swore falsely.

    1. the chain's own account; the mandate names this key as endorser, and not as node;
    2. the decision is walked through all steps, twice, with exact replays only;
    3. both times the same steps prove it false;
    4. this key did not endorse it; keep, then hand out.

    Args:
        mandate: its id.
        decision: the decision's digest.
        store: has its evidence, and that of the decision before.
        from_block: no later than the grant.

    Returns:
        The signed verdict, and in one sentence per step what proves it.

    Raises:
        NotProvenFalseError: nothing proves it false; says what is missing.
        AlreadySignedError: this key endorsed it.
        CheckpointRefusedError: the mandate does not name this key as endorser.
        RejectedError, UnavailableError: the chain or the evidence cannot be had.
    """
    tell = progress or (lambda done, total, words: None)
    # 1.
    tell(0, 2, "reading the chain")
    past = mandate_history(chain, gate=gate, mandate_id=mandate, from_block=from_block)
    require_endorser(past.granted.mandate, key=key)
    # 2.
    found = []
    for index in range(2):
        tell(index, 2, "walking through the steps")
        audit = _examined(
            chain,
            gate=gate,
            past=past,
            decision=decision,
            store=store,
            replayer=replayer,
        )
        found.append((audit, proof_of(decision, audit.steps)))
    # 3.
    (audit, proof), (_, again) = found
    if proof != again:
        raise NotProvenFalseError(
            decision, reasons=["two audits one after the other differ", *proof, *again]
        )
    if not may_permit(past.granted.mandate, audit.node):
        raise NotProvenFalseError(
            decision, reasons=[f"the mandate does not permit its key {audit.node}"]
        )
    # 4.
    verdict = Verdict(mandate=mandate, key=audit.node, decision=decision)
    signature = signed.keep_verdict(
        verdict,
        signature=key.sign(verdict.digest(chain_id=chain.chain_id, gate=gate)),
    )
    statement = SignedStatement(
        chain_id=chain.chain_id,
        gate=gate,
        statement=verdict,
        endorser=Address(key.address),
        signature=signature,
    )
    return statement, proof


def proof_of(decision: Digest, steps: Sequence[Step]) -> tuple[str, ...]:
    """Return one sentence per step that proves the decision false.

    Raises:
        NotProvenFalseError: none does; says what each step is missing.
    """
    by_number = {step.number: step for step in steps}
    reasons = [
        f"step {number} did not pass: {why}"
        for number, why in CONDITIONS.items()
        if number not in by_number or by_number[number].status is not Status.PASS
    ]
    proof = [
        f"{reason_of(by_number[number])}: {why}"
        for number, why in PROOFS.items()
        if number in by_number
        and by_number[number].status is Status.FAIL
        and by_number[number].error in COMPARISONS[number]
    ]
    if reasons or not proof:
        reasons += [f"{reason_of(step)} ({step.error})" for step in steps if step.error]
        raise NotProvenFalseError(decision, reasons=reasons or ["every step passed"])
    return tuple(proof)


def _examined(
    chain: Chain,
    *,
    gate: Address,
    past: MandateHistory,
    decision: Digest,
    store: EvidenceStore,
    replayer: Replayer,
) -> DecisionAudit:
    """Walk through the steps on fresh readings."""
    history = ChainHistory(chain, gate=gate)
    evidence = StoredEvidence(store, mandate=past.granted.mandate, history=history)
    court = Court(
        history=history,
        mandate=past.granted.mandate,
        granted_block=past.granted_block,
        find=evidence.find,
        replayer=ExactOnly(replayer),
        required="reproduced",
        audited=past.upto,
        refusals={},
    )
    for execution in past.executed:
        if execution.event.digest == decision:
            return examine_execution(execution, court=court).audit
    return examine_unexecuted(evidence.find(decision), court=court).audit
