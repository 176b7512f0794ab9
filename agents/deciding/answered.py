"""What a node has sworn: one answer per mandate and slot, kept across restarts.

It decides that a node never lets two different decisions for one slot out: the answer
is written here, to disk and under a unique key, before anybody gets it; asked again,
the node gives the same bytes. It does not decide what is sworn, and it trusts the file
system.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from affiant.encoding import Digest, to_hex
from affiant.errors import UnavailableError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.mandate import Address

_metadata = sql.MetaData()
_answers = sql.Table(
    "answers",
    _metadata,
    sql.Column("chain_id", sql.BigInteger, primary_key=True),
    sql.Column("gate", sql.String(42), primary_key=True),
    sql.Column("mandate", sql.String(66), primary_key=True),
    sql.Column("slot", sql.BigInteger, primary_key=True),
    sql.Column("bundle", sql.LargeBinary, nullable=False),
)


class AnsweredUnavailableError(UnavailableError):
    """The node's own memory cannot be read or written; it then swears nothing."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"answered slots at {url}: {reason}"[:1000])
        self.url = url
        self.reason = reason


class AnsweredSlots:
    """A table of answers, one per chain, gate, mandate and slot."""

    def __init__(self, path: str | Path | None) -> None:
        """Open the table, creating it where it does not exist.

        Args:
            path: SQLite file; None keeps it in memory, for tests only, because a
                restarted node would then swear a slot twice.

        Raises:
            AnsweredUnavailableError: it cannot be opened.
        """
        self._url = "sqlite://" if path is None else f"sqlite:///{path}"
        try:
            if path is None:
                self._engine = sql.create_engine(
                    self._url,
                    poolclass=sql.StaticPool,
                    connect_args={"check_same_thread": False},
                )
            else:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                self._engine = sql.create_engine(self._url)
                sql.event.listen(self._engine, "connect", _flush_once)
            _metadata.create_all(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise AnsweredUnavailableError(self._url, reason=str(error)) from error

    def get(
        self, mandate: Digest, *, slot: int, chain_id: int, gate: Address
    ) -> EvidenceBundle | None:
        """Return the answer given for `slot`, or None.

        Raises:
            AnsweredUnavailableError: the table cannot be read.
        """
        query = sql.select(_answers.c.bundle).where(
            _answers.c.chain_id == chain_id,
            _answers.c.gate == gate,
            _answers.c.mandate == to_hex(mandate),
            _answers.c.slot == slot,
        )
        try:
            with self._engine.connect() as connection:
                data = connection.execute(query).scalar_one_or_none()
        except SQLAlchemyError as error:
            raise AnsweredUnavailableError(self._url, reason=str(error)) from error
        return None if data is None else EvidenceBundle.from_bytes(data)

    def keep(self, bundle: EvidenceBundle) -> EvidenceBundle:
        """Keep `bundle` as its slot's answer; return the answer that counts.

        That is `bundle`, or the earlier one where the slot already had one.

        Raises:
            AnsweredUnavailableError: the table cannot be written.
        """
        decision = bundle.decision
        row = {
            "chain_id": bundle.chain_id,
            "gate": bundle.gate,
            "mandate": to_hex(decision.mandate),
            "slot": decision.slot,
            "bundle": bundle.to_bytes(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(_answers.insert().values(row))
        except IntegrityError:
            earlier = self.get(
                decision.mandate,
                slot=decision.slot,
                chain_id=bundle.chain_id,
                gate=bundle.gate,
            )
            if earlier is None:
                raise RuntimeError("a row that exists cannot be read") from None
            return earlier
        except SQLAlchemyError as error:
            raise AnsweredUnavailableError(self._url, reason=str(error)) from error
        return bundle

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _flush_once(connection: object, _record: object) -> None:
    """Have SQLite flush each answer with one write instead of three, as safely."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
