"""The gate's client: reads its state, submits decisions, reads what it says it did.

It decides nothing that the gate decides: it encodes, sends and decodes strictly. It
trusts the endpoint behind `chain` for state and the gate at `address` for nothing but
being the contract that the caller means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from affiant.encoding import ZERO_DIGEST, Digest, to_hex
from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import (
    Block,
    CallRequest,
    Event,
    TransactionReceipt,
)
from affiant.onchain.checkpoint import (
    CHECKPOINT_ABI,
    VERDICT_ABI,
    Checkpoint,
    Verdict,
)
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.decision import DECISION_ABI, Decision
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.gate_calldata import (
    GRANT,
    STOP,
    Submission,
    encode_execute,
    encode_queue,
    encode_try_execute,
    mandate_of,
)
from affiant.onchain.gate_events import (
    EXECUTED_TOPIC,
    REFUSED_TOPIC,
    DecisionExecuted,
    DecisionRefused,
    MandateGranted,
)
from affiant.onchain.mandate import (
    MANDATE_ABI,
    NATIVE,
    Address,
    Mandate,
    parse_address,
)
from affiant.onchain.sending import CONFIRM_SECONDS, send

__all__ = [
    "DecisionExecuted",
    "DecisionRefused",
    "GateClient",
    "MandateGranted",
    "MandateState",
    "SimulatedExecution",
    "Submission",
    "encode_execute",
    "encode_queue",
    "encode_try_execute",
]


STATE_ABI = (
    "(bytes32,uint256,uint256,uint64,uint64,uint64,uint64,uint64,bool,bool,address)"
)
"""ABI type of the Solidity struct `IDecisionGate.MandateState`."""


@dataclass(frozen=True)
class MandateState:
    """What the gate stores of a mandate, and when it was read."""

    head: Digest
    """Digest of the last executed or queued decision; the mandate's id before the
    first."""
    outflow: int
    """Value, 8 decimals: all that its decisions put at risk since the grant."""
    audited: int
    """Value, 8 decimals: the part of it that endorsers have audited."""
    live_from: int
    """Unix seconds, inclusive."""
    next_slot: int
    """Least slot that may still act."""
    stopped_until: int
    """Unix seconds, exclusive; 0: not stopped."""
    queued_at: int
    """Unix seconds at which the head was queued; 0: it is not waiting."""
    queued_until: int
    """Unix seconds, inclusive, until which a waiting head can execute."""
    revoked: bool
    guardian_stopped: bool
    """Whether the guardian's stop is used up."""
    account: Address
    """The zero address: unknown mandate."""
    block: Block
    """At which this was read."""

    @property
    def unaudited(self) -> int:
        """Value, 8 decimals: the outflow that nobody has audited yet."""
        return self.outflow - self.audited

    @property
    def known(self) -> bool:
        """Whether the mandate was ever granted."""
        return self.account != NATIVE

    @property
    def live(self) -> bool:
        """Whether it was granted, not revoked, not stopped, and its delay has passed.

        The mandate's own expiry is not stored by the gate: compare it yourself.
        """
        return self.known and not self.revoked and not self.waiting

    @property
    def waiting(self) -> bool:
        """Whether it is stopped, or not yet live, at the block's time."""
        now = self.block.timestamp
        return now < self.live_from or now < self.stopped_until


@dataclass(frozen=True)
class SimulatedExecution:
    """How a submission would go on top of a block."""

    digest: Digest
    gas_used: int
    """Gas of the execution, the transaction's own included."""


class GateClient:
    """One gate on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the gate at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def head_of(
        self, mandate_id: Digest, *, block_hash: Digest | None = None
    ) -> Digest:
        """Return the head of a mandate; zero where the mandate is unknown."""
        return self._digest("headOf(bytes32)", [mandate_id], block_hash=block_hash)

    def state_of(
        self, mandate_id: Digest, *, block: Block | None = None
    ) -> MandateState:
        """Return what the gate stores of a mandate at `block` (None: the newest)."""
        at = self.chain.latest_block() if block is None else block
        values: Any = self._view(
            "stateOf(bytes32)",
            [mandate_id],
            returns=[STATE_ABI],
            block_hash=at.hash,
        )
        (head, *numbers, revoked, guardian_stopped, account) = values[0]
        outflow, audited, live_from, next_slot, stopped_until, *queue = numbers
        return MandateState(
            head=Digest(head),
            outflow=outflow,
            audited=audited,
            live_from=live_from,
            next_slot=next_slot,
            stopped_until=stopped_until,
            queued_at=queue[0],
            queued_until=queue[1],
            revoked=revoked,
            guardian_stopped=guardian_stopped,
            account=parse_address(account, what="stateOf.account"),
            block=at,
        )

    def mandate_of(self, mandate_id: Digest) -> Mandate:
        """Return the mandate as it was granted.

        Raises:
            ContractError: unknown to the gate.
            MalformedError: what the endpoint answers does not hash to `mandate_id`.
        """
        try:
            values: Any = self._view(
                "mandateOf(bytes32)", [mandate_id], returns=[MANDATE_ABI]
            )
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        mandate = mandate_of(values[0])
        if mandate.id != mandate_id:
            raise MalformedError(
                "mandateOf", got=to_hex(mandate.id), expected=to_hex(mandate_id)
            )
        return mandate

    def is_banned(self, mandate_id: Digest, *, key: Address) -> bool:
        """Return whether `key` was banned from a mandate."""
        values: Any = self._view(
            "isBanned(bytes32,address)", [mandate_id, key], returns=["bool"]
        )
        return bool(values[0])

    def grant_delay_of(self, account: Address) -> int:
        """Return the seconds that a grant by `account` would wait now."""
        values: Any = self._view("grantDelayOf(address)", [account], returns=["uint32"])
        return int(values[0])

    def digest_of(self, decision: Decision) -> Digest:
        """Return the decision's EIP-712 digest as the gate itself computes it."""
        return self._digest(f"digestOf({DECISION_ABI})", [decision.abi_values()])

    def domain_separator(self) -> Digest:
        """Return the gate's EIP-712 domain separator."""
        return self._digest("domainSeparator()", [])

    def node_registry(self) -> Address:
        """Return the node registry that tells the gate about keys."""
        values: Any = self._view("nodeRegistry()", [], returns=["address"])
        return parse_address(values[0], what="nodeRegistry")

    def grant_call(self, mandate: Mandate) -> CallRequest:
        """Return the call that grants `mandate`; its account must make it."""
        return self._call(encode_call(GRANT, [mandate.abi_values()]), mandate.account)

    def revoke_call(self, mandate_id: Digest, *, account: Address) -> CallRequest:
        """Return the call that revokes a mandate for good; its account must make it."""
        return self._call(encode_call("revoke(bytes32)", [mandate_id]), account)

    def stop_call(
        self, mandate_id: Digest, *, until: int, sender: Address
    ) -> CallRequest:
        """Return the call that stops a mandate; guardian or account must make it.

        Args:
            until: unix seconds, exclusive.
            sender: who makes it.
        """
        return self._call(encode_call(STOP, [mandate_id, until]), sender)

    def resume_call(self, mandate_id: Digest, *, account: Address) -> CallRequest:
        """Return the call that lifts a stop; the mandate's account must make it."""
        return self._call(encode_call("resume(bytes32)", [mandate_id]), account)

    def set_grant_delay_call(self, delay: int, *, account: Address) -> CallRequest:
        """Return the call that sets how long future grants wait, in seconds."""
        return self._call(encode_call("setGrantDelay(uint32)", [delay]), account)

    def ban_key_call(
        self, mandate_id: Digest, *, key: Address, account: Address
    ) -> CallRequest:
        """Return the call that bans a node key; the mandate's account must make it."""
        data = encode_call("banKey(bytes32,address)", [mandate_id, key])
        return self._call(data, account)

    def verdict_call(
        self, verdict: Verdict, *, signatures: bytes, sender: Address
    ) -> CallRequest:
        """Return the call that bans a node key by endorsers' verdict; anyone may.

        Args:
            signatures: joined, as `signature.join_signatures` does.
        """
        signature = f"banKeyByVerdict({VERDICT_ABI},bytes)"
        data = encode_call(signature, [verdict.abi_values(), signatures])
        return self._call(data, sender)

    def checkpoint_call(
        self, checkpoint: Checkpoint, *, signatures: bytes, sender: Address
    ) -> CallRequest:
        """Return the call that brings a checkpoint; anyone may make it.

        Args:
            signatures: joined, as `signature.join_signatures` does.
        """
        signature = f"checkpoint({CHECKPOINT_ABI},bytes)"
        data = encode_call(signature, [checkpoint.abi_values(), signatures])
        return self._call(data, sender)

    def cancel_call(
        self, mandate_id: Digest, *, digest: Digest, sender: Address
    ) -> CallRequest:
        """Return the call that cancels a queued decision; its mandate's account,
        guardian or an endorser must make it."""
        data = encode_call("cancel(bytes32,bytes32)", [mandate_id, digest])
        return self._call(data, sender)

    def queue_call(self, submission: Submission, *, sender: Address) -> CallRequest:
        """Return the call that queues a decision; the operator must make it."""
        return self._call(encode_queue(submission), sender)

    def execute_call(
        self, submission: Submission, *, sender: Address, blank: bool = False
    ) -> CallRequest:
        """Return the call that submits a decision, to be signed and sent.

        Args:
            blank: leave out what the gate knows; see `encode_execute`.
        """
        return self._call(encode_execute(submission, blank=blank), sender)

    def simulate(
        self, submission: Submission, *, sender: Address, base: Block | None = None
    ) -> SimulatedExecution:
        """Run `execute` in a simulated block on top of `base` (None: the newest).

        Raises:
            ContractError: the gate refuses; the subclass is its own error.
            MalformedError: the gate answers something else than a digest.
            ChainUnavailableError: as `Chain` says.
        """
        call = self.execute_call(submission, sender=sender)
        outcome = self.chain.simulate([call], base=base)[0]
        if not outcome.succeeded:
            raise decode_revert(outcome.data)
        values: Any = decode_exactly(["bytes32"], outcome.data, what="execute")
        return SimulatedExecution(Digest(values[0]), outcome.gas_used)

    def execute(
        self,
        submission: Submission,
        *,
        operator: LocalAccount,
        blank: bool = False,
        gas: int | None = None,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Submit a decision and return the receipt once it was executed.

        Args:
            blank: leave out what the gate knows; see `encode_execute`.

        Raises:
            ContractError: the gate refuses; with `gas` None, nothing was sent.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        sender = Address(operator.address)
        call = self.execute_call(submission, sender=sender, blank=blank)
        return send(self.chain, call, signer=operator, gas=gas, timeout=timeout)

    def try_execute(
        self,
        submission: Submission,
        *,
        operator: LocalAccount,
        gas: int | None = None,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Submit a decision whose refusal, if any, is recorded on chain.

        Ask `executed_in` and `refused_in` what became of it.

        Raises:
            ContractError: `operator` is not the mandate's.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        sender = Address(operator.address)
        call = self._call(encode_try_execute(submission), sender)
        return send(self.chain, call, signer=operator, gas=gas, timeout=timeout)

    def executed_in(
        self, receipt: TransactionReceipt, *, digest: Digest
    ) -> DecisionExecuted:
        """Return this gate's event of the decision `digest` in a receipt.

        Raises:
            MalformedError: the receipt has none, or a malformed one.
        """
        where = f"transaction {to_hex(receipt.transaction_hash)}"
        return self.executed_among(receipt.logs, digest=digest, where=where)

    def executed_among(
        self, events: Sequence[Event], *, digest: Digest, where: str
    ) -> DecisionExecuted:
        """Return this gate's event of the decision `digest` among `events`.

        Args:
            where: whose events they are, for the error.

        Raises:
            MalformedError: it is not among them, or malformed.
        """
        executed = [
            DecisionExecuted.of(event)
            for event in events
            if event.address == self.address and event.topics[:1] == (EXECUTED_TOPIC,)
        ]
        found = [event for event in executed if event.digest == digest]
        if len(found) != 1:
            raise MalformedError(
                where,
                got=f"events of {[to_hex(event.digest) for event in executed]}",
                expected=f"one execution of {to_hex(digest)}",
            )
        return found[0]

    def refused_in(self, receipt: TransactionReceipt) -> tuple[DecisionRefused, ...]:
        """Return this gate's recorded refusals in a receipt.

        Raises:
            MalformedError: one is malformed.
        """
        return tuple(
            DecisionRefused.of(log)
            for log in receipt.logs
            if log.address == self.address and log.topics[:1] == (REFUSED_TOPIC,)
        )

    def _call(self, data: bytes, sender: Address) -> CallRequest:
        return CallRequest(target=self.address, data=data, sender=sender)

    def _view(
        self,
        signature: str,
        arguments: list[object],
        *,
        returns: list[str],
        block_hash: Digest | None = None,
    ) -> tuple[object, ...]:
        data = self.chain.call(
            self.address, encode_call(signature, arguments), block_hash=block_hash
        )
        return decode_exactly(returns, data, what=signature.partition("(")[0])

    def _digest(
        self,
        signature: str,
        arguments: list[object],
        *,
        block_hash: Digest | None = None,
    ) -> Digest:
        values: Any = self._view(
            signature, arguments, returns=["bytes32"], block_hash=block_hash
        )
        return Digest(values[0]) if values else ZERO_DIGEST
