"""The chain client: typed reads, transactions and simulations over its endpoints.

Everything that Affiant asks a chain goes through here and leaves through `json_rpc.py`;
only the local chain of `devnet` is talked to past it (`devnet/rpc.py`).
It decides whether an endpoint's answer has the right form, is about the thing asked
for, and comes from the expected chain (`endpoint_reads`), and which of several
endpoints is asked (`endpoint_pool`); anything else is a typed error. It does NOT
decide whether what a well-formed answer says is true: a node's or auditor's operator
chooses endpoints they trust, and two people who use two endpoints will notice a lie
because every observation names its block's hash. Keys are the caller's; none is kept.

State is read by block *hash* (`{"blockHash": …, "requireCanonical": true}`), so that a
reorganisation between two reads is an error and never a mixture of two histories. Reads
that must agree are made inside `steadily`, by one endpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError
from affiant.onchain.broadcast import Broadcast, broadcast
from affiant.onchain.chain_types import (
    Block,
    CallRequest,
    Fees,
    Log,
    SimulatedCall,
    Transaction,
    TransactionReceipt,
)
from affiant.onchain.endpoint_pool import BUDGET_SECONDS, EndpointPool
from affiant.onchain.endpoint_reads import EndpointReads, transaction_hash
from affiant.onchain.errors import (
    AnchorReorgedError,
    BlockUnknownError,
    CallRevertedError,
    ChainRefusedError,
    ReceiptTimeoutError,
)
from affiant.onchain.fees import (
    FEE_BLOCKS,
    MAX_FEES,
    TIP_PERCENTILE,
    offer,
    offer_from,
)
from affiant.onchain.json_rpc import READ_METHODS, JsonRpcEndpoint
from affiant.onchain.mandate import Address
from affiant.onchain.one_endpoint import OneEndpoint
from affiant.onchain.rate_limit import TokenBucket
from affiant.onchain.transactions import sign_call

__all__ = ["MAX_FEES", "Chain", "transaction_hash"]

DEFAULT_TIMEOUT = 10.0
"""Seconds for one round trip, from sending to the last byte."""

MAX_LOG_SPAN = 2_000
"""Most blocks asked for in one `eth_getLogs`; longer ranges are split."""

FIRST_POLL_SECONDS = 0.2
"""Time between the first two questions for a receipt; the pauses grow."""

MAX_POLL_SECONDS = 2.0
"""Longest pause between two questions for a receipt."""

GAS_MARGIN_PERCENT = 25
"""Added to a gas estimate: state may differ a little when the transaction runs."""

Answer = TypeVar("Answer")


class Chain:
    """A chain behind one or several JSON-RPC endpoints. Safe to share between threads.

    Every method may raise `ChainUnavailableError` (no endpoint answers usefully) and
    `ChainIdMismatchError` (the only one serves another chain).
    """

    def __init__(
        self,
        endpoints: JsonRpcEndpoint | EndpointPool | OneEndpoint,
        *,
        chain_id: int,
        max_fees: Fees = MAX_FEES,
        read_only: bool = False,
    ) -> None:
        """Wrap endpoints without asking them anything; prefer `connect`."""
        if isinstance(endpoints, JsonRpcEndpoint):
            endpoints = EndpointPool([endpoints], chain_id=chain_id, checked=True)
        self._at = endpoints
        self.chain_id = chain_id
        """The chain id expected of every answer."""
        self.read_only = read_only
        """Whether `connect` was told that nothing but reads may leave."""
        self.max_fees = max_fees
        """Most that a transaction may offer, wei per gas."""

    @classmethod
    def connect(
        cls,
        url: str | Sequence[str],
        *,
        expected_chain_id: int,
        timeout: float = DEFAULT_TIMEOUT,
        budget: float = BUDGET_SECONDS,
        per_second: float | None = None,
        max_fees: Fees = MAX_FEES,
        read_only: bool = False,
    ) -> Chain:
        """Connect and check the chain id; of several endpoints, compare what they tell.

        Args:
            url: `http://` or `https://`; several, the most trusted first.
            expected_chain_id: EIP-155 chain id.
            timeout: seconds for each round trip.
            budget: seconds for one operation, however many endpoints it tries.
            per_second: most questions to one endpoint, on the average; None: no limit.
            max_fees: most that a transaction may offer, wei per gas.
            read_only: refuse every method but those that read, whoever asks, before a
                byte leaves.

        Raises:
            ChainIdMismatchError: they serve another chain.
            ChainUnavailableError: none answers usefully, or they disagree.
        """
        urls = [url] if isinstance(url, str) else list(url)
        endpoints = [
            JsonRpcEndpoint(
                each,
                timeout=timeout,
                bucket=None
                if per_second is None
                else TokenBucket(
                    per_second=per_second, burst=max(1, round(2 * per_second))
                ),
                methods=READ_METHODS if read_only else None,
            )
            for each in urls
        ]
        pool = EndpointPool(
            endpoints,
            chain_id=expected_chain_id,
            budget=budget,
            slow=timeout / 2 if len(urls) > 1 else None,
        )
        chain = cls(
            pool,
            chain_id=expected_chain_id,
            max_fees=max_fees,
            read_only=read_only,
        )
        try:
            chain.verify_chain_id()
        except BaseException:
            chain.close()
            raise
        return chain

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the endpoint that served last, for messages."""
        return self._at.name

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Scheme, host and port of every endpoint."""
        return self._at.names

    def close(self) -> None:
        """Close idle connections."""
        self._at.close()

    def verify_chain_id(self) -> None:
        """Ask for the chain id again; an endpoint may change its mind.

        Of several endpoints, compare genesis, heads and an older block too.

        Raises:
            ChainIdMismatchError: it is not the expected one.
            EndpointsDisagreeError: they tell two histories.
        """
        self._at.survey()

    def steadily(self, work: Callable[[Chain], Answer]) -> Answer:
        """Return what `work` does with a chain behind one endpoint alone.

        For reads that must agree. Where the endpoint fails, all of `work` is done again
        at the next one, so it must not send anything.
        """
        return self._at.run(
            lambda reads: work(
                Chain(
                    OneEndpoint(reads),
                    chain_id=self.chain_id,
                    max_fees=self.max_fees,
                    read_only=self.read_only,
                )
            )
        )

    # Blocks

    def block_number(self) -> int:
        """Return the newest block's number."""
        return self._at.run(lambda at: at.block_number())

    def latest_block(self) -> Block:
        """Return the newest block."""
        return self._at.run(lambda at: at.latest_block())

    def block_by_number(self, number: int) -> Block:
        """Return the canonical block at height `number`.

        Raises:
            BlockUnknownError: there is none yet.
        """
        return self._at.run(lambda at: at.block_by_number(number))

    def block_by_hash(self, block_hash: Digest) -> Block:
        """Return the block with this hash, canonical or not.

        Raises:
            BlockUnknownError: no endpoint has it.
        """
        return self._at.run(lambda at: at.block_by_hash(block_hash))

    def verify_canonical(self, *, number: int, block_hash: Digest) -> Block:
        """Return the block at height `number` if its hash is still `block_hash`.

        Raises:
            AnchorReorgedError: the chain has another block at that height, or its head
                is lower.
        """
        try:
            block = self.block_by_number(number)
        except BlockUnknownError as error:
            raise AnchorReorgedError(
                number=number, got="none", expected=to_hex(block_hash)
            ) from error
        if block.hash != block_hash:
            raise AnchorReorgedError(
                number=number, got=to_hex(block.hash), expected=to_hex(block_hash)
            )
        return block

    # State

    def call(
        self,
        target: Address,
        data: bytes,
        *,
        block_hash: Digest | None = None,
        sender: Address | None = None,
    ) -> bytes:
        """Call without a transaction and return the returned bytes.

        Args:
            block_hash: the block whose state is read; None: the newest.

        Raises:
            CallRevertedError: it reverted; carries the bytes.
            BlockUnknownError: no such block, or it is not canonical any more.
            HistoryMissingError: the block's state is not kept.
        """
        request = CallRequest(target=target, data=data, sender=sender)
        return self.call_many([request], block_hash=block_hash)[0]

    def call_many(
        self, calls: Sequence[CallRequest], *, block_hash: Digest | None = None
    ) -> tuple[bytes, ...]:
        """Make several calls on one block's state, in one round trip.

        Raises:
            As `call`, for the first call that fails.
        """
        returned = []
        for outcome in self.try_call_many(calls, block_hash=block_hash):
            if isinstance(outcome, CallRevertedError):
                raise outcome
            returned.append(outcome)
        return tuple(returned)

    def try_call_many(
        self, calls: Sequence[CallRequest], *, block_hash: Digest | None = None
    ) -> tuple[bytes | CallRevertedError, ...]:
        """Make several calls as `call_many`; a revert is a value, not an exception.

        Raises:
            BlockUnknownError: no such block, or it is not canonical any more.
            HistoryMissingError: the block's state is not kept.
        """
        return self._at.run(lambda at: at.try_call_many(calls, block_hash=block_hash))

    def code(self, address: Address, *, block_hash: Digest | None = None) -> bytes:
        """Return the code at `address`; empty where there is none."""
        return self._at.run(lambda at: at.code(address, block_hash=block_hash))

    def balance(self, address: Address, *, block_hash: Digest | None = None) -> int:
        """Return the native balance of `address` in wei."""
        return self._at.run(lambda at: at.balance(address, block_hash=block_hash))

    def logs(
        self,
        address: Address,
        *,
        topics: Sequence[Digest | None],
        from_block: int,
        to_block: int,
    ) -> tuple[Log, ...]:
        """Return the logs of `address` in blocks `from_block` to `to_block`, inclusive.

        Args:
            topics: required topics by position; None matches any.

        Raises:
            ChainAnswerError: a log is not of this address, range or topics, or the
                order is not the chain's.
        """
        found: list[Log] = []
        for start in range(from_block, to_block + 1, MAX_LOG_SPAN):
            end = min(start + MAX_LOG_SPAN - 1, to_block)
            found.extend(self._logs(address, topics, from_block=start, to_block=end))
        return tuple(found)

    # Transactions

    def transaction(self, digest: Digest) -> Transaction | None:
        """Return the transaction with this hash; None where nobody knows it."""
        return self._found(lambda at: at.transaction(digest))

    def receipt(self, digest: Digest) -> TransactionReceipt | None:
        """Return the receipt of a mined transaction; None where nobody has one yet."""
        return self._found(lambda at: at.receipt(digest))

    def receipts(
        self, digest: Digest
    ) -> Mapping[str, TransactionReceipt | AffiantError | None]:
        """Return what every endpoint says of a transaction's receipt, by name."""
        return self._at.everywhere(lambda at: at.receipt(digest))

    def wait_receipt(
        self, digest: Digest, *, timeout: float, poll: float = FIRST_POLL_SECONDS
    ) -> TransactionReceipt:
        """Poll until the transaction is mined, succeeded or not.

        Args:
            timeout: seconds in all.
            poll: seconds between the first two questions.

        Raises:
            ReceiptTimeoutError: not mined in time; it may still be later.
        """
        deadline = time.monotonic() + timeout
        for pause in pauses(poll):
            receipt = self.receipt(digest)
            if receipt is not None:
                return receipt
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        raise ReceiptTimeoutError(
            self.endpoint, transaction=to_hex(digest), limit=timeout
        )

    def nonce(self, address: Address) -> int:
        """Return the next nonce of `address`, pending transactions counted."""
        return self._at.run(lambda at: at.nonce(address, block="pending"))

    def mined_nonce(self, address: Address) -> int:
        """Return the next nonce of `address` by mined transactions alone."""
        return self._at.run(lambda at: at.nonce(address, block="latest"))

    def fees(self) -> Fees:
        """Return a fee offer that stays valid while the base fee doubles.

        Raises:
            FeeTooHighError: it would be above the limits; the endpoint lies, or this is
                a time in which nobody should send anything unasked.
        """

        def ask(at: EndpointReads) -> Fees:
            try:
                history = at.fee_history(blocks=FEE_BLOCKS, percentile=TIP_PERCENTILE)
            except ChainRefusedError:
                # Not every endpoint knows it (EIP-1474 came before it).
                base_fee = at.latest_block().base_fee or 0
                try:
                    tips = [at.suggested_tip()]
                except ChainRefusedError:
                    tips = []
                return offer(next_base_fee=base_fee, tips=tips, limit=self.max_fees)
            return offer_from(history, limit=self.max_fees)

        return self._at.run(ask)

    def estimate_gas(self, call: CallRequest) -> int:
        """Return the gas that `call` would use as a transaction on the newest state.

        Raises:
            CallRevertedError: it would revert.
        """
        return self._at.run(lambda at: at.estimate_gas(call))

    def sign(
        self,
        account: LocalAccount,
        *,
        call: CallRequest,
        nonce: int,
        gas: int,
        fees: Fees,
    ) -> bytes:
        """Return the signed bytes of `call` as a transaction; nothing is sent.

        Args:
            account: signer; `call.sender` must be None or its address.
            gas: gas limit.

        Raises:
            FeeTooHighError: `fees` are above this chain's limits.
        """
        return sign_call(
            account,
            call=call,
            chain_id=self.chain_id,
            nonce=nonce,
            gas=gas,
            fees=fees,
            limit=self.max_fees,
        )

    def send_raw(self, transaction: bytes) -> Digest:
        """Hand a signed transaction to every endpoint and return its hash.

        Sending the same bytes again is harmless.

        Raises:
            TransactionRefusedError: no endpoint will take it.
        """
        return self.broadcast(transaction).digest

    def broadcast(self, transaction: bytes) -> Broadcast:
        """Send as `send_raw`, and say which endpoints took it."""
        return broadcast(self._at, transaction)

    def transact(
        self, account: LocalAccount, *, call: CallRequest, gas: int | None = None
    ) -> Digest:
        """Sign `call` with `account`, send it and return its hash.

        Args:
            gas: gas limit; None: the estimate and a margin.

        Raises:
            CallRevertedError: the estimate reverted; nothing was sent.
            FeeTooHighError: as `fees`; nothing was sent.
            TransactionRefusedError: the endpoint will not take it.
        """
        self.verify_chain_id()
        sender = Address(account.address)
        sent = CallRequest(call.target, call.data, sender, call.value)
        limit = gas
        if limit is None:
            limit = self.estimate_gas(sent) * (100 + GAS_MARGIN_PERCENT) // 100
        raw = self.sign(
            account, call=sent, nonce=self.nonce(sender), gas=limit, fees=self.fees()
        )
        return self.send_raw(raw)

    def simulate(
        self,
        calls: Sequence[CallRequest],
        *,
        base: Block | None = None,
        timestamp: int | None = None,
        codes: Mapping[Address, bytes] | None = None,
    ) -> tuple[SimulatedCall, ...]:
        """Run `calls` in order in one simulated block on top of `base`.

        Args:
            base: the parent; None: the newest block. The simulated block's number is
                one higher, so that `blockhash` of the parent works as it will.
            timestamp: unix seconds of the simulated block; None: the parent's plus 1.
            codes: code that the simulation alone finds at these addresses.

        Raises:
            TransactionRefusedError: a call could not even start (funds, fees).
        """
        return self._at.run(
            lambda at: at.simulate(
                calls,
                base=at.latest_block() if base is None else base,
                timestamp=timestamp,
                codes=codes,
            )
        )

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Make any JSON-RPC request and return its unchecked result.

        For methods that only a development chain has; everything else has its own
        method here.
        """
        return self._at.run(lambda at: at.request(method, *params))

    def _logs(
        self,
        address: Address,
        topics: Sequence[Digest | None],
        *,
        from_block: int,
        to_block: int,
    ) -> tuple[Log, ...]:
        def found(at: EndpointReads) -> tuple[Log, ...]:
            if len(self._at.names) > 1:
                # One that lags would leave the newest out, and say nothing.
                at.block_by_number(to_block)
            return at.logs(
                address, topics=topics, from_block=from_block, to_block=to_block
            )

        return self._at.run(found)

    def _found(self, ask: Callable[[EndpointReads], Answer | None]) -> Answer | None:
        """Ask the first endpoint, and the others only where it has nothing."""
        found = self._at.run(ask)
        if found is not None or len(self._at.names) == 1:
            return found
        for answer in self._at.everywhere(ask).values():
            if answer is not None and not isinstance(answer, AffiantError):
                return answer
        return None


def pauses(first: float) -> Iterator[float]:
    """Yield the pauses between questions for a receipt: growing, but never long."""
    pause = first
    while True:
        yield pause
        pause = max(first, min(1.5 * pause, MAX_POLL_SECONDS))
