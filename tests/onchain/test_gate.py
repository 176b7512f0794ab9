"""The gate, registries and account on a bare chain with our real contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey

from affiant.encoding import ZERO_DIGEST, Digest, keccak256, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.receipt import InferenceReceipt, receipts_hash
from affiant.onchain import contract_errors as refused
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.account import AccountClient
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.decision import Call, Decision, bounds_hash, calls_hash
from affiant.onchain.deploy import (
    AffiantAddresses,
    deploy_account,
    deploy_affiant,
    deploy_contract,
)
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.events import (
    HistoryBrokenError,
    mandate_history,
)
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    Workload,
)
from affiant.onchain.registry import (
    ModelRegistryClient,
    NodeRecord,
    NodeRegistryClient,
    service_of,
)
from affiant.onchain.sending import send

pytestmark = pytest.mark.anvil

DEPLOYER, OWNER, OPERATOR, STRANGER, GUARDIAN = (
    Account.from_key(account.key) for account in DEV_ACCOUNTS[:5]
)
CADENCE = 32
UNIT = 10**18
TRANSFER = "transfer(address,uint256)"
TAKE = "take(address,uint256)"
FAR = 4_000_000_000
OTHER = keccak256(b"another")


class TestKey:
    """A node key that signs like the gate wants it."""

    __test__ = False

    def __init__(self, name: str) -> None:
        self._key = PrivateKey(keccak256(name.encode()))
        self.address = Address(self._key.public_key.to_checksum_address())

    def sign(self, digest: Digest) -> bytes:
        raw = self._key.sign_msg_hash(digest).to_bytes()
        return raw[:64] + bytes([raw[64] + 27])


NODE, OTHER_NODE, REVOKED_NODE, SILENT_NODE = map(
    TestKey, ("node", "other node", "revoked node", "silent node")
)


@dataclass
class World:
    """A chain with the contracts, an account with money, and a live mandate."""

    anvil: Anvil
    chain: Chain
    addresses: AffiantAddresses
    gate: GateClient
    registry: NodeRegistryClient
    account: AccountClient
    token: Address
    feed: Address
    siphon: Address
    mandate: Mandate

    def mine(self, blocks: int = 1) -> None:
        self.anvil.rpc.request("anvil_mine", hex(blocks))

    def next_slot(self) -> int:
        """Go to the second block of the next slot and return the slot."""
        number = self.chain.block_number()
        slot = number // CADENCE + 1
        self.mine(slot * CADENCE + 1 - number)
        return slot

    def balance(self) -> int:
        data = encode_call("balanceOf(address)", [self.account.address])
        values: Any = decode_exactly(
            ["uint256"], self.chain.call(self.token, data), what="balance"
        )
        return int(values[0])

    def pay(self, amount: int) -> Call:
        """The call that pays `amount` of the token to the operator."""
        data = encode_call(TRANSFER, [OPERATOR.address, amount])
        return Call(self.token, 0, data, NATIVE, 0)

    def submission(
        self,
        *,
        calls: tuple[Call, ...] | None = None,
        bounds: tuple[int, ...] = (-UNIT,),
        key: TestKey = NODE,
        mandate: Mandate | None = None,
        change: Callable[[Decision], Decision] = lambda decision: decision,
    ) -> Submission:
        """A decision for the newest slot, really signed."""
        mandate = self.mandate if mandate is None else mandate
        calls = (self.pay(UNIT),) if calls is None else calls
        receipts = (
            InferenceReceipt(
                mandate.model,
                mandate.engine,
                *(keccak256(name.encode()) for name in ("r", "p", "o", "t")),
            ),
        )
        block = self.chain.latest_block()
        slot = (block.number + 1) // CADENCE
        decision = change(
            Decision(
                mandate=mandate.id,
                program=mandate.program,
                slot=slot,
                anchor_hash=self.chain.block_by_number(slot * CADENCE).hash,
                previous=self.gate.head_of(mandate.id),
                observation=keccak256(b"observation"),
                receipts=receipts_hash(receipts),
                calls=calls_hash(calls),
                bounds=bounds_hash(bounds),
                evidence=keccak256(b"evidence"),
                valid_until=FAR,
            )
        )
        digest = decision.digest(chain_id=self.chain.chain_id, gate=self.gate.address)
        return Submission(
            mandate=mandate,
            decision=decision,
            calls=calls,
            bounds=bounds,
            node=key.address,
            signature=key.sign(digest),
        )


def make_mandate(world_of: dict[str, Address], **changes: Any) -> Mandate:
    mandate = Mandate(
        account=world_of["account"],
        operator=Address(OPERATOR.address),
        guardian=Address(GUARDIAN.address),
        program=keccak256(b"program"),
        model=keccak256(b"model"),
        engine=keccak256(b"engine"),
        cadence=CADENCE,
        expiry=FAR,
        max_loss=10 * 10**8,
        record_holds=False,
        quorum=0,
        salt=ZERO_DIGEST,
        nodes=tuple(
            NodePermit(key.address, 0) for key in (NODE, REVOKED_NODE, SILENT_NODE)
        ),
        workloads=(),
        endorsers=(),
        ladder=(Rung(1_000 * 10**8, 0, 0, 0),),
        allow_list=(
            Permission(world_of["token"], encode_call(TRANSFER, [NATIVE, 0])[:4]),
            Permission(world_of["siphon"], encode_call(TAKE, [NATIVE, 0])[:4]),
        ),
        feeds=(Feed(world_of["feed"], 8, 10**9),),
        tracked=(Tracked(world_of["token"], 0, 18, False),),
        rules=(),
    )
    return replace(mandate, **changes)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=["--chain-id", "31337", "--hardfork", "prague"],
    )
    try:
        with closing(Chain.connect(anvil.url, expected_chain_id=31337)) as chain:
            yield build_world(anvil, chain)
    finally:
        anvil.stop()


def build_world(anvil: Anvil, chain: Chain) -> World:
    addresses = deploy_affiant(chain, DEPLOYER)
    account = deploy_account(
        chain, DEPLOYER, owner=Address(OWNER.address), gate=addresses.gate
    )
    token = deploy_contract(
        chain,
        DEPLOYER,
        name="StickyToken",
        types=["uint256"],
        arguments=[10**24],
    )
    feed = deploy_contract(
        chain,
        DEPLOYER,
        name="SettableFeed",
        types=["uint8", "string", "int256"],
        arguments=[8, "STICKY / USD", 2 * 10**8],
    )
    siphon = deploy_contract(chain, DEPLOYER, name="Siphon")
    funding = encode_call(TRANSFER, [account.address, 10_000 * UNIT])
    send(chain, CallRequest(token, funding), signer=DEPLOYER)
    places = {
        "account": account.address,
        "token": token,
        "feed": feed,
        "siphon": siphon,
    }
    mandate = make_mandate(places)
    gate = GateClient(chain, addresses.gate)
    account.execute(gate.grant_call(mandate), owner=OWNER)
    registry = NodeRegistryClient(chain, addresses.node_registry)
    for key in (NODE, OTHER_NODE, REVOKED_NODE):
        registry.announce_for(
            key,
            payer=DEPLOYER,
            model=mandate.model,
            engine=mandate.engine,
            valid_until=FAR,
        )
    registry.revoke_for(REVOKED_NODE, payer=STRANGER)
    return World(
        anvil, chain, addresses, gate, registry, account, token, feed, siphon, mandate
    )


def test_executes_a_signed_decision_and_indexes_it(world: World) -> None:
    world.next_slot()
    head = world.gate.head_of(world.mandate.id)
    submission = world.submission()
    digest = submission.decision.digest(chain_id=31337, gate=world.gate.address)
    assert world.gate.digest_of(submission.decision) == digest

    simulated = world.gate.simulate(submission, sender=Address(OPERATOR.address))
    assert simulated.digest == digest
    before = world.balance()
    receipt = world.gate.execute(submission, operator=OPERATOR)
    event = world.gate.executed_in(receipt, digest=digest)

    assert before - world.balance() == UNIT
    assert receipt.gas_used <= simulated.gas_used * 1.05
    assert (event.mandate, event.node, event.previous) == (
        world.mandate.id,
        NODE.address,
        head,
    )
    assert event.slot == submission.decision.slot
    assert event.changes == (-UNIT,)
    assert event.value_at_risk == 2 * 10**8
    state = world.gate.state_of(world.mandate.id)
    assert state.live and state.known
    assert state.head == digest == world.gate.head_of(world.mandate.id)
    assert state.next_slot == submission.decision.slot + 1
    assert state.account == world.account.address

    history = mandate_history(
        world.chain, gate=world.gate.address, mandate_id=world.mandate.id
    )
    assert history.granted.mandate == world.mandate
    assert history.head == digest
    assert history.executed[-1].event == event
    assert history.executed[-1].submission == submission
    assert history.executed[-1].transaction.hash == receipt.transaction_hash
    with pytest.raises(MalformedError):
        world.gate.executed_in(receipt, digest=keccak256(b"another"))


Change = Callable[[World], Submission]


@dataclass(frozen=True)
class Attack:
    """What is submitted, and the gate's own error for it."""

    id: str
    submission: Change
    error: type[refused.GateError]
    operator: Any = OPERATOR


def swapped_calls(world: World) -> Submission:
    return replace(world.submission(), calls=(world.pay(2 * UNIT),))


def swapped_bounds(world: World) -> Submission:
    return replace(world.submission(), bounds=(-2 * UNIT,))


def swapped_receipts(world: World) -> Submission:
    submission = world.submission()
    decision = replace(submission.decision, receipts=keccak256(b"x"))
    return replace(submission, decision=decision)


def unserved_model(world: World) -> Submission:
    mandate = make_mandate(
        places_of(world), model=keccak256(b"another"), salt=keccak256(b"another")
    )
    if not world.gate.state_of(mandate.id).known:
        world.account.execute(world.gate.grant_call(mandate), owner=OWNER)
        world.next_slot()
    return world.submission(mandate=mandate)


def left_allowance(world: World) -> Submission:
    data = encode_call(TAKE, [world.token, UNIT])
    call = Call(world.siphon, 0, data, world.token, 2 * UNIT)
    return world.submission(calls=(call,), bounds=(-2 * UNIT,))


def failing_call(world: World) -> Submission:
    return world.submission(calls=(world.pay(10**30),), bounds=(-UNIT,))


def unlisted(world: World) -> Submission:
    data = encode_call("takeFrom(address,address,uint256)", [NATIVE, NATIVE, 0])
    return world.submission(calls=(Call(world.siphon, 0, data, NATIVE, 0),))


ATTACKS = [
    Attack(
        "calls swapped after signing", swapped_calls, refused.GateCallsMismatchError
    ),
    Attack("bounds swapped", swapped_bounds, refused.GateBoundsMismatchError),
    Attack("receipts swapped", swapped_receipts, refused.GateNodeNotPermittedError),
    Attack("model not served", unserved_model, refused.GateNodeUnannouncedError),
    Attack(
        "key not permitted",
        lambda w: w.submission(key=OTHER_NODE),
        refused.GateNodeNotPermittedError,
    ),
    Attack(
        "revoked key",
        lambda w: w.submission(key=REVOKED_NODE),
        refused.GateNodeRevokedError,
    ),
    Attack(
        "unannounced key",
        lambda w: w.submission(key=SILENT_NODE),
        refused.GateNodeUnannouncedError,
    ),
    Attack(
        "short signature",
        lambda w: replace(w.submission(), signature=bytes(64)),
        refused.GateSignatureMalformedError,
    ),
    Attack(
        "older slot",
        lambda w: w.submission(change=lambda d: replace(d, slot=d.slot - 1)),
        refused.GateSlotNotNewestError,
    ),
    Attack(
        "wrong anchor",
        lambda w: w.submission(change=lambda d: replace(d, anchor_hash=OTHER)),
        refused.GateAnchorMismatchError,
    ),
    Attack(
        "another head",
        lambda w: w.submission(change=lambda d: replace(d, previous=OTHER)),
        refused.GateHeadMismatchError,
    ),
    Attack(
        "another program",
        lambda w: w.submission(change=lambda d: replace(d, program=OTHER)),
        refused.GateProgramMismatchError,
    ),
    Attack(
        "expired",
        lambda w: w.submission(change=lambda d: replace(d, valid_until=1)),
        refused.GateDecisionExpiredError,
    ),
    Attack(
        "mandate edited",
        lambda w: w.submission(mandate=replace(w.mandate, max_loss=2**100)),
        refused.GateMandateUnknownError,
    ),
    Attack(
        "not the operator", World.submission, refused.GateNotOperatorError, STRANGER
    ),
    Attack("unlisted function", unlisted, refused.GateCallNotAllowedError),
    Attack("allowance left", left_allowance, refused.GateAllowanceLeftError),
    Attack("failing call", failing_call, refused.GateCallFailedError),
    Attack(
        "bound missed",
        lambda w: w.submission(calls=(w.pay(UNIT),), bounds=(-UNIT + 1,)),
        refused.GateBoundMissedError,
    ),
    Attack(
        "undeclared loss",
        lambda w: w.submission(calls=(w.pay(UNIT),), bounds=(0,)),
        refused.GateUndeclaredLossError,
    ),
    Attack(
        "loss too large",
        lambda w: w.submission(calls=(w.pay(6 * UNIT),), bounds=(-6 * UNIT,)),
        refused.GateLossExceededError,
    ),
    Attack(
        "above the rung",
        lambda w: w.submission(calls=(w.pay(600 * UNIT),), bounds=(-600 * UNIT,)),
        refused.GateRungExceededError,
    ),
    Attack(
        "hold not recorded",
        lambda w: w.submission(calls=(), bounds=(0,)),
        refused.GateEmptyDecisionError,
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_attacks_are_refused_by_name_and_change_nothing(
    world: World, attack: Attack
) -> None:
    world.next_slot()
    submission = attack.submission(world)
    before = (world.balance(), world.gate.head_of(world.mandate.id))
    # Before sending: the estimate refuses, nothing is sent.
    with pytest.raises(attack.error) as caught:
        world.gate.execute(submission, operator=attack.operator)
    assert type(caught.value) is attack.error
    with pytest.raises(attack.error):
        world.gate.simulate(submission, sender=Address(attack.operator.address))
    # And sent all the same: mined, reverted, and explained.
    with pytest.raises(attack.error):
        world.gate.execute(submission, operator=attack.operator, gas=3_000_000)
    assert before == (world.balance(), world.gate.head_of(world.mandate.id))


def test_refusals_carry_what_was_got_and_expected(world: World) -> None:
    slot = world.next_slot()
    with pytest.raises(refused.GateSlotNotNewestError) as caught:
        world.gate.execute(
            world.submission(change=lambda d: replace(d, slot=7)), operator=OPERATOR
        )
    assert (caught.value.slot, caught.value.newest) == (7, slot)
    assert "Only the newest slot may act" in str(caught.value)
    with pytest.raises(refused.GateCallFailedError) as failed:
        world.gate.execute(failing_call(world), operator=OPERATOR)
    assert failed.value.index == 0
    assert failed.value.cause is not None
    assert "overflow" in str(failed.value)


def test_a_decision_executes_once(world: World) -> None:
    world.next_slot()
    submission = world.submission()
    world.gate.execute(submission, operator=OPERATOR)
    with pytest.raises(refused.GateHeadMismatchError):
        world.gate.execute(submission, operator=OPERATOR)
    with pytest.raises(refused.GateSlotUsedError):
        world.gate.execute(world.submission(), operator=OPERATOR)


def test_try_execute_records_the_refusal(world: World) -> None:
    world.next_slot()
    submission = world.submission(calls=(world.pay(UNIT),), bounds=(0,))
    digest = submission.decision.digest(chain_id=31337, gate=world.gate.address)
    receipt = world.gate.try_execute(submission, operator=OPERATOR, gas=3_000_000)
    (event,) = world.gate.refused_in(receipt)
    assert (event.mandate, event.digest) == (world.mandate.id, digest)
    assert isinstance(event.reason, refused.GateUndeclaredLossError)
    assert event.reason.change == -UNIT

    world.next_slot()
    good = world.submission()
    receipt = world.gate.try_execute(good, operator=OPERATOR, gas=3_000_000)
    assert world.gate.refused_in(receipt) == ()
    history = mandate_history(
        world.chain, gate=world.gate.address, mandate_id=world.mandate.id
    )
    assert history.executed[-1].submission == good
    assert history.refused[-1].digest == digest
    with pytest.raises(refused.GateNotOperatorError):
        world.gate.try_execute(good, operator=STRANGER)


def places_of(world: World) -> dict[str, Address]:
    return {
        "account": world.account.address,
        "token": world.token,
        "feed": world.feed,
        "siphon": world.siphon,
    }


def test_owner_revokes_and_the_guardian_stops(world: World) -> None:
    mandate = make_mandate(places_of(world), salt=keccak256(b"to be revoked"))
    gate, account = world.gate, world.account
    assert not gate.state_of(mandate.id).known
    with pytest.raises(refused.GateNotAccountError):
        send(world.chain, gate.grant_call(mandate), signer=OWNER)
    account.execute(gate.grant_call(mandate), owner=OWNER)
    assert gate.state_of(mandate.id).live
    with pytest.raises(refused.AccountOwnerCallFailedError) as again:
        account.execute(gate.grant_call(mandate), owner=OWNER)
    assert isinstance(again.value.cause, refused.GateMandateExistsError)

    until = world.chain.latest_block().timestamp + 3600
    guardian = Address(GUARDIAN.address)
    send(
        world.chain,
        gate.stop_call(mandate.id, until=until, sender=guardian),
        signer=GUARDIAN,
    )
    assert gate.state_of(mandate.id).waiting
    with pytest.raises(refused.GateStopUsedError):
        send(
            world.chain,
            gate.stop_call(mandate.id, until=until, sender=guardian),
            signer=GUARDIAN,
        )
    with pytest.raises(refused.GateNotGuardianError):
        send(
            world.chain,
            gate.stop_call(mandate.id, until=until, sender=guardian),
            signer=STRANGER,
        )
    world.next_slot()
    with pytest.raises(refused.GateMandateStoppedError):
        gate.execute(world.submission(mandate=mandate), operator=OPERATOR)
    account.execute(gate.resume_call(mandate.id, account=account.address), owner=OWNER)
    assert gate.state_of(mandate.id).live
    account.execute(gate.revoke_call(mandate.id, account=account.address), owner=OWNER)
    assert not gate.state_of(mandate.id).live
    world.next_slot()
    with pytest.raises(refused.GateMandateRevokedError):
        gate.execute(world.submission(mandate=mandate), operator=OPERATOR)


GRANTS = [
    ({"rules": ((NATIVE, b""),)}, refused.GrantRuleUnusableError),
    (
        {"workloads": (Workload(NATIVE, ZERO_DIGEST),)},
        refused.GrantAttestationUnusableError,
    ),
    ({"ladder": ()}, refused.GrantNoRungError),
    ({"ladder": (Rung(1, 2, 0, 0),)}, refused.GrantRungTierUnreachableError),
    ({"nodes": ()}, refused.GrantNoNodeError),
    ({"cadence": 1}, refused.GrantCadenceOutOfRangeError),
    ({"expiry": 1}, refused.GrantGrantExpiredError),
]


@pytest.mark.parametrize(("changes", "error"), GRANTS)
def test_bad_grants_are_refused_through_the_account(
    world: World, changes: dict[str, Any], error: type[refused.GrantError]
) -> None:
    if "rules" in changes:
        changes = {"rules": tuple(Rule(*rule) for rule in changes["rules"])}
    mandate = make_mandate(places_of(world), salt=keccak256(b"bad"), **changes)
    with pytest.raises(refused.AccountOwnerCallFailedError) as caught:
        world.account.execute(world.gate.grant_call(mandate), owner=OWNER)
    assert type(caught.value.cause) is error
    assert not world.gate.state_of(mandate.id).known


def test_grant_delay_is_read_and_set(world: World) -> None:
    account = deploy_account(
        world.chain, DEPLOYER, owner=Address(OWNER.address), gate=world.gate.address
    )
    assert world.gate.grant_delay_of(account.address) == 0
    account.execute(
        world.gate.set_grant_delay_call(600, account=account.address), owner=OWNER
    )
    assert world.gate.grant_delay_of(account.address) == 600
    mandate = make_mandate(places_of(world) | {"account": account.address})
    receipt = account.execute(world.gate.grant_call(mandate), owner=OWNER)
    state = world.gate.state_of(mandate.id)
    assert state.waiting and not state.live
    history = mandate_history(
        world.chain, gate=world.gate.address, mandate_id=mandate.id
    )
    assert history.granted.mandate == mandate
    block = world.chain.block_by_hash(receipt.block_hash)
    assert history.granted.live_from == state.live_from == block.timestamp + 600


def test_owner_leaves_with_everything_alone(world: World) -> None:
    account = deploy_account(
        world.chain, DEPLOYER, owner=Address(OWNER.address), gate=world.gate.address
    )
    funding = encode_call(TRANSFER, [account.address, UNIT])
    send(world.chain, CallRequest(world.token, funding), signer=DEPLOYER)
    send(world.chain, CallRequest(account.address, b"", value=UNIT), signer=DEPLOYER)
    leave = [
        CallRequest(world.token, encode_call(TRANSFER, [OWNER.address, UNIT])),
        CallRequest(Address(OWNER.address), b"", value=UNIT),
    ]
    with pytest.raises(refused.AccountNotOwnerError):
        account.execute_batch(leave, owner=STRANGER)
    account.execute_batch(leave, owner=OWNER)
    assert world.chain.balance(account.address) == 0
    with pytest.raises(refused.AccountOwnerCallFailedError) as caught:
        account.execute_batch(leave, owner=OWNER)
    assert caught.value.index == 0


def test_registry_reads_the_past(world: World) -> None:
    key = TestKey("short-lived")
    model, engine = keccak256(b"m"), keccak256(b"e")
    before = world.chain.latest_block()
    now = before.timestamp
    receipt = world.registry.announce_for(
        key, payer=STRANGER, model=model, engine=engine, valid_until=now + 10**6
    )
    service = service_of(model=model, engine=engine)
    first, other = receipt.block_hash, service_of(model=engine, engine=engine)

    def known(service: Digest, block_hash: Digest | None = None) -> NodeRecord:
        return world.registry.node_of(
            key.address, service=service, block_hash=block_hash
        )

    assert known(service, first).announced
    assert known(service, first).serves(at=now)
    assert not known(service, first).serves(at=now + 10**6)
    assert not known(other, first).announced
    assert world.registry.nonce_of(key.address) == 1
    assert world.registry.revoked_at(key.address) == 0
    world.anvil.rpc.request("evm_increaseTime", 10)
    world.registry.revoke_for(key, payer=STRANGER)
    assert not known(service).serves(at=now)
    assert known(service, first).serves(at=now)
    assert not known(service, before.hash).announced
    # And now, about then: it served until it was revoked.
    announced_at = known(service).valid_from
    revoked_at = world.registry.revoked_at(key.address)
    assert known(service).revoked_at == revoked_at > announced_at
    for at, served in ((announced_at, True), (revoked_at, False)):
        assert world.registry.served_at(key.address, service=service, at=at) == served
    with pytest.raises(refused.NodeRegistryKeyRevokedError):
        world.registry.announce_for(
            key, payer=STRANGER, model=model, engine=engine, valid_until=FAR
        )


def test_registry_refuses_what_the_key_did_not_sign(world: World) -> None:
    class Impostor(TestKey):
        def sign(self, digest: Digest) -> bytes:
            return OTHER_NODE.sign(digest)

    with pytest.raises(refused.NodeRegistryKeySignatureInvalidError) as caught:
        world.registry.announce_for(
            Impostor("victim"),
            payer=STRANGER,
            model=ZERO_DIGEST,
            engine=ZERO_DIGEST,
            valid_until=FAR,
        )
    assert caught.value.recovered == OTHER_NODE.address
    with pytest.raises(refused.NodeRegistryKeySignatureInvalidError):
        world.registry.revoke_for(Impostor("victim"), payer=STRANGER)
    with pytest.raises(refused.NodeRegistryAnnouncementOverError):
        world.registry.announce(
            STRANGER, model=ZERO_DIGEST, engine=ZERO_DIGEST, valid_until=1
        )
    world.registry.announce(
        STRANGER, model=ZERO_DIGEST, engine=ZERO_DIGEST, valid_until=FAR
    )
    world.registry.revoke(STRANGER)
    assert world.registry.revoked_at(Address(STRANGER.address)) != 0


def test_models_are_published_once_per_publisher(world: World) -> None:
    models = ModelRegistryClient(world.chain, world.addresses.model_registry)
    root = keccak256(b"weights")
    stranger = Address(STRANGER.address)
    assert models.publication_of(root, publisher=stranger).published_at == 0
    models.publish(root, uri="https://example.org/model", publisher=STRANGER)
    published = models.publication_of(root, publisher=stranger)
    assert published.uri == "https://example.org/model"
    with pytest.raises(refused.ModelRegistryAlreadyPublishedError):
        models.publish(root, uri="https://example.org/other", publisher=STRANGER)


class Omitting(Chain):
    """An endpoint's client whose endpoint leaves a log out."""

    def __init__(self, chain: Chain, *, index: int) -> None:
        self.__dict__.update(chain.__dict__)
        self._index = index

    def logs(self, *args: Any, **kwargs: Any) -> Any:
        found = list(super().logs(*args, **kwargs))
        if len(found) > 2:
            del found[self._index]
        return tuple(found)


@pytest.mark.parametrize("index", [0, 1, -1])
def test_an_omitted_execution_is_noticed(world: World, index: int) -> None:
    for _ in range(3):
        world.next_slot()
        world.gate.execute(world.submission(), operator=OPERATOR)
    with pytest.raises(HistoryBrokenError):
        mandate_history(
            Omitting(world.chain, index=index),
            gate=world.gate.address,
            mandate_id=world.mandate.id,
        )


def test_history_of_an_unknown_mandate_is_refused(world: World) -> None:
    with pytest.raises(HistoryBrokenError) as caught:
        mandate_history(
            world.chain, gate=world.gate.address, mandate_id=keccak256(b"unknown")
        )
    assert caught.value.expected == "one"


def test_history_upto_an_earlier_block(world: World) -> None:
    everything = mandate_history(
        world.chain, gate=world.gate.address, mandate_id=world.mandate.id
    )
    first = everything.executed[0]
    history = mandate_history(
        world.chain,
        gate=world.gate.address,
        mandate_id=world.mandate.id,
        from_block=everything.granted_block,
        to_block=first.block_number,
    )
    assert [to_hex(e.event.digest) for e in history.executed] == [
        to_hex(first.event.digest)
    ]


def test_deploying_other_code_is_noticed(world: World) -> None:
    with pytest.raises(ValueError, match="no contract"):
        deploy_contract(world.chain, DEPLOYER, name="NoSuchContract")
    with pytest.raises(AffiantError):
        # A constructor that reverts: no owner.
        deploy_account(world.chain, DEPLOYER, owner=NATIVE, gate=world.gate.address)
