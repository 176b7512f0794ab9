"""The index of a mandate's executed decisions, from the chain alone.

It decides that the list is complete: every decision that takes the head, by being
executed or queued, names the head before it, so the events must form one unbroken line
from the mandate's id to the head that the gate holds. An endpoint that leaves one out,
or adds one, is found out. It does not decide whether the decisions were right. It
trusts the endpoint only for what it cannot check here: that its logs and heads are the
chain's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affiant.encoding import Digest, to_hex
from affiant.errors import MalformedError, RejectedError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, Log, Transaction
from affiant.onchain.gate import GateClient
from affiant.onchain.gate_calldata import Submission, decode_submission
from affiant.onchain.gate_events import (
    CANCELLED_TOPIC,
    CHECKPOINT_TOPIC,
    EXECUTED_TOPIC,
    GRANTED_TOPIC,
    QUEUED_TOPIC,
    REFUSED_TOPIC,
    CheckpointReached,
    DecisionCancelled,
    DecisionExecuted,
    DecisionQueued,
    DecisionRefused,
    MandateGranted,
)
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.sending import TransactionUnknownError


class HistoryBrokenError(RejectedError):
    """The decisions do not form one line from the mandate's id to its head."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


@dataclass(frozen=True)
class ExecutedDecision:
    """One execution: the event, where it is, and what was submitted."""

    event: DecisionExecuted
    block_number: int
    block_hash: Digest
    log_index: int
    taken_in: int
    """Block in which it took the head: its own, or that in which it was queued."""
    transaction: Transaction
    submission: Submission | None
    """What the transaction submitted; None where its calldata cannot be read."""
    unreadable: str
    """Why the calldata cannot be read (sent through another contract, or not in its
    one encoding); empty where it can."""


@dataclass(frozen=True)
class MandateHistory:
    """All that the gate did under one mandate up to a block."""

    granted: MandateGranted
    granted_block: int
    executed: tuple[ExecutedDecision, ...]
    """In order; together with `queued`, in the order in which they took the head, they
    form one line from the mandate's id to the head."""
    queued: tuple[DecisionQueued, ...]
    """In order; those that were executed are among `executed` as well."""
    cancelled: tuple[DecisionCancelled, ...]
    checkpoints: tuple[CheckpointReached, ...]
    refused: tuple[DecisionRefused, ...]
    """Refusals that the operator had recorded."""
    head: Digest
    upto: Block
    """The block whose head this is."""

    @property
    def skips(self) -> list[tuple[int, int]]:
        """(slot, slots skipped before it) of all that took the head, in order."""
        waited = {event.digest for event in self.queued}
        acted = [
            (item.event.slot, item.event.skipped)
            for item in self.executed
            if item.event.digest not in waited
        ]
        return sorted(acted + [(event.slot, event.skipped) for event in self.queued])


def mandate_history(
    chain: Chain,
    *,
    gate: Address,
    mandate_id: Digest,
    from_block: int = 0,
    to_block: int | None = None,
) -> MandateHistory:
    """Return everything that happened under a mandate, complete or refused.

    Args:
        from_block: no later than the grant's block.
        to_block: inclusive; None: the newest block.

    Raises:
        HistoryBrokenError: no grant or several, a gap, a fork, or another head.
        MalformedError: a log is not its event's one encoding.
        TransactionUnknownError, ChainUnavailableError: the endpoint lacks something.
    """
    upto = chain.latest_block() if to_block is None else chain.block_by_number(to_block)

    def logs(topic: Digest) -> tuple[Log, ...]:
        return chain.logs(
            gate,
            topics=[topic, mandate_id],
            from_block=from_block,
            to_block=upto.number,
        )

    grants = logs(GRANTED_TOPIC)
    if len(grants) != 1:
        raise HistoryBrokenError(
            f"grants of mandate {to_hex(mandate_id)}",
            got=f"{len(grants)} in blocks {from_block} to {upto.number}",
            expected="one",
        )
    granted = MandateGranted.of(grants[0])
    queue_logs = logs(QUEUED_TOPIC)
    queued = tuple(DecisionQueued.of(log) for log in queue_logs)
    queued_in = {log.topics[2]: log.block_number for log in queue_logs}
    executed = tuple(
        _executed(chain, gate, granted.mandate, log, queued_in=queued_in)
        for log in logs(EXECUTED_TOPIC)
    )
    places = [(log.block_number, log.log_index) for log in queue_logs]
    head = GateClient(chain, gate).head_of(mandate_id, block_hash=upto.hash)
    _check_line(
        executed,
        tuple(zip(places, queued, strict=True)),
        mandate_id=mandate_id,
        head=head,
    )
    return MandateHistory(
        granted=granted,
        granted_block=grants[0].block_number,
        executed=executed,
        queued=queued,
        cancelled=tuple(DecisionCancelled.of(log) for log in logs(CANCELLED_TOPIC)),
        checkpoints=tuple(CheckpointReached.of(log) for log in logs(CHECKPOINT_TOPIC)),
        refused=tuple(DecisionRefused.of(log) for log in logs(REFUSED_TOPIC)),
        head=head,
        upto=upto,
    )


def _executed(
    chain: Chain,
    gate: Address,
    mandate: Mandate,
    log: Log,
    *,
    queued_in: Mapping[Digest, int],
) -> ExecutedDecision:
    event = DecisionExecuted.of(log)
    transaction = chain.transaction(log.transaction_hash)
    if transaction is None:
        raise TransactionUnknownError(log.transaction_hash)
    submission, unreadable = None, ""
    if transaction.target != gate:
        unreadable = f"sent to {transaction.target}, not to the gate"
    else:
        try:
            submission = decode_submission(
                transaction.data,
                mandate=mandate,
                chain_id=chain.chain_id,
                gate=gate,
                previous=event.previous,
                anchor_hash=chain.block_by_number(mandate.anchor_of(event.slot)).hash,
            )
        except MalformedError as error:
            unreadable = str(error)
    return ExecutedDecision(
        event=event,
        block_number=log.block_number,
        block_hash=log.block_hash,
        log_index=log.log_index,
        taken_in=queued_in.get(event.digest, log.block_number),
        transaction=transaction,
        submission=submission,
        unreadable=unreadable,
    )


def _check_line(
    executed: tuple[ExecutedDecision, ...],
    queued: tuple[tuple[tuple[int, int], DecisionQueued], ...],
    *,
    mandate_id: Digest,
    head: Digest,
) -> None:
    """Check that those that took the head follow one another.

    Args:
        queued: with the place of each one's event: block number and log index.
    """
    waited = {event.digest for _, event in queued}
    takes = [
        ((item.block_number, item.log_index), item.event.previous, item.event.digest)
        for item in executed
        if item.event.digest not in waited
    ]
    takes += [(place, event.previous, event.digest) for place, event in queued]
    last = mandate_id
    for index, (place, previous, digest) in enumerate(sorted(takes)):
        if previous != last:
            raise HistoryBrokenError(
                f"`previous` of decision {index} in block {place[0]}",
                got=to_hex(previous),
                expected=to_hex(last),
            )
        last = digest
    if last != head:
        raise HistoryBrokenError(
            "digest of the last decision", got=to_hex(last), expected=to_hex(head)
        )
