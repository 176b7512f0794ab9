"""One process per agent, one owner of the nonce, and a journal that is all there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from affiant.agents.durable.database import JournalTruncatedError
from affiant.agents.durable.journal import Entry, Journal
from affiant.agents.durable.lock import AgentLockedError, lock_beside
from affiant.encoding import keccak256

NAMES = ("mandate-1", "operator-31337-2")

HOLDER = """
import sys, time
from affiant.agents.durable.journal import Journal
from affiant.agents.durable.lock import lock_beside
lock = lock_beside(Journal(sys.argv[1]).database, names=sys.argv[2:])
lock.take()
print("held", flush=True)
time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / "journal.sqlite"), *NAMES],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@dataclass(frozen=True)
class Held:
    folder: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A folder whose agent runs in another process."""
    folder = tmp_path_factory.mktemp("held")
    process = hold(folder)
    yield Held(folder, process)
    end(process)


def end(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def entry(number: int) -> Entry:
    return Entry(
        run=f"r{number}",
        mandate=keccak256(b"mandate"),
        slot=number,
        step="decide",
        status="started",
        at=1.0,
    )


def journal_with(path: Path, entries: int) -> Journal:
    journal = Journal(str(path))
    for number in range(entries):
        journal.append(entry(number))
    return journal


@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES[1:]])
def test_a_second_process_is_told_who_holds_it_and_since_when(
    held: Held, names: tuple[str, ...]
):
    journal = Journal(str(held.folder / "journal.sqlite"))
    with pytest.raises(AgentLockedError) as raised:
        lock_beside(journal.database, names=names).take()
    assert raised.value.pid == f"pid {held.process.pid}"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]+\+00:00", raised.value.since)
    assert str(held.process.pid) in str(raised.value)


def test_other_agents_of_one_journal_are_free(held: Held):
    journal = Journal(str(held.folder / "journal.sqlite"))
    lock = lock_beside(journal.database, names=("mandate-3", "operator-31337-4"))
    lock.take()
    lock.release()


def test_half_a_lock_is_not_kept(held: Held):
    database = Journal(str(held.folder / "journal.sqlite")).database
    with pytest.raises(AgentLockedError):
        lock_beside(database, names=("mandate-5", NAMES[1])).take()
    assert not is_held(held.folder, "mandate-5")


def test_kill_9_gives_it_back(tmp_path: Path):
    end(hold(tmp_path))
    lock = lock_beside(Journal(str(tmp_path / "journal.sqlite")).database, names=NAMES)
    lock.take()
    lock.take()
    lock.release()


def test_one_process_may_hold_it_twice(tmp_path: Path):
    database = Journal(str(tmp_path / "journal.sqlite")).database
    first, second = (lock_beside(database, names=NAMES) for _ in range(2))
    first.take()
    second.take()
    first.release()
    assert is_held(tmp_path), "the second lets nobody in"
    second.release()
    assert not is_held(tmp_path)


PROBE = """
import fcntl, sys
with open(sys.argv[1]) as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(1)
"""


def is_held(folder: Path, name: str = NAMES[0]) -> bool:
    """Return whether another process is kept out."""
    file = folder / f"journal.sqlite.{name}.lock"
    return bool(subprocess.run([sys.executable, "-c", PROBE, file]).returncode)


def test_a_journal_that_lost_its_end_is_refused(tmp_path: Path):
    path, old = tmp_path / "journal.sqlite", tmp_path / "old.sqlite"
    journal = journal_with(path, 3)
    journal.database.engine.dispose()
    shutil.copy(path, old)
    journal.append(entry(3))
    lock = lock_beside(journal.database, names=NAMES)
    lock.take()
    lock.mark(journal.newest())
    lock.release()
    journal.close()
    shutil.copy(old, path)
    lock = lock_beside(Journal(str(path)).database, names=NAMES)
    with pytest.raises(JournalTruncatedError, match="3 entries .* at least 4"):
        lock.take()
    # A person who knows better says so by deleting the mark.
    for mark in tmp_path.glob("*.lock"):
        mark.unlink()
    lock.take()
    lock.release()


@pytest.mark.parametrize("emptied", [True, False], ids=["emptied", "deleted"])
def test_a_journal_that_was_replaced_by_a_new_one_is_refused(
    tmp_path: Path, emptied: bool
):
    path = tmp_path / "journal.sqlite"
    journal = journal_with(path, 2)
    lock = lock_beside(journal.database, names=NAMES)
    lock.take()
    lock.release()
    journal.close()
    for file in tmp_path.glob("journal.sqlite*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    if emptied:
        path.write_bytes(b"")
    lock = lock_beside(Journal(str(path)).database, names=NAMES)
    with pytest.raises(JournalTruncatedError, match="0 entries"):
        lock.take()


@pytest.mark.parametrize("said", ["", "null", "{}", '{"entries": "x"}', "\x00" * 99])
def test_a_mark_that_says_nothing_refuses_nothing(tmp_path: Path, said: str):
    journal = journal_with(tmp_path / "journal.sqlite", 1)
    for name in NAMES:
        (tmp_path / f"journal.sqlite.{name}.lock").write_text(said)
    lock = lock_beside(journal.database, names=NAMES)
    lock.take()
    told = json.loads((tmp_path / f"journal.sqlite.{NAMES[0]}.lock").read_text())
    assert (told["pid"], told["entries"]) == (os.getpid(), 1)
    lock.release()
