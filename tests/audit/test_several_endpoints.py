"""Auditor and node over several endpoints, of which some are dead, liars or late.

The good one is anvil with the real gate; the bad ones stand before the same anvil and
change what it says. The endorser's command is in `test_endorser_command.py`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour
from rich.console import Console

from affiant.agents.nodes.serve import NodeSettings, open_node
from affiant.audit.command import AuditSettings, audit_chain
from affiant.errors import AffiantError
from affiant.inference.errors import ModelFilesError
from affiant.inference.keys import create_keystore
from affiant.onchain.chain import Chain
from affiant.onchain.errors import ChainIdMismatchError, ChainUnavailableError
from affiant.onchain.gate_events import EXECUTED_TOPIC

pytestmark = pytest.mark.anvil

ENDPOINTS = neighbour("agents/test_endpoints.py")
serve = neighbour("agents/conftest.py").serve
DEAD = ENDPOINTS.DEAD

ROOT = Path(__file__).resolve().parents[2]


def late(blocks: int) -> Callable[..., Any]:
    """Return what makes an endpoint say that its head is `blocks` lower."""

    def change(method: str, params: Any, answer: dict[str, Any]) -> Any:
        if method == "eth_blockNumber":
            number = int(answer["result"], 16)
            change.head = number - blocks  # type: ignore[attr-defined]
            return {**answer, "result": hex(number - blocks)}
        if method == "eth_getBlockByNumber" and params[0] != "latest":
            if int(params[0], 16) > getattr(change, "head", 2**60):
                return {**answer, "result": None}
        if method == "eth_getLogs":
            known = getattr(change, "head", 2**60)
            kept = [
                log for log in answer["result"] if int(log["blockNumber"], 16) <= known
            ]
            return {**answer, "result": kept}
        return answer

    return change


def no_logs(method: str, params: Any, answer: dict[str, Any]) -> Any:
    return None if method == "eth_getLogs" else answer


OTHER_CHAIN = ENDPOINTS.answered("0x1", "eth_chainId")

TROUBLES: dict[str, Any] = {
    "dead": None,
    "serves another chain": OTHER_CHAIN,
    "hangs up when asked for logs": no_logs,
    "far behind": late(10),
    "a block behind": late(1),
}


@pytest.fixture
def liar(chronicle: Any, serve: Any) -> Any:
    made = ENDPOINTS.Liar(chronicle.world.devnet.url)
    made.url = serve(made).url
    yield made
    made.close()


def audited(chronicle: Any, *urls: str) -> Any:
    world, silent = chronicle.world, Console(file=io.StringIO())
    settings = AuditSettings(
        chain_url=urls,
        chain_id=world.book.chain_id,
        gate=world.book.gate,
        mandate=world.mandate.id,
        store=str(chronicle.folder),
        model=None,
        html=None,
        required="signed",
    )
    return audit_chain(settings, console=silent, log=silent)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_auditor_asks_the_next_endpoint(chronicle, liar, trouble):
    url = DEAD if TROUBLES[trouble] is None else liar.url
    liar.change = TROUBLES[trouble] or liar.change
    _, whole = audited(chronicle, chronicle.world.devnet.url)
    status, report = audited(chronicle, url, chronicle.world.devnet.url)
    assert status == 0
    assert [audit.digest for audit in report.decisions] == [
        audit.digest for audit in whole.decisions
    ]
    assert report.completeness.executed == whole.completeness.executed


def test_the_auditor_says_why_nobody_serves(chronicle, liar):
    liar.change = OTHER_CHAIN
    with pytest.raises(ChainIdMismatchError):
        audited(chronicle, liar.url)
    with pytest.raises(AffiantError) as raised:
        audited(chronicle, DEAD, liar.url)
    assert "127.0.0.1:9" in str(raised.value)


def test_an_endpoint_that_is_a_block_late_leaves_no_event_out(chronicle, liar):
    """It knows the gate, and not the newest block: its logs are not believed."""
    world = chronicle.world
    with_event = world.chain.receipt(chronicle.transactions["withdraw"]).block_number
    world.scenario.mine(4)
    lag = world.chain.block_number() - with_event + 1
    assert lag > 1
    change = late(0)
    change.head = with_event - 1  # type: ignore[attr-defined]

    def behind(method: str, params: Any, answer: dict[str, Any]) -> Any:
        # It claims the newest head, so that nobody passes it over.
        return answer if method == "eth_blockNumber" else change(method, params, answer)

    liar.change = behind
    chain = Chain.connect(
        [liar.url, world.devnet.url], expected_chain_id=world.book.chain_id
    )
    logs = chain.logs(
        world.book.gate,
        topics=[EXECUTED_TOPIC, world.mandate.id],
        from_block=0,
        to_block=with_event,
    )
    chain.close()
    assert logs[-1].block_number == with_event


@pytest.fixture
def node(chronicle: Any, tmp_path: Path, monkeypatch: Any) -> Callable[..., Any]:
    """Open a node as its command does; the model is what it has not."""
    book, key = tmp_path / "book.json", tmp_path / "node.json"
    book.write_text(json.dumps(chronicle.world.book.to_json()))
    create_keystore(key, "a password", iterations=1000)
    monkeypatch.setenv("AFFIANT_NODE_PASSWORD", "a password")

    def open_at(*urls: str) -> Any:
        settings = NodeSettings(
            chain_url=urls,
            chain_id=chronicle.world.book.chain_id,
            book=book,
            model=str(tmp_path / "no-model"),
            revision=None,
            programs=[f"{ROOT}/examples/rebalancer.py:Rebalancer"],
            keystore=key,
            password_env="AFFIANT_NODE_PASSWORD",
            evidence=str(tmp_path / "evidence"),
            answered=tmp_path / "answered.sqlite",
        )
        return open_node(settings)

    return open_at


def test_a_node_starts_with_the_endpoint_that_is_well(chronicle, liar, node):
    liar.change = OTHER_CHAIN
    good = chronicle.world.devnet.url
    for urls in ((DEAD, good), (liar.url, good), (good, DEAD)):
        # Past the chain: what is missing now is the model.
        with pytest.raises(ModelFilesError):
            node(*urls)
    with pytest.raises(ChainIdMismatchError):
        node(liar.url)
    with pytest.raises(ChainUnavailableError):
        node(DEAD, DEAD.replace(":9", ":19"))
