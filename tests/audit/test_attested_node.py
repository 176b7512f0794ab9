"""A node that attests its key, decides, is executed and audited; and one that lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from affiant.agents.deciding.attested import KeyAttestation
from affiant.agents.errors import KeyNotAttestedError, NotServedError
from affiant.agents.nodes.attest_settings import AttestSettings, open_attester
from affiant.agents.nodes.serve import open_keeper
from affiant.audit.auditor import audit_mandate
from affiant.audit.result import Answer, AuditReport, Status, Verdict
from affiant.encoding import canonical_json, keccak256
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.quote import TdReport
from affiant.onchain.attestation.binding import TdxWorkload
from affiant.onchain.attestation.client import Attested, TdxAttestationClient
from affiant.onchain.attestation.deploy import (
    deploy_tdx_attestation,
    deploy_tdx_verifier,
)
from affiant.onchain.contract_errors import GateNodeNotPermittedError
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address, NodePermit, Workload

pytestmark = pytest.mark.anvil

SEED = bytes(range(32))
ROOT = DevRoot(SEED)


@dataclass
class Bench:
    world: Any
    folder: Path
    client: TdxAttestationClient
    workload: TdxWorkload
    settings: AttestSettings
    guard: Any
    replayer: Any

    def keeper(self) -> Any:
        world = self.world
        return open_keeper(
            self.settings,
            chain=world.chain,
            book=world.book,
            model=world.mandate.model,
            engine=world.mandate.engine,
            say=lambda _text: None,
        )

    def grant(self, *keys: Any, **changes: Any) -> Any:
        named = tuple(NodePermit(Address(key.address), 0) for key in keys)
        salt = keccak256(b"attested" + b"".join(k.address.encode() for k in keys))
        mandate = self.world.mandate_for(nodes=named, salt=salt, **changes)
        self.world.grant(mandate)
        return mandate

    def decide(
        self, mandate: Any, *, key: Any, attestation: Any, text: str = ""
    ) -> Any:
        from affiant.agents.deciding.decide import decide

        world = self.world
        world.scenario.next_slot(mandate.cadence)
        world.scenario.refresh_feeds()
        world.engine.text = text or world.swap
        return decide(
            program=world.program(),
            book=world.book,
            mandate=mandate,
            slot=mandate.slot_of(world.chain.block_number()),
            serving=world.serving(self.folder, key=key, attestation=attestation),
        )

    def audit(self, mandate: Any) -> AuditReport:
        self.world.scenario.next_slot(mandate.cadence)
        return audit_mandate(
            self.world.chain,
            gate=self.world.book.gate,
            mandate=mandate.id,
            store=EvidenceStore(str(self.folder / "node-evidence")),
            replayer=self.replayer(self.world.engine),
        )


@pytest.fixture
def bench(_settled: Any, tmp_path: Path, make_replayer: Any) -> Iterator[Bench]:
    world = _settled
    rpc = world.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    deployer, guard = (
        Account.from_key(world.devnet.accounts[number].key) for number in (0, 6)
    )
    verifier = deploy_tdx_verifier(
        world.chain, deployer, root_key_hash=ROOT.pki.root_key_hash
    )
    client = deploy_tdx_attestation(world.chain, deployer, verifier=verifier)
    workload = TdxWorkload(
        measurements=TdReport(DevTd().report(bytes(64))).measurements(whole=False),
        engines=(world.mandate.engine,),
        guards=(Address(guard.address),),
    )
    (tmp_path / "workload").write_bytes(canonical_json(workload.to_json()))
    (tmp_path / "seed").write_text(SEED.hex())
    payer = Account.encrypt(deployer.key, "payer", kdf="pbkdf2", iterations=1)
    (tmp_path / "payer").write_text(json.dumps(payer))
    settings = AttestSettings(
        contract=client.address,
        workload=tmp_path / "workload",
        payer=tmp_path / "payer",
        unsafe_dev_seed=tmp_path / "seed",
    )
    yield Bench(world, tmp_path, client, workload, settings, guard, make_replayer)
    rpc.request("evm_revert", snapshot)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFIANT_PAYER_PASSWORD", "payer")


def grades(report: AuditReport) -> dict[str, Any]:
    (decision,) = report.decisions
    return {grade.name: grade for grade in decision.grades}


def test_an_attested_node_decides_and_is_audited(bench: Bench) -> None:
    keeper = bench.keeper()
    key = keeper.first_key()
    mandate = bench.grant(key)
    bundle = bench.decide(mandate, key=key, attestation=keeper.attestation)
    assert bundle.content("attestation") == {
        "tier": 0,
        "contract": bench.client.address,
        "workload": "0x" + bench.workload.id.hex(),
    }
    bench.world.gate.execute(Submission.of(bundle), operator=bench.world.operator)
    report = bench.audit(mandate)
    (decision,) = report.decisions
    assert report.verdict is Verdict.ACCEPTED
    step = decision.steps[-1]
    assert (step.number, step.status) == (11, Status.PASS), step
    assert "DEVELOPMENT ROOT, WHICH PROVES NOTHING" in step.detail
    assert grades(report)["hardware"].answer is Answer.NO
    # What happens to the machine afterwards takes nothing from what was sworn before.
    bench.client.refuse_hardware(bench.workload, Machine().ppid, guard=bench.guard)
    assert bench.audit(mandate).verdict is Verdict.ACCEPTED
    with pytest.raises(KeyNotAttestedError, match="revoked"):
        bench.decide(mandate, key=key, attestation=keeper.attestation)


class Liar:
    """Says of every key that Intel vouches for it."""

    def __init__(self, client: TdxAttestationClient) -> None:
        self.address = client.address

    def attestation_of(self, *_: Any, **__: Any) -> Attested:
        return Attested(tier=2, valid_from=1, valid_until=2**40)


@pytest.mark.parametrize("registered", [False, True], ids=["never", "at tier 0"])
def test_a_claim_that_the_chain_does_not_bear_out_is_rejected(
    bench: Bench, registered: bool
) -> None:
    key = bench.keeper().first_key() if registered else bench.world.key
    mandate = bench.grant(key)
    lie: Any = KeyAttestation(Liar(bench.client), bench.workload.id)  # type: ignore[arg-type]
    bundle = bench.decide(mandate, key=key, attestation=lie)
    assert bundle.content("attestation")["tier"] == 2
    bench.world.gate.execute(Submission.of(bundle), operator=bench.world.operator)
    report = bench.audit(mandate)
    assert report.verdict is Verdict.REJECTED
    (decision,) = report.decisions
    failed = [step for step in decision.steps if step.status is not Status.PASS]
    assert [step.number for step in failed] == [11]
    assert ("tier in the evidence" if registered else "no registration") in failed[
        0
    ].detail
    assert grades(report)["hardware"].answer is Answer.NO


def test_the_gate_takes_a_key_that_a_workload_of_the_mandate_attests(
    bench: Bench,
) -> None:
    keeper = bench.keeper()
    key = keeper.first_key()
    permitted = Workload(bench.client.address, bench.workload.id)
    mandate = bench.grant(workloads=(permitted,))
    bundle = bench.decide(mandate, key=key, attestation=keeper.attestation)
    bench.world.gate.execute(Submission.of(bundle), operator=bench.world.operator)
    assert bench.world.gate.head_of(mandate.id) == bundle.digest
    report = bench.audit(mandate)
    assert report.verdict is Verdict.ACCEPTED
    assert grades(report)["hardware"].answer is Answer.NO


def test_a_hold_of_an_attested_key_explains_its_slot(bench: Bench) -> None:
    keeper = bench.keeper()
    key = keeper.first_key()
    permitted = Workload(bench.client.address, bench.workload.id)
    mandate = bench.grant(workloads=(permitted,))
    bundle = bench.decide(
        mandate, key=key, attestation=keeper.attestation, text=bench.world.hold
    )
    assert not bundle.calls
    report = bench.audit(mandate)
    (decision,) = report.decisions
    assert (decision.digest, decision.verdict) == (bundle.digest, Verdict.ACCEPTED)


def test_a_hold_of_a_key_that_nobody_attests_is_left_out(bench: Bench) -> None:
    mandate = bench.grant(
        workloads=(Workload(bench.client.address, bench.workload.id),)
    )
    lie: Any = KeyAttestation(Liar(bench.client), bench.workload.id)  # type: ignore[arg-type]
    bench.decide(mandate, key=bench.world.key, attestation=lie, text=bench.world.hold)
    report = bench.audit(mandate)
    assert report.decisions == ()
    assert any("does not permit" in finding for finding in report.findings)


def test_the_gate_refuses_a_machine_that_was_refused_meanwhile(bench: Bench) -> None:
    keeper = bench.keeper()
    key = keeper.first_key()
    mandate = bench.grant(
        workloads=(Workload(bench.client.address, bench.workload.id),)
    )
    bundle = bench.decide(mandate, key=key, attestation=keeper.attestation)
    bench.client.refuse_hardware(bench.workload, Machine().ppid, guard=bench.guard)
    with pytest.raises(GateNodeNotPermittedError):
        bench.world.gate.execute(Submission.of(bundle), operator=bench.world.operator)
    assert bench.world.gate.head_of(mandate.id) == mandate.id


def test_a_node_swears_for_a_workload_that_the_mandate_names(bench: Bench) -> None:
    from affiant.agents.deciding.decide import check_served

    keeper = bench.keeper()
    key = keeper.first_key()
    world = bench.world
    serving = world.serving(bench.folder, key=key, attestation=keeper.attestation)
    own = Workload(bench.client.address, bench.workload.id)

    def ask(*workloads: Workload, **changes: Any) -> None:
        check_served(
            world.program(),
            book=world.book,
            mandate=world.mandate_for(nodes=(), workloads=workloads),
            serving=replace(serving, **changes),
        )

    ask(own)
    for workloads in (
        (),
        (replace(own, measurement=keccak256(b"another")),),
        (replace(own, attestation=world.book.gate),),
    ):
        with pytest.raises(NotServedError):
            ask(*workloads)
    with pytest.raises(NotServedError):
        ask(own, attestation=None)


def test_settings_bind_what_the_files_say(bench: Bench, tmp_path: Path) -> None:
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    certificate = x509.load_der_x509_certificate(ROOT.pki.root_certificate)
    (tmp_path / "tls").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "gpus").write_bytes(b"evidence of GPUs")
    attester = open_attester(
        replace(
            bench.settings,
            tls_certificate=tmp_path / "tls",
            gpu_evidence=tmp_path / "gpus",
        ),
        chain=bench.world.chain,
        model=keccak256(b"m"),
        engine=keccak256(b"e"),
    )
    spki = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert attester.serves.tls_key == hashlib.sha256(spki).digest()
    assert attester.serves.gpu_evidence == hashlib.sha256(b"evidence of GPUs").digest()
