"""Paper mode against a live chain: what it writes down, and that nothing can leave."""

from __future__ import annotations

import gc
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any
from urllib.request import Request, urlopen

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from affiant.agents.durable.database import JournalVersionError
from affiant.agents.durable.journal import Journal
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.nodes import Nodes
from affiant.agents.paper import PaperAgent, PaperJournal, paper_portfolio
from affiant.agents.paper.errors import PaperJournalError, PaperRefusedError
from affiant.agents.paper.portfolio import INDEX_ONE
from affiant.agents.sending.outbox import Outbox
from affiant.agents.sending.submit import Submitter
from affiant.agents.settings.loading import load_agent_class
from affiant.cli.main import app
from affiant.encoding import canonical_json
from affiant.inference.keys import NodeKey
from affiant.onchain.chain import Chain
from affiant.onchain.devnet import Devnet
from affiant.onchain.errors import MethodForbiddenError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import NATIVE
from affiant.testing.stage import (
    GrantedGate,
    LocalChain,
    ServedNode,
    granted_gate,
    local_chain,
    make_agent,
    scripted_node,
)

pytestmark = pytest.mark.anvil

Seller = load_agent_class(f"{Path(__file__).with_name('seller.py')}:Seller")
HOLD = {"actions": [{"action": "hold"}], "why": "ok"}
SELL = {
    "actions": [
        {
            "action": "swap",
            "sell": "WETH",
            "buy": "USDC",
            "share_bps": 5000,
            "max_slippage_bps": 100,
        }
    ],
    "why": "too much",
}


@dataclass
class Live:
    """A chain, node and mandate as a live agent has them."""

    chain: LocalChain
    node: ServedNode
    gate: GrantedGate
    folder: Path

    def paper(self, **changes: Any) -> PaperAgent:
        parts: dict[str, Any] = {
            "mandate": self.gate.mandate,
            "book": self.chain.book,
            "chain": changes.get("chain") or self.connect(),
            "nodes": Nodes([NodeClient(self.node.url, timeout=60)]),
            "history": EvidenceStore(str(self.folder / "evidence")),
            "store": EvidenceStore(str(self.folder / "paper-evidence")),
            "journal": PaperJournal(self.folder / "paper.sqlite"),
            "tokenizer": self.node.scripted,
        }
        parts |= changes
        try:
            return PaperAgent(Seller, **parts)
        except BaseException:
            for name in ("chain", "nodes", "journal"):
                parts[name].close()
            raise

    def connect(self) -> Chain:
        return Chain.connect(self.chain.url, expected_chain_id=31337, read_only=True)

    def state(self) -> tuple[object, ...]:
        """What a sender would have changed."""
        client = self.chain.client
        return (
            self.gate.head,
            client.block_number(),
            client.nonce(self.gate.mandate.operator),
            self.chain.balances(self.gate.account.address),
        )


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as started:
        yield started


@pytest.fixture
def live(devnet: Devnet, tmp_path: Path) -> Iterator[Live]:
    with (
        local_chain(devnet) as chain,
        scripted_node(Seller, chain=chain, folder=tmp_path) as node,
    ):
        gate = granted_gate(
            Seller, chain=chain, node=node, funds={"WETH": 6, "USDC": 10_000}
        )
        chain.next_slot()
        node.says(SELL)
        yield Live(chain, node, gate, tmp_path)


def test_writes_down_what_would_have_been_done(live: Live) -> None:
    before = live.state()
    with closing(live.paper()) as agent:
        result = agent.run_once()
        assert result.outcome == "would_execute" and result.error is None
        (entry,) = agent.journal.entries(live.gate.mandate.id)
    assert live.state() == before
    assert entry.changes["WETH"] == -3 * 10**18
    assert 7_490 * 10**6 < entry.changes["USDC"] < 7_500 * 10**6
    assert entry.holdings["WETH"] == 6 * 10**18
    assert entry.told["why"] == "too much" and entry.told["gas"]
    # Its evidence is its own; the live store has nothing of it.
    assert (live.folder / "paper-evidence").is_dir()
    assert not (live.folder / "evidence").exists()


def test_a_slot_is_decided_once(live: Live) -> None:
    with closing(live.paper()) as agent:
        assert agent.run_once().outcome == "would_execute"
        assert agent.run_once().outcome == "skipped"
    with closing(live.paper()) as again:
        assert again.run_once().outcome == "skipped"
        live.chain.next_slot()
        live.node.says(HOLD)
        assert again.run_once().outcome == "held"


def test_every_decision_begins_from_the_real_account(live: Live) -> None:
    """Half is sold in each slot, of the same 6 WETH: the changes never add up."""
    with closing(live.paper()) as agent:
        agent.run_once()
        live.chain.set_price("WETH", Decimal(2000))
        live.chain.next_slot()
        agent.run_once()
        live.chain.set_price("WETH", Decimal(1000))
        live.chain.next_slot()
        live.node.says(HOLD)
        agent.run_once()
        entries = agent.journal.entries(live.gate.mandate.id)
    assert [entry.changes.get("WETH", 0) for entry in entries] == [
        -3 * 10**18,
        -3 * 10**18,
        0,
    ]
    first, second, third = paper_portfolio(entries, book=live.chain.book)
    assert first.real == 25_000 * 10**8 and first.paper_index == INDEX_ONE
    # 3 WETH and 17,500 USDC fell from 2500 to 2000; then to 1000, again from half.
    assert second.real_index == INDEX_ONE * 22_000 // 25_000
    assert second.paper_index == pytest.approx(INDEX_ONE * 23_500 / 25_000, rel=1e-3)
    assert third.paper_index == pytest.approx(
        second.paper_index * 19_000 / 22_000, rel=1e-3
    )
    assert 0 < first.cost < 10 * 10**8
    assert third.cost == 0 and third.real == third.paper == 16_000 * 10**8


def test_a_refusal_of_the_gate_is_written_down(live: Live) -> None:
    tight = live.gate.grant(max_loss=10**6)
    live.chain.next_slot()
    with closing(live.paper(mandate=tight.mandate)) as agent:
        result = agent.run_once()
        (entry,) = agent.journal.entries(tight.mandate.id)
    assert result.outcome == entry.outcome == "refused"
    assert str(entry.told["error"]).startswith("Gate")
    assert entry.changes == {} and entry.digest is not None


def test_a_mandate_that_is_not_live_is_refused(live: Live) -> None:
    unknown = replace(live.gate.mandate, max_loss=1)
    with closing(live.paper(mandate=unknown)) as agent:
        assert agent.run_once().outcome == "refused"
    assert live.node.asked == []


def test_what_is_away_is_not_written_down(live: Live) -> None:
    nobody = Nodes([NodeClient("http://127.0.0.1:9", timeout=5)])
    with closing(live.paper(nodes=nobody)) as agent:
        assert agent.run_once().outcome == "unavailable"
        assert agent.journal.entries(live.gate.mandate.id) == ()
    with closing(live.paper()) as again:
        assert again.run_once().outcome == "would_execute"


# Nothing can leave.


def test_holds_nothing_that_signs_or_sends(live: Live) -> None:
    """Every object that a paper agent can reach: no key, no sender, no outbox."""
    with closing(live.paper()) as agent:
        agent.run_once()
        found = reachable(agent)
    senders = (LocalAccount, NodeKey, Submitter, Outbox, Journal)
    assert len(found) > 100
    assert [item for item in found if isinstance(item, senders)] == []


def test_a_live_agent_holds_what_a_paper_agent_does_not(live: Live) -> None:
    """The search above finds senders where there are some."""
    agent = make_agent(
        Seller,
        chain=live.chain,
        node=live.node,
        gate=live.gate,
        folder=live.folder,
    )
    with closing(agent):
        found = reachable(agent)
    assert any(isinstance(item, LocalAccount) for item in found)
    assert any(isinstance(item, Submitter) for item in found)


def test_its_endpoint_refuses_to_send(live: Live) -> None:
    with closing(live.paper()) as agent:
        chain = agent._chain
        before = live.state()
        operator = live.gate.operator
        call = live.gate.client.execute_call  # exists; what it returns cannot be sent
        assert callable(call)
        for attempt in (
            lambda: chain.send_raw(b"\x02" + bytes(100)),
            lambda: chain.transact(
                operator, call=replace_call(live, operator.address), gas=100_000
            ),
            lambda: chain.request("eth_sendTransaction", {}),
            lambda: chain.request("eth_sendRawTransactionSync", "0x"),
            lambda: chain.request("eth_sign", "0x", "0x"),
            lambda: chain.request("evm_mine"),
            lambda: chain.request("ETH_SENDRAWTRANSACTION", "0x"),
            lambda: chain.steadily(lambda one: one.send_raw(b"\x02")),
        ):
            with pytest.raises(MethodForbiddenError):
                attempt()
        assert live.state() == before


def test_only_reads_ever_reach_the_endpoint(live: Live) -> None:
    """Seen from the other side: every byte that arrives is counted."""
    with counting_proxy(live.chain.url) as proxy:
        chain = Chain.connect(proxy.url, expected_chain_id=31337, read_only=True)
        with closing(live.paper(chain=chain)) as agent:
            assert agent.run_once().outcome == "would_execute"
            with pytest.raises(MethodForbiddenError):
                agent._chain.send_raw(b"\x02" + bytes(100))
    assert "eth_simulateV1" in proxy.methods
    assert not [name for name in proxy.methods if "send" in name.lower()]
    assert proxy.methods <= {
        *("eth_chainId", "eth_blockNumber", "eth_call", "eth_simulateV1"),
        *("eth_getBlockByNumber", "eth_getBlockByHash"),
    }


def test_refuses_endpoints_that_could_send(live: Live) -> None:
    able = Chain.connect(live.chain.url, expected_chain_id=31337)
    with closing(able), pytest.raises(PaperRefusedError, match="can send"):
        live.paper(chain=able)


def test_refuses_a_mandate_that_anybody_may_submit_for(live: Live) -> None:
    """What the node signs would be executable by whoever reads it."""
    with pytest.raises(PaperRefusedError, match="anybody"):
        live.paper(mandate=replace(live.gate.mandate, operator=NATIVE))


def test_refuses_the_live_evidence(live: Live) -> None:
    store = EvidenceStore(str(live.folder / "evidence"))
    with pytest.raises(PaperRefusedError, match="live store"):
        live.paper(store=store)


# Its journal is never the live one.


def test_refuses_a_live_journal_and_leaves_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    Journal(str(file)).close()
    before = tables(file)
    with pytest.raises(PaperJournalError, match="entries"):
        PaperJournal(file)
    assert tables(file) == before
    Journal(str(file)).close()


def test_a_live_agent_refuses_a_paper_journal(tmp_path: Path) -> None:
    file = tmp_path / "paper.sqlite"
    PaperJournal(file).close()
    with pytest.raises(JournalVersionError, match="affiant-paper/1"):
        Journal(str(file))
    assert tables(file) == {"about", "slots"}


def test_refuses_another_version_and_another_file(tmp_path: Path) -> None:
    file = tmp_path / "paper.sqlite"
    PaperJournal(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE about SET value = 'affiant-paper/2'")
    connection.close()
    with pytest.raises(PaperJournalError, match="affiant-paper/2"):
        PaperJournal(file)
    other = tmp_path / "notes.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(PaperJournalError, match="notes"):
        PaperJournal(other)
    assert other.read_bytes() == before


def test_what_is_written_is_never_rewritten(live: Live) -> None:
    with closing(live.paper()) as agent:
        agent.run_once()
    connection = sqlite3.connect(live.folder / "paper.sqlite")
    with closing(connection):
        for statement in ("UPDATE slots SET outcome = 'held'", "DELETE FROM slots"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


# The command.


@pytest.fixture
def config(live: Live) -> Path:
    """A live agent's file whose keystore is not there, and no password either."""
    folder = live.folder
    (folder / "mandate.json").write_bytes(canonical_json(live.gate.mandate.to_json()))
    (folder / "book.json").write_bytes(canonical_json(live.chain.book.to_json()))
    file = folder / "agent.toml"
    file.write_text(
        f"""
[agent]
class = "{Path(__file__).with_name("seller.py")}:Seller"
[chain]
url = "{live.chain.url}"
id = 31337
[node]
url = "{live.node.url}"
[mandate]
file = "mandate.json"
[book]
file = "book.json"
[evidence]
url = "evidence"
[journal]
url = "journal.sqlite"
[operator]
keystore = "there-is-none.json"
password_env = "NOBODY_SET_THIS"
"""
    )
    return file


def test_the_command_needs_no_key(live: Live, config: Path) -> None:
    before = live.state()
    run = CliRunner().invoke
    done = run(app, ["agent", "run", str(config), "--paper", "--once"])
    assert done.exit_code == 0, done.output
    assert "would execute on paper" in done.output
    again = run(app, ["agent", "run", str(config), "--paper", "--once"])
    assert "skipped" in again.output
    told = run(app, ["agent", "paper", str(config), "--json"])
    (point,) = json.loads(told.output)
    assert point["outcome"] == "would_execute"
    assert "would_execute" in run(app, ["agent", "paper", str(config)]).output
    assert live.state() == before
    # Nothing of the live agent's was made or touched.
    assert not (live.folder / "journal.sqlite").exists()
    assert not (live.folder / "evidence").exists()
    assert (live.folder / "journal.sqlite.paper").is_file()


def test_the_configuration_may_say_where(live: Live, config: Path) -> None:
    config.write_text(
        config.read_text()
        + '[paper]\njournal = "on-paper.sqlite"\nevidence = "on-paper"\n'
    )
    with closing(PaperAgent.from_config(Seller, config)) as agent:
        assert agent.run_once().outcome == "would_execute"
    assert (live.folder / "on-paper.sqlite").is_file()


def test_the_configuration_must_not_mix_them(live: Live, config: Path) -> None:
    Journal(str(live.folder / "journal.sqlite")).close()
    config.write_text(
        config.read_text()
        + '[paper]\njournal = "journal.sqlite"\nevidence = "on-paper"\n'
    )
    with pytest.raises(PaperJournalError):
        PaperAgent.from_config(Seller, config)


def replace_call(live: Live, target: str) -> Any:
    from affiant.onchain.chain_types import CallRequest
    from affiant.onchain.mandate import Address

    return CallRequest(Address(target), b"")


def tables(file: Path) -> set[str]:
    connection = sqlite3.connect(file)
    with closing(connection):
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        return {name for (name,) in rows if not name.startswith("sqlite_")}


def reachable(start: object) -> list[object]:
    """Return every object that `start` leads to, but not through code or modules."""
    code = (ModuleType, FunctionType, MethodType, type, threading.Thread)
    seen: dict[int, object] = {}
    left = [start]
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, code):
            continue
        # The test double is no part of the agent: it is the node's.
        if type(item).__name__ == "ScriptedEngine":
            continue
        seen[id(item)] = item
        left.extend(gc.get_referents(item))
    return list(seen.values())


class counting_proxy:
    """Passes JSON-RPC on, and remembers every method that arrived."""

    def __init__(self, target: str) -> None:
        methods: set[str] = set()
        self.methods = methods

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                asked = json.loads(body)
                for item in asked if isinstance(asked, list) else [asked]:
                    methods.add(item["method"])
                request = Request(
                    target, body, headers={"content-type": "application/json"}
                )
                with urlopen(request, timeout=30) as answer:
                    told = answer.read()
                self.send_response(200)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> counting_proxy:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
