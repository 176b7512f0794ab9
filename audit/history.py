"""What the auditor asks of a chain's past, as one port.

It only names the questions. `chain_history.py` answers them from the auditor's own
endpoint; tests answer them from a table. An implementation is trusted for what the
chain said at a block, so it MUST NOT take anything from the evidence or the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from affiant.encoding import Digest
from affiant.onchain.attestation.record import AttestationRecord
from affiant.onchain.chain_types import Block
from affiant.onchain.gate import MandateState
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Observation, ReadMismatch
from affiant.onchain.registry import NodeRecord


@dataclass(frozen=True)
class Price:
    """A feed's answer after some block."""

    answer: int
    """With the decimals that the mandate states."""
    updated_at: int
    """Unix seconds."""


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

    def standing(self, mandate: Digest, *, block: Block) -> MandateState:
        """Return what the gate stored of `mandate` after `block`."""
        ...

    def node(self, key: Address, *, service: Digest, block: Block) -> NodeRecord:
        """Return what the registry knew of `key` for a service after `block`."""
        ...

    def attestation(
        self, contract: Address, *, key: Address, workload: Digest, block: Block
    ) -> AttestationRecord:
        """Return what was recorded of a key's attestation up to and in `block`."""
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


class Present(History, Protocol):
    """A chain's past and its newest block."""

    def newest(self) -> Block:
        """Return the newest block; it MUST be the canonical one at its height."""
        ...
