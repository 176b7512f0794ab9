"""The journal: what an agent did, written before it does it, and never rewritten.

One row per step of a run. A row `decide/started` is written before a run begins, and a
row `submit/sending` before a transaction leaves, with the hash that it will have; so
after a crash the journal knows which runs were under way (`open_runs`) and what may be
on the chain (`unsettled`). It decides nothing and trusts nobody.

Time is passed in: rows carry what the caller's clock said. Nothing depends on it: the
order is that of the rows' numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sql

from affiant.agents.durable.database import (
    Database,
    JournalError,
    append_only,
    metadata,
)
from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import MalformedError

__all__ = ["Entry", "Journal", "JournalError", "Status", "Step"]

Step = Literal["decide", "check", "simulate", "approve", "submit", "confirm", "record"]
"""The steps of a run, in order."""

Status = Literal[
    "started",
    "done",
    "held",
    "waiting",
    "refused",
    "unavailable",
    "failed",
    "sending",
    "queued",
    "freed",
    "lost",
    "abandoned",
]
"""What became of a step.

`sending` is written before a transaction leaves; `queued` says that the decision has
the head and waits out its rung's delay; `freed`, that the nonce of what was sent was
used up by an empty transfer; `lost`, that a sent transaction was never mined and no
longer can be; `failed` is our own bug; `waiting`, that a person is asked; `abandoned`,
that a run was interrupted before anything was sent, and will not go on.
"""

_SETTLED: tuple[Status, ...] = ("done", "refused", "queued", "freed", "lost")

_entries = append_only(
    sql.Table(
        "entries",
        metadata,
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
)


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
            url: a path, or an SQLAlchemy URL such as `sqlite:///journal.sqlite` or
                `postgresql+psycopg://…` (extra `postgres`).

        Raises:
            JournalError: it cannot be opened, or is damaged.
            JournalVersionError: it is of another version, or no journal.
        """
        self.database = Database(url)
        self._settled_below: dict[Digest, int] = {}
        """By mandate: entries below this number are settled, and stay so, because the
        journal only grows."""
        self._ended_below: dict[Digest, int] = {}
        """The same of decisions that waited."""

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
        self.database.append(_entries, row)

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
        return tuple(_entry(row) for row in reversed(self.database.rows(query)))

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
        newest = self.newest()
        rows = self.database.rows(query)
        # What came between the two questions is looked at again next time.
        oldest = min((int(row["id"]) for row in rows), default=newest + 1)
        self._settled_below[mandate] = min(oldest, newest + 1)
        return tuple(_entry(row) for row in rows)

    def open_runs(self, mandate: Digest, *, after: int = 0) -> tuple[Entry, ...]:
        """Return the last entry of every run that does not end with a record.

        It was interrupted; or a transaction of it was settled after its record, and its
        new record was not written any more.

        Args:
            after: number of an entry that is before all of them, to read less.
        """
        last = (
            sql.select(sql.func.max(_entries.c.id))
            .where(_entries.c.mandate == to_hex(mandate), _entries.c.id > after)
            .group_by(_entries.c.run)
        )
        query = (
            sql.select(_entries)
            .where(_entries.c.id.in_(last), _entries.c.step != "record")
            .order_by(_entries.c.id)
        )
        return tuple(_entry(row) for row in self.database.rows(query))

    def queued(self, mandate: Digest) -> tuple[Entry, ...]:
        """Return the newest record of every run whose decision waits out its delay."""
        later = _entries.alias("later")
        query = (
            sql.select(_entries)
            .where(
                _entries.c.mandate == to_hex(mandate),
                _entries.c.id >= self._ended_below.get(mandate, 0),
                _entries.c.step == "record",
                _entries.c.status == "queued",
                ~sql.exists().where(
                    later.c.run == _entries.c.run,
                    later.c.id > _entries.c.id,
                    later.c.step == "record",
                ),
            )
            .order_by(_entries.c.id)
        )
        newest = self.newest()
        rows = self.database.rows(query)
        # A wait that begins again is another row; one that ended stays so.
        oldest = min((int(row["id"]) for row in rows), default=newest + 1)
        self._ended_below[mandate] = min(oldest, newest + 1)
        return tuple(_entry(row) for row in rows)

    def newest(self) -> int:
        """Return the number of the newest entry; 0 where there is none."""
        (row,) = self.database.rows(sql.select(sql.func.max(_entries.c.id).label("id")))
        return int(row["id"] or 0)

    def finished(self, *, mandate: Digest, slot: int) -> Entry | None:
        """Return the record of a run that executed, queued or held in `slot`, if any.

        What a later record calls lost, because a reorganisation took it off the chain,
        does not count.
        """
        found = None
        for entry in self.entries(mandate=mandate, slot=slot):
            if entry.step == "record" and entry.status in ("done", "queued", "held"):
                found = entry
            elif entry.step == "record" and entry.status == "lost":
                found = None
        return found

    def close(self) -> None:
        """Close the connections."""
        self.database.close()


def _entry(row: sql.RowMapping) -> Entry:
    digest = row["digest"]
    try:
        detail = json.loads(row["detail"])
    except ValueError as error:
        raise MalformedError(
            f"journal entry {row['id']}", got=str(error), expected="JSON"
        ) from error
    return Entry(
        run=row["run"],
        mandate=digest_from_hex(row["mandate"], what="journal.mandate"),
        slot=row["slot"],
        step=row["step"],
        status=row["status"],
        at=row["at"],
        digest=None if digest is None else digest_from_hex(digest, what="digest"),
        transaction=row["transaction"],
        detail=detail,
    )
