"""Do journal and chain agree? Asked after everything that kills an agent."""

from __future__ import annotations

from collections import Counter
from typing import Any

from affiant.agents.durable.journal import Journal
from affiant.encoding import to_hex
from affiant.onchain.gate_events import EXECUTED_TOPIC, DecisionExecuted


def executed_on_chain(world: Any) -> list[DecisionExecuted]:
    """Return every execution of the world's mandate that is on the chain now."""
    logs = world.chain.logs(
        world.book.gate,
        topics=[EXECUTED_TOPIC, world.mandate.id],
        from_block=0,
        to_block=world.chain.block_number(),
    )
    return [DecisionExecuted.of(log) for log in logs]


def disagreements(world: Any, journal: Journal) -> list[str]:
    """Return everything in which journal and chain differ, as sentences.

    1. no decision executed twice, nor two in a slot; 2. what was executed is what the
    journal calls done, and the other way round; what waits in the gate's queue is what
    the journal calls queued; 3. every run has one end; 4. nothing is on its way.
    """
    found: list[str] = []
    events = executed_on_chain(world)
    # 1.
    for digest, count in Counter(event.digest for event in events).items():
        if count > 1:
            found.append(f"{to_hex(digest)} was executed {count} times")
    for slot, count in Counter(event.slot for event in events).items():
        if count > 1:
            found.append(f"slot {slot} has {count} executions")
    # 2.
    entries = journal.entries(mandate=world.mandate.id)
    records = [entry for entry in entries if entry.step == "record"]
    last = {entry.run: entry for entry in records}
    done = {entry.digest for entry in last.values() if entry.status == "done"}
    on_chain = {event.digest for event in events}
    for digest in on_chain - done:
        found.append(f"{to_hex(digest)} is on the chain, and the journal lost it")
    for digest in done - on_chain:
        found.append(f"{to_hex(digest or b'')} is done, and not on the chain")
    state = world.gate.state_of(world.mandate.id)
    waits = {state.head} if state.queued_at else set()
    if state.queued_at and state.block.timestamp > state.queued_until:
        waits = set()
    queued = {entry.digest for entry in last.values() if entry.status == "queued"}
    for digest in waits - queued:
        found.append(f"{to_hex(digest)} waits in the queue, and the journal lost it")
    for digest in queued - waits:
        found.append(f"{to_hex(digest or b'')} is queued, and not in the gate's queue")
    # 3.
    for run in {entry.run for entry in entries} - last.keys():
        found.append(f"run {run} has no end")
    # 4.
    for entry in journal.unsettled(world.mandate.id):
        found.append(f"{entry.transaction} is still on its way")
    return found
