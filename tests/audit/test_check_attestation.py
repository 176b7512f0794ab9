"""Step 11: an attestation verified again, and every part of its record changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from affiant.audit.check_attestation import check_attestation
from affiant.encoding import Digest, keccak256
from affiant.errors import RejectedError
from affiant.inference.attestation.collateral_sources import DevCollateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevStatement, DevTd, Level
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.keys import NodeKey
from affiant.onchain.attestation.deploy import INTEL_ROOT_KEY_HASH
from affiant.onchain.attestation.record import AttestationRecord, read_record
from affiant.onchain.attestation.submission import missing, submit
from affiant.onchain.chain_types import Block

pytestmark = pytest.mark.anvil

DAY = 86_400
OTHER_ROOT = DevRoot(b"another seed".ljust(32))


class Past:
    """The chain's blocks; nothing else of a history is asked."""

    def __init__(self, world: Any) -> None:
        self.chain_id = world.chain.chain_id
        self.block = world.chain.block_by_number


@dataclass(frozen=True)
class Named:
    """What of a mandate is asked."""

    model: Digest
    engine: Digest
    program: Digest = keccak256(b"a program")


@dataclass
class Bench:
    world: Any
    key: NodeKey
    record: AttestationRecord
    block: Block

    def check(self, **changes: Any) -> tuple[int, str]:
        serves = self.world.serves
        asked = {
            "node": self.key.address,
            "mandate": Named(serves.model, serves.engine),
            "block": self.block,
            "history": Past(self.world),
            **changes,
        }
        record = asked.pop("record", self.record)
        return check_attestation(record, **asked)


@pytest.fixture(scope="module")
def bench(_attestation_world: Any) -> Iterator[Bench]:
    """One registration, for every case: none of them changes the chain."""
    world = _attestation_world
    snapshot = world.anvil.rpc.request("evm_snapshot")
    key = NodeKey.generate()
    world.attester().attest(key)
    block = world.chain.latest_block()
    record = read_record(
        world.chain,
        world.client.address,
        key=key.address,
        workload=world.workload.id,
        block=block,
    )
    yield Bench(world, key, record, block)
    world.anvil.rpc.request("evm_revert", snapshot)


def test_a_development_root_gives_tier_0_and_says_so(bench: Bench) -> None:
    tier, sentence = bench.check()
    assert tier == 0
    assert "DEVELOPMENT ROOT, WHICH PROVES NOTHING" in sentence


Change = Callable[[Bench], dict[str, Any]]


def registered(**changes: Any) -> Change:
    return lambda bench: {
        "record": replace(
            bench.record,
            registration=replace(bench.record.registration, **changes),
        )
    }


def bound(**changes: Any) -> Change:
    return lambda bench: {
        "record": replace(
            bench.record,
            registration=replace(
                bench.record.registration,
                binding=replace(bench.record.registration.binding, **changes),
            ),
        )
    }


def asked(**changes: Any) -> Change:
    """Change the workload, and its id with it."""

    def change(bench: Bench) -> dict[str, Any]:
        workload = replace(bench.record.registration.workload, **changes)
        registration = replace(
            bench.record.registration, workload=workload, workload_id=workload.id
        )
        return {"record": replace(bench.record, registration=registration)}

    return change


def quoted(file: Callable[[Bench], bytes]) -> Change:
    return lambda bench: {
        "record": replace(bench.record, quote=TdxQuote.cut(file(bench)))
    }


def said(**changes: Any) -> Change:
    """Collateral that says something else, of the same root."""

    def change(bench: Bench) -> dict[str, Any]:
        collateral = bench.world.root.collateral(
            now=bench.block.timestamp - 60, statement=DevStatement(**changes)
        )
        return {"record": replace(bench.record, collateral=collateral)}

    return change


def data(bench: Bench) -> bytes:
    return bench.record.quote.report.report_data


def other_key_signs(bench: Bench) -> dict[str, Any]:
    digest = bench.record.registration.binding.digest(
        chain_id=31337, contract=bench.world.client.address
    )
    return registered(signature=NodeKey.generate().sign(digest))(bench)


def flipped(part: bytes) -> bytes:
    return bytes([part[0] ^ 1]) + part[1:]


X = keccak256(b"something else")

CASES: list[tuple[str, Change, str]] = [
    ("another key is asked for", lambda b: {"node": NodeKey.generate().address}, "key"),
    ("the binding is another key's", bound(key=NodeKey.generate().address), "key"),
    ("the binding is for another model", bound(model=X), "model"),
    ("the binding is for another engine", bound(engine=X), "engine"),
    ("the binding is for another program", bound(program=X), "program"),
    ("the workload asks for a program", asked(program=X), "program"),
    ("the workload asks for another model", asked(model=X), "model"),
    ("the workload has another engine", asked(engines=(X,)), "engine"),
    ("the workload has another id", registered(workload_id=X), "workload"),
    ("another key signed the binding", other_key_signs, "signer"),
    ("the signature is of another form", registered(signature=b""), "signature"),
    ("the binding was changed", bound(tls_key=X), "signer"),
    (
        "the registration is for another contract",
        lambda b: {"record": replace(b.record, contract=b.world.payer.address)},
        "signer",
    ),
    ("it was registered later", registered(valid_from=2**40), "attested from"),
    (
        "the binding is over",
        lambda b: {"block": replace(b.block, timestamp=b.block.timestamp + DAY)},
        "time",
    ),
    (
        "the quote is for something else",
        quoted(lambda b: b.world.root.quote(bytes(64))),
        "report data",
    ),
    (
        "the quote is another root's",
        quoted(lambda b: OTHER_ROOT.quote(data(b))),
        "machine",
    ),
    (
        "the TD runs other code",
        quoted(lambda b: b.world.root.quote(data(b), td=DevTd(mr_td=bytes(48)))),
        "measurements",
    ),
    (
        "the TD debugs",
        quoted(
            lambda b: b.world.root.quote(
                data(b), td=DevTd(attributes=bytes.fromhex("0100001000000000"))
            )
        ),
        "measurements",
    ),
    (
        "the quote's machine is another",
        quoted(
            lambda b: b.world.root.quote(data(b), machine=Machine(name="machine 2"))
        ),
        "machine",
    ),
    (
        "the quote's signature was changed",
        lambda b: {
            "record": replace(
                b.record,
                quote=replace(
                    b.record.quote, signatures=flipped(b.record.quote.signatures)
                ),
            )
        },
        "dcap-qvl",
    ),
    (
        "the verifier's root is another",
        lambda b: {"record": replace(b.record, root_key_hash=X)},
        "root",
    ),
    (
        "the verifier says that its root is Intel's",
        lambda b: {"record": replace(b.record, root_key_hash=INTEL_ROOT_KEY_HASH)},
        "dcap-qvl",
    ),
    ("the machine was out of date", said(levels=(Level("OutOfDate"),)), "dcap-qvl"),
    (
        "the machine was revoked",
        said(revoked_machines=[Machine().serial_number]),
        "dcap-qvl",
    ),
    (
        "the collateral was from before the floor",
        asked(evaluation_floor=18),
        "evaluation",
    ),
    (
        "the collateral was another root's",
        lambda b: {
            "record": replace(
                b.record, collateral=OTHER_ROOT.collateral(now=b.block.timestamp)
            )
        },
        "root",
    ),
    (
        "the collateral was over",
        lambda b: {
            "record": replace(
                b.record,
                collateral=b.world.root.collateral(now=b.block.timestamp - 31 * DAY),
            )
        },
        "dcap-qvl",
    ),
    (
        "a guard had refused the machine",
        lambda b: {"record": replace(b.record, refused_ppids=(Machine().ppid,))},
        "machine",
    ),
    (
        "the contract told another tier",
        lambda b: {
            "record": replace(b.record, answer=replace(b.record.answer, tier=2))
        },
        "tier",
    ),
    (
        "the contract did not take the key",
        lambda b: {
            "record": replace(b.record, answer=replace(b.record.answer, revoked_at=1))
        },
        "contract took",
    ),
]


@pytest.mark.parametrize(("case", "change", "what"), CASES, ids=[c[0] for c in CASES])
def test_rejects_what_was_changed(
    bench: Bench, case: str, change: Change, what: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        bench.check(**change(bench))
    assert what in str(caught.value), caught.value
    assert bench.check()[0] == 0


def test_it_is_verified_as_of_its_time(bench: Bench, attestation_world: Any) -> None:
    """What ended since does not matter, and what had ended by then does."""
    world = attestation_world
    world.warp(bench.block.timestamp + 40 * DAY)
    assert bench.check()[0] == 0
    later = world.chain.latest_block()
    with pytest.raises(RejectedError, match="time of the block"):
        bench.check(block=later)


def test_a_mandate_for_something_else_is_refused(bench: Bench) -> None:
    serves = bench.world.serves
    for mandate, what in (
        (Named(X, serves.engine), "model of the binding"),
        (Named(serves.model, X), "engine of the binding"),
    ):
        with pytest.raises(RejectedError, match=what):
            bench.check(mandate=mandate)


def test_collateral_of_later_does_not_count(attestation_world: Any) -> None:
    """A machine that was up to date then is judged by what was known then."""
    world = attestation_world
    key = NodeKey.generate()
    world.attester().attest(key)
    then = world.chain.latest_block()
    recovery = DevCollateral(
        world.root,
        clock=lambda: world.now,
        statement=DevStatement(levels=(Level("OutOfDate"),), evaluation_number=18),
    )
    with pytest.raises(RejectedError):
        world.attester(collateral=recovery).attest(key)
    verifier = world.client.verifier()
    collateral = recovery.collateral(TdxQuote(b"", b"", ()))
    pieces = missing(
        verifier, collateral, machine=None, fmspc=Machine().fmspc, now=world.now
    )
    submit(verifier, pieces, payer=world.payer)

    def record(block: Block) -> AttestationRecord:
        return read_record(
            world.chain,
            world.client.address,
            key=key.address,
            workload=world.workload.id,
            block=block,
        )

    bench = Bench(world, key, record(then), then)
    assert bench.check()[0] == 0
    now = world.chain.latest_block()
    with pytest.raises(RejectedError, match="OutOfDate"):
        bench.check(record=record(now), block=now)
