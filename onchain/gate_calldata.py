"""What is sent to the gate: submissions as calldata, and calldata as submissions.

Pure. It decides that calldata is the one encoding of a call of `execute`, `tryExecute`
or `queue`; whether the parts belong together is the gate's and the auditor's to say.
It trusts nobody.

A decision may be sent **blank**: the fields that the gate knows anyway are left zero,
and it fills them in before it makes the digest (ADR 22). `decode_submission` fills them
in from the same sources, which its caller names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from affiant.encoding import ZERO_DIGEST, Digest, to_hex
from affiant.errors import MalformedError
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.abi import decode_exactly, encode_call, selector
from affiant.onchain.decision import (
    CALL_ABI,
    DECISION_ABI,
    Call,
    Decision,
    bounds_hash,
    calls_hash,
)
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.mandate import (
    MANDATE_ABI,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    Workload,
    parse_address,
)
from affiant.signature import SIGNATURE_BYTES, recover_signer

_TYPES = (DECISION_ABI, CALL_ABI + "[]", "int256[]", "bytes")

EXECUTE = f"execute({','.join(_TYPES)})"
"""Signature of the gate's `execute`."""

TRY_EXECUTE = f"tryExecute({','.join(_TYPES)})"
"""Signature of the gate's `tryExecute`."""

QUEUE = f"queue({','.join(_TYPES)})"
"""Signature of the gate's `queue`."""

GRANT = f"grant({MANDATE_ABI})"
"""Signature of the gate's `grant`."""

STOP = "stop(bytes32,uint64)"
"""Signature of the gate's `stop`."""


@dataclass(frozen=True)
class Submission:
    """A decision with everything that convinces the gate, and its mandate."""

    mandate: Mandate
    decision: Decision
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    node: Address
    signature: bytes
    """65 bytes, `r ‖ s ‖ v`."""
    endorsements: bytes = b""
    """Endorsers' signatures, joined as `signature.join_signatures` does."""
    receipts: tuple[InferenceReceipt, ...] | None = None
    """Not sent: the gate has their hash in the decision. None where only calldata is
    known."""

    @classmethod
    def of(cls, bundle: EvidenceBundle, *, endorsements: bytes = b"") -> Submission:
        """Return what to submit of an evidence bundle."""
        return cls(
            mandate=bundle.mandate,
            decision=bundle.decision,
            calls=bundle.calls,
            bounds=bundle.bounds,
            node=bundle.node,
            signature=bundle.signature,
            endorsements=endorsements,
            receipts=bundle.receipts,
        )

    def abi_values(self, *, blank: bool = False) -> tuple[object, ...]:
        """Return the arguments of `execute`, `tryExecute` and `queue` for `eth_abi`."""
        decision = blanked(self.decision) if blank else self.decision
        return (
            decision.abi_values(),
            [(c.target, c.value, c.data, c.token, c.allowance) for c in self.calls],
            list(self.bounds),
            self.signature + self.endorsements,
        )


def blanked(decision: Decision) -> Decision:
    """Return `decision` without what the gate knows anyway."""
    return replace(
        decision,
        program=ZERO_DIGEST,
        anchor_hash=ZERO_DIGEST,
        previous=ZERO_DIGEST,
        calls=ZERO_DIGEST,
        bounds=ZERO_DIGEST,
    )


def encode_execute(submission: Submission, *, blank: bool = False) -> bytes:
    """Return calldata of `execute`.

    Args:
        blank: leave out what the gate knows, for 1 900 gas less. Where something else
            was signed, the gate then says that nobody it knows signed, and not what
            differs. A decision that waited in the queue must be complete.
    """
    return encode_call(EXECUTE, submission.abi_values(blank=blank))


def encode_try_execute(submission: Submission) -> bytes:
    """Return calldata of `tryExecute`; the decision is complete."""
    return encode_call(TRY_EXECUTE, submission.abi_values())


def encode_queue(submission: Submission) -> bytes:
    """Return calldata of `queue`."""
    return encode_call(QUEUE, submission.abi_values())


def decode_submission(
    calldata: bytes,
    *,
    mandate: Mandate,
    chain_id: int,
    gate: Address,
    previous: Digest | None = None,
    anchor_hash: Digest | None = None,
) -> Submission:
    """Return the submission in hostile calldata of `execute`, `tryExecute` or `queue`.

    The node is who made the first signature, whether or not the mandate permits it.

    Args:
        mandate: the one that the decision must name.
        chain_id: chain that it was sent on, for the digest.
        gate: gate that it was sent to, for the digest.
        previous: the head before it, where it may be blank.
        anchor_hash: hash of its slot's first block, where it may be blank.

    Raises:
        MalformedError: another function, another mandate, not the one encoding of its
            arguments, a proof that is not whole signatures, or a blank field that the
            caller does not know.
    """
    known = {selector(signature) for signature in (EXECUTE, TRY_EXECUTE, QUEUE)}
    if calldata[:4] not in known:
        raise MalformedError(
            "gate calldata",
            got=f"selector {to_hex(calldata[:4])}",
            expected=f"{to_hex(selector(EXECUTE))} (execute), "
            f"{to_hex(selector(TRY_EXECUTE))} (tryExecute) or "
            f"{to_hex(selector(QUEUE))} (queue)",
        )
    values: tuple[Any, ...] = decode_exactly(_TYPES, calldata[4:], what="gate calldata")
    sent, raw_calls, raw_bounds, proof = values
    calls = tuple(
        Call(_address(target), value, data, _address(token), allowance)
        for target, value, data, token, allowance in raw_calls
    )
    bounds = tuple(raw_bounds)
    stated = decision_of(sent)
    if stated.mandate != mandate.id:
        raise MalformedError(
            "mandate in the calldata",
            got=to_hex(stated.mandate),
            expected=to_hex(mandate.id),
        )
    decision = replace(
        stated,
        program=_filled(stated.program, mandate.program, what="program"),
        anchor_hash=_filled(stated.anchor_hash, anchor_hash, what="anchorHash"),
        previous=_filled(stated.previous, previous, what="previous"),
        calls=_filled(stated.calls, calls_hash(calls), what="calls"),
        bounds=_filled(stated.bounds, bounds_hash(bounds), what="bounds"),
    )
    if not proof or len(proof) % SIGNATURE_BYTES:
        raise MalformedError(
            "proof in the calldata",
            got=f"{len(proof)} bytes",
            expected=f"a multiple of {SIGNATURE_BYTES} bytes, at least one signature",
        )
    signature = proof[:SIGNATURE_BYTES]
    return Submission(
        mandate=mandate,
        decision=decision,
        calls=calls,
        bounds=bounds,
        node=recover_signer(
            decision.digest(chain_id=chain_id, gate=gate), signature=signature
        ),
        signature=signature,
        endorsements=proof[SIGNATURE_BYTES:],
    )


def _filled(stated: Digest, known: Digest | None, *, what: str) -> Digest:
    if stated != ZERO_DIGEST:
        return stated
    if known is None:
        raise MalformedError(
            f"`{what}` in the calldata", got="a blank", expected="a digest"
        )
    return known


def mandate_of(values: Any) -> Mandate:
    """Return the mandate in decoded ABI values of `MANDATE_ABI`."""
    (
        account,
        operator,
        guardian,
        program,
        model,
        engine,
        cadence,
        expiry,
        max_loss,
        record_holds,
        quorum,
        salt,
        nodes,
        workloads,
        endorsers,
        ladder,
        allow_list,
        feeds,
        tracked,
        rules,
    ) = values
    return Mandate(
        account=_address(account),
        operator=_address(operator),
        guardian=_address(guardian),
        program=Digest(program),
        model=Digest(model),
        engine=Digest(engine),
        cadence=cadence,
        expiry=expiry,
        max_loss=max_loss,
        record_holds=record_holds,
        quorum=quorum,
        salt=Digest(salt),
        nodes=tuple(NodePermit(_address(key), tier) for key, tier in nodes),
        workloads=tuple(Workload(_address(a), Digest(m)) for a, m in workloads),
        endorsers=tuple(map(_address, endorsers)),
        ladder=tuple(Rung(*rung) for rung in ladder),
        allow_list=tuple(Permission(_address(t), s) for t, s in allow_list),
        feeds=tuple(Feed(_address(a), d, age) for a, d, age in feeds),
        tracked=tuple(Tracked(_address(t), f, d, debt) for t, f, d, debt in tracked),
        rules=tuple(Rule(_address(target), data) for target, data in rules),
    )


def decision_of(values: Any) -> Decision:
    """Return the decision in decoded ABI values of `DECISION_ABI`."""
    mandate, program, slot, anchor, previous, *digests, valid_until = values
    observation, receipts, calls, bounds, evidence = map(Digest, digests)
    return Decision(
        mandate=Digest(mandate),
        program=Digest(program),
        slot=slot,
        anchor_hash=Digest(anchor),
        previous=Digest(previous),
        observation=observation,
        receipts=receipts,
        calls=calls,
        bounds=bounds,
        evidence=evidence,
        valid_until=valid_until,
    )


def _address(value: str) -> Address:
    return parse_address(value, what="gate calldata address")
