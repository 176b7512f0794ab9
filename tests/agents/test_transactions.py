"""What happens to a transaction, on a real chain that is made to misbehave.

Time is a clock that the tests move; blocks come when a test asks for one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from agreement import disagreements
from eth_account import Account

from affiant.agents.errors import SlotSentError
from affiant.agents.sending.outbox import SendingPolicy
from affiant.agents.sending.submit import Outgoing
from affiant.encoding import digest_from_hex, keccak256
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, Fees
from affiant.onchain.errors import TransactionRefusedError
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address

pytestmark = pytest.mark.anvil

GWEI = 10**9


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rpc(world: Any) -> Iterator[Any]:
    """The chain's own door, with blocks on demand; as before afterwards."""
    request = world.devnet.rpc.request
    request("evm_setAutomine", False)
    world.engine.text = world.swap
    yield request
    request("anvil_dropAllTransactions")
    request("evm_setAutomine", True)


@pytest.fixture
def make_agent(world: Any, node_url: str, tmp_path: Path, clock: Clock) -> Any:
    def make(**changes: Any) -> Any:
        parts = {"clock": clock, "confirm_seconds": 0.05, "sending": SendingPolicy()}
        return world.agent(tmp_path, url=node_url, **{**parts, **changes})

    return make


def sendings(agent: Any) -> list[Any]:
    return [e for e in agent.journal.entries() if e.status == "sending"]


def steps(agent: Any) -> list[tuple[str, str]]:
    return [(e.step, e.status) for e in agent.journal.entries()]


def mempool(rpc: Any) -> list[str]:
    """Hashes of what waits, of whatever nonce."""
    content = rpc("txpool_content")
    return sorted(
        item["hash"]
        for part in ("pending", "queued")
        for transactions in content[part].values()
        for item in transactions.values()
    )


def patient(agent: Any) -> Any:
    """Have `agent` wait for transactions that are about to be mined."""
    object.__setattr__(agent._runs._around, "confirm_seconds", 10)
    return agent


def leaves_it_pending(agent: Any) -> Any:
    result = agent.run_once()
    assert (result.outcome, result.failed_step) == ("unavailable", "confirm")
    assert type(result.error).__name__ == "ReceiptTimeoutError", result.error
    return result


# Stuck


def test_a_stuck_transaction_is_replaced_under_the_same_nonce(world, rpc, make_agent):
    agent = make_agent()
    first = leaves_it_pending(agent)
    agent._clock.now += 46
    assert agent.run_once().outcome == "skipped"
    old, new = sendings(agent)
    assert (old.detail["kind"], new.detail["kind"]) == ("execute", "replace")
    assert old.detail["nonce"] == new.detail["nonce"]
    assert new.digest == old.digest == first.digest
    for fee in ("maxFee", "priorityFee"):
        assert new.detail[fee] * 8 >= old.detail[fee] * 9
    assert mempool(rpc) == [new.transaction], "the old one is gone"
    rpc("evm_mine")
    assert agent.run_once().outcome == "skipped"
    assert world.gate.head_of(world.mandate.id) == first.digest
    fates = {
        e.transaction: e.status for e in agent.journal.entries() if e.step == "confirm"
    }
    assert fates == {old.transaction: "lost", new.transaction: "done"}
    assert agent.journal.unsettled(world.mandate.id) == ()
    assert agent.journal.finished(mandate=world.mandate.id, slot=first.slot)


def test_every_replacement_is_written_down_before_it_is_sent(world, rpc, make_agent):
    """The journal breaks as the replacement is to be written: it does not leave."""
    agent = make_agent()
    leaves_it_pending(agent)
    waiting = mempool(rpc)
    agent._clock.now += 46
    append, entries = agent.journal.append, []

    def fails(entry: Any) -> None:
        entries.append(entry)
        raise OSError("the disk is full")

    agent.journal.append = fails
    with pytest.raises(OSError, match="disk"):
        agent._submitter.settle()
    agent.journal.append = append
    assert entries[0].detail["kind"] == "replace"
    assert mempool(rpc) == waiting


def test_a_replacement_is_replaced_again_and_never_above_the_limit(
    world, rpc, make_agent
):
    market = world.chain.fees()
    limit = Fees(market.max_fee * 3 // 2 + 1, market.priority_fee * 3 // 2 + 2)
    chain = world.closing(
        Chain.connect(
            world.devnet.url,
            expected_chain_id=world.book.chain_id,
            max_fees=limit,
        )
    )
    agent = make_agent(chain=chain)
    leaves_it_pending(agent)
    for _ in range(8):
        agent._clock.now += 46
        agent.run_once()
    sent = sendings(agent)
    assert len(sent) > 2
    assert all(e.detail["maxFee"] <= limit.max_fee for e in sent)
    assert all(e.detail["priorityFee"] <= limit.priority_fee for e in sent)
    refused = [e for e in agent.journal.entries() if e.status == "refused"]
    errors = {e.detail.get("error") for e in refused}
    assert errors == {"FeeTooHighError"}
    assert mempool(rpc) == [sent[-1].transaction]
    rpc("evm_mine")
    agent.run_once()
    assert ("record", "done") in steps(agent)


def test_the_run_that_waits_replaces_too_and_tells_what_was_mined(
    world, rpc, make_agent
):
    """Within one run: stuck, replaced, mined, executed."""
    agent = make_agent(
        sending=SendingPolicy(stuck_seconds=1, resend_seconds=0), confirm_seconds=5
    )
    broadcast = agent.chain.broadcast

    def once_sent(raw: bytes) -> Any:
        sent = broadcast(raw)
        agent._clock.now += 2
        if len(sendings(agent)) == 2:
            rpc("evm_mine")
        return sent

    agent._submitter._outbox._chain = _With(agent.chain, broadcast=once_sent)
    result = agent.run_once()
    assert (result.outcome, result.error) == ("executed", None)
    first, second = sendings(agent)
    assert result.transaction == second.transaction != first.transaction
    assert agent.journal.unsettled(world.mandate.id) == ()


class _With:
    """A chain of which some methods are others."""

    def __init__(self, chain: Chain, **methods: Any) -> None:
        self._chain, self._methods = chain, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._chain, name)


# Too late


def test_what_can_no_longer_execute_is_cancelled_and_frees_its_nonce(
    world, rpc, make_agent
):
    agent = make_agent()
    late = leaves_it_pending(agent)
    before, nonce = world.balances(), world.chain.mined_nonce(world.mandate.operator)
    # Blocks that no fee buys into: the slot passes, and the transaction still waits.
    held = rpc("eth_getTransactionByHash", late.transaction)
    rpc("anvil_dropTransaction", late.transaction)
    world.scenario.next_slot(world.mandate.cadence)
    rpc("eth_sendRawTransaction", sendings(agent)[0].detail["raw"])
    assert mempool(rpc) == [held["hash"]]
    world.engine.text = world.hold
    assert agent.run_once().outcome == "held"
    cancel = sendings(agent)[-1]
    assert (cancel.detail["kind"], cancel.detail["nonce"]) == ("cancel", nonce)
    assert mempool(rpc) == [cancel.transaction]
    found = world.chain.transaction(digest_from_hex(cancel.transaction, what="hash"))
    assert (found.target, found.value, found.data) == (world.mandate.operator, 0, b"")
    rpc("evm_mine")
    agent.run_once()
    assert world.chain.mined_nonce(world.mandate.operator) == nonce + 1
    assert agent.journal.unsettled(world.mandate.id) == ()
    assert world.balances() == before
    assert world.gate.head_of(world.mandate.id) == world.mandate.id
    fates = {
        e.transaction: e.status for e in agent.journal.entries() if e.step == "confirm"
    }
    assert fates == {late.transaction: "lost", cancel.transaction: "freed"}
    records = [e for e in agent.journal.entries() if e.step == "record"]
    assert records[-1].status != "done" and late.slot not in {
        e.slot for e in records if e.status == "done"
    }
    # Life goes on, with the next nonce.
    rpc("evm_setAutomine", True)
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.swap
    assert patient(agent).run_once().outcome == "executed"


@pytest.mark.parametrize("dies_at", ["confirm/freed", "confirm/lost"])
def test_a_crash_after_a_cancellation_does_not_call_it_executed(
    world, rpc, make_agent, dies_at
):
    """The last row tells that the nonce was used; by whom decides how the run ended."""
    agent = make_agent()
    late = leaves_it_pending(agent)
    rpc("anvil_dropTransaction", late.transaction)
    world.scenario.next_slot(world.mandate.cadence)
    rpc("eth_sendRawTransaction", sendings(agent)[0].detail["raw"])
    world.engine.text = world.hold
    agent.run_once()
    rpc("evm_mine")
    append = agent.journal.append

    def dies(entry: Any) -> None:
        append(entry)
        if f"{entry.step}/{entry.status}" == dies_at:
            raise KeyboardInterrupt

    agent.journal.append = dies
    with pytest.raises(KeyboardInterrupt):
        agent.run_once()
    again = make_agent()
    again.run_once()
    statuses = [e.status for e in again.journal.entries(run=late.run, step="record")]
    assert "done" not in statuses, statuses
    assert world.gate.head_of(world.mandate.id) == world.mandate.id
    assert disagreements(world, again.journal) == []


def test_a_late_execution_that_is_mined_all_the_same_is_refused_and_explained(
    world, rpc, make_agent
):
    agent = make_agent()
    late = leaves_it_pending(agent)
    rpc("anvil_dropTransaction", late.transaction)
    world.scenario.next_slot(world.mandate.cadence)
    rpc("eth_sendRawTransaction", sendings(agent)[0].detail["raw"])
    rpc("evm_mine")
    world.engine.text = world.hold
    before = world.balances()
    agent.run_once()
    record = [e for e in agent.journal.entries() if e.step == "record"][1]
    assert (record.status, record.transaction) == ("refused", late.transaction)
    assert "SlotNotNewest" in record.detail["why"]
    assert world.balances() == before
    assert world.gate.head_of(world.mandate.id) == world.mandate.id


# Dropped


def test_a_dropped_transaction_is_sent_again_the_same_bytes(world, rpc, make_agent):
    agent = make_agent()
    first = leaves_it_pending(agent)
    rpc("anvil_dropTransaction", first.transaction)
    agent._clock.now += 5
    agent.run_once()
    assert mempool(rpc) == [], "an endpoint may only be late"
    agent._clock.now += 6
    agent.run_once()
    assert mempool(rpc) == [first.transaction]
    assert len(sendings(agent)) == 1, "nothing new was signed"
    again = [e for e in agent.journal.entries() if e.step == "submit"][-1]
    assert (again.detail["kind"], again.transaction) == ("again", first.transaction)
    rpc("evm_mine")
    agent.run_once()
    assert world.gate.head_of(world.mandate.id) == first.digest


def test_an_endpoint_that_says_taken_and_drops_costs_time_and_no_money(
    world, rpc, make_agent
):
    """A lying RPC: it takes every transaction and passes none on."""
    agent = make_agent()
    chain = agent._submitter._outbox._chain
    digests = []

    def swallow(raw: bytes) -> Any:
        digests.append(keccak256(raw))
        return type("Taken", (), {"taken_by": ("liar",), "digest": digests[-1]})

    agent._submitter._outbox._chain = _With(chain, broadcast=swallow)
    nonce, before = world.nonce(), world.balances()
    leaves_it_pending(agent)
    for _ in range(5):
        agent._clock.now += 60
        assert agent.run_once().outcome == "skipped"
    assert len(set(digests)) == 1, "the same bytes each time"
    assert (world.nonce(), world.balances()) == (nonce, before)
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.hold
    agent.run_once()
    assert ("confirm", "lost") in steps(agent)
    agent._submitter._outbox._chain = chain
    rpc("evm_setAutomine", True)
    world.scenario.next_slot(world.mandate.cadence)
    world.engine.text = world.swap
    assert patient(agent).run_once().outcome == "executed"


# Nonces


def test_a_gap_after_a_crash_is_filled(world, rpc, make_agent):
    """The first decision never left; the second waits behind its nonce."""
    agent = make_agent()
    chain = agent._submitter._outbox._chain

    def crash(raw: bytes) -> Any:
        raise KeyboardInterrupt

    agent._submitter._outbox._chain = _With(chain, broadcast=crash)
    with pytest.raises(KeyboardInterrupt):
        agent.run_once()
    agent._submitter._outbox._chain = chain
    (lost,) = sendings(agent)
    nonce = lost.detail["nonce"]
    # Another one, signed while the first still counted as on its way.
    behind = chain.sign(
        world.operator,
        call=CallRequest(Address(world.operator.address), b""),
        nonce=nonce + 1,
        gas=21_000,
        fees=chain.fees(),
    )
    rpc("eth_sendRawTransaction", "0x" + behind.hex())
    agent.journal.append(
        type(lost)(
            **{
                **lost.__dict__,
                "run": "later",
                "transaction": "0x" + keccak256(behind).hex(),
                "digest": keccak256(b"later"),
                "detail": {
                    **lost.detail,
                    "nonce": nonce + 1,
                    "raw": "0x" + behind.hex(),
                },
            }
        )
    )
    world.scenario.next_slot(world.mandate.cadence)
    again = make_agent()
    world.engine.text = world.hold
    again.run_once()
    filler = [e for e in sendings(again) if e.detail["kind"] == "cancel"]
    assert nonce in [e.detail["nonce"] for e in filler]
    rpc("evm_mine")
    assert world.chain.mined_nonce(world.mandate.operator) == nonce + 2


def test_the_next_nonce_follows_what_an_endpoint_forgot(world, rpc, make_agent):
    agent = make_agent()
    first = leaves_it_pending(agent)
    rpc("anvil_dropTransaction", first.transaction)
    used = sendings(agent)[0].detail["nonce"]
    call = world.gate.execute_call(
        Submission.of(first.bundle), sender=world.mandate.operator
    )
    sent = agent._submitter.send(
        Outgoing(
            run="next",
            slot=first.slot + 1,
            digest=keccak256(b"another decision"),
            call=call,
            gas=100_000,
            previous=world.mandate.id,
            valid_until=2**40,
        )
    )
    assert sent.entry.detail["nonce"] == used + 1


def test_two_decisions_of_one_slot_are_never_sent(world, rpc, make_agent):
    agent = make_agent()
    first = leaves_it_pending(agent)
    call = world.gate.execute_call(
        Submission.of(first.bundle), sender=world.mandate.operator
    )
    with pytest.raises(SlotSentError) as caught:
        agent._submitter.send(
            Outgoing(
                run="again",
                slot=first.slot,
                digest=keccak256(b"another node's decision"),
                call=call,
                gas=1,
                previous=world.mandate.id,
                valid_until=2**40,
            )
        )
    assert caught.value.digest == first.digest
    assert mempool(rpc) == [first.transaction]


def test_a_nonce_that_somebody_else_used_is_gone(world, rpc, make_agent):
    agent = make_agent()
    first = leaves_it_pending(agent)
    rpc("anvil_dropTransaction", first.transaction)
    rival = world.chain.sign(
        world.operator,
        call=CallRequest(Address(world.operator.address), b""),
        nonce=sendings(agent)[0].detail["nonce"],
        gas=21_000,
        fees=world.chain.fees(),
    )
    rpc("eth_sendRawTransaction", "0x" + rival.hex())
    rpc("evm_mine")
    agent._clock.now += 11
    agent._submitter.settle()
    fate = [e for e in agent.journal.entries() if e.step == "confirm"][-1]
    assert fate.status == "lost"
    assert "nonce" in fate.detail["why"]


# Fees


def test_in_a_fee_spike_nothing_is_signed(world, rpc, make_agent):
    nonce = world.nonce()
    rpc("anvil_setNextBlockBaseFeePerGas", hex(3000 * GWEI))
    world.scenario.next_slot(world.mandate.cadence)
    agent = make_agent()
    rpc("anvil_setNextBlockBaseFeePerGas", hex(3000 * GWEI))
    rpc("evm_mine")
    result = agent.run_once()
    assert type(result.error).__name__ == "FeeTooHighError", result.error
    assert (result.outcome, result.failed_step) == ("refused", "submit")
    assert sendings(agent) == []
    assert world.nonce() == nonce


def test_a_signature_above_the_limit_is_refused_whoever_asks(world):
    with pytest.raises(Exception, match="max fee"):
        world.chain.sign(
            world.operator,
            call=CallRequest(Address(world.operator.address), b""),
            nonce=0,
            gas=21_000,
            fees=Fees(max_fee=10**15, priority_fee=1),
        )


# The journal in somebody else's hands


def edited(folder: Path, change: Any) -> None:
    """Edit the journal's `sending` row, as somebody who owns the disk can."""
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        connection.execute("DROP TRIGGER entries_no_update")
        (row, text) = connection.execute(
            "SELECT id, detail FROM entries WHERE status = 'sending'"
        ).fetchone()
        detail = json.loads(text)
        detail.update(change(detail))
        connection.execute(
            "UPDATE entries SET detail = ? WHERE id = ?", (json.dumps(detail), row)
        )


def test_an_edited_journal_has_no_other_call_signed(world, rpc, make_agent, tmp_path):
    agent = make_agent()
    first = leaves_it_pending(agent)
    thief = Account.create()
    stolen = thief.sign_transaction(
        {
            "type": 2,
            "chainId": world.book.chain_id,
            "nonce": 0,
            "to": thief.address,
            "value": 10**18,
            "gas": 21_000,
            "maxFeePerGas": GWEI,
            "maxPriorityFeePerGas": 1,
        }
    ).raw_transaction
    edited(tmp_path, lambda detail: {"raw": "0x" + bytes(stolen).hex()})
    agent._clock.now += 46
    result = agent.run_once()
    assert type(result.error).__name__ == "MalformedError"
    assert "signer" in str(result.error)
    assert mempool(rpc) == [first.transaction]


# Depth and reorganisations


def test_nothing_counts_as_executed_before_it_is_deep_enough(world, rpc, make_agent):
    agent = make_agent(sending=SendingPolicy(confirmations=3))
    rpc("evm_setAutomine", True)
    first = leaves_it_pending(agent)
    assert world.gate.head_of(world.mandate.id) == first.digest, "mined, not deep"
    for _ in range(2):
        assert agent.run_once().outcome == "skipped"
        assert not agent.journal.finished(mandate=world.mandate.id, slot=first.slot)
        rpc("evm_mine")
    assert agent.run_once().outcome == "skipped"
    assert agent.journal.finished(mandate=world.mandate.id, slot=first.slot)


def test_simulated_changes_are_what_the_gate_measures_and_emits(world, rpc, make_agent):
    rpc("evm_setAutomine", True)
    agent = patient(make_agent())
    result = agent.run_once()
    assert result.outcome == "executed"
    simulated = next(e for e in agent.journal.entries() if e.step == "simulate")
    told = [int(change) for change in simulated.detail["changes"]]
    assert tuple(told) == result.executed.changes
    assert any(change < 0 for change in told) and any(change > 0 for change in told)
    for change, bound in zip(told, result.bundle.bounds, strict=True):
        assert change >= bound
    assert simulated.detail["endpoint"] == world.chain.endpoint


def test_a_simulation_that_lies_about_success_is_refused(world, rpc, make_agent):
    """Balances after are as before, which the sworn bounds do not allow."""
    from affiant.onchain.chain_types import SimulatedCall

    rpc("evm_setAutomine", True)
    chain, nonce = world.chain, world.nonce()
    truth = chain.steadily

    def lie(work: Any) -> Any:
        def lying(one: Any) -> Any:
            real = one.simulate

            def simulate(calls: Any, **options: Any) -> Any:
                outcomes = list(real(calls, **options))
                half = len(outcomes) // 2
                after = [
                    SimulatedCall(True, bytes(32), 1, "") for _ in outcomes[half + 1 :]
                ]
                return tuple([*outcomes[: half + 1], *after])

            return work(_With(one, simulate=simulate))

        return truth(lying)

    agent = make_agent(chain=_With(chain, steadily=lie))
    result = agent.run_once()
    assert type(result.error).__name__ == "SimulatedBoundsError", result.error
    assert result.failed_step == "simulate"
    assert world.nonce() == nonce


def test_a_transaction_that_nobody_takes_is_lost_and_said_so(world, rpc, make_agent):
    agent = make_agent()
    chain = agent._submitter._outbox._chain

    def refuse(raw: bytes) -> Any:
        raise TransactionRefusedError("test", code=-32000, message="no funds")

    agent._submitter._outbox._chain = _With(chain, broadcast=refuse)
    result = agent.run_once()
    assert (result.outcome, result.failed_step) == ("refused", "submit")
    assert agent.journal.unsettled(world.mandate.id) == ()


# Last: a reorganisation cannot be undone.


def test_a_reorganisation_that_removes_an_execution_is_noticed(world, rpc, make_agent):
    rpc("evm_setAutomine", True)
    agent = patient(make_agent())
    world.scenario.next_slot(world.mandate.cadence)
    first = agent.run_once()
    assert first.outcome == "executed"
    assert world.gate.head_of(world.mandate.id) == first.digest
    world.scenario.reorg(1)
    assert world.gate.head_of(world.mandate.id) == world.mandate.id
    agent.run_once()
    lost = [e for e in agent.journal.entries() if e.step == "record"][1]
    assert lost.status == "lost"
    assert "reorganisation" in lost.detail["why"]
    assert not agent.journal.finished(mandate=world.mandate.id, slot=first.slot)
    # Its slot is still the newest and its anchor stands: the same bytes go again.
    agent._clock.now += 11
    agent.run_once()
    assert world.gate.head_of(world.mandate.id) == first.digest
    agent.run_once()
    assert agent.journal.finished(mandate=world.mandate.id, slot=first.slot)
    assert len({e.transaction for e in sendings(agent)}) == 1


def test_after_a_reorganisation_the_next_decision_follows_the_chains_head(
    world, rpc, make_agent
):
    rpc("evm_setAutomine", True)
    agent = patient(make_agent())
    world.scenario.next_slot(world.mandate.cadence)
    before = world.gate.head_of(world.mandate.id)
    first = agent.run_once()
    assert first.outcome == "executed", first.error
    world.scenario.reorg(1)
    world.scenario.next_slot(world.mandate.cadence)
    second = agent.run_once()
    assert second.outcome == "executed", second.error
    assert second.bundle.decision.previous == before
    assert second.bundle.decision.anchor_hash != first.bundle.decision.anchor_hash
    fates = [(e.step, e.status) for e in agent.journal.entries(run=first.run)]
    assert fates[-1] == ("record", "lost")
