"""Where an interrupted run is: LangGraph's checkpoints, as canonical JSON and no more.

A checkpoint says which step comes next in a run, and names the decision by its digest.
It decides nothing: who goes on from one looks at the journal and the chain again. So a
checkpoint is read as if an enemy had written it: one encoding, bounded, of plain values
and nothing that runs. What is refused is left out, and its run is abandoned.

They are kept in a file beside the journal, or in the journal's own PostgreSQL database;
those of runs that have ended are deleted, so that the disk stays as full as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Interrupt

from affiant.agents.durable.database import Database, JournalError
from affiant.encoding import JsonValue, canonical_json, parse_json
from affiant.errors import MalformedError, RejectedError, UnavailableError

FORMAT = "affiant-checkpoint/1"
"""Name and version of the encoding; LangGraph keeps it beside each value."""

MAX_BYTES = 1024 * 1024
"""Largest value read or written, in bytes; ours are a few hundred."""

_TAG = "$"
"""Key that marks what JSON has no word for. No mapping of ours has it."""


_MAX_ERROR = 2000
"""Most characters kept of an error that ended a step."""


class _RememberedError(RuntimeError):
    """An error of another process, in words; it has no other past."""

    def __repr__(self) -> str:
        return str(self)


class CheckpointError(UnavailableError):
    """Checkpoints cannot be read or written; the run stays where it was."""

    def __init__(self, where: str, *, reason: str) -> None:
        super().__init__(f"checkpoints in {where}: {reason}"[:1000])
        self.where = where
        self.reason = reason


class CheckpointRefusedError(RejectedError):
    """A checkpoint is not of this version, or not what we write; it is not used."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"checkpoint, {what}: got {got}, expected {expected}"[:1000])
        self.what = what
        self.got = got
        self.expected = expected


class CanonicalSerializer:
    """What LangGraph keeps, as canonical JSON: nothing is imported, called or built."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the format's name and the encoding of `obj`.

        Raises:
            CheckpointRefusedError: it is no plain value, or too large: our bug.
        """
        try:
            data = canonical_json(_plain(obj))
        except MalformedError as error:
            raise CheckpointRefusedError(
                "value", got=error.got, expected=error.expected
            ) from error
        if len(data) > MAX_BYTES:
            raise CheckpointRefusedError(
                "value", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}"
            )
        return FORMAT, data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return what `dumps_typed` was given, from hostile bytes.

        Raises:
            CheckpointRefusedError: another format, or not its one encoding.
        """
        kind, encoded = data
        if kind != FORMAT:
            raise CheckpointRefusedError("format", got=repr(kind)[:80], expected=FORMAT)
        try:
            value = parse_json(bytes(encoded), what="value", max_bytes=MAX_BYTES)
            if canonical_json(value) != encoded:
                raise MalformedError("value", got="another form", expected="canonical")
        except MalformedError as error:
            raise CheckpointRefusedError(
                "value", got=error.got, expected=error.expected
            ) from error
        return _revived(value)


class Checkpoints:
    """The checkpoints of one journal's agents."""

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        *,
        where: str,
        errors: tuple[type[Exception], ...],
    ) -> None:
        """Wrap a saver; use `beside`."""
        self.saver = saver
        self._where = where
        self._errors = errors

    @classmethod
    def beside(cls, database: Database) -> Checkpoints:
        """Open the checkpoints that belong to the journal in `database`.

        Raises:
            CheckpointError: they cannot be opened.
        """
        if database.dialect == "postgresql":
            return _on_server(database)
        file = database.file
        name = ":memory:" if file is None else str(_beside(str(file)))
        try:
            connection = sqlite3.connect(name, check_same_thread=False)
            saver = SqliteSaver(connection, serde=CanonicalSerializer())
            saver.setup()
            # A lost checkpoint costs a step taken twice, never a decision sent twice:
            # what must survive a power cut is in the journal.
            connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            raise CheckpointError(name, reason=str(error)) from error
        return cls(saver, where=name, errors=(sqlite3.Error,))

    @contextmanager
    def converted(self) -> Iterator[None]:
        """Turn what a driver raises into a `CheckpointError`."""
        try:
            yield
        except self._errors as error:
            raise CheckpointError(self._where, reason=str(error)) from error

    def prune(self, thread: str) -> None:
        """Delete the checkpoints of a run that has ended.

        Raises:
            CheckpointError: it could not be done.
        """
        with self.converted():
            self.saver.delete_thread(thread)

    def close(self) -> None:
        """Close the connection."""
        with self.converted():
            self.saver.conn.close()  # type: ignore[attr-defined]


def _beside(file: str) -> str:
    stem, dot, suffix = file.rpartition(".")
    if dot and "/" not in suffix:
        return f"{stem}.checkpoints.{suffix}"
    return f"{file}.checkpoints"


def _on_server(database: Database) -> Checkpoints:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg.rows import dict_row
    except ImportError as error:
        raise JournalError(
            database.url, reason=f"{error}; install the extra `postgres`"
        ) from error
    address = database.engine.url.set(drivername="postgresql")
    try:
        connection = psycopg.connect(
            address.render_as_string(hide_password=False),
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
        )
        saver = PostgresSaver(connection, serde=CanonicalSerializer())
        saver.setup()
    except psycopg.Error as error:
        raise CheckpointError(database.url, reason=str(error)) from error
    return Checkpoints(saver, where=database.url, errors=(psycopg.Error,))


def _plain(value: Any) -> JsonValue:
    """Return `value` in words that JSON has."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Interrupt):
        return {_TAG: "interrupt", "id": value.id, "value": _plain(value.value)}
    if isinstance(value, BaseException):
        return {_TAG: "error", "text": repr(value)[:_MAX_ERROR]}
    if isinstance(value, Mapping):
        if _TAG in value or not all(isinstance(key, str) for key in value):
            raise MalformedError(
                "mapping", got=repr(sorted(map(str, value)))[:200], expected="names"
            )
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise MalformedError("value", got=type(value).__name__, expected="a plain value")


def _revived(value: JsonValue) -> Any:
    if isinstance(value, list):
        return [_revived(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: _revived(item) for key, item in value.items()}
    kind, names = value[_TAG], value.keys() - {_TAG}
    if kind == "interrupt" and names == {"id", "value"}:
        if isinstance(value["id"], str):
            return Interrupt(value=_revived(value["value"]), id=value["id"])
    if kind == "error" and names == {"text"}:
        text = value["text"]
        if isinstance(text, str) and len(text) <= _MAX_ERROR:
            return _RememberedError(text)
    raise CheckpointRefusedError(
        "tag", got=repr(value)[:80], expected="an interrupt or an error"
    )
