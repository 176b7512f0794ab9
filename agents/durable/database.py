"""The journal's database: opened durably, of a known format, whole, and append-only.

It decides that nothing is done with a file or schema that is not a journal of this
format, is damaged, or has lost its end; a person then decides, never the agent. Rows
are written once: triggers refuse changing or deleting one, which stops our own bugs,
not somebody who owns the file. It trusts that owner, and the disk or server under it.

    about     format and identity of the journal
    entries   what the agent did                    (`affiant.agents.durable.journal`)
    commands  what its operator asked of it         (`affiant.agents.durable.commands`)
    approvals what a person was asked, and answered (`affiant.agents.durable.approvals`)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from affiant.errors import RejectedError, UnavailableError

FORMAT = "affiant-journal/2"
"""Name and version of the format. Version 1 had `entries` alone, and is taken over."""

metadata = sql.MetaData()
"""Every table of the journal's database."""

_about = sql.Table(
    "about",
    metadata,
    sql.Column("name", sql.String(16), primary_key=True),
    sql.Column("value", sql.String(64), nullable=False),
)

_TABLES_IN = tuple(
    f"affiant.agents.durable.{name}" for name in ("journal", "commands", "approvals")
)

_ENTRIES_OF_VERSION_1 = {
    *("id", "run", "mandate", "slot", "step", "status"),
    *("digest", "transaction", "detail", "at"),
}

_SERVER_TRIGGER = (
    "CREATE OR REPLACE FUNCTION affiant_append_only() RETURNS trigger "
    "LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'the journal is append-only'; END $$"
)


class JournalError(UnavailableError):
    """The journal cannot be read or written; without it nothing is sent."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"journal {url}: {reason}"[:1000])
        self.url = url
        self.reason = reason


class JournalVersionError(RejectedError):
    """The file or schema is no journal of this version; it is left as it is."""

    def __init__(self, url: str, *, got: str) -> None:
        super().__init__(f"journal {url}: got {got}, expected {FORMAT}"[:1000])
        self.url = url
        self.got = got
        self.expected = FORMAT


class JournalTruncatedError(RejectedError):
    """The journal lacks rows that were written; what was sent may be forgotten."""

    def __init__(self, url: str, *, got: str, expected: str, mark: Path) -> None:
        super().__init__(
            f"journal {url}: got {got}, expected {expected}. Restore it; or, once you "
            f"know that nothing of the agent is on its way, delete {mark}"[:1000]
        )
        self.url = url
        self.got = got
        self.expected = expected


def append_only(table: sql.Table) -> sql.Table:
    """Have the database refuse every change of a row of `table`."""
    for verb in ("update", "delete"):
        sql.event.listen(
            metadata,
            "after_create",
            sql.DDL(  # type: ignore[no-untyped-call]
                f"CREATE TRIGGER IF NOT EXISTS {table.name}_no_{verb} "
                f"BEFORE {verb.upper()} ON {table.name} "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            ).execute_if(dialect="sqlite"),
        )
    for statement in (
        _SERVER_TRIGGER,
        f"CREATE OR REPLACE TRIGGER {table.name}_append_only "
        f"BEFORE UPDATE OR DELETE ON {table.name} "
        "FOR EACH ROW EXECUTE FUNCTION affiant_append_only()",
    ):
        sql.event.listen(
            metadata,
            "after_create",
            sql.DDL(statement).execute_if(  # type: ignore[no-untyped-call]
                dialect="postgresql"
            ),
        )
    return table


class Database:
    """A connection pool to one journal's database."""

    def __init__(self, url: str) -> None:
        """Open the database, creating its tables where there are none.

        Args:
            url: a path, or an SQLAlchemy URL of SQLite or PostgreSQL.

        Raises:
            JournalError: it cannot be opened, or is damaged.
            JournalVersionError: it is of another version, or something else.
        """
        # Each module brings its table; a database has all of them, whoever opens it.
        for name in _TABLES_IN:
            import_module(name)
        self._url = _address(url)
        with self.converted():
            if "://" not in url:
                Path(url).absolute().parent.mkdir(parents=True, exist_ok=True)
            try:
                self.engine = sql.create_engine(self._url)
            except (ImportError, ValueError) as error:
                raise JournalError(self.url, reason=str(error)) from error
            if self.dialect == "sqlite":
                sql.event.listen(self.engine, "connect", _make_durable)
            with self.engine.begin() as connection:
                self._require_known(connection)
                if self.dialect == "sqlite":
                    self._require_whole(connection)
                metadata.create_all(connection)
                self.identity = self._identify(connection)
                """Names this journal among all: one that was replaced has another."""

    @property
    def url(self) -> str:
        """Its address, fit for messages: without a password."""
        try:
            return sql.make_url(self._url).render_as_string(hide_password=True)
        except SQLAlchemyError:
            return "of an unreadable address"

    @property
    def address(self) -> str:
        """Its address as SQLAlchemy takes it; may hold a password."""
        return self._url

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return str(self.engine.dialect.name)

    @property
    def file(self) -> Path | None:
        """The file, where it is one."""
        name = self.engine.url.database
        if self.dialect != "sqlite" or not name or name == ":memory:":
            return None
        return Path(name)

    @contextmanager
    def converted(self) -> Iterator[None]:
        """Turn what a driver raises into a `JournalError`."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise JournalError(self.url, reason=str(error)) from error

    def append(self, table: sql.Table, row: dict[str, Any]) -> int:
        """Write a row and return its number; when this returns it is on disk.

        Raises:
            JournalError: it could not be written.
        """
        with self.converted(), self.engine.begin() as connection:
            done = connection.execute(table.insert().values(row))
            (number,) = done.inserted_primary_key or (0,)
            return int(number)

    def rows(self, query: sql.Select[Any]) -> list[sql.RowMapping]:
        """Return the rows that `query` selects.

        Raises:
            JournalError: it could not be read.
        """
        with self.converted(), self.engine.connect() as connection:
            return list(connection.execute(query).mappings().all())

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def _require_known(self, connection: sql.Connection) -> None:
        found = sql.inspect(connection)
        tables = set(found.get_table_names())
        if _about.name in tables:
            row = connection.execute(
                sql.select(_about.c.value).where(_about.c.name == "format")
            ).scalar_one_or_none()
            if row is not None and row != FORMAT:
                raise JournalVersionError(self.url, got=repr(row)[:80])
        elif "entries" in tables:
            columns = {str(item["name"]) for item in found.get_columns("entries")}
            if columns != _ENTRIES_OF_VERSION_1:
                raise JournalVersionError(
                    self.url, got=f"entries with columns {sorted(columns)}"
                )
        elif tables and self.dialect == "sqlite":
            # A server's schema may be shared; a file is ours or somebody else's.
            raise JournalVersionError(self.url, got=f"tables {sorted(tables)}")

    def _require_whole(self, connection: sql.Connection) -> None:
        """Have SQLite compare the file with itself: a cut one lacks pages."""
        said = connection.execute(sql.text("PRAGMA quick_check(1)")).scalar_one()
        if said != "ok":
            raise JournalError(self.url, reason=f"damaged: {said}")

    def _identify(self, connection: sql.Connection) -> str:
        rows = connection.execute(sql.select(_about.c.name, _about.c.value)).all()
        known = {str(name): str(value) for name, value in rows}
        fresh = {"format": FORMAT, "identity": secrets.token_hex(16)}
        for name, value in fresh.items():
            if name not in known:
                connection.execute(_about.insert().values(name=name, value=value))
        return str({**fresh, **known}["identity"])


def _address(url: str) -> str:
    if "://" not in url:
        return f"sqlite:///{Path(url).absolute()}"
    scheme, _, rest = url.partition("://")
    # One driver, also where a URL names none: the checkpoints' own.
    named = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    return f"{named.get(scheme, scheme)}://{rest}"


def _make_durable(connection: object, _record: object) -> None:
    """Make SQLite flush every commit to disk: the write-ahead row must survive."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
