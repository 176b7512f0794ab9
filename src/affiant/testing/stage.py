"""The chain, the node and the gate of one test, put together from real parts.

Everything but the scripted engine is the real thing: anvil with Uniswap v3 and Aave v3,
the gate, an account with money, a granted mandate, a node's own code and key. Keys are
anvil's, known to everybody: tier 0, good for nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.agents.backtest.serving import NodeSource, Place, ServingNode
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.node_process import ListeningNode, StartedNode
from affiant.agents.settings.loading import reference_to
from affiant.demo.stage import CADENCE, make_mandate, start_node
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.inference.keys import NodeKey
from affiant.onchain.account import AccountClient
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.accounts import NODE, OPERATOR, OWNER
from affiant.onchain.devnet.scenario import Slot
from affiant.onchain.gate import GateClient, MandateState
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.reads import balance_of
from affiant.onchain.registry import NodeRegistryClient
from affiant.testing.scripted_engine import MANIFEST, MODEL, ScriptedEngine
from affiant.testing.wire import LoopbackNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from affiant.agents import VerifiedAgent

KEY_SECONDS = 30 * 24 * 3600
"""How long a node's key is announced for: longer than any test moves the clock."""


@dataclass(frozen=True)
class LocalChain:
    """A local chain with real protocols; what a test does to it is undone after it."""

    devnet: Devnet
    scenario: Scenario
    """Moves prices, time and money; see `affiant.onchain.devnet.scenario`."""
    client: Chain

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.devnet.url

    @property
    def book(self) -> AddressBook:
        """Its contracts by name."""
        return self.devnet.book

    def set_price(self, token: str, dollars: Decimal | int) -> None:
        """Move the feed of `token`, and every pool that holds it."""
        self.scenario.set_price(token, Decimal(dollars))

    def next_slot(self) -> Slot:
        """Mine into the next slot of the mandate under test; refresh the feeds."""
        self.scenario.refresh_feeds()
        return self.scenario.next_slot(CADENCE)

    def balances(self, account: Address) -> dict[str, Decimal]:
        """Return what `account` holds of every token, in whole tokens."""
        return {
            name: self._balance(token.address, account, decimals=token.decimals)
            for name, token in self.book.tokens.items()
        }

    def supplied(self, account: Address) -> dict[str, Decimal]:
        """Return what `account` has lent on Aave of every token, in whole tokens."""
        return {
            name: self._balance(token.a_token, account, decimals=token.decimals)
            for name, token in self.book.tokens.items()
            if token.a_token is not None
        }

    def _balance(self, token: Address, account: Address, *, decimals: int) -> Decimal:
        answer = self.client.call(token, balance_of(account))
        return Decimal(int.from_bytes(answer, "big")).scaleb(-decimals)


@contextmanager
def local_chain(devnet: Devnet) -> Iterator[LocalChain]:
    """Hand over the chain of one test, and put it back afterwards."""
    client = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    snapshot = devnet.rpc.request("evm_snapshot")
    try:
        yield LocalChain(devnet, Scenario(devnet), client)
    finally:
        client.close()
        devnet.rpc.request("evm_revert", snapshot)


@dataclass(frozen=True)
class ServedNode:
    """A node that serves the agent under test."""

    url: str
    model: Digest
    engine: Digest
    scripted: ScriptedEngine | None
    """The test double; None where a real model decides."""

    @property
    def is_test_double(self) -> bool:
        """Whether a test says what the model says."""
        return self.scripted is not None

    @property
    def asked(self) -> list[str]:
        """Every prompt that the test double was given."""
        return [] if self.scripted is None else self.scripted.asked

    def says(self, *texts: str | Mapping[str, JsonValue]) -> None:
        """Script what the model says from now on: text, or a plan as JSON.

        With a real model nobody scripts anything, and the test is skipped.
        """
        if self.scripted is None:
            import pytest

            pytest.skip("scripts what the model says; a real one decides here")
        self.scripted.says(*texts)


def announce(chain: LocalChain, *, model: Digest, engine: Digest) -> None:
    """Announce the node's key to the registry, at tier 0."""
    NodeRegistryClient(chain.client, chain.book.node_registry).announce(
        Account.from_key(NODE.key),
        model=model,
        engine=engine,
        valid_until=chain.client.latest_block().timestamp + KEY_SECONDS,
    )


@contextmanager
def scripted_node(
    agent_class: type[VerifiedAgent], *, chain: LocalChain, folder: Path
) -> Iterator[ServedNode]:
    """Serve the program of `agent_class` with a scripted engine."""
    with _served(agent_class, url=chain.url, book=chain.book, folder=folder) as node:
        announce(chain, model=MODEL, engine=MANIFEST.hash)
        yield node


def scripted_source(*texts: str | Mapping[str, JsonValue]) -> NodeSource:
    """Return who decides in a backtest that has no model: a TEST DOUBLE.

    Args:
        texts: what it says, one per inference; the last one again and again.
    """

    @contextmanager
    def serve(place: Place) -> Iterator[ServingNode]:
        with _served(
            place.agent_class,
            url=place.chain_url,
            book=place.book,
            folder=place.folder,
        ) as node:
            node.says(*texts)
            yield ServingNode(
                url=node.url,
                model=node.model,
                engine=node.engine,
                device=MANIFEST.device,
                tokenizer=node.scripted,
            )

    return serve


@contextmanager
def _served(
    agent_class: type[VerifiedAgent], *, url: str, book: AddressBook, folder: Path
) -> Iterator[ServedNode]:
    from affiant.agents.deciding.answered import AnsweredSlots
    from affiant.agents.deciding.decide import Serving
    from affiant.agents.nodes.node import Node
    from affiant.onchain.evidence_store import EvidenceStore

    engine = ScriptedEngine()
    client = Chain.connect(url, expected_chain_id=book.chain_id)
    answered = AnsweredSlots(folder / "answered.sqlite")
    program = agent_class.program(book=book, model=MODEL, engine=MANIFEST.hash)
    serving = Serving(
        chain=client,
        engine=engine,  # type: ignore[arg-type]  # it cannot be interrupted
        model=MODEL,
        model_summary={"root": to_hex(MODEL), "test double": "there is no model"},
        key=NodeKey(Account.from_key(NODE.key)),
        store=EvidenceStore(str(folder / "node-evidence")),
        answered=answered,
    )
    server = LoopbackNode(Node([program], book=book, serving=serving))
    try:
        yield ServedNode(server.url, MODEL, MANIFEST.hash, engine)
    finally:
        server.close()
        answered.close()
        client.close()


class RealNodes:
    """`affiant node` processes with a real model, one per agent class, kept running."""

    def __init__(self, model: str, *, engine: str, folder: Path) -> None:
        """Remember which model to serve; starts at the first question.

        Args:
            model: a folder, or a hub id.
            engine: "vllm" or "transformers".
            folder: where the nodes' files go.
        """
        self._model = model
        self._engine = engine
        self._folder = folder
        self._started: dict[str, tuple[StartedNode, ListeningNode]] = {}

    def serving(
        self, agent_class: type[VerifiedAgent], *, chain: LocalChain
    ) -> ServedNode:
        """Return a node that serves `agent_class`; starts it where none does yet.

        Raises:
            NodeStartError: it does not start.
        """
        reference = reference_to(agent_class)
        if reference not in self._started:
            folder = self._folder / f"node-{len(self._started)}"
            folder.mkdir()
            started = start_node(
                folder,
                devnet=chain.devnet,
                model=self._model,
                revision=None,
                agent=reference,
                engine=self._engine,
            )
            try:
                self._started[reference] = started, started.wait()
            except BaseException:
                started.stop()
                raise
        node = self._started[reference][1]
        announce(chain, model=node.model, engine=node.engine)
        return ServedNode(node.url, node.model, node.engine, None)

    def stop(self) -> None:
        """Stop them all."""
        for started, _ in self._started.values():
            started.stop()


@dataclass(frozen=True)
class GrantedGate:
    """The gate, and the mandate that it was told of for the agent under test."""

    client: GateClient
    mandate: Mandate
    account: AccountClient
    """The account whose money it is."""
    owner: LocalAccount
    operator: LocalAccount

    @property
    def head(self) -> Digest:
        """Digest of the last executed decision; the mandate's id before the first."""
        return self.client.head_of(self.mandate.id)

    @property
    def state(self) -> MandateState:
        """What the gate stores of the mandate now."""
        return self.client.state_of(self.mandate.id)

    def grant(self, **changes: Any) -> GrantedGate:
        """Grant the same mandate with `changes`, and return the gate with that one."""
        mandate = replace(self.mandate, **changes)
        self.account.execute(self.client.grant_call(mandate), owner=self.owner)
        return replace(self, mandate=mandate)


def granted_gate(
    agent_class: type[VerifiedAgent],
    *,
    chain: LocalChain,
    node: ServedNode,
    funds: Mapping[str, Decimal | int],
) -> GrantedGate:
    """Deploy and fund an account, and let it grant the agent's program a mandate.

    Args:
        funds: whole tokens that the account gets.
    """
    owner, operator = (Account.from_key(item.key) for item in (OWNER, OPERATOR))
    book = chain.book
    account = deploy_account(chain.client, owner, owner=OWNER.address, gate=book.gate)
    chain.scenario.fund(account.address, funds)
    program = agent_class.program(book=book, model=node.model, engine=node.engine)
    mandate = replace(
        make_mandate(
            program,
            account=account,
            book=book,
            now=chain.client.latest_block().timestamp,
        ),
        # Another mandate for every test, also where the chain was put back in between:
        # a node never swears a slot of one mandate twice.
        salt=Digest(secrets.token_bytes(32)),
    )
    gate = GateClient(chain.client, book.gate)
    account.execute(gate.grant_call(mandate), owner=owner)
    return GrantedGate(gate, mandate, account, owner, operator)


def make_agent(
    agent_class: type[VerifiedAgent],
    *,
    chain: LocalChain,
    node: ServedNode,
    gate: GrantedGate,
    folder: Path,
    **changes: Any,
) -> VerifiedAgent:
    """Return an agent with files of its own in `folder`; close it afterwards.

    Args:
        changes: to the arguments of its constructor.
    """
    from affiant.agents.durable.journal import Journal
    from affiant.onchain.evidence_store import EvidenceStore

    parts: dict[str, Any] = {
        "mandate": gate.mandate,
        "book": chain.book,
        "chain": Chain.connect(chain.url, expected_chain_id=chain.devnet.chain_id),
        "node": NodeClient(node.url, timeout=120),
        "store": EvidenceStore(str(folder / "evidence")),
        "journal": Journal(str(folder / "journal.sqlite")),
        "operator": gate.operator,
        "tokenizer": node.scripted,
        "confirm_seconds": 30,
    }
    return agent_class(**{**parts, **changes})
