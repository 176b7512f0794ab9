"""A node's key: attested at start, renewed in time, changed without a gap."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from affiant.agents.deciding.attested import KeyAttestation, claim_of
from affiant.agents.errors import KeyNotAttestedError
from affiant.agents.nodes.key_keeper import Kept, KeyKeeper
from affiant.errors import AffiantError, RejectedError
from affiant.inference.attestation.collateral_sources import DevCollateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevStatement, Level
from affiant.inference.attestation.errors import QuoteUnavailableError
from affiant.inference.attestation.quoting import DevQuotes
from affiant.inference.keys import NodeKey
from affiant.onchain.attestation.claim import AttestationClaim
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS

pytestmark = pytest.mark.anvil

HOUR, DAY = 3_600, 86_400


class User:
    """Swears with the key that it was last told."""

    def __init__(self) -> None:
        self.keys: list[NodeKey] = []

    def use_key(self, key: NodeKey, attestation: KeyAttestation) -> None:
        self.keys.append(key)


class Desk:
    """A keeper, its user, and what was announced."""

    def __init__(self, world: Any, **changes: Any) -> None:
        self.world = world
        self.announced: list[tuple[str, int]] = []
        self.said: list[str] = []
        self.refuses: Exception | None = None
        self.keeper = KeyKeeper(
            world.attester(**changes),
            announce=self.announce,
            rotate_seconds=3 * DAY,
            say=self.said.append,
        )
        self.user = User()

    def announce(self, key: NodeKey, valid_until: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.announced.append((key.address, valid_until))

    def begin(self) -> NodeKey:
        key = self.keeper.first_key()
        self.user.keys.append(key)
        self.keeper.keep(self.user)
        return key

    def holds(self, key: NodeKey) -> bool:
        said = self.world.client.attestation_of(key.address, self.world.workload.id)
        return bool(said.holds(self.world.now))


def test_ten_days_of_looks_leave_no_gap(attestation_world: Any) -> None:
    desk = Desk(attestation_world)
    first = desk.begin()
    start = attestation_world.now
    kept = []
    for hour in range(1, 10 * 24):
        attestation_world.warp(start + hour * HOUR)
        assert desk.holds(desk.user.keys[-1]), f"hour {hour}"
        before = desk.user.keys[-1]
        kept.append(desk.keeper.look())
        if kept[-1] is Kept.ROTATED:
            assert desk.user.keys[-1] is not before
            assert desk.holds(before), "decisions that wait still count"
    assert kept.count(Kept.ROTATED) == 3
    assert len(desk.user.keys) == 4 and desk.user.keys[0] is first
    # A day's binding is renewed after sixteen hours: not at every look.
    assert 9 <= kept.count(Kept.RENEWED) <= 15
    assert len(desk.announced) == 1 + 3 + kept.count(Kept.RENEWED)
    assert {address for address, _ in desk.announced} == {
        key.address for key in desk.user.keys
    }


def test_a_node_does_not_start_unattested(attestation_world: Any) -> None:
    outdated = DevCollateral(
        attestation_world.root,
        clock=lambda: attestation_world.now,
        statement=DevStatement(levels=(Level("OutOfDate"),)),
    )
    with pytest.raises(RejectedError):
        Desk(attestation_world, collateral=outdated).keeper.first_key()


class Failing:
    """Quotes that are not always to be had."""

    name = "failing"

    def __init__(self, world: Any) -> None:
        self.real = DevQuotes(world.root)
        self.fails = False

    def quote(self, report_data: bytes) -> bytes:
        if self.fails:
            raise QuoteUnavailableError("failing", reason="off", remedy="on")
        return self.real.quote(report_data)


def test_a_failed_look_keeps_the_key_and_is_tried_again(attestation_world: Any) -> None:
    provider = Failing(attestation_world)
    desk = Desk(attestation_world, provider=provider)
    key = desk.begin()
    attestation_world.warp(attestation_world.now + 20 * HOUR)
    provider.fails = True
    with pytest.raises(QuoteUnavailableError):
        desk.keeper.look()
    assert desk.user.keys == [key] and desk.holds(key)
    provider.fails = False
    assert desk.keeper.look() is Kept.RENEWED


def test_a_new_key_is_used_only_when_it_is_announced(attestation_world: Any) -> None:
    desk = Desk(attestation_world)
    key = desk.begin()
    attestation_world.warp(attestation_world.now + 3 * DAY)
    desk.refuses = QuoteUnavailableError("registry", reason="off", remedy="on")
    for _ in range(2):
        with pytest.raises(AffiantError):
            desk.keeper.look()
        assert desk.user.keys == [key]
    desk.refuses = None
    assert desk.keeper.look() is Kept.ROTATED
    assert len(desk.user.keys) == 2 and desk.holds(desk.user.keys[-1])
    attested = {
        log.topics[1]
        for log in attestation_world.chain.logs(
            attestation_world.client.address,
            topics=[],
            from_block=0,
            to_block=attestation_world.chain.block_number(),
        )
    }
    assert len(attested) == 2, "a key that failed half-way is tried again"


def test_ending_collateral_is_not_paid_for_again_and_again(
    attestation_world: Any,
) -> None:
    issued = attestation_world.now
    still = DevCollateral(attestation_world.root, clock=lambda: issued)
    attestation_world.warp(issued + 30 * DAY - 2 * HOUR)
    desk = Desk(attestation_world, collateral=still)
    desk.begin()
    kept = []
    for minute in range(1, 120):
        attestation_world.warp(issued + 30 * DAY - 2 * HOUR + 30 + 60 * minute)
        try:
            kept.append(desk.keeper.look())
        except RejectedError:
            break
    assert kept.count(Kept.RENEWED) <= 6


def test_it_looks_in_a_thread_until_it_is_stopped(attestation_world: Any) -> None:
    provider = Failing(attestation_world)
    desk = Desk(attestation_world, provider=provider)
    desk.begin()
    attestation_world.warp(attestation_world.now + 20 * HOUR)
    provider.fails = True
    desk.keeper.start(seconds=0.01)
    while not any("not attested anew" in line for line in desk.said):
        assert desk.keeper._thread is not None and desk.keeper._thread.is_alive()
    provider.fails = False
    while not any("renewed" in line for line in desk.said):
        assert desk.keeper._thread.is_alive()
    desk.keeper.stop()
    assert not desk.keeper._thread.is_alive()


# What evidence may claim.


def test_claims_what_the_contract_says_now(attestation_world: Any) -> None:
    world = attestation_world
    desk = Desk(world)
    key = desk.begin()
    latest = world.chain.latest_block()
    claim = claim_of(key.address, by=desk.keeper.attestation, latest=latest)
    assert claim == AttestationClaim(0, world.client.address, world.workload.id)
    assert claim_of(key.address, by=None, latest=latest) == AttestationClaim(0)
    assert AttestationClaim.from_json(claim.to_json()) == claim


def test_swears_nothing_unless_it_is_attested_now(attestation_world: Any) -> None:
    world = attestation_world
    desk = Desk(world)
    key = desk.begin()
    by = desk.keeper.attestation

    def why(who: NodeKey) -> str:
        with pytest.raises(KeyNotAttestedError) as caught:
            claim_of(who.address, by=by, latest=world.chain.latest_block())
        return caught.value.reason

    assert why(NodeKey.generate()) == "it was never registered"
    over = world.now + DAY
    world.warp(over + 5)
    assert "ended at" in why(key)
    desk.keeper.look()
    claim_of(key.address, by=by, latest=world.chain.latest_block())
    guard = Account.from_key(DEV_ACCOUNTS[1].key)
    world.client.refuse_hardware(world.workload, Machine().ppid, guard=guard)
    assert "its machine was revoked" in why(key)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"tier": "0"},
        {"tier": True},
        {"tier": 2, "contract": "0x" + "00" * 20},
        {"tier": 2, "contract": "0x12", "workload": "0x" + "00" * 32},
        {"tier": 2, "contract": "0x" + "00" * 20, "workload": "0x00"},
        {
            "tier": 2,
            "contract": "0x" + "00" * 20,
            "workload": "0x" + "00" * 32,
            "more": 1,
        },
    ],
)
def test_rejects_claims_of_another_form(content: Any) -> None:
    with pytest.raises(RejectedError):
        AttestationClaim.from_json(content)
