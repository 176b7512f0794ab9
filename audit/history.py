"""What the auditor asks of a chain's past, as values and one port.

It only names the questions. `chain_history.py` answers them from the auditor's own
endpoint; tests answer them from a table. An implementation is trusted for what the
chain said at a block, so it MUST NOT take anything from the evidence or the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from affiant.encoding import Digest
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.chain_types import Block
from affiant.onchain.decision import Call, Decision
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Observation, ReadMismatch


@dataclass(frozen=True)
class Grant:
    """A mandate as the gate's event of its grant states it."""

    mandate: Mandate
    block: int
    """Number of the block of the grant."""
    live_from: int
    """Unix seconds, inclusive."""


@dataclass(frozen=True)
class Execution:
    """One `DecisionExecuted` event and where it was emitted."""

    mandate: Digest
    digest: Digest
    node: Address
    slot: int
    skipped: int
    previous: Digest
    value_at_risk: int
    """Value, 8 decimals."""
    changes: tuple[int, ...]
    """Base units per tracked entry; debts count negatively."""
    block_number: int
    block_hash: Digest
    transaction: Digest


@dataclass(frozen=True)
class Submission:
    """What the calldata of an executing transaction says."""

    mandate: Mandate
    decision: Decision
    receipts: tuple[InferenceReceipt, ...]
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    node: Address
    signature: bytes


@dataclass(frozen=True)
class Standing:
    """What the gate stored of a mandate after some block."""

    head: Digest
    live_from: int
    stopped_until: int
    revoked: bool
    account: Address
    """The zero address: unknown mandate."""


@dataclass(frozen=True)
class NodeRecord:
    """What the node registry knew of a key after some block."""

    valid_from: int
    valid_until: int
    revoked_at: int
    """0: not revoked."""
    tier: int
    service: Digest
    """keccak256(abi.encode(model, engine))."""


@dataclass(frozen=True)
class Price:
    """A feed's answer after some block."""

    answer: int
    updated_at: int


class History(Protocol):
    """A chain's past. Every method MUST raise an `UnavailableError` where the endpoint
    cannot answer and a `RejectedError` where its answer contradicts the question."""

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        ...

    @property
    def gate(self) -> Address:
        """The gate under audit."""
        ...

    def block(self, number: int) -> Block:
        """Return the canonical block at height `number`."""
        ...

    def grant(self, mandate: Digest) -> Grant:
        """Return the grant of `mandate`.

        Raises:
            AuditRejectedError: the gate never granted it.
        """
        ...

    def executions(self, mandate: Digest, *, last: int) -> tuple[Execution, ...]:
        """Return its executions up to block `last`, in the chain's order."""
        ...

    def submission(self, execution: Execution) -> Submission:
        """Return what the executing transaction carried.

        Raises:
            AuditUnavailableError: another contract called the gate, so that the
                transaction's own calldata is not the gate's.
        """
        ...

    def standing(self, mandate: Digest, *, block: Block) -> Standing:
        """Return what the gate stored of `mandate` after `block`."""
        ...

    def node(self, key: Address, *, block: Block) -> NodeRecord:
        """Return what the registry knew of `key` after `block`."""
        ...

    def reread(self, observation: Observation) -> tuple[ReadMismatch, ...]:
        """Re-read every recorded read at its block."""
        ...

    def price(self, feed: Address, *, block: Block) -> Price:
        """Return the feed's answer after `block`."""
        ...

    def balances(
        self, mandate: Mandate, *, block: Block
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tracked balances just before and just after `block`.

        The former is the parent's state at the block's own time, so that interest for
        the seconds between is on both sides.
        """
        ...

    def allowance(
        self, token: Address, *, owner: Address, spender: Address, block: Block
    ) -> int:
        """Return an allowance after `block`, in base units."""
        ...

    def transaction_count(self, block: Block) -> int:
        """Return how many transactions `block` holds."""
        ...
