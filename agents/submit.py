"""Sending a decision once: written down first, signed, sent, and settled afterwards.

It decides that a decision is never sent twice: the journal has the transaction's hash
on disk before the first byte leaves, and a decision that it knows as sent is refused.
After a crash `settle` asks the chain what became of it. It does not decide what to
send, and trusts the journal's file and the agent's own chain endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from eth_account.signers.local import LocalAccount

from affiant.agents.errors import AlreadySentError, RevertedError
from affiant.agents.journal import Entry, Journal, Status
from affiant.encoding import Digest, digest_from_hex, to_hex
from affiant.errors import AffiantError
from affiant.onchain.chain import GAS_MARGIN_PERCENT, Chain, transaction_hash
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.errors import TransactionRefusedError
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.sending import explain_failure


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


class Submitter:
    """Sends decisions of one mandate from the operator's key."""

    def __init__(
        self,
        chain: Chain,
        *,
        mandate: Mandate,
        operator: LocalAccount,
        journal: Journal,
        clock: Callable[[], float],
    ) -> None:
        """Remember where to send from and to.

        Args:
            chain: the agent's own endpoint.
            operator: pays gas; decides nothing.
            clock: unix seconds, for the journal.
        """
        self._chain = chain
        self._mandate = mandate
        self._operator = operator
        self._journal = journal
        self._clock = clock

    def send(self, outgoing: Outgoing) -> str:
        """Write the transaction down, send it and return its hash.

        1. refuse what was sent before; 2. sign; 3. write it down; 4. send.

        Raises:
            AlreadySentError: the journal knows this decision as sent.
            JournalError: it cannot be written down; nothing was sent.
            FeeTooHighError: the endpoint states a fee above the limits; nothing was
                signed.
            TransactionRefusedError: the endpoint did not take it; nothing was sent.
            ChainUnavailableError: whether it was sent is unknown; `settle` finds out.
        """
        # 1.
        earlier = self._journal.sent(outgoing.digest)
        if earlier is not None:
            raise AlreadySentError(
                outgoing.digest, transaction=str(earlier.transaction)
            )
        # 2.
        nonce = self._chain.nonce(Address(str(self._operator.address)))
        raw = self._chain.sign(
            self._operator,
            call=outgoing.call,
            nonce=nonce,
            gas=outgoing.gas * (100 + GAS_MARGIN_PERCENT) // 100,
            fees=self._chain.fees(),
        )
        transaction = to_hex(transaction_hash(raw))
        # 3.
        sending = Entry(
            run=outgoing.run,
            mandate=self._mandate.id,
            slot=outgoing.slot,
            step="submit",
            status="sending",
            at=self._clock(),
            digest=outgoing.digest,
            transaction=transaction,
            detail={"nonce": nonce},
        )
        self._journal.append(sending)
        # 4.
        try:
            self._chain.send_raw(raw)
        except TransactionRefusedError as error:
            self._settled(sending, status="lost", why=str(error))
            raise
        return transaction

    def settle(self) -> tuple[Entry, ...]:
        """Ask the chain about everything sent whose fate is unknown, and write it down.

        Returns:
            The entries still unknown: the transaction may yet be mined.

        Raises:
            ChainUnavailableError: the chain cannot be asked.
        """
        waiting = []
        for sending in self._journal.unsettled(self._mandate.id):
            receipt = self._chain.receipt(
                digest_from_hex(sending.transaction, what="journal.transaction")
            )
            if receipt is not None and receipt.succeeded:
                self._settled(sending, status="done", why="mined; found out later")
            elif receipt is not None:
                self._settled(sending, status="refused", why="reverted")
            elif self._mandate.slot_of(self._chain.block_number()) > sending.slot:
                # Should it ever be mined, the gate refuses it.
                self._settled(sending, status="lost", why="not mined in its slot")
            else:
                waiting.append(sending)
        return tuple(waiting)

    def confirm(self, transaction: str, *, timeout: float) -> TransactionReceipt:
        """Wait until `transaction` is mined.

        Raises:
            ReceiptTimeoutError: not mined in time; it may still be.
            RevertedError: mined and reverted; says why as far as the chain tells.
        """
        digest = digest_from_hex(transaction, what="transaction")
        receipt = self._chain.wait_receipt(digest, timeout=timeout)
        if not receipt.succeeded:
            raise RevertedError(transaction=transaction, reason=self._reason(receipt))
        return receipt

    def _reason(self, receipt: TransactionReceipt) -> str:
        try:
            return str(explain_failure(self._chain, receipt))
        except AffiantError as error:
            return f"unknown, because {error}"

    def _settled(self, sending: Entry, *, status: Status, why: str) -> None:
        """Write down what became of a sent transaction, and so of its run."""
        after = replace(sending, at=self._clock(), status=status, detail={"why": why})
        self._journal.append(replace(after, step="confirm"))
        self._journal.append(replace(after, step="record"))
