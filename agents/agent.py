"""`VerifiedAgent`: what a user writes. The class is the program; its hash is granted.

An agent holds no authority: it asks a node, checks what it can, submits and records.
What may happen to the account's money is between the mandate and the gate. It trusts
its own chain endpoint, its configuration and its own disk, and neither node nor model.

    class Rebalancer(VerifiedAgent):
        objective = "Keep WETH between 55 % and 65 % of the portfolio."
        actions = (Swap, Hold)

        def observe(self, view: ChainView) -> None:
            view.balances(); view.prices(); view.pool("WETH/USDC")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

from eth_account.signers.local import LocalAccount

from affiant.agents.deciding.derive import Tokenizer
from affiant.agents.durable.approvals import Approvals
from affiant.agents.durable.commands import Commands
from affiant.agents.durable.journal import Journal
from affiant.agents.durable.lock import lock_beside
from affiant.agents.errors import NotServedError, ProgramDefinitionError
from affiant.agents.nodes.endorsed import Endorsers
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.nodes.nodes import Nodes
from affiant.agents.observing.observer import Observers
from affiant.agents.programs.features import Feature
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import Question
from affiant.agents.running.progress import RunResult
from affiant.agents.running.runs import Runs
from affiant.agents.running.schedule import POLL_SECONDS, SlotSchedule
from affiant.agents.running.surroundings import Surroundings
from affiant.agents.sending.outbox import SendingPolicy
from affiant.agents.sending.submit import Submitter
from affiant.agents.settings.parts import open_parts
from affiant.encoding import Digest, to_hex
from affiant.inference.sampling import GREEDY, Sampling
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.kits import Kit
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import ChainView

CONFIRM_SECONDS = 120.0
"""Longest wait for a receipt, by default."""


class VerifiedAgent:
    """Base class of agents. Subclasses say what is asked; see the module's example."""

    objective: ClassVar[str]
    """What the agent is for, in the owner's words; at most 1000 characters."""
    actions: ClassVar[tuple[Kit, ...]]
    """Action kits that a plan may use."""
    questions: ClassVar[tuple[Question, ...]] = ()
    """What the model is asked before the plan; each is an inference of its own, and its
    answer stands in the requests that follow."""
    features: ClassVar[tuple[Feature, ...]] = ()
    """Numbers computed from what is observed, which every request holds besides."""
    sampling: ClassVar[Sampling] = GREEDY
    """How tokens are chosen; plans are greedy unless there is a reason."""
    max_tokens: ClassVar[int] = 256
    """Most tokens of an answer."""
    validity_seconds: ClassVar[int] = 600
    """A decision is executable until the anchor's timestamp plus this."""

    def observe(self, view: ChainView) -> None:
        """Declare what is read at the anchor, by calling `view`'s methods.

        Called once, when the program is defined; nothing can depend on what is read.
        """
        raise ProgramDefinitionError(f"{type(self).__name__} does not define `observe`")

    def on_executed(self, result: RunResult) -> None:
        """Called after a run whose decision was executed; does nothing by default."""

    def on_held(self, result: RunResult) -> None:
        """Called after a run whose decision was to change nothing."""

    def on_refused(self, result: RunResult) -> None:
        """Called after a run that was refused, or stopped by something unavailable."""

    def on_waiting(self, result: RunResult) -> None:
        """Called once when a run begins to wait: for a person's approval, or in the
        gate's queue for its rung's delay (`queued`)."""

    @classmethod
    def program(cls, *, book: AddressBook, model: Digest, engine: Digest) -> Program:
        """Return the program that this class is, for one book, model and engine.

        Args:
            book: contracts by name.
            model: root of the model commitment.
            engine: hash of the engine manifest.

        Raises:
            ProgramDefinitionError: something is missing, unknown or out of range.
        """
        for name in ("objective", "actions"):
            if not hasattr(cls, name):
                raise ProgramDefinitionError(f"{cls.__name__} does not define `{name}`")
        view = ChainView()
        # Without `__init__`: a declaration must not depend on where an agent runs.
        cls.observe(object.__new__(cls), view)
        return Program.define(
            objective=cls.objective,
            kits=cls.actions,
            observes=view.names,
            questions=cls.questions,
            features=cls.features,
            book=book,
            model=model,
            engine=engine,
            sampling=cls.sampling,
            max_tokens=cls.max_tokens,
            validity_seconds=cls.validity_seconds,
        )

    def __init__(
        self,
        *,
        mandate: Mandate,
        book: AddressBook,
        chain: Chain,
        node: NodeClient | Nodes,
        store: EvidenceStore,
        journal: Journal,
        operator: LocalAccount,
        tokenizer: Tokenizer | None = None,
        clock: Callable[[], float] = time.time,
        confirm_seconds: float = CONFIRM_SECONDS,
        endorsers: Endorsers | None = None,
        sending: SendingPolicy | None = None,
        approve_above: int | None = None,
        observers: Observers | None = None,
    ) -> None:
        """Put an agent together; most users call `from_config`.

        Nothing is locked yet: the first run, or `start`, makes this process the only
        one that runs the agent.

        Args:
            mandate: what the owner granted; must name this class's program.
            book: contracts by name.
            chain: the agent's own endpoints.
            node: who decides; of several, the next where one fails.
            store: the owner's evidence.
            journal: what happened.
            operator: submits and pays gas.
            tokenizer: the model's, to check prompt and plan tokens too.
            clock: unix seconds.
            confirm_seconds: longest wait for a receipt.
            endorsers: who is asked where a rung takes endorsements; None: nobody, and
                such decisions are refused.
            sending: when a transaction counts as mined, stuck or dropped.
            approve_above: value, 8 decimals, as the gate measures it; a person must
                approve decisions that put more at risk. None: nobody is asked.
            observers: told how every run ended; closed with the agent.

        Raises:
            ProgramDefinitionError: the class defines no program.
            NotServedError: the mandate is for another program or operator.
            CheckpointError: the checkpoints beside the journal cannot be opened.
        """
        program = self.program(book=book, model=mandate.model, engine=mandate.engine)
        if program.hash != mandate.program:
            raise NotServedError(
                "program", got=to_hex(mandate.program), expected=to_hex(program.hash)
            )
        sender = Address(str(operator.address))
        # The zero address: anybody may submit.
        if int(mandate.operator, 16) and mandate.operator != sender:
            raise NotServedError("operator", got=mandate.operator, expected=sender)
        self.mandate = mandate
        self.chain = chain
        self.journal = journal
        self._nodes = Nodes([node]) if isinstance(node, NodeClient) else node
        self._endorsers = Endorsers() if endorsers is None else endorsers
        self.observers = Observers() if observers is None else observers
        self._clock = clock
        self._submitter = Submitter(
            chain,
            gate=book.gate,
            mandate=mandate,
            operator=operator,
            journal=journal,
            clock=clock,
            policy=sending,
        )
        self._stop = threading.Event()
        self._drain = threading.Event()
        self._told_of: str | None = None
        self._commands = Commands(journal.database, mandate=mandate.id, clock=clock)
        self._runs = Runs(
            Surroundings(
                program=program,
                book=book,
                mandate=mandate,
                chain=chain,
                nodes=self._nodes,
                store=store,
                journal=journal,
                submitter=self._submitter,
                operator=sender,
                tokenizer=tokenizer,
                clock=clock,
                monotonic=time.monotonic,
                confirm_seconds=confirm_seconds,
                endorsers=self._endorsers,
                approvals=Approvals(journal.database, mandate=mandate.id, clock=clock),
                approve_above=approve_above,
                lock=lock_beside(
                    journal.database,
                    names=(
                        f"mandate-{mandate.id.hex()[:16]}",
                        f"operator-{chain.chain_id}-{sender.lower()[2:18]}",
                    ),
                ),
                stopping=self._stopping,
            ),
            idle=self._idle,
            tell=self._tell,
        )
        self._schedule: SlotSchedule | None = None

    @classmethod
    def from_config(cls, path: str | Path) -> Self:
        """Put an agent together from a TOML file (`affiant.agents.settings.config`).

        Raises:
            ConfigError: the file, or one that it names, is not what is expected.
            KeystoreError: the operator's keystore does not open.
            OSError: the log cannot be written, or the metrics' port is taken.
            ChainIdMismatchError, ChainUnavailableError: the endpoint does not serve.
            ProgramDefinitionError, NotServedError: as for the constructor.
        """
        return cls(**open_parts(path))

    def run_once(self) -> RunResult:
        """Take the newest slot's decision, if it was not taken yet.

        First it ends what was interrupted: what was sent is settled by the chain, a run
        of the newest slot goes on where it was, any other is recorded as abandoned.
        Expected errors are in the result, and in the journal; nothing is sent then.

        Raises:
            AgentLockedError: another process runs this agent.
            JournalTruncatedError: the journal has lost its end.
            JournalError, CheckpointError: the agent's own memory cannot be written.
        """
        return self._runs.once()

    def newest_slot(self) -> int:
        """Ask the chain which slot is the newest.

        Raises:
            ChainUnavailableError: it does not answer.
        """
        return self.mandate.slot_of(self.chain.block_number())

    def start(
        self,
        *,
        poll_seconds: float = POLL_SECONDS,
        on_result: Callable[[RunResult], None] | None = None,
    ) -> None:
        """Run once per slot in a background thread, until `stop` or a failure.

        Args:
            poll_seconds: time between two looks at the chain.
            on_result: called after every run, in that thread. Runs that something
                unavailable stopped are repeated, and told of, at every look.

        Raises:
            RuntimeError: it runs already.
        """
        if self._schedule is not None:
            raise RuntimeError("the agent runs already")
        self._drain.clear()
        self._schedule = SlotSchedule(
            self.run_once,
            newest_slot=self.newest_slot,
            poll_seconds=poll_seconds,
            on_result=on_result,
            over=self._over,
        )
        self._schedule.start()

    def wait(self) -> None:
        """Block until `stop` is called, it has drained, or the thread breaks.

        Returns at once where nothing runs.

        Raises:
            JournalError: the journal could not be written; nothing runs any more.
            Exception: a bug, in a hook or in `on_result` perhaps; likewise.
        """
        schedule = self._schedule
        if schedule is not None:
            schedule.wait()

    def pause(self) -> None:
        """Take no new decision until `resume`, in this process or a later one.

        What is in flight goes on.

        Raises:
            JournalError: it could not be written down.
        """
        self._commands.give("pause", sender="the agent's own process")

    def resume(self) -> None:
        """Take decisions again.

        Raises:
            JournalError: it could not be written down.
        """
        self._commands.give("resume", sender="the agent's own process")

    def drain(self, *, wait: bool = True) -> None:
        """Take no new decision, end what is in flight, then end.

        A run that waits for a person is not in flight: it stays where it is, and goes
        on with the next start if there is still time.

        Args:
            wait: return only when it has ended.
        """
        self._drain.set()
        schedule = self._schedule
        if schedule is not None:
            schedule.hurry()
            if wait:
                schedule.wait()

    def stop(self, *, wait: bool = True) -> None:
        """Stop running: a run in progress begins no further step, and can go on later.

        Args:
            wait: return only when its current step has ended; a hook of the run itself
                does not wait.
        """
        self._stop.set()
        schedule = self._schedule
        if schedule is not None:
            schedule.stop(wait=wait)
        if wait:
            self._schedule = None
            self._runs.wait()
            self._stop.clear()

    def close(self) -> None:
        """Stop, and close chain, nodes, endorsers and journal, whoever opened them."""
        self.stop()
        self.chain.close()
        self._nodes.close()
        self._endorsers.close()
        self._runs.close()
        self.journal.close()
        self.observers.close()

    def _stopping(self) -> bool:
        return self._stop.is_set() or self._commands.orders().stop

    def _over(self) -> bool:
        """Return whether the schedule has nothing left to do."""
        orders = self._commands.orders()
        if orders.stop or self._stop.is_set():
            return True
        if not (orders.drain or self._drain.is_set()):
            return False
        return not self.journal.unsettled(self.mandate.id)

    def _idle(self) -> bool:
        flags = self._stop.is_set() or self._drain.is_set()
        return flags or self._commands.orders().idle

    def _tell(self, result: RunResult) -> None:
        self.observers.result(result)
        if result.outcome == "executed":
            self.on_executed(result)
        elif result.outcome == "held":
            self.on_held(result)
        elif result.outcome not in ("waiting", "queued"):
            self.on_refused(result)
        elif result.waits_for not in ("stop", "resume") and self._told_of != result.run:
            self._told_of = result.run
            self.on_waiting(result)
