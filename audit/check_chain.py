"""Steps 1, 2 and 4: is what the chain shows what was sworn and permitted?

It compares the event, the transaction's calldata and historical state with one
another. It never looks at evidence beyond the decision itself, and it trusts the
auditor's endpoint for the chain's past and nobody for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.errors import AuditRejectedError
from affiant.audit.history import History
from affiant.encoding import Digest, to_hex
from affiant.inference.receipt import InferenceReceipt, receipts_hash
from affiant.onchain.chain_types import Block
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.events import ExecutedDecision
from affiant.onchain.gate import MandateState, Submission
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.permitted import may_permit
from affiant.onchain.registry import NodeRecord, service_of
from affiant.signature import recover_signer


def same(what: str, *, got: object, expected: object) -> None:
    """Refuse two values that differ.

    Raises:
        AuditRejectedError: they do.
    """
    if got != expected:
        raise AuditRejectedError(what, got=shown(got), expected=shown(expected))


def check_sworn(
    decision: Decision,
    *,
    node: Address,
    signature: bytes,
    receipts: Sequence[InferenceReceipt] | None,
    calls: Sequence[Call],
    bounds: Sequence[int],
    chain_id: int,
    gate: Address,
) -> Digest:
    """Check that `node` signed exactly this decision; return its digest.

    1. calls, bounds and receipts, if there are any, hash to what the decision swears;
    2. the signature over the recomputed digest recovers the node.

    Raises:
        RejectedError: one of them does not hold.
    """
    # 1.
    if receipts is not None:
        same("receipts", got=receipts_hash(receipts), expected=decision.receipts)
    same("calls", got=calls_hash(calls), expected=decision.calls)
    same("bounds", got=bounds_hash(bounds), expected=decision.bounds)
    # 2.
    digest = decision.digest(chain_id=chain_id, gate=gate)
    signer = recover_signer(digest, signature=signature)
    same("signer of the digest", got=signer, expected=node)
    return digest


def check_execution(
    execution: ExecutedDecision,
    submission: Submission,
    *,
    mandate: Digest,
    history: History,
) -> str:
    """Step 1 for an executed decision: event ↔ calldata ↔ digest ↔ signature.

    1. the event's block is still the chain's;
    2. event and calldata are of this mandate;
    3. the calldata was sworn to, and its digest is the event's;
    4. node, slot and previous head are the event's too.

    Raises:
        RejectedError: one of them does not hold.
    """
    # 1.
    block = history.block(execution.block_number)
    same("block of the event", got=execution.block_hash, expected=block.hash)
    # 2.
    same("mandate of the event", got=execution.event.mandate, expected=mandate)
    same("mandate in the calldata", got=submission.mandate.id, expected=mandate)
    decision = submission.decision
    same("mandate of the decision", got=decision.mandate, expected=mandate)
    # 3.
    digest = check_sworn(
        decision,
        node=submission.node,
        signature=submission.signature,
        receipts=submission.receipts,
        calls=submission.calls,
        bounds=submission.bounds,
        chain_id=history.chain_id,
        gate=history.gate,
    )
    same("digest of the event", got=execution.event.digest, expected=digest)
    # 4.
    same("node of the event", got=execution.event.node, expected=submission.node)
    same("slot of the event", got=execution.event.slot, expected=decision.slot)
    same(
        "previous of the event",
        got=execution.event.previous,
        expected=decision.previous,
    )
    return (
        "The event's digest is recomputed from the transaction's calldata, and "
        f"{submission.node} signed it."
    )


def check_permitted(
    mandate: Mandate,
    *,
    node: Address,
    receipts: Sequence[InferenceReceipt] | None,
    calls: Sequence[Call],
    standing: MandateState,
    record: NodeRecord,
    block: Block,
) -> str:
    """Step 2: mandate and key at that block.

    1. the gate knew the mandate, as granted by its account, live, neither revoked,
       stopped nor over;
    2. the mandate names the key, or a workload, for which step 11 finds it attested;
    3. the registry knew the key, valid then, not revoked, serving the mandate's model
       and engine;
    4. every receipt, where they are to be had, is of that model and engine;
    5. every call is on the allow-list.

    Args:
        standing: what the gate stored after `block` (of execution: before it).
        receipts: out of the evidence; None where there is none: the chain has their
            hash only, and step 3 says what is missing.
        record: what the registry knew after `block`, for the mandate's service.
        block: whose time counts.

    Raises:
        AuditRejectedError: one of them does not hold.
    """
    now = block.timestamp
    # 1.
    same("account of the mandate", got=standing.account, expected=mandate.account)
    same("mandate revoked", got=standing.revoked, expected=False)
    at_most("mandate live from", standing.live_from, limit=now)
    at_most("mandate stopped until", standing.stopped_until, limit=now)
    at_most("time of the block", now, limit=mandate.expiry - 1)
    # 2.
    check_named(mandate, node=node)
    # 3.
    if not record.announced:
        raise AuditRejectedError(
            "node key in the registry", got="never announced", expected="announced"
        )
    at_most("key valid from", record.valid_from, limit=now)
    at_most("time of the block", now, limit=record.valid_until - 1)
    if record.revoked_at and record.revoked_at <= now:
        raise AuditRejectedError(
            "node key",
            got=f"revoked at {record.revoked_at}",
            expected=f"valid at {now}",
        )
    service = service_of(model=mandate.model, engine=mandate.engine)
    same("service of the key", got=record.service, expected=service)
    # 4.
    if receipts is not None and not receipts:
        raise AuditRejectedError("receipts", got="none", expected="at least one")
    for receipt in receipts or ():
        same("model of a receipt", got=receipt.model, expected=mandate.model)
        same("engine of a receipt", got=receipt.engine, expected=mandate.engine)
    # 5.
    listed = {(item.target, item.selector) for item in mandate.allow_list}
    for call in calls:
        if (call.target, call.data[:4]) not in listed:
            raise AuditRejectedError(
                "call",
                got=f"{to_hex(call.data[:4])} of {call.target}",
                expected="a target and selector of the allow-list",
            )
    return (
        f"At block {block.number} the mandate was live and {node} was permitted, "
        "announced for its model and engine, and not revoked."
    )


def check_named(mandate: Mandate, *, node: Address) -> None:
    """Refuse a key that the mandate does not name.

    Raises:
        AuditRejectedError: it does not.
    """
    if not may_permit(mandate, node):
        permitted = ", ".join(permit.key for permit in mandate.nodes)
        raise AuditRejectedError("node key", got=node, expected=f"one of {permitted}")


def check_place(
    decision: Decision,
    *,
    mandate: Mandate,
    executed_in: Block | None,
    head: Digest,
    history: History,
) -> str:
    """Step 4: slot, anchor and head.

    1. where executed: the slot was the newest at that block, and the decision's time
       was not over;
    2. the anchor hash is the chain's;
    3. the decision follows the head of then.

    Args:
        executed_in: block of execution; None where nothing was executed.
        head: the mandate's head just before.

    Raises:
        AuditRejectedError: one of them does not hold.
    """
    # 1.
    if executed_in is not None:
        newest = mandate.slot_of(executed_in.number)
        same("slot", got=decision.slot, expected=newest)
        at_most("time of the block", executed_in.timestamp, limit=decision.valid_until)
    # 2.
    number = mandate.anchor_of(decision.slot)
    anchor = history.block(number)
    same("anchor hash", got=decision.anchor_hash, expected=anchor.hash)
    # 3.
    same("previous head", got=decision.previous, expected=head)
    return (
        f"Slot {decision.slot} is anchored at block {number} of this chain and follows "
        "the head of then."
    )


def at_most(what: str, value: int, *, limit: int) -> None:
    """Refuse a value above `limit`.

    Raises:
        AuditRejectedError: it is.
    """
    if value > limit:
        raise AuditRejectedError(what, got=str(value), expected=f"at most {limit}")


def shown(value: object) -> str:
    """Return a value as a step shows it."""
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return to_hex(value) if isinstance(value, bytes) else str(value)
