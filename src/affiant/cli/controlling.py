"""`agent pending`, `approve`, `reject`, `pause`, `resume`, `drain`, `stop`.

Each writes a row into the journal's database, which the agent reads; none needs the
agent's key, and none ends a process by force: that is always safe as well.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.encoding import to_hex

if TYPE_CHECKING:
    from affiant.agents.durable.approvals import Answer, Approvals
    from affiant.agents.durable.commands import Command, Commands

Config = Annotated[Path, typer.Argument(help="The agent's TOML file.")]
DigestOf = Annotated[
    str, typer.Argument(metavar="DIGEST", help="The decision's digest, 0x and all.")
]


@dataclass(frozen=True)
class _Opened:
    commands: Commands
    approvals: Approvals


@contextmanager
def _opened(config: Path) -> Iterator[_Opened]:
    import time

    from affiant.agents.durable.approvals import Approvals
    from affiant.agents.durable.commands import Commands
    from affiant.agents.durable.database import Database
    from affiant.agents.settings.config import load_config, load_mandate

    settings = load_config(config)
    mandate = load_mandate(settings.mandate.file).id
    database = Database(settings.journal.url)
    try:
        yield _Opened(
            Commands(database, mandate=mandate, clock=time.time),
            Approvals(database, mandate=mandate, clock=time.time),
        )
    finally:
        database.close()


def _sender() -> str:
    """Return who asks, for whoever reads the journal; it proves nothing."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"
    return f"{name}, pid {os.getpid()}"


def _ask(config: Path, command: Command, *, told: str) -> None:
    with _opened(config) as opened:
        opened.commands.give(command, sender=_sender())
    typer.echo(told)


def agent_pause(config: Config) -> None:
    """Take no new decision until `resume`; what is in flight goes on, queued or not."""
    _ask(config, "pause", told="asked to pause: no new decision until `resume`")


def agent_resume(config: Config) -> None:
    """Take decisions again."""
    _ask(config, "resume", told="asked to take decisions again")


def agent_drain(config: Config) -> None:
    """End what is in flight, then the process that runs now."""
    _ask(config, "drain", told="asked to end once nothing is in flight")


def agent_stop(config: Config) -> None:
    """End the process that runs now at its next step; the next start goes on."""
    _ask(config, "stop", told="asked to end at its next step")


def agent_pending(
    config: Config,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the decisions that wait for a person's approval."""
    with _opened(config) as opened:
        pending = opened.approvals.pending()
    if as_json:
        typer.echo(json.dumps([asked.to_json() for asked in pending]))
        return
    if not pending:
        typer.echo("nothing waits for approval")
    for asked in pending:
        detail = asked.detail
        typer.echo(
            f"{to_hex(asked.digest)}\n"
            f"  slot {asked.slot}; until block {asked.last_block} is over, or the "
            f"chain's clock is past {asked.valid_until}\n"
            f"  value at risk {detail['value']}\n"
            f"  plan {json.dumps(detail['plan'], sort_keys=True)}"
        )
        for call in detail["calls"]:
            typer.echo(f"  call {json.dumps(call, sort_keys=True)}")


def agent_approve(config: Config, digest: DigestOf) -> None:
    """Approve one decision: exactly this digest, and nothing else."""
    _answer(config, digest, "approved")


def agent_reject(config: Config, digest: DigestOf) -> None:
    """Reject one decision; it is never sent."""
    _answer(config, digest, "rejected")


def add_to(app: typer.Typer) -> None:
    """Add these commands to `affiant agent`."""
    for name, command in (
        ("pending", agent_pending),
        ("approve", agent_approve),
        ("reject", agent_reject),
        ("pause", agent_pause),
        ("resume", agent_resume),
        ("drain", agent_drain),
        ("stop", agent_stop),
    ):
        app.command(name)(command)


def _answer(config: Path, digest: str, answer: Answer) -> None:
    from affiant.encoding import digest_from_hex

    parsed = digest_from_hex(digest, what="DIGEST")
    with _opened(config) as opened:
        opened.approvals.answer(parsed, answer, sender=_sender())
    typer.echo(f"{answer} {to_hex(parsed)}")
