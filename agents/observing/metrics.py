"""The agent's figures for Prometheus, on a port of the loopback interface.

It decides what is counted and under which labels. Labels come from this code only: the
fixed outcomes, steps and parties, and the names of our own error classes. Nothing that
a node, an endpoint or a model says ever becomes one, so nobody outside can make their
number grow. The only module that imports prometheus_client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)

from affiant.agents.durable.journal import Entry, JournalError, Step
from affiant.agents.errors import (
    EndorsementsLackingError,
    EndorserUnavailableError,
    NodeUnavailableError,
)
from affiant.agents.observing.status import OnChain
from affiant.agents.running.progress import Outcome, RunResult
from affiant.errors import AffiantError
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.mandate import VALUE_DECIMALS

HOST = "127.0.0.1"
"""Figures tell what an account is about to do; they are for this machine."""

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Upper ends of the buckets of a step's duration."""

OTHER = "other"
"""Label of whatever this version has no name for."""

_PARTIES: tuple[tuple[type[AffiantError], str], ...] = (
    (ChainUnavailableError, "chain"),
    (NodeUnavailableError, "node"),
    (EndorserUnavailableError, "endorser"),
    (EndorsementsLackingError, "endorser"),
    (EvidenceUnavailableError, "evidence"),
    (JournalError, "journal"),
)


@dataclass(frozen=True)
class ChainFigures:
    """What is asked of the chain after each run."""

    on_chain: OnChain
    nonce: int
    """The operator's next."""


class MetricsObserver:
    """Counts what happens, and serves the counts."""

    def __init__(
        self, *, port: int, look: Callable[[], ChainFigures], clock: Callable[[], float]
    ) -> None:
        """Serve on loopback.

        Args:
            port: 0 takes a free one.
            look: asks the chain; called once after every run.
            clock: unix seconds.

        Raises:
            OSError: the port is taken.
        """
        self._look = look
        self._clock = clock
        registry = self.registry = CollectorRegistry()
        self._decisions = Counter(
            "affiant_decisions",
            "Runs by how they ended",
            ["outcome"],
            registry=registry,
        )
        self._refusals = Counter(
            "affiant_refusals",
            "Runs that were refused or stopped, by our name of the error",
            ["error"],
            registry=registry,
        )
        self._failures = Counter(
            "affiant_endpoint_failures",
            "Runs and looks that somebody unavailable stopped",
            ["endpoint"],
            registry=registry,
        )
        self._seconds = Histogram(
            "affiant_step_seconds",
            "Duration of a run's steps",
            ["step"],
            buckets=SECONDS,
            registry=registry,
        )
        self._gas = Counter(
            "affiant_gas_used", "Gas of executed decisions", registry=registry
        )

        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"affiant_{name}", words, registry=registry)

        self._last_slot = gauge("last_slot", "Slot of the newest run")
        self._last_run = gauge("last_run_timestamp_seconds", "When it ended")
        self._newest_slot = gauge("newest_slot", "The chain's newest slot")
        self._live = gauge("mandate_live", "1 where the gate lets the mandate act")
        self._unaudited = gauge("unaudited_value", "Unaudited outflow")
        self._limit = gauge("rung_limit_value", "Limit of the rung; 0 above the ladder")
        self._rung = gauge("rung", "Number of the rung, from 1; 0 above the ladder")
        self._queued = gauge("queued_decisions", "1 while a decision waits its delay")
        self._queued_until = gauge(
            "queued_until_timestamp_seconds", "When its time is over; 0: none waits"
        )
        self._nonce = gauge("operator_nonce", "The operator's next nonce")
        self._funds = gauge("operator_balance_wei", "What the operator has for gas")
        self._pending = gauge("pending_transactions", "Sent, and not settled")
        # Shown as 0 from the start: an absent series alarms nobody.
        for outcome in get_args(Outcome):
            self._decisions.labels(outcome)
        for _, party in _PARTIES:
            self._failures.labels(party)
        self._server, self._thread = start_http_server(
            port, addr=HOST, registry=registry
        )
        self.url = f"http://{HOST}:{self._server.server_port}/metrics"
        """Where the figures are."""
        self._sent: set[str] = set()

    def row(self, entry: Entry) -> None:
        """Keep count of what is on its way."""
        if entry.transaction is not None and entry.status == "sending":
            self._sent.add(entry.transaction)
        elif entry.transaction is not None and entry.step == "confirm":
            self._sent.discard(entry.transaction)
        self._pending.set(len(self._sent))

    def result(self, result: RunResult) -> None:
        """Count a run, and look at the chain."""
        self._decisions.labels(_known(result.outcome, get_args(Outcome))).inc()
        if result.error is not None:
            self._refusals.labels(error_label(result.error)).inc()
            party = party_of(result.error)
            if party is not None:
                self._failures.labels(party).inc()
        # Phases that the node tells of are its own words, names included.
        for step in get_args(Step):
            if step in result.seconds:
                self._seconds.labels(step).observe(result.seconds[step])
        if result.gas_used is not None:
            self._gas.inc(result.gas_used)
        if result.slot >= 0:
            self._last_slot.set(result.slot)
        self._last_run.set(self._clock())
        self._look_at_chain()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _look_at_chain(self) -> None:
        try:
            found = self._look()
        except AffiantError as error:
            self._failures.labels(party_of(error) or OTHER).inc()
            return
        on_chain, scale = found.on_chain, 10**VALUE_DECIMALS
        self._newest_slot.set(on_chain.slot)
        self._live.set(0 if on_chain.problem else 1)
        self._unaudited.set(on_chain.state.unaudited / scale)
        self._limit.set(0 if on_chain.rung is None else on_chain.rung.limit / scale)
        self._rung.set(on_chain.rung_number or 0)
        state = on_chain.state
        waits = bool(state.queued_at) and state.block.timestamp <= state.queued_until
        self._queued.set(waits)
        self._queued_until.set(state.queued_until if waits else 0)
        self._nonce.set(found.nonce)
        if on_chain.funds is not None:
            self._funds.set(on_chain.funds)


def error_label(error: AffiantError) -> str:
    """Return the name of the error's class, if it is one that this program defines."""
    kind = type(error)
    return kind.__name__ if kind.__module__.startswith("affiant.") else OTHER


def party_of(error: AffiantError) -> str | None:
    """Return who did not answer; None where somebody did."""
    return next((party for kind, party in _PARTIES if isinstance(error, kind)), None)


def _known(label: str, known: tuple[str, ...]) -> str:
    return label if label in known else OTHER
