"""Journal, checkpoints and lock on a real PostgreSQL server, started for the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from affiant.agents.durable.checkpoints import CheckpointRefusedError, Checkpoints
from affiant.agents.durable.database import Database, JournalError
from affiant.agents.durable.journal import Entry, Journal
from affiant.agents.durable.lock import AgentLockedError, lock_beside
from affiant.agents.running.graph import AgentGraph
from affiant.agents.running.progress import Progress
from affiant.encoding import keccak256

pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")

SERVER = shutil.which("postgres") and shutil.which("initdb")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not SERVER, reason="no PostgreSQL server is installed"),
]


def _user() -> str | None:
    """Who runs the server: PostgreSQL refuses root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    pytest.skip("no user but root to run PostgreSQL")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on loopback, with one empty database."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="affiant-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    subprocess.run(
        ["initdb", "-D", data, "-U", "agent", "-A", "trust", "--no-sync"],
        user=user,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    url = f"postgresql://agent:unused@127.0.0.1:{port}/postgres"
    try:
        for _ in range(200):
            try:
                Database(url).close()
                break
            except JournalError:
                time.sleep(0.05)
        else:
            raise RuntimeError((folder / "log").read_text())
        yield url
    finally:
        # SIGINT: at once, whoever is still connected.
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A schema of its own for each test."""
    name = f"t{time.monotonic_ns()}"
    admin = Database(server)
    with admin.engine.begin() as connection:
        connection.execute(sql.text(f"CREATE SCHEMA {name}"))
    admin.close()
    yield f"{server}?options=-csearch_path%3D{name}"


def entry(**more: Any) -> Entry:
    parts = {"run": "r", "mandate": keccak256(b"m"), "slot": 1, "step": "decide"}
    return Entry(**{**parts, "status": "started", "at": 1.0, **more})


def test_the_journal_reads_back_and_is_never_rewritten(url: str):
    journal = Journal(url)
    journal.append(entry(detail={"a": [1]}))
    journal.append(entry(step="submit", status="sending", transaction="0x1"))
    assert [e.step for e in journal.entries()] == ["decide", "submit"]
    assert journal.newest() == 2
    assert len(journal.unsettled(keccak256(b"m"))) == 1
    assert len(journal.open_runs(keccak256(b"m"))) == 1
    for statement in ("UPDATE entries SET at = 2", "DELETE FROM entries"):
        with (
            pytest.raises(sql.exc.SQLAlchemyError, match="append-only"),
            journal.database.engine.begin() as connection,
        ):
            connection.execute(sql.text(statement))
    journal.close()
    again = Journal(url)
    assert again.entries()[0] == entry(detail={"a": [1]})
    again.close()


class Waiting:
    """Steps of which one waits."""

    waits = True

    def take(self, step: str, progress: Progress) -> Progress:
        if step == "approve" and self.waits:
            return progress.waiting("approval")
        from dataclasses import replace

        return replace(progress, outcome="executed") if step == "confirm" else progress

    def restore(self, saved: Any, *, step: str) -> Progress:
        return Progress(run=saved.run, slot=saved.slot, outcome=saved.outcome)

    def stopping(self) -> bool:
        return False


def test_a_run_goes_on_from_the_server(url: str):
    database = Database(url)
    first = Checkpoints.beside(database)
    graph = AgentGraph(Waiting(), checkpoints=first)
    assert graph.run(Progress(run="r", slot=1), thread="t").waits_for == "approval"
    first.close()
    second = Checkpoints.beside(database)
    steps = Waiting()
    graph = AgentGraph(steps, checkpoints=second)
    assert graph.unfinished("t").run == "r"
    assert graph.resume("t").waits_for == "approval"
    steps.waits = False
    assert graph.resume("t").outcome == "executed"
    second.prune("t")
    with database.engine.connect() as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            count = connection.execute(sql.text(f"SELECT count(*) FROM {table}"))
            assert count.scalar_one() == 0
    second.close()
    database.close()


def test_a_pickle_in_the_servers_tables_is_refused(url: str):
    database = Database(url)
    checkpoints = Checkpoints.beside(database)
    graph = AgentGraph(Waiting(), checkpoints=checkpoints)
    graph.run(Progress(run="r", slot=1), thread="t")
    with database.engine.begin() as connection:
        connection.execute(
            sql.text(
                "UPDATE checkpoint_blobs SET type = 'pickle' WHERE type <> 'empty'"
            )
        )
    with pytest.raises(CheckpointRefusedError):
        graph.unfinished("t")
    checkpoints.close()
    database.close()


HOLDER = """
import sys, time
from affiant.agents.durable.database import Database
from affiant.agents.durable.lock import lock_beside
lock = lock_beside(Database(sys.argv[1]), names=["m", "o"])
lock.take()
print("held", flush=True)
time.sleep(60)
"""


def test_one_process_per_agent_also_on_a_server(url: str):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    )
    database = Database(url)
    lock = lock_beside(database, names=["m"])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AgentLockedError) as raised:
            lock.take()
        assert f"pid {process.pid} on" in raised.value.pid
        assert raised.value.since.startswith("20")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    for _ in range(100):
        try:
            lock.take()
            break
        except AgentLockedError:
            time.sleep(0.05)
    lock.take()
    lock.release()
    database.close()


def test_a_lock_that_the_server_gave_away_is_noticed(url: str):
    database, other = Database(url), Database(url)
    lock, second = (lock_beside(item, names=["m"]) for item in (database, other))
    lock.take()
    with other.engine.connect() as connection:
        connection.execute(
            sql.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'affiant pid%'"
            )
        )
    second.take()
    with pytest.raises(AgentLockedError):
        lock.take()
    second.release()
    for item in (database, other):
        item.close()


@pytest.mark.anvil
def test_an_agent_lives_on_a_server(url: str, world, node_url, tmp_path):
    world.engine.text = world.swap
    journal = world.closing(Journal(url))
    agent = world.agent(tmp_path, url=node_url, journal=journal, approve_above=0)
    waiting = agent.run_once()
    assert waiting.waits_for == "approval", waiting.error
    agent.close()
    from affiant.agents.durable.approvals import Approvals

    database = world.closing(Database(url))
    person = Approvals(database, mandate=world.mandate.id, clock=lambda: 1.0)
    person.answer(waiting.digest, "approved", sender="me")
    journal = world.closing(Journal(url))
    again = world.agent(tmp_path, url=node_url, journal=journal, approve_above=0)
    done = again.run_once()
    assert (done.outcome, done.run) == ("executed", waiting.run), done.error
    assert again.run_once().outcome == "skipped"
