"""What the gate says it did: its events as values.

Pure. It decides that a log is the one encoding of an event. That the log is the gate's
and the chain's is for whoever fetched it. It trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from affiant.encoding import Digest, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.onchain.abi import decode_exactly
from affiant.onchain.chain_types import Event
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.gate_calldata import mandate_of
from affiant.onchain.mandate import MANDATE_ABI, Address, Mandate, parse_address
from affiant.onchain.reverts import ContractError

EXECUTED_TOPIC = keccak256(
    b"DecisionExecuted(bytes32,bytes32,address,uint64,uint64,bytes32,uint256,int256[])"
)
"""First topic of `DecisionExecuted`."""

REFUSED_TOPIC = keccak256(b"DecisionRefused(bytes32,bytes32,bytes)")
"""First topic of `DecisionRefused`."""

GRANTED_TOPIC = keccak256(
    f"MandateGranted(bytes32,address,uint64,{MANDATE_ABI})".encode()
)
"""First topic of `MandateGranted`."""

WITHDRAWN_TOPIC = keccak256(b"MandateWithdrawn(bytes32,address)")
"""First topic of `MandateWithdrawn`: the account revoked it, for good."""

HALTED_TOPIC = keccak256(b"MandateHalted(bytes32,address,uint64)")
"""First topic of `MandateHalted`: its guardian or account stopped it."""

QUEUED_TOPIC = keccak256(
    b"DecisionQueued(bytes32,bytes32,address,uint64,uint64,bytes32,uint256,uint64,uint64)"
)
"""First topic of `DecisionQueued`."""

CANCELLED_TOPIC = keccak256(b"DecisionCancelled(bytes32,bytes32,address)")
"""First topic of `DecisionCancelled`."""

CHECKPOINT_TOPIC = keccak256(b"CheckpointReached(bytes32,bytes32,uint256)")
"""First topic of `CheckpointReached`."""

BANNED_TOPIC = keccak256(b"KeyBanned(bytes32,address,bytes32)")
"""First topic of `KeyBanned`."""


@dataclass(frozen=True)
class DecisionExecuted:
    """A decision was executed; it has the head now, or had it since it was queued."""

    mandate: Digest
    digest: Digest
    """The decision's EIP-712 digest."""
    node: Address
    slot: int
    skipped: int
    """Slots since the last that was used, or the grant, in which nothing acted; 0 for a
    decision that was queued, whose own event told them."""
    previous: Digest
    """The head before."""
    value_at_risk: int
    """Value, 8 decimals, that was added to the outflow."""
    changes: tuple[int, ...]
    """Measured change per tracked entry, base units; debts count negatively."""

    @classmethod
    def of(cls, log: Event) -> DecisionExecuted:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=EXECUTED_TOPIC, topics=4, what="DecisionExecuted")
        slot, skipped, previous, value_at_risk, changes = _data(
            log, ["uint64", "uint64", "bytes32", "uint256", "int256[]"]
        )
        return cls(
            mandate=log.topics[1],
            digest=log.topics[2],
            node=_address(log.topics[3]),
            slot=slot,
            skipped=skipped,
            previous=Digest(previous),
            value_at_risk=value_at_risk,
            changes=tuple(changes),
        )


@dataclass(frozen=True)
class DecisionRefused:
    """The operator submitted a decision that the gate refused."""

    mandate: Digest
    digest: Digest
    reason: ContractError
    """Why; not raised."""

    @classmethod
    def of(cls, log: Event) -> DecisionRefused:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=REFUSED_TOPIC, topics=3, what="DecisionRefused")
        (reason,) = _data(log, ["bytes"])
        return cls(
            mandate=log.topics[1],
            digest=log.topics[2],
            reason=decode_revert(reason),
        )


@dataclass(frozen=True)
class DecisionQueued:
    """A decision took the head and waits out its delay."""

    mandate: Digest
    digest: Digest
    """The decision's EIP-712 digest."""
    node: Address
    slot: int
    skipped: int
    """Slots since the last that was used, or the grant, in which nothing acted."""
    previous: Digest
    """The head before."""
    value_at_risk: int
    """Value, 8 decimals, at the prices of then; counted at those of its execution."""
    ready_at: int
    """Unix seconds from which on it executes."""
    valid_until: int
    """Unix seconds, inclusive, until which it can."""

    @classmethod
    def of(cls, log: Event) -> DecisionQueued:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=QUEUED_TOPIC, topics=4, what="DecisionQueued")
        slot, skipped, previous, value_at_risk, ready_at, valid_until = _data(
            log, ["uint64", "uint64", "bytes32", "uint256", "uint64", "uint64"]
        )
        return cls(
            mandate=log.topics[1],
            digest=log.topics[2],
            node=_address(log.topics[3]),
            slot=slot,
            skipped=skipped,
            previous=Digest(previous),
            value_at_risk=value_at_risk,
            ready_at=ready_at,
            valid_until=valid_until,
        )


@dataclass(frozen=True)
class DecisionCancelled:
    """A queued decision was cancelled, and never executes. It stays the head."""

    mandate: Digest
    digest: Digest
    by: Address

    @classmethod
    def of(cls, log: Event) -> DecisionCancelled:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=CANCELLED_TOPIC, topics=4, what="DecisionCancelled")
        _data(log, [])
        return cls(log.topics[1], log.topics[2], _address(log.topics[3]))


@dataclass(frozen=True)
class CheckpointReached:
    """Endorsers audited everything up to a head."""

    mandate: Digest
    head: Digest
    outflow: int
    """Value, 8 decimals: the mandate's outflow up to that head."""

    @classmethod
    def of(cls, log: Event) -> CheckpointReached:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=CHECKPOINT_TOPIC, topics=3, what="CheckpointReached")
        (outflow,) = _data(log, ["uint256"])
        return cls(log.topics[1], log.topics[2], outflow)


@dataclass(frozen=True)
class KeyBanned:
    """A key swears nothing more under a mandate."""

    mandate: Digest
    key: Address
    decision: Digest
    """What endorsers found false; zero: the account banned it."""

    @classmethod
    def of(cls, log: Event) -> KeyBanned:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, or not its one encoding.
        """
        _check(log, topic=BANNED_TOPIC, topics=3, what="KeyBanned")
        (decision,) = _data(log, ["bytes32"])
        return cls(log.topics[1], _address(log.topics[2]), Digest(decision))


@dataclass(frozen=True)
class MandateGranted:
    """An account granted a mandate."""

    mandate_id: Digest
    account: Address
    live_from: int
    """Unix seconds from which decisions execute."""
    mandate: Mandate

    @classmethod
    def of(cls, log: Event) -> MandateGranted:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, not its one encoding, or the mandate
                does not hash to its id.
        """
        _check(log, topic=GRANTED_TOPIC, topics=3, what="MandateGranted")
        live_from, values = _data(log, ["uint64", MANDATE_ABI])
        mandate = mandate_of(values)
        if mandate.id != log.topics[1]:
            raise MalformedError(
                "MandateGranted", got=to_hex(mandate.id), expected=to_hex(log.topics[1])
            )
        return cls(
            mandate_id=log.topics[1],
            account=_address(log.topics[2]),
            live_from=live_from,
            mandate=mandate,
        )


def _check(log: Event, *, topic: Digest, topics: int, what: str) -> None:
    if len(log.topics) != topics or log.topics[0] != topic:
        got = to_hex(log.topics[0]) if log.topics else "none"
        raise MalformedError(
            f"event {what}",
            got=f"{len(log.topics)} topics, first {got}",
            expected=f"{topics} topics, first {to_hex(topic)}",
        )


def _data(log: Event, types: list[str]) -> Any:
    return decode_exactly(types, log.data, what="event data")


def _address(topic: Digest) -> Address:
    if any(topic[:12]):
        raise MalformedError(
            "event address", got=to_hex(topic), expected="12 zero bytes before it"
        )
    return parse_address(to_hex(topic[12:]), what="event address")
