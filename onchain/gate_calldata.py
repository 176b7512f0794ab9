"""What is sent to the gate: submissions as calldata, and calldata as submissions.

Pure. It decides that calldata is the one encoding of a call of `execute` or
`tryExecute`; whether the parts belong together is the gate's and the auditor's to say.
It trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from affiant.encoding import Digest, to_hex
from affiant.errors import MalformedError
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.abi import decode_exactly, encode_call, selector
from affiant.onchain.decision import CALL_ABI, DECISION_ABI, Call, Decision
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
    parse_address,
)

RECEIPT_ABI = "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32)"
"""ABI type of the Solidity struct `InferenceReceipt`."""

PROOF_ABI = "(address,bytes)"
"""ABI type of the Solidity struct `Proof`."""

_TYPES = (
    MANDATE_ABI,
    DECISION_ABI,
    RECEIPT_ABI + "[]",
    CALL_ABI + "[]",
    "int256[]",
    PROOF_ABI,
)

EXECUTE = f"execute({','.join(_TYPES)})"
"""Signature of the gate's `execute`."""

TRY_EXECUTE = f"tryExecute({','.join(_TYPES)})"
"""Signature of the gate's `tryExecute`."""

GRANT = f"grant({MANDATE_ABI})"
"""Signature of the gate's `grant`."""

STOP = f"stop({MANDATE_ABI},uint64)"
"""Signature of the gate's `stop`."""


@dataclass(frozen=True)
class Submission:
    """A decision with everything that the gate asks for."""

    mandate: Mandate
    decision: Decision
    receipts: tuple[InferenceReceipt, ...]
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    node: Address
    signature: bytes
    """65 bytes, `r ‖ s ‖ v`."""

    @classmethod
    def of(cls, bundle: EvidenceBundle) -> Submission:
        """Return what to submit of an evidence bundle."""
        return cls(
            mandate=bundle.mandate,
            decision=bundle.decision,
            receipts=bundle.receipts,
            calls=bundle.calls,
            bounds=bundle.bounds,
            node=bundle.node,
            signature=bundle.signature,
        )

    def abi_values(self) -> tuple[object, ...]:
        """Return the arguments of `execute` and `tryExecute` for `eth_abi`."""
        return (
            self.mandate.abi_values(),
            self.decision.abi_values(),
            [
                (r.model, r.engine, r.request, r.prompt, r.output, r.trace)
                for r in self.receipts
            ],
            [(c.target, c.value, c.data, c.token, c.allowance) for c in self.calls],
            list(self.bounds),
            (self.node, self.signature),
        )


def encode_execute(submission: Submission) -> bytes:
    """Return calldata of `execute`."""
    return encode_call(EXECUTE, submission.abi_values())


def encode_try_execute(submission: Submission) -> bytes:
    """Return calldata of `tryExecute`."""
    return encode_call(TRY_EXECUTE, submission.abi_values())


def decode_execute(calldata: bytes) -> Submission:
    """Return the submission in hostile calldata of `execute` or `tryExecute`.

    Raises:
        MalformedError: another function, or not the one encoding of its arguments.
    """
    if calldata[:4] not in (selector(EXECUTE), selector(TRY_EXECUTE)):
        raise MalformedError(
            "gate calldata",
            got=f"selector {to_hex(calldata[:4])}",
            expected=f"{to_hex(selector(EXECUTE))} (execute) or "
            f"{to_hex(selector(TRY_EXECUTE))} (tryExecute)",
        )
    values: tuple[Any, ...] = decode_exactly(_TYPES, calldata[4:], what="gate calldata")
    mandate, decision, receipts, calls, bounds, proof = values
    return Submission(
        mandate=mandate_of(mandate),
        decision=decision_of(decision),
        receipts=tuple(InferenceReceipt(*map(Digest, item)) for item in receipts),
        calls=tuple(
            Call(_address(target), value, data, _address(token), allowance)
            for target, value, data, token, allowance in calls
        ),
        bounds=tuple(bounds),
        node=_address(proof[0]),
        signature=proof[1],
    )


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
        salt=Digest(salt),
        nodes=tuple(NodePermit(_address(key), tier) for key, tier in nodes),
        workloads=tuple(map(Digest, workloads)),
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
