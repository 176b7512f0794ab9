"""The journal: what an agent did, written before it does it, and never rewritten.

One row per step of a run. A row `submit/sending` is written and flushed to disk before
a transaction leaves, with the hash that it will have; so after a crash the journal
knows what may be on the chain, and `unsettled` lists it. It decides nothing and trusts
nobody: a database trigger refuses changing or deleting a row, which stops our own bugs,
not somebody who owns the file.

Time is passed in: rows carry what the caller's clock said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import UnavailableError

Step = Literal["decide", "check", "simulate", "submit", "confirm", "record"]
"""The steps of a run, in order."""

Status = Literal[
    "started", "done", "held", "refused", "unavailable", "failed", "sending", "lost"
]
"""What became of a step.

`sending` is written before a transaction leaves; `lost` says that a sent transaction
was never mined and no longer can be; `failed` is our own bug.
"""

_SETTLED: tuple[Status, ...] = ("done", "refused", "lost")

_metadata = sql.MetaData()
_entries = sql.Table(
    "entries",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("run", sql.String(64), nullable=False, index=True),
    sql.Column("mandate", sql.String(66), nullable=False, index=True),
    sql.Column("slot", sql.BigInteger, nullable=False, index=True),
    sql.Column("step", sql.String(16), nullable=False),
    sql.Column("status", sql.String(16), nullable=False),
    sql.Column("digest", sql.String(66), nullable=True, index=True),
    sql.Column("transaction", sql.String(66), nullable=True, index=True),
    sql.Column("detail", sql.Text, nullable=False),
    sql.Column("at", sql.Float, nullable=False),
)
for _verb in ("update", "delete"):
    sql.event.listen(
        _metadata,
        "after_create",
        sql.DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER IF NOT EXISTS entries_no_{_verb} "
            f"BEFORE {_verb.upper()} ON entries "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )


class JournalError(UnavailableError):
    """The journal cannot be read or written; without it nothing is sent."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"journal {url}: {reason}"[:1000])
        self.url = url
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """One row of the journal."""

    run: str
    """Identifier of the run, the same for all its steps."""
    mandate: Digest
    slot: int
    step: Step
    status: Status
    at: float
    """Unix seconds by the caller's clock."""
    digest: Digest | None = None
    """Digest of the decision, once there is one."""
    transaction: str | None = None
    """Transaction hash, once there is one."""
    detail: JsonValue = None
    """Whatever explains the row: an error's name and message, gas, changes."""


class Journal:
    """An append-only table of entries."""

    def __init__(self, url: str) -> None:
        """Open the journal, creating it where it does not exist.

        Args:
            url: a path, or an SQLAlchemy URL such as `sqlite:///journal.sqlite`.

        Raises:
            JournalError: it cannot be opened.
        """
        self._url = url if "://" in url else f"sqlite:///{Path(url).absolute()}"
        with self._converted():
            if "://" not in url:
                Path(url).absolute().parent.mkdir(parents=True, exist_ok=True)
            self._engine = sql.create_engine(self._url)
            if self._engine.dialect.name == "sqlite":
                sql.event.listen(self._engine, "connect", _make_durable)
            _metadata.create_all(self._engine)
        self._settled_below: dict[Digest, int] = {}
        """By mandate: entries below this number are settled, and stay so, because the
        journal only grows."""

    def append(self, entry: Entry) -> None:
        """Write `entry`; when this returns it is on disk.

        Raises:
            JournalError: it could not be written.
        """
        row = {
            "run": entry.run,
            "mandate": to_hex(entry.mandate),
            "slot": entry.slot,
            "step": entry.step,
            "status": entry.status,
            "digest": None if entry.digest is None else to_hex(entry.digest),
            "transaction": entry.transaction,
            "detail": json.dumps(entry.detail, sort_keys=True, default=str),
            "at": entry.at,
        }
        with self._converted(), self._engine.begin() as connection:
            connection.execute(_entries.insert().values(row))

    def entries(
        self,
        *,
        mandate: Digest | None = None,
        run: str | None = None,
        slot: int | None = None,
        digest: Digest | None = None,
        step: Step | None = None,
        last: int | None = None,
    ) -> tuple[Entry, ...]:
        """Return the entries that match, oldest first.

        Args:
            mandate: only this mandate's.
            run: only this run's.
            slot: only this slot's.
            digest: only this decision's.
            step: only this step's.
            last: only the newest `last` of them.
        """
        query = sql.select(_entries).order_by(_entries.c.id.desc())
        if mandate is not None:
            query = query.where(_entries.c.mandate == to_hex(mandate))
        if run is not None:
            query = query.where(_entries.c.run == run)
        if slot is not None:
            query = query.where(_entries.c.slot == slot)
        if digest is not None:
            query = query.where(_entries.c.digest == to_hex(digest))
        if step is not None:
            query = query.where(_entries.c.step == step)
        if last is not None:
            query = query.limit(last)
        with self._converted(), self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
            return tuple(_entry(row) for row in reversed(rows))

    def sent(self, digest: Digest) -> Entry | None:
        """Return the `sending` entry of the decision `digest`, if it was ever sent."""
        for entry in self.entries(digest=digest):
            if entry.status == "sending":
                return entry
        return None

    def unsettled(self, mandate: Digest) -> tuple[Entry, ...]:
        """Return the `sending` entries whose fate the journal does not know yet."""
        settled = _entries.alias("settled")
        query = (
            sql.select(_entries)
            .where(
                _entries.c.mandate == to_hex(mandate),
                _entries.c.status == "sending",
                _entries.c.id >= self._settled_below.get(mandate, 0),
                ~sql.exists().where(
                    settled.c.transaction == _entries.c.transaction,
                    settled.c.id > _entries.c.id,
                    settled.c.step == "confirm",
                    settled.c.status.in_(_SETTLED),
                ),
            )
            .order_by(_entries.c.id)
        )
        with self._converted(), self._engine.connect() as connection:
            last = connection.execute(sql.select(sql.func.max(_entries.c.id)))
            newest = last.scalar_one() or 0
            rows = connection.execute(query).mappings().all()
            # What came between the two questions is looked at again next time.
            oldest = min((row["id"] for row in rows), default=newest + 1)
            self._settled_below[mandate] = min(oldest, newest + 1)
            return tuple(_entry(row) for row in rows)

    def finished(self, *, mandate: Digest, slot: int) -> Entry | None:
        """Return the record of a run that executed or held in `slot`, if any.

        An execution that a later record calls lost, because a reorganisation took it
        off the chain, does not count.
        """
        found = None
        for entry in self.entries(mandate=mandate, slot=slot):
            if entry.step == "record" and entry.status in ("done", "held"):
                found = entry
            elif entry.step == "record" and entry.status == "lost":
                found = None
        return found

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _converted(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise JournalError(self._url, reason=str(error)) from error


def _make_durable(connection: object, _record: object) -> None:
    """Make SQLite flush every commit to disk: the write-ahead row must survive."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _entry(row: sql.RowMapping) -> Entry:
    digest = row["digest"]
    return Entry(
        run=row["run"],
        mandate=digest_from_hex(row["mandate"], what="journal.mandate"),
        slot=row["slot"],
        step=row["step"],
        status=row["status"],
        at=row["at"],
        digest=None if digest is None else digest_from_hex(digest, what="digest"),
        transaction=row["transaction"],
        detail=json.loads(row["detail"]),
    )
