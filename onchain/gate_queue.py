"""What became of a decision that the gate queued: its events, looked for by digest.

The gate's state says whether its head waits; a head that waits no more was executed or
cancelled, and only the events tell which. This module decides nothing. It trusts the
endpoint behind `chain` to leave no event out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from affiant.encoding import Digest
from affiant.errors import MalformedError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Event, Log
from affiant.onchain.gate_events import (
    CANCELLED_TOPIC,
    EXECUTED_TOPIC,
    QUEUED_TOPIC,
    DecisionCancelled,
    DecisionExecuted,
    DecisionQueued,
)
from affiant.onchain.mandate import Address, Mandate


@dataclass(frozen=True)
class QueueEnd:
    """How the wait of a queued decision ended."""

    how: Literal["executed", "cancelled"]
    by: Address | None
    """Who cancelled it."""
    executed: DecisionExecuted | None
    log: Log
    """The event, and where it is."""


def queued_among(
    events: tuple[Event, ...], *, gate: Address, digest: Digest, where: str
) -> DecisionQueued:
    """Return the gate's event that `digest` took the head, among `events`.

    Args:
        where: whose events they are, for the error.

    Raises:
        MalformedError: it is not among them exactly once, or malformed.
    """
    found = [
        queued
        for event in events
        if event.address == gate and event.topics[:1] == (QUEUED_TOPIC,)
        if (queued := DecisionQueued.of(event)).digest == digest
    ]
    if len(found) != 1:
        raise MalformedError(
            where, got=f"{len(found)} events that it was queued", expected="one"
        )
    return found[0]


def queued_on(
    chain: Chain, *, gate: Address, mandate: Mandate, digest: Digest, slot: int
) -> DecisionQueued | None:
    """Return the event with which `digest` took the head in `slot`; None: none is told.

    Raises:
        ChainUnavailableError: the chain cannot be asked.
        MalformedError: the event is not its one encoding.
    """
    first = mandate.anchor_of(slot)
    logs = chain.logs(
        gate,
        topics=[QUEUED_TOPIC, mandate.id, digest],
        from_block=first,
        # It took the head in its slot, or never.
        to_block=min(first + mandate.cadence - 1, chain.block_number()),
    )
    return DecisionQueued.of(logs[-1]) if logs else None


def end_of_queued(
    chain: Chain, *, gate: Address, mandate: Mandate, digest: Digest, slot: int
) -> QueueEnd | None:
    """Return how the wait of `digest` ended, which was queued in `slot`.

    Returns:
        None: neither executed nor cancelled, as far as the endpoint tells.

    Raises:
        ChainUnavailableError: the chain cannot be asked.
        MalformedError: an event is not its one encoding.
    """
    span = (mandate.anchor_of(slot), chain.block_number())
    for topic in (EXECUTED_TOPIC, CANCELLED_TOPIC):
        logs = chain.logs(
            gate,
            topics=[topic, mandate.id, digest],
            from_block=span[0],
            to_block=span[1],
        )
        if logs and topic == EXECUTED_TOPIC:
            event = DecisionExecuted.of(logs[-1])
            return QueueEnd("executed", None, event, logs[-1])
        if logs:
            by = DecisionCancelled.of(logs[-1]).by
            return QueueEnd("cancelled", by, None, logs[-1])
    return None
