"""Several endpoints: who is asked, who is passed over, and when nobody is believed.

The endpoints are doubles at the port: what a socket may do is in `test_json_rpc.py`,
what real chains do in `tests/agents/test_transactions.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from affiant.encoding import JsonValue, keccak256, to_hex
from affiant.errors import AffiantError, RejectedError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.endpoint_pool import EndpointPool
from affiant.onchain.errors import (
    BlockUnknownError,
    CallRevertedError,
    ChainAnswerError,
    ChainIdMismatchError,
    ChainTimeoutError,
    ChainUnavailableError,
    EndpointsDisagreeError,
    EndpointsExhaustedError,
    RateLimitedError,
    TransactionRefusedError,
)
from affiant.onchain.json_rpc import JsonRpcEndpoint, RpcFailure, RpcRequest
from affiant.onchain.mandate import Address

NOBODY = Address("0x00000000000000000000000000000000000A11cE")
CHAIN_ID = 31337

Lie = Callable[[str, tuple[JsonValue, ...], JsonValue], JsonValue]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Double(JsonRpcEndpoint):
    """An endpoint whose every answer the test decides; honest by default."""

    name: str
    head: int = 100
    lie: Lie = lambda method, params, truth: truth
    asked: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def until(self, deadline: float) -> Double:
        return self

    def close(self) -> None:
        pass

    def request(self, method: str, *params: JsonValue) -> JsonValue | RpcFailure:
        self.asked.append(method)
        answer = self.lie(method, params, self.truth(method, params))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def batch(
        self, requests: Sequence[RpcRequest]
    ) -> tuple[JsonValue | RpcFailure, ...]:
        return tuple(self.request(item.method, *item.params) for item in requests)

    def truth(self, method: str, params: tuple[JsonValue, ...]) -> JsonValue:
        if method == "eth_chainId":
            return hex(CHAIN_ID)
        if method == "eth_blockNumber":
            return hex(self.head)
        if method == "eth_getBlockByNumber":
            number = self.head if params[0] == "latest" else int(params[0], 16)
            return block(number) if number <= self.head else None
        if method == "eth_call":
            return "0x01"
        if method == "eth_sendRawTransaction":
            self.sent.append(params[0])
            return to_hex(keccak256(bytes.fromhex(params[0][2:])))
        return None


def block(number: int, *, fork: str = "") -> dict[str, JsonValue]:
    def hash_of(height: int) -> str:
        return to_hex(keccak256(f"{fork}{height}".encode()))

    return {
        "number": hex(number),
        "hash": hash_of(number),
        "parentHash": hash_of(number - 1),
        "timestamp": hex(1_700_000_000 + 12 * number),
        "baseFeePerGas": "0x1",
        "gasLimit": "0x1c9c380",
    }


def unavailable(error: type[Exception], **values: Any) -> Lie:
    return lambda method, params, truth: error("double", method=method, **values)


def on(method: str, answer: JsonValue) -> Lie:
    return lambda asked, params, truth: answer if asked == method else truth


def forked(asked: str, params: tuple[JsonValue, ...], truth: JsonValue) -> JsonValue:
    """Another history from block 50 on."""
    if asked != "eth_getBlockByNumber" or truth is None:
        return truth
    number = int(truth["number"], 16)
    return block(number, fork="other ") if number >= 50 else truth


def other_genesis(
    asked: str, params: tuple[JsonValue, ...], truth: JsonValue
) -> JsonValue:
    if asked == "eth_getBlockByNumber" and params[0] == "0x0":
        return block(0, fork="other ")
    return truth


def pool_of(*endpoints: Double, clock: Clock | None = None, **options: Any) -> Any:
    return EndpointPool(endpoints, chain_id=CHAIN_ID, clock=clock or Clock(), **options)


def chain_of(*endpoints: Double, clock: Clock | None = None, **options: Any) -> Chain:
    pool = pool_of(*endpoints, clock=clock, **options)
    return Chain(pool, chain_id=CHAIN_ID)


@dataclass(frozen=True)
class Attack:
    """What the first endpoint does; the second, or the others, must serve."""

    lie: Lie = lambda method, params, truth: truth
    head: int = 100
    honest: int = 1
    """How many honest endpoints there are besides."""


ATTACKS = {
    "it cannot be reached": Attack(unavailable(ChainUnavailableError, reason="gone")),
    "it answers too late": Attack(unavailable(ChainTimeoutError, limit=10)),
    "it answers with a huge body": Attack(
        unavailable(ChainAnswerError, got="more", expected="at most 32 MiB")
    ),
    "it is overloaded": Attack(
        unavailable(ChainAnswerError, got="HTTP status 503", expected="200")
    ),
    "it wants to be asked less": Attack(
        unavailable(RateLimitedError, got="HTTP status 429", retry_after=30)
    ),
    "it says so by a JSON-RPC error": Attack(
        on("eth_getBlockByNumber", RpcFailure(-32005, "rate limit exceeded", None))
    ),
    "it answers a list for a block": Attack(on("eth_getBlockByNumber", [])),
    "it answers a number for a block": Attack(on("eth_getBlockByNumber", 7)),
    "it answers another block": Attack(on("eth_getBlockByNumber", block(7))),
    "it says that there is no such block": Attack(on("eth_getBlockByNumber", None)),
    "it serves another chain": Attack(on("eth_chainId", "0x1")),
    "it knows no such method": Attack(
        on("eth_getBlockByNumber", RpcFailure(-32601, "method not found", None))
    ),
    "it lags behind": Attack(head=90),
    "it lags behind two": Attack(head=90, honest=2),
    "it claims to be far ahead of two": Attack(head=10**9, honest=2),
    "it tells another genesis than two": Attack(other_genesis, honest=2),
    "it tells another history than two": Attack(forked, honest=2),
}


def good_and_bad(attack: Attack) -> tuple[Double, list[Double]]:
    bad = Double("bad", attack.head, attack.lie)
    return bad, [Double(f"good {n}") for n in range(attack.honest)]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_another_endpoint_serves_when(attack: Attack) -> None:
    bad, good = good_and_bad(attack)
    chain = chain_of(bad, *good)
    chain.verify_chain_id()
    assert chain.block_by_number(99).hash.hex() == block(99)["hash"][2:]
    assert chain.endpoint == "good 0"
    assert chain.call(NOBODY, b"") == b"\x01"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_and_also_when_it_begins_to_after_the_survey(attack: Attack) -> None:
    bad, good = good_and_bad(attack)
    lie, bad.lie = bad.lie, lambda method, params, truth: truth
    head, bad.head = bad.head, 100
    chain = chain_of(bad, *good)
    chain.verify_chain_id()
    assert chain.latest_block().number == 100
    assert chain.endpoint == "bad"
    bad.lie, bad.head = lie, head
    chain.verify_chain_id()
    assert chain.latest_block().hash.hex() == block(100)["hash"][2:]
    assert chain.endpoint == "good 0"


def test_of_two_histories_and_two_endpoints_none_is_believed() -> None:
    chain = chain_of(Double("a"), Double("b", lie=forked))
    with pytest.raises(EndpointsDisagreeError) as caught:
        chain.verify_chain_id()
    assert set(caught.value.told) == {"a", "b"}


def test_of_two_geneses_and_two_endpoints_none_is_believed() -> None:
    chain = chain_of(Double("a"), Double("b", lie=other_genesis))
    with pytest.raises(EndpointsDisagreeError, match="genesis"):
        chain.verify_chain_id()


def test_where_all_serve_another_chain_that_is_said() -> None:
    other = on("eth_chainId", "0x1")
    chain = chain_of(Double("a", lie=other), Double("b", lie=other))
    with pytest.raises(ChainIdMismatchError) as caught:
        chain.verify_chain_id()
    assert isinstance(caught.value, RejectedError)


def test_where_none_serves_every_reason_is_told() -> None:
    chain = chain_of(
        Double("a", lie=unavailable(ChainTimeoutError, limit=1)),
        Double("b", lie=on("eth_chainId", "0x1")),
    )
    with pytest.raises(EndpointsExhaustedError) as caught:
        chain.block_number()
    assert len(caught.value.reasons) == 2
    assert "within 1 s" in str(caught.value)
    assert "got 1, expected 31337" in str(caught.value)


def test_a_block_that_nobody_has_is_unknown_and_not_unavailable() -> None:
    a, b = Double("a"), Double("b")
    with pytest.raises(BlockUnknownError):
        chain_of(a, b).block_by_number(1000)
    assert b.asked.count("eth_getBlockByNumber") == 1


REVERT = RpcFailure(3, "execution reverted", "0x1234")


def test_a_revert_is_an_answer_and_not_asked_elsewhere() -> None:
    a, b = Double("a", lie=on("eth_call", REVERT)), Double("b")
    chain = chain_of(a, b)
    with pytest.raises(CallRevertedError) as caught:
        chain.call(NOBODY, b"")
    assert caught.value.data == b"\x12\x34"
    assert b.asked == []
    assert chain.block_number() == 100
    assert chain.endpoint == "a", "the endpoint was well"


def test_a_reverting_estimate_is_an_answer_too() -> None:
    a, b = Double("a", lie=on("eth_estimateGas", REVERT)), Double("b")
    with pytest.raises(CallRevertedError):
        chain_of(a, b).estimate_gas(CallRequest(NOBODY, b""))
    assert b.asked == []


def test_an_endpoint_that_failed_shows_its_chain_before_it_serves_again() -> None:
    clock = Clock()
    a, b = Double("a"), Double("b")
    chain = chain_of(a, b, clock=clock)
    chain.verify_chain_id()
    a.lie = unavailable(ChainTimeoutError, limit=1)
    assert chain.block_number() == 100
    # Back again, but somewhere else now.
    a.lie, a.asked = on("eth_chainId", "0x1"), []
    clock.now += 1000
    assert chain.block_number() == 100
    assert chain.endpoint == "b"
    assert a.asked == ["eth_chainId"], "it was asked for nothing else"
    a.lie, a.asked = other_genesis, []
    clock.now += 1000
    assert chain.block_number() == 100
    assert chain.endpoint == "b"
    assert a.asked == ["eth_chainId", "eth_getBlockByNumber"]
    a.lie = lambda method, params, truth: truth
    clock.now += 1000
    chain.block_number()
    assert chain.endpoint == "a"


def test_an_endpoint_that_fails_is_left_alone_for_longer_each_time() -> None:
    clock = Clock()
    a, b = Double("a", lie=unavailable(ChainTimeoutError, limit=1)), Double("b")
    chain = chain_of(a, b, clock=clock)
    asked = []
    for _ in range(40):
        a.asked.clear()
        chain.block_number()
        asked.append(bool(a.asked))
        clock.now += 1
    assert [n for n, was in enumerate(asked) if was] == [0, 1, 3, 7, 15, 31]


def test_retry_after_is_kept_to_even_where_there_is_no_other() -> None:
    clock = Clock()
    a = Double("a", lie=unavailable(RateLimitedError, got="429", retry_after=30))
    chain = chain_of(a, clock=clock)
    with pytest.raises(RateLimitedError):
        chain.block_number()
    a.lie = lambda method, params, truth: truth
    a.asked.clear()
    for _ in range(29):
        with pytest.raises(RateLimitedError):
            chain.block_number()
        clock.now += 1
    assert a.asked == []
    clock.now += 2
    assert chain.block_number() == 100


def test_one_operation_ends_by_its_budget_however_many_endpoints_dawdle() -> None:
    clock = Clock()

    def dawdle(method: str, params: Any, truth: JsonValue) -> JsonValue:
        clock.now += 9
        return ChainTimeoutError("double", method=method, limit=9)

    doubles = [Double(str(n), lie=dawdle) for n in range(10)]
    started = clock.now
    with pytest.raises(EndpointsExhaustedError):
        chain_of(*doubles, clock=clock, budget=20).block_number()
    assert clock.now - started == 27, "no new endpoint is tried after the budget"


def test_an_endpoint_that_answers_slowly_for_ever_is_asked_after_the_others() -> None:
    clock = Clock()

    def slow(method: str, params: Any, truth: JsonValue) -> JsonValue:
        clock.now += 6
        return truth

    a, b = Double("a", lie=slow), Double("b")
    chain = chain_of(a, b, clock=clock, slow=5)
    assert chain.block_number() == 100
    assert chain.endpoint == "a", "late is better than nothing"
    assert chain.block_number() == 100
    assert chain.endpoint == "b"


def test_what_must_agree_comes_from_one_endpoint() -> None:
    """`a` fails half way: all of it is read again at `b`, and nothing is mixed."""
    a, b = Double("a"), Double("b")
    a.lie = lambda method, params, truth: (
        ChainTimeoutError("a", method=method, limit=1)
        if method == "eth_call"
        else truth
    )
    chain = chain_of(a, b)
    names = []

    def work(one: Chain) -> bytes:
        latest = one.latest_block()
        names.append(one.endpoint)
        data = one.call(NOBODY, b"", block_hash=latest.hash)
        names.append(one.endpoint)
        return data

    assert chain.steadily(work) == b"\x01"
    assert names == ["a", "b", "b"]
    assert b.asked.count("eth_getBlockByNumber") == 1


def test_inside_it_nothing_fails_over() -> None:
    a, b = Double("a"), Double("b")

    def work(one: Chain) -> None:
        one.latest_block()
        a.lie = unavailable(ChainTimeoutError, limit=1)
        b.lie = unavailable(ChainUnavailableError, reason="gone")
        one.latest_block()

    with pytest.raises(EndpointsExhaustedError) as caught:
        chain_of(a, b).steadily(work)
    assert len(caught.value.reasons) == 2


RAW = bytes.fromhex("02aabb")


def test_a_transaction_is_handed_to_every_endpoint() -> None:
    doubles = [Double(name) for name in "abc"]
    sent = chain_of(*doubles).broadcast(RAW)
    assert sent.digest == keccak256(RAW)
    assert sent.taken_by == ("a", "b", "c")
    assert [double.sent for double in doubles] == [[to_hex(RAW)]] * 3


NO = RpcFailure(-32000, "nonce too low", None)
KNOWN = RpcFailure(-32000, "already known", None)


def test_one_endpoint_that_takes_it_is_enough() -> None:
    doubles = [
        Double("refuses", lie=on("eth_sendRawTransaction", NO)),
        Double("dead", lie=unavailable(ChainTimeoutError, limit=1)),
        Double("takes it"),
        Double("has it", lie=on("eth_sendRawTransaction", KNOWN)),
        Double("lies", lie=on("eth_sendRawTransaction", "0x" + "00" * 32)),
    ]
    sent = chain_of(*doubles).broadcast(RAW)
    assert sent.taken_by == ("takes it", "has it")
    assert set(sent.refusals) == {"refuses", "dead", "lies"}


def test_refused_by_all_is_refused() -> None:
    refuse = on("eth_sendRawTransaction", NO)
    with pytest.raises(TransactionRefusedError):
        chain_of(Double("a", lie=refuse), Double("b", lie=refuse)).broadcast(RAW)


def test_what_all_refuse_because_it_is_mined_already_was_sent() -> None:
    """One passed it on before it refused it; the other says that its nonce is used."""
    mined: JsonValue = {
        "hash": to_hex(keccak256(RAW)),
        "from": "0x" + "11" * 20,
        "to": "0x" + "22" * 20,
        "nonce": "0x0",
        "value": "0x0",
        "input": "0x",
        "blockNumber": "0x64",
        "blockHash": "0x" + "33" * 32,
    }
    refuse = on("eth_sendRawTransaction", NO)
    knows = Double("knows it")
    knows.lie = lambda method, params, truth: (
        mined if method == "eth_getTransactionByHash" else refuse(method, params, truth)
    )
    sent = chain_of(Double("refuses", lie=refuse), knows).broadcast(RAW)
    assert sent.taken_by == ("knows it",)


def test_refused_by_one_and_unknown_at_the_other_is_unknown() -> None:
    a = Double("a", lie=on("eth_sendRawTransaction", NO))
    b = Double("b")
    b.lie = lambda method, params, truth: (
        ChainTimeoutError("b", method=method, limit=1)
        if method == "eth_sendRawTransaction"
        else truth
    )
    with pytest.raises(ChainUnavailableError) as caught:
        chain_of(a, b).broadcast(RAW)
    assert not isinstance(caught.value, RejectedError)


def test_who_dawdles_with_a_transaction_does_not_hold_up_the_others() -> None:
    over = threading.Event()

    def dawdle(method: str, params: Any, truth: JsonValue) -> JsonValue:
        if method == "eth_sendRawTransaction":
            over.wait(20)
        return truth

    pool = pool_of(Double("a", lie=dawdle), Double("b"))
    try:
        answers = pool.everywhere(lambda at: at.send_raw(RAW), patience=0.05)
    finally:
        over.set()
    assert isinstance(answers["a"], ChainTimeoutError)
    assert answers["b"] == keccak256(RAW)


def test_a_receipt_is_looked_for_everywhere_before_there_is_none() -> None:
    digest = keccak256(RAW)
    receipt = {
        "transactionHash": to_hex(digest),
        "blockNumber": "0x63",
        "blockHash": block(99)["hash"],
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x1",
        "contractAddress": None,
        "logs": [],
    }
    a, b = Double("a"), Double("b", lie=on("eth_getTransactionReceipt", receipt))
    found = chain_of(a, b).receipt(digest)
    assert found is not None and found.block_number == 99
    assert chain_of(a, Double("c")).receipt(digest) is None


def test_endpoints_of_one_host_are_told_apart_without_showing_their_keys() -> None:
    urls = ["http://127.0.0.1:9/key-one", "http://127.0.0.1:9/key-two"]
    pool = EndpointPool(
        [JsonRpcEndpoint(url, timeout=1) for url in urls], chain_id=CHAIN_ID
    )
    assert pool.names == ("http://127.0.0.1:9", "http://127.0.0.1:9 #2")


@pytest.mark.parametrize("count", [0, 17])
def test_a_pool_has_one_to_sixteen_endpoints(count: int) -> None:
    with pytest.raises(ValueError):
        pool_of(*[Double(str(n)) for n in range(count)])


def test_a_bug_in_the_work_is_raised_and_not_asked_elsewhere() -> None:
    a, b = Double("a"), Double("b")

    def work(_: Any) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        pool_of(a, b).run(work)
    assert b.asked == []


def test_another_kind_of_refusal_is_an_answer() -> None:
    class Refusal(AffiantError):
        pass

    def work(reads: Any) -> None:
        raise Refusal(reads.name)

    b = Double("b")
    with pytest.raises(Refusal, match="a"):
        pool_of(Double("a"), b).run(work)
    assert b.asked == []
