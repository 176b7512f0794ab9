"""`PaperAgent`: the same class, chain and node as live, and nothing that could send.

    slot ─> node decides ─> check ─> simulate the exact gate call ─> write it down

It decides what a slot would have come to. It cannot send: it has no key, no sender and
no outbox, and its endpoints refuse every method but reads before a byte leaves
(`json_rpc.READ_METHODS`). It never asks endorsers, because their signatures would make
a decision more than paper. What it does not decide: whether the node's decision is also
carried out by somebody else who holds the operator's key; a node's signature is a
signature. A mandate that lets anybody submit is therefore refused.

It trusts its own chain endpoints, its configuration and its disk, as a live agent does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from affiant.agents.agent import VerifiedAgent
from affiant.agents.backtest.portfolio import Reading, read_account
from affiant.agents.deciding.derive import Derived, Tokenizer
from affiant.agents.deciding.live import live_head
from affiant.agents.errors import NotServedError
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.nodes import Nodes
from affiant.agents.paper.errors import PaperRefusedError
from affiant.agents.paper.journal import PaperEntry, PaperJournal
from affiant.agents.paper.places import (
    connected_to_read,
    load_tokenizer,
    paper_places,
)
from affiant.agents.running.check import check_decision
from affiant.agents.running.schedule import POLL_SECONDS
from affiant.agents.running.simulated import require_bounds
from affiant.agents.settings.config import (
    load_book,
    load_config,
    load_mandate,
)
from affiant.encoding import Digest, to_hex
from affiant.errors import AffiantError, UnavailableError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.mandate import Mandate
from affiant.onchain.simulate import Simulation, simulate_execution

Outcome = Literal["would_execute", "held", "refused", "unavailable", "skipped"]
"""What a look came to. `unavailable` is looked at again; `skipped`: written before."""


@dataclass(frozen=True)
class PaperResult:
    """What became of one look at the chain."""

    outcome: Outcome
    slot: int | None
    """None where the chain did not even say which slot it is."""
    entry: PaperEntry | None
    """What was written down, where something was."""
    error: AffiantError | None


class PaperAgent:
    """One agent on paper."""

    def __init__(
        self,
        agent_class: type[VerifiedAgent],
        *,
        mandate: Mandate,
        book: AddressBook,
        chain: Chain,
        nodes: Nodes,
        history: EvidenceStore,
        store: EvidenceStore,
        journal: PaperJournal,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        """Put it together; most users call `from_config`.

        Args:
            agent_class: whose program the mandate names.
            mandate: as granted on the live chain.
            book: contracts by name.
            chain: endpoints that only read: `Chain.connect(…, read_only=True)`.
            nodes: who decides.
            history: has the evidence of the live head; only read.
            store: where paper decisions' evidence goes.
            journal: where slots are written down.
            tokenizer: the model's, to check prompt and plan tokens too.

        Raises:
            PaperRefusedError: the chain could send, anybody could submit for this
                mandate, or both stores are one.
            NotServedError: the mandate is for another program.
            ProgramDefinitionError: the class defines no program.
        """
        if not chain.read_only:
            raise PaperRefusedError(
                "chain endpoints", got="ones that can send", expected="ones that read"
            )
        if not int(mandate.operator, 16):
            raise PaperRefusedError(
                "the mandate",
                got="one under which anybody may submit what the node signs",
                expected="one that names its operator",
            )
        if history.url == store.url:
            raise PaperRefusedError(
                "evidence", got="the live store", expected="one of its own"
            )
        program = agent_class.program(
            book=book, model=mandate.model, engine=mandate.engine
        )
        if program.hash != mandate.program:
            raise NotServedError(
                "program", got=to_hex(mandate.program), expected=to_hex(program.hash)
            )
        self.mandate = mandate
        self.book = book
        self.journal = journal
        self._program = program
        self._chain = chain
        self._gate = GateClient(chain, book.gate)
        self._nodes = nodes
        self._history = history
        self._store = store
        self._tokenizer = tokenizer

    @classmethod
    def from_config(
        cls, agent_class: type[VerifiedAgent], path: str | Path
    ) -> PaperAgent:
        """Put it together from the live agent's own TOML file.

        The operator's keystore is not opened, nor is its password asked for; nothing of
        the live journal is touched.

        Raises:
            ConfigError: the file, or one that it names, is not what is expected.
            PaperRefusedError, PaperJournalError: as the constructor and the journal.
            ChainIdMismatchError, ChainUnavailableError: the endpoint does not serve.
        """
        config = load_config(path)
        mandate, book = load_mandate(config.mandate.file), load_book(config.book.file)
        journal, store = paper_places(config)
        opened = PaperJournal(journal)
        try:
            chain = connected_to_read(config)
        except BaseException:
            opened.close()
            raise
        nodes = Nodes(
            [
                NodeClient(url, timeout=config.node.timeout_seconds)
                for url in config.node.addresses
            ]
        )
        try:
            return cls(
                agent_class,
                mandate=mandate,
                book=book,
                chain=chain,
                nodes=nodes,
                history=EvidenceStore(config.evidence.url),
                store=EvidenceStore(store),
                journal=opened,
                tokenizer=load_tokenizer(config.node.tokenizer),
            )
        except BaseException:
            chain.close()
            nodes.close()
            opened.close()
            raise

    def run_once(self) -> PaperResult:
        """Ask what the newest slot's decision would do, unless it is written down.

        1. which slot, and may the mandate act in it; 2. the node decides, and the
        decision is checked; 3. the real account is read; 4. the gate call is simulated;
        5. written down.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        slot = None
        try:
            # 1.
            self._chain.verify_chain_id()
            slot = self.mandate.slot_of(self._chain.block_number())
            if self.journal.has(self.mandate.id, slot=slot):
                return PaperResult("skipped", slot, None, None)
            entry, error = self._decided(slot)
        except UnavailableError as error_:
            return PaperResult("unavailable", slot, None, error_)
        except AffiantError as error_:
            return PaperResult("refused", slot, None, error_)
        # 5.
        if not self.journal.append(entry):
            return PaperResult("skipped", slot, None, None)
        return PaperResult(entry.outcome, slot, entry, error)

    def run(
        self,
        *,
        stop: threading.Event,
        on_result: Callable[[PaperResult], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Look at every slot until `stop` is set.

        Args:
            on_result: told of every slot once, and of every change of what is wrong.
        """
        told: tuple[object, ...] | None = None
        while not stop.is_set():
            result = self.run_once()
            now = (result.slot, result.outcome, str(result.error))
            if result.outcome != "skipped" and now != told:
                told = now
                on_result(result)
            stop.wait(poll_seconds)

    def close(self) -> None:
        """Close chain, nodes and journal."""
        self._chain.close()
        self._nodes.close()
        self.journal.close()

    def _decided(self, slot: int) -> tuple[PaperEntry, AffiantError | None]:
        """Return what the slot comes to, and why where something says no."""
        # 3., first, so that what is refused is written down with its account too.
        block = self._chain.latest_block()
        account = read_account(
            self._chain, book=self.book, account=self.mandate.account, block=block
        )
        entry = self._blank(slot, block=block, account=account)
        try:
            # 1.
            live_head(self._gate, mandate=self.mandate, slot=slot, latest=block)
            # 2.
            bundle, derived = self._checked(slot)
        except UnavailableError:
            raise
        except AffiantError as error:
            return _refused(entry, error), error
        self._store.put(bundle)
        entry = replace(
            entry,
            digest=bundle.digest,
            told={
                "actions": [item.model_dump() for item in derived.plan.actions],
                "why": derived.plan.why,
                "planRefused": derived.refused,
            },
        )
        if derived.holds and not self.mandate.record_holds:
            return replace(entry, outcome="held"), None
        # 4.
        try:
            simulation = self._simulated(bundle)
            require_bounds(
                simulation, tracked=self.mandate.tracked, bounds=bundle.bounds
            )
            event = self._gate.executed_among(
                simulation.events, digest=bundle.digest, where="simulation"
            )
        except UnavailableError:
            raise
        except AffiantError as error:
            return _refused(entry, error), error
        return (
            replace(
                entry,
                outcome="held" if derived.holds else "would_execute",
                changes=self._by_token(simulation),
                told={
                    **entry.told,
                    "gas": simulation.gas_used,
                    "valueAtRisk": str(event.value_at_risk),
                },
            ),
            None,
        )

    def _checked(self, slot: int) -> tuple[EvidenceBundle, Derived]:
        """Return the first node's decision that checks."""
        tried: tuple[str, ...] = ()
        while True:
            reply = self._nodes.decide(
                self.mandate,
                slot=slot,
                chain_id=self.book.chain_id,
                gate=self.book.gate,
                tried=tried,
                passed_over=lambda _url, _error: None,
            )
            tried = (*tried, reply.url)
            try:
                derived = check_decision(
                    reply.answer.bundle,
                    program=self._program,
                    book=self.book,
                    mandate=self.mandate,
                    store=self._history,
                    chain=self._chain,
                    tokenizer=self._tokenizer,
                )
            except AffiantError as error:
                if not self._nodes.another(reply.url, error, tried=tried):
                    raise
            else:
                return reply.answer.bundle, derived

    def _simulated(self, bundle: EvidenceBundle) -> Simulation:
        """Run the call that a live agent would send, as the operator would.

        Raises:
            ContractError: it would revert; says why.
        """
        simulation = self._simulated_form(bundle, blank=True)
        if simulation.succeeded:
            return simulation
        # The complete form names what differs.
        complete = self._simulated_form(bundle, blank=False)
        named = simulation if complete.succeeded else complete
        raise decode_revert(named.revert_data)

    def _simulated_form(self, bundle: EvidenceBundle, *, blank: bool) -> Simulation:
        call = self._gate.execute_call(
            Submission.of(bundle), sender=self.mandate.operator, blank=blank
        )
        return simulate_execution(
            self._chain,
            sender=self.mandate.operator,
            gate=call.target,
            calldata=call.data,
            account=self.mandate.account,
            tracked=self.mandate.tracked,
        )

    def _by_token(self, simulation: Simulation) -> dict[str, int]:
        """Return simulated changes by token, its deposits and debts counted in."""
        names = {}
        for name, token in self.book.tokens.items():
            for address in (token.address, token.a_token, token.variable_debt):
                names[address] = name
        changes: dict[str, int] = {}
        for entry, change in zip(self.mandate.tracked, simulation.changes, strict=True):
            token_name = names.get(entry.token)
            if token_name is not None and change:
                changes[token_name] = changes.get(token_name, 0) + change
        return changes

    def _blank(self, slot: int, *, block: Block, account: Reading) -> PaperEntry:
        return PaperEntry(
            mandate=Digest(self.mandate.id),
            slot=slot,
            outcome="refused",
            digest=None,
            block=block.number,
            timestamp=block.timestamp,
            holdings=account.holdings,
            prices=account.prices,
        )


def _refused(entry: PaperEntry, error: AffiantError) -> PaperEntry:
    return replace(
        entry,
        outcome="refused",
        told={**entry.told, "error": type(error).__name__, "reason": str(error)[:1000]},
    )
