"""The chain client: typed reads, transactions and simulations over one endpoint.

Everything that Affiant asks a chain goes through here and leaves through `json_rpc.py`;
only the local chain of `devnet` is talked to past it (`devnet/rpc.py`).
It decides whether an endpoint's answer has the right form, is about the thing asked
for, and comes from the expected chain; anything else is a typed error. It does NOT
decide whether what a well-formed answer says is true: a node's or auditor's operator
chooses an endpoint they trust, and two people who use two endpoints will notice a lie
because every observation names its block's hash. Keys are the caller's; none is kept.

State is read by block *hash* (`{"blockHash": …, "requireCanonical": true}`), so that a
reorganisation between two reads is an error and never a mixture of two histories.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address

from affiant.encoding import Digest, JsonValue, from_hex, keccak256, to_hex
from affiant.onchain.chain_answers import ChainAnswers
from affiant.onchain.chain_types import (
    Block,
    CallRequest,
    Fees,
    Log,
    SimulatedCall,
    Transaction,
    TransactionReceipt,
    parse_block,
    parse_logs,
    parse_quantity,
    parse_simulated_block,
    parse_transaction,
    parse_transaction_receipt,
)
from affiant.onchain.errors import (
    AnchorReorgedError,
    BlockUnknownError,
    CallRevertedError,
    ChainIdMismatchError,
    ChainRefusedError,
    FeeTooHighError,
    ReceiptTimeoutError,
    TransactionRefusedError,
)
from affiant.onchain.json_rpc import JsonRpcEndpoint, RpcFailure, RpcRequest
from affiant.onchain.mandate import Address

DEFAULT_TIMEOUT = 10.0
"""Seconds for one round trip, from sending to the last byte."""

MAX_LOG_SPAN = 2_000
"""Most blocks asked for in one `eth_getLogs`; longer ranges are split."""

MIN_PRIORITY_FEE = 1
"""Wei per gas offered to the proposer where the endpoint suggests nothing."""

MAX_FEES = Fees(max_fee=2_000 * 10**9, priority_fee=100 * 10**9)
"""Most that is ever offered, unless the caller says otherwise.

What is paid of a priority fee is burnt by whoever believes a lying endpoint: at 100
gwei, a decision of a million gas costs 0.1 ether at the worst. Ethereum's base fee has
never reached 1 000 gwei for long, and an offer is twice the base fee.
"""

GAS_MARGIN_PERCENT = 25
"""Added to a gas estimate: state may differ a little when the transaction runs."""


class Chain:
    """A chain behind one JSON-RPC endpoint. Safe to share between threads."""

    def __init__(
        self, endpoint: JsonRpcEndpoint, *, chain_id: int, max_fees: Fees = MAX_FEES
    ) -> None:
        """Wrap an endpoint without asking it anything; prefer `connect`."""
        self._answers = ChainAnswers(endpoint)
        self.chain_id = chain_id
        """The chain id expected of every answer."""
        self._max_fees = max_fees

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        expected_chain_id: int,
        timeout: float = DEFAULT_TIMEOUT,
        max_fees: Fees = MAX_FEES,
    ) -> Chain:
        """Connect and check the chain id.

        Args:
            url: `http://` or `https://`.
            expected_chain_id: EIP-155 chain id.
            timeout: seconds for each round trip.
            max_fees: most that a transaction may offer, wei per gas.

        Raises:
            ChainIdMismatchError: the endpoint serves another chain.
            ChainUnavailableError: it does not answer usefully.
        """
        endpoint = JsonRpcEndpoint(url, timeout=timeout)
        chain = cls(endpoint, chain_id=expected_chain_id, max_fees=max_fees)
        try:
            chain.verify_chain_id()
        except BaseException:
            chain.close()
            raise
        return chain

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the endpoint, fit for messages."""
        return self._answers.name

    def close(self) -> None:
        """Close idle connections."""
        self._answers.endpoint.close()

    def verify_chain_id(self) -> None:
        """Ask for the chain id again; an endpoint may change its mind.

        Raises:
            ChainIdMismatchError: it is not the expected one.
        """
        self._require_chain_id(self._answers.ask_quantity("eth_chainId"))

    # Blocks

    def block_number(self) -> int:
        """Return the newest block's number."""
        return self._answers.ask_quantity("eth_blockNumber")

    def latest_block(self) -> Block:
        """Return the newest block."""
        return self._block("eth_getBlockByNumber", "latest", name="latest")

    def block_by_number(self, number: int) -> Block:
        """Return the canonical block at height `number`.

        Raises:
            BlockUnknownError: there is none yet.
        """
        method = "eth_getBlockByNumber"
        block = self._block(method, hex(number), name=str(number))
        if block.number != number:
            raise self._answers.unfit(
                method, got=f"block {block.number}", expected=f"block {number}"
            )
        return block

    def block_by_hash(self, block_hash: Digest) -> Block:
        """Return the block with this hash, canonical or not.

        Raises:
            BlockUnknownError: the endpoint does not have it.
        """
        method, name = "eth_getBlockByHash", to_hex(block_hash)
        block = self._block(method, name, name=name)
        if block.hash != block_hash:
            raise self._answers.unfit(method, got=to_hex(block.hash), expected=name)
        return block

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

        The chain id is asked for in the same batch, so that a load balancer cannot
        answer for another chain.

        Raises:
            BlockUnknownError: no such block, or it is not canonical any more.
            HistoryMissingError: the block's state is not kept.
        """
        reference = _block_reference(block_hash)
        requests = [RpcRequest("eth_call", (_call(c), reference)) for c in calls]
        chain_id, outcomes = self._answers.call_many(requests, block_hash=block_hash)
        self._require_chain_id(chain_id)
        return outcomes

    def code(self, address: Address, *, block_hash: Digest | None = None) -> bytes:
        """Return the code at `address`; empty where there is none."""
        return self._answers.ask(
            "eth_getCode",
            address,
            _block_reference(block_hash),
            parse=lambda value: from_hex(value, what="code"),
            block_hash=block_hash,
        )

    def balance(self, address: Address, *, block_hash: Digest | None = None) -> int:
        """Return the native balance of `address` in wei."""
        return self._answers.ask(
            "eth_getBalance",
            address,
            _block_reference(block_hash),
            parse=lambda value: parse_quantity(value, what="balance"),
            block_hash=block_hash,
        )

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
        """Return the transaction with this hash; None where it is not known."""
        method = "eth_getTransactionByHash"
        found = self._answers.ask(
            method,
            to_hex(digest),
            parse=lambda value: None if value is None else parse_transaction(value),
        )
        if found is not None and found.hash != digest:
            raise self._answers.unfit(
                method, got=to_hex(found.hash), expected=to_hex(digest)
            )
        return found

    def receipt(self, digest: Digest) -> TransactionReceipt | None:
        """Return the receipt of a mined transaction; None where there is none yet."""
        method = "eth_getTransactionReceipt"
        found = self._answers.ask(
            method,
            to_hex(digest),
            parse=lambda value: (
                None if value is None else parse_transaction_receipt(value)
            ),
        )
        if found is not None and found.transaction_hash != digest:
            raise self._answers.unfit(
                method, got=to_hex(found.transaction_hash), expected=to_hex(digest)
            )
        return found

    def wait_receipt(
        self, digest: Digest, *, timeout: float, poll: float = 0.2
    ) -> TransactionReceipt:
        """Poll until the transaction is mined, succeeded or not.

        Args:
            timeout: seconds in all.
            poll: seconds between two questions.

        Raises:
            ReceiptTimeoutError: not mined in time; it may still be later.
        """
        deadline = time.monotonic() + timeout
        while True:
            receipt = self.receipt(digest)
            if receipt is not None:
                return receipt
            if time.monotonic() + poll > deadline:
                raise ReceiptTimeoutError(
                    self.endpoint, transaction=to_hex(digest), limit=timeout
                )
            time.sleep(poll)

    def nonce(self, address: Address) -> int:
        """Return the next nonce of `address`, pending transactions counted."""
        return self._answers.ask_quantity("eth_getTransactionCount", address, "pending")

    def fees(self) -> Fees:
        """Return a fee offer that stays valid while the base fee doubles.

        Raises:
            FeeTooHighError: it is above the limits; the endpoint lies, or this is a
                time in which nobody should send anything unasked.
        """
        base_fee = self.latest_block().base_fee
        try:
            suggested = self._answers.ask_quantity("eth_maxPriorityFeePerGas")
        except ChainRefusedError:
            suggested = MIN_PRIORITY_FEE
        priority_fee = max(suggested, MIN_PRIORITY_FEE)
        max_fee = 2 * (base_fee or 0) + priority_fee
        for what, got, limit in (
            ("priority fee", priority_fee, self._max_fees.priority_fee),
            ("max fee", max_fee, self._max_fees.max_fee),
        ):
            if got > limit:
                raise FeeTooHighError(what, got=got, limit=limit)
        return Fees(max_fee=max_fee, priority_fee=priority_fee)

    def estimate_gas(self, call: CallRequest) -> int:
        """Return the gas that `call` would use as a transaction on the newest state.

        Raises:
            CallRevertedError: it would revert.
        """
        return self._answers.ask(
            "eth_estimateGas",
            _call(call),
            parse=lambda value: parse_quantity(value, what="gas", bits=64),
            target=call.target,
        )

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
        """
        if call.sender is not None and call.sender != Address(account.address):
            raise ValueError(f"sender {call.sender}: expected {account.address}")
        signed = account.sign_transaction(
            {
                "type": 2,
                "chainId": self.chain_id,
                "nonce": nonce,
                "to": to_canonical_address(call.target),
                "value": call.value,
                "data": call.data,
                "gas": gas,
                "maxFeePerGas": fees.max_fee,
                "maxPriorityFeePerGas": fees.priority_fee,
            }
        )
        return bytes(signed.raw_transaction)

    def send_raw(self, transaction: bytes) -> Digest:
        """Send a signed transaction and return its hash.

        Sending the same bytes again is harmless.

        Raises:
            TransactionRefusedError: the endpoint will not take it.
        """
        method = "eth_sendRawTransaction"
        expected = transaction_hash(transaction)
        outcome = self._answers.endpoint.request(method, to_hex(transaction))
        if isinstance(outcome, RpcFailure):
            if re.search(r"already (known|imported)", outcome.message, re.IGNORECASE):
                return expected
            raise TransactionRefusedError(
                self.endpoint, code=outcome.code, message=outcome.message
            )
        if outcome != to_hex(expected):
            raise self._answers.unfit(
                method, got=repr(outcome)[:80], expected=to_hex(expected)
            )
        return expected

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
        parent = self.latest_block() if base is None else base
        when = parent.timestamp + 1 if timestamp is None else timestamp
        block: dict[str, JsonValue] = {
            # Without these, anvil runs the calls in the parent's own environment.
            "blockOverrides": {"number": hex(parent.number + 1), "time": hex(when)},
            "calls": [_call(call) for call in calls],
        }
        if codes:
            block["stateOverrides"] = {
                address: {"code": to_hex(code)} for address, code in codes.items()
            }
        return self._answers.ask(
            "eth_simulateV1",
            {"blockStateCalls": [block], "validation": False},
            _block_reference(parent.hash),
            parse=lambda value: parse_simulated_block(value, calls=len(calls)),
            block_hash=parent.hash,
        )

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Make any JSON-RPC request and return its unchecked result.

        For methods that only a development chain has; everything else has its own
        method here.

        Raises:
            ChainUnavailableError: no useful answer; an error object becomes the error
                that describes it.
        """
        return self._answers.ask(method, *params, parse=lambda value: value)

    def _require_chain_id(self, got: int) -> None:
        if got != self.chain_id:
            raise ChainIdMismatchError(self.endpoint, got=got, expected=self.chain_id)

    def _block(self, method: str, reference: str, *, name: str) -> Block:
        block = self._answers.ask(
            method,
            reference,
            False,
            parse=lambda value: None if value is None else parse_block(value),
        )
        if block is None:
            raise BlockUnknownError(self.endpoint, method=method, block=name)
        return block

    def _logs(
        self,
        address: Address,
        topics: Sequence[Digest | None],
        *,
        from_block: int,
        to_block: int,
    ) -> tuple[Log, ...]:
        method = "eth_getLogs"
        query = {
            "address": address,
            "topics": [None if topic is None else to_hex(topic) for topic in topics],
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
        }
        logs = self._answers.ask(method, query, parse=parse_logs)
        for log in logs:
            fits = (
                log.address == address
                and from_block <= log.block_number <= to_block
                and len(log.topics) >= len(topics)
                and all(
                    wanted is None or wanted == got
                    for wanted, got in zip(topics, log.topics, strict=False)
                )
            )
            if not fits:
                raise self._answers.unfit(
                    method,
                    got=f"a log of {log.address} in block {log.block_number}",
                    expected=f"the filter {query}",
                )
        return logs


def transaction_hash(transaction: bytes) -> Digest:
    """Return keccak256 of a signed transaction, the hash by which it is known."""
    return keccak256(transaction)


def _block_reference(block_hash: Digest | None) -> JsonValue:
    if block_hash is None:
        return "latest"
    return {"blockHash": to_hex(block_hash), "requireCanonical": True}


def _call(call: CallRequest) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {"to": call.target, "data": to_hex(call.data)}
    if call.sender is not None:
        fields["from"] = call.sender
    if call.value:
        fields["value"] = hex(call.value)
    return fields
