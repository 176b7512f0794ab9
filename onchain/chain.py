"""The chain client: typed reads, transactions and simulations over one endpoint.

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
from collections.abc import Callable, Sequence
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address

from affiant.encoding import Digest, JsonValue, from_hex, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.onchain.chain_types import (
    Block,
    CallRequest,
    Fees,
    Log,
    SimulatedCall,
    Transaction,
    TransactionReceipt,
    parse_block,
    parse_log,
    parse_quantity,
    parse_simulated_call,
    parse_transaction,
    parse_transaction_receipt,
)
from affiant.onchain.errors import (
    AnchorReorgedError,
    BlockUnknownError,
    CallRevertedError,
    ChainAnswerError,
    ChainIdMismatchError,
    ChainRefusedError,
    HistoryMissingError,
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

GAS_MARGIN_PERCENT = 25
"""Added to a gas estimate: state may differ a little when the transaction runs."""

Parsed = TypeVar("Parsed")

_MISSING_STATE = re.compile(
    r"missing trie node|historical state|state .*(not |un)available|pruned|pruning|"
    r"BlockOutOfRange|distance to target block exceeds",
    re.IGNORECASE,
)
_MISSING_BLOCK = re.compile(
    r"resource not found|(header|block|hash)[ \w]* not found|unknown block|"
    r"not currently canonical",
    re.IGNORECASE,
)
_REVERT_CODE = 3
_TRANSACTION_CODES = frozenset({-32003, *range(-38026, -38009)})


class Chain:
    """A chain behind one JSON-RPC endpoint. Safe to share between threads."""

    def __init__(self, endpoint: JsonRpcEndpoint, *, chain_id: int) -> None:
        """Wrap an endpoint without asking it anything; prefer `connect`."""
        self._endpoint = endpoint
        self.chain_id = chain_id
        """The chain id expected of every answer."""

    @classmethod
    def connect(
        cls, url: str, *, expected_chain_id: int, timeout: float = DEFAULT_TIMEOUT
    ) -> Chain:
        """Connect and check the chain id.

        Args:
            url: `http://` or `https://`.
            expected_chain_id: EIP-155 chain id.
            timeout: seconds for each round trip.

        Raises:
            ChainIdMismatchError: the endpoint serves another chain.
            ChainUnavailableError: it does not answer usefully.
        """
        chain = cls(JsonRpcEndpoint(url, timeout=timeout), chain_id=expected_chain_id)
        chain.verify_chain_id()
        return chain

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the endpoint, fit for messages."""
        return self._endpoint.name

    def close(self) -> None:
        """Close idle connections."""
        self._endpoint.close()

    def verify_chain_id(self) -> None:
        """Ask for the chain id again; an endpoint may change its mind.

        Raises:
            ChainIdMismatchError: it is not the expected one.
        """
        self._check_chain_id(self.request("eth_chainId"))

    def block_number(self) -> int:
        """Return the newest block's number."""
        return self._quantity("eth_blockNumber")

    def latest_block(self) -> Block:
        """Return the newest block."""
        return self._block("eth_getBlockByNumber", "latest", name="latest")

    def block_by_number(self, number: int) -> Block:
        """Return the canonical block at height `number`.

        Raises:
            BlockUnknownError: there is none yet.
        """
        block = self._block("eth_getBlockByNumber", hex(number), name=str(number))
        if block.number != number:
            raise self._answer(
                "eth_getBlockByNumber",
                got=f"block {block.number}",
                expected=f"{number}",
            )
        return block

    def block_by_hash(self, block_hash: Digest) -> Block:
        """Return the block with this hash, canonical or not.

        Raises:
            BlockUnknownError: the endpoint does not have it.
        """
        name = to_hex(block_hash)
        block = self._block("eth_getBlockByHash", name, name=name)
        if block.hash != block_hash:
            raise self._answer(
                "eth_getBlockByHash", got=to_hex(block.hash), expected=name
            )
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

        The chain id is asked for in the same batch, so that a load balancer cannot
        answer for another chain.

        Raises:
            As `call`, for the first call that fails.
        """
        outcomes = self.try_call_many(calls, block_hash=block_hash)
        returned = []
        for outcome in outcomes:
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
        reference = _block_reference(block_hash)
        requests = [RpcRequest("eth_chainId", ())]
        requests += [RpcRequest("eth_call", (_call(c), reference)) for c in calls]
        outcomes = self._endpoint.batch(requests)
        self._check_chain_id(self._result(outcomes[0], method="eth_chainId"))
        return tuple(
            self._returned(outcome, call=call, block_hash=block_hash)
            for call, outcome in zip(calls, outcomes[1:], strict=True)
        )

    def code(self, address: Address, *, block_hash: Digest | None = None) -> bytes:
        """Return the code at `address`; empty where there is none."""
        method = "eth_getCode"
        result = self._state(method, address, block_hash=block_hash)
        return self._parsed(method, result, lambda text: from_hex(text, what="code"))

    def balance(self, address: Address, *, block_hash: Digest | None = None) -> int:
        """Return the native balance of `address` in wei."""
        method = "eth_getBalance"
        result = self._state(method, address, block_hash=block_hash)
        return self._parsed(
            method, result, lambda text: parse_quantity(text, what="balance")
        )

    def nonce(self, address: Address) -> int:
        """Return the next nonce of `address`, pending transactions counted."""
        return self._quantity("eth_getTransactionCount", address, "pending")

    def fees(self) -> Fees:
        """Return a fee offer that stays valid while the base fee doubles."""
        base_fee = self.latest_block().base_fee
        try:
            suggested = self._quantity("eth_maxPriorityFeePerGas")
        except ChainRefusedError:
            suggested = MIN_PRIORITY_FEE
        priority_fee = max(suggested, MIN_PRIORITY_FEE)
        return Fees(
            max_fee=2 * (base_fee or 0) + priority_fee, priority_fee=priority_fee
        )

    def estimate_gas(self, call: CallRequest) -> int:
        """Return the gas that `call` would use as a transaction on the newest state.

        Raises:
            CallRevertedError: it would revert.
        """
        method = "eth_estimateGas"
        outcome = self._endpoint.request(method, _call(call))
        if isinstance(outcome, RpcFailure):
            raise self._failure(outcome, method=method, target=call.target)
        return self._parsed(
            method, outcome, lambda text: parse_quantity(text, what="gas", bits=64)
        )

    def send_raw(self, transaction: bytes) -> Digest:
        """Send a signed transaction and return its hash.

        Sending the same bytes again is harmless.

        Raises:
            TransactionRefusedError: the endpoint will not take it.
        """
        method = "eth_sendRawTransaction"
        expected = transaction_hash(transaction)
        outcome = self._endpoint.request(method, to_hex(transaction))
        if isinstance(outcome, RpcFailure):
            if re.search(r"already (known|imported)", outcome.message, re.IGNORECASE):
                return expected
            raise TransactionRefusedError(
                self.endpoint, code=outcome.code, message=outcome.message
            )
        if outcome != to_hex(expected):
            raise self._answer(
                method, got=repr(outcome)[:80], expected=to_hex(expected)
            )
        return expected

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

    def transact(
        self, account: LocalAccount, *, call: CallRequest, gas: int | None = None
    ) -> Digest:
        """Sign `call` with `account`, send it and return its hash.

        Args:
            gas: gas limit; None: the estimate and a margin.

        Raises:
            CallRevertedError: the estimate reverted; nothing was sent.
            TransactionRefusedError: the endpoint will not take it.
        """
        self.verify_chain_id()
        sent = CallRequest(call.target, call.data, Address(account.address), call.value)
        limit = (
            self.estimate_gas(sent) * (100 + GAS_MARGIN_PERCENT) // 100
            if gas is None
            else gas
        )
        nonce = self.nonce(Address(account.address))
        return self.send_raw(
            self.sign(account, call=sent, nonce=nonce, gas=limit, fees=self.fees())
        )

    def transaction(self, digest: Digest) -> Transaction | None:
        """Return the transaction with this hash; None where it is not known."""
        method = "eth_getTransactionByHash"
        result = self.request(method, to_hex(digest))
        if result is None:
            return None
        transaction = self._parsed(method, result, parse_transaction)
        if transaction.hash != digest:
            raise self._answer(
                method, got=to_hex(transaction.hash), expected=to_hex(digest)
            )
        return transaction

    def receipt(self, digest: Digest) -> TransactionReceipt | None:
        """Return the receipt of a mined transaction; None where there is none yet."""
        method = "eth_getTransactionReceipt"
        result = self.request(method, to_hex(digest))
        if result is None:
            return None
        receipt = self._parsed(method, result, parse_transaction_receipt)
        if receipt.transaction_hash != digest:
            raise self._answer(
                method, got=to_hex(receipt.transaction_hash), expected=to_hex(digest)
            )
        return receipt

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

    def simulate(
        self,
        calls: Sequence[CallRequest],
        *,
        base: Block | None = None,
        timestamp: int | None = None,
    ) -> tuple[SimulatedCall, ...]:
        """Run `calls` in order in one simulated block on top of `base`.

        Args:
            base: the parent; None: the newest block. The simulated block's number is
                one higher, so that `blockhash` of the parent works as it will.
            timestamp: unix seconds of the simulated block; None: the parent's plus 1.

        Raises:
            TransactionRefusedError: a call could not even start (funds, fees).
        """
        method = "eth_simulateV1"
        parent = self.latest_block() if base is None else base
        block = {
            "number": hex(parent.number + 1),
            "time": hex(parent.timestamp + 1 if timestamp is None else timestamp),
        }
        payload = {
            "blockStateCalls": [
                {"blockOverrides": block, "calls": [_call(c) for c in calls]}
            ],
            "validation": False,
        }
        result = self.request(method, payload, _block_reference(parent.hash))
        simulated = result[0] if isinstance(result, list) and len(result) == 1 else None
        outcomes = simulated.get("calls") if isinstance(simulated, dict) else None
        if not isinstance(outcomes, list) or len(outcomes) != len(calls):
            raise self._answer(
                method, got=repr(result)[:200], expected=f"{len(calls)} call results"
            )
        return tuple(self._parsed(method, o, parse_simulated_call) for o in outcomes)

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Make any JSON-RPC request and return its unchecked result.

        For methods that only a development chain has; everything else has its own
        method here.

        Raises:
            ChainUnavailableError: no useful answer; an error object becomes the error
                that describes it.
        """
        return self._result(self._endpoint.request(method, *params), method=method)

    def _result(self, outcome: JsonValue | RpcFailure, *, method: str) -> JsonValue:
        if isinstance(outcome, RpcFailure):
            raise self._failure(outcome, method=method)
        return outcome

    def _state(
        self, method: str, address: Address, *, block_hash: Digest | None
    ) -> JsonValue:
        outcome = self._endpoint.request(method, address, _block_reference(block_hash))
        if isinstance(outcome, RpcFailure):
            raise self._failure(outcome, method=method, block_hash=block_hash)
        return outcome

    def _returned(
        self,
        outcome: JsonValue | RpcFailure,
        *,
        call: CallRequest,
        block_hash: Digest | None,
    ) -> bytes | CallRevertedError:
        method = "eth_call"
        if isinstance(outcome, RpcFailure):
            failure = self._failure(
                outcome, method=method, target=call.target, block_hash=block_hash
            )
            if isinstance(failure, CallRevertedError):
                return failure
            raise failure
        return self._parsed(method, outcome, lambda text: from_hex(text, what="result"))

    def _failure(
        self,
        failure: RpcFailure,
        *,
        method: str,
        target: Address | None = None,
        block_hash: Digest | None = None,
    ) -> Exception:
        """Return the typed error that an error object stands for."""
        data = failure.data
        if isinstance(data, dict):
            data = data.get("data")
        reverted = failure.code == _REVERT_CODE or "revert" in failure.message.lower()
        if target is not None and reverted:
            try:
                revert = from_hex(data, what="revert data") if data else b""
            except MalformedError as error:
                return self._answer(method, got=error.got, expected="revert bytes")
            return CallRevertedError(
                target=target, data=revert, message=failure.message
            )
        block = "latest" if block_hash is None else to_hex(block_hash)
        if _MISSING_STATE.search(failure.message):
            return HistoryMissingError(
                self.endpoint, method=method, block=block, message=failure.message
            )
        if block_hash is not None and (
            failure.code == -32001 or _MISSING_BLOCK.search(failure.message)
        ):
            return BlockUnknownError(self.endpoint, method=method, block=block)
        if failure.code in _TRANSACTION_CODES:
            return TransactionRefusedError(
                self.endpoint, code=failure.code, message=failure.message
            )
        return ChainRefusedError(
            self.endpoint, method=method, code=failure.code, message=failure.message
        )

    def _check_chain_id(self, value: JsonValue) -> None:
        got = self._parsed(
            "eth_chainId", value, lambda text: parse_quantity(text, what="chain id")
        )
        if got != self.chain_id:
            raise ChainIdMismatchError(self.endpoint, got=got, expected=self.chain_id)

    def _quantity(self, method: str, *params: JsonValue) -> int:
        return self._parsed(
            method,
            self.request(method, *params),
            lambda text: parse_quantity(text, what="result"),
        )

    def _block(self, method: str, reference: str, *, name: str) -> Block:
        result = self.request(method, reference, False)
        if result is None:
            raise BlockUnknownError(self.endpoint, method=method, block=name)
        return self._parsed(method, result, parse_block)

    def _logs(
        self,
        address: Address,
        topics: Sequence[Digest | None],
        *,
        from_block: int,
        to_block: int,
    ) -> list[Log]:
        method = "eth_getLogs"
        wanted = [None if topic is None else to_hex(topic) for topic in topics]
        query = {
            "address": address,
            "topics": wanted,
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
        }
        result = self.request(method, query)
        if not isinstance(result, list):
            raise self._answer(method, got=repr(result)[:80], expected="a list")
        logs = [self._parsed(method, item, parse_log) for item in result]
        places = [(log.block_number, log.log_index) for log in logs]
        if places != sorted(set(places)):
            raise self._answer(
                method,
                got="logs repeated or out of order",
                expected="the chain's order",
            )
        for log in logs:
            fits = (
                log.address == address
                and from_block <= log.block_number <= to_block
                and len(log.topics) >= len(topics)
                and all(t in (None, got) for t, got in zip(topics, log.topics))  # noqa: B905
            )
            if not fits:
                raise self._answer(
                    method,
                    got=f"a log of {log.address} in block {log.block_number}",
                    expected=f"the filter {query}",
                )
        return logs

    def _parsed(
        self, method: str, value: JsonValue, parse: Callable[[JsonValue], Parsed]
    ) -> Parsed:
        try:
            return parse(value)
        except MalformedError as error:
            raise ChainAnswerError(
                self.endpoint,
                method=method,
                got=f"{error.what} {error.got}",
                expected=error.expected,
            ) from error

    def _answer(self, method: str, *, got: str, expected: str) -> ChainAnswerError:
        return ChainAnswerError(
            self.endpoint, method=method, got=got, expected=expected
        )


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
