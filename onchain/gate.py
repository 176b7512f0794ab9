"""The gate's client: reads its state, submits decisions, reads what it says it did.

It decides nothing that the gate decides: it encodes, sends and decodes strictly. It
trusts the endpoint behind `chain` for state and the gate at `address` for nothing but
being the contract that the caller means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from affiant.encoding import ZERO_DIGEST, Digest, to_hex
from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, CallRequest, TransactionReceipt
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.decision import DECISION_ABI, Decision
from affiant.onchain.gate_calldata import (
    GRANT,
    STOP,
    Submission,
    decode_execute,
    encode_execute,
    encode_try_execute,
)
from affiant.onchain.gate_events import (
    EXECUTED_TOPIC,
    REFUSED_TOPIC,
    DecisionExecuted,
    DecisionRefused,
    MandateGranted,
)
from affiant.onchain.mandate import NATIVE, Address, Mandate, parse_address
from affiant.onchain.sending import CONFIRM_SECONDS, send

__all__ = [
    "DecisionExecuted",
    "DecisionRefused",
    "GateClient",
    "MandateGranted",
    "MandateState",
    "SimulatedExecution",
    "Submission",
    "decode_execute",
    "encode_execute",
    "encode_try_execute",
]


@dataclass(frozen=True)
class MandateState:
    """What the gate stores of a mandate, and when it was read."""

    head: Digest
    """Digest of the last executed decision; the mandate's id before the first."""
    unaudited: int
    """Value, 8 decimals: outflow since the last audited head."""
    live_from: int
    """Unix seconds, inclusive."""
    next_slot: int
    """Least slot that may still act."""
    stopped_until: int
    """Unix seconds, exclusive; 0: not stopped."""
    revoked: bool
    account: Address
    """The zero address: unknown mandate."""
    block: Block
    """At which this was read."""

    @property
    def outflow(self) -> int:
        """Value, 8 decimals: at risk in all decisions since the grant; never falls.

        This gate has no checkpoints yet, so that nothing was ever taken out.
        """
        return self.unaudited

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
            returns=[
                "bytes32",
                "uint104",
                "uint48",
                "uint48",
                "uint48",
                "bool",
                "address",
            ],
            block_hash=at.hash,
        )
        head, unaudited, live_from, next_slot, stopped_until, revoked, account = values
        return MandateState(
            head=Digest(head),
            unaudited=unaudited,
            live_from=live_from,
            next_slot=next_slot,
            stopped_until=stopped_until,
            revoked=revoked,
            account=parse_address(account, what="stateOf.account"),
            block=at,
        )

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
        """Return the node registry that the gate asks."""
        values: Any = self._view("nodeRegistry()", [], returns=["address"])
        return parse_address(values[0], what="nodeRegistry")

    def grant_call(self, mandate: Mandate) -> CallRequest:
        """Return the call that grants `mandate`; its account must make it."""
        return self._call(encode_call(GRANT, [mandate.abi_values()]), mandate.account)

    def revoke_call(self, mandate_id: Digest, *, account: Address) -> CallRequest:
        """Return the call that revokes a mandate for good; its account must make it."""
        return self._call(encode_call("revoke(bytes32)", [mandate_id]), account)

    def stop_call(
        self, mandate: Mandate, *, until: int, sender: Address
    ) -> CallRequest:
        """Return the call that stops a mandate; guardian or account must make it.

        Args:
            until: unix seconds, exclusive.
            sender: who makes it.
        """
        return self._call(encode_call(STOP, [mandate.abi_values(), until]), sender)

    def resume_call(self, mandate_id: Digest, *, account: Address) -> CallRequest:
        """Return the call that lifts a stop; the mandate's account must make it."""
        return self._call(encode_call("resume(bytes32)", [mandate_id]), account)

    def set_grant_delay_call(self, delay: int, *, account: Address) -> CallRequest:
        """Return the call that sets how long future grants wait, in seconds."""
        return self._call(encode_call("setGrantDelay(uint32)", [delay]), account)

    def execute_call(self, submission: Submission, *, sender: Address) -> CallRequest:
        """Return the call that submits a decision, to be signed and sent."""
        return self._call(encode_execute(submission), sender)

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
        gas: int | None = None,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Submit a decision and return the receipt once it was executed.

        Raises:
            ContractError: the gate refuses; with `gas` None, nothing was sent.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        call = self.execute_call(submission, sender=Address(operator.address))
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
        events = [
            DecisionExecuted.of(log)
            for log in receipt.logs
            if log.address == self.address and log.topics[:1] == (EXECUTED_TOPIC,)
        ]
        found = [event for event in events if event.digest == digest]
        if len(found) != 1:
            raise MalformedError(
                f"transaction {to_hex(receipt.transaction_hash)}",
                got=f"events of {[to_hex(event.digest) for event in events]}",
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
