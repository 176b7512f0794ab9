"""What happens to a transaction between sending and mining: nothing is left stuck.

It decides, for all transactions under one nonce, by asking the chain:

    mined, deep enough                          that is its fate
    nonce used by somebody else                 gone
    the decision still executes, and
        no endpoint knows the transaction       the same bytes are sent again
        it waits for too long                   signed again with higher fees
    the decision can no longer execute, and
        nobody has it, and no later nonce waits gone: the nonce is free
        anything else                           cancelled: an empty transfer to
                                                oneself under the same nonce

Whatever is signed is in the journal before it is sent, and never offers more than the
chain's limits. It trusts no endpoint with more than time and fees: replacing and
cancelling spend at most the limits, and no transaction here can make a gate execute
what it would refuse. It does not decide what a decision is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from eth_account.signers.local import LocalAccount

from affiant.agents.deciding.live import live_head
from affiant.agents.durable.journal import Entry, Journal, Status
from affiant.agents.errors import NotLiveError, SlotRefusedError, described
from affiant.agents.sending.attempts import Attempt, Kind, Pending
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError
from affiant.onchain.chain import GAS_MARGIN_PERCENT, Chain, transaction_hash
from affiant.onchain.chain_types import Block, CallRequest, TransactionReceipt
from affiant.onchain.errors import (
    AnchorReorgedError,
    ChainUnavailableError,
    FeeTooHighError,
    TransactionRefusedError,
)
from affiant.onchain.fees import raised
from affiant.onchain.gate import GateClient
from affiant.onchain.gate_queue import end_of_queued
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.transactions import signed_call


@dataclass(frozen=True)
class SendingPolicy:
    """When an agent calls a transaction executed, stuck or dropped."""

    confirmations: int = 1
    """Blocks from the transaction's own to the newest, both counted, before it counts
    as mined; 1: as soon as it is in a block."""
    stuck_seconds: float = 45.0
    """How long a transaction waits before it is signed again for more."""
    resend_seconds: float = 10.0
    """How long after sending a transaction that nobody knows counts as dropped."""


@dataclass(frozen=True)
class Fate:
    """What became of everything under one nonce."""

    kind: Literal["executed", "reverted", "cancelled", "gone"]
    attempt: Attempt | None
    """Which of them was mined; None: none."""
    receipt: TransactionReceipt | None
    why: str


@dataclass(frozen=True)
class Sent:
    """A transaction that left."""

    entry: Entry
    """As it was written down before."""
    taken_by: tuple[str, ...]
    """Endpoints that took it, by scheme, host and port."""


class Outbox:
    """The operator's transactions of one mandate, until each has its fate."""

    def __init__(
        self,
        chain: Chain,
        *,
        gate: GateClient,
        mandate: Mandate,
        operator: LocalAccount,
        journal: Journal,
        clock: Callable[[], float],
        policy: SendingPolicy,
    ) -> None:
        """Remember where to send from and to.

        Args:
            clock: unix seconds, the journal's.
        """
        self._chain = chain
        self._gate = gate
        self._mandate = mandate
        self._operator = operator
        self._sender = Address(str(operator.address))
        self._journal = journal
        self._clock = clock
        self._policy = policy
        self._acted: dict[tuple[int, str], float] = {}
        """By nonce and what was tried: when, so that a refusal is not asked for at
        every look."""
        self._looked: dict[int, tuple[Digest, float]] = {}
        """By nonce: newest block and time of the last thorough look."""

    def sign_and_send(
        self, entry: Entry, *, call: CallRequest, attempt: Attempt
    ) -> Sent:
        """Sign `call` as `attempt` says, write it down, and send it.

        Args:
            entry: run, slot and decision that it belongs to.
            attempt: kind, nonce, gas, fees and validity; the rest is filled in.

        Raises:
            JournalError: it cannot be written down; nothing was sent.
            TransactionRefusedError: no endpoint takes it; written down as lost.
            ChainUnavailableError: whether it was sent is unknown.
        """
        raw = self._chain.sign(
            self._operator,
            call=call,
            nonce=attempt.nonce,
            gas=attempt.gas,
            fees=attempt.fees,
        )
        sending = replace(
            entry,
            step="submit",
            status="sending",
            at=self._clock(),
            transaction=to_hex(transaction_hash(raw)),
            detail=replace(attempt, raw=raw).detail(),
        )
        self._journal.append(sending)
        try:
            return Sent(sending, self._chain.broadcast(raw).taken_by)
        except TransactionRefusedError as error:
            self.note(sending, step="confirm", status="lost", detail=described(error))
            raise

    def advance(self, pending: Pending, *, later: bool) -> Fate | None:
        """Ask the chain what became of `pending`, and do what helps it along.

        Args:
            later: whether something waits under a later nonce.

        Returns:
            None while it is open: the next look may tell more.

        Raises:
            ChainUnavailableError: the chain cannot be asked.
            JournalError: nothing is sent without it.
        """
        found = self._mined(pending)
        if found is not None:
            return self._fate(*found)
        sender = self._sender
        if self._chain.mined_nonce(sender) > pending.nonce:
            # Its receipt may come later than the nonce shows.
            if self._age(pending) < self._policy.resend_seconds:
                return None
            return Fate("gone", None, None, "another transaction has its nonce")
        latest = self._chain.latest_block()
        if self._seen(pending, latest):
            return None
        standing = self._standing(pending.newest, latest=latest)
        if standing == "mined":
            return None  # its receipt follows
        known = any(self._known(attempt) for attempt in pending.attempts)
        if standing == "executable":
            if not known:
                self._send_again(pending)
            elif self._age(pending) >= self._policy.stuck_seconds:
                self._try(pending, "replace", lambda: self._replace(pending))
            return None
        if not known and not later and self._chain.nonce(sender) <= pending.nonce:
            # Should somebody have it after all, the gate refuses it.
            return Fate("gone", None, None, f"not mined in time: {standing}")
        if pending.newest.kind != "cancel":
            self._try(pending, "cancel", lambda: self._cancel(pending, why=standing))
        elif not known:
            self._send_again(pending)
        elif self._age(pending) >= self._policy.stuck_seconds:
            self._try(pending, "replace", lambda: self._replace(pending))
        return None

    def reopen(self, entry: Entry) -> None:
        """Write down that what counted as mined is no longer on the chain."""
        why = {"why": "a reorganisation took it off the chain"}
        # A release that is gone leaves a decision that waits, if its queueing stands.
        waits = entry.status == "done" and self.waits(entry.run)
        status: Status = "queued" if waits else "lost"
        self.note(entry, step="record", status=status, detail=why)
        for sent in self._journal.entries(mandate=self._mandate.id, run=entry.run):
            if sent.status == "sending" and sent.transaction == entry.transaction:
                self.note(sent, step="submit", status="sending", detail=sent.detail)
                return

    def waits(self, run: str) -> bool:
        """Say whether the journal has a run's decision in the gate's queue.

        Its queueing counts as mined, and was not sent anew since.
        """
        found = False
        for entry in self._journal.entries(run=run):
            if entry.step == "confirm" and entry.status == "queued":
                found = True
            elif entry.status == "sending" and Attempt.of(entry).act == "queue":
                found = False
        return found

    def note(
        self,
        entry: Entry,
        *,
        step: Literal["submit", "confirm", "record"],
        status: Status,
        detail: JsonValue,
    ) -> None:
        """Append an entry about the same transaction as `entry`."""
        at = self._clock()
        self._journal.append(
            replace(entry, step=step, status=status, at=at, detail=detail)
        )

    def _mined(self, pending: Pending) -> tuple[Attempt, TransactionReceipt] | None:
        for attempt in reversed(pending.attempts):
            receipt = self._chain.receipt(attempt.digest)
            if receipt is not None:
                return attempt, receipt
        return None

    def _fate(self, attempt: Attempt, receipt: TransactionReceipt) -> Fate | None:
        """Return the fate of a mined transaction once it is deep enough."""
        if not self._settled(receipt):
            return None
        if attempt.kind == "cancel":
            return Fate("cancelled", attempt, receipt, "its nonce was used up")
        kind: Literal["executed", "reverted"] = (
            "executed" if receipt.succeeded else "reverted"
        )
        return Fate(kind, attempt, receipt, f"in block {receipt.block_number}")

    def _settled(self, receipt: TransactionReceipt) -> bool:
        """Say whether a receipt is deep enough, and most endpoints have it."""
        if self._policy.confirmations > 1:
            depth = self._chain.block_number() - receipt.block_number + 1
            if depth < self._policy.confirmations:
                return False
            try:
                self._chain.verify_canonical(
                    number=receipt.block_number, block_hash=receipt.block_hash
                )
            except AnchorReorgedError:
                return False
        if len(self._chain.endpoints) == 1:
            return True
        answers = [
            answer
            for answer in self._chain.receipts(receipt.transaction_hash).values()
            if not isinstance(answer, AffiantError)
        ]
        same = [a for a in answers if a and a.block_hash == receipt.block_hash]
        return 2 * len(same) >= len(answers)

    def _seen(self, pending: Pending, latest: Block) -> bool:
        """Say whether nothing can have changed since the last thorough look."""
        now, last = self._clock(), self._looked.get(pending.nonce)
        if last is not None and last[0] == latest.hash:
            if now - last[1] < self._policy.resend_seconds:
                return True
        self._looked[pending.nonce] = latest.hash, now
        return False

    def _standing(self, attempt: Attempt, *, latest: Block) -> str:
        """Return "mined", "executable", or why the decision no longer executes."""
        if attempt.act == "release":
            return self._release_standing(attempt, latest=latest)
        head = self._gate.head_of(self._mandate.id, block_hash=latest.hash)
        if head == attempt.entry.digest:
            return "mined"
        if latest.timestamp > attempt.valid_until:
            return f"its validity ended at {attempt.valid_until}"
        try:
            head = live_head(
                self._gate,
                mandate=self._mandate,
                slot=attempt.entry.slot,
                latest=latest,
            )
        except (NotLiveError, SlotRefusedError) as error:
            return str(error)
        return "executable" if head == attempt.previous else "the head has moved"

    def _release_standing(self, attempt: Attempt, *, latest: Block) -> str:
        """The same, of a decision that waits in the gate's queue."""
        state = self._gate.state_of(self._mandate.id, block=latest)
        if state.head != attempt.entry.digest:
            return "the decision is not in the queue"
        if state.queued_at:
            if state.waiting or state.revoked:
                return "the mandate is stopped"
            if latest.timestamp > attempt.valid_until:
                return f"its validity ended at {attempt.valid_until}"
            return "executable"
        end = end_of_queued(
            self._chain,
            gate=self._gate.address,
            mandate=self._mandate,
            digest=state.head,
            slot=attempt.entry.slot,
        )
        if end is None:
            return "the decision is not in the queue"
        if to_hex(end.log.transaction_hash) == attempt.transaction:
            return "mined"
        return f"{end.how} by another transaction"

    def _known(self, attempt: Attempt) -> bool:
        return self._chain.transaction(attempt.digest) is not None

    def _age(self, pending: Pending) -> float:
        return self._clock() - pending.newest.entry.at

    def _send_again(self, pending: Pending) -> None:
        """Send the same bytes again: that can never execute twice."""
        newest, now = pending.newest, self._clock()
        last = self._acted.get((pending.nonce, "again"), newest.entry.at)
        if not newest.raw or now - last < self._policy.resend_seconds:
            return
        self._acted[pending.nonce, "again"] = now
        detail: dict[str, JsonValue] = {"kind": "again", "why": "no endpoint knew it"}
        try:
            taken = self._chain.broadcast(newest.raw).taken_by
        except (TransactionRefusedError, ChainUnavailableError) as error:
            detail |= described(error)
            self.note(newest.entry, step="submit", status="refused", detail=detail)
            return
        detail["endpoints"] = list(taken)
        self.note(newest.entry, step="submit", status="done", detail=detail)

    def _replace(self, pending: Pending) -> None:
        """Sign the newest again with higher fees."""
        newest = pending.newest
        if newest.kind == "cancel":
            return self._cancel(pending, why="the cancellation is stuck")
        call = signed_call(newest.raw, signer=self._sender)
        self._sign_anew(pending, call, kind="replace", gas=newest.gas, why="stuck")

    def _cancel(self, pending: Pending, *, why: str) -> None:
        """Use the nonce up with an empty transfer to oneself."""
        call = CallRequest(self._sender, b"", self._sender)
        gas = self._chain.estimate_gas(call) * (100 + GAS_MARGIN_PERCENT) // 100
        self._sign_anew(pending, call, kind="cancel", gas=gas, why=why)

    def _sign_anew(
        self, pending: Pending, call: CallRequest, *, kind: Kind, gas: int, why: str
    ) -> None:
        newest = pending.newest
        fees = raised(
            newest.fees, market=self._chain.fees(), limit=self._chain.max_fees
        )
        sent = self.sign_and_send(
            newest.entry,
            call=call,
            attempt=replace(newest, kind=kind, gas=gas, fees=fees),
        )
        detail = {"kind": kind, "why": why, "endpoints": list(sent.taken_by)}
        self.note(sent.entry, step="submit", status="done", detail=detail)

    def _try(self, pending: Pending, what: Kind, act: Callable[[], None]) -> None:
        """Sign something new; a refusal is written down, and tried again later."""
        now, last = self._clock(), self._acted.get((pending.nonce, what))
        if last is not None and now - last < self._policy.stuck_seconds:
            return
        self._acted[pending.nonce, what] = now
        try:
            act()
        except (FeeTooHighError, TransactionRefusedError) as error:
            detail = {"kind": what, **described(error)}
            self.note(
                pending.newest.entry, step="submit", status="refused", detail=detail
            )
