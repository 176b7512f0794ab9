"""What its operator asks of a running agent, from any process: rows, not signals.

    pause    takes no new decision, until `resume`; also across restarts
    resume   takes decisions again
    drain    ends what is in flight, then ends
    stop     ends at the next step; the next start goes on from there

It decides which commands hold now. `drain` and `stop` are for the process that runs
when they are given, and spent when another one starts. Who may write the journal's
database may command the agent: it trusts whoever owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sql

from affiant.agents.durable.database import Database, append_only, metadata
from affiant.encoding import Digest, to_hex

Command = Literal["pause", "resume", "drain", "stop"]
"""What may be asked."""

_commands = append_only(
    sql.Table(
        "commands",
        metadata,
        sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
        sql.Column("mandate", sql.String(66), nullable=False, index=True),
        sql.Column("command", sql.String(16), nullable=False),
        sql.Column("sender", sql.String(128), nullable=False),
        sql.Column("at", sql.Float, nullable=False),
    )
)


@dataclass(frozen=True)
class Orders:
    """The commands that hold now."""

    paused: bool = False
    drain: bool = False
    stop: bool = False

    @property
    def idle(self) -> bool:
        """Whether no new decision is to be taken."""
        return self.paused or self.drain or self.stop


class Commands:
    """One mandate's commands, as one process sees them."""

    def __init__(
        self, database: Database, *, mandate: Digest, clock: Callable[[], float]
    ) -> None:
        """Look from now on: `drain` and `stop` of before are spent.

        Raises:
            JournalError: it cannot be read.
        """
        self._database = database
        self._mandate = to_hex(mandate)
        self._clock = clock
        (row,) = database.rows(sql.select(sql.func.max(_commands.c.id).label("id")))
        self._before = int(row["id"] or 0)

    def give(self, command: Command, *, sender: str) -> None:
        """Write a command down; the agent notices at its next look.

        Args:
            sender: who asks, for whoever reads the journal.

        Raises:
            JournalError: it could not be written.
        """
        self._database.append(
            _commands,
            {
                "mandate": self._mandate,
                "command": command,
                "sender": sender[:128],
                "at": self._clock(),
            },
        )

    def orders(self) -> Orders:
        """Return the commands that hold now.

        Raises:
            JournalError: they cannot be read.
        """
        mine = sql.select(_commands).where(_commands.c.mandate == self._mandate)
        newest = _commands.c.id.desc()
        lasting = mine.where(_commands.c.command.in_(("pause", "resume")))
        ending = mine.where(
            _commands.c.command.in_(("drain", "stop")), _commands.c.id > self._before
        )
        given = {row["command"] for row in self._database.rows(ending)}
        last = self._database.rows(lasting.order_by(newest).limit(1))
        return Orders(
            paused=bool(last) and last[0]["command"] == "pause",
            drain="drain" in given,
            stop="stop" in given,
        )
