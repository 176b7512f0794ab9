"""What an endorser has signed, on disk before anybody gets it, so that it never
contradicts itself, also after a restart.

It decides three things. An endorser endorses one decision per mandate and slot, and
slots only in rising order. It signs no checkpoint that contradicts an earlier one on
the same chain. It signs no verdict on a decision that it endorsed, and endorses nothing
by a key after a verdict on it. What is right to sign is decided elsewhere. It trusts
the file system; one file may serve several processes, but one copy of it MUST NOT be
restored over a newer one.

Why a later slot may follow on the same head: both decisions name the hash of their
slot's first block, and the gate lets only the newest slot act on its head. On a chain
that holds the later anchor, the earlier slot is over; on any other, the later decision
is refused. So at most one of them executes, on every fork. Were it one per head, a
decision that the market overtook would lock its mandate for good.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from affiant.audit.endorser_errors import AlreadySignedError, SignedUnavailableError
from affiant.encoding import Digest, digest_from_hex, to_hex
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.decision import Decision
from affiant.onchain.endorsement import Endorsement
from affiant.onchain.mandate import Address

BUSY_SECONDS = 10
"""Longest wait for another process that writes to the same file."""

_metadata = sql.MetaData()


def _of_mandate() -> tuple[sql.Column[object], ...]:
    """Return the columns that every table begins its key with."""
    return (
        sql.Column("chain_id", sql.BigInteger, primary_key=True),
        sql.Column("gate", sql.String(42), primary_key=True),
        sql.Column("signer", sql.String(42), primary_key=True),
        sql.Column("mandate", sql.String(66), primary_key=True),
    )


_endorsed = sql.Table(
    "endorsed",
    _metadata,
    *_of_mandate(),
    sql.Column("slot", sql.BigInteger, primary_key=True),
    sql.Column("previous", sql.String(66), nullable=False),
    sql.Column("digest", sql.String(66), nullable=False),
    sql.Column("signature", sql.LargeBinary, nullable=False),
)
_checkpoints = sql.Table(
    "checkpoints",
    _metadata,
    *_of_mandate(),
    sql.Column("anchor_hash", sql.String(66), primary_key=True),
    sql.Column("anchor", sql.BigInteger, nullable=False),
    sql.Column("head", sql.String(66), nullable=False),
    # A uint256: more than an SQL integer holds.
    sql.Column("outflow", sql.String(78), nullable=False),
    sql.Column("signature", sql.LargeBinary, nullable=False),
)
_verdicts = sql.Table(
    "verdicts",
    _metadata,
    *_of_mandate(),
    sql.Column("key", sql.String(42), primary_key=True),
    sql.Column("decision", sql.String(66), primary_key=True),
    sql.Column("signature", sql.LargeBinary, nullable=False),
)


class SignedMemory:
    """What one endorser's key has signed for one gate."""

    def __init__(
        self, path: str | Path | None, *, chain_id: int, gate: Address, signer: Address
    ) -> None:
        """Open the file, creating it where it does not exist.

        Args:
            path: SQLite file; None keeps it in memory, for tests only, because a
                restarted endorser could then contradict itself.
            signer: the endorser's key.

        Raises:
            SignedUnavailableError: it cannot be opened.
        """
        url = "sqlite://" if path is None else f"sqlite:///{path}"
        self._base = {"chain_id": chain_id, "gate": gate, "signer": signer}
        self._signer = signer
        self._lock = threading.Lock()
        options: dict[str, object] = {"isolation_level": "AUTOCOMMIT"}
        if path is None:
            options |= {
                "poolclass": sql.StaticPool,
                "connect_args": {"check_same_thread": False},
            }
        else:
            options |= {"connect_args": {"timeout": BUSY_SECONDS}}
        try:
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._engine = sql.create_engine(url, **options)
            sql.event.listen(self._engine, "connect", _written_through)
            _metadata.create_all(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    def endorsement(self, decision: Decision, *, digest: Digest) -> Endorsement | None:
        """Return what was signed for `digest`; None where nothing stands against it.

        Raises:
            AlreadySignedError: another decision of the slot was endorsed, or one of a
                later slot.
            SignedUnavailableError: the file cannot be read.
        """
        with self._exclusive() as connection:
            return self._endorsement(connection, decision, digest=digest)

    def keep_endorsement(
        self, decision: Decision, *, node: Address, digest: Digest, signature: bytes
    ) -> Endorsement:
        """Keep an endorsement before it is handed out; return the one that counts.

        Args:
            node: whose decision it is.

        Raises:
            AlreadySignedError: as `endorsement`, or a verdict on `node` was signed
                meanwhile; nothing is kept.
            SignedUnavailableError: the file cannot be written; nothing may leave.
        """
        with self._exclusive() as connection:
            false = self._verdict_on(connection, node, mandate=decision.mandate)
            if false is not None:
                raise AlreadySignedError(
                    f"decision {to_hex(digest)} by {node}",
                    got="an endorsement",
                    expected=f"none after the verdict that {to_hex(false)} is false",
                )
            earlier = self._endorsement(connection, decision, digest=digest)
            if earlier is not None:
                return earlier
            values = self._mandate(decision.mandate) | {
                "slot": decision.slot,
                "previous": to_hex(decision.previous),
                "digest": to_hex(digest),
                "signature": signature,
            }
            connection.execute(_endorsed.insert().values(values))
        return Endorsement(digest, self._signer, signature)

    def keep_checkpoint(
        self,
        checkpoint: Checkpoint,
        *,
        signature: bytes,
        canonical: Callable[[int, Digest], bool],
    ) -> bytes:
        """Keep a checkpoint before it is handed out; return the signature that counts.

        Args:
            canonical: whether the chain holds the block of that number and hash. An
                earlier checkpoint of a block that it no longer holds says nothing
                about this chain.

        Raises:
            AlreadySignedError: an earlier one on this chain says something else about
                the same block, or a larger outflow before it, or a smaller one after.
            SignedUnavailableError: the file cannot be used.
        """
        with self._exclusive() as connection:
            for row in self._rows(connection, _checkpoints, checkpoint.mandate):
                same = digest_from_hex(row.anchor_hash, what="anchor_hash")
                if same == checkpoint.anchor_hash:
                    _require_same_checkpoint(row, checkpoint)
                    return bytes(row.signature)
                if canonical(row.anchor, same):
                    _require_growing(row, checkpoint)
            values = self._mandate(checkpoint.mandate) | {
                "anchor_hash": to_hex(checkpoint.anchor_hash),
                "anchor": checkpoint.anchor,
                "head": to_hex(checkpoint.head),
                "outflow": str(checkpoint.outflow),
                "signature": signature,
            }
            connection.execute(_checkpoints.insert().values(values))
        return signature

    def keep_verdict(self, verdict: Verdict, *, signature: bytes) -> bytes:
        """Keep a verdict before it is handed out; return the signature that counts.

        Raises:
            AlreadySignedError: this key endorsed the very decision.
            SignedUnavailableError: the file cannot be used.
        """
        with self._exclusive() as connection:
            decision = to_hex(verdict.decision)
            endorsed = _endorsed.c.digest == decision
            if self._rows(connection, _endorsed, verdict.mandate, endorsed):
                raise AlreadySignedError(
                    f"decision {decision}", got="a verdict", expected="an endorsement"
                )
            for row in self._rows(connection, _verdicts, verdict.mandate):
                if (row.key, row.decision) == (verdict.key, decision):
                    return bytes(row.signature)
            values = self._mandate(verdict.mandate) | {
                "key": verdict.key,
                "decision": decision,
                "signature": signature,
            }
            connection.execute(_verdicts.insert().values(values))
        return signature

    def verdict_on(self, key: Address, *, mandate: Digest) -> Digest | None:
        """Return the decision for which a verdict on `key` was signed, if one was.

        Raises:
            SignedUnavailableError: the file cannot be read.
        """
        with self._exclusive() as connection:
            return self._verdict_on(connection, key, mandate=mandate)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _endorsement(
        self, connection: sql.Connection, decision: Decision, *, digest: Digest
    ) -> Endorsement | None:
        not_before = _endorsed.c.slot >= decision.slot
        rows = self._rows(connection, _endorsed, decision.mandate, not_before)
        for row in rows:
            if row.digest == to_hex(digest):
                return Endorsement(digest, self._signer, bytes(row.signature))
        for row in rows:
            if row.slot == decision.slot:
                raise AlreadySignedError(
                    f"decision of slot {row.slot}",
                    got=to_hex(digest),
                    expected=row.digest,
                )
            raise AlreadySignedError(
                "slot", got=str(decision.slot), expected=f"one after {row.slot}"
            )
        return None

    def _verdict_on(
        self, connection: sql.Connection, key: Address, *, mandate: Digest
    ) -> Digest | None:
        for row in self._rows(connection, _verdicts, mandate, _verdicts.c.key == key):
            return digest_from_hex(row.decision, what="decision")
        return None

    def _mandate(self, mandate: Digest) -> dict[str, object]:
        return {**self._base, "mandate": to_hex(mandate)}

    def _rows(
        self,
        connection: sql.Connection,
        table: sql.Table,
        mandate: Digest,
        *conditions: sql.ColumnElement[bool],
    ) -> list[sql.Row[tuple[object, ...]]]:
        wanted = self._mandate(mandate).items()
        query = sql.select(table).where(
            *(table.c[name] == value for name, value in wanted), *conditions
        )
        return list(connection.execute(query))

    @contextmanager
    def _exclusive(self) -> Iterator[sql.Connection]:
        """Read and write alone: no other thread or process comes in between."""
        try:
            # The lock for threads, which may share a connection; the file's own for
            # processes.
            with self._lock, self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        except SQLAlchemyError as error:
            raise _unavailable(error) from error


def _written_through(connection: sqlite3.Connection, _record: object) -> None:
    # What was committed must outlive a power cut: also the end of the journal, whose
    # return would take the commit back (https://sqlite.org/pragma.html#pragma_synchronous).
    connection.execute("PRAGMA synchronous = EXTRA")


def _unavailable(error: SQLAlchemyError | OSError) -> SignedUnavailableError:
    """Return the error less what is told to nobody: the statement, and where it is.

    The statement's values are those that were not kept, the signature among them.
    """
    if isinstance(error, DBAPIError):
        reason = str(error.orig)
    elif isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    else:
        reason = type(error).__name__
    return SignedUnavailableError(reason)


def _require_same_checkpoint(row: sql.Row[object], checkpoint: Checkpoint) -> None:
    for what, got, expected in (
        ("anchor", str(checkpoint.anchor), str(row.anchor)),
        ("head", to_hex(checkpoint.head), row.head),
        ("outflow", str(checkpoint.outflow), row.outflow),
    ):
        if got != expected:
            raise AlreadySignedError(
                f"{what} of the block {row.anchor_hash}", got=got, expected=expected
            )


def _require_growing(row: sql.Row[object], checkpoint: Checkpoint) -> None:
    outflow = int(row.outflow)
    later = checkpoint.anchor > row.anchor
    if (checkpoint.outflow < outflow) if later else (checkpoint.outflow > outflow):
        raise AlreadySignedError(
            f"outflow at block {checkpoint.anchor}",
            got=str(checkpoint.outflow),
            expected=f"at {'least' if later else 'most'} {outflow}, that of block "
            f"{row.anchor}",
        )
