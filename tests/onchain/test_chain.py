"""The chain client on a real local chain: reads by hash, reorganisations, sending."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, JsonValue, keccak256, to_hex
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, Fees
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.errors import (
    AnchorReorgedError,
    BlockUnknownError,
    CallRevertedError,
    ChainAnswerError,
    ChainIdMismatchError,
    ChainRefusedError,
    FeeTooHighError,
    HistoryMissingError,
    ReceiptTimeoutError,
    TransactionRefusedError,
)
from affiant.onchain.json_rpc import JsonRpcEndpoint
from affiant.onchain.mandate import Address
from affiant.onchain.observation import observation_reread, record

pytestmark = pytest.mark.anvil

NAMES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")
NOBODY = Address("0x00000000000000000000000000000000000A11cE")
FRIEND = Address("0x000000000000000000000000000000000000F00d")
UNKNOWN = Digest(b"\xab" * 32)
BALANCE_OF = bytes.fromhex("70a08231") + bytes(12)
TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as started:
        yield started


@pytest.fixture
def chain(devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    yield connected
    connected.close()


@pytest.fixture
def scenario(devnet: Devnet) -> Scenario:
    return Scenario(devnet)


@pytest.fixture
def sender(devnet: Devnet) -> LocalAccount:
    account: LocalAccount = Account.from_key(devnet.accounts[6].key)
    return account


def test_connect_refuses_another_chain_id(devnet: Devnet) -> None:
    with pytest.raises(ChainIdMismatchError) as caught:
        Chain.connect(devnet.url, expected_chain_id=1)
    assert (caught.value.got, caught.value.expected) == (devnet.chain_id, 1)


def test_blocks_are_found_by_number_and_hash(chain: Chain) -> None:
    latest = chain.latest_block()
    parent = chain.block_by_number(latest.number - 1)
    assert latest.parent_hash == parent.hash
    assert chain.block_by_hash(latest.hash) == latest
    assert (
        chain.verify_canonical(number=latest.number, block_hash=latest.hash) == latest
    )
    with pytest.raises(BlockUnknownError):
        chain.block_by_number(latest.number + 1000)
    with pytest.raises(BlockUnknownError):
        chain.block_by_hash(UNKNOWN)
    with pytest.raises(AnchorReorgedError):
        chain.verify_canonical(number=latest.number, block_hash=UNKNOWN)
    with pytest.raises(AnchorReorgedError):
        chain.verify_canonical(number=latest.number + 1000, block_hash=UNKNOWN)


def test_state_is_read_as_it_was_at_the_block(
    chain: Chain, devnet: Devnet, scenario: Scenario
) -> None:
    weth = devnet.book.tokens["WETH"].address
    data = BALANCE_OF + bytes.fromhex(NOBODY[2:])
    before = chain.latest_block()
    held = int.from_bytes(chain.call(weth, data, block_hash=before.hash), "big")
    scenario.fund(NOBODY, {"WETH": Decimal("1.5"), "ETH": 2})
    after = chain.latest_block()
    grown = int.from_bytes(chain.call(weth, data, block_hash=after.hash), "big")
    assert grown - held == 15 * 10**17
    assert int.from_bytes(chain.call(weth, data, block_hash=before.hash), "big") == held
    gained = chain.balance(NOBODY) - chain.balance(NOBODY, block_hash=before.hash)
    # The balance was set before the block was mined, on the parent's state.
    assert gained in (0, 2 * 10**18)
    assert chain.code(weth, block_hash=before.hash) == chain.code(weth) != b""
    assert chain.code(NOBODY) == b""
    for read in (chain.balance, chain.code):
        with pytest.raises(BlockUnknownError):
            read(weth, block_hash=UNKNOWN)


def test_call_carries_the_revert_bytes(chain: Chain, devnet: Devnet) -> None:
    weth = devnet.book.tokens["WETH"].address
    assert devnet.book.aave is not None
    with pytest.raises(CallRevertedError) as caught:
        # Aave's pool reverts with a string: NOT_ENOUGH_AVAILABLE_USER_BALANCE.
        chain.call(
            devnet.book.aave.pool,
            bytes.fromhex("69328dec")
            + bytes(12)
            + bytes.fromhex(weth[2:])
            + (5).to_bytes(32, "big")
            + bytes(12)
            + bytes.fromhex(NOBODY[2:]),
            sender=NOBODY,
        )
    assert caught.value.data[:4].hex() == "08c379a0"
    assert b"32" in caught.value.data
    good = CallRequest(weth, BALANCE_OF + bytes(20))
    bad = CallRequest(weth, bytes.fromhex("2e1a7d4d") + b"\xff" * 32)
    outcomes = chain.try_call_many([good, bad, good])
    assert isinstance(outcomes[1], CallRevertedError)
    assert isinstance(outcomes[0], bytes) and outcomes[0] == outcomes[2]
    with pytest.raises(CallRevertedError):
        chain.call_many([good, bad])
    with pytest.raises(CallRevertedError):
        chain.estimate_gas(bad)


def test_a_reorganised_block_is_refused_everywhere(
    chain: Chain, devnet: Devnet, scenario: Scenario
) -> None:
    scenario.mine(3)
    anchor = chain.block_by_number(chain.block_number() - 1)
    recorded = record(
        chain, names=NAMES, book=devnet.book, account=NOBODY, block=anchor
    )
    assert observation_reread(chain, recorded) == ()
    scenario.reorg(3)
    with pytest.raises(AnchorReorgedError):
        chain.verify_canonical(number=anchor.number, block_hash=anchor.hash)
    with pytest.raises(BlockUnknownError):
        chain.call(devnet.book.gate, b"", block_hash=anchor.hash)
    with pytest.raises(AnchorReorgedError):
        record(chain, names=NAMES, book=devnet.book, account=NOBODY, block=anchor)
    with pytest.raises(AnchorReorgedError):
        observation_reread(chain, recorded)


def test_transactions_are_sent_found_and_waited_for(
    chain: Chain, devnet: Devnet, scenario: Scenario, sender: LocalAccount
) -> None:
    weth = devnet.book.tokens["WETH"].address
    first = chain.block_number() + 1
    address = Address(sender.address)
    deposit = CallRequest(weth, bytes.fromhex("d0e30db0"), value=7)
    transfer = CallRequest(
        weth,
        bytes.fromhex("a9059cbb")
        + bytes(12)
        + bytes.fromhex(FRIEND[2:])
        + (5).to_bytes(32, "big"),
    )
    nonce = chain.nonce(address)
    for call in (deposit, transfer):
        digest = chain.transact(sender, call=call)
        scenario.mine()
        receipt = chain.wait_receipt(digest, timeout=10)
        assert receipt.succeeded and receipt.transaction_hash == digest
        found = chain.transaction(digest)
        assert found is not None
        assert (found.sender, found.target, found.data, found.value) == (
            address,
            weth,
            call.data,
            call.value,
        )
        assert found.block_hash == receipt.block_hash
    assert chain.nonce(address) == nonce + 2
    topics = [TRANSFER_TOPIC, None, Digest(bytes(12) + bytes.fromhex(FRIEND[2:]))]
    (log,) = chain.logs(
        weth, topics=topics, from_block=first, to_block=chain.block_number()
    )
    assert log in receipt.logs
    assert int.from_bytes(log.data, "big") == 5
    assert chain.logs(weth, topics=topics, from_block=0, to_block=first - 1) == ()
    assert chain.transaction(UNKNOWN) is None
    assert chain.receipt(UNKNOWN) is None
    with pytest.raises(ReceiptTimeoutError):
        chain.wait_receipt(UNKNOWN, timeout=0.1, poll=0.05)


def test_a_transaction_sent_twice_is_one_and_a_used_nonce_is_refused(
    chain: Chain, scenario: Scenario, sender: LocalAccount
) -> None:
    nonce = chain.nonce(Address(sender.address))
    raw = chain.sign(
        sender,
        call=CallRequest(NOBODY, b"", value=1),
        nonce=nonce,
        gas=21_000,
        fees=chain.fees(),
    )
    assert chain.send_raw(raw) == keccak256(raw)
    scenario.mine()
    assert chain.wait_receipt(keccak256(raw), timeout=10).succeeded
    other = chain.sign(
        sender,
        call=CallRequest(NOBODY, b"", value=2),
        nonce=nonce,
        gas=21_000,
        fees=chain.fees(),
    )
    for refused in (other, b"\x02\x01", b""):
        with pytest.raises(TransactionRefusedError):
            chain.send_raw(refused)
    with pytest.raises(ValueError):
        chain.sign(
            sender,
            call=CallRequest(NOBODY, b"", sender=NOBODY),
            nonce=0,
            gas=21_000,
            fees=Fees(1, 1),
        )


def test_a_reverting_call_is_not_sent(
    chain: Chain, devnet: Devnet, sender: LocalAccount
) -> None:
    nonce = chain.nonce(Address(sender.address))
    overdrawn = CallRequest(
        devnet.book.tokens["WETH"].address,
        bytes.fromhex("2e1a7d4d") + b"\xff" * 32,
    )
    with pytest.raises(CallRevertedError):
        chain.transact(sender, call=overdrawn)
    assert chain.nonce(Address(sender.address)) == nonce


def test_an_unknown_method_is_refused(chain: Chain) -> None:
    with pytest.raises(ChainRefusedError) as caught:
        chain.request("affiant_unknown")
    assert caught.value.code == -32601


def test_observation_reread_names_each_edited_value(
    chain: Chain, devnet: Devnet
) -> None:
    recorded = record(
        chain,
        names=NAMES,
        book=devnet.book,
        account=NOBODY,
        block=chain.latest_block(),
    )
    assert observation_reread(chain, recorded) == ()
    value = recorded.to_json()
    truth = value["reads"][9]["returndata"]
    value["reads"][9]["returndata"] = truth[:-1] + ("0" if truth[-1] != "0" else "1")
    (mismatch,) = observation_reread(chain, type(recorded).from_json(value))
    assert mismatch.index == 9
    assert mismatch.actual is not None and to_hex(mismatch.actual) == truth


Lie = Callable[[str, JsonValue], JsonValue]


@contextmanager
def lying(truth: Chain, lie: Lie) -> Iterator[str]:
    """Serve `truth` through a proxy that passes every result through `lie`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            items = body if isinstance(body, list) else [body]
            answers = []
            for item in items:
                answer: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": item["id"]}
                try:
                    result = truth.request(item["method"], *item["params"])
                    answer["result"] = lie(item["method"], result)
                except ChainRefusedError as error:
                    answer["error"] = {"code": error.code, "message": error.message}
                answers.append(answer)
            data = json.dumps(answers if isinstance(body, list) else answers[0])
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def connected(chain: Chain, url: str, **options: Any) -> AbstractContextManager[Chain]:
    """Connect to `url` as to `chain`; closed at the end of the block."""
    return closing(
        Chain.connect(url, expected_chain_id=chain.chain_id, timeout=5, **options)
    )


def on(method: str, change: Callable[[JsonValue], JsonValue]) -> Lie:
    return lambda asked, result: change(result) if asked == method else result


def fields(**changes: JsonValue) -> Callable[[JsonValue], JsonValue]:
    return lambda result: {**result, **changes}


LIES: dict[str, tuple[Lie, Callable[[Chain], object]]] = {
    "another block number": (
        on("eth_getBlockByNumber", fields(number="0x3")),
        lambda chain: chain.block_by_number(2),
    ),
    "another block hash": (
        on("eth_getBlockByHash", fields(hash="0x" + "12" * 32)),
        lambda chain: chain.block_by_hash(chain.block_by_number(2).hash),
    ),
    "a block without a timestamp": (
        on("eth_getBlockByNumber", fields(timestamp=None)),
        lambda chain: chain.latest_block(),
    ),
    "a block with a decimal number": (
        on("eth_getBlockByNumber", fields(number=2)),
        lambda chain: chain.block_by_number(2),
    ),
    "a list for a block": (
        on("eth_getBlockByNumber", lambda result: [result]),
        lambda chain: chain.block_by_number(2),
    ),
    "a nonce that is no quantity": (
        on("eth_getTransactionCount", lambda result: "0x01"),
        lambda chain: chain.nonce(NOBODY),
    ),
    "odd hex for code": (
        on("eth_getCode", lambda result: "0x123"),
        lambda chain: chain.code(NOBODY),
    ),
    "null for a call": (
        on("eth_call", lambda result: None),
        lambda chain: chain.call(NOBODY, b""),
    ),
    "an object for logs": (
        on("eth_getLogs", lambda result: {}),
        lambda chain: chain.logs(NOBODY, topics=[], from_block=0, to_block=1),
    ),
    "two blocks for a simulation": (
        on("eth_simulateV1", lambda result: result * 2),
        lambda chain: chain.simulate([CallRequest(NOBODY, b"")]),
    ),
    "no calls in a simulation": (
        on("eth_simulateV1", lambda result: [{"calls": []}]),
        lambda chain: chain.simulate([CallRequest(NOBODY, b"")]),
    ),
    "a null gas estimate": (
        on("eth_estimateGas", lambda result: None),
        lambda chain: chain.estimate_gas(CallRequest(NOBODY, b"")),
    ),
}


@pytest.mark.parametrize(("lie", "ask"), LIES.values(), ids=LIES)
def test_an_answer_is_refused_that_gives(
    lie: Lie, ask: Callable[[Chain], object], chain: Chain
) -> None:
    with lying(chain, lie) as url:
        with pytest.raises(ChainAnswerError), connected(chain, url) as liar:
            ask(liar)


def test_logs_of_others_are_refused(chain: Chain, devnet: Devnet) -> None:
    weth = devnet.book.tokens["WETH"].address
    usdc = devnet.book.tokens["USDC"].address
    head = chain.block_number()
    arguments = {"topics": [TRANSFER_TOPIC], "from_block": 0, "to_block": head}
    logs = chain.logs(weth, **arguments)
    assert len(logs) > 1
    changes: list[Callable[[JsonValue], JsonValue]] = [
        lambda logs: logs[::-1],
        lambda logs: [*logs, logs[-1]],
        lambda logs: [{**logs[0], "address": usdc}],
        lambda logs: [{**logs[0], "topics": ["0x" + "00" * 32]}],
        lambda logs: [{**logs[0], "topics": []}],
        lambda logs: [{**logs[0], "blockNumber": hex(head + 1)}],
        lambda logs: [{**logs[0], "topics": logs[0]["topics"] * 3}],
    ]
    for change in changes:
        with lying(chain, on("eth_getLogs", change)) as url:
            with pytest.raises(ChainAnswerError), connected(chain, url) as liar:
                liar.logs(weth, **arguments)


GWEI = 10**9


def with_tip(told: JsonValue, tip: int) -> JsonValue:
    """A fee history in which every block took `tip`."""
    return {**told, "reward": [[hex(tip)] for _ in told["reward"]]}


FEE_LIES = {
    "a priority fee of an ether": (
        on("eth_feeHistory", lambda told: with_tip(told, 10**18)),
        "priority fee",
    ),
    "a priority fee just above the limit": (
        on("eth_feeHistory", lambda told: with_tip(told, 100 * GWEI + 1)),
        "priority fee",
    ),
    "a base fee of an ether": (
        on(
            "eth_feeHistory",
            lambda told: {
                **told,
                "baseFeePerGas": [*told["baseFeePerGas"][:-1], hex(10**18)],
            },
        ),
        "max fee",
    ),
}


@pytest.mark.parametrize(("lie", "what"), FEE_LIES.values(), ids=list(FEE_LIES))
def test_nothing_is_signed_for_a_fee_that_burns_the_operators_money(
    lie: Lie, what: str, chain: Chain, sender: LocalAccount
) -> None:
    nonce = chain.nonce(Address(sender.address))
    call = CallRequest(NOBODY, b"", value=1)
    unlimited = Fees(max_fee=10**20, priority_fee=10**20)
    with lying(chain, lie) as url:
        with connected(chain, url) as liar:
            for ask in (liar.fees, lambda: liar.transact(sender, call=call)):
                with pytest.raises(FeeTooHighError) as caught:
                    ask()
                assert caught.value.what == what
                assert caught.value.got > caught.value.limit
        # Somebody who knows better can say so.
        with connected(chain, url, max_fees=unlimited) as patient:
            assert patient.fees().max_fee > 100 * GWEI
    assert chain.nonce(Address(sender.address)) == nonce


def test_without_a_fee_history_the_endpoints_suggestion_counts(chain: Chain) -> None:
    def unknown(method: str, result: JsonValue) -> JsonValue:
        if method == "eth_feeHistory":
            raise ChainRefusedError("old", method=method, code=-32601, message="no")
        return hex(7) if method == "eth_maxPriorityFeePerGas" else result

    with lying(chain, unknown) as url, connected(chain, url) as old:
        assert old.fees().priority_fee == 7
        assert old.fees().max_fee >= 7


def test_an_endpoint_that_changes_its_chain_id_is_refused(
    chain: Chain, devnet: Devnet
) -> None:
    asked = []

    def change(method: str, result: JsonValue) -> JsonValue:
        if method == "eth_chainId":
            asked.append(method)
            return result if len(asked) == 1 else "0x1"
        return result

    with lying(chain, change) as url, connected(chain, url) as liar:
        with pytest.raises(ChainIdMismatchError):
            liar.call(devnet.book.tokens["WETH"].address, BALANCE_OF + bytes(20))
        with pytest.raises(ChainIdMismatchError):
            liar.verify_chain_id()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            "missing trie node 1234 (path ) state 0x12 is not available",
            HistoryMissingError,
        ),
        ("required historical state unavailable (reexec=128)", HistoryMissingError),
        ("state already pruned", HistoryMissingError),
        ("header for hash not found", BlockUnknownError),
        ("hash 0x12 is not currently canonical", BlockUnknownError),
        ("execution reverted", CallRevertedError),
        ("the moon is full", ChainRefusedError),
    ],
)
def test_refusals_of_other_nodes_are_understood(
    message: str, error: type[Exception]
) -> None:
    """Wordings of go-ethereum and others, which anvil does not use."""
    body = json.dumps(
        [
            {"jsonrpc": "2.0", "id": 1, "result": "0x1"},
            {"jsonrpc": "2.0", "id": 2, "error": {"code": -32000, "message": message}},
        ]
    ).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        chain = Chain(JsonRpcEndpoint(url, timeout=2), chain_id=1)
        with pytest.raises(error):
            chain.call(NOBODY, b"", block_hash=UNKNOWN)
        thread.join(5)
