"""What a chain says, as plain values: blocks, logs, transactions, receipts.

Pure. The `parse_…` functions read an endpoint's JSON as hostile text: every field that
we use is checked for form and range; fields that we do not use are ignored, because
endpoints add their own. Whether what they say is true is the business of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from affiant.encoding import Digest, JsonValue, digest_from_hex, from_hex
from affiant.errors import MalformedError
from affiant.onchain.mandate import Address, parse_address

MAX_TOPICS = 4
"""Most topics of a log; the EVM has LOG0 to LOG4."""

MAX_FEE_BLOCKS = 1024
"""Most blocks of a fee history (`eth_feeHistory` gives no more)."""

Item = TypeVar("Item")

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")


@dataclass(frozen=True)
class Block:
    """A block's header, as far as we use it."""

    number: int
    hash: Digest
    parent_hash: Digest
    timestamp: int
    """Unix seconds."""
    base_fee: int | None
    """Wei per gas; None before the London rules."""
    gas_limit: int


@dataclass(frozen=True)
class Event:
    """What a contract said, wherever it said it; in a simulation there is no block."""

    address: Address
    topics: tuple[Digest, ...]
    data: bytes


@dataclass(frozen=True)
class Log(Event):
    """An event in a block."""

    block_number: int
    block_hash: Digest
    transaction_hash: Digest
    log_index: int
    """Position among all logs of the block."""


@dataclass(frozen=True)
class Transaction:
    """A transaction as it was sent."""

    hash: Digest
    sender: Address
    target: Address | None
    """None where it creates a contract."""
    nonce: int
    value: int
    """Wei."""
    data: bytes
    block_number: int | None
    """None while pending."""
    block_hash: Digest | None


@dataclass(frozen=True)
class TransactionReceipt:
    """What became of a transaction."""

    transaction_hash: Digest
    block_number: int
    block_hash: Digest
    succeeded: bool
    gas_used: int
    gas_price: int
    """Wei per gas, effectively paid."""
    contract_address: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True)
class Fees:
    """What to offer for a transaction now, wei per gas."""

    max_fee: int
    priority_fee: int


@dataclass(frozen=True)
class FeeHistory:
    """What recent blocks took, wei per gas (`eth_feeHistory`)."""

    next_base_fee: int
    """Base fee of the block after the newest."""
    tips: tuple[int, ...]
    """Per block, oldest first, the priority fee at the percentile asked for."""


@dataclass(frozen=True)
class CallRequest:
    """A call to make without a transaction."""

    target: Address
    data: bytes
    sender: Address | None = None
    """None: the endpoint's default, the zero address."""
    value: int = 0
    """Wei."""


@dataclass(frozen=True)
class SimulatedCall:
    """One call's outcome inside a simulated block."""

    succeeded: bool
    data: bytes
    """Returned bytes, or the revert bytes."""
    gas_used: int
    message: str
    """The endpoint's own words about a failure; empty on success."""
    events: tuple[Event, ...] = ()
    """What was said, in order; empty on failure."""


def parse_quantity(value: JsonValue, *, what: str, bits: int = 256) -> int:
    """Return a JSON-RPC quantity ("0x1f") as an integer of at most `bits` bits.

    Raises:
        MalformedError: it is not one.
    """
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value.lower()):
        raise MalformedError(what, got=repr(value)[:80], expected="a hex quantity")
    number = int(value, 16)
    if number >= 2**bits:
        raise MalformedError(what, got=value, expected=f"uint{bits}")
    return number


def parse_block(value: JsonValue) -> Block:
    """Parse a block object.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="block")
    return Block(
        number=parse_quantity(item.get("number"), what="block.number", bits=53),
        hash=_digest(item.get("hash"), what="block.hash"),
        parent_hash=_digest(item.get("parentHash"), what="block.parentHash"),
        timestamp=parse_quantity(
            item.get("timestamp"), what="block.timestamp", bits=53
        ),
        base_fee=_optional(
            item.get("baseFeePerGas"),
            lambda text: parse_quantity(text, what="block.baseFeePerGas"),
        ),
        gas_limit=parse_quantity(item.get("gasLimit"), what="block.gasLimit", bits=64),
    )


def parse_log(value: JsonValue) -> Log:
    """Parse a log object of a mined transaction.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="log")
    event = parse_event(item)
    return Log(
        address=event.address,
        topics=event.topics,
        data=event.data,
        block_number=parse_quantity(
            item.get("blockNumber"), what="log.blockNumber", bits=53
        ),
        block_hash=_digest(item.get("blockHash"), what="log.blockHash"),
        transaction_hash=_digest(
            item.get("transactionHash"), what="log.transactionHash"
        ),
        log_index=parse_quantity(item.get("logIndex"), what="log.logIndex", bits=53),
    )


def parse_event(value: JsonValue) -> Event:
    """Parse what a log object says, without where it is.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="log")
    topics = item.get("topics")
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS:
        raise MalformedError(
            "log.topics", got=repr(topics)[:80], expected=f"at most {MAX_TOPICS}"
        )
    return Event(
        address=parse_address(item.get("address"), what="log.address"),
        topics=tuple(_digest(topic, what="log.topics") for topic in topics),
        data=from_hex(item.get("data"), what="log.data"),
    )


def parse_transaction(value: JsonValue) -> Transaction:
    """Parse a transaction object.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="transaction")
    return Transaction(
        hash=_digest(item.get("hash"), what="transaction.hash"),
        sender=parse_address(item.get("from"), what="transaction.from"),
        target=_optional(
            item.get("to"), lambda text: parse_address(text, what="transaction.to")
        ),
        nonce=parse_quantity(item.get("nonce"), what="transaction.nonce", bits=64),
        value=parse_quantity(item.get("value"), what="transaction.value"),
        data=from_hex(item.get("input"), what="transaction.input"),
        block_number=_optional(
            item.get("blockNumber"),
            lambda text: parse_quantity(text, what="transaction.blockNumber", bits=53),
        ),
        block_hash=_optional(
            item.get("blockHash"),
            lambda text: _digest(text, what="transaction.blockHash"),
        ),
    )


def parse_transaction_receipt(value: JsonValue) -> TransactionReceipt:
    """Parse a transaction receipt.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="receipt")
    logs = item.get("logs")
    if not isinstance(logs, list):
        raise MalformedError("receipt.logs", got=repr(logs)[:80], expected="a list")
    return TransactionReceipt(
        transaction_hash=_digest(
            item.get("transactionHash"), what="receipt.transactionHash"
        ),
        block_number=parse_quantity(
            item.get("blockNumber"), what="receipt.blockNumber", bits=53
        ),
        block_hash=_digest(item.get("blockHash"), what="receipt.blockHash"),
        succeeded=parse_quantity(item.get("status"), what="receipt.status", bits=1)
        == 1,
        gas_used=parse_quantity(item.get("gasUsed"), what="receipt.gasUsed", bits=64),
        gas_price=parse_quantity(
            item.get("effectiveGasPrice"), what="receipt.effectiveGasPrice"
        ),
        contract_address=_optional(
            item.get("contractAddress"),
            lambda text: parse_address(text, what="receipt.contractAddress"),
        ),
        logs=tuple(parse_log(log) for log in logs),
    )


def parse_fee_history(value: JsonValue) -> FeeHistory:
    """Parse the result of `eth_feeHistory` for one percentile.

    Raises:
        MalformedError: a field that we use is missing or malformed.
    """
    item = _object(value, what="fee history")
    base_fees, rewards = item.get("baseFeePerGas"), item.get("reward")
    if not isinstance(base_fees, list) or not 0 < len(base_fees) <= MAX_FEE_BLOCKS + 1:
        raise MalformedError(
            "feeHistory.baseFeePerGas",
            got=repr(base_fees)[:80],
            expected=f"1 to {MAX_FEE_BLOCKS + 1} quantities",
        )
    if not isinstance(rewards, list) or len(rewards) != len(base_fees) - 1:
        raise MalformedError(
            "feeHistory.reward",
            got=repr(rewards)[:80],
            expected=f"a list of {len(base_fees) - 1}",
        )
    tips = []
    for reward in rewards:
        if not isinstance(reward, list) or len(reward) != 1:
            raise MalformedError(
                "feeHistory.reward", got=repr(reward)[:80], expected="one quantity each"
            )
        tips.append(parse_quantity(reward[0], what="feeHistory.reward"))
    return FeeHistory(
        next_base_fee=parse_quantity(base_fees[-1], what="feeHistory.baseFeePerGas"),
        tips=tuple(tips),
    )


def parse_logs(value: JsonValue) -> tuple[Log, ...]:
    """Parse a list of logs, which must be in the chain's order, none twice.

    Raises:
        MalformedError: it is not, or a log is malformed.
    """
    if not isinstance(value, list):
        raise MalformedError("logs", got=repr(value)[:80], expected="a list")
    logs = tuple(parse_log(item) for item in value)
    places = [(log.block_number, log.log_index) for log in logs]
    if places != sorted(set(places)):
        raise MalformedError(
            "logs", got="a log twice or out of order", expected="the chain's order"
        )
    return logs


def parse_simulated_block(value: JsonValue, *, calls: int) -> tuple[SimulatedCall, ...]:
    """Parse the result of `eth_simulateV1` for one block of `calls` calls.

    Raises:
        MalformedError: another number of blocks or calls, or a malformed field.
    """
    block = value[0] if isinstance(value, list) and len(value) == 1 else None
    outcomes = block.get("calls") if isinstance(block, dict) else None
    if not isinstance(outcomes, list) or len(outcomes) != calls:
        raise MalformedError(
            "simulation",
            got=repr(value)[:200],
            expected=f"one block with {calls} call results",
        )
    return tuple(_simulated_call(outcome) for outcome in outcomes)


def _simulated_call(value: JsonValue) -> SimulatedCall:
    item = _object(value, what="simulated call")
    succeeded = parse_quantity(item.get("status"), what="simulated.status", bits=1) == 1
    error = item.get("error")
    data = item.get("returnData")
    # The specification puts revert bytes into `error.data`; anvil into `returnData`.
    if not succeeded and isinstance(error, dict) and isinstance(error.get("data"), str):
        data = error["data"]
    return SimulatedCall(
        succeeded=succeeded,
        data=from_hex(data, what="simulated.returnData"),
        gas_used=parse_quantity(item.get("gasUsed"), what="simulated.gasUsed", bits=64),
        message=str(error.get("message"))[:200] if isinstance(error, dict) else "",
        events=_simulated_events(item.get("logs")) if succeeded else (),
    )


def _simulated_events(value: JsonValue) -> tuple[Event, ...]:
    """Parse a simulated call's logs; what names their block is not looked at."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedError("simulated.logs", got=repr(value)[:80], expected="a list")
    return tuple(parse_event(item) for item in value)


def _object(value: JsonValue, *, what: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise MalformedError(what, got=repr(value)[:80], expected="an object")
    return value


def _digest(value: JsonValue, *, what: str) -> Digest:
    return digest_from_hex(
        value.lower() if isinstance(value, str) else value, what=what
    )


def _optional(value: JsonValue, parse: Callable[[JsonValue], Item]) -> Item | None:
    return None if value is None else parse(value)
