"""Attesting a key: what is asked before anything is paid, and what is paid for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from affiant.encoding import ZERO_DIGEST, keccak256
from affiant.inference.attestation.collateral_sources import DevCollateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevStatement, DevTd, Level
from affiant.inference.attestation.errors import QuoteRefusedError
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.attestation.quoting import DevQuotes
from affiant.inference.keys import NodeKey
from affiant.onchain import contract_errors as errors
from affiant.onchain.attestation.verifier import certificate_id

pytestmark = pytest.mark.anvil

DAY = 86_400


def test_attests_a_key_and_pays_for_news_alone(attestation_world: Any) -> None:
    world = attestation_world
    key, other = NodeKey.generate(), NodeKey.generate()
    attester = world.attester()
    prepared = attester.prepare(key)
    assert [piece.what for piece in prepared.pieces] == [
        "root certificate",
        "root's revocation list",
        "certificate of the machines' authority",
        "certificate of the collateral's signer",
        "machines' revocation list",
        "TCB info",
        "identity of the quoting enclave",
        "machine's certificate",
    ]
    said = attester.submit(prepared)
    assert said.tier == 0 and said.holds(world.now)
    assert said.valid_until == prepared.binding.valid_until
    assert attester.prepare(other).pieces == ()
    assert attester.attest(other).holds(world.now)
    binding = prepared.binding
    assert (binding.workload, binding.operator) == (
        world.workload.id,
        world.payer.address,
    )
    assert (binding.gpu_evidence, binding.tls_key) == (ZERO_DIGEST, ZERO_DIGEST)


def test_simulating_sends_nothing(attestation_world: Any) -> None:
    world = attestation_world
    attester = world.attester()
    nonce = world.chain.nonce(world.payer.address)
    prepared = attester.prepare(NodeKey.generate())
    done = attester.simulate(prepared)
    assert [step.what for step in done][-1] == "registration"
    assert len(done) == len(prepared.pieces) + 1
    assert all(step.gas > 21_000 for step in done)
    assert world.chain.nonce(world.payer.address) == nonce
    assert not world.client.verifier().is_known(certificate_id(prepared.machine))


def test_simulating_says_why_not(attestation_world: Any) -> None:
    world = attestation_world
    attester = world.attester(validity=8 * DAY)
    prepared = attester.prepare(NodeKey.generate())
    with pytest.raises(errors.TdxAttestationBindingTooLongError):
        attester.simulate(prepared)


OTHER_ROOT = DevRoot(b"another seed".ljust(32))
OUTDATED = DevStatement(levels=(Level("OutOfDate"),))


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("other code", "measurements"),
        ("debug", "dcap-qvl"),
        ("another root's quote", "dcap-qvl"),
        ("another root's collateral", "key of the root"),
        ("outdated machine", "dcap-qvl"),
        ("collateral before the workload's floor", "TCB evaluation number"),
        ("revoked machine", "dcap-qvl"),
    ],
)
def test_rejects_before_anything_is_paid(
    attestation_world: Any, case: str, what: str
) -> None:
    world = attestation_world
    root = world.root

    def collateral(by: DevRoot = root, **said: Any) -> DevCollateral:
        return DevCollateral(by, clock=lambda: world.now, **said)

    attester = {
        "other code": world.attester(
            provider=DevQuotes(root, td=DevTd(mr_td=b"x" * 48))
        ),
        "debug": world.attester(
            provider=DevQuotes(
                root, td=DevTd(attributes=bytes.fromhex("0100001000000000"))
            )
        ),
        "another root's quote": world.attester(provider=DevQuotes(OTHER_ROOT)),
        "another root's collateral": world.attester(
            provider=DevQuotes(OTHER_ROOT), collateral=collateral(OTHER_ROOT)
        ),
        "outdated machine": world.attester(collateral=collateral(statement=OUTDATED)),
        "collateral before the workload's floor": world.attester(
            workload=replace(world.workload, evaluation_floor=18)
        ),
        "revoked machine": world.attester(
            collateral=collateral(
                statement=DevStatement(revoked_machines=[Machine().serial_number])
            )
        ),
    }[case]
    nonce = world.chain.nonce(world.payer.address)
    with pytest.raises(QuoteRefusedError) as caught:
        attester.attest(NodeKey.generate())
    assert caught.value.what == what
    assert world.chain.nonce(world.payer.address) == nonce


def test_a_recovery_is_told_although_what_is_known_is_fresh(
    attestation_world: Any,
) -> None:
    world = attestation_world
    world.attester().attest(NodeKey.generate())
    news = DevCollateral(
        world.root,
        clock=lambda: world.now,
        statement=DevStatement(evaluation_number=18),
    )
    prepared = world.attester(collateral=news).prepare(NodeKey.generate())
    assert [piece.what for piece in prepared.pieces] == [
        "TCB info",
        "identity of the quoting enclave",
    ]


def test_the_same_collateral_is_not_paid_for_twice(attestation_world: Any) -> None:
    world = attestation_world
    issued = world.now
    still = DevCollateral(world.root, clock=lambda: issued)
    world.attester(collateral=still).attest(NodeKey.generate())
    world.warp(issued + 29 * DAY)
    assert world.attester(collateral=still).prepare(NodeKey.generate()).pieces == ()
    assert len(world.attester().prepare(NodeKey.generate()).pieces) == 4


class WithoutCertificates:
    """Quotes that come without their machine's certificate."""

    name = "without certificates"

    def __init__(self, root: DevRoot) -> None:
        self.root = root

    def quote(self, report_data: bytes) -> bytes:
        return replace(
            TdxQuote.cut(self.root.quote(report_data)), certificates=()
        ).assemble()


def test_rejects_quotes_without_their_machine(attestation_world: Any) -> None:
    world = attestation_world
    with pytest.raises(QuoteRefusedError) as caught:
        world.attester(provider=WithoutCertificates(world.root)).prepare(
            NodeKey.generate()
        )
    assert caught.value.what == "certificate of the machine"


def test_binds_what_it_is_told(attestation_world: Any) -> None:
    world = attestation_world
    serves = replace(
        world.serves,
        program=keccak256(b"p"),
        configuration=keccak256(b"c"),
        gpu_evidence=keccak256(b"g"),
        tls_key=keccak256(b"t"),
    )
    binding = world.attester(serves=serves).prepare(NodeKey.generate()).binding
    assert binding.program == serves.program
    assert binding.configuration == serves.configuration
    assert binding.gpu_evidence == serves.gpu_evidence
    assert binding.tls_key == serves.tls_key
