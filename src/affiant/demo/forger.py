"""A thief's workshop: makes submissions that should be refused.

It holds the node's own key, as a thief might, and signs whatever an attack needs, for
any gate, chain, slot or anchor. It decides nothing and is used by the demonstration
and by tests only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from affiant.encoding import Digest, keccak256
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import InferenceReceipt, receipts_hash
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address, Mandate


@dataclass(frozen=True)
class Forger:
    """Signs with a stolen node key."""

    key: NodeKey
    chain_id: int
    gate: Address

    def swear(
        self,
        honest: Submission,
        *,
        mandate: Mandate | None = None,
        calls: Sequence[Call] | None = None,
        bounds: Sequence[int] | None = None,
        receipts: Sequence[InferenceReceipt] | None = None,
        key: NodeKey | None = None,
        chain_id: int | None = None,
        gate: Address | None = None,
        **fields: Digest | int,
    ) -> Submission:
        """Return `honest` with parts replaced, and sworn to anew by the key.

        Args:
            honest: a submission that the gate would execute.
            mandate, calls, bounds, receipts: replace the honest ones, and their hashes.
            key: signs instead of the stolen key.
            chain_id, gate: EIP-712 domain to sign for.
            **fields: fields of the decision to replace.
        """
        mandate = mandate or honest.mandate
        calls = honest.calls if calls is None else tuple(calls)
        bounds = honest.bounds if bounds is None else tuple(bounds)
        receipts = honest.receipts or () if receipts is None else tuple(receipts)
        decision = replace(
            honest.decision,
            mandate=mandate.id,
            program=mandate.program,
            calls=calls_hash(calls),
            bounds=bounds_hash(bounds),
            receipts=receipts_hash(receipts),
        )
        decision = replace(decision, **fields)  # type: ignore[arg-type]
        signer = key or self.key
        return Submission(
            mandate=mandate,
            decision=decision,
            receipts=receipts,
            calls=calls,
            bounds=bounds,
            node=Address(signer.address),
            signature=self._sign(decision, signer, chain_id=chain_id, gate=gate),
        )

    def _sign(
        self,
        decision: Decision,
        key: NodeKey,
        *,
        chain_id: int | None,
        gate: Address | None,
    ) -> bytes:
        return key.sign(
            decision.digest(
                chain_id=self.chain_id if chain_id is None else chain_id,
                gate=gate or self.gate,
            )
        )


def invented(text: str) -> Digest:
    """Return a digest that stands for nothing, made from `text`."""
    return keccak256(text.encode())
