"""`affiant agent …` as processes: signals, commands from elsewhere, and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner, Result

from affiant.agents.durable.approvals import NotPendingError
from affiant.agents.durable.journal import Journal
from affiant.encoding import to_hex

pytestmark = [pytest.mark.anvil, pytest.mark.process]

KEEPER = """
from affiant.agents import Hold, Supply, Swap, VerifiedAgent, Withdraw


class Keeper(VerifiedAgent):
    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Supply, Withdraw, Hold)
    max_tokens = 512
    validity_seconds = 3600

    def observe(self, view):
        view.balances()
        view.prices()
        view.pool("WETH/USDC")
"""
"""The agent of the tests, as its author would write it down."""


@pytest.fixture
def folder(world: Any, node_url: str, tmp_path: Path) -> Path:
    """A folder with an agent's configuration, which asks a person above $1."""
    key = Account.encrypt(world.operator.key, "secret", kdf="pbkdf2", iterations=2)
    (tmp_path / "operator.json").write_text(json.dumps(key))
    (tmp_path / "mandate.json").write_text(json.dumps(world.mandate.to_json()))
    (tmp_path / "book.json").write_text(json.dumps(world.book.to_json()))
    (tmp_path / "keeper.py").write_text(KEEPER)
    (tmp_path / "agent.toml").write_text(
        f"""
        [chain]
        url = "{world.devnet.url}"
        id = {world.book.chain_id}
        [node]
        url = "{node_url}"
        [mandate]
        file = "mandate.json"
        [book]
        file = "book.json"
        [evidence]
        url = "evidence"
        [journal]
        url = "journal.sqlite"
        [operator]
        keystore = "operator.json"
        password_env = "AFFIANT_TEST_PASSWORD"
        [approval]
        above = "1"
        """
    )
    return tmp_path


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start `affiant agent run`; it is killed with the test."""
    running: list[subprocess.Popen[str]] = []

    def run(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "affiant.cli", "agent", "run"]
        agent = f"{folder / 'keeper.py'}:Keeper"
        process = subprocess.Popen(
            [*command, str(folder / "agent.toml"), "--agent", agent, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "AFFIANT_TEST_PASSWORD": "secret"},
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def ask(folder: Path, command: str, *more: str) -> Result:
    """Run `affiant agent COMMAND`; it needs no key, nor a process of its own."""
    from affiant.cli.main import app

    parts = ["agent", command, str(folder / "agent.toml"), *more]
    return CliRunner().invoke(app, parts)


def until(folder: Path, wanted: Callable[[list[tuple[str, str]]], bool]) -> None:
    """Wait until the journal's rows are as `wanted`."""
    deadline = time.monotonic() + 90
    journal = Journal(str(folder / "journal.sqlite"))
    try:
        while time.monotonic() < deadline:
            if wanted([(e.step, e.status) for e in journal.entries()]):
                return
            time.sleep(0.05)
        raise AssertionError([(e.step, e.status) for e in journal.entries()])
    finally:
        journal.close()


def test_a_person_approves_from_another_process_though_the_agent_was_killed(
    world: Any, folder: Path, start: Start
):
    world.engine.text = world.swap
    first = start()
    until(folder, lambda rows: ("approve", "waiting") in rows)

    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (pending,) = json.loads(ask(folder, "pending", "--json").stdout)
    shown = ask(folder, "pending").stdout
    assert pending["digest"] in shown and "value at risk $" in shown
    refused = ask(folder, "approve", "0x" + "11" * 32).exception
    assert isinstance(refused, NotPendingError)
    assert ask(folder, "approve", pending["digest"]).exit_code == 0

    second = start()
    until(folder, lambda rows: ("record", "done") in rows)
    assert to_hex(world.gate.head_of(world.mandate.id)) == pending["digest"]
    second.send_signal(signal.SIGTERM)
    out, said = second.communicate(timeout=90)
    assert (second.returncode, "draining" in said) == (0, True)
    assert f"executed {pending['digest']}" in out


@pytest.mark.slow
def test_a_second_process_is_told_whose_agent_it_is(
    world: Any, folder: Path, start: Start
):
    first = start()
    until(folder, lambda rows: ("record", "held") in rows)
    second = start("--once")
    _, said = second.communicate(timeout=120)
    assert "AgentLockedError" in said and f"pid {first.pid}" in said.replace("\n", "")
    assert second.returncode == 3


@pytest.mark.slow
def test_a_second_sigterm_ends_an_agent_in_the_middle_of_a_step(
    world: Any, folder: Path, start: Start
):
    world.engine.during = lambda: time.sleep(12)
    process = start()
    until(folder, lambda rows: ("decide", "started") in rows)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=90)
    assert time.monotonic() - began < 10
    assert process.returncode == 3
    world.engine.during = None
    # What it left is gone on with.
    ended = start("--once")
    out, said = ended.communicate(timeout=120)
    assert "held" in out, said


@pytest.mark.slow
def test_pause_and_stop_from_another_process(world: Any, folder: Path, start: Start):
    assert ask(folder, "pause").exit_code == 0
    process = start()
    time.sleep(2)
    journal = Journal(str(folder / "journal.sqlite"))
    assert journal.entries() == ()
    journal.close()
    assert ask(folder, "resume").exit_code == 0
    until(folder, lambda rows: ("record", "held") in rows)
    assert ask(folder, "stop").exit_code == 0
    process.communicate(timeout=90)
    assert process.returncode == 0
