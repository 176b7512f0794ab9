"""The index of a mandate's executed decisions, from the chain alone.

It decides that the list is complete: every execution names the head before it, so the
events must form one unbroken line from the mandate's id to the head that the gate
holds. An endpoint that leaves one out, or adds one, is found out. It does not decide
whether the decisions were right. It trusts the endpoint only for what it cannot check
here: that its logs and heads are the chain's.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import Digest, to_hex
from affiant.errors import MalformedError, RejectedError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, Log, Transaction
from affiant.onchain.gate import GateClient
from affiant.onchain.gate_calldata import Submission, decode_execute
from affiant.onchain.gate_events import (
    EXECUTED_TOPIC,
    GRANTED_TOPIC,
    REFUSED_TOPIC,
    DecisionExecuted,
    DecisionRefused,
    MandateGranted,
)
from affiant.onchain.mandate import Address
from affiant.onchain.sending import TransactionUnknownError


class HistoryBrokenError(RejectedError):
    """The executions do not form one line from the mandate's id to its head."""

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
    """In order; the first follows the mandate's id, the last is the head."""
    refused: tuple[DecisionRefused, ...]
    """Refusals that the operator had recorded."""
    head: Digest
    upto: Block
    """The block whose head this is."""


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
    executed = tuple(_executed(chain, gate, log) for log in logs(EXECUTED_TOPIC))
    head = GateClient(chain, gate).head_of(mandate_id, block_hash=upto.hash)
    _check_line(executed, mandate_id=mandate_id, head=head)
    return MandateHistory(
        granted=MandateGranted.of(grants[0]),
        granted_block=grants[0].block_number,
        executed=executed,
        refused=tuple(DecisionRefused.of(log) for log in logs(REFUSED_TOPIC)),
        head=head,
        upto=upto,
    )


def _executed(chain: Chain, gate: Address, log: Log) -> ExecutedDecision:
    event = DecisionExecuted.of(log)
    transaction = chain.transaction(log.transaction_hash)
    if transaction is None:
        raise TransactionUnknownError(log.transaction_hash)
    submission, unreadable = None, ""
    if transaction.target != gate:
        unreadable = f"sent to {transaction.target}, not to the gate"
    else:
        try:
            submission = decode_execute(transaction.data)
        except MalformedError as error:
            unreadable = str(error)
    return ExecutedDecision(
        event=event,
        block_number=log.block_number,
        block_hash=log.block_hash,
        log_index=log.log_index,
        transaction=transaction,
        submission=submission,
        unreadable=unreadable,
    )


def _check_line(
    executed: tuple[ExecutedDecision, ...], *, mandate_id: Digest, head: Digest
) -> None:
    last = mandate_id
    for index, item in enumerate(executed):
        if item.event.previous != last:
            raise HistoryBrokenError(
                f"`previous` of execution {index} in block {item.block_number}",
                got=to_hex(item.event.previous),
                expected=to_hex(last),
            )
        last = item.event.digest
    if last != head:
        raise HistoryBrokenError(
            "digest of the last execution", got=to_hex(last), expected=to_hex(head)
        )
