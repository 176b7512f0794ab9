"""Journals that are cut short, of another version, somebody else's, or out of room."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from affiant.agents.durable.database import (
    FORMAT,
    Database,
    JournalError,
    JournalVersionError,
)
from affiant.agents.durable.journal import Entry, Journal
from affiant.encoding import keccak256

ENTRY = Entry(
    run="r", mandate=keccak256(b"m"), slot=1, step="decide", status="started", at=1.0
)


def filled(path: Path, entries: int = 200) -> None:
    journal = Journal(str(path))
    for _ in range(entries):
        journal.append(ENTRY)
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def run(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("kept", [100, 4095, 4096, 8192, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float):
    path = tmp_path / "journal.sqlite"
    filled(path)
    data = path.read_bytes()
    size = int(kept if kept > 1 else kept * len(data))
    path.write_bytes(data[:size])
    with pytest.raises(JournalError):
        Journal(str(path))
    assert path.read_bytes() == data[:size], "it is left as it is"


def test_a_damaged_page_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    filled(path)
    data = bytearray(path.read_bytes())
    data[-4096:] = b"\x55" * 4096
    path.write_bytes(data)
    with pytest.raises(JournalError):
        Journal(str(path))


def test_a_journal_of_a_later_version_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    filled(path, 1)
    run(path, "UPDATE about SET value = 'affiant-journal/3' WHERE name = 'format'")
    before = path.read_bytes()
    with pytest.raises(JournalVersionError) as raised:
        Journal(str(path))
    assert "affiant-journal/3" in raised.value.got
    assert raised.value.expected == FORMAT
    assert path.read_bytes() == before


def test_somebody_elses_database_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run(path, "CREATE TABLE photographs (id INTEGER)")
    with pytest.raises(JournalVersionError, match="photographs"):
        Journal(str(path))


def test_entries_of_another_shape_are_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run(path, "CREATE TABLE entries (id INTEGER PRIMARY KEY, run TEXT)")
    with pytest.raises(JournalVersionError, match="columns"):
        Journal(str(path))


def test_a_journal_of_version_1_is_taken_over(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    filled(path, 3)
    run(path, "DROP TABLE about", "DROP TABLE commands", "DROP TABLE approvals")
    journal = Journal(str(path))
    assert len(journal.entries()) == 3
    identity = journal.database.identity
    journal.close()
    assert Database(str(path)).identity == identity


def test_a_database_has_every_table_whoever_opens_it_first(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    script = (
        f"from affiant.agents.durable.database import Database; Database({str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        names = {name for (name,) in found}
    connection.close()
    assert {"about", "entries", "commands", "approvals"} <= names


@pytest.mark.parametrize("table", ["commands", "approvals"])
def test_commands_and_approvals_are_never_rewritten_either(tmp_path: Path, table: str):
    path = tmp_path / "journal.sqlite"
    Journal(str(path)).close()
    more = ", digest, event, detail" if table == "approvals" else ", command"
    values = ", 'd', 'asked', '{}'" if table == "approvals" else ", 'pause'"
    run(
        path,
        f"INSERT INTO {table} (mandate, sender, at{more}) VALUES ('m', 's', 1{values})",
    )
    for statement in (f"UPDATE {table} SET at = 2", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            run(path, statement)


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path: Path):
    """The process may write no file larger than so much: the kernel says no."""
    path = tmp_path / "journal.sqlite"
    filled(path, 50)
    limit = path.stat().st_size + 8192
    script = f"""
import resource
from affiant.agents.durable.journal import Entry, Journal, JournalError
from affiant.encoding import keccak256
journal = Journal({str(path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
written = 0
try:
    while True:
        journal.append(Entry(run=f"n{{written}}", mandate=keccak256(b"m"), slot=1,
            step="decide", status="started", at=1.0, detail="x" * 500))
        written += 1
except JournalError as error:
    print(written, error.reason)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    written, _, reason = ended.stdout.partition(" ")
    assert "I/O" in reason or "full" in reason
    journal = Journal(str(path))
    assert len(journal.entries()) == 50 + int(written)
    journal.append(ENTRY)  # there is room again


def test_a_server_that_is_not_there_is_unavailable_and_its_password_untold():
    with pytest.raises(JournalError) as raised:
        Journal("postgresql://agent:secret@127.0.0.1:9/none?connect_timeout=1")
    assert "secret" not in str(raised.value)


def test_a_database_that_we_cannot_speak_to_is_refused():
    for url in ("oracle://x/y", "://", "mysql://x/y"):
        with pytest.raises(JournalError):
            Journal(url)
