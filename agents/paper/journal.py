"""The paper journal: what an agent would have done, slot by slot, never rewritten.

A SQLite file of its own kind. It decides that it is never mixed with a live journal: a
file of another kind is refused and left as it is, and a live agent refuses this one
(`affiant.agents.durable.database`). It has no room for a transaction or a signature.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from affiant.agents.durable.database import JournalError
from affiant.agents.paper.errors import PaperJournalError
from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import MalformedError

FORMAT = "affiant-paper/1"
"""Name and version of the format."""

PaperOutcome = Literal["would_execute", "held", "refused"]
"""What a slot came to: the gate would have executed it as simulated; the decision was
to hold; or something said no."""

_TABLES = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE slots (mandate TEXT NOT NULL, slot INTEGER NOT NULL, "
    "outcome TEXT NOT NULL, digest TEXT, block INTEGER NOT NULL, "
    "timestamp INTEGER NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (mandate, slot))",
    "CREATE TRIGGER slots_no_update BEFORE UPDATE ON slots "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER slots_no_delete BEFORE DELETE ON slots "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)


@dataclass(frozen=True)
class PaperEntry:
    """One slot."""

    mandate: Digest
    slot: int
    outcome: PaperOutcome
    digest: Digest | None
    """The decision's, where there is one."""
    block: int
    """Number of the block whose state the account was read at."""
    timestamp: int
    """Its time, unix seconds."""
    holdings: Mapping[str, int]
    """What the real account held then, net of debts, base units by token."""
    prices: Mapping[str, int]
    """What the feeds said, 8 decimals."""
    changes: Mapping[str, int] = field(default_factory=dict)
    """What the decision would have changed, base units by token, as simulated."""
    told: Mapping[str, JsonValue] = field(default_factory=dict)
    """Plan, gas, and why it was refused; for people. May hold hostile text."""


class PaperJournal:
    """One paper journal."""

    def __init__(self, path: str | Path) -> None:
        """Open the file, or make it where there is none.

        Raises:
            PaperJournalError: it is something else: a live journal perhaps.
            JournalError: it cannot be read or written.
        """
        self.path = Path(path).absolute()
        with self._converted():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            try:
                self._require_ours()
            except BaseException:
                self._connection.close()
                raise

    def append(self, entry: PaperEntry) -> bool:
        """Write a slot down; return whether it was the first entry of that slot.

        Raises:
            JournalError: it could not be written.
        """
        detail = {
            "holdings": {name: str(units) for name, units in entry.holdings.items()},
            "prices": {name: str(price) for name, price in entry.prices.items()},
            "changes": {name: str(units) for name, units in entry.changes.items()},
            "told": dict(entry.told),
        }
        with self._converted():
            done = self._connection.execute(
                "INSERT OR IGNORE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    to_hex(entry.mandate),
                    entry.slot,
                    entry.outcome,
                    None if entry.digest is None else to_hex(entry.digest),
                    entry.block,
                    entry.timestamp,
                    json.dumps(detail, ensure_ascii=True, sort_keys=True),
                ),
            )
            return done.rowcount == 1

    def has(self, mandate: Digest, *, slot: int) -> bool:
        """Return whether a slot is written down.

        Raises:
            JournalError: it cannot be read.
        """
        with self._converted():
            found = self._connection.execute(
                "SELECT 1 FROM slots WHERE mandate = ? AND slot = ?",
                (to_hex(mandate), slot),
            ).fetchone()
        return found is not None

    def entries(self, mandate: Digest) -> tuple[PaperEntry, ...]:
        """Return what is written down of a mandate, by slot.

        Raises:
            JournalError: it cannot be read.
            MalformedError: a row is not what we write.
        """
        with self._converted():
            rows = self._connection.execute(
                "SELECT slot, outcome, digest, block, timestamp, detail FROM slots "
                "WHERE mandate = ? ORDER BY slot",
                (to_hex(mandate),),
            ).fetchall()
        return tuple(_entry(mandate, row) for row in rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _require_ours(self) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            tables = {
                str(name)
                for (name,) in run("SELECT name FROM sqlite_master WHERE type='table'")
            }
            if not tables:
                for statement in _TABLES:
                    run(statement)
                run("INSERT INTO about VALUES ('format', ?)", (FORMAT,))
            elif tables != {"about", "slots"}:
                raise PaperJournalError(
                    str(self.path), got=f"tables {sorted(tables)}", expected=FORMAT
                )
            told = run("SELECT value FROM about WHERE name = 'format'").fetchone()
            if told != (FORMAT,):
                raise PaperJournalError(
                    str(self.path), got=repr(told)[:80], expected=FORMAT
                )
        finally:
            run("COMMIT")
        # Only now: it is written into the file, and another kind's is left as it is.
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")

    @contextmanager
    def _converted(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JournalError(str(self.path), reason=str(error)) from error


def _entry(mandate: Digest, row: tuple[object, ...]) -> PaperEntry:
    slot, outcome, digest, block, timestamp, text = row
    try:
        detail = json.loads(str(text))
        numbers = {
            key: {str(name): int(units) for name, units in detail[key].items()}
            for key in ("holdings", "prices", "changes")
        }
        named = [name for name in get_args(PaperOutcome) if name == outcome]
        if not named:
            raise ValueError(f"outcome {outcome!r}")
        return PaperEntry(
            mandate=mandate,
            slot=int(str(slot)),
            outcome=named[0],
            digest=None
            if digest is None
            else digest_from_hex(str(digest), what="paper.digest"),
            block=int(str(block)),
            timestamp=int(str(timestamp)),
            told=dict(detail["told"]),
            **numbers,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedError(
            "paper journal", got=repr(error)[:200], expected="a slot as we write it"
        ) from error
