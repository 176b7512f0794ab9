"""What a chain recorded: gathered as of a block, from logs alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.attestation.collateral_sources import DevCollateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.keys import NodeKey
from affiant.onchain.attestation import events
from affiant.onchain.attestation.client import Attested
from affiant.onchain.attestation.record import RecordMissingError, read_record
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS

pytestmark = pytest.mark.anvil

DAY = 86_400


def read(world: Any, key: NodeKey, /, **changes: Any) -> Any:
    asked = {
        "key": key.address,
        "workload": world.workload.id,
        "block": world.chain.latest_block(),
        **changes,
    }
    return read_record(world.chain, world.client.address, **asked)


def test_everything_that_was_verified_can_be_had_again(attestation_world: Any) -> None:
    world = attestation_world
    key = NodeKey.generate()
    issued = world.now
    collateral = DevCollateral(world.root, clock=lambda: issued)
    attester = world.attester(collateral=collateral)
    prepared = attester.prepare(key)
    said = attester.submit(prepared)
    record = read(world, key)
    registered = record.registration
    assert registered.binding == prepared.binding
    assert registered.signature == prepared.signature
    assert registered.workload == world.workload
    assert registered.status == "UpToDate"
    assert (registered.valid_from, registered.valid_until) == (
        said.valid_from,
        said.valid_until,
    )
    assert record.quote == prepared.quote
    assert record.collateral == world.root.collateral(now=issued)
    assert record.root_key_hash == world.root.pki.root_key_hash
    assert record.answer == said
    assert record.refused_ppids == () and record.endorsements == ()


def test_it_is_as_of_a_block(attestation_world: Any) -> None:
    world = attestation_world
    key = NodeKey.generate()
    first = world.now
    world.attester(collateral=DevCollateral(world.root, clock=lambda: first)).attest(
        key
    )
    then = world.chain.latest_block()
    before = read(world, key, block=then)
    world.warp(then.timestamp + 28 * DAY)
    world.attester().attest(key)
    guard = Account.from_key(DEV_ACCOUNTS[1].key)
    world.client.refuse_hardware(world.workload, Machine().ppid, guard=guard)
    assert read(world, key, block=then) == before
    after = read(world, key)
    assert after.collateral != before.collateral
    assert after.registration.binding != before.registration.binding
    assert after.refused_ppids == (Machine().ppid,)
    assert after.answer.revoked_at and not before.answer.revoked_at


def test_rejects_keys_and_workloads_that_were_never_registered(
    attestation_world: Any,
) -> None:
    world = attestation_world
    key = NodeKey.generate()
    world.attester().attest(key)
    for changes in (
        {"key": NodeKey.generate().address},
        {"workload": keccak256(b"another")},
        {"block": world.chain.block_by_number(1)},
    ):
        with pytest.raises(RecordMissingError) as caught:
            read(world, key, **changes)
        assert caught.value.what == "registration"


def test_rejects_logs_that_are_another_event(attestation_world: Any) -> None:
    world = attestation_world
    world.attester().attest(NodeKey.generate())
    (log,) = world.chain.logs(
        world.client.address,
        topics=[events.NODE_ATTESTED],
        from_block=0,
        to_block=world.chain.block_number(),
    )
    read_as = events.NodeAttested.of
    assert read_as(log).workload == world.workload
    for changed in (
        replace(log, topics=(keccak256(b"other"), *log.topics[1:])),
        replace(log, topics=log.topics[:3]),
        replace(log, topics=(*log.topics[:2], keccak256(b"x"), log.topics[3])),
        replace(log, topics=(log.topics[0], keccak256(b"x"), *log.topics[2:])),
        replace(log, data=log.data + bytes(32)),
        replace(log, data=log.data[:-32]),
        replace(log, data=(99).to_bytes(32, "big") + log.data[32:]),
    ):
        with pytest.raises(MalformedError):
            read_as(changed)


def test_answers_hold_within_their_time() -> None:
    said = Attested(tier=2, valid_from=10, valid_until=20)
    assert [now for now in range(5, 25) if said.holds(now)] == list(range(10, 20))
    assert not replace(said, revoked_at=15).holds(12)
    assert not Attested(tier=0, valid_from=0, valid_until=20).holds(10)
