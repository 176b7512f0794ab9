"""What one endpoint says of the chain, typed, and about the thing that was asked for.

It decides whether an answer has the right form, is of the expected chain, and is about
the block, transaction or filter asked for; anything else is a typed error. It asks one
endpoint once: which endpoint, and whether another is asked next, is `endpoint_pool`'s
business. Whether a well-formed answer is true nobody decides here.

`affiant.onchain.chain.Chain` documents what each method returns and raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from affiant.encoding import Digest, JsonValue, from_hex, keccak256, to_hex
from affiant.onchain.chain_answers import ChainAnswers
from affiant.onchain.chain_types import (
    Block,
    CallRequest,
    FeeHistory,
    Log,
    SimulatedCall,
    Transaction,
    TransactionReceipt,
    parse_block,
    parse_fee_history,
    parse_logs,
    parse_quantity,
    parse_simulated_block,
    parse_transaction,
    parse_transaction_receipt,
)
from affiant.onchain.errors import (
    BlockUnknownError,
    CallRevertedError,
    ChainIdMismatchError,
    EndpointStaleError,
    TransactionRefusedError,
)
from affiant.onchain.json_rpc import JsonRpcEndpoint, RpcFailure, RpcRequest
from affiant.onchain.mandate import Address

Parsed = TypeVar("Parsed")


class EndpointReads:
    """One endpoint, for as long as one operation takes."""

    def __init__(
        self,
        endpoint: JsonRpcEndpoint,
        *,
        chain_id: int,
        least_head: int = 0,
    ) -> None:
        """Wrap an endpoint without asking it anything.

        Args:
            least_head: a newest block below this number is stale.
        """
        self._answers = ChainAnswers(endpoint)
        self.chain_id = chain_id
        self._least_head = least_head
        self.head: int | None = None
        """Number of the newest block that it told, once it did."""

    @property
    def name(self) -> str:
        """Scheme, host and port of the endpoint."""
        return self._answers.name

    def verify_chain_id(self) -> None:
        """Refuse another chain."""
        self._require_chain_id(self._answers.ask_quantity("eth_chainId"))

    def block_number(self) -> int:
        """Return the newest block's number."""
        method = "eth_blockNumber"
        return self._fresh(self._answers.ask_quantity(method), method=method)

    def any_head(self) -> int:
        """Return the newest block's number, stale or not."""
        self.head = self._answers.ask_quantity("eth_blockNumber")
        return self.head

    def latest_block(self) -> Block:
        """Return the newest block."""
        method = "eth_getBlockByNumber"
        block = self._block(method, "latest", name="latest")
        self._fresh(block.number, method=method)
        return block

    def block_by_number(self, number: int) -> Block:
        """Return the canonical block at height `number`."""
        method = "eth_getBlockByNumber"
        block = self._block(method, hex(number), name=str(number))
        if block.number != number:
            raise self._answers.unfit(
                method, got=f"block {block.number}", expected=f"block {number}"
            )
        return block

    def block_by_hash(self, block_hash: Digest) -> Block:
        """Return the block with this hash, canonical or not."""
        method, name = "eth_getBlockByHash", to_hex(block_hash)
        block = self._block(method, name, name=name)
        if block.hash != block_hash:
            raise self._answers.unfit(method, got=to_hex(block.hash), expected=name)
        return block

    def try_call_many(
        self, calls: Sequence[CallRequest], *, block_hash: Digest | None
    ) -> tuple[bytes | CallRevertedError, ...]:
        """Make several calls on one block's state; a revert is a value.

        The chain id is asked for in the same batch, so that a load balancer cannot
        answer for another chain.
        """
        reference = _block_reference(block_hash)
        requests = [RpcRequest("eth_call", (_call(c), reference)) for c in calls]
        chain_id, outcomes = self._answers.call_many(requests, block_hash=block_hash)
        self._require_chain_id(chain_id)
        return outcomes

    def code(self, address: Address, *, block_hash: Digest | None) -> bytes:
        """Return the code at `address`; empty where there is none."""
        return self._state("eth_getCode", address, block_hash, parse=_code)

    def balance(self, address: Address, *, block_hash: Digest | None) -> int:
        """Return the native balance of `address` in wei."""
        return self._state("eth_getBalance", address, block_hash, parse=_balance)

    def logs(
        self,
        address: Address,
        *,
        topics: Sequence[Digest | None],
        from_block: int,
        to_block: int,
    ) -> tuple[Log, ...]:
        """Return the logs of `address` in a range of blocks, both ends included."""
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

    def nonce(self, address: Address, *, block: str) -> int:
        """Return the next nonce of `address` by the block tag `block`."""
        return self._answers.ask_quantity("eth_getTransactionCount", address, block)

    def fee_history(self, *, blocks: int, percentile: int) -> FeeHistory:
        """Return base fees and tips of the newest blocks."""
        return self._answers.ask(
            "eth_feeHistory",
            hex(blocks),
            "latest",
            [percentile],
            parse=parse_fee_history,
        )

    def suggested_tip(self) -> int:
        """Return what the endpoint would offer a proposer, wei per gas."""
        return self._answers.ask_quantity("eth_maxPriorityFeePerGas")

    def estimate_gas(self, call: CallRequest) -> int:
        """Return the gas that `call` would use as a transaction on the newest state."""
        return self._answers.ask(
            "eth_estimateGas",
            _call(call),
            parse=lambda value: parse_quantity(value, what="gas", bits=64),
            target=call.target,
        )

    def simulate(
        self,
        calls: Sequence[CallRequest],
        *,
        base: Block,
        timestamp: int | None,
        codes: Mapping[Address, bytes] | None,
    ) -> tuple[SimulatedCall, ...]:
        """Run `calls` in order in one simulated block on top of `base`."""
        when = base.timestamp + 1 if timestamp is None else timestamp
        block: dict[str, JsonValue] = {
            # Without these, anvil runs the calls in the parent's own environment.
            "blockOverrides": {"number": hex(base.number + 1), "time": hex(when)},
            "calls": [_call(call) for call in calls],
        }
        if codes:
            block["stateOverrides"] = {
                address: {"code": to_hex(code)} for address, code in codes.items()
            }
        return self._answers.ask(
            "eth_simulateV1",
            {"blockStateCalls": [block], "validation": False},
            _block_reference(base.hash),
            parse=lambda value: parse_simulated_block(value, calls=len(calls)),
            block_hash=base.hash,
        )

    def send_raw(self, transaction: bytes) -> Digest:
        """Hand over a signed transaction and return its hash; twice is harmless."""
        method = "eth_sendRawTransaction"
        expected = transaction_hash(transaction)
        outcome = self._answers.endpoint.request(method, to_hex(transaction))
        if isinstance(outcome, RpcFailure):
            if re.search(r"already (known|imported)", outcome.message, re.IGNORECASE):
                return expected
            raise TransactionRefusedError(
                self.name, code=outcome.code, message=outcome.message
            )
        if outcome != to_hex(expected):
            raise self._answers.unfit(
                method, got=repr(outcome)[:80], expected=to_hex(expected)
            )
        return expected

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Make any JSON-RPC request and return its unchecked result."""
        return self._answers.ask(method, *params, parse=lambda value: value)

    def _state(
        self,
        method: str,
        address: Address,
        block_hash: Digest | None,
        *,
        parse: Callable[[JsonValue], Parsed],
    ) -> Parsed:
        reference = _block_reference(block_hash)
        return self._answers.ask(
            method, address, reference, parse=parse, block_hash=block_hash
        )

    def _fresh(self, number: int, *, method: str) -> int:
        if number < self._least_head:
            raise EndpointStaleError(
                self.name,
                method=method,
                got=number,
                expected=f"at least {self._least_head}",
            )
        self.head = number
        return number

    def _require_chain_id(self, got: int) -> None:
        if got != self.chain_id:
            raise ChainIdMismatchError(self.name, got=got, expected=self.chain_id)

    def _block(self, method: str, reference: str, *, name: str) -> Block:
        block = self._answers.ask(
            method,
            reference,
            False,
            parse=lambda value: None if value is None else parse_block(value),
        )
        if block is None:
            raise BlockUnknownError(self.name, method=method, block=name)
        return block


def transaction_hash(transaction: bytes) -> Digest:
    """Return keccak256 of a signed transaction, the hash by which it is known."""
    return keccak256(transaction)


def _code(value: JsonValue) -> bytes:
    return from_hex(value, what="code")


def _balance(value: JsonValue) -> int:
    return parse_quantity(value, what="balance")


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
