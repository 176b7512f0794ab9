"""Putting a node together: endpoint, book, model, engine, key and programs.

It decides nothing; it loads each part, refuses loudly what cannot be had, and hands
over a server. It trusts its operator's files, and checks the chain's id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from affiant.agents.deciding.answered import AnsweredSlots
from affiant.agents.deciding.decide import Serving
from affiant.agents.nodes.attest_settings import AttestSettings, open_attester
from affiant.agents.nodes.key_keeper import KeyKeeper
from affiant.agents.nodes.node import Node
from affiant.agents.nodes.service import NodeServer
from affiant.agents.settings.config import load_book, read_password
from affiant.agents.settings.loading import load_agent_class
from affiant.encoding import Digest
from affiant.inference.commitment import commit_model
from affiant.inference.keys import NodeKey
from affiant.inference.load import EngineName, load_engine
from affiant.inference.model_folder import model_folder
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.registry import NodeRegistryClient


@dataclass(frozen=True)
class NodeSettings:
    """What a node's operator says on the command line."""

    chain_url: str | Sequence[str]
    """The node's own endpoint, or several, the most trusted first."""
    chain_id: int
    book: Path
    """The address book's JSON."""
    model: str
    """A folder, or a hub id."""
    revision: str | None
    """Commit of the hub repository; needed for a hub id."""
    programs: Sequence[str]
    """`FILE.py:CLASS` of each agent whose program is served."""
    keystore: Path | None
    """The node key's; None: a new key is made in memory, and attested."""
    password_env: str
    """Name of the environment variable with the keystore's password."""
    evidence: str
    """URL of the evidence store."""
    answered: Path
    """File that remembers which slots were answered; keeps a node from swearing one
    slot twice."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    engine: EngineName = "vllm"
    dtype: str | None = None
    """float32 on a CPU and bfloat16 on a GPU where not given."""
    max_context: int | None = None
    """Most tokens of prompt and output; the model's own where not given."""
    attest: AttestSettings | None = None
    """How the node's keys are attested, where it has no keystore."""


def open_node(
    settings: NodeSettings, *, say: Callable[[str], None] = lambda _text: None
) -> NodeServer:
    """Return the server of a node, ready to be started.

    Args:
        say: told each step that may take long.

    Raises:
        ConfigError, KeystoreError, ModelFilesError: a file is not what is expected.
        ChainIdMismatchError, ChainUnavailableError: the endpoint does not serve.
        EngineUnavailableError: the engine is not installed or did not start.
        NotServedError: a program is for another book.
        QuoteUnavailableError, QuoteRefusedError, ContractError: the node's key is to be
            attested, and cannot be; a node does not start unattested.
        ValueError: neither a keystore nor attestation, or both.
    """
    if (settings.keystore is None) == (settings.attest is None):
        raise ValueError("node key: expected either a keystore or attestation")
    book = load_book(settings.book)
    agents = [load_agent_class(reference) for reference in settings.programs]
    key = _named_key(settings)
    chain = Chain.connect(settings.chain_url, expected_chain_id=settings.chain_id)
    folder = model_folder(settings.model, revision=settings.revision)
    say(f"committing to {folder.name}")
    commitment = commit_model(folder)
    say(f"loading {folder.name} into {settings.engine}")
    engine = load_engine(
        folder,
        name=settings.engine,
        dtype=settings.dtype,
        max_context=settings.max_context,
    )
    programs = [
        agent.program(book=book, model=commitment.root, engine=engine.manifest.hash)
        for agent in agents
    ]
    keeper = None
    if settings.attest is not None:
        # Last, and once everything else is there: a key is paid for.
        keeper = open_keeper(
            settings.attest,
            chain=chain,
            book=book,
            model=commitment.root,
            engine=engine.manifest.hash,
            say=say,
        )
        key = keeper.first_key()
    if key is None:
        raise RuntimeError("neither a keystore nor attestation")
    serving = Serving(
        chain=chain,
        engine=engine,
        model=commitment.root,
        model_summary=commitment.summary(),
        key=key,
        attestation=None if keeper is None else keeper.attestation,
        store=EvidenceStore(settings.evidence),
        answered=AnsweredSlots(settings.answered),
    )
    node = Node(programs, book=book, serving=serving)
    if keeper is not None:
        keeper.keep(node)
    return NodeServer(node, host=settings.host, port=settings.port, keeper=keeper)


def open_keeper(
    settings: AttestSettings,
    *,
    chain: Chain,
    book: AddressBook,
    model: Digest,
    engine: Digest,
    say: Callable[[str], None],
) -> KeyKeeper:
    """Return what keeps the node's key attested, and announced to its gate's registry.

    Raises:
        ConfigError, KeystoreError: a file is not what is expected.
        QuoteUnavailableError: this is no TD.
    """
    attester = open_attester(settings, chain=chain, model=model, engine=engine)
    registry = NodeRegistryClient(chain, GateClient(chain, book.gate).node_registry())

    def announce(key: NodeKey, valid_until: int) -> None:
        registry.announce_for(
            key,
            payer=attester.payer,
            model=model,
            engine=engine,
            valid_until=valid_until,
        )

    return KeyKeeper(attester, announce=announce, say=say)


def _named_key(settings: NodeSettings) -> NodeKey | None:
    if settings.keystore is None:
        return None
    password = read_password(settings.password_env).get_secret_value()
    return NodeKey.from_keystore(settings.keystore, password)
