"""The auditor's own endpoint, asked about the past.

It decides nothing; it asks at a block's hash, so that an answer cannot be of another
block. It trusts the endpoint that it is given, which therefore MUST be the auditor's
own, with the state of old blocks (an archive node).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.history import Price
from affiant.encoding import Digest
from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.attestation.record import AttestationRecord, read_record
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, parse_quantity
from affiant.onchain.errors import AnchorReorgedError
from affiant.onchain.gate import GateClient, MandateState
from affiant.onchain.gate_events import (
    HALTED_TOPIC,
    WITHDRAWN_TOPIC,
    DecisionQueued,
)
from affiant.onchain.mandate import NATIVE, Address, Mandate
from affiant.onchain.observation import Observation, ReadMismatch, observation_reread
from affiant.onchain.reads import LATEST_ROUND_DATA, FeedRound
from affiant.onchain.registry import NodeRecord, NodeRegistryClient
from affiant.onchain.simulate import (
    BALANCE_READER,
    BALANCE_READER_CODE,
    balance_read,
)


class ChainHistory:
    """The past of one chain and gate; see `affiant.audit.history.History`."""

    def __init__(self, chain: Chain, *, gate: Address) -> None:
        """Wrap an endpoint; blocks are remembered, because audits ask again."""
        self._chain = chain
        self._gate = GateClient(chain, gate)
        self._registry: NodeRegistryClient | None = None
        self._blocks: dict[int, Block] = {}

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain.chain_id

    @property
    def gate(self) -> Address:
        """The gate under audit."""
        return self._gate.address

    def block(self, number: int) -> Block:
        """Return the canonical block at height `number`."""
        if number not in self._blocks:
            self._blocks[number] = self._chain.block_by_number(number)
        return self._blocks[number]

    def newest(self) -> Block:
        """Return the newest block, if the endpoint also has it at its height.

        Raises:
            AuditUnavailableError: it has another one there, or none: two views of the
                chain behind one endpoint, or a reorganisation this very moment.
        """
        latest = self._chain.latest_block()
        try:
            return self._chain.verify_canonical(
                number=latest.number, block_hash=latest.hash
            )
        except AnchorReorgedError as error:
            raise AuditUnavailableError("newest block", reason=str(error)) from error

    def standing(self, mandate: Digest, *, block: Block) -> MandateState:
        """Return what the gate stored of `mandate` after `block`."""
        return self._gate.state_of(mandate, block=block)

    def node(self, key: Address, *, service: Digest, block: Block) -> NodeRecord:
        """Return what the gate's own registry knew of `key` after `block`."""
        if self._registry is None:
            # The gate's word, not the address book's: the book came with the evidence.
            self._registry = NodeRegistryClient(self._chain, self._gate.node_registry())
        return self._registry.node_of(key, service=service, block_hash=block.hash)

    def attestation(
        self, contract: Address, *, key: Address, workload: Digest, block: Block
    ) -> AttestationRecord:
        """Return what was recorded of a key's attestation up to and in `block`."""
        return read_record(
            self._chain, contract, key=key, workload=workload, block=block
        )

    def reread(self, observation: Observation) -> tuple[ReadMismatch, ...]:
        """Re-read every recorded read at its block."""
        return observation_reread(self._chain, observation)

    def price(self, feed: Address, *, block: Block) -> Price:
        """Return the feed's answer after `block`."""
        data = self._chain.call(feed, LATEST_ROUND_DATA, block_hash=block.hash)
        answered = FeedRound.decode(data, what="latestRoundData")
        return Price(answer=answered.answer, updated_at=answered.updated_at)

    def balances(
        self, mandate: Mandate, *, block: Block
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tracked balances just before and just after `block`."""
        parent = self._chain.block_by_hash(block.parent_hash)
        reads = [
            balance_read(item.token, account=mandate.account)
            for item in mandate.tracked
        ]
        outcomes = self._chain.simulate(
            reads,
            base=parent,
            timestamp=block.timestamp,
            codes={BALANCE_READER: BALANCE_READER_CODE},
        )
        before = []
        for entry, outcome in zip(mandate.tracked, outcomes, strict=True):
            if not outcome.succeeded:
                raise AuditUnavailableError(
                    f"balance of {entry.token} before block {block.number}",
                    reason=outcome.message or "the read reverts",
                )
            before.append(self._integer(outcome.data, what="balance"))
        after = [
            self._chain.balance(mandate.account, block_hash=block.hash)
            if entry.token == NATIVE
            else self._integer(
                self._chain.call(entry.token, read.data, block_hash=block.hash),
                what="balance",
            )
            for entry, read in zip(mandate.tracked, reads, strict=True)
        ]
        return tuple(before), tuple(after)

    def allowance(
        self, token: Address, *, owner: Address, spender: Address, block: Block
    ) -> int:
        """Return an allowance after `block`, in base units."""
        data = self._call(
            token, "allowance(address,address)", [owner, spender], block=block
        )
        return self._integer(data, what="allowance")

    def transaction_count(self, block: Block) -> int:
        """Return how many transactions `block` holds."""
        method = "eth_getBlockTransactionCountByHash"
        answer = self._chain.request(method, "0x" + block.hash.hex())
        try:
            return parse_quantity(answer, what=method, bits=53)
        except MalformedError as error:
            raise AuditUnavailableError(method, reason=str(error)) from error

    # What the whole mandate is measured by.

    def first_block_at(self, timestamp: int, *, low: int, high: int) -> int:
        """Return the first block in `low` to `high` at or after `timestamp`, else
        `high + 1`."""
        high += 1
        while low < high:
            middle = (low + high) // 2
            if self.block(middle).timestamp >= timestamp:
                high = middle
            else:
                low = middle + 1
        return low

    def withdrawn_in(self, mandate: Digest, *, first: int, last: int) -> int | None:
        """Return the block in which `mandate` was revoked; None if it was not."""
        logs = self._chain.logs(
            self.gate,
            topics=[WITHDRAWN_TOPIC, mandate],
            from_block=first,
            to_block=last,
        )
        return logs[0].block_number if logs else None

    def stopped_slots(
        self, mandate: Mandate, *, slots: tuple[int, ...], first: int, last: int
    ) -> tuple[int, ...]:
        """Return those of `slots` in which the mandate was stopped all along.

        A slot counts if the mandate was stopped at its first block and after its last.
        """
        halted = self._chain.logs(
            self.gate,
            topics=[HALTED_TOPIC, mandate.id],
            from_block=first,
            to_block=last,
        )
        if not halted:
            return ()
        found = []
        for slot in slots:
            start = mandate.anchor_of(slot)
            end = min(start + mandate.cadence - 1, last)
            if start >= first and all(
                self.standing(mandate.id, block=self.block(number)).stopped_until
                > self.block(number).timestamp
                for number in (start, end)
            ):
                found.append(slot)
        return tuple(found)

    def waiting_slots(
        self,
        mandate: Mandate,
        *,
        slots: Sequence[int],
        queued: Sequence[DecisionQueued],
        first: int,
    ) -> tuple[int, ...]:
        """Return those of `slots` that began while a queued decision had the head.

        Nothing else can act then. The rest of the slot in which the wait ends is
        nobody's to explain: as with the slot of the grant, it may be a single block.

        Args:
            queued: what was ever queued under the mandate.
            first: block of the grant.
        """
        found = []
        for slot in slots:
            start = mandate.anchor_of(slot)
            # Only what was queued before it can have had the head.
            if start < first or not any(event.slot < slot for event in queued):
                continue
            block = self.block(start)
            state = self.standing(mandate.id, block=block)
            if state.queued_at and block.timestamp <= state.queued_until:
                found.append(slot)
        return tuple(found)

    def _call(
        self, target: Address, signature: str, arguments: list[object], *, block: Block
    ) -> bytes:
        return self._chain.call(
            target, encode_call(signature, arguments), block_hash=block.hash
        )

    def _integer(self, data: bytes, *, what: str) -> int:
        values: Any = self._decoded(["uint256"], data, what=what)
        return int(values[0])

    def _decoded(
        self, types: list[str], data: bytes, *, what: str
    ) -> tuple[object, ...]:
        try:
            return decode_exactly(types, data, what=what)
        except MalformedError as error:
            raise AuditRejectedError(
                what, got=error.got, expected=error.expected
            ) from error
