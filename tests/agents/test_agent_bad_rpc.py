"""Endpoints that hang, drop, lie or talk nonsense: nothing is sent, life goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from affiant.onchain.chain import Chain

pytestmark = pytest.mark.anvil


class Proxy:
    """Stands between the agent and anvil; `trouble` decides what happens to answers."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.trouble: Callable[[Any, bytes], bytes | None] = lambda _, answer: answer
        self.sent: list[str] = []
        self.server: Any = None
        self._http = httpx.Client(trust_env=False)

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked = json.loads(body)
        self.sent += [
            item["method"] for item in (asked if isinstance(asked, list) else [asked])
        ]
        answer = self._http.post(
            self._target, content=body, headers={"content-type": "application/json"}
        ).content
        changed = self.trouble(asked, answer)
        if changed is None:
            handler.connection.close()
            return
        handler.send_response(200)
        handler.send_header("content-length", str(len(changed)))
        handler.end_headers()
        handler.wfile.write(changed)

    def close(self) -> None:
        self._http.close()


def hang(proxy: Proxy) -> Any:
    def trouble(_: Any, answer: bytes) -> bytes:
        proxy.server.over.wait(20)
        return answer

    return trouble


def drop(proxy: Proxy) -> Any:
    return lambda asked, answer: None


def garbage(proxy: Proxy) -> Any:
    return lambda asked, answer: b"<html>rate limited</html>"


def cut_short(proxy: Proxy) -> Any:
    return lambda asked, answer: answer[: len(answer) // 2]


def _edited(answer: bytes, method: str, asked: Any, result: Any) -> bytes:
    value = json.loads(answer)
    several = isinstance(asked, list)
    for question, item in zip(
        asked if several else [asked], value if several else [value], strict=True
    ):
        if question["method"] == method:
            item["result"] = result
    return json.dumps(value).encode()


def other_chain_id(proxy: Proxy) -> Any:
    return lambda asked, answer: _edited(answer, "eth_chainId", asked, "0x1")


def number_is_text(proxy: Proxy) -> Any:
    return lambda asked, answer: _edited(answer, "eth_blockNumber", asked, "soon")


def no_blocks(proxy: Proxy) -> Any:
    return lambda asked, answer: _edited(answer, "eth_getBlockByNumber", asked, None)


def other_state(proxy: Proxy) -> Any:
    return lambda asked, answer: _edited(
        answer, "eth_call", asked, "0x" + "00" * 31 + "07"
    )


TROUBLES = {
    "it hangs": (hang, "ChainTimeoutError", "unavailable"),
    "it drops the connection": (drop, "ChainUnavailableError", "unavailable"),
    "it answers garbage": (garbage, "ChainAnswerError", "unavailable"),
    "it answers half": (cut_short, "ChainAnswerError", "unavailable"),
    "it serves another chain": (other_chain_id, "ChainIdMismatchError", "refused"),
    "a number that is none": (number_is_text, "ChainAnswerError", "unavailable"),
    "it has no blocks": (no_blocks, "BlockUnknownError", "unavailable"),
    "it answers sevens": (other_state, "MalformedError", "refused"),
}


@pytest.mark.parametrize("make, error, outcome", TROUBLES.values(), ids=list(TROUBLES))
def test_trouble_at_the_endpoint_sends_nothing_and_passes(
    make: Any, error: str, outcome: str, world: Any, serve: Any, node_url: str, tmp_path
):
    world.engine.text = world.swap
    proxy = world.closing(Proxy(world.devnet.url))
    proxy.server = serve(proxy)
    chain = world.closing(
        Chain.connect(
            proxy.server.url, expected_chain_id=world.book.chain_id, timeout=0.5
        )
    )
    agent, nonce = world.agent(tmp_path, url=node_url, chain=chain), world.nonce()
    proxy.trouble = make(proxy)
    result = agent.run_once()
    assert type(result.error).__name__ == error, result.error
    assert result.outcome == outcome
    assert "eth_sendRawTransaction" not in proxy.sent
    assert world.nonce() == nonce
    last = agent.journal.entries(last=1)[0]
    assert (last.step, last.status, last.detail["error"]) == ("record", outcome, error)
    assert agent.told == ["refused"]
    proxy.trouble = lambda asked, answer: answer
    assert agent.run_once().outcome == "executed"


def test_connecting_to_another_chain_is_refused(world: Any, serve: Any):
    proxy = world.closing(Proxy(world.devnet.url))
    url = serve(proxy).url
    proxy.trouble = other_chain_id(proxy)
    with pytest.raises(Exception, match="chain id .* got 1, expected 31337"):
        Chain.connect(url, expected_chain_id=world.book.chain_id, timeout=2)


def test_trouble_while_sending_leaves_it_to_the_chain(
    world: Any, serve: Any, node_url: str, tmp_path: Any
):
    """The endpoint dies as the transaction leaves: it is not sent again."""
    world.engine.text = world.swap
    proxy = world.closing(Proxy(world.devnet.url))
    proxy.server = serve(proxy)
    chain = world.closing(
        Chain.connect(
            proxy.server.url, expected_chain_id=world.book.chain_id, timeout=5
        )
    )
    agent = world.agent(tmp_path, url=node_url, chain=chain)
    proxy.trouble = lambda asked, answer: (
        None if "eth_sendRawTransaction" in json.dumps(asked) else answer
    )
    nonce = world.nonce()
    result = agent.run_once()
    assert (result.outcome, result.failed_step) == ("unavailable", "submit")
    proxy.trouble = lambda asked, answer: answer
    proxy.sent.clear()
    assert agent.run_once().outcome == "skipped"
    assert "eth_sendRawTransaction" not in proxy.sent
    assert world.nonce() == nonce + 1, "sent once"
    assert [e.status for e in agent.journal.entries() if e.step == "confirm"] == [
        "done"
    ]
