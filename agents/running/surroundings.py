"""What an agent's steps work with, put together once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from affiant.agents.deciding.derive import Tokenizer
from affiant.agents.durable.approvals import Approvals
from affiant.agents.durable.journal import Journal
from affiant.agents.durable.lock import AgentLock
from affiant.agents.nodes.endorsed import Endorsers
from affiant.agents.nodes.nodes import Nodes
from affiant.agents.programs.program import Program
from affiant.agents.sending.submit import Submitter
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address, Mandate


@dataclass(frozen=True)
class Surroundings:
    """Everything that an agent's steps work with."""

    program: Program
    book: AddressBook
    mandate: Mandate
    chain: Chain
    """The agent's own endpoints."""
    nodes: Nodes
    store: EvidenceStore
    """The owner's own evidence; every decision is kept here before it is sent."""
    journal: Journal
    submitter: Submitter
    operator: Address
    """Who submits and pays gas."""
    tokenizer: Tokenizer | None
    """The model's, where it is at hand."""
    clock: Callable[[], float]
    """Unix seconds, for the journal."""
    monotonic: Callable[[], float]
    """Monotonic seconds, for durations."""
    confirm_seconds: float
    """Longest wait for a receipt."""
    endorsers: Endorsers
    """Who is asked where a rung takes endorsements."""
    approvals: Approvals
    """What a person is asked."""
    approve_above: int | None
    """Value, 8 decimals, above which a person is asked; None: never."""
    lock: AgentLock
    """Held while anything is done: one process per agent, one owner of the nonce."""
    stopping: Callable[[], bool]
    """Whether no further step is to be begun."""
