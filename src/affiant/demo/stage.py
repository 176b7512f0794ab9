"""The demonstration's stage: chain, contracts, node, owner, account, mandate, agent.

Everything on it is real: anvil with Uniswap v3 and Aave v3, a Safe 1.4.1 whose module
the gate is, a node in a process of its own that serves a model with a real engine, keys
in keystore files. The keys are anvil's
well-known ones, so nothing here may ever hold anything of value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.agents import Program, VerifiedAgent
from affiant.agents.durable.journal import Journal
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.node_process import (
    ListeningNode,
    NodeStartError,
    StartedNode,
)
from affiant.agents.nodes.node_process import start_node as start_any_node
from affiant.agents.programs.book_mandate import mandate_over_book
from affiant.agents.settings.loading import load_agent_class
from affiant.encoding import canonical_json, keccak256
from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.model_folder import model_folder
from affiant.onchain.account import OwnerAccount
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.deploy import addresses_of, plan_affiant
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.accounts import NODE, OPERATOR, OWNER
from affiant.onchain.devnet.safe import SafeAccount, deploy_safe, enable_module
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import NATIVE, VALUE_DECIMALS, Address, Mandate, Rule
from affiant.onchain.registry import ModelRegistryClient, NodeRegistryClient

CADENCE = 25
"""Blocks per slot: five minutes at 12 seconds a block."""

MAX_LOSS = 250 * 10**VALUE_DECIMALS
"""Most that one decision may lose at feed prices, as a value."""

RUNG_LIMIT = 150_000 * 10**VALUE_DECIMALS
"""Unaudited outflow that a signature alone is good for, as a value."""

Say = Callable[[str], None]
"""Told what is being waited for."""


def start_node(
    folder: Path,
    *,
    devnet: Devnet,
    model: str,
    revision: str | None,
    agent: str,
    engine: str,
) -> StartedNode:
    """Start `affiant node` in a process of its own, for `devnet`.

    Args:
        folder: where its files go.
        model: a folder, or a hub id.
        revision: commit of the hub repository.
        agent: `FILE.py:CLASS` whose program it serves.
        engine: "vllm" or "transformers".
    """
    return start_any_node(
        folder,
        chain_url=devnet.url,
        book=devnet.book,
        key=NODE.key,
        model=model,
        revision=revision,
        agent=agent,
        engine=engine,
    )


@dataclass(frozen=True)
class Stage:
    """All that the demonstration plays with."""

    folder: Path
    devnet: Devnet
    scenario: Scenario
    chain: Chain
    book: AddressBook
    model: Path
    commitment: ModelCommitment
    node: ListeningNode
    program: Program
    mandate: Mandate
    agent: VerifiedAgent
    node_client: NodeClient
    store: EvidenceStore
    gate: GateClient
    account: SafeAccount
    owner: LocalAccount
    operator: LocalAccount
    thief: LocalAccount
    """The node's own key, as a thief who stole it would hold it."""

    def close(self) -> None:
        """Close the agent's connections and its journal."""
        self.agent.close()


def make_mandate(
    program: Program,
    *,
    account: OwnerAccount,
    book: AddressBook,
    now: int,
    rules: Sequence[Rule] = (),
) -> Mandate:
    """Return the mandate that the owner is about to grant.

    It permits what the program's kits need, tracks every token of the book with its
    deposits and debts, and expires after a day.
    """
    return mandate_over_book(
        program,
        account=account.address,
        operator=OPERATOR.address,
        node=NODE.address,
        book=book,
        cadence=CADENCE,
        expiry=now + 24 * 3600,
        max_loss=MAX_LOSS,
        limit=RUNG_LIMIT,
        salt=keccak256(b"affiant demo"),
        rules=rules,
    )


def make_safe(
    chain: Chain, owner: LocalAccount, *, gate: Address, nonce: int = 0
) -> SafeAccount:
    """Deploy a Safe of `owner`'s, with the gate as its only module.

    Raises:
        ToolMissingError: Safe's package is not installed.
        ContractError, UnavailableError: a transaction failed.
    """
    safe = deploy_safe(chain, owner, owner=Address(owner.address), nonce=nonce)
    enable_module(safe, gate, owner=owner)
    return safe


def safe_rule() -> Rule:
    """Return the rule that the gate is the Safe's only module, and it has no guard."""
    target = addresses_of(plan_affiant()).rules["SafeSettings"]
    return Rule(target, encode(["address"], [NATIVE]))


def set_stage(
    folder: Path,
    *,
    devnet: Devnet,
    started: StartedNode,
    model: str,
    revision: str | None,
    agent: str,
    start: dict[str, str],
    show_mandate: Callable[[Mandate, AddressBook], None],
    say: Say,
) -> Stage:
    """Fund an account, wait for the node, grant the mandate, and make the agent.

    Args:
        started: the node, loading.
        start: whole tokens that the owner puts into the account.
        show_mandate: shows the mandate in words before it is granted.
    """
    # Needs transformers; the rest of this module does not.
    from affiant.inference.tokenizer import ModelTokenizer

    say("connecting to the chain")
    chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    scenario, book = Scenario(devnet), devnet.book
    owner, operator, thief = (
        Account.from_key(account.key) for account in (OWNER, OPERATOR, NODE)
    )
    say("committing to the model")
    model_path = model_folder(model, revision=revision)
    commitment = commit_model(model_path)
    ModelRegistryClient(chain, book.model_registry).publish(
        commitment.root, uri=f"file:{model_path.name}", publisher=owner
    )
    say("deploying the owner's Safe, enabling the gate as its module, funding it")
    account = make_safe(chain, owner, gate=book.gate)
    scenario.fund(
        account.address,
        {name: Decimal(amount) for name, amount in start.items() if Decimal(amount)},
    )
    say("waiting for the node: vLLM is loading the model")
    node = started.wait()
    if node.model != commitment.root:
        raise NodeStartError("the node has committed to another model")
    agent_class = load_agent_class(agent)
    program = agent_class.program(book=book, model=commitment.root, engine=node.engine)
    say("announcing the node's key")
    now = chain.latest_block().timestamp
    NodeRegistryClient(chain, book.node_registry).announce(
        thief, model=node.model, engine=node.engine, valid_until=now + 48 * 3600
    )
    mandate = make_mandate(
        program, account=account, book=book, now=now, rules=(safe_rule(),)
    )
    show_mandate(mandate, book)
    gate = GateClient(chain, book.gate)
    account.execute(gate.grant_call(mandate), owner=owner)
    (folder / "mandate.json").write_bytes(canonical_json(mandate.to_json()))
    store = EvidenceStore(str(folder / "evidence"))
    node_client = NodeClient(node.url, timeout=120)
    runner = agent_class(
        mandate=mandate,
        book=book,
        chain=chain,
        node=node_client,
        store=store,
        journal=Journal(str(folder / "journal.sqlite")),
        operator=operator,
        tokenizer=ModelTokenizer(model_path),
        clock=time.time,
    )
    return Stage(
        folder=folder,
        devnet=devnet,
        scenario=scenario,
        chain=chain,
        book=book,
        model=model_path,
        commitment=commitment,
        node=node,
        program=program,
        mandate=mandate,
        agent=runner,
        node_client=node_client,
        store=store,
        gate=gate,
        account=account,
        owner=owner,
        operator=operator,
        thief=thief,
    )
