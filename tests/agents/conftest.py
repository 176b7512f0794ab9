"""A scripted engine, and a small real world (anvil, the gate) for agents' tests.

The engine is a double: it says what it is told, letter by letter, and serves only to
steer plans. Everything else here is the real thing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.agents import Hold, Supply, Swap, VerifiedAgent, Withdraw
from affiant.agents.deciding.answered import AnsweredSlots
from affiant.agents.durable.journal import Journal
from affiant.agents.nodes.node_client import NodeClient
from affiant.encoding import Digest, keccak256, to_hex
from affiant.inference.keys import NodeKey
from affiant.inference.manifest import EngineManifest, SamplerManifest
from affiant.onchain.account import AccountClient
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.kits import KITS
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Rung,
    Tracked,
)
from affiant.onchain.observation import ChainView
from affiant.onchain.registry import NodeRegistryClient
from affiant.testing import scripted_engine

HOLD = '{"why":"within the band","actions":[{"action":"hold"}]}'
SWAP = (
    '{"why":"too much WETH","actions":[{"action":"swap","sell":"WETH","buy":"USDC",'
    '"share_bps":1000,"max_slippage_bps":100}]}'
)
SUPPLY = (
    '{"why":"idle","actions":[{"action":"supply","asset":"USDC","share_bps":2500}]}'
)
VALUE = 10**8
"""One dollar."""
EOS = scripted_engine.EOS
MODEL = keccak256(b"the scripted engine's model")


@dataclass
class ScriptedEngine(scripted_engine.ScriptedEngine):
    """The packaged double, that says `text`, under a manifest that auditors take.

    The packaged one calls itself a test double under every hash, and is refused for it;
    what these tests are about comes after that.
    """

    text: str = HOLD
    during: Callable[[], None] | None = None
    """Called while it generates: for what happens meanwhile."""
    manifest: EngineManifest = replace(
        scripted_engine.MANIFEST,
        engine="scripted",
        dtype="float32",
        kv_dtype="none",
        threads=1,
        sampler=SamplerManifest(
            name="affiant", version=1, grid_bits=10, top_k=64, gap_units=1
        ),
        device="cpu",
    )
    max_context: int = 65536

    def __post_init__(self) -> None:
        super().__init__()

    def generate(self, prompt_ids: Sequence[int], **how: Any) -> tuple[int, ...]:
        self.says(self.text)
        said = super().generate(prompt_ids, **how)
        if self.during is not None:
            self.during()
        return said


class Keeper(VerifiedAgent):
    """The agent of these tests; writes down what its hooks are told."""

    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Supply, Withdraw, Hold)
    max_tokens = 512
    validity_seconds = 3600

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")

    def on_executed(self, result: Any) -> None:
        self.told = [*getattr(self, "told", []), "executed"]

    def on_held(self, result: Any) -> None:
        self.told = [*getattr(self, "told", []), "held"]

    def on_refused(self, result: Any) -> None:
        self.told = [*getattr(self, "told", []), "refused"]


@dataclass
class World:
    """A local chain with a funded account and a granted mandate."""

    devnet: Devnet
    scenario: Scenario
    chain: Chain
    book: AddressBook
    mandate: Mandate
    owner: LocalAccount
    operator: LocalAccount
    key: NodeKey
    gate: GateClient
    engine: ScriptedEngine
    keeper: type[VerifiedAgent] = Keeper
    opened: list[Any] = field(default_factory=list)
    """What a test opened; closed after it."""

    hold = HOLD
    swap = SWAP
    supply = SUPPLY

    def balances(self) -> dict[str, int]:
        word = bytes(12) + bytes.fromhex(self.mandate.account[2:])
        selector = keccak256(b"balanceOf(address)")[:4]
        return {
            name: int.from_bytes(self.chain.call(token.address, selector + word), "big")
            for name, token in self.book.tokens.items()
        }

    def closing(self, resource: Any) -> Any:
        """Return `resource`, which is closed after the test."""
        self.opened.append(resource)
        return resource

    def nonce(self) -> int:
        """How much the operator has sent so far."""
        return self.chain.nonce(Address(self.operator.address))

    # A node needs torch, by way of the grammar: pure tests do without.
    def serving(self, folder: Path, **changes: Any) -> Any:
        from affiant.agents.deciding.decide import Serving

        parts: dict[str, Any] = {
            "chain": self.chain,
            "engine": self.engine,
            "model": MODEL,
            "model_summary": {"root": to_hex(MODEL)},
            "key": self.key,
            "store": EvidenceStore(str(folder / "node-evidence")),
            "answered": AnsweredSlots(folder / "answered.sqlite"),
        }
        return Serving(**{**parts, **changes})

    def program(self) -> Any:
        return self.keeper.program(
            book=self.book, model=MODEL, engine=self.engine.manifest.hash
        )

    def node(self, folder: Path, **limits: Any) -> Any:
        from affiant.agents.nodes.node import Node

        return Node(
            [self.program()], book=self.book, serving=self.serving(folder), **limits
        )

    def agent(self, folder: Path, *, url: str, **changes: Any) -> Any:
        parts: dict[str, Any] = {
            "mandate": self.mandate,
            "book": self.book,
            "chain": self.chain,
            "node": self.closing(NodeClient(url, timeout=20)),
            "store": EvidenceStore(str(folder / "evidence")),
            "journal": self.closing(Journal(str(folder / "journal.sqlite"))),
            "operator": self.operator,
            "tokenizer": self.engine,
            "confirm_seconds": 10,
        }
        return self.closing(self.keeper(**{**parts, **changes}))

    def mandate_for(self, **changes: Any) -> Mandate:
        """Return the world's mandate, changed; it is not granted."""
        return replace(self.mandate, **with_quorum(changes))

    def grant(self, mandate: Mandate) -> None:
        AccountClient(self.chain, mandate.account).execute(
            self.gate.grant_call(mandate), owner=self.owner
        )


def with_quorum(changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes of a mandate in which endorsers, if any, have a quorum of one."""
    if "endorsers" not in changes:
        return changes
    return {"quorum": int(bool(changes["endorsers"])), **changes}


def make_mandate(
    book: AddressBook,
    *,
    account: Address,
    operator: Address,
    node: Address,
    program: Digest,
    engine: Digest,
) -> Mandate:
    names = list(book.tokens)
    tokens = [
        Tracked(address, index, book.tokens[name].decimals, debt)
        for index, name in enumerate(names)
        for address, debt in (
            (book.tokens[name].address, False),
            (book.tokens[name].a_token, False),
            (book.tokens[name].variable_debt, True),
        )
        if address is not None
    ]
    if book.native is not None:
        wrapped = names.index(book.native.wrapped)
        tokens.append(Tracked(NATIVE, wrapped, 18, debt=False))
    return Mandate(
        account=account,
        operator=operator,
        guardian=NATIVE,
        program=program,
        model=MODEL,
        engine=engine,
        cadence=10,
        expiry=2**40,
        max_loss=2_000 * VALUE,
        record_holds=False,
        quorum=0,
        salt=keccak256(b"salt"),
        nodes=(NodePermit(node, 0),),
        workloads=(),
        endorsers=(),
        ladder=(Rung(100_000 * VALUE, 0, 0, 0),),
        allow_list=tuple(
            permission for kit in KITS.values() for permission in kit.permissions(book)
        ),
        feeds=tuple(
            Feed(token.feed, token.feed_decimals, token.max_age)
            for token in book.tokens.values()
        ),
        tracked=tuple(tokens),
        rules=(),
    )


@pytest.fixture(scope="module")
def _devnet() -> Iterator[Devnet]:
    with Devnet.start() as devnet:
        yield devnet


def settle(
    devnet: Devnet, *, keeper: type[VerifiedAgent] = Keeper, **changes: Any
) -> World:
    """Return a world with a funded account and a mandate that it granted.

    Args:
        keeper: the agent whose program the mandate names.
        changes: to the mandate.
    """
    book, scenario = devnet.book, Scenario(devnet)
    chain = Chain.connect(devnet.url, expected_chain_id=book.chain_id, timeout=10)
    owner, operator = (Account.from_key(a.key) for a in devnet.accounts[3:5])
    key = NodeKey(Account.from_key(keccak256(b"node key of the agents' tests")))
    engine = ScriptedEngine()
    account = deploy_account(
        chain, owner, owner=Address(owner.address), gate=book.gate
    ).address
    scenario.fund(account, {"WETH": Decimal(10), "USDC": Decimal(20_000)})
    program = keeper.program(book=book, model=MODEL, engine=engine.manifest.hash)
    NodeRegistryClient(chain, book.node_registry).announce_for(
        key,
        model=MODEL,
        engine=engine.manifest.hash,
        valid_until=2**40,
        payer=operator,
    )
    mandate = make_mandate(
        book,
        account=account,
        operator=Address(operator.address),
        node=Address(key.address),
        program=program.hash,
        engine=engine.manifest.hash,
    )
    world = World(
        devnet=devnet,
        scenario=scenario,
        chain=chain,
        book=book,
        mandate=replace(mandate, **with_quorum(changes)),
        owner=owner,
        operator=operator,
        key=key,
        gate=GateClient(chain, book.gate),
        engine=engine,
        keeper=keeper,
    )
    world.grant(world.mandate)
    return world


@pytest.fixture(scope="module")
def settling(_devnet: Devnet) -> Callable[..., World]:
    """Settle another world on this module's chain."""
    return lambda **changes: settle(_devnet, **changes)


@pytest.fixture(scope="module")
def _settled(_devnet: Devnet) -> Iterator[World]:
    world = settle(_devnet)
    yield world
    world.chain.close()


@pytest.fixture
def world(_settled: World) -> Iterator[World]:
    """A world in a fresh slot; what a test does to the chain is undone after it."""
    rpc = _settled.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    _settled.engine.text, _settled.engine.during = HOLD, None
    _settled.engine.asked.clear()
    _settled.scenario.next_slot(_settled.mandate.cadence)
    yield _settled
    while _settled.opened:
        _settled.opened.pop().close()
    rpc.request("evm_revert", snapshot)


@pytest.fixture
def serve_node(world: World, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start nodes that serve the world's program over HTTP; returns their URL."""
    from affiant.agents.nodes.service import NodeServer

    running: list[NodeServer] = []

    def start(**limits: Any) -> str:
        running.append(NodeServer(world.node(tmp_path, **limits)).start())
        return running[-1].url

    yield start
    for server in running:
        server.stop()
        server.node.close()


@pytest.fixture
def node_url(serve_node: Callable[..., str]) -> str:
    """A node that serves the world's program."""
    return serve_node()


class Server:
    """An HTTP server on loopback whose every answer a test decides."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                try:
                    answer(self, self.rfile.read(length))
                except OSError:  # the client went away, which is what it should do
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.over = threading.Event()
        """Set when the test ends: answers that wait for it never keep it waiting."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers that are stopped with the test."""
    servers: list[Server] = []

    def start(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
