"""The whole loop against the real gate, with a scripted model."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from affiant.agents.durable.journal import Journal, JournalError
from affiant.agents.errors import AlreadySentError, NodeRefusedError, NotServedError
from affiant.agents.sending.submit import Outgoing
from affiant.encoding import keccak256
from affiant.inference.keys import unlock_keystore
from affiant.onchain.account import AccountClient
from affiant.onchain.chain import Chain
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission

pytestmark = pytest.mark.anvil


def steps(agent: Any, **filters: Any) -> list[tuple[str, str]]:
    return [(e.step, e.status) for e in agent.journal.entries(**filters)]


def test_executes_a_swap_and_says_so_everywhere(world, node_url, tmp_path: Path):
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url)
    before = world.balances()
    result = agent.run_once()
    assert result.error is None, result.error
    assert result.outcome == "executed"
    after = world.balances()
    assert after["WETH"] == before["WETH"] * 9 // 10
    assert after["USDC"] > before["USDC"]
    assert world.gate.head_of(world.mandate.id) == result.digest
    assert agent.told == ["executed"]
    assert steps(agent) == [
        ("decide", "started"),
        ("decide", "done"),
        ("check", "done"),
        ("simulate", "done"),
        ("submit", "sending"),
        ("submit", "done"),
        ("confirm", "done"),
        ("record", "done"),
    ]
    assert {e.transaction for e in agent.journal.entries()} == {
        None,
        result.transaction,
    }
    assert {"decide", "node.infer", "node.self_check", "confirm"} <= set(result.seconds)


def test_evidence_is_in_the_owners_own_store(world, node_url, tmp_path: Path):
    world.engine.text = world.swap
    result = world.agent(tmp_path, url=node_url).run_once()
    assert EvidenceStore(str(tmp_path / "evidence")).get(result.digest) == result.bundle


def test_a_hold_is_signed_and_stays_off_chain(world, node_url, tmp_path: Path):
    agent, nonce = world.agent(tmp_path, url=node_url), world.nonce()
    result = agent.run_once()
    assert (result.outcome, result.transaction) == ("held", None)
    assert world.nonce() == nonce
    assert world.gate.head_of(world.mandate.id) == world.mandate.id
    assert steps(agent) == [
        ("decide", "started"),
        ("decide", "done"),
        ("check", "held"),
        ("record", "held"),
    ]
    assert agent.told == ["held"]
    assert EvidenceStore(str(tmp_path / "evidence")).get(result.digest).calls == ()


def test_records_a_hold_on_chain_where_the_mandate_asks(world, tmp_path, serve_node):
    mandate = world.mandate_for(record_holds=True)
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    agent = world.agent(tmp_path, url=serve_node(), mandate=mandate)
    result = agent.run_once()
    assert (result.outcome, result.error) == ("executed", None)
    assert result.derived.holds
    assert set(result.executed.changes) == {0}


def test_one_decision_per_slot(world, node_url, tmp_path: Path):
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url)
    agent.run_once()
    nonce = world.nonce()
    assert agent.run_once().outcome == "skipped"
    # Another agent of the same mandate, with no journal of its own.
    other = world.agent(tmp_path / "other", url=node_url)
    result = other.run_once()
    assert result.outcome == "refused"
    assert "it has acted already" in str(result.error)
    assert world.nonce() == nonce


def test_the_next_request_tells_what_was_done_before(world, node_url, tmp_path):
    agent = world.agent(tmp_path, url=node_url)
    world.engine.text = world.swap
    first = agent.run_once()
    world.engine.text = world.supply
    world.scenario.next_slot(world.mandate.cadence)
    second = agent.run_once()
    assert second.error is None, second.error
    assert second.bundle.decision.previous == first.digest
    assert second.derived.asked[-1].request["previous"] == {
        "slot": first.slot,
        "actions": ["swap"],
    }
    assert first.derived.asked[-1].request["previous"] is None


def test_without_the_evidence_of_the_head_nothing_is_decided(world, node_url, tmp_path):
    agent = world.agent(tmp_path, url=node_url)
    world.engine.text = world.swap
    agent.run_once()
    for file in (tmp_path / "node-evidence").iterdir():
        file.unlink()
    world.scenario.next_slot(world.mandate.cadence)
    nonce = world.nonce()
    result = agent.run_once()
    assert isinstance(result.error, NodeRefusedError)
    assert result.error.error == "PreviousMissingError"
    assert world.nonce() == nonce


PLANS = {
    "no JSON": "sell everything",
    "another action": '{"why":"x","actions":[{"action":"drain"}]}',
    "an address": '{"why":"x","actions":[{"action":"swap","sell":"0x00","buy":"USDC",'
    '"share_bps":10,"max_slippage_bps":10}]}',
}


@pytest.mark.parametrize("text", PLANS.values(), ids=PLANS)
def test_a_plan_that_is_none_is_recorded_and_the_next_run_continues(
    world, node_url, tmp_path, text
):
    agent, nonce = world.agent(tmp_path, url=node_url), world.nonce()
    world.engine.text = text
    result = agent.run_once()
    assert isinstance(result.error, NodeRefusedError)
    assert result.error.error == "PlanRefusedError"
    assert agent.told == ["refused"]
    entry = agent.journal.entries(last=1)[0]
    assert (entry.step, entry.status) == ("record", "refused")
    assert "PlanRefusedError" in entry.detail["message"]
    assert world.nonce() == nonce
    assert not list(tmp_path.glob("node-evidence/*"))  # nothing was signed
    world.engine.text = world.swap
    assert agent.run_once().outcome == "executed"


def test_an_unexpected_error_is_journalled_and_raised(world, node_url, tmp_path):
    class Broken:
        def encode(self, text: str) -> list[int]:
            raise ZeroDivisionError("a bug")

        chat = decode = encode

    agent = world.agent(tmp_path, url=node_url, tokenizer=Broken())
    nonce = world.nonce()
    with pytest.raises(ZeroDivisionError):
        agent.run_once()
    assert steps(agent)[-1] == ("check", "failed")
    assert world.nonce() == nonce


class DroppingChain:
    """Passes everything on, but the answer to a sent transaction is lost."""

    def __init__(self, chain: Chain, *, sends: bool) -> None:
        self._chain, self._sends = chain, sends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def broadcast(self, transaction: bytes) -> None:
        if self._sends:
            self._chain.broadcast(transaction)
        raise ChainUnavailableError("test", method="send", reason="cut off")


def test_after_a_crash_the_chain_says_what_became_of_it(world, node_url, tmp_path):
    world.engine.text = world.swap
    dropping = world.agent(
        tmp_path, url=node_url, chain=DroppingChain(world.chain, sends=True)
    )
    result = dropping.run_once()
    assert (result.outcome, result.failed_step) == ("unavailable", "submit")
    nonce = world.nonce()
    again = world.agent(tmp_path, url=node_url)
    assert again.run_once().outcome == "skipped"
    assert world.nonce() == nonce, "sent twice"
    assert steps(again)[-2:] == [("confirm", "done"), ("record", "done")]
    world.scenario.next_slot(world.mandate.cadence)
    assert again.run_once().outcome == "executed"


def test_what_was_never_mined_is_given_up_and_not_sent_again(world, node_url, tmp_path):
    world.engine.text = world.swap
    dropping = world.agent(
        tmp_path, url=node_url, chain=DroppingChain(world.chain, sends=False)
    )
    assert dropping.run_once().outcome == "unavailable"
    nonce = world.nonce()
    again = world.agent(tmp_path, url=node_url)
    assert again.run_once().outcome == "skipped"  # it may still be mined
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    assert again.run_once().outcome == "held"
    assert ("confirm", "lost") in steps(again)
    assert world.nonce() == nonce


def test_a_decision_is_never_sent_twice(world, node_url, tmp_path):
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url)
    result = agent.run_once()
    sent = agent.journal.sent(result.digest)
    assert sent.transaction == result.transaction
    nonce = world.nonce()
    call = world.gate.execute_call(
        Submission.of(result.bundle), sender=world.mandate.operator
    )
    with pytest.raises(AlreadySentError) as raised:
        agent._submitter.send(
            Outgoing(
                run="again",
                slot=result.slot,
                digest=result.digest,
                call=call,
                gas=1,
                previous=result.bundle.decision.previous,
                valid_until=result.bundle.decision.valid_until,
            )
        )
    assert raised.value.transaction == result.transaction
    assert world.nonce() == nonce


def test_the_gates_refusal_is_found_before_gas_is_paid(world, node_url, tmp_path):
    # One swap of 2500 dollars, not two: only the gate knows what was spent before.
    mandate = world.mandate_for(
        ladder=(replace(world.mandate.ladder[0], limit=3_000 * 10**8),),
        salt=keccak256(b"poor"),
    )
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    world.engine.text = world.swap
    agent = world.agent(tmp_path, url=node_url, mandate=mandate)
    assert agent.run_once().outcome == "executed"
    world.scenario.next_slot(mandate.cadence)
    nonce, before = world.nonce(), world.balances()
    result = agent.run_once()
    assert (result.outcome, result.failed_step) == ("refused", "simulate")
    assert type(result.error).__name__ == "GateRungExceededError"
    assert (world.nonce(), world.balances()) == (nonce, before)


def test_a_revoked_mandate_asks_no_node(world, node_url, tmp_path):
    AccountClient(world.chain, world.mandate.account).execute(
        world.gate.revoke_call(world.mandate.id, account=world.mandate.account),
        owner=world.owner,
    )
    agent = world.agent(tmp_path, url=node_url)
    result = agent.run_once()
    assert type(result.error).__name__ == "NotLiveError"
    assert "revoked" in str(result.error)
    assert world.engine.asked == []


def test_refuses_a_mandate_for_another_program_or_operator(world, tmp_path):
    for changes in (
        {"program": keccak256(b"other")},
        {"operator": world.mandate.account},
    ):
        with pytest.raises(NotServedError):
            world.agent(
                tmp_path, url="http://127.0.0.1:9", mandate=world.mandate_for(**changes)
            )


def test_runs_once_per_slot_on_a_timer(world, node_url, tmp_path):
    agent = world.agent(tmp_path, url=node_url)
    held = threading.Semaphore(0)
    agent.on_held = lambda result: held.release()
    agent.start(poll_seconds=0.05)
    try:
        assert held.acquire(timeout=20)
        assert not held.acquire(timeout=0.5)
        world.scenario.next_slot(world.mandate.cadence)
        assert held.acquire(timeout=20)
    finally:
        agent.stop()
    records = [e for e in agent.journal.entries() if e.step == "record"]
    assert len({e.slot for e in records}) == len(records) == 2


def test_a_running_agent_tells_of_every_run_and_can_be_waited_for(
    world, node_url, tmp_path
):
    agent, told = world.agent(tmp_path, url=node_url), []

    def on_result(result: Any) -> None:
        told.append(result)
        agent.stop()

    agent.start(poll_seconds=0.05, on_result=on_result)
    agent.wait()
    assert [result.outcome for result in told] == ["held"]
    agent.wait()  # stopped: there is nothing to wait for


def test_a_running_agent_that_breaks_says_so_to_who_waits(world, node_url, tmp_path):
    agent = world.agent(tmp_path, url=node_url)
    with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
        connection.execute("DROP TABLE entries")
    agent.start(poll_seconds=0.05)
    try:
        with pytest.raises(JournalError, match="entries"):
            agent.wait()
    finally:
        agent.stop()


def test_from_config_runs(world, node_url, tmp_path, monkeypatch):
    stored = Account.encrypt(world.operator.key, "secret", kdf="pbkdf2", iterations=2)
    (tmp_path / "operator.json").write_text(json.dumps(stored))
    assert unlock_keystore(tmp_path / "operator.json", "secret") == world.operator
    (tmp_path / "mandate.json").write_text(json.dumps(world.mandate.to_json()))
    (tmp_path / "book.json").write_text(json.dumps(world.book.to_json()))
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
        """
    )
    monkeypatch.setenv("AFFIANT_TEST_PASSWORD", "secret")
    kind = type(world.agent(tmp_path / "unused", url=node_url))
    agent = world.closing(kind.from_config(tmp_path / "agent.toml"))
    assert agent.run_once().outcome == "held"
    assert Journal(str(tmp_path / "journal.sqlite")).entries()
    assert list((tmp_path / "evidence").iterdir())


def test_a_reorg_kills_the_decision_and_not_the_agent(world, node_url, tmp_path):
    world.engine.text = world.swap
    world.scenario.next_slot(world.mandate.cadence)  # the grant is out of reach
    world.engine.during = lambda: world.scenario.reorg(3)
    agent, nonce = world.agent(tmp_path, url=node_url), world.nonce()
    result = agent.run_once()
    assert type(result.error).__name__ == "AnchorReorgedError"
    assert result.failed_step == "check"
    world.engine.during = None
    # One answer per slot, also when the chain has moved away under it.
    assert type(agent.run_once().error).__name__ == "AnchorReorgedError"
    assert world.nonce() == nonce
    world.scenario.next_slot(world.mandate.cadence)
    assert agent.run_once().outcome == "executed"
