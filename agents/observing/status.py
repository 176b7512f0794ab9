"""How an agent stands: what the gate, its journal and its own endpoints say of it now.

It reads and never writes, sends nothing, and needs neither key nor password, so that it
can be asked while the agent runs. It decides nothing. Each part that cannot be read is
said to be so, and the others are told nevertheless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from affiant.agents.deciding.live import live_head
from affiant.agents.durable.journal import Entry, Journal
from affiant.agents.durable.run_history import Run, runs_of
from affiant.agents.errors import HeadWaitsError, NotLiveError, SlotRefusedError
from affiant.agents.nodes.reachable import endorser_answers, node_answers
from affiant.agents.settings.config import AgentConfig, load_book, load_mandate
from affiant.agents.settings.config_report import hide_addresses
from affiant.agents.settings.connecting import (
    chain_addresses,
    connect_chain,
    node_addresses,
)
from affiant.encoding import JsonValue, to_hex
from affiant.errors import AffiantError
from affiant.onchain.chain import Chain
from affiant.onchain.gate import GateClient, MandateState
from affiant.onchain.gate_events import DecisionQueued
from affiant.onchain.gate_queue import queued_on
from affiant.onchain.mandate import NATIVE, Address, Mandate, Rung

LAST_RUNS = 8
"""Runs shown unless more are asked for."""

ROWS_PER_RUN = 12
"""Rows of the journal read per run shown; a run writes six, and some on the way."""

REACH_SECONDS = 5.0
"""Longest wait for a node or an endorser to show that it is there."""


@dataclass(frozen=True)
class Reached:
    """Whether somebody answers."""

    what: str
    """chain, node or endorser."""
    url: str
    """Scheme and host: the path of an address may hold a key."""
    problem: str
    """Empty where it answers."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return it as JSON."""
        return {"what": self.what, "url": self.url, "problem": self.problem or None}


@dataclass(frozen=True)
class OnChain:
    """What the gate says of the mandate."""

    state: MandateState
    slot: int
    """The newest."""
    problem: str
    """Why it may not act in this slot; empty where it may, or has already."""
    rung: Rung | None
    """The first whose limit the unaudited outflow has not reached; None above all."""
    rung_number: int | None
    """From 1."""
    funds: int | None
    """Wei that the operator has for gas; None where anybody may submit."""
    queued: DecisionQueued | None = None
    """The decision that waits out its delay; None where none does, or its event is not
    told."""

    @property
    def room(self) -> int:
        """Value that may still be at risk on this rung; 0 above the ladder."""
        return 0 if self.rung is None else self.rung.limit - self.state.unaudited


@dataclass(frozen=True)
class AgentStatus:
    """How one agent stands."""

    mandate: Mandate
    on_chain: OnChain | None
    """None where the chain does not say."""
    reached: tuple[Reached, ...]
    runs: tuple[Run, ...]
    """Newest first."""
    pending: tuple[Entry, ...]
    """Transactions that were sent and whose fate the journal does not know."""
    journal_problem: str
    """Why the journal cannot be read; empty where it can."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that keeps the agent from acting now, in words."""
        found = [
            f"{item.what}: {item.problem}" for item in self.reached if item.problem
        ]
        if self.on_chain is not None and self.on_chain.problem:
            found.insert(0, self.on_chain.problem)
        if self.journal_problem:
            found.append(f"journal: {self.journal_problem}")
        return tuple(found)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the status as JSON; values as strings, with 8 decimals."""
        return {
            "mandate": to_hex(self.mandate.id),
            "account": self.mandate.account,
            "operator": self.mandate.operator,
            "expiry": self.mandate.expiry,
            "onChain": None if self.on_chain is None else _on_chain(self.on_chain),
            "reached": [item.to_json() for item in self.reached],
            "runs": [run.to_json() for run in self.runs],
            "pending": [
                {"transaction": entry.transaction, "slot": entry.slot, "at": entry.at}
                for entry in self.pending
            ],
            "problems": list(self.problems),
        }


class StatusReader:
    """Reads one agent's status, as often as asked."""

    def __init__(self, config: AgentConfig, *, last: int = LAST_RUNS) -> None:
        """Read mandate and book; connects when asked.

        Args:
            config: the agent's.
            last: most runs to show.

        Raises:
            ConfigError: mandate or book cannot be read.
        """
        self._config = config
        self._last = last
        self.mandate = load_mandate(config.mandate.file)
        self.book = load_book(config.book.file)
        self._chain: Chain | None = None
        self._journal: Journal | None = None

    def read(self) -> AgentStatus:
        """Return the status now; never raises for somebody who does not answer."""
        reached: list[Reached] = []
        on_chain = self._read_chain(reached)
        for what, urls, answers in (
            ("node", node_addresses(self._config), node_answers),
            ("endorser", self._config.endorsers.urls, endorser_answers),
        ):
            reached += _reached(what, urls, answers)
        runs, pending, problem = self._read_journal()
        return AgentStatus(
            mandate=self.mandate,
            on_chain=on_chain,
            reached=tuple(reached),
            runs=runs,
            pending=pending,
            journal_problem=problem,
        )

    def close(self) -> None:
        """Close chain and journal."""
        if self._chain is not None:
            self._chain.close()
        if self._journal is not None:
            self._journal.close()

    def _read_chain(self, reached: list[Reached]) -> OnChain | None:
        url = ", ".join(map(hide_addresses, chain_addresses(self._config)))
        try:
            if self._chain is None:
                self._chain = connect_chain(self._config, timeout=REACH_SECONDS)
            found = read_on_chain(
                self._chain, gate=self.book.gate, mandate=self.mandate
            )
        except AffiantError as error:
            reached.append(Reached("chain", url, hide_addresses(str(error))))
            return None
        reached.append(Reached("chain", url, ""))
        return found

    def _read_journal(self) -> tuple[tuple[Run, ...], tuple[Entry, ...], str]:
        url = self._config.journal.url
        if self._journal is None and "://" not in url and not Path(url).exists():
            return (), (), ""  # No run yet: opening it here would make it.
        try:
            if self._journal is None:
                self._journal = Journal(url)
            rows = self._journal.entries(
                mandate=self.mandate.id, last=self._last * ROWS_PER_RUN
            )
            pending = self._journal.unsettled(self.mandate.id)
        except AffiantError as error:
            return (), (), hide_addresses(str(error))
        return tuple(reversed(runs_of(rows)))[: self._last], pending, ""


def read_on_chain(chain: Chain, *, gate: Address, mandate: Mandate) -> OnChain:
    """Return what the gate says of `mandate` at the newest block.

    Raises:
        ChainUnavailableError, RejectedError: the endpoint does not say.
    """
    client = GateClient(chain, gate)
    latest = chain.latest_block()
    slot = mandate.slot_of(latest.number)
    state = client.state_of(mandate.id, block=latest)
    problem = ""
    queued = None
    try:
        live_head(client, mandate=mandate, slot=slot, latest=latest)
    except HeadWaitsError:
        # As it should be, after a decision whose rung has a delay.
        queued = queued_on(
            chain,
            gate=gate,
            mandate=mandate,
            digest=state.head,
            # Whoever took the head used up its slot.
            slot=state.next_slot - 1,
        )
    except NotLiveError as error:
        problem = f"the mandate is {error.state}"
    except SlotRefusedError:
        pass  # It has acted in this slot, as it should.
    number, rung = next(
        (
            (number, rung)
            for number, rung in enumerate(mandate.ladder, start=1)
            if state.unaudited < rung.limit
        ),
        (None, None),
    )
    return OnChain(
        state=state,
        slot=slot,
        problem=problem,
        rung=rung,
        rung_number=number,
        funds=None if mandate.operator == NATIVE else chain.balance(mandate.operator),
        queued=queued,
    )


def _reached(
    what: str, urls: Sequence[str], answers: Callable[..., str | None]
) -> list[Reached]:
    return [
        Reached(
            what,
            hide_addresses(url),
            hide_addresses(answers(url, timeout=REACH_SECONDS) or ""),
        )
        for url in urls
    ]


def _on_chain(found: OnChain) -> dict[str, JsonValue]:
    state = found.state
    return {
        "block": state.block.number,
        "timestamp": state.block.timestamp,
        "slot": found.slot,
        "problem": found.problem or None,
        "head": to_hex(state.head),
        "unaudited": str(state.unaudited),
        "rung": found.rung_number,
        "limit": None if found.rung is None else str(found.rung.limit),
        "queuedUntil": state.queued_until if state.queued_at else None,
        "queued": None if found.queued is None else _queued(found.queued),
        "funds": None if found.funds is None else str(found.funds),
    }


def _queued(event: DecisionQueued) -> dict[str, JsonValue]:
    return {
        "digest": to_hex(event.digest),
        "slot": event.slot,
        "valueAtRisk": str(event.value_at_risk),
        "readyAt": event.ready_at,
        "validUntil": event.valid_until,
    }
