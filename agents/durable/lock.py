"""One process per agent, and one owner of an operator's nonce, beside one journal.

It decides that a second process does nothing while a first one lives: with files by
`flock`, which the kernel gives back when a process ends, however it ends; on PostgreSQL
by an advisory lock, which the server gives back when its connection ends. It does not
see a second journal elsewhere: who runs one key from two journals has two owners of its
nonce, and the gate's head alone keeps them apart.

A lock file also remembers how far the journal had come (`mark`), so that one that lost
its end, or was replaced, is noticed before anything is sent twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from affiant.agents.durable.database import (
    Database,
    JournalError,
    JournalTruncatedError,
)
from affiant.encoding import keccak256
from affiant.errors import UnavailableError

_WIDTH = 512
"""Bytes of a lock file: one write of a fixed size, so that none is seen half done."""


class AgentLockedError(UnavailableError):
    """Another process runs this agent, or sends from its operator's key."""

    def __init__(self, name: str, *, pid: str, since: str) -> None:
        super().__init__(
            f"{name}: got a process that holds it, {pid}, since {since}; expected none"
        )
        self.name = name
        self.pid = pid
        self.since = since


class AgentLock(Protocol):
    """What keeps other processes away.

    `take` MUST be harmless when it is held already, and MUST find out when it was lost.
    """

    def take(self) -> None:
        """Hold it from now on.

        Raises:
            AgentLockedError: another process does.
            JournalTruncatedError: the journal is not what it was.
            JournalError: whether it is held cannot be told.
        """
        ...

    def mark(self, newest: int) -> None:
        """Remember the number of the journal's newest entry."""
        ...

    def release(self) -> None:
        """Let others have it."""
        ...


def lock_beside(database: Database, *, names: Sequence[str]) -> AgentLock:
    """Return the lock of an agent whose journal is `database`; nothing is held yet.

    Args:
        names: everything of which there is one owner.
    """
    if database.dialect == "postgresql":
        return ServerLock(database, names=names)
    return FileLocks(database, names=names)


@dataclass
class _Held:
    descriptor: int
    holders: int = 1


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


@dataclass
class FileLocks:
    """Locks as files beside the journal. A process may take one several times."""

    database: Database
    names: Sequence[str]
    _taken: list[Path] = field(default_factory=list)
    _since: str = "unknown"
    _marked: int = -1
    """What the files say already."""

    def take(self) -> None:
        """As `AgentLock.take`."""
        if self._taken or self.database.file is None:
            return
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            for name in self.names:
                self._take_one(name)
            self._compare()
        except BaseException:
            self.release()
            raise

    def mark(self, newest: int) -> None:
        """As `AgentLock.mark`."""
        if newest == self._marked:
            return
        text = json.dumps(
            {
                "pid": os.getpid(),
                "host": socket.gethostname()[:64],
                "since": self._since,
                "journal": self.database.identity,
                "entries": newest,
            }
        )
        data = text.encode().ljust(_WIDTH - 1)[: _WIDTH - 1] + b"\n"
        for path in self._taken:
            try:
                os.pwrite(_held[path].descriptor, data, 0)
            except OSError as error:
                raise JournalError(str(path), reason=str(error)) from error
        self._marked = newest

    def release(self) -> None:
        """As `AgentLock.release`."""
        self._marked = -1
        with _guard:
            while self._taken:
                path = self._taken.pop()
                held = _held[path]
                held.holders -= 1
                if not held.holders:
                    del _held[path]
                    os.close(held.descriptor)

    def _take_one(self, name: str) -> None:
        path = self._path(name)
        with _guard:
            if path in _held:
                _held[path].holders += 1
                self._taken.append(path)
                return
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise JournalError(str(path), reason=str(error)) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                said = _said(descriptor)
                os.close(descriptor)
                raise AgentLockedError(
                    str(path),
                    pid=f"pid {said.get('pid', 'unknown')}",
                    since=str(said.get("since", "unknown")),
                ) from error
            _held[path] = _Held(descriptor)
            self._taken.append(path)

    def _compare(self) -> None:
        """Refuse a journal that has fewer entries than it had, or is another one."""
        with self.database.converted(), self.database.engine.connect() as connection:
            newest = connection.execute(
                sql.text("SELECT max(id) FROM entries")
            ).scalar_one()
        for path in self._taken:
            said = _said(_held[path].descriptor)
            # A mark that cannot be read says nothing: it is written last, and not
            # flushed to disk.
            entries, identity = said.get("entries"), said.get("journal")
            if not isinstance(entries, int) or not entries:
                continue
            if identity != self.database.identity or (newest or 0) < entries:
                raise JournalTruncatedError(
                    self.database.url,
                    got=f"{newest or 0} entries of journal {self.database.identity}",
                    expected=f"at least {entries} of journal {identity}",
                    mark=path,
                )
        self.mark(newest or 0)

    def _path(self, name: str) -> Path:
        file = self.database.file
        if file is None:
            raise RuntimeError("a journal without a file has no lock file")
        return file.with_name(f"{file.name}.{name}.lock")


@dataclass
class ServerLock:
    """Advisory locks on PostgreSQL, held by one connection of their own."""

    database: Database
    names: Sequence[str]
    _connection: sql.Connection | None = None

    def take(self) -> None:
        """As `AgentLock.take`."""
        if self._connection is not None:
            try:
                self._connection.execute(sql.text("SELECT 1"))
                return
            except SQLAlchemyError:
                # The server has given the locks away with the connection.
                self.release()
        with self.database.converted():
            connection = self.database.engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            self._connection = connection
            connection.execute(
                sql.text("SELECT set_config('application_name', :told, false)"),
                {"told": f"affiant pid {os.getpid()} on {socket.gethostname()}"[:63]},
            )
        try:
            for name in self.names:
                self._take_one(connection, name)
        except BaseException:
            self.release()
            raise

    def mark(self, newest: int) -> None:
        """Do nothing: what a server has committed, it keeps."""

    def release(self) -> None:
        """As `AgentLock.release`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                # Given back to the pool it would go on holding them.
                connection.invalidate()
            with suppress(SQLAlchemyError):
                connection.close()

    def _take_one(self, connection: sql.Connection, name: str) -> None:
        key = int.from_bytes(keccak256(f"affiant lock {name}".encode())[:8], "big")
        parts = {"high": key >> 32, "low": key & 0xFFFFFFFF}
        signed = key - 2**64 if key >= 2**63 else key
        with self.database.converted():
            held = connection.execute(
                sql.text("SELECT pg_try_advisory_lock(:key)"), {"key": signed}
            ).scalar_one()
            if held:
                return
            holder = connection.execute(
                sql.text(
                    "SELECT a.application_name, a.backend_start FROM pg_locks l "
                    "JOIN pg_stat_activity a ON a.pid = l.pid "
                    "WHERE l.locktype = 'advisory' AND l.granted "
                    "AND l.classid::bigint = :high AND l.objid::bigint = :low"
                ),
                parts,
            ).first()
        raise AgentLockedError(
            f"{self.database.url}, {name}",
            pid="unknown" if holder is None else str(holder[0]),
            since="unknown" if holder is None else str(holder[1]),
        )


def _said(descriptor: int) -> dict[str, object]:
    """Return what a lock file says; nothing where it cannot be read."""
    try:
        value = json.loads(os.pread(descriptor, _WIDTH, 0))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
