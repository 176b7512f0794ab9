"""What an endorser signs, and everything that it must not sign."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.desk import Desk, EndorserLimits
from affiant.audit.endorser import ITEM_BYTES
from affiant.audit.endorser_errors import (
    AlreadySignedError,
    EndorsementOpenError,
    EndorsementRefusedError,
    EndorserBusyError,
    NotEndorsedHereError,
    SignedUnavailableError,
)
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.result import Status
from affiant.encoding import Digest, json_items, keccak256, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.onchain.account import AccountClient
from affiant.onchain.checkpoint import Verdict
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceError, EvidenceTooLargeError
from affiant.onchain.evidence_frame import MAX_COMPRESSED_BYTES, MAX_PLAIN_BYTES, pack
from affiant.onchain.evidence_sections import SECTIONS
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import Address
from affiant.onchain.registry import NodeRegistryClient
from affiant.signature import recover_signer

pytestmark = pytest.mark.anvil

OTHER = Digest(b"\x11" * 32)
LIMITS = EndorserLimits()
GENEROUS = EndorserLimits(walks_per_slot=1000)


TAMPERING = neighbour("audit/test_tampering.py")
strict = neighbour("audit/endorser_stage.py").strict
_bounds = TAMPERING._bounds


def lie_about(bundle: EvidenceBundle) -> Any:
    """A decision under construction; see `test_tampering.Lie`."""
    contents = {name: copy.deepcopy(bundle.content(name)) for name in SECTIONS}
    return TAMPERING.Lie(contents, bundle)


def failed(error: AffiantError) -> list[int]:
    steps = getattr(error, "steps", ())
    return [step.number for step in steps if step.status is Status.FAIL]


def skipped(error: AffiantError) -> list[int]:
    steps = getattr(error, "steps", ())
    return [step.number for step in steps if step.status is Status.SKIPPED]


def refuse(
    stage: Any,
    endorser: Any,
    data: bytes,
    kind: type[AffiantError],
    *,
    replays: int = 0,
) -> Any:
    """Have `data` refused; nothing may be signed, and no replay may be wasted on it."""
    before = stage.replayer.replays
    with pytest.raises(kind) as caught:
        endorser.endorse(data)
    assert stage.signed_count() == 0
    assert stage.replayer.replays - before == replays
    return caught.value


# What it signs.


def test_endorses_an_honest_decision(stage: Any) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    endorsed = endorser.endorse(bundle.to_bytes())
    item = endorsed.endorsement
    assert item.digest == bundle.digest
    assert recover_signer(bundle.digest, signature=item.signature) == item.endorser
    assert item.endorser in stage.mandate.endorsers
    assert [step.status for step in endorsed.steps] == [Status.PASS] * 10
    assert [step.number for step in endorsed.steps] == list(range(1, 11))
    assert {"parse", "step_8", "sign"} <= set(endorsed.seconds)
    assert (stage.replayer.replays, stage.signed_count()) == (1, 1)


def test_the_gate_computes_the_very_digest_that_was_endorsed(stage: Any) -> None:
    bundle = stage.sworn()
    digest = stage.endorser().endorse(bundle.to_bytes()).endorsement.digest
    assert stage.world.gate.digest_of(bundle.decision) == digest


def test_plain_json_is_taken_as_well(stage: Any) -> None:
    bundle = stage.sworn()
    endorsed = stage.endorser().endorse(bundle.to_plain())
    assert endorsed.endorsement.digest == bundle.digest


def test_endorses_on_top_of_what_was_executed(stage: Any) -> None:
    """The request of the second names the first, whose evidence is in the store."""
    endorser = stage.endorser()
    first = stage.sworn()
    endorser.endorse(first.to_bytes())
    stage.execute(first)
    stage.next_slot()
    second = stage.sworn(stage.world.supply)
    assert second.decision.previous == first.digest
    endorser.endorse(second.to_bytes())
    assert stage.signed_count() == 2


def test_without_the_evidence_before_it_cannot_tell(stage: Any) -> None:
    first = stage.sworn()
    stage.execute(first)
    stage.next_slot()
    second = stage.sworn(stage.world.supply)
    endorser = stage.endorser(store=EvidenceStore("memory://nothing"))
    error = refuse(stage, endorser, second.to_bytes(), EndorsementOpenError)
    assert skipped(error)[0] == 6 and 8 in skipped(error)
    assert "evidence of the decision before" in str(error)


def test_asked_again_it_repeats_itself_and_replays_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    first = stage.endorser().endorse(bundle.to_bytes()).endorsement
    again = stage.endorser()
    assert again.endorse(bundle.to_bytes()).endorsement == first
    stage.next_slot()  # its signature is out already, and the slot is over
    assert again.endorse(bundle.to_plain()).endorsement == first
    assert stage.replayer.replays == 0


def test_holds_are_endorsed_only_where_they_are_executed(stage: Any) -> None:
    hold = stage.sworn(stage.world.hold)
    error = refuse(stage, stage.endorser(), hold.to_bytes(), NotEndorsedHereError)
    assert "a HOLD" in str(error)
    recording = stage.with_mandate(record_holds=True)
    hold = recording.sworn(stage.world.hold)
    recording.endorser().endorse(hold.to_bytes())
    recording.execute(hold)
    assert recording.world.gate.head_of(recording.mandate.id) == hold.digest


# Tampered with after it was sworn.


# Evidence of another decision is an honest one here: it is endorsed or not as such.
TAMPERED = [c for c in TAMPERING.FILE_CASES if c.id != "evidence of another decision"]


@pytest.mark.parametrize("case", TAMPERED, ids=lambda case: case.id)
def test_tampered_evidence_is_refused_offline(stage: Any, case: Any) -> None:
    other = stage.sworn(stage.world.hold)
    bundle = stage.sworn()
    endorser = stage.endorser()
    data = case.edit(bundle, other)
    if case.id == "calls of another decision":
        # Without calls it is taken for a HOLD before anything is compared.
        refuse(stage, endorser, data, NotEndorsedHereError)
        data = replace(bundle, calls=(*bundle.calls, *bundle.calls)).to_bytes()
    error = refuse(stage, endorser, data, AffiantError)
    assert isinstance(error, EvidenceError | MalformedError | EndorsementRefusedError)
    if isinstance(error, EndorsementRefusedError):
        assert set(failed(error)) <= {1, 3}
        assert {2, 4, 5, 6, 7, 8, 9} <= set(skipped(error))
        assert case.says in str(error).lower()
    endorser.endorse(bundle.to_bytes())


@pytest.mark.parametrize("name", SECTIONS)
def test_a_withheld_section_is_refused_before_the_chain_is_asked(
    stage: Any, name: str
) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    data = bundle.withhold([name]).to_bytes()
    error = refuse(stage, endorser, data, NotEndorsedHereError)
    assert f"{name} withheld" in str(error)
    endorser.endorse(bundle.to_bytes())


# A node that lies and signs.


@pytest.mark.parametrize(
    ("tell", "step"),
    [case[1:] for case in TAMPERING.LIES],
    ids=[case[0] for case in TAMPERING.LIES],
)
def test_a_lying_node_is_not_endorsed(
    stage: Any, tell: Callable[[Any], None], step: int
) -> None:
    recording = stage.with_mandate(record_holds=True)
    honest = recording.sworn(stage.world.hold)
    lie = lie_about(honest)
    tell(lie)
    lied = lie.sealed(stage.world.key)
    assert lied.digest != honest.digest
    endorser = recording.endorser(engine=strict(stage, stage.world.hold))
    with pytest.raises(EndorsementRefusedError) as caught:
        endorser.endorse(lied.to_bytes())
    error = caught.value
    # What it states for nothing is seen before the chain is asked.
    cheaper = {_bounds: 10}.get(tell, step)
    assert failed(error)[0] == cheaper, str(error)
    assert recording.signed_count() == 0
    spent = recording.replayer.replays
    assert spent <= (1 if step == 8 else 0)
    # Refused for good: the same again costs nothing.
    with pytest.raises(EndorsementRefusedError):
        endorser.endorse(lied.to_bytes())
    assert recording.replayer.replays == spent
    endorser.endorse(honest.to_bytes())


def test_a_refusal_does_not_tell_what_the_model_would_have_said(stage: Any) -> None:
    """Else anybody with a permitted key could have plans made by an endorser."""
    bundle = stage.sworn()
    other = stage.world.swap.replace("too much WETH", "too much WETI")
    endorser = stage.endorser(engine=strict(stage, other))
    error = refuse(
        stage, endorser, bundle.to_bytes(), EndorsementRefusedError, replays=1
    )
    assert failed(error) == [8]
    count = len(bundle.content("tokens")[0]["output"])
    step = error.steps[7]
    assert step.got == f"inconsistent: 1 of {count} tokens are not the canonical ones"
    assert step.expected == "the model's own tokens"
    assert "expected 73" not in str(error)  # the byte of the other text


# Not this endorser's business.


def _signed_again(bundle: EvidenceBundle, key: Any, **changes: Any) -> EvidenceBundle:
    lie = lie_about(replace(bundle, **changes))
    return lie.sealed(key)  # type: ignore[no-any-return]


def _mandated(stage: Any, bundle: EvidenceBundle, **changes: Any) -> EvidenceBundle:
    """The same decision under a mandate that was never granted."""
    mandate = replace(stage.mandate, **changes)
    lie = lie_about(replace(bundle, mandate=mandate))
    lie.decide(mandate=mandate.id, program=mandate.program)
    return lie.sealed(stage.world.key)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class NotOurs:
    id: str
    make: Callable[[Any, EvidenceBundle], EvidenceBundle]
    says: str


NOT_OURS = [
    NotOurs(
        "a decision for another chain",
        lambda stage, b: _signed_again(b, stage.world.key, chain_id=1),
        "chain: got 1",
    ),
    NotOurs(
        "a decision for another gate",
        lambda stage, b: _signed_again(
            b, stage.world.key, gate=Address("0x" + "11" * 20)
        ),
        "gate: got 0x1111",
    ),
    NotOurs(
        "a mandate that names nobody",
        lambda stage, b: _mandated(stage, b, endorsers=()),
        "expected one of none at all",
    ),
    NotOurs(
        "a mandate that names somebody else",
        lambda stage, b: _mandated(stage, b, endorsers=stage.mandate.endorsers[:0]),
        "endorser: got",
    ),
    NotOurs(
        "a mandate of another model",
        lambda stage, b: _mandated(stage, b, model=OTHER),
        "model: got",
    ),
    NotOurs(
        "a mandate of a profile that is not replayed here",
        lambda stage, b: _mandated(stage, b, engine=OTHER),
        "engine: got",
    ),
    NotOurs(
        "a stranger's decision",
        lambda stage, b: _signed_again(b, TAMPERING._stranger()),
        "node key: got",
    ),
    NotOurs(
        "a decision of the endorser's own key",
        lambda stage, b: _signed_again(b, stage.desk().key),
        "node: got the endorser's own key",
    ),
    NotOurs(
        "a mandate of which the endorser is a node as well",
        lambda stage, b: _mandated(
            stage,
            b,
            nodes=(
                *stage.mandate.nodes,
                replace(stage.mandate.nodes[0], key=stage.desk().address),
            ),
        ),
        "a node of the mandate as well",
    ),
]


@pytest.mark.parametrize("case", NOT_OURS, ids=lambda case: case.id)
def test_what_is_not_ours_is_refused_before_the_chain_is_asked(
    stage: Any, case: NotOurs
) -> None:
    bundle = stage.sworn()
    gone = dead_chain(stage)
    endorser = stage.endorser(chain=gone)
    data = case.make(stage, bundle).to_bytes()
    error = refuse(stage, endorser, data, NotEndorsedHereError)
    assert case.says in str(error)


def dead_chain(stage: Any) -> Any:
    from affiant.onchain.chain import Chain
    from affiant.onchain.json_rpc import JsonRpcEndpoint

    return Chain(
        JsonRpcEndpoint("http://127.0.0.1:9", timeout=0.5),
        chain_id=stage.world.book.chain_id,
    )


def test_an_endorser_that_the_mandate_does_not_name_signs_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser(key="third")
    with pytest.raises(NotEndorsedHereError, match="endorser: got"):
        endorser.endorse(bundle.to_bytes())
    assert stage.signed_count("third") == 0


def test_serves_only_the_mandates_that_it_was_told_to(stage: Any) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser(mandates=frozenset({OTHER}))
    error = refuse(stage, endorser, bundle.to_bytes(), NotEndorsedHereError)
    assert "mandate: got" in str(error)
    stage.endorser(mandates=frozenset({stage.mandate.id})).endorse(bundle.to_bytes())


def test_endorses_nothing_by_a_key_that_it_found_false(stage: Any) -> None:
    bundle = stage.sworn()
    memory = stage.memory()
    memory.keep_verdict(
        Verdict(stage.mandate.id, bundle.node, OTHER), signature=b"verdict"
    )
    endorser = stage.endorser(signed=memory)
    error = refuse(stage, endorser, bundle.to_bytes(), NotEndorsedHereError)
    assert "falsely" in str(error)


def test_endorses_nothing_by_a_key_that_is_found_false_meanwhile(stage: Any) -> None:
    """`affiant verdict` beside the server, on the same memory."""
    bundle = stage.sworn()
    endorser = stage.endorser()

    def judge() -> None:
        memory = stage.memory()
        verdict = Verdict(stage.mandate.id, bundle.node, OTHER)
        memory.keep_verdict(verdict, signature=b"verdict")
        memory.close()

    stage.replayer.during = judge
    error = refuse(stage, endorser, bundle.to_bytes(), AlreadySignedError, replays=1)
    assert "none after the verdict" in str(error)


def test_a_mandate_that_was_never_granted_costs_two_reads(stage: Any) -> None:
    bundle = stage.sworn()
    made_up = _mandated(stage, bundle, salt=OTHER)
    with watched(stage) as (chain, asked):
        endorser = stage.endorser(chain=chain)
        error = refuse(stage, endorser, made_up.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [2, 4]
    assert "account of the mandate" in str(error)
    assert asked.count("eth_call") <= 4 and len(asked) <= 12


# The chain says no.


@dataclass(frozen=True)
class Spoilt:
    id: str
    spoil: Callable[[Any, EvidenceBundle], None]
    step: int
    says: str


def _as_account(stage: Any, call: Any) -> None:
    AccountClient(stage.world.chain, stage.mandate.account).execute(
        call, owner=stage.world.owner
    )


def _revoke(stage: Any, _: EvidenceBundle) -> None:
    _as_account(
        stage,
        stage.world.gate.revoke_call(stage.mandate.id, account=stage.mandate.account),
    )


def _stop(stage: Any, _: EvidenceBundle) -> None:
    until = stage.world.chain.latest_block().timestamp + 1000
    _as_account(
        stage,
        stage.world.gate.stop_call(
            stage.mandate.id, until=until, sender=stage.mandate.account
        ),
    )


def _revoke_key(stage: Any, _: EvidenceBundle) -> None:
    NodeRegistryClient(stage.world.chain, stage.world.book.node_registry).revoke_for(
        stage.world.key, payer=stage.world.operator
    )


def _move_head(stage: Any, _: EvidenceBundle) -> None:
    stage.execute(stage.sworn())


def _wait_out(stage: Any, _: EvidenceBundle) -> None:
    stage.world.scenario.warp(3601)
    stage.world.scenario.mine(1)


SPOILT = [
    Spoilt("its slot is over", lambda stage, _: stage.next_slot(), 4, "slot: got"),
    Spoilt("the head moved", _move_head, 4, "previous head: got"),
    Spoilt("its time is over", _wait_out, 4, "time of the block"),
    Spoilt("the mandate was revoked", _revoke, 2, "mandate revoked: got True"),
    Spoilt("the mandate was stopped", _stop, 2, "stopped until"),
    Spoilt("the key was revoked", _revoke_key, 2, "revoked at"),
]


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.id)
def test_what_the_newest_block_forbids_is_refused_before_a_replay(
    stage: Any, case: Spoilt
) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    case.spoil(stage, bundle)
    error = refuse(stage, endorser, bundle.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [case.step], str(error)
    assert case.says in str(error)
    assert {5, 6, 7, 8, 9} <= set(skipped(error))


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.id)
def test_what_happens_during_the_replay_is_seen_before_the_signature(
    stage: Any, case: Spoilt
) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    stage.replayer.during = lambda: case.spoil(stage, bundle)
    error = refuse(
        stage, endorser, bundle.to_bytes(), EndorsementRefusedError, replays=1
    )
    assert failed(error) == [case.step], str(error)
    assert case.says in str(error)


def test_an_expired_mandate_is_refused(stage: Any) -> None:
    now = stage.world.chain.latest_block().timestamp
    short = stage.with_mandate(expiry=now + 1000)
    bundle = short.sworn()
    endorser = short.endorser()
    stage.world.scenario.warp(1001)
    stage.world.scenario.mine(1)
    error = refuse(short, endorser, bundle.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [2]


def test_a_decision_of_a_reorganised_slot_is_refused(stage: Any) -> None:
    rpc = stage.world.devnet.rpc
    before = rpc.request("evm_snapshot")
    stage.next_slot()
    slot, bundle = stage.slot, stage.sworn()
    rpc.request("evm_revert", before)
    stage.world.scenario.warp(17)
    stage.next_slot()
    assert stage.slot == slot
    endorser = stage.endorser()
    error = refuse(stage, endorser, bundle.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [4]
    assert "anchor hash" in str(error)


def test_a_slot_reorganised_during_the_replay_is_not_endorsed(stage: Any) -> None:
    rpc = stage.world.devnet.rpc
    before = rpc.request("evm_snapshot")
    stage.next_slot()
    slot, bundle = stage.slot, stage.sworn()
    endorser = stage.endorser()

    def reorganise() -> None:
        rpc.request("evm_revert", before)
        stage.world.scenario.warp(17)
        stage.next_slot()

    stage.replayer.during = reorganise
    error = refuse(
        stage, endorser, bundle.to_bytes(), EndorsementRefusedError, replays=1
    )
    assert stage.slot == slot
    assert failed(error) == [4] and "anchor hash" in str(error)
    # Nothing was signed, so that the other fork's decision of the slot may be.
    stage.replayer.during = None
    endorser.endorse(stage.sworn().to_bytes())


@dataclass(frozen=True)
class Telling(Desk):
    """A desk whose chain tells what a test wants."""

    history: Callable[[], Any] = lambda: None

    def present(self) -> Any:
        return self.history()


PAST = [case for case in TAMPERING.PAST if case[2] < 10]


@pytest.mark.parametrize(
    ("answers", "step"), [case[1:] for case in PAST], ids=[case[0] for case in PAST]
)
def test_a_chain_that_contradicts_is_believed(
    stage: Any, answers: dict[str, Any], step: int
) -> None:
    bundle = stage.sworn()
    plain = stage.desk()
    desk = Telling(
        **{name: getattr(plain, name) for name in Desk.__dataclass_fields__},
        history=lambda: TAMPERING.Past(stage, **answers),
    )
    endorser = stage.endorser(desk=desk)
    error = refuse(stage, endorser, bundle.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [step], str(error)


# Endpoints that fail, hang or contradict themselves.


BAD_RPC = neighbour("agents/test_agent_bad_rpc.py")


class watched:
    """A chain behind an endpoint that a test can hear, and make lie."""

    def __init__(self, stage: Any, *, timeout: float = 5) -> None:
        from affiant.onchain.chain import Chain
        from affiant.onchain.json_rpc import JsonRpcEndpoint

        self.proxy = BAD_RPC.Proxy(stage.world.devnet.url)
        self.server = neighbour("agents/conftest.py").Server(self.proxy)
        self.proxy.server = self.server
        self.chain = Chain(
            JsonRpcEndpoint(self.server.url, timeout=timeout),
            chain_id=stage.world.book.chain_id,
        )

    def __enter__(self) -> tuple[Any, list[str]]:
        return self.chain, self.proxy.sent

    def __exit__(self, *_: object) -> None:
        self.chain.close()
        self.server.stop()
        self.proxy.close()


def test_an_endpoint_that_dies_at_any_moment_signs_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    data = bundle.to_bytes()
    world = watched(stage)
    rounds, most = 0, 0

    def die(_: Any, answer: bytes) -> bytes | None:
        nonlocal rounds
        rounds += 1
        return answer if rounds <= most else None

    world.proxy.trouble = die
    with world as (chain, _):
        endorser = stage.endorser(chain=chain, limits=GENEROUS)
        while True:
            rounds = 0
            try:
                endorser.endorse(data)
                break
            except EndorsementOpenError as error:
                assert failed(error) == [] and skipped(error)
                assert stage.signed_count() == 0
            most += 1
    # Two looks, the anchor, the registry, the observation: not a handful, nor hundreds.
    assert 8 <= most <= 40
    assert stage.signed_count() == 1


def _invented_newest(proxy: Any) -> Any:
    """The newest block is one that the endpoint does not have at its height."""

    def trouble(asked: Any, answer: bytes) -> bytes:
        if isinstance(asked, dict) and asked["params"][:1] == ["latest"]:
            import json

            value = json.loads(answer)
            value["result"]["hash"] = "0x" + "11" * 32
            return json.dumps(value).encode()
        return answer

    return trouble


def _going_back(proxy: Any) -> Any:
    """Asked for the newest block a second time, it is an older one."""
    import json

    looked = 0

    def trouble(asked: Any, answer: bytes) -> bytes:
        nonlocal looked
        if isinstance(asked, dict) and asked["params"][:1] == ["latest"]:
            looked += 1
            if looked > 1:
                number = int(json.loads(answer)["result"]["number"], 16) - 1
                body = json.dumps({**asked, "params": [hex(number), False]})
                again = proxy._http.post(
                    proxy._target,
                    content=body,
                    headers={"content-type": "application/json"},
                )
                return bytes(again.content)
        return answer

    return trouble


CONTRADICTING = {
    "an endpoint whose newest block it does not have": (_invented_newest, 0),
    "an endpoint that goes back": (_going_back, 1),
    "an endpoint without blocks": (BAD_RPC.no_blocks, 0),
    "an endpoint that talks rubbish": (BAD_RPC.garbage, 0),
    "an endpoint that hangs up": (BAD_RPC.drop, 0),
}


@pytest.mark.parametrize(
    ("trouble", "replays"), CONTRADICTING.values(), ids=CONTRADICTING
)
def test_an_endpoint_that_contradicts_itself_signs_nothing(
    stage: Any, trouble: Any, replays: int
) -> None:
    bundle = stage.sworn()
    world = watched(stage)
    world.proxy.trouble = trouble(world.proxy)
    with world as (chain, _):
        endorser = stage.endorser(chain=chain)
        error = refuse(
            stage, endorser, bundle.to_bytes(), EndorsementOpenError, replays=replays
        )
    assert failed(error) == []


def test_an_endpoint_of_another_chain_signs_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    world = watched(stage)
    world.proxy.trouble = BAD_RPC.other_chain_id(world.proxy)
    with world as (chain, _):
        endorser = stage.endorser(chain=chain)
        error = refuse(stage, endorser, bundle.to_bytes(), EndorsementRefusedError)
    assert failed(error) == [2, 4]


def test_a_hanging_endpoint_does_not_hold_up_refusals(stage: Any) -> None:
    bundle = stage.sworn()
    world = watched(stage, timeout=30)
    world.proxy.trouble = BAD_RPC.hang(world.proxy)
    caught: list[AffiantError] = []

    def ask() -> None:
        try:
            endorser.endorse(bundle.to_bytes())
        except AffiantError as error:
            caught.append(error)

    with world as (chain, asked):
        endorser = stage.endorser(chain=chain)
        stuck = threading.Thread(target=ask)
        stuck.start()
        while not asked:
            pass
        withheld = bundle.withhold(["plan"]).to_bytes()
        refuse(stage, endorser, withheld, NotEndorsedHereError)
        refuse(stage, endorser, b"rubbish", EvidenceError)
        assert stuck.is_alive() and not caught
        world.server.over.set()
        stuck.join(30)
    # The proxy forwarded after all, so that it was endorsed, late.
    assert caught == [] and stage.signed_count() == 1


def test_what_takes_too_long_is_given_up(stage: Any) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    from affiant.audit.endorser import Endorser

    bundle = stage.sworn()
    endorser = Endorser(
        stage.desk(), limits=EndorserLimits(request_seconds=20), clock=clock
    )
    stage.opened.append(endorser)
    error = refuse(stage, endorser, bundle.to_bytes(), EndorsementOpenError)
    assert failed(error) == []
    assert "more than 20 s" in str(error)


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_clock_that_jumps_signs_nothing_late_and_holds_up_nobody(
    stage: Any, jump: float
) -> None:
    from affiant.audit.endorser import Endorser

    now = [10_000.0]
    bundle = stage.sworn()
    endorser = Endorser(stage.desk(), clock=lambda: now[0])
    stage.opened.append(endorser)

    def leap() -> None:
        now[0] += jump

    stage.replayer.during = leap
    if jump > 0:
        error = refuse(
            stage, endorser, bundle.to_bytes(), EndorsementOpenError, replays=1
        )
        assert failed(error) == [] and "more than 120 s" in str(error)
        stage.replayer.during = None
    # Whether the slot is over, the chain says, and no clock.
    endorser.endorse(bundle.to_bytes())


def test_a_replay_that_ends_without_a_verdict_refuses_nothing_for_good(
    stage: Any,
) -> None:
    """The engine's process was killed, or hung and was: it tells nothing."""
    bundle = stage.sworn()
    endorser = stage.endorser()

    def die() -> None:
        raise AuditUnavailableError("replay process", reason="it ended with status -9")

    stage.replayer.during = die
    error = refuse(stage, endorser, bundle.to_bytes(), EndorsementOpenError, replays=1)
    assert failed(error) == [] and skipped(error) == [8]
    assert "status -9" in str(error)
    stage.replayer.during = None
    endorser.endorse(bundle.to_bytes())


class Changing(EvidenceStore):
    """A store whose files are others from one read to the next."""

    def __init__(self, store: EvidenceStore, changes: list[Callable[[bytes], bytes]]):
        super().__init__(store.url)
        self.changes = changes

    def read(self, digest: Digest) -> bytes:
        data = super().read(digest)
        return self.changes.pop(0)(data) if self.changes else data


def _flipped(data: bytes) -> bytes:
    return data[:99] + bytes([data[99] ^ 1]) + data[100:]


CHANGES: dict[str, Callable[[Any, bytes], bytes]] = {
    "damaged": lambda _, data: _flipped(data),
    "cut": lambda _, data: data[:-1],
    "empty": lambda *_: b"",
    "another decision's": lambda stage, _: stage.sworn(stage.world.hold).to_bytes(),
    "larger than any evidence": lambda *_: bytes(MAX_COMPRESSED_BYTES + 1),
    "without its plan": lambda _, data: (
        EvidenceBundle.from_bytes(data).withhold(["plan"]).to_bytes()
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_store_that_changes_its_files_proves_nothing(
    stage: Any, change: Callable[[Any, bytes], bytes]
) -> None:
    """Neither for nor against: it is not looked at, until what it has is right."""
    first = stage.sworn()
    stage.execute(first)
    stage.next_slot()
    second = stage.sworn(stage.world.supply)
    store = Changing(stage.evidence, [lambda data: change(stage, data)])
    endorser = stage.endorser(store=store)
    error = refuse(stage, endorser, second.to_bytes(), EndorsementOpenError)
    assert failed(error) == [] and skipped(error)[0] == 6
    endorser.endorse(second.to_bytes())


# Two decisions in one slot; on one head.


def test_of_two_decisions_in_one_slot_one_is_endorsed(stage: Any) -> None:
    first, second = stage.sworn(), stage.sworn()
    assert first.digest != second.digest
    assert first.decision.previous == second.decision.previous
    endorser = stage.endorser()
    endorser.endorse(first.to_bytes())
    for again in (endorser, stage.endorser()):  # also after a restart
        with pytest.raises(AlreadySignedError, match="slot"):
            again.endorse(second.to_bytes())
        assert stage.signed_count() == 1
    assert stage.replayer.replays == 0


def test_of_two_decisions_at_once_one_is_endorsed(stage: Any) -> None:
    bundles = [stage.sworn() for _ in range(3)]
    endorser = stage.endorser()
    signed: list[Digest] = []
    refused: list[AffiantError] = []
    start = threading.Barrier(3)

    def ask(bundle: EvidenceBundle) -> None:
        start.wait(20)
        try:
            signed.append(endorser.endorse(bundle.to_bytes()).endorsement.digest)
        except AffiantError as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(bundle,)) for bundle in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(signed), len(refused), stage.signed_count()) == (1, 2, 1)
    assert all(isinstance(error, AlreadySignedError) for error in refused)


def test_the_same_decision_asked_for_at_once_is_replayed_once(stage: Any) -> None:
    data = stage.sworn().to_bytes()
    endorser = stage.endorser(limits=EndorserLimits(mandate_waiting=8))
    found: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(endorser.endorse(data).endorsement)
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    assert stage.replayer.replays == 1


def test_on_one_head_a_later_slot_may_follow(stage: Any) -> None:
    """The first was endorsed and never executed; it cannot be any more."""
    first = stage.sworn()
    endorser = stage.endorser()
    endorser.endorse(first.to_bytes())
    stage.next_slot()
    second = stage.sworn()
    assert second.decision.previous == first.decision.previous
    endorser.endorse(second.to_bytes())
    from affiant.onchain.reverts import ContractError

    with pytest.raises(ContractError, match="SlotNotNewest"):
        stage.execute(first)
    stage.execute(second)


def test_an_earlier_slot_never_follows_a_later_one(stage: Any) -> None:
    """A chain that went back to an earlier slot after a reorganisation."""
    rpc = stage.world.devnet.rpc
    before = rpc.request("evm_snapshot")
    stage.next_slot()
    stage.next_slot()
    endorser = stage.endorser()
    endorser.endorse(stage.sworn().to_bytes())
    rpc.request("evm_revert", before)
    stage.world.scenario.warp(17)
    stage.next_slot()
    with pytest.raises(AlreadySignedError, match="slot: got"):
        endorser.endorse(stage.sworn().to_bytes())
    assert stage.signed_count() == 1


def test_without_its_memory_it_signs_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    file = stage.folder / "signed-first.sqlite"

    def ruin() -> None:
        file.write_bytes(b"no database" * 1000)

    stage.replayer.during = ruin
    with pytest.raises(SignedUnavailableError):
        endorser.endorse(bundle.to_bytes())
    file.unlink()
    assert stage.endorser().endorse(bundle.to_bytes()).endorsement


def test_a_signer_that_signs_with_another_key_is_found_out(stage: Any) -> None:
    class Swapped:
        address = stage.desk().key.address

        def sign(self, digest: Digest) -> bytes:
            return bytes(TAMPERING._stranger().sign(digest))

    bundle = stage.sworn()
    endorser = stage.endorser(key="first")
    object.__setattr__(endorser.desk, "key", Swapped())
    with pytest.raises(RuntimeError, match="signs something else"):
        endorser.endorse(bundle.to_bytes())
    assert stage.signed_count() == 0


# Too much of everything.


def test_a_mandate_has_so_many_replays_in_a_slot(stage: Any) -> None:
    limits = EndorserLimits(walks_per_slot=2)
    engine = strict(stage, stage.world.supply)
    endorser = stage.endorser(limits=limits, engine=engine)
    for _ in range(2):
        data = stage.sworn().to_bytes()
        refuse(stage, endorser, data, EndorsementRefusedError, replays=1)
    data = stage.sworn().to_bytes()
    error = refuse(stage, endorser, data, EndorserBusyError)
    assert "replays of one mandate in one slot" in str(error)
    stage.next_slot()
    data = stage.sworn(stage.world.supply).to_bytes()
    endorser.endorse(data)


def test_a_full_engine_turns_others_away_and_refusals_go_on(stage: Any) -> None:
    other = stage.with_mandate(salt=OTHER)
    mine, theirs = stage.sworn(), other.sworn()
    inside, go_on = threading.Event(), threading.Event()
    endorser = stage.endorser(limits=EndorserLimits(replaying_waiting=0))

    def wait() -> None:
        inside.set()
        assert go_on.wait(30)

    stage.replayer.during = wait
    late: list[Any] = []

    def ask() -> None:
        with pytest.raises(EndorsementRefusedError, match="slot: got") as caught:
            endorser.endorse(mine.to_bytes())
        late.append(caught.value)

    first = threading.Thread(target=ask)
    first.start()
    try:
        assert inside.wait(30)
        with pytest.raises(EndorserBusyError, match="replays"):
            endorser.endorse(theirs.to_bytes())
        with pytest.raises(NotEndorsedHereError):
            endorser.endorse(theirs.withhold(["plan"]).to_bytes())
        stage.next_slot()
        with pytest.raises(EndorsementRefusedError, match="slot: got"):
            endorser.endorse(theirs.to_bytes())
    finally:
        go_on.set()
        first.join()
    # The slot was over by then.
    assert len(late) == 1 and stage.signed_count() == 0


def test_one_mandates_requests_do_not_fill_the_house(stage: Any) -> None:
    inside, go_on = threading.Event(), threading.Event()
    endorser = stage.endorser(limits=EndorserLimits(mandate_waiting=0))

    def wait() -> None:
        inside.set()
        assert go_on.wait(30)

    stage.replayer.during = wait
    bundle, second = stage.sworn(), stage.sworn()
    first = threading.Thread(target=lambda: endorser.endorse(bundle.to_bytes()))
    first.start()
    try:
        assert inside.wait(30)
        with pytest.raises(EndorserBusyError, match="one mandate"):
            endorser.endorse(second.to_bytes())
    finally:
        go_on.set()
        first.join()
    assert stage.signed_count() == 1


def test_evidence_without_room_is_turned_away(stage: Any) -> None:
    bundle = stage.sworn()
    plain = bundle.to_plain()
    size = len(plain) + ITEM_BYTES * json_items(plain)
    small = stage.endorser(limits=EndorserLimits(held_bytes=size - 1))
    error = refuse(stage, small, bundle.to_bytes(), EndorserBusyError)
    assert "evidence held" in str(error)
    stage.endorser(limits=EndorserLimits(held_bytes=size)).endorse(bundle.to_bytes())


def test_a_closed_endorser_signs_nothing(stage: Any) -> None:
    bundle = stage.sworn()
    endorser = stage.endorser()
    endorser.close()
    refuse(stage, endorser, bundle.to_bytes(), EndorserBusyError)


def test_closing_waits_for_what_is_under_way(stage: Any) -> None:
    bundle = stage.sworn()
    inside, go_on = threading.Event(), threading.Event()
    endorser = stage.endorser()

    def wait() -> None:
        inside.set()
        assert go_on.wait(30)

    stage.replayer.during = wait
    done: list[Any] = []
    first = threading.Thread(
        target=lambda: done.append(endorser.endorse(bundle.to_bytes()))
    )
    first.start()
    assert inside.wait(30)
    closing = threading.Thread(target=endorser.close)
    closing.start()
    with pytest.raises(EndorserBusyError, match="while it stops"):
        while True:  # until closing has begun
            endorser.endorse(bundle.withhold(["plan"]).to_bytes())
    go_on.set()
    first.join()
    closing.join()
    assert len(done) == 1 and stage.signed_count() == 1


BOMBS: dict[str, tuple[Callable[[], bytes], type[AffiantError]]] = {
    "a file over the limit": (
        lambda: b"\x28\xb5\x2f\xfd" + bytes(MAX_COMPRESSED_BYTES),
        EvidenceTooLargeError,
    ),
    "JSON over the limit": (
        lambda: b"{" + b" " * LIMITS.evidence_bytes,
        EvidenceTooLargeError,
    ),
    "a frame over the limit of an endorser": (
        lambda: _bomb(LIMITS.evidence_bytes + 1),
        EvidenceTooLargeError,
    ),
    "a small frame that unpacks to more than the limit": (
        lambda: _bomb(MAX_PLAIN_BYTES + 1),
        EvidenceTooLargeError,
    ),
    "a frame of zeros at the limit": (lambda: pack(bytes(2**20)), MalformedError),
    "JSON nested deeply": (
        lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        MalformedError,
    ),
    "JSON of too many values": (
        lambda: b'{"a":[' + b"0," * LIMITS.evidence_items + b"0]}",
        EvidenceTooLargeError,
    ),
    "JSON with a key twice": (lambda: b'{"a":1,"a":2}', MalformedError),
    "another format": (lambda: b'{"format":"affiant-evidence/9"}', EvidenceError),
    "no object": (lambda: b"[]", EvidenceError),
    "nothing": (lambda: b"", EvidenceError),
    "text": (lambda: b"please sign", EvidenceError),
    "a digest to be signed": (lambda: bytes(OTHER), EvidenceError),
    "a digest to be signed, in hex": (lambda: to_hex(OTHER).encode(), EvidenceError),
}


def _bomb(size: int) -> bytes:
    """A small, intact frame of `size` zeros, with our tail."""
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        1,
        source_size=size,
        window_log=27,
        write_checksum=True,
        write_content_size=True,
    )
    frame = zstandard.ZstdCompressor(compression_params=parameters).compress(
        bytes(size)
    )
    return frame + bytes.fromhex("502a4d1820000000") + keccak256(frame)


@pytest.mark.parametrize(("make", "kind"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_at_the_door(stage: Any, make: Any, kind: Any) -> None:
    endorser = stage.endorser(chain=dead_chain(stage))
    refuse(stage, endorser, make(), kind)


SHAPES = {
    "empty lists": (b"[]", 2),
    "objects of one field": (b'{"a":1}', 2),
    "short strings": (b'"abcdefgh"', 1),
    "fractions": (b"1.25", 1),
    "large numbers": (b"9007199254740991", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "marks"), SHAPES.values(), ids=SHAPES)
def test_evidence_takes_no_more_memory_than_was_reckoned(
    stage: Any, unit: bytes, marks: int
) -> None:
    """Whatever the values are, up to a quarter of what may come."""
    import tracemalloc

    plain = stage.sworn().to_plain()
    count = LIMITS.evidence_items // 4 // marks
    bulk = b'"a":[' + b",".join([unit] * count) + b"],"
    at = plain.index(b'"plan":{"content":{') + len(b'"plan":{"content":{')
    hostile = plain[:at] + bulk + plain[at:]
    reckoned = len(hostile) + ITEM_BYTES * json_items(hostile)
    tracemalloc.start()
    bundle = EvidenceBundle.from_plain(hostile)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bundle.content("plan")["a"]
    assert kept <= reckoned
    assert peak <= 2 * reckoned + 2**20
