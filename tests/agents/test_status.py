"""What `agent check`, `status` and `agent watch` say, of a real chain and node."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import affiant_here
from eth_account import Account
from rich.console import Console

from affiant.agents.durable.journal import Entry, Journal
from affiant.agents.observing.metrics import MetricsObserver
from affiant.agents.observing.status import AgentStatus, StatusReader
from affiant.agents.settings.config import agent_reference, load_config
from affiant.agents.settings.loading import load_agent_class
from affiant.agents.settings.preflight import Check, check_agent
from affiant.cli.status_view import status_screen
from affiant.encoding import Digest, canonical_json, to_hex
from affiant.onchain.mandate import Rung

pytestmark = pytest.mark.anvil

VARIABLE, PASSWORD = "AFFIANT_TEST_OPERATOR", "operator's password"

AGENT = """
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


@pytest.fixture
def configured(world, node_url, tmp_path: Path, monkeypatch) -> Callable[..., Path]:
    """Write everything that an agent's configuration names; returns the file."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    stored = Account.encrypt(
        world.operator.key, PASSWORD, kdf="pbkdf2", iterations=1000
    )
    keystore = tmp_path / "operator.json"
    keystore.write_text(json.dumps(stored))
    keystore.chmod(0o600)
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "book.json").write_bytes(canonical_json(world.book.to_json()))

    def write(mandate: Any = None, **changes: str) -> Path:
        mandate = world.mandate if mandate is None else mandate
        (tmp_path / "mandate.json").write_bytes(canonical_json(mandate.to_json()))
        values = {
            "class": "agent.py:Keeper",
            "chain": world.devnet.url,
            "id": str(world.book.chain_id),
            "node": node_url,
            **changes,
        }
        path = tmp_path / "agent.toml"
        path.write_text(
            f'[agent]\nclass = "{values["class"]}"\n'
            f'[chain]\nurl = "{values["chain"]}"\nid = {values["id"]}\n'
            f'[node]\nurl = "{values["node"]}"\n'
            '[mandate]\nfile = "mandate.json"\n[book]\nfile = "book.json"\n'
            '[evidence]\nurl = "evidence"\n[journal]\nurl = "journal.sqlite"\n'
            f'[operator]\nkeystore = "operator.json"\npassword_env = "{VARIABLE}"\n'
            f"{values.get('more', '')}"
        )
        return path

    return write


def verdicts(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.what: check.verdict for check in checks}


def detail(checks: tuple[Check, ...], what: str) -> str:
    return next(check.detail for check in checks if check.what == what)


def test_a_sound_agent_passes_every_check(world, configured, tmp_path: Path):
    checks = check_agent(configured())
    assert set(verdicts(checks).values()) == {"ok"}, checks
    assert set(verdicts(checks)) == {
        *("configuration", "mandate", "address book", "journal", "operator key"),
        *("program", "chain", "gate's code", "mandate on chain", "gas money", "node"),
    }
    assert world.operator.address in detail(checks, "operator key")
    assert to_hex(world.mandate.program) in detail(checks, "program")
    # Nothing was made, and nothing sent.
    assert not (tmp_path / "journal.sqlite").exists()
    assert not (tmp_path / "evidence").exists()


def test_every_check_is_made_whatever_the_first_ones_say(configured, tmp_path: Path):
    path = configured(chain="http://127.0.0.1:1", node="http://127.0.0.1:1")
    (tmp_path / "mandate.json").write_text("{}")
    (tmp_path / "operator.json").chmod(0o644)
    found = verdicts(check_agent(path))
    assert found["mandate"] == "refused"
    assert found["keystore file"] == "warning"
    assert found["operator key"] == "ok"
    assert found["program"] == "not looked at"
    assert (found["chain"], found["node"]) == ("unavailable", "unavailable")


def test_a_program_that_was_changed_is_not_the_one_granted(configured, tmp_path: Path):
    path = configured()
    (tmp_path / "agent.py").write_text(AGENT.replace("65 %", "70 %"))
    checks = check_agent(path)
    assert verdicts(checks)["program"] == "refused"
    assert "as granted" in detail(checks, "program")


def test_a_delay_that_outlives_every_decision_is_told(world, configured):
    """Of that rung nothing could ever execute; the gate would say so one at a time."""
    hour = Rung(10**16, 0, 0, 3600)
    other = replace(world.mandate, ladder=(*world.mandate.ladder, hour))
    checks = check_agent(configured(other))
    assert verdicts(checks)["program"] == "warning"
    assert "wait 3600 s" in detail(checks, "program")


def test_a_wrong_chain_and_a_wrong_password_are_named(configured, monkeypatch):
    path = configured(id="1")
    monkeypatch.setenv(VARIABLE, "another")
    checks = check_agent(path)
    assert verdicts(checks)["chain"] == "refused"
    assert verdicts(checks)["chain of the book"] == "refused"
    assert verdicts(checks)["operator key"] == "refused"
    assert "another" not in str(checks)


def test_a_book_in_other_units_than_the_mandate_is_named(world, configured, tmp_path):
    path = configured()
    weth = replace(world.book.tokens["WETH"], decimals=6)
    book = replace(world.book, tokens={**world.book.tokens, "WETH": weth})
    (tmp_path / "book.json").write_bytes(canonical_json(book.to_json()))
    checks = check_agent(path)
    assert verdicts(checks)["units of the book"] == "refused"
    assert "6 in the address book, expected 18" in detail(checks, "units of the book")


def test_a_gate_that_is_not_ours_is_named(world, configured):
    """An accomplice's gate, of whatever code, at an address of its own."""
    path = configured()
    book = replace(world.book, gate=world.book.model_registry)
    (path.parent / "book.json").write_bytes(canonical_json(book.to_json()))
    checks = check_agent(path)
    assert verdicts(checks)["gate's code"] == "refused"
    assert world.book.gate in detail(checks, "gate's code")


def test_a_mandate_that_is_not_live_or_not_served_is_named(world, configured):
    other = replace(world.mandate, salt=Digest(b"\7" * 32), model=Digest(b"\x08" * 32))
    checks = check_agent(configured(other))
    assert verdicts(checks)["mandate on chain"] == "refused"
    assert "unknown to the gate" in detail(checks, "mandate on chain")
    assert verdicts(checks)["model of the node"] == "refused"


def test_endorsers_that_do_not_answer_are_named(configured):
    more = '[endorsers]\nurls = ["http://127.0.0.1:1"]\n'
    checks = check_agent(configured(more=more))
    assert verdicts(checks)["endorser"] == "unavailable"


def shown(status: AgentStatus, *, width: int = 110) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(status_screen(status, title="agent.toml", now=2_000_000_000))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def read(configured) -> Any:
    """Read the status of an agent with this configuration."""
    readers: list[StatusReader] = []

    def status(*arguments: Any, **changes: Any) -> AgentStatus:
        readers.append(StatusReader(load_config(configured(*arguments, **changes))))
        return readers[-1].read()

    yield status
    for reader in readers:
        reader.close()


def test_status_shows_money_decisions_and_who_answers(world, read, node_url, tmp_path):
    world.engine.text = world.swap
    result = world.agent(tmp_path, url=node_url).run_once()
    assert result.outcome == "executed"
    status = read()
    assert status.problems == ()
    assert status.on_chain is not None
    assert status.on_chain.state.head == result.digest
    assert status.on_chain.state.unaudited > 0
    assert (status.on_chain.rung_number, len(status.runs)) == (1, 1)
    assert status.on_chain.room > 0
    assert status.runs[0].outcome == "executed"
    text = shown(status)
    for words in (
        "● live",
        "of $100,000.00",
        "rung 1 of 1",
        "executed",
        "too much WETH",
    ):
        assert words in text
    assert to_hex(result.digest)[:10] in text
    assert json.loads(json.dumps(status.to_json()))["onChain"]["problem"] is None


def test_status_says_what_keeps_it_from_acting(world, read):
    call = world.gate.revoke_call(world.mandate.id, account=world.mandate.account)
    from affiant.onchain.account import AccountClient

    AccountClient(world.chain, world.mandate.account).execute(call, owner=world.owner)
    status = read(node="http://127.0.0.1:1")
    assert status.problems[0] == "the mandate is revoked"
    assert any(problem.startswith("node: ") for problem in status.problems)
    assert "revoked" in shown(status)


def test_status_without_a_chain_shows_the_journal(world, read, tmp_path: Path):
    journal = Journal(str(tmp_path / "journal.sqlite"))
    sending = Entry(
        run="r",
        mandate=world.mandate.id,
        slot=5,
        step="submit",
        status="sending",
        at=1.0,
        digest=Digest(b"\2" * 32),
        transaction="0x" + "ab" * 32,
    )
    journal.append(sending)
    journal.close()
    status = read(chain="http://127.0.0.1:1")
    assert status.on_chain is None
    assert status.pending == (sending,)
    text = shown(status)
    assert "the chain does not say" in text and "0xabababab" in text


def test_hostile_reasons_bring_no_markup_into_the_terminal(world, read, tmp_path: Path):
    why = "[bold red]x[/] [link=http://evil]y[/link] \x1b[2J\x1b]0;title\x07"
    journal = Journal(str(tmp_path / "journal.sqlite"))
    for step, told in (
        ("check", {"plan": {"why": why, "actions": [{"action": why}]}}),
        ("record", {"error": "E" + why, "message": why, "step": "[red]decide"}),
    ):
        journal.append(
            Entry("r", world.mandate.id, 5, step, "refused", 1.0, detail=told)  # type: ignore[arg-type]
        )
    journal.close()
    text = shown(read(), width=400)
    assert "[bold red]x" in text and "[link=http://evil]y" in text
    assert not {"\x1b", "\x07"} & set(text)


def test_the_commands_end_with_their_status(configured):
    path = configured()
    done = affiant_here("agent", "check", path, "--json")
    assert done.returncode == 0, done.stderr
    assert {row["verdict"] for row in json.loads(done.stdout)} == {"ok"}
    done = affiant_here("status", path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []
    path = configured(node="http://127.0.0.1:1")
    done = affiant_here("agent", "check", path)
    assert (done.returncode, "unavailable" in done.stdout) == (3, True)
    assert affiant_here("status", path).returncode == 3
    path = configured(id="1")
    assert affiant_here("agent", "check", path).returncode == 1
    path.write_text(path.read_text() + 'keystor = "x"\n')
    done = affiant_here("agent", "check", path)
    assert done.returncode == 1
    assert "did you mean `keystore`?" in done.stderr


def test_a_configured_agent_logs_and_counts_what_it_does(world, configured, tmp_path):
    more = f'[log]\nfile = "{tmp_path / "agent.log"}"\n[metrics]\nport = 0\n'
    path = configured(more=more)
    (tmp_path / "operator.json").chmod(0o640)
    world.engine.text = world.swap
    agent = load_agent_class(agent_reference(path, None)).from_config(path)
    try:
        result = agent.run_once()
        assert result.outcome == "executed", result.error
        (metrics,) = (
            one for one in agent.observers.all if isinstance(one, MetricsObserver)
        )
        with urllib.request.urlopen(metrics.url, timeout=10) as answer:
            text = answer.read().decode()
    finally:
        agent.close()
    assert 'affiant_decisions_total{outcome="executed"} 1.0' in text
    assert "affiant_mandate_live 1.0" in text
    assert "affiant_pending_transactions 0.0" in text
    text = (tmp_path / "agent.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (warning,) = (line for line in lines if line["logger"] != "affiant.agent")
    assert "0600" in warning["message"]
    steps = [line["step"] for line in lines if line["logger"] == "affiant.agent"]
    assert steps[0] == "decide" and steps[-1] == "record"
    assert {line["run"] for line in lines if line["run"]} == {result.run}
    assert lines[-1]["decision"] == to_hex(result.digest)
    assert PASSWORD not in text
