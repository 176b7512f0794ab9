"""A rung with a delay: queued, waited out, executed once; or an end with its name.

The chain, the gate and Uniswap are real; the engine is the scripted double.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from rich.console import Console

from affiant.agents import Hold, Supply, Swap, VerifiedAgent, Withdraw
from affiant.agents.durable.run_history import runs_of
from affiant.agents.errors import AlreadySentError
from affiant.agents.observing.logs import fields_of
from affiant.agents.observing.metrics import ChainFigures, MetricsObserver
from affiant.agents.observing.status import AgentStatus, read_on_chain
from affiant.agents.sending.outbox import SendingPolicy
from affiant.agents.sending.submit import Outgoing
from affiant.cli.status_view import status_screen
from affiant.encoding import Digest, keccak256, to_hex
from affiant.onchain.account import AccountClient
from affiant.onchain.mandate import NATIVE, Address, Rung
from affiant.onchain.observation import ChainView
from affiant.onchain.sending import send

pytestmark = pytest.mark.anvil

HOUR = 3600
"""The delay of the rung, in seconds."""
VALUE = 10**8
GUARDIAN = Account.from_key(keccak256(b"guardian of the queue's tests"))


class Patient(VerifiedAgent):
    """An agent whose decisions outlive the delay."""

    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Supply, Withdraw, Hold)
    max_tokens = 512
    validity_seconds = 3 * HOUR

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")

    def _hear(self, result: Any) -> None:
        self.told = [*getattr(self, "told", []), result.outcome]

    on_executed = on_held = on_refused = on_waiting = _hear


@pytest.fixture(scope="module")
def _settled(_devnet: Any, settling: Callable[..., Any]) -> Iterator[Any]:
    world = settling(
        keeper=Patient,
        ladder=(Rung(100_000 * VALUE, 0, 0, HOUR),),
        guardian=Address(GUARDIAN.address),
    )
    world.devnet.rpc.request("anvil_setBalance", GUARDIAN.address, hex(10**18))
    yield world
    world.chain.close()


@pytest.fixture
def agent(world: Any, node_url: str, tmp_path: Path) -> Any:
    world.engine.text = world.swap
    return world.agent(tmp_path, url=node_url)


def queue(world: Any, agent: Any) -> Any:
    """Have `agent` queue a swap; return its result."""
    result = agent.run_once()
    assert result.outcome == "queued", result.error
    assert world.gate.state_of(world.mandate.id).queued_at
    return result


def later(world: Any, seconds: int = HOUR + 1) -> None:
    """Let so much time pass on the chain, with fresh prices and a fresh slot."""
    world.scenario.warp(seconds)
    world.scenario.refresh_feeds()
    world.scenario.next_slot(world.mandate.cadence)


def records(agent: Any) -> list[tuple[str, str]]:
    return [
        (e.status, (e.detail or {}).get("error", ""))
        for e in agent.journal.entries(step="record")
    ]


def test_a_decision_waits_out_its_delay_and_is_executed_once(world, agent):
    before, nonce = world.balances(), world.nonce()
    queued = queue(world, agent)
    # The slot is used; later ones wait, and nobody is asked anything in them.
    asked = len(world.engine.asked)
    for _ in range(3):
        result = agent.run_once()
        assert (result.outcome, result.waits_for) == ("waiting", "delay")
        assert result.digest == queued.digest
        world.scenario.next_slot(world.mandate.cadence)
    assert len(world.engine.asked) == asked
    assert (world.balances(), world.nonce()) == (before, nonce + 1)
    # A second before it is time, and then.
    state = world.gate.state_of(world.mandate.id)
    ready = state.queued_at + HOUR
    world.scenario.warp(ready - 1 - world.devnet.rpc.timestamp())
    assert agent.run_once().outcome == "waiting"
    assert world.nonce() == nonce + 1
    later(world, 1)
    done = agent.run_once()
    assert done.outcome == "executed", records(agent)
    assert (done.slot, done.run) == (queued.slot, queued.run)
    assert done.executed.digest == queued.digest == done.digest
    assert world.nonce() == nonce + 2
    assert world.balances()["WETH"] < before["WETH"]
    assert not world.gate.state_of(world.mandate.id).queued_at
    # Life goes on: the next decision follows, and is queued as well.
    world.scenario.next_slot(world.mandate.cadence)
    again = queue(world, agent)
    assert again.bundle.decision.previous == queued.digest
    assert agent.told == ["queued", "executed", "queued"]
    assert records(agent) == [("queued", ""), ("done", ""), ("queued", "")]


def test_another_process_goes_on_with_what_is_queued(world, agent, node_url, tmp_path):
    queued = queue(world, agent)
    again = world.agent(tmp_path, url=node_url)
    agent.close()
    assert again.run_once().outcome == "waiting"
    assert again.told == ["waiting"], "whoever starts anew is told once"
    again.run_once()
    assert again.told == ["waiting"]
    later(world)
    result = again.run_once()
    assert (result.outcome, result.digest) == ("executed", queued.digest)


def test_a_decision_that_is_over_before_its_delay_is_refused_by_name(
    world, node_url, tmp_path, settling
):
    class Hasty(Patient):
        validity_seconds = HOUR

    other = settling(keeper=Hasty, ladder=(Rung(100_000 * VALUE, 0, 0, HOUR),))
    other.scenario.next_slot(other.mandate.cadence)
    other.engine.text = other.swap
    node = other.node(tmp_path / "hasty")
    from affiant.agents.nodes.service import NodeServer

    with NodeServer(node) as server:
        hasty = other.agent(tmp_path, url=server.url)
        result = hasty.run_once()
        hasty.close()
    node.close()
    other.chain.close()
    assert type(result.error).__name__ == "GateValidityTooShortError"
    assert not [e for e in hasty.told if e == "queued"]


# Ends that are not the agent's


@pytest.mark.parametrize("who", ["guardian", "account"])
def test_a_cancelled_decision_ends_by_name_and_life_goes_on(world, agent, who):
    before, queued = world.balances(), queue(world, agent)
    sender = Address(GUARDIAN.address) if who == "guardian" else world.mandate.account
    call = world.gate.cancel_call(world.mandate.id, digest=queued.digest, sender=sender)
    if who == "guardian":
        send(world.chain, call, signer=GUARDIAN, timeout=10)
    else:
        AccountClient(world.chain, world.mandate.account).execute(
            call, owner=world.owner
        )
    world.scenario.next_slot(world.mandate.cadence)
    nonce = world.nonce()
    result = agent.run_once()
    assert (result.outcome, result.digest) == ("refused", queued.digest)
    assert type(result.error).__name__ == "QueueCancelledError"
    assert sender in str(result.error)
    assert (world.balances(), world.nonce()) == (before, nonce)
    again = queue(world, agent)
    assert again.bundle.decision.previous == queued.digest
    assert [status for status, _ in records(agent)] == ["queued", "refused", "queued"]


def test_a_decision_whose_time_is_over_ends_by_name(world, agent):
    queued = queue(world, agent)
    later(world, Patient.validity_seconds + 1)
    nonce = world.nonce()
    result = agent.run_once()
    assert type(result.error).__name__ == "QueueExpiredError"
    assert (result.digest, world.nonce()) == (queued.digest, nonce)
    # The gate lets the next one take the head from it.
    assert queue(world, agent).digest != queued.digest


def test_what_another_decision_superseded_ends_by_name(
    world, agent, node_url, tmp_path
):
    """Expired while this agent was away; another one has the head since."""
    queued = queue(world, agent)
    later(world, Patient.validity_seconds + 1)
    other = world.agent(
        tmp_path / "other",
        url=node_url,
        store=agent._runs._around.store,
        journal=world.closing(_journal(tmp_path / "other")),
    )
    agent._runs._around.lock.release()
    assert other.run_once().outcome == "queued"
    other.close()
    result = agent.run_once()
    assert type(result.error).__name__ == "QueueSupersededError"
    assert result.digest == queued.digest
    # What the other one queued is not this agent's to execute.
    result = agent.run_once()
    assert type(result.error).__name__ in ("HeadWaitsError", "SlotRefusedError")


def _journal(folder: Path) -> Any:
    from affiant.agents.durable.journal import Journal

    folder.mkdir()
    return Journal(str(folder / "journal.sqlite"))


def test_a_revoked_mandate_ends_the_wait(world, agent):
    queue(world, agent)
    AccountClient(world.chain, world.mandate.account).execute(
        world.gate.revoke_call(world.mandate.id, account=world.mandate.account),
        owner=world.owner,
    )
    later(world)
    nonce = world.nonce()
    result = agent.run_once()
    assert type(result.error).__name__ == "QueueStoppedError"
    assert world.nonce() == nonce


def test_a_stopped_mandate_waits_on_and_executes_after_it(world, agent):
    queued = queue(world, agent)
    until = world.devnet.rpc.timestamp() + 2 * HOUR
    send(
        world.chain,
        world.gate.stop_call(
            world.mandate.id, until=until, sender=Address(GUARDIAN.address)
        ),
        signer=GUARDIAN,
        timeout=10,
    )
    later(world)
    nonce = world.nonce()
    assert agent.run_once().outcome == "waiting"
    assert records(agent)[-1] == ("queued", "GateMandateStoppedError")
    assert world.nonce() == nonce
    later(world, HOUR + 1)
    assert agent.run_once().digest == queued.digest
    assert records(agent)[-1] == ("done", "")


# What no longer passes


def test_a_price_that_moves_is_waited_for_and_never_paid(world, agent):
    """The pool is moved against the decision: simulated, named once, nothing sent."""
    queued, before = queue(world, agent), world.balances()
    price = world.scenario.pool_price("WETH/USDC")
    later(world)
    world.scenario.move_pool("WETH/USDC", price * Decimal("0.9"))
    nonce = world.nonce()
    for _ in range(3):
        assert agent.run_once().outcome == "waiting"
        world.scenario.mine()
    assert (world.balances(), world.nonce()) == (before, nonce)
    statuses = records(agent)
    assert len(statuses) == 2, "the same reason is written down once"
    assert statuses[-1][1] in ("GateCallFailedError", "GateBoundMissedError")
    # The market comes back while the decision is valid.
    world.scenario.move_pool("WETH/USDC", price)
    world.scenario.refresh_feeds()
    result = agent.run_once()
    assert (result.outcome, result.digest) == ("executed", queued.digest)


def test_one_that_never_passes_again_ends_with_the_reason(world, agent):
    queue(world, agent)
    later(world)
    price = world.scenario.pool_price("WETH/USDC")
    world.scenario.move_pool("WETH/USDC", price * Decimal("0.9"))
    agent.run_once()
    world.scenario.warp(Patient.validity_seconds)
    result = agent.run_once()
    assert type(result.error).__name__ == "QueueExpiredError"
    assert "did not pass" in str(result.error)


def test_a_key_that_was_banned_meanwhile_swears_nothing(world, agent):
    before = (queue(world, agent), world.balances())[1]
    AccountClient(world.chain, world.mandate.account).execute(
        world.gate.ban_key_call(
            world.mandate.id,
            key=Address(world.key.address),
            account=world.mandate.account,
        ),
        owner=world.owner,
    )
    later(world)
    nonce = world.nonce()
    assert agent.run_once().outcome == "waiting"
    assert records(agent)[-1] == ("queued", "GateNodeBannedError")
    assert (world.balances(), world.nonce()) == (before, nonce)


def test_a_release_that_reverts_is_tried_again_in_a_later_slot_and_not_before(
    world, agent
):
    """The pool moves between simulation and mining: gas is lost, and nothing else."""
    queued, before = queue(world, agent), world.balances()
    later(world)
    price = world.scenario.pool_price("WETH/USDC")
    broadcast = agent.chain.broadcast

    def after_a_move(raw: bytes) -> Any:
        world.scenario.move_pool("WETH/USDC", price * Decimal("0.9"))
        return broadcast(raw)

    agent._submitter._outbox._chain = _With(agent.chain, broadcast=after_a_move)
    nonce = world.nonce()
    assert agent.run_once().outcome == "waiting"
    assert (world.balances(), world.nonce()) == (before, nonce + 1)
    assert records(agent)[-1][0] == "queued"
    world.scenario.move_pool("WETH/USDC", price)
    agent._submitter._outbox._chain = agent.chain
    assert agent.run_once().outcome == "waiting"
    assert world.nonce() == nonce + 1, "once per slot"
    world.scenario.next_slot(world.mandate.cadence)
    world.scenario.refresh_feeds()
    result = agent.run_once()
    assert (result.outcome, result.digest) == ("executed", queued.digest)
    assert agent.journal.unsettled(world.mandate.id) == ()


class _With:
    """A chain of which some methods are others."""

    def __init__(self, chain: Any, **methods: Any) -> None:
        self._chain, self._methods = chain, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._chain, name)


def test_cancelled_between_the_look_and_the_sending(world, agent):
    """The guardian is faster: the release reverts, and the end has its name."""
    queued, before = queue(world, agent), world.balances()
    later(world)
    broadcast = agent.chain.broadcast

    def after_the_guardian(raw: bytes) -> Any:
        send(
            world.chain,
            world.gate.cancel_call(
                world.mandate.id,
                digest=queued.digest,
                sender=Address(GUARDIAN.address),
            ),
            signer=GUARDIAN,
            timeout=10,
        )
        return broadcast(raw)

    agent._submitter._outbox._chain = _With(agent.chain, broadcast=after_the_guardian)
    assert agent.run_once().outcome == "waiting"
    agent._submitter._outbox._chain = agent.chain
    result = agent.run_once()
    assert type(result.error).__name__ == "QueueCancelledError"
    assert world.balances() == before
    assert agent.journal.queued(world.mandate.id) == ()


def test_no_second_release_beside_the_first(world, agent):
    queued = queue(world, agent)
    later(world)
    world.devnet.rpc.request("evm_setAutomine", False)
    object.__setattr__(agent._runs._around, "confirm_seconds", 0.05)
    try:
        for _ in range(3):
            assert agent.run_once().outcome == "waiting"
        sent = [e for e in agent.journal.entries() if e.status == "sending"]
        assert [e.detail["act"] for e in sent] == ["queue", "release"]
        outgoing = Outgoing(
            run=queued.run,
            slot=queued.slot,
            digest=queued.digest,
            call=world.gate.cancel_call(
                world.mandate.id, digest=queued.digest, sender=NATIVE
            ),
            gas=10**6,
            previous=queued.bundle.decision.previous,
            valid_until=2**40,
            act="release",
        )
        with pytest.raises(AlreadySentError):
            agent._submitter.send(outgoing)
    finally:
        world.devnet.rpc.request("evm_setAutomine", True)
    world.scenario.mine()
    assert agent.run_once().outcome in ("executed", "waiting", "queued")
    assert records(agent)[1][0] == "done"


def test_a_stuck_release_is_replaced_under_one_nonce(world, node_url, tmp_path):
    world.engine.text = world.swap
    now = [1_000_000.0]
    agent = world.agent(
        tmp_path, url=node_url, clock=lambda: now[0], sending=SendingPolicy()
    )
    queued = queue(world, agent)
    later(world)
    object.__setattr__(agent._runs._around, "confirm_seconds", 0.05)
    world.devnet.rpc.request("evm_setAutomine", False)
    try:
        agent.run_once()
        now[0] += 46
        agent.run_once()
        sent = [e for e in agent.journal.entries() if e.status == "sending"][1:]
        assert [(e.detail["act"], e.detail["kind"]) for e in sent] == [
            ("release", "execute"),
            ("release", "replace"),
        ]
        assert len({e.detail["nonce"] for e in sent}) == 1
    finally:
        world.devnet.rpc.request("evm_setAutomine", True)
    world.scenario.mine()
    world.engine.text = world.hold
    agent.run_once()
    assert agent.journal.queued(world.mandate.id) == ()
    assert world.gate.head_of(world.mandate.id) == queued.digest
    assert agent.told == ["queued", "executed", "held"]


# Reorganisations


def test_a_reorganisation_that_removes_the_queueing_sends_it_again(world, agent):
    """While its slot lasts, the same bytes take the head again."""
    queued = queue(world, agent)
    nonce = world.nonce()
    agent._runs._around.submitter._outbox._policy = SendingPolicy(resend_seconds=0)
    world.scenario.reorg(1)
    assert world.gate.head_of(world.mandate.id) != queued.digest
    for _ in range(3):
        agent.run_once()
    assert world.gate.head_of(world.mandate.id) == queued.digest
    assert world.nonce() == nonce
    later(world)
    assert agent.run_once().digest == queued.digest
    assert records(agent)[-1] == ("done", "")


def test_a_reorganisation_that_removes_it_for_good_is_noticed(world, agent):
    queued = queue(world, agent)
    world.scenario.reorg(1)
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    for _ in range(2):
        agent.run_once()
    assert agent.journal.queued(world.mandate.id) == ()
    assert ("lost", "") in records(agent)
    assert records(agent)[-1] == ("held", "")
    assert world.gate.head_of(world.mandate.id) != queued.digest
    assert agent.journal.unsettled(world.mandate.id) == ()


def test_a_reorganisation_that_removes_the_release_leaves_it_waiting(world, agent):
    queued = queue(world, agent)
    later(world)
    agent._runs._around.submitter._outbox._policy = SendingPolicy(resend_seconds=0)
    assert agent.run_once().outcome == "executed"
    world.scenario.reorg(1)
    assert world.gate.state_of(world.mandate.id).queued_at
    world.engine.text = world.hold
    for _ in range(3):
        agent.run_once()
    assert world.gate.head_of(world.mandate.id) == queued.digest
    assert not world.gate.state_of(world.mandate.id).queued_at
    assert [status for status, _ in records(agent)][-3:] == ["queued", "done", "held"]
    assert agent.journal.unsettled(world.mandate.id) == ()


def test_a_lying_clock_sends_nothing_that_the_gate_refuses(world, agent):
    """An endpoint that is an hour ahead: simulated on the chain's own time, refused."""
    queue(world, agent)
    nonce, latest = world.nonce(), agent.chain.latest_block

    def ahead() -> Any:
        from dataclasses import replace

        block = latest()
        return replace(block, timestamp=block.timestamp + HOUR + 1)

    agent._runs._queued._around = _around(agent, latest_block=ahead)
    assert agent.run_once().outcome == "waiting"
    assert records(agent)[-1] == ("queued", "GateDelayNotServedError")
    assert world.nonce() == nonce


def _around(agent: Any, **methods: Any) -> Any:
    from dataclasses import replace

    around = agent._runs._around
    return replace(around, chain=_With(around.chain, **methods))


def test_a_stranger_executes_what_is_queued(world, node_url, tmp_path, settling):
    """Where anybody may submit: it is executed once, and the agent says so."""
    open_world = settling(
        keeper=Patient,
        ladder=(Rung(100_000 * VALUE, 0, 0, HOUR),),
        operator=NATIVE,
    )
    open_world.scenario.next_slot(open_world.mandate.cadence)
    open_world.engine.text = open_world.swap
    node = open_world.node(tmp_path / "open")
    from affiant.agents.nodes.service import NodeServer

    with NodeServer(node) as server:
        agent = open_world.agent(tmp_path, url=server.url)
        queued = queue(open_world, agent)
        later(open_world)
        stranger = Account.from_key(open_world.devnet.accounts[6].key)
        from affiant.onchain.gate import Submission

        call = open_world.gate.execute_call(
            Submission.of(queued.bundle), sender=Address(stranger.address)
        )
        receipt = send(open_world.chain, call, signer=stranger, timeout=10)
        nonce = open_world.nonce()
        result = agent.run_once()
        assert (result.outcome, result.digest) == ("executed", queued.digest)
        assert result.transaction == "0x" + receipt.transaction_hash.hex()
        assert open_world.nonce() == nonce
        assert records(agent)[-1] == ("done", "")
        agent.close()
    node.close()
    open_world.chain.close()


# What is shown


def test_status_and_metrics_show_what_waits(world, agent):
    queued = queue(world, agent)
    found = read_on_chain(world.chain, gate=world.book.gate, mandate=world.mandate)
    assert found.problem == "", "a wait is no problem"
    assert found.queued is not None and found.queued.digest == queued.digest
    status = AgentStatus(world.mandate, found, (), (), (), "")
    shown = status.to_json()["onChain"]["queued"]
    assert shown["readyAt"] == found.state.queued_at + HOUR
    screen = Console(file=io.StringIO(), width=120)
    screen.print(status_screen(status, title="t", now=0))
    text = screen.file.getvalue()
    assert "ready in" in text and "can be cancelled" in text

    figures = MetricsObserver(
        port=0, look=lambda: ChainFigures(found, nonce=0), clock=lambda: 0.0
    )
    try:
        figures.result(queued)
        value = figures.registry.get_sample_value
        assert value("affiant_queued_decisions") == 1
        assert value("affiant_decisions_total", {"outcome": "queued"}) == 1
        until = value("affiant_queued_until_timestamp_seconds")
        assert until == found.state.queued_until
    finally:
        figures.close()


def test_the_journal_tells_when_it_is_ready(world, agent):
    queue(world, agent)
    (row,) = (
        entry
        for entry in agent.journal.entries(step="confirm")
        if entry.status == "queued"
    )
    fields = fields_of(row)
    assert fields["readyAt"] == world.gate.state_of(world.mandate.id).queued_at + HOUR
    (run,) = runs_of(agent.journal.entries())
    assert run.outcome == "queued"


def test_an_edited_journal_releases_nothing_else(world, agent, tmp_path):
    """Another transaction that the operator signed, in the queueing's place."""
    queue(world, agent)
    later(world)
    other = agent.chain.sign(
        world.operator,
        call=world.gate.cancel_call(
            world.mandate.id,
            digest=Digest(bytes(32)),
            sender=Address(world.operator.address),
        ),
        nonce=99,
        gas=10**6,
        fees=agent.chain.fees(),
    )
    with sqlite3.connect(tmp_path / "journal.sqlite") as file:
        # Append-only by trigger: whoever owns the file can drop that too.
        for (name,) in file.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            file.execute(f"DROP TRIGGER {name}")
        ((number, text),) = file.execute(
            "SELECT id, detail FROM entries WHERE status = 'sending'"
        ).fetchall()
        detail = {**json.loads(text), "raw": to_hex(other)}
        file.execute(
            "UPDATE entries SET detail = ? WHERE id = ?", (json.dumps(detail), number)
        )
    file.close()
    before, nonce = world.balances(), world.nonce()
    result = agent.run_once()
    assert result.outcome == "waiting"
    assert records(agent)[-1] == ("queued", "MalformedError")
    assert (world.balances(), world.nonce()) == (before, nonce)
