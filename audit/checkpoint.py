"""Signing a checkpoint: every decision up to a head, audited by this endorser itself.

It decides whether an endorser may swear that everything up to the mandate's head at one
block is audited, and what the outflow is. A checkpoint makes room on the ladder: one
too many lets a thief take the same again. So it asks for more than an audit does: every
token replayed exactly in the sworn profile, "consistent" not being enough, and figures
that two sources agree on. It trusts the endorser's own endpoint, model folder, disk and
key.
"""

from __future__ import annotations

from affiant.audit.auditor import Progress, audit_history
from affiant.audit.digest_signer import DigestSigner
from affiant.audit.endorser_errors import (
    CheckpointOpenError,
    CheckpointRefusedError,
    reason_of,
    spelled,
)
from affiant.audit.exact import ExactOnly
from affiant.audit.replayer import Replayer
from affiant.audit.result import AuditReport, Verdict
from affiant.audit.signed import SignedMemory
from affiant.encoding import Digest, to_hex
from affiant.onchain.chain import Chain
from affiant.onchain.checkpoint import Checkpoint
from affiant.onchain.errors import AnchorReorgedError
from affiant.onchain.events import MandateHistory, mandate_history
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.signed_statement import SignedStatement


def sign_checkpoint(
    chain: Chain,
    *,
    gate: Address,
    mandate: Digest,
    store: EvidenceStore,
    replayer: Replayer,
    key: DigestSigner,
    signed: SignedMemory,
    anchor: int | None = None,
    from_block: int = 0,
    progress: Progress | None = None,
) -> SignedStatement:
    """Audit a mandate up to a block and sign what is true of it there.

    1. the chain's own account up to the block: one unbroken line of executions;
    2. the mandate names this key as endorser, and not as a node;
    3. head and outflow: the events' sum is what the gate stored at that block;
    4. the audit accepts everything, each token in an exact replay;
    5. the block is still the chain's;
    6. nothing signed before contradicts; keep, then hand out.

    Args:
        mandate: its id.
        anchor: number of the block; None: the newest. Endorsers who sign together must
            take the same, and the gate must still know its hash when it lands.
        from_block: no later than the grant.

    Raises:
        CheckpointRefusedError: something contradicts, or there is nothing to audit.
        CheckpointOpenError: something could not be looked at.
        AlreadySignedError: an earlier checkpoint contradicts.
        RejectedError, UnavailableError: as `audit_mandate`.
    """
    # 1.
    past = mandate_history(
        chain, gate=gate, mandate_id=mandate, from_block=from_block, to_block=anchor
    )
    # 2.
    require_endorser(past.granted.mandate, key=key)
    # 3.
    outflow = _outflow(chain, gate=gate, past=past)
    # 4.
    report = audit_history(
        chain,
        gate=gate,
        past=past,
        store=store,
        replayer=ExactOnly(replayer),
        required="reproduced",
        progress=progress,
    )
    _require_accepted(report)
    # 5.
    upto = past.upto
    chain.verify_canonical(number=upto.number, block_hash=upto.hash)
    # 6.
    checkpoint = Checkpoint(
        mandate=mandate,
        head=past.head,
        outflow=outflow,
        anchor=upto.number,
        anchor_hash=upto.hash,
    )
    signature = signed.keep_checkpoint(
        checkpoint,
        signature=key.sign(checkpoint.digest(chain_id=chain.chain_id, gate=gate)),
        canonical=lambda number, block_hash: _canonical(chain, number, block_hash),
    )
    return SignedStatement(
        chain_id=chain.chain_id,
        gate=gate,
        statement=checkpoint,
        endorser=Address(key.address),
        signature=signature,
    )


def require_endorser(mandate: Mandate, *, key: DigestSigner) -> None:
    """Refuse a key whose word does not count, or who would judge itself.

    Raises:
        CheckpointRefusedError: the mandate does not name it as endorser, or names it
            as a node as well.
    """
    address = Address(key.address)
    if address not in mandate.endorsers:
        raise CheckpointRefusedError(
            "endorser",
            got=address,
            expected=f"one of {', '.join(mandate.endorsers) or 'none at all'}",
        )
    if address in [permit.key for permit in mandate.nodes]:
        raise CheckpointRefusedError(
            "endorser", got=f"{address}, a node of the mandate", expected="no node"
        )


def _outflow(chain: Chain, *, gate: Address, past: MandateHistory) -> int:
    """Return the value at risk of all executions, as events and gate agree on it."""
    if not past.executed:
        raise CheckpointRefusedError(
            "executed decisions", got="none", expected="one at least to be audited"
        )
    outflow = sum(item.event.value_at_risk for item in past.executed)
    state = GateClient(chain, gate).state_of(past.granted.mandate_id, block=past.upto)
    for what, got, expected in (
        ("head at the gate", to_hex(state.head), to_hex(past.head)),
        ("outflow at the gate", str(state.outflow), str(outflow)),
    ):
        if got != expected:
            raise CheckpointRefusedError(what, got=got, expected=expected)
    return outflow


def _require_accepted(report: AuditReport) -> None:
    if report.verdict is Verdict.ACCEPTED:
        return
    reasons = [
        f"slot {audit.slot}, {to_hex(audit.digest)}: {reason_of(step)}"
        for audit in report.decisions
        if audit.verdict is report.verdict
        for step in audit.steps
        if step.error
    ]
    reasons += report.findings
    what = f"audit up to block {report.audited_block}"
    if report.verdict is Verdict.REJECTED:
        raise CheckpointRefusedError(
            what, got=spelled(reasons), expected="nothing that contradicts"
        )
    raise CheckpointOpenError(what, reasons=reasons)


def _canonical(chain: Chain, number: int, block_hash: Digest) -> bool:
    try:
        chain.verify_canonical(number=number, block_hash=block_hash)
    except AnchorReorgedError:
        return False
    return True
