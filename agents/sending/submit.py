"""Sending a decision once: written down first, signed, sent, and settled afterwards.

It decides that no decision is sent twice, and no two decisions of one slot: the journal
has each transaction on disk before its first byte leaves. What happens to it until it
is mined is `affiant.agents.sending.outbox`'s; here is who asks: `confirm`, as long as a
run waits, and `settle`, before each run, for everything that earlier runs left open, a
crash's leftovers included. It does not decide what to send, and trusts the journal's
file and the agent's own chain endpoints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from affiant.agents.durable.journal import Entry, Journal, Status
from affiant.agents.errors import (
    AlreadySentError,
    CancelledError,
    NotWaitingError,
    RevertedError,
    SlotSentError,
    TransactionGoneError,
)
from affiant.agents.sending.attempts import Act, Attempt, Pending, pending_in
from affiant.agents.sending.outbox import Fate, Outbox, SendingPolicy, Sent
from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import AffiantError
from affiant.onchain.chain import (
    FIRST_POLL_SECONDS,
    GAS_MARGIN_PERCENT,
    Chain,
    pauses,
)
from affiant.onchain.chain_types import CallRequest, Log, TransactionReceipt
from affiant.onchain.errors import AnchorReorgedError, ReceiptTimeoutError
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address, Mandate, parse_integer
from affiant.onchain.sending import explain_failure

WATCHED_BLOCKS = 256
"""How long an execution is looked for again: no chain that we know reorganises deeper,
and the gate's own anchors reach no further where EIP-2935 is missing."""

WATCHED = 32
"""Most executions that are looked for again."""


_MINED: dict[Act, Status] = {"execute": "done", "queue": "queued", "release": "done"}
"""What a row `confirm` says of a call that was mined and succeeded."""


@dataclass(frozen=True)
class Outgoing:
    """One decision on its way to the gate."""

    run: str
    slot: int
    digest: Digest
    call: CallRequest
    """The very call whose gas was estimated, from the operator to the gate."""
    gas: int
    """Estimate; the limit adds a margin."""
    previous: Digest
    """The head that the decision follows."""
    valid_until: int
    """Unix seconds, inclusive, until which it executes."""
    act: Act = "execute"


class Submitter:
    """Sends decisions of one mandate from the operator's key."""

    def __init__(
        self,
        chain: Chain,
        *,
        gate: Address,
        mandate: Mandate,
        operator: LocalAccount,
        journal: Journal,
        clock: Callable[[], float],
        policy: SendingPolicy | None = None,
    ) -> None:
        """Remember where to send from and to.

        Args:
            chain: the agent's own endpoints.
            gate: the mandate's.
            operator: pays gas; decides nothing.
            clock: unix seconds, for the journal.
            policy: when a transaction counts as mined, stuck or dropped.
        """
        self._chain = chain
        self._mandate = mandate
        self._sender = Address(str(operator.address))
        self._journal = journal
        self._clock = clock
        self._outbox = Outbox(
            chain,
            gate=GateClient(chain, gate),
            mandate=mandate,
            operator=operator,
            journal=journal,
            clock=clock,
            policy=SendingPolicy() if policy is None else policy,
        )

    def send(self, outgoing: Outgoing) -> Sent:
        """Write the transaction down, send it and return who took it.

        1. refuse what was sent before, and a second decision of the slot; 2. the nonce
        after everything sent before; 3. sign, write it down, send.

        Raises:
            AlreadySentError: the journal knows this decision as sent.
            NotWaitingError: it is to be released, and does not wait.
            SlotSentError: it knows another decision of the slot as sent.
            JournalError: it cannot be written down; nothing was sent.
            FeeTooHighError: the fee would be above the limits; nothing was signed.
            TransactionRefusedError: no endpoint took it; nothing was sent.
            ChainUnavailableError: whether it was sent is unknown; `settle` finds out.
        """
        # 1.
        mandate, slot = self._mandate.id, outgoing.slot
        if outgoing.act == "release":
            self._refuse_second_release(outgoing)
        else:
            self._refuse_second(outgoing)
        # 2.
        nonce = self._chain.nonce(self._sender)
        for open_ in self._open():
            # An endpoint that lost the one before does not count it.
            nonce = max(nonce, open_.nonce + 1)
        # 3.
        entry = Entry(
            run=outgoing.run,
            mandate=mandate,
            slot=slot,
            step="submit",
            status="sending",
            at=self._clock(),
            digest=outgoing.digest,
        )
        attempt = Attempt(
            entry=entry,
            kind="execute",
            nonce=nonce,
            gas=outgoing.gas * (100 + GAS_MARGIN_PERCENT) // 100,
            fees=self._chain.fees(),
            raw=b"",
            previous=outgoing.previous,
            valid_until=outgoing.valid_until,
            act=outgoing.act,
        )
        return self._outbox.sign_and_send(entry, call=outgoing.call, attempt=attempt)

    def _refuse_second(self, outgoing: Outgoing) -> None:
        earlier = self._journal.sent(outgoing.digest)
        if earlier is not None:
            raise AlreadySentError(
                outgoing.digest, transaction=str(earlier.transaction)
            )
        slot = outgoing.slot
        for entry in self._journal.entries(mandate=self._mandate.id, slot=slot):
            if entry.status == "sending" and entry.digest is not None:
                raise SlotSentError(
                    slot, digest=entry.digest, transaction=str(entry.transaction)
                )

    def _refuse_second_release(self, outgoing: Outgoing) -> None:
        """Refuse a release beside another; one that reverted may be tried again."""
        for one in self._open():
            for attempt in one.attempts:
                if attempt.entry.digest == outgoing.digest:
                    raise AlreadySentError(
                        outgoing.digest, transaction=attempt.transaction
                    )
        waiting = self._journal.queued(self._mandate.id)
        if outgoing.digest not in [entry.digest for entry in waiting]:
            raise NotWaitingError(outgoing.digest)

    def settled(self, transaction: str, *, timeout: float) -> None:
        """Look after what is open until `transaction` has its fate, or time is over.

        Raises:
            ChainUnavailableError: the chain cannot be asked.
        """
        deadline = time.monotonic() + timeout
        for pause in pauses(FIRST_POLL_SECONDS):
            if transaction not in [entry.transaction for entry in self.settle()]:
                return
            if time.monotonic() + pause > deadline:
                return
            time.sleep(pause)

    def settle(self) -> tuple[Entry, ...]:
        """Look after everything whose fate is unknown, and write down what is known.

        Executions that a reorganisation took off the chain are open again.

        Returns:
            The decisions still open: they may yet be mined.

        Raises:
            ChainUnavailableError: the chain cannot be asked.
        """
        pending = self._open()
        gone = self._reorganised(pending)
        for entry in gone:
            self._outbox.reopen(entry)
        if gone:
            pending = self._open()
        waiting = []
        for index, one in enumerate(pending):
            fate = self._outbox.advance(one, later=index + 1 < len(pending))
            if fate is None:
                waiting.append(one.newest.entry)
            else:
                self._finish(one, fate)
        return tuple(waiting)

    def confirm(self, transaction: str, *, timeout: float) -> TransactionReceipt:
        """Wait until the decision sent as `transaction` is mined, deep enough.

        Returns:
            The receipt of the transaction that was mined: a replacement's, perhaps.

        Raises:
            ReceiptTimeoutError: not mined in time; it may still be.
            RevertedError: mined and reverted; says why as far as the chain tells.
            CancelledError, TransactionGoneError: it can no longer execute.
        """
        deadline = time.monotonic() + timeout
        for pause in pauses(FIRST_POLL_SECONDS):
            pending = self._open()
            for index, one in enumerate(pending):
                fate = self._outbox.advance(one, later=index + 1 < len(pending))
                if transaction in [a.transaction for a in one.attempts]:
                    if fate is not None:
                        return self._ended(one, fate, transaction=transaction)
                elif fate is not None:
                    self._finish(one, fate)
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        raise ReceiptTimeoutError(
            self._chain.endpoint, transaction=transaction, limit=timeout
        )

    def _ended(
        self, pending: Pending, fate: Fate, *, transaction: str
    ) -> TransactionReceipt:
        """Return the receipt of an execution; raise what else became of it."""
        ours = fate.attempt is not None and fate.attempt.transaction == transaction
        # The run writes down what became of the transaction that it knows.
        self._close(pending, fate, mined=not (ours or fate.kind == "executed"))
        receipt = fate.receipt
        if fate.attempt is None or receipt is None:
            raise TransactionGoneError(transaction=transaction, reason=fate.why)
        if fate.kind == "cancelled":
            raise CancelledError(transaction=transaction, by=fate.attempt.transaction)
        if fate.kind == "reverted":
            raise RevertedError(
                transaction=fate.attempt.transaction, reason=self._reason(receipt)
            )
        return receipt

    def _open(self) -> tuple[Pending, ...]:
        return pending_in(self._journal.unsettled(self._mandate.id))

    def _reorganised(self, pending: Sequence[Pending]) -> list[Entry]:
        """Return executions that are no longer where they were, oldest first.

        The newest that still stands ends the search: what is below it stands too.
        """
        gone: list[Entry] = []
        seen = {attempt.transaction for one in pending for attempt in one.attempts}
        mandate = self._mandate.id
        settled = self._journal.entries(mandate=mandate, step="confirm", last=WATCHED)
        for entry in reversed(settled):
            place = None if entry.transaction in seen else _place(entry)
            seen.add(str(entry.transaction))
            if place is None:
                continue
            number, block_hash = place
            head = self._chain.block_number()
            # Above the head: an endpoint that is a block late, until it is not.
            if not head - WATCHED_BLOCKS <= number <= head:
                break
            try:
                self._chain.verify_canonical(number=number, block_hash=block_hash)
                break
            except AnchorReorgedError:
                gone.append(entry)
        return gone[::-1]

    def _finish(self, pending: Pending, fate: Fate) -> None:
        """Write down how the run of a decision ended, which nobody waits for."""
        self._close(pending, fate, mined=True)
        entry, why = pending.decision, fate.why
        status: Status = "lost"
        if fate.attempt is not None and fate.kind == "executed":
            entry, status = fate.attempt.entry, "done"
            why = "mined; found out later"
            if fate.attempt.act == "queue":
                status = "queued"
        if fate.receipt is not None and fate.kind == "reverted":
            status, why = "refused", f"reverted: {self._reason(fate.receipt)}"
        if pending.newest.act == "release" and status != "done":
            # Only the gate ends a wait; whoever looks after the queue asks it.
            status = "queued" if self._outbox.waits(entry.run) else "lost"
        self._outbox.note(entry, step="record", status=status, detail={"why": why})

    def _close(self, pending: Pending, fate: Fate, *, mined: bool) -> None:
        """Write down the fate of every transaction under a nonce.

        Args:
            mined: that of the one that was mined too; otherwise the run does that.
        """
        for attempt in pending.attempts:
            status: Status = "lost"
            detail: dict[str, JsonValue] = {"why": fate.why}
            if fate.attempt is not None:
                detail["why"] = f"its nonce was used by {fate.attempt.transaction}"
                if attempt.transaction == fate.attempt.transaction:
                    if not mined:
                        continue
                    status = _MINED[attempt.act]
                    if fate.kind != "executed":
                        status = "refused" if fate.kind == "reverted" else "freed"
                    detail = {"why": fate.kind, **place_of(fate.receipt)}
            self._outbox.note(
                attempt.entry, step="confirm", status=status, detail=detail
            )

    def _reason(self, receipt: TransactionReceipt) -> str:
        try:
            return str(explain_failure(self._chain, receipt))
        except AffiantError as error:
            return f"unknown, because {error}"


def place_of(receipt: TransactionReceipt | None) -> dict[str, JsonValue]:
    """Return where a transaction was mined, as the journal writes it."""
    if receipt is None:
        return {}
    return {"block": receipt.block_number, "blockHash": to_hex(receipt.block_hash)}


def place_of_log(log: Log) -> dict[str, JsonValue]:
    """Return where an event is, in the same words."""
    return {"block": log.block_number, "blockHash": to_hex(log.block_hash)}


def _place(entry: Entry) -> tuple[int, Digest] | None:
    """Return where the journal says that an execution was mined; None: it does not."""
    detail = entry.detail
    if entry.status not in ("done", "queued", "freed") or entry.digest is None:
        return None
    if not isinstance(detail, dict) or "blockHash" not in detail:
        return None
    return (
        parse_integer(detail.get("block"), what="journal.block", bits=53),
        digest_from_hex(detail["blockHash"], what="journal.blockHash"),
    )
