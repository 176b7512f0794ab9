"""Refusals that the operator had recorded, and what each of them shows.

The gate's event names a digest and a reason, and proves little by itself: an operator
can submit an honest decision with other calls or a broken signature, or with too little
gas, and have that refusal recorded under the decision's digest. This module reads the
transaction again and repeats the reason only if everything in it was sworn to. It does
not decide whether the operator could have had the decision executed: submitting late is
his choice as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from affiant.audit.check_chain import check_sworn, same
from affiant.encoding import Digest
from affiant.errors import RejectedError, UnavailableError
from affiant.onchain.abi import selector
from affiant.onchain.chain import Chain
from affiant.onchain.contract_errors import (
    GateAllowanceUnreadableError,
    GateAnchorUnavailableError,
    GateApprovalFailedError,
    GateBalanceUnreadableError,
    GateCallFailedError,
    GatePriceInvalidError,
    GateSignatureMalformedError,
)
from affiant.onchain.gate_calldata import (
    TRY_EXECUTE,
    Submission,
    decode_submission,
)
from affiant.onchain.gate_events import REFUSED_TOPIC, DecisionRefused
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.reverts import ContractError, EmptyRevertError

_UNREADABLE = (
    EmptyRevertError,
    GateAllowanceUnreadableError,
    GateAnchorUnavailableError,
    GateBalanceUnreadableError,
    # The signature was checked here, so that only the precompile can have failed.
    GateSignatureMalformedError,
)
"""What the gate says if it cannot read something, whether for want of gas or not."""


@dataclass(frozen=True)
class RecordedRefusal:
    """One refusal in the chain's log, with what was submitted."""

    reason: ContractError
    """The gate's error; not raised."""
    submission: Submission | None
    """What the transaction submitted; None where that cannot be read."""


def refusals_of(
    chain: Chain,
    *,
    gate: Address,
    mandate: Mandate,
    digests: Collection[Digest],
    first: int,
    last: int,
) -> dict[Digest, tuple[RecordedRefusal, ...]]:
    """Return the recorded refusals of the decisions `digests`, in the chain's order.

    Args:
        first: first block looked at.
        last: last block looked at.

    Raises:
        MalformedError: a log is not the event's one encoding.
        UnavailableError: as `Chain.logs`.
    """
    found: dict[Digest, tuple[RecordedRefusal, ...]] = {}
    topics = [REFUSED_TOPIC, mandate.id]
    for log in chain.logs(gate, topics=topics, from_block=first, to_block=last):
        event = DecisionRefused.of(log)
        if event.digest not in digests:
            continue
        submission = _submitted(chain, log.transaction_hash, gate=gate, mandate=mandate)
        refusal = RecordedRefusal(reason=event.reason, submission=submission)
        found[event.digest] = (*found.get(event.digest, ()), refusal)
    return found


def refusals_in_words(
    refusals: Sequence[RecordedRefusal],
    *,
    digest: Digest,
    node: Address,
    chain_id: int,
    gate: Address,
) -> str:
    """Return what recorded refusals show of one decision; empty where there are none.

    1. a reason is repeated only if receipts, calls, bounds and signature are those
       sworn to, and gas alone cannot be it;
    2. otherwise it is said that nothing is shown, and why.

    Args:
        digest: the decision's.
        node: the key that signed it.
    """
    if not refusals:
        return ""
    honest = [
        item.reason
        for item in refusals
        if _is_sworn(item, digest=digest, node=node, chain_id=chain_id, gate=gate)
    ]
    # 1.
    telling = [reason for reason in honest if not _gas_alone(reason)]
    if telling:
        names = dict.fromkeys(map(_name, telling))
        return f"The gate refused exactly this decision: {', then '.join(names)}."
    # 2.
    if honest:
        return (
            f"The operator recorded that it failed with {_name(honest[0])}, which too "
            "little gas causes as well: that shows nothing."
        )
    return (
        "The operator recorded a refusal of something else under its digest, which "
        "shows nothing about this decision."
    )


def _submitted(
    chain: Chain, transaction: Digest, *, gate: Address, mandate: Mandate
) -> Submission | None:
    """Return what a transaction submits to `tryExecute`; None if that is not shown."""
    try:
        sent = chain.transaction(transaction)
        if sent is None or sent.target != gate:
            return None
        if sent.data[:4] != selector(TRY_EXECUTE):
            return None
        return decode_submission(
            sent.data, mandate=mandate, chain_id=chain.chain_id, gate=gate
        )
    except (RejectedError, UnavailableError):
        # Nothing is repeated that was not read; no step rests on a refusal.
        return None


def _is_sworn(
    refusal: RecordedRefusal,
    *,
    digest: Digest,
    node: Address,
    chain_id: int,
    gate: Address,
) -> bool:
    """Say whether what was submitted is, in every part, what the node swore to."""
    sent = refusal.submission
    if sent is None:
        return False
    try:
        same("node", got=sent.node, expected=node)
        same("mandate", got=sent.mandate.id, expected=sent.decision.mandate)
        signed = check_sworn(
            sent.decision,
            node=sent.node,
            signature=sent.signature,
            receipts=sent.receipts,
            calls=sent.calls,
            bounds=sent.bounds,
            chain_id=chain_id,
            gate=gate,
        )
        same("digest", got=signed, expected=digest)
    except RejectedError:
        return False
    return True


def _gas_alone(reason: ContractError) -> bool:
    """Say whether running out of gas in a call looks exactly like this.

    The gate's own inner call, and each call that it makes in turn, leaves a 64th of the
    gas to the caller, which is enough to report the failure in the caller's words.
    """
    if isinstance(reason, (GateCallFailedError, GateApprovalFailedError)):
        return not reason.reason or isinstance(reason.cause, EmptyRevertError)
    if isinstance(reason, GatePriceInvalidError):
        return not reason.answer and not reason.updated_at
    return isinstance(reason, _UNREADABLE)


def _name(reason: ContractError) -> str:
    name = reason.NAME
    if isinstance(reason, GateCallFailedError):
        cause = "nothing" if reason.cause is None else reason.cause.NAME
        name += f" ({cause if reason.reason else 'without a reason'})"
    return name
