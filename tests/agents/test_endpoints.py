"""An agent over several endpoints, of which some are dead, late, elsewhere or liars.

The good one is anvil with the real gate; the bad ones stand before the same anvil and
change what it says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from affiant.onchain.chain import Chain

pytestmark = pytest.mark.anvil

DEAD = "http://127.0.0.1:9"

Change = Callable[[str, Any, dict[str, Any]], Any]
"""Method, parameters and the true answer in, what is said out; None: hangs up."""


class Liar:
    """Passes everything on, through `change`, item by item."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._http = httpx.Client(trust_env=False)
        self.change: Change = lambda method, params, answer: answer
        self.asked: list[str] = []
        self.status = b""

    def __call__(self, handler: Any, body: bytes) -> None:
        if self.status:
            handler.wfile.write(self.status)
            return
        asked = json.loads(body)
        items = asked if isinstance(asked, list) else [asked]
        self.asked += [item["method"] for item in items]
        headers = {"content-type": "application/json"}
        true = self._http.post(self._target, content=body, headers=headers).json()
        answers = true if isinstance(asked, list) else [true]
        by_id = {answer["id"]: answer for answer in answers}
        said = [
            self.change(i["method"], i.get("params"), by_id[i["id"]]) for i in items
        ]
        if None in said:
            handler.connection.close()
            return
        data = json.dumps(said if isinstance(asked, list) else said[0]).encode()
        handler.send_response(200)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def liar(world: Any, serve: Any) -> Any:
    made = world.closing(Liar(world.devnet.url))
    made.url = serve(made).url
    return made


@pytest.fixture
def connect(world: Any) -> Callable[..., Chain]:
    def connect(*urls: str, **options: Any) -> Chain:
        return world.closing(
            Chain.connect(
                urls,
                expected_chain_id=world.book.chain_id,
                **{"timeout": 2, "budget": 6, **options},
            )
        )

    return connect


def answered(result: Any, *methods: str) -> Change:
    def change(method: str, _: Any, answer: dict[str, Any]) -> Any:
        said = result(answer.get("result")) if callable(result) else result
        return {**answer, "result": said} if method in methods else answer

    return change


def refuse(code: int, message: str, *methods: str) -> Change:
    def change(method: str, _: Any, answer: dict[str, Any]) -> Any:
        if method not in methods:
            return answer
        error = {"code": code, "message": message}
        return {"jsonrpc": "2.0", "id": answer["id"], "error": error}

    return change


READS = ("eth_call", "eth_getBlockByNumber", "eth_blockNumber", "eth_simulateV1")

TROUBLES: dict[str, Change] = {
    "it hangs up": lambda method, params, answer: None,
    "it knows no block": answered(None, "eth_getBlockByNumber"),
    "it says blocks are lists": answered([], "eth_getBlockByNumber"),
    "it says numbers in words": answered("soon", *READS),
    "it serves another chain": answered("0x1", "eth_chainId"),
    "it has lost the state": refuse(-32000, "missing trie node", "eth_call"),
    "it limits the rate": refuse(-32005, "rate limit exceeded", *READS),
    "it lags by ten blocks": answered(
        lambda number: hex(int(number, 16) - 10), "eth_blockNumber"
    ),
    "it cannot simulate": refuse(-32601, "method not found", "eth_simulateV1"),
    "it cannot estimate": refuse(-32601, "method not found", "eth_estimateGas"),
    "it hides receipts": answered(None, "eth_getTransactionReceipt"),
    "it takes no transactions": refuse(-32000, "no", "eth_sendRawTransaction"),
}


@pytest.mark.parametrize("change", TROUBLES.values(), ids=TROUBLES)
def test_the_agent_executes_at_the_others_where(
    change: Change, world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    world.engine.text = world.swap
    # The trouble begins after the agent connected, as trouble does.
    chain = connect(liar.url, DEAD, world.devnet.url)
    liar.change = change
    agent, nonce = world.agent(tmp_path, url=node_url, chain=chain), world.nonce()
    result = agent.run_once()
    assert (result.outcome, result.error) == ("executed", None), result.error
    assert world.nonce() == nonce + 1
    assert world.gate.head_of(world.mandate.id) == result.digest
    taken = next(
        e.detail["endpoints"]
        for e in agent.journal.entries()
        if (e.step, e.status) == ("submit", "done")
    )
    # All stand before one anvil, which mines at once: who comes second is refused.
    assert taken
    assert agent.run_once().outcome == "skipped"


def test_which_endpoint_served_is_written_down(
    world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    world.engine.text = world.swap
    chain = connect(liar.url, world.devnet.url)
    liar.change = refuse(-32601, "method not found", "eth_simulateV1")
    agent = world.agent(tmp_path, url=node_url, chain=chain)
    assert agent.run_once().outcome == "executed"
    served = {
        e.step: e.detail["endpoint"]
        for e in agent.journal.entries()
        if isinstance(e.detail, dict) and "endpoint" in e.detail
    }
    assert served == {"check": liar.url, "simulate": world.devnet.url}
    simulated = liar.asked.count("eth_simulateV1")
    assert simulated == 1, "asked once, and then elsewhere"


def test_a_429_is_left_alone_for_as_long_as_it_says(
    world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    chain = connect(liar.url, world.devnet.url)
    liar.status = (
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 100\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert chain.block_number() == world.chain.block_number()
    liar.status = b""
    liar.asked.clear()
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url, chain=chain)
    assert agent.run_once().outcome == "executed"
    assert liar.asked == []


def test_an_endpoint_that_drips_for_ever_costs_its_limit_once(
    world: Any, serve: Any, connect: Any
) -> None:
    holder: list[Any] = []

    def drip(handler: Any, _: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not holder[0].over.wait(0.05):
            handler.wfile.write(b" ")

    holder.append(serve(drip))
    started = time.monotonic()
    chain = connect(holder[0].url, world.devnet.url, timeout=1)
    for _ in range(20):
        assert chain.block_number() == world.chain.block_number()
    assert time.monotonic() - started < 5


def test_a_lying_state_is_refused_by_what_the_node_swore(
    world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    """The first endpoint lies about balances and is believed by nobody else."""
    world.engine.text = world.swap
    chain = connect(liar.url, world.devnet.url)
    balance = "0x70a08231"

    def change(method: str, params: Any, answer: dict[str, Any]) -> Any:
        if method == "eth_call" and params[0]["data"].startswith(balance):
            return {**answer, "result": "0x" + "00" * 31 + "07"}
        return answer

    liar.change = change
    agent, nonce = world.agent(tmp_path, url=node_url, chain=chain), world.nonce()
    before = world.balances()
    result = agent.run_once()
    assert type(result.error).__name__ == "DerivationMismatchError"
    assert "observation" in str(result.error)
    assert (world.nonce(), world.balances()) == (nonce, before)


def test_a_reverting_simulation_is_an_answer(
    world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    """The gate's refusal is decoded, and no second opinion is asked for."""
    from dataclasses import replace

    from affiant.encoding import keccak256

    rung = replace(world.mandate.ladder[0], endorsements=1)
    mandate = world.mandate_for(
        ladder=(rung,), endorsers=(world.owner.address,), salt=keccak256(b"endorsed")
    )
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    world.engine.text = world.swap
    chain = connect(world.devnet.url, liar.url)
    agent = world.agent(tmp_path, url=node_url, chain=chain, mandate=mandate)
    result = agent.run_once()
    assert type(result.error).__name__ == "GateEndorsementsMissingError"
    assert "eth_simulateV1" not in liar.asked


def test_two_histories_stop_the_agent_and_name_the_endpoints(
    world: Any, liar: Any, connect: Any, node_url: str, tmp_path: Any
) -> None:
    chain = connect(liar.url, world.devnet.url)

    def change(method: str, params: Any, answer: dict[str, Any]) -> Any:
        if method != "eth_getBlockByNumber" or params[0] in ("0x0", "latest"):
            return answer
        return {**answer, "result": {**answer["result"], "hash": "0x" + "ab" * 32}}

    liar.change = change
    world.engine.text = world.swap
    agent, nonce = world.agent(tmp_path, url=node_url, chain=chain), world.nonce()
    result = agent.run_once()
    assert type(result.error).__name__ == "EndpointsDisagreeError"
    assert liar.url in str(result.error) and world.devnet.url in str(result.error)
    assert result.outcome == "unavailable"
    assert world.nonce() == nonce
    liar.change = lambda method, params, answer: answer
    assert agent.run_once().outcome == "executed"
