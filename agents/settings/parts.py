"""An agent's parts from its TOML file, opened and ready to be put together.

It decides nothing: it opens what the configuration names, and refuses loudly what
cannot be had. What is opened belongs to the agent, which closes it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypedDict

from eth_account.signers.local import LocalAccount

from affiant.agents.deciding.derive import Tokenizer
from affiant.agents.durable.journal import Journal
from affiant.agents.nodes.endorsed import Endorsers
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.nodes import Nodes
from affiant.agents.observing.observer import ObservedJournal, Observers
from affiant.agents.observing.observing import open_observers
from affiant.agents.sending.outbox import SendingPolicy
from affiant.agents.settings.config import (
    load_book,
    load_config,
    load_mandate,
    read_password,
)
from affiant.agents.settings.keystore_mode import loose_permissions
from affiant.inference.keys import unlock_keystore
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address, Mandate

logger = logging.getLogger("affiant.agents.settings.parts")
"""Told what should be looked at before long."""


class AgentParts(TypedDict):
    """What the constructor of `VerifiedAgent` takes, of which it says what each is."""

    mandate: Mandate
    book: AddressBook
    chain: Chain
    node: Nodes
    store: EvidenceStore
    journal: Journal
    operator: LocalAccount
    tokenizer: Tokenizer | None
    endorsers: Endorsers
    confirm_seconds: float
    sending: SendingPolicy
    approve_above: int | None
    observers: Observers


def open_parts(path: str | Path) -> AgentParts:
    """Open everything that the agent configured at `path` needs.

    Raises:
        ConfigError: the file, or one that it names, is not what is expected.
        KeystoreError: the operator's keystore does not open.
        OSError: the log cannot be written, or the metrics' port is taken.
        ChainIdMismatchError, ChainUnavailableError: the endpoint does not serve.
    """
    config = load_config(path)
    password = read_password(config.operator.password_env).get_secret_value()
    operator = unlock_keystore(config.operator.keystore, password)
    mandate, book = load_mandate(config.mandate.file), load_book(config.book.file)
    chain = Chain.connect(
        config.chain.endpoints,
        expected_chain_id=config.chain.id,
        timeout=config.chain.timeout_seconds,
        budget=config.chain.operation_seconds,
        per_second=config.chain.requests_per_second,
        max_fees=config.transactions.max_fees,
    )
    observers = open_observers(
        config,
        mandate=mandate,
        book=book,
        chain=chain,
        operator=Address(str(operator.address)),
        secrets=[password],
    )
    loose = loose_permissions(config.operator.keystore)
    if loose is not None:
        logger.warning("%s", loose)
    return AgentParts(
        mandate=mandate,
        book=book,
        chain=chain,
        node=Nodes(
            [
                NodeClient(url, timeout=config.node.timeout_seconds)
                for url in config.node.addresses
            ]
        ),
        store=EvidenceStore(config.evidence.url),
        journal=ObservedJournal(config.journal.url, observers=observers),
        operator=operator,
        tokenizer=open_tokenizer(config.node.tokenizer),
        endorsers=Endorsers.at(
            config.endorsers.urls,
            timeout=config.endorsers.timeout_seconds,
            seconds=config.endorsers.wait_seconds,
        ),
        confirm_seconds=config.transactions.confirm_seconds,
        sending=SendingPolicy(
            confirmations=config.transactions.confirmations,
            stuck_seconds=config.transactions.stuck_seconds,
        ),
        approve_above=config.approval.value,
        observers=observers,
    )


def open_tokenizer(folder: str | None) -> Tokenizer | None:
    """Load the model's tokenizer; only then the `audit` extra is needed."""
    if folder is None:
        return None
    from affiant.inference.tokenizer import ModelTokenizer

    return ModelTokenizer(Path(folder))
