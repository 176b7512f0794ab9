"""An agent that dies at any point: its decision is completed, or recorded as given up.

Death is an exception that nothing expects, raised between two writes; `tests/chaos`
does the same with SIGKILL, and at any instant. What is checked is the same: see
`agreement`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from agreement import disagreements, executed_on_chain
from crash_points import (
    Death,
    DyingChain,
    DyingJournal,
    DyingStore,
    Killed,
    watch_checkpoints,
)

from affiant.agents import Hold, Swap, VerifiedAgent
from affiant.agents.durable.approvals import Approvals
from affiant.agents.durable.checkpoints import CheckpointError
from affiant.agents.durable.journal import Entry, JournalError
from affiant.agents.nodes.service import NodeServer
from affiant.agents.sending.outbox import SendingPolicy
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.mandate import Rung
from affiant.onchain.observation import ChainView

pytestmark = pytest.mark.anvil

CHAOS = Path(__file__).resolve().parents[1] / "chaos"
POINTS: tuple[str, ...] = tuple(json.loads((CHAOS / "points.json").read_text()))


def dying_agent(world: Any, folder: Path, *, url: str, at: str | None) -> Any:
    death = Death(at)
    agent = world.agent(
        folder,
        url=url,
        journal=world.closing(DyingJournal(str(folder / "journal.sqlite"), death)),
        store=DyingStore(str(folder / "evidence"), death),
        chain=DyingChain(world.chain, death),
        confirm_seconds=0.3,
    )
    watch_checkpoints(agent, death)
    return agent, death


def checkpoints_left(folder: Path) -> int:
    with sqlite3.connect(folder / "journal.checkpoints.sqlite") as connection:
        (count,) = connection.execute(
            "SELECT (SELECT count(*) FROM checkpoints) + (SELECT count(*) FROM writes)"
        ).fetchone()
    connection.close()
    return int(count)


def test_every_point_is_among_those_that_are_tried(world, node_url, tmp_path):
    world.engine.text = world.swap
    agent, death = dying_agent(world, tmp_path, url=node_url, at=None)
    assert agent.run_once().outcome == "executed"
    # LangGraph writes from several threads: the order is not always the same.
    assert sorted(death.met) == sorted(POINTS)
    assert checkpoints_left(tmp_path) == 0


FAST = {"before sending", "after sending", "after evidence", "after checkpoint 5"}
"""Tried in `make test`, as every row of the journal is; the rest is slow."""

NEVER_LEFT = ("after journal submit/sending", "before sending")
"""Written down as sent, and dead before it was."""


def fast_and_slow() -> list[Any]:
    fast = [at for at in POINTS if at in FAST or at.startswith("after journal")]
    slow = [at for at in POINTS if at not in fast]
    return [*fast, *(pytest.param(at, marks=pytest.mark.slow) for at in slow)]


@pytest.mark.parametrize("at", fast_and_slow())
def test_a_crash_completes_or_abandons_and_never_sends_twice(
    world, node_url, tmp_path, at: str
):
    world.engine.text = world.swap
    first, death = dying_agent(world, tmp_path, url=node_url, at=at)
    nonce = world.nonce()
    with pytest.raises(Killed):
        first.run_once()
    assert death.dead

    # The same slot, in what would be another process.
    again = world.agent(tmp_path, url=node_url, confirm_seconds=0.3)
    again.run_once()
    assert world.nonce() <= nonce + 1, "sent twice"

    # The next slot: whatever is still open is over now.
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    assert again.run_once().outcome == "held"
    assert disagreements(world, again.journal) == []
    assert again.journal.open_runs(world.mandate.id) == ()
    assert checkpoints_left(tmp_path) == 0
    sent = [e for e in again.journal.entries() if e.status == "sending"]
    assert len({e.digest for e in sent}) <= 1
    if at not in NEVER_LEFT:
        assert world.nonce() == nonce + 1, "it was given up though it could go on"


@pytest.mark.parametrize("at", ["after checkpoint 5", "after checkpoint 6"])
def test_a_resumed_decision_is_not_sent_past_a_person(
    world, node_url, tmp_path, at: str
):
    """It died with nobody to ask; the owner wants to be asked from now on."""
    world.engine.text = world.swap
    nonce = world.nonce()
    first, _ = dying_agent(world, tmp_path, url=node_url, at=at)
    with pytest.raises(Killed):
        first.run_once()
    again = world.agent(tmp_path, url=node_url, approve_above=0)
    for _ in range(2):
        result = again.run_once()
        assert (result.outcome, result.waits_for) == ("waiting", "approval")
    assert world.nonce() == nonce
    person = Approvals(
        again.journal.database, mandate=world.mandate.id, clock=lambda: 2.0
    )
    person.answer(result.digest, "approved", sender="me")
    assert again.run_once().outcome == "executed"
    assert world.nonce() == nonce + 1


def test_a_resumed_run_tells_what_it_did(world, node_url, tmp_path):
    """Whoever hooks into results gets evidence and event, whenever the agent died."""
    world.engine.text = world.swap
    first, _ = dying_agent(
        world, tmp_path, url=node_url, at="after journal confirm/done"
    )
    with pytest.raises(Killed):
        first.run_once()
    result = world.agent(tmp_path, url=node_url).run_once()
    assert result.outcome == "executed"
    assert result.digest == result.bundle.digest == result.executed.digest
    assert result.gas_used > 0


def test_a_crash_between_finding_out_and_the_record_is_made_up_for(
    world, node_url, tmp_path
):
    """A run recorded as unavailable was executed: its record is written anew."""
    world.engine.text = world.swap
    first = world.agent(
        tmp_path, url=node_url, chain=Deaf(world.chain), confirm_seconds=0.3
    )
    assert first.run_once().outcome == "unavailable"
    second, _ = dying_agent(
        world, tmp_path, url=node_url, at="after journal confirm/done"
    )
    with pytest.raises(Killed):
        second.run_once()
    assert disagreements(world, second.journal) != []
    third = world.agent(tmp_path, url=node_url)
    third.run_once()
    assert disagreements(world, third.journal) == []


class Deaf:
    """Sends, and hears nothing of it."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._chain, name)
        return self._sent if name in DyingChain.SENDS else inner

    def _sent(self, raw: bytes) -> None:
        self._chain.send_raw(raw)
        raise ChainUnavailableError("test", method="send", reason="cut off")


def fill_up(journal: Any, *, pages: int) -> None:
    """Leave room for so many pages in the journal's file, as a full disk would."""

    def limit(connection: Any, _record: object) -> None:
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}")

    sql.event.listen(journal.database.engine, "connect", limit)
    journal.database.engine.dispose()


# A rung with a delay: the same, through the gate's queue.

DELAY = 3600
QUEUED_POINTS: tuple[str, ...] = tuple(
    json.loads((CHAOS / "queued_points.json").read_text())
)
"""Every named point that a decision passes from its first step to its execution after
the delay; " (2)": where it is met again."""

QUEUE_FAST = {
    "after journal confirm/queued",
    "before sending (2)",
    "after journal confirm/done",
}


class Patient(VerifiedAgent):
    """The tests' agent, with decisions that outlive the delay."""

    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Hold)
    max_tokens = 512
    validity_seconds = 3 * DELAY

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")


@pytest.fixture(scope="module")
def _delayed(settling: Any) -> Iterator[Any]:
    ladder = (Rung(100_000 * 10**8, 0, 0, DELAY),)
    world = settling(keeper=Patient, ladder=ladder)
    yield world
    world.chain.close()


@pytest.fixture
def delayed(_delayed: Any, tmp_path: Path) -> Iterator[Any]:
    """A world whose every decision waits an hour, and a node in it."""
    rpc = _delayed.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    _delayed.engine.text = _delayed.swap
    _delayed.scenario.next_slot(_delayed.mandate.cadence)
    node = _delayed.node(tmp_path)
    with NodeServer(node) as server:
        _delayed.url = server.url
        yield _delayed
        while _delayed.opened:
            _delayed.opened.pop().close()
    node.close()
    rpc.request("evm_revert", snapshot)


def serve_the_delay(world: Any) -> None:
    world.scenario.warp(DELAY + 1)
    world.scenario.refresh_feeds()
    world.scenario.next_slot(world.mandate.cadence)


def test_every_point_of_the_queue_is_among_those_that_are_tried(delayed, tmp_path):
    agent, death = dying_agent(delayed, tmp_path, url=delayed.url, at=None)
    assert agent.run_once().outcome == "queued"
    serve_the_delay(delayed)
    assert agent.run_once().outcome == "executed"
    assert sorted(death.met) == sorted(QUEUED_POINTS)
    assert checkpoints_left(tmp_path) == 0


def queued_fast_and_slow() -> list[Any]:
    slow = [at for at in QUEUED_POINTS if at not in QUEUE_FAST]
    return [
        *sorted(QUEUE_FAST),
        *(pytest.param(at, marks=pytest.mark.slow) for at in slow),
    ]


@pytest.mark.parametrize("at", queued_fast_and_slow())
def test_a_crash_around_the_queue_executes_once_or_says_why_not(
    delayed, tmp_path, at: str
):
    world, nonce = delayed, delayed.nonce()
    first, death = dying_agent(world, tmp_path, url=world.url, at=at)
    with pytest.raises(Killed):
        first.run_once()
        serve_the_delay(world)
        first.run_once()
    assert death.dead
    # What would be another process; in the same slot first.
    again = world.agent(
        tmp_path,
        url=world.url,
        confirm_seconds=0.3,
        sending=SendingPolicy(resend_seconds=0),
    )
    world.engine.text = world.hold
    for _ in range(2):
        again.run_once()
    assert disagreements(world, again.journal) == []
    serve_the_delay(world)
    for _ in range(3):
        again.run_once()
        world.scenario.next_slot(world.mandate.cadence)
    assert disagreements(world, again.journal) == []
    assert again.journal.open_runs(world.mandate.id) == ()
    assert again.journal.queued(world.mandate.id) == ()
    assert checkpoints_left(tmp_path) == 0
    executed = executed_on_chain(world)
    assert len(executed) <= 1
    assert world.nonce() <= nonce + 2, "sent twice"
    if world.gate.head_of(world.mandate.id) != world.mandate.id:
        assert len(executed) == 1, "it was queued, and forgotten"


@pytest.mark.parametrize("full", ["journal", "checkpoints"])
@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_full_disk_sends_nothing_and_passes(world, node_url, tmp_path, full, pages):
    world.engine.text = world.swap
    nonce = world.nonce()
    agent = world.agent(tmp_path, url=node_url, confirm_seconds=0.3)
    if full == "journal":
        fill_up(agent.journal, pages=pages)
        # Rows are small: what is left of the last page must not take a run's.
        with suppress(JournalError):
            for number in range(100 if pages == 0 else 0):
                agent.journal.append(padding(world, number))
        wanted: type[Exception] = JournalError
    else:
        connection = agent._runs._checkpoints.saver.conn
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {used + pages}")
        wanted = CheckpointError
    try:
        outcome = agent.run_once().outcome
    except wanted:
        outcome = "broke"
    sent = [e for e in agent.journal.entries() if e.status == "sending"]
    assert world.nonce() - nonce == len(sent)
    if pages == 0:
        assert (outcome, sent) == ("broke", [])
    # There is room again, in what would be another process.
    again = world.agent(tmp_path, url=node_url, confirm_seconds=0.3)
    again.run_once()
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    assert again.run_once().outcome == "held"
    assert disagreements(world, again.journal) == []
    assert world.nonce() == nonce + 1


def padding(world: Any, number: int) -> Entry:
    """A run of long ago."""
    return Entry(
        run=f"old{number}",
        mandate=world.mandate.id,
        slot=0,
        step="record",
        status="refused",
        at=0.0,
        detail="x" * 300,
    )
