"""What a person is asked about a decision, and what they answered.

It decides that an answer is to one digest of one mandate, which was asked before: a
digest binds calls and bounds, so that nothing else is approved with it. Whether the
answer still counts (the slot, the decision's validity) the agent decides, by its chain.
Who may write the journal's database may approve: it trusts whoever owns it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sql

from affiant.agents.durable.database import Database, append_only, metadata
from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import RejectedError

Answer = Literal["approved", "rejected"]
"""What a person may say."""

MAX_SHOWN = 50
"""Most requests listed."""

_approvals = append_only(
    sql.Table(
        "approvals",
        metadata,
        sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
        sql.Column("mandate", sql.String(66), nullable=False, index=True),
        sql.Column("digest", sql.String(66), nullable=False, index=True),
        sql.Column("event", sql.String(16), nullable=False),
        sql.Column("sender", sql.String(128), nullable=False),
        sql.Column("detail", sql.Text, nullable=False),
        sql.Column("at", sql.Float, nullable=False),
    )
)


class NotPendingError(RejectedError):
    """Nobody is asked about this digest, or not any more."""

    def __init__(self, digest: Digest, *, state: str) -> None:
        super().__init__(
            f"decision {to_hex(digest)}: got {state}, expected one that waits for "
            "approval"
        )
        self.digest = digest
        self.state = state


class ApprovalRefusedError(RejectedError):
    """A person said no, or said nothing while the decision could be executed."""

    def __init__(self, digest: Digest, *, got: str) -> None:
        super().__init__(f"decision {to_hex(digest)}: got {got}, expected an approval")
        self.digest = digest
        self.got = got


@dataclass(frozen=True)
class Asked:
    """A decision about which a person is asked."""

    digest: Digest
    slot: int
    value: int
    """Value at risk as the gate measures it, 8 decimals."""
    last_block: int
    """Newest block on which it can still be executed on top of."""
    valid_until: int
    """Unix seconds of the chain, inclusive."""
    detail: JsonValue
    """What it is: plan, calls, changes."""

    def to_json(self) -> JsonValue:
        """Return it as JSON; the value as a decimal string."""
        return {
            "digest": to_hex(self.digest),
            "slot": self.slot,
            "value": str(self.value),
            "lastBlock": self.last_block,
            "validUntil": self.valid_until,
            "detail": self.detail,
        }


class Approvals:
    """One mandate's requests for approval."""

    def __init__(
        self, database: Database, *, mandate: Digest, clock: Callable[[], float]
    ) -> None:
        """Remember where they are kept; nothing is read yet."""
        self._database = database
        self._mandate = to_hex(mandate)
        self._clock = clock

    def ask(self, asked: Asked) -> None:
        """Write a request down, unless it is there.

        Raises:
            JournalError: it could not be written.
        """
        if self._rows(asked.digest) == []:
            self._write(asked.digest, "asked", sender="agent", detail=asked.to_json())

    def answer(self, digest: Digest, answer: Answer, *, sender: str) -> None:
        """Write a person's answer down.

        Raises:
            NotPendingError: nobody is asked about it, or it was answered or closed.
            JournalError: it could not be written.
        """
        state = self.state(digest)
        if state != "asked":
            raise NotPendingError(digest, state=state or "an unknown digest")
        self._write(digest, answer, sender=sender, detail=None)

    def close(self, digest: Digest, *, why: str) -> None:
        """Write down that no answer counts any more, where one was asked for."""
        if self.state(digest) == "asked":
            self._write(digest, "closed", sender="agent", detail=why)

    def state(self, digest: Digest) -> str | None:
        """Return `asked`, `approved`, `rejected` or `closed`; None: never asked."""
        rows = self._rows(digest)
        return str(rows[-1]["event"]) if rows else None

    def pending(self) -> tuple[Asked, ...]:
        """Return what waits for an answer, newest first."""
        later = _approvals.alias("later")
        query = (
            sql.select(_approvals)
            .where(
                _approvals.c.mandate == self._mandate,
                _approvals.c.event == "asked",
                ~sql.exists().where(
                    later.c.mandate == _approvals.c.mandate,
                    later.c.digest == _approvals.c.digest,
                    later.c.id > _approvals.c.id,
                ),
            )
            .order_by(_approvals.c.id.desc())
            .limit(MAX_SHOWN)
        )
        return tuple(_asked(row) for row in self._database.rows(query))

    def _rows(self, digest: Digest) -> list[sql.RowMapping]:
        query = (
            sql.select(_approvals)
            .where(
                _approvals.c.mandate == self._mandate,
                _approvals.c.digest == to_hex(digest),
            )
            .order_by(_approvals.c.id)
        )
        return self._database.rows(query)

    def _write(
        self, digest: Digest, event: str, *, sender: str, detail: JsonValue
    ) -> None:
        self._database.append(
            _approvals,
            {
                "mandate": self._mandate,
                "digest": to_hex(digest),
                "event": event,
                "sender": sender[:128],
                "detail": json.dumps(detail, sort_keys=True),
                "at": self._clock(),
            },
        )


def _asked(row: sql.RowMapping) -> Asked:
    value = json.loads(row["detail"])
    return Asked(
        digest=digest_from_hex(row["digest"], what="approvals.digest"),
        slot=int(value["slot"]),
        value=int(value["value"]),
        last_block=int(value["lastBlock"]),
        valid_until=int(value["validUntil"]),
        detail=value["detail"],
    )
