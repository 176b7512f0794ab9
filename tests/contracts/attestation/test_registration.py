"""Keys bound to measured code: what is taken, what is refused, and when it ends.

On the development root and a real chain (block hashes, time, signatures). Attacks
first; `test_tier_*` shows what each root and endorsement is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, keccak256
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevStatement, DevTd, Level
from affiant.inference.attestation.quote import TdReport, TdxQuote
from affiant.onchain import contract_errors as errors
from affiant.onchain.attestation.binding import (
    NodeBinding,
    TdxWorkload,
    gpu_endorsement_digest,
)
from affiant.onchain.attestation.client import Attested, TdxAttestationClient
from affiant.onchain.attestation.deploy import (
    deploy_tdx_attestation,
    deploy_tdx_verifier,
)
from affiant.onchain.attestation.submission import Piece, missing, submit
from affiant.onchain.attestation.verifier import TdxVerifierClient, certificate_id
from affiant.onchain.chain import Chain
from affiant.onchain.devnet.accounts import DEPLOYER, DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.mandate import Address

pytestmark = pytest.mark.anvil

NOW = 1_763_700_000
DAY = 86_400
KEY: LocalAccount = Account.from_key(keccak256(b"a node's key of these tests"))
MODEL, ENGINE = keccak256(b"model"), keccak256(b"engine")
PROGRAM = keccak256(b"program")
TD = DevTd()
MEASURED = TdReport(TD.report(bytes(64))).measurements(whole=False)
WHOLE = TdReport(TD.report(bytes(64))).measurements(whole=True)


def account(number: int) -> LocalAccount:
    signer: LocalAccount = Account.from_key(DEV_ACCOUNTS[number].key)
    return signer


PAYER, GUARD = account(0), account(1)
ENDORSERS = tuple(
    sorted((account(n) for n in (2, 3, 4)), key=lambda a: int(a.address, 16))
)


@dataclass
class World:
    anvil: Anvil
    chain: Chain
    root: DevRoot
    verifier: TdxVerifierClient
    contract: TdxAttestationClient

    @property
    def now(self) -> int:
        return self.chain.latest_block().timestamp

    def warp(self, timestamp: int) -> None:
        self.anvil.rpc.request("evm_setNextBlockTimestamp", timestamp)
        self.anvil.rpc.request("evm_mine")

    def tell(self, *, statement: DevStatement | None = None, **machine: Any) -> None:
        """Tell the verifier what it lacks to judge a machine, as of now."""
        told = Machine(**machine)
        collateral = self.root.collateral(
            now=self.now, machine=told, statement=statement
        )
        pieces = missing(
            self.verifier,
            collateral,
            machine=self.root.pki.machine_certificate(told),
            fmspc=told.fmspc,
            now=self.now,
            margin=40 * DAY,
        )
        submit(self.verifier, pieces, payer=PAYER)

    def binding(self, **changes: Any) -> NodeBinding:
        block = self.chain.latest_block()
        bound = NodeBinding(
            key=Address(KEY.address),
            program=PROGRAM,
            model=MODEL,
            engine=ENGINE,
            block_number=block.number,
            block_hash=block.hash,
            valid_until=block.timestamp + DAY,
        )
        return replace(bound, **changes)

    def sign(self, binding: NodeBinding, key: LocalAccount = KEY) -> bytes:
        digest = binding.digest(
            chain_id=self.chain.chain_id, contract=self.contract.address
        )
        return bytes(key.unsafe_sign_hash(digest).signature)

    def quote(self, binding: NodeBinding, **changes: Any) -> TdxQuote:
        data = binding.report_data(
            chain_id=self.chain.chain_id, contract=self.contract.address
        )
        return TdxQuote.cut(self.root.quote(data, **changes))

    def register(
        self,
        binding: NodeBinding | None = None,
        workload: TdxWorkload | None = None,
        *,
        quote: TdxQuote | None = None,
        signature: bytes | None = None,
        machine: Machine | None = None,
        td: DevTd | None = None,
    ) -> Attested:
        bound = binding or self.binding()
        asked = workload or WORKLOAD
        used = machine or Machine()
        self.contract.register(
            quote or self.quote(bound, machine=used, td=td),
            bound,
            self.sign(bound) if signature is None else signature,
            asked,
            machine=certificate_id(self.root.pki.machine_certificate(used)),
            payer=PAYER,
        )
        return self.attested(asked, key=bound.key)

    def attested(
        self, workload: TdxWorkload | None = None, key: Address | None = None
    ) -> Attested:
        return self.contract.attestation_of(
            key or Address(KEY.address), (workload or WORKLOAD).id
        )

    def why_not(self, workload: TdxWorkload | None = None) -> Any:
        """Return the error by which the key is not attested now."""
        with pytest.raises(errors.ContractError) as caught:
            self.contract.require_attested(
                Address(KEY.address), (workload or WORKLOAD).id
            )
        return caught.value


WORKLOAD = TdxWorkload(
    measurements=MEASURED,
    engines=(ENGINE,),
    endorsers=tuple(Address(e.address) for e in ENDORSERS),
    quorum=2,
    guards=(Address(GUARD.address),),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=[
            *("--chain-id", "31337", "--hardfork", "osaka"),
            *("--timestamp", str(NOW)),
        ],
    )
    try:
        with closing(Chain.connect(anvil.url, expected_chain_id=31337)) as chain:
            root = DevRoot(bytes(range(32)))
            deployer = Account.from_key(DEPLOYER.key)
            verifier = deploy_tdx_verifier(
                chain, deployer, root_key_hash=root.pki.root_key_hash
            )
            contract = deploy_tdx_attestation(chain, deployer, verifier=verifier)
            world = World(anvil, chain, root, verifier, contract)
            world.tell()
            anvil.rpc.request("anvil_mine", "0x5")
            yield world
    finally:
        anvil.stop()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared world, put back afterwards."""
    snapshot = shared.anvil.rpc.request("evm_snapshot")
    yield shared
    shared.anvil.rpc.request("evm_revert", snapshot)


# Who signed what.


def test_rejects_a_binding_that_somebody_else_signed(world: World) -> None:
    bound = world.binding()
    with pytest.raises(errors.TdxAttestationBindingSignatureInvalidError) as caught:
        world.register(bound, signature=world.sign(bound, PAYER))
    assert (caught.value.key, caught.value.recovered) == (bound.key, PAYER.address)


def test_rejects_signatures_of_another_form(world: World) -> None:
    good = world.sign(world.binding())
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    for signature in (
        b"",
        good[:64],
        good + b"\0",
        good[:64] + b"\0",
        good[:32] + high + bytes([good[64] ^ 1 ^ 27 ^ 27]),
    ):
        with pytest.raises(errors.TdxAttestationBindingSignatureMalformedError):
            world.register(world.binding(), signature=signature)


def test_rejects_the_zero_key(world: World) -> None:
    nobody = world.binding(key=Address("0x" + "0" * 40))
    with pytest.raises(errors.TdxAttestationBindingSignatureInvalidError):
        world.register(nobody, signature=bytes(64) + b"\x1b")


def test_rejects_another_keys_quote(world: World) -> None:
    """A quote that was made for one key, presented for another."""
    bound = world.binding()
    thief: LocalAccount = Account.from_key(keccak256(b"a thief"))
    stolen = replace(bound, key=Address(thief.address))
    with pytest.raises(errors.TdxAttestationReportDataMismatchError):
        world.register(
            stolen, quote=world.quote(bound), signature=world.sign(stolen, thief)
        )


@pytest.mark.parametrize(
    "field",
    [
        "program",
        "model",
        "configuration",
        "gpu_evidence",
        "tls_key",
        "operator",
        "valid_until",
    ],
)
def test_rejects_a_binding_that_differs_from_the_quoted_one(
    world: World, field: str
) -> None:
    """Whatever is exchanged after the quote was made; even if the key signs it."""
    bound = world.binding()
    other: Any = keccak256(b"other")
    if field == "operator":
        other = Address(PAYER.address)
    if field == "valid_until":
        other = bound.valid_until + 1
    changed = replace(bound, **{field: other})
    with pytest.raises(errors.TdxAttestationReportDataMismatchError) as caught:
        world.register(changed, quote=world.quote(bound))
    report = bound.report_data(chain_id=31337, contract=world.contract.address)
    assert caught.value.high + caught.value.low == report


def test_rejects_quotes_for_another_chain_contract_or_purpose(world: World) -> None:
    bound = world.binding()
    other_chain = bound.report_data(chain_id=1, contract=world.contract.address)
    other_contract = bound.report_data(chain_id=31337, contract=world.verifier.address)
    here = bound.report_data(chain_id=31337, contract=world.contract.address)
    for data in (other_chain, other_contract, here[:52] + bytes(12), here[:-1] + b"2"):
        quote = TdxQuote.cut(world.root.quote(data))
        with pytest.raises(errors.TdxAttestationReportDataMismatchError):
            world.register(bound, quote=quote)


def test_a_signature_for_another_chain_is_somebody_elses(world: World) -> None:
    bound = world.binding()
    digest = bound.digest(chain_id=1, contract=world.contract.address)
    signature = bytes(KEY.unsafe_sign_hash(digest).signature)
    with pytest.raises(errors.TdxAttestationBindingSignatureInvalidError):
        world.register(bound, signature=signature)


# What was measured, and what the workload asks.


@pytest.mark.parametrize(
    "td",
    [
        DevTd(mr_td=bytes(48)),
        DevTd(rtmr=(bytes(48), *TD.rtmr[1:])),
        DevTd(rtmr=(*TD.rtmr[:2], bytes(48), TD.rtmr[3])),
        DevTd(mr_config_id=b"\1" + bytes(47)),
        DevTd(mr_owner=b"\1" + bytes(47)),
        DevTd(mr_owner_config=bytes(47) + b"\1"),
        DevTd(xfam=bytes.fromhex("e702060000000000")),
        DevTd(attributes=bytes.fromhex("0000005000000000")),
    ],
)
def test_rejects_other_measurements(world: World, td: DevTd) -> None:
    with pytest.raises(errors.TdxAttestationMeasurementsMismatchError) as caught:
        world.register(td=td)
    assert caught.value.got == TdReport(td.report(bytes(64))).measurements(whole=False)
    assert caught.value.expected == MEASURED
    assert world.attested() == Attested(0, 0, 0)


def test_the_last_register_counts_where_the_workload_says_so(world: World) -> None:
    restarted = DevTd(rtmr=(*TD.rtmr[:3], bytes(48)))
    assert world.register(td=restarted).holds(world.now)
    strict = replace(WORKLOAD, measurements=WHOLE, all_registers=True)
    with pytest.raises(errors.TdxAttestationMeasurementsMismatchError):
        world.register(workload=strict, td=restarted)
    assert world.register(workload=strict).holds(world.now)


def test_rejects_engines_programs_and_models_that_are_not_asked_for(
    world: World,
) -> None:
    other = keccak256(b"other")
    with pytest.raises(errors.TdxAttestationEngineNotPermittedError) as engine:
        world.register(world.binding(engine=other))
    assert engine.value.engine == other
    pinned = replace(WORKLOAD, program=PROGRAM, model=MODEL)
    with pytest.raises(errors.TdxAttestationProgramNotPermittedError) as program:
        world.register(world.binding(program=other), pinned)
    assert (program.value.got, program.value.expected) == (other, PROGRAM)
    with pytest.raises(errors.TdxAttestationModelNotPermittedError) as model:
        world.register(world.binding(model=other), pinned)
    assert (model.value.got, model.value.expected) == (other, MODEL)
    assert world.register(workload=pinned).holds(world.now)


def test_rejects_a_workload_that_the_binding_does_not_name(world: World) -> None:
    other = replace(WORKLOAD, evaluation_floor=1)
    bound = world.binding(program=Digest(bytes(32)), workload=other.id)
    with pytest.raises(errors.TdxAttestationWorkloadForeignError) as caught:
        world.register(bound)
    assert (caught.value.named, caught.value.workload_id) == (other.id, WORKLOAD.id)
    assert world.register(bound, other).holds(world.now)


def test_rejects_a_binding_that_names_nothing(world: World) -> None:
    with pytest.raises(errors.TdxAttestationBindingUnnamedError):
        world.register(world.binding(program=Digest(bytes(32))))


@pytest.mark.parametrize(
    "changes",
    [
        {"engines": ()},
        {"statuses": ()},
        {"quorum": 4},
        {"quorum": 0},
        {"endorsers": (), "quorum": 1},
        {"endorsers": tuple(Address(e.address) for e in reversed(ENDORSERS))},
        {"endorsers": (Address(ENDORSERS[0].address),) * 2},
    ],
)
def test_rejects_malformed_workloads(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(errors.TdxAttestationWorkloadMalformedError):
        world.register(workload=replace(WORKLOAD, **changes))


# Freshness.


def test_rejects_bindings_that_are_over_or_too_long(world: World) -> None:
    with pytest.raises(errors.TdxAttestationBindingOverError):
        world.register(world.binding(valid_until=world.now))
    with pytest.raises(errors.TdxAttestationBindingTooLongError) as caught:
        world.register(world.binding(valid_until=world.now + 8 * DAY))
    assert caught.value.valid_until == world.now + 8 * DAY


def test_rejects_blocks_of_other_chains_and_of_the_future(world: World) -> None:
    block = world.chain.latest_block()
    with pytest.raises(errors.TdxAttestationBindingBlockError) as other:
        world.register(world.binding(block_hash=keccak256(b"a fork")))
    assert other.value.expected == block.hash
    with pytest.raises(errors.TdxAttestationBindingBlockError) as future:
        world.register(world.binding(block_number=block.number + 50))
    assert future.value.expected == bytes(32)


def test_rejects_blocks_that_the_chain_has_forgotten(world: World) -> None:
    """Quotes cannot be hoarded: what is bound to an old block is refused."""
    bound = world.binding()
    # A chain without EIP-2935, so that it forgets after 256 blocks and not after 8191.
    world.anvil.rpc.request(
        "anvil_setCode", "0x0000F90827F1C53a10cb7A02335B175320002935", "0x"
    )
    world.anvil.rpc.request("anvil_mine", hex(250))
    assert world.register(replace(bound, valid_until=world.now + DAY)).holds(world.now)
    world.anvil.rpc.request("anvil_mine", hex(10))
    with pytest.raises(errors.TdxAttestationBindingBlockError) as caught:
        world.register(replace(bound, valid_until=world.now + DAY))
    assert caught.value.expected == bytes(32)


def test_rejects_an_older_binding_of_the_same_key(world: World) -> None:
    """A replayed registration does not bring back what was replaced."""
    older = world.binding()
    quote, signature = world.quote(older), world.sign(older)
    world.anvil.rpc.request("evm_mine")
    newer = world.binding()
    world.register(newer)
    with pytest.raises(errors.TdxAttestationBindingOlderError) as caught:
        world.register(older, quote=quote, signature=signature)
    assert (caught.value.block_number, caught.value.known) == (
        older.block_number,
        newer.block_number,
    )


def test_renewing_leaves_no_gap_and_begins_anew_after_one(world: World) -> None:
    first = world.register(world.binding(valid_until=world.now + 100))
    world.warp(world.now + 50)
    renewed = world.register()
    assert renewed.valid_from == first.valid_from
    assert renewed.valid_until == world.binding().valid_until - (
        world.now - (renewed.valid_until - DAY)
    )
    world.warp(renewed.valid_until + 10)
    assert not world.attested().holds(world.now)
    again = world.register()
    assert again.valid_from == world.now


# How far patched.


def test_rejects_statuses_that_the_workload_does_not_accept(world: World) -> None:
    hardening = DevStatement(levels=(Level("SWHardeningNeeded"),), evaluation_number=18)
    world.tell(statement=hardening)
    with pytest.raises(errors.TdxAttestationStatusNotPermittedError) as caught:
        world.register()
    assert (caught.value.status, caught.value.permitted) == (2, 2)
    lenient = replace(WORKLOAD, statuses=("UpToDate", "SWHardeningNeeded"))
    assert world.register(workload=lenient).holds(world.now)


def test_rejects_collateral_from_before_the_workloads_floor(world: World) -> None:
    floored = replace(WORKLOAD, evaluation_floor=18)
    with pytest.raises(errors.TdxAttestationEvaluationTooOldError) as caught:
        world.register(workload=floored)
    assert (caught.value.evaluation_number, caught.value.floor) == (17, 18)


def test_a_tcb_recovery_ends_what_was_attested(world: World) -> None:
    """Re-checked at use: nobody has to send anything for the answer to end."""
    assert world.register().holds(world.now)
    world.tell(
        statement=DevStatement(levels=(Level("OutOfDate"),), evaluation_number=18)
    )
    assert not world.attested().holds(world.now)
    refused = world.why_not()
    assert isinstance(refused, errors.TdxAttestationStatusNotPermittedError)
    assert refused.status == 5


def test_new_levels_that_the_machine_reaches_change_nothing(world: World) -> None:
    before = world.register()
    world.tell(
        statement=DevStatement(
            levels=(Level(sgx=bytes([3, 3, 2, 2, 4, 1, 0, 5]) + bytes(8)),),
            evaluation_number=18,
        )
    )
    after = world.attested()
    assert after.holds(world.now) and after.valid_from == before.valid_from


# When it ends.


def test_ends_with_the_binding(world: World) -> None:
    until = world.now + 100
    assert world.register(world.binding(valid_until=until)).valid_until == until
    world.warp(until - 1)
    assert world.attested().holds(world.now)
    world.warp(until)
    assert not world.attested().holds(world.now)
    assert isinstance(world.why_not(), errors.TdxAttestationBindingOverError)


def test_ends_with_the_collateral_and_goes_on_when_it_is_refreshed(
    world: World,
) -> None:
    issued = world.verifier.tcb_info_of(Machine().fmspc).valid_until
    world.warp(issued - 3 * DAY)
    bound = world.binding(valid_until=world.now + 6 * DAY)
    told = world.register(bound)
    ends = told.valid_until
    # The lists end a second before TCB info and identity do.
    assert (
        ends
        == world.verifier.revocation_list_of(
            certificate_id(world.root.pki.authority_certificate)
        ).valid_until
    )
    world.warp(ends)
    assert not world.attested().holds(world.now)
    assert isinstance(world.why_not(), errors.TdxRevocationsUnknownError)
    world.tell()
    assert world.attested().valid_until == bound.valid_until
    assert world.attested().holds(world.now)


def test_recheck_changes_no_answer_and_makes_asking_cheaper(world: World) -> None:
    world.register()
    world.tell(statement=DevStatement(evaluation_number=18))
    before = world.attested()
    dear = gas_of_asking(world)
    world.contract.recheck(Address(KEY.address), WORKLOAD.id, payer=PAYER)
    assert world.attested() == before
    assert gas_of_asking(world) < dear - 10_000


def gas_of_asking(world: World) -> int:
    from affiant.onchain.abi import encode_call

    data = encode_call("attestationOf(address,bytes32)", [KEY.address, WORKLOAD.id])
    answer = world.chain.request(
        "eth_estimateGas", {"to": world.contract.address, "data": "0x" + data.hex()}
    )
    return int(answer, 16)


def test_rejects_to_recheck_what_is_not_attested(world: World) -> None:
    with pytest.raises(errors.TdxAttestationNotAttestedError) as caught:
        world.contract.recheck(Address(KEY.address), WORKLOAD.id, payer=PAYER)
    assert caught.value.workload_id == WORKLOAD.id
    world.register()
    world.tell(
        statement=DevStatement(levels=(Level("OutOfDate"),), evaluation_number=18)
    )
    with pytest.raises(errors.TdxAttestationStatusNotPermittedError):
        world.contract.recheck(Address(KEY.address), WORKLOAD.id, payer=PAYER)


# Hardware.


def test_a_revoked_machine_is_revoked_at_once(world: World) -> None:
    """By Intel's list: nobody has to name the keys on it."""
    assert world.register().holds(world.now)
    world.warp(world.now + 10)
    world.tell(statement=DevStatement(revoked_machines=[Machine().serial_number]))
    answer = world.attested()
    assert answer.revoked_at == world.now or answer.revoked_at <= world.now
    assert answer.revoked_at > 0 and not answer.holds(world.now)
    assert isinstance(world.why_not(), errors.TdxMachineDistrustedError)
    with pytest.raises(errors.TdxMachineDistrustedError):
        world.register()


def test_a_guard_refuses_a_machine_for_its_workload_alone(world: World) -> None:
    other = replace(WORKLOAD, guards=())
    world.register()
    world.register(workload=other)
    world.contract.refuse_hardware(WORKLOAD, Machine().ppid, guard=GUARD)
    refused_at = world.now
    answer = world.attested()
    assert answer.revoked_at == refused_at and not answer.holds(world.now)
    refused = world.why_not()
    assert isinstance(refused, errors.TdxAttestationHardwareRevokedError)
    assert (refused.ppid, refused.revoked_at) == (Machine().ppid, refused_at)
    assert world.attested(other).holds(world.now)
    # Not by a newer quote either, nor by another certificate of the same machine.
    with pytest.raises(errors.TdxAttestationHardwareRevokedError):
        world.register()
    reissued = Machine(serial=4242)
    world.tell(serial=4242)
    with pytest.raises(errors.TdxAttestationHardwareRevokedError):
        world.register(machine=reissued)
    world.contract.refuse_hardware(WORKLOAD, Machine().ppid, guard=GUARD)
    assert world.attested().revoked_at == refused_at


def test_rejects_refusals_by_others(world: World) -> None:
    for workload, caller in ((WORKLOAD, PAYER), (replace(WORKLOAD, guards=()), GUARD)):
        with pytest.raises(errors.TdxAttestationNotGuardError) as caught:
            world.contract.refuse_hardware(workload, Machine().ppid, guard=caller)
        assert caught.value.caller == caller.address


# Tiers.


def test_tier_of_a_development_root_is_zero_whoever_vouches(world: World) -> None:
    evidence = keccak256(b"GPU evidence")
    world.register(world.binding(gpu_evidence=evidence))
    endorse(world, evidence)
    answer = world.attested()
    assert answer.tier == 0 and answer.holds(world.now)


def test_tier_2_under_intels_root_and_3_while_endorsed(world: World) -> None:
    """The same contract, asked by a verifier that says tier 2.

    No hardware is at hand that would bind our keys under Intel's root, so the
    verifier's tier is exchanged in the code of a copy; everything else is real.
    """
    evidence = keccak256(b"GPU evidence")
    world.register(world.binding(gpu_evidence=evidence))
    patched = with_tier_two(world)
    assert world.attested().tier == 2 if patched else pytest.fail("nothing patched")
    until = world.now + 500
    endorse(world, evidence, until=until)
    assert world.attested().tier == 3
    world.warp(until)
    assert world.attested().tier == 2
    # Bound to other GPUs, nobody has vouched; to the same ones, the word goes on.
    endorse(world, evidence, until=world.now + 500)
    world.register(world.binding(gpu_evidence=evidence))
    assert world.attested().tier == 3
    world.register(world.binding(gpu_evidence=keccak256(b"other GPUs")))
    assert world.attested().tier == 2
    world.register(world.binding(gpu_evidence=Digest(bytes(32))))
    assert world.attested().tier == 2


def with_tier_two(world: World) -> bool:
    """Give the attestation contract the immutable that Intel's root would have."""
    from affiant.encoding import to_hex
    from affiant.onchain.artifacts import load_artifact

    code = world.chain.code(world.contract.address)
    blank = load_artifact("TdxAttestation").deployed_bytecode
    # Immutables are 32-byte pushes of zero in the artifact: the tier's stay zero.
    patched = bytearray(code)
    address = bytes(12) + bytes.fromhex(world.verifier.address[2:])
    count = 0
    at = 0
    while at < len(blank):
        operation = blank[at]
        if operation == 0x7F and blank[at + 1 : at + 33] == bytes(32):
            if code[at + 1 : at + 33] != address:
                patched[at + 32] = 2
                count += 1
        at += 1 + (operation - 0x5F if 0x60 <= operation <= 0x7F else 0)
    world.anvil.rpc.request(
        "anvil_setCode", world.contract.address, to_hex(bytes(patched))
    )
    return count > 0


def endorsement(
    world: World, evidence: bytes, *, until: int, workload: TdxWorkload = WORKLOAD
) -> Digest:
    return gpu_endorsement_digest(
        chain_id=31337,
        contract=world.contract.address,
        key=Address(KEY.address),
        workload=workload.id,
        gpu_evidence=Digest(evidence),
        valid_until=until,
    )


def endorse(
    world: World,
    evidence: bytes,
    *,
    signers: tuple[LocalAccount, ...] = ENDORSERS[:2],
    until: int | None = None,
    garbled: bytes = b"",
) -> None:
    end = until or world.now + 1_000
    digest = endorsement(world, evidence, until=end)
    signatures = b"".join(bytes(s.unsafe_sign_hash(digest).signature) for s in signers)
    world.contract.endorse_gpu(
        Address(KEY.address),
        WORKLOAD,
        valid_until=end,
        signatures=signatures + garbled,
        payer=PAYER,
    )


def test_rejects_gpu_endorsements_that_are_not_the_workloads(world: World) -> None:
    evidence = keccak256(b"GPU evidence")
    one, two, three = ENDORSERS
    with pytest.raises(errors.TdxAttestationNotAttestedError):
        endorse(world, evidence)
    world.register()
    with pytest.raises(errors.TdxAttestationGpuEvidenceMissingError):
        endorse(world, evidence)
    world.register(world.binding(gpu_evidence=evidence))
    with pytest.raises(errors.TdxAttestationGpuEndorsementsMissingError) as missing_:
        endorse(world, evidence, signers=(one,))
    assert (missing_.value.got, missing_.value.quorum) == (1, 2)
    with pytest.raises(errors.TdxAttestationGpuEndorsementsMissingError):
        endorse(world, evidence, signers=())
    with pytest.raises(errors.TdxAttestationGpuEndorsersUnorderedError):
        endorse(world, evidence, signers=(one, one))
    with pytest.raises(errors.TdxAttestationGpuEndorsersUnorderedError):
        endorse(world, evidence, signers=(three, two))
    stranger = min((PAYER, GUARD), key=lambda a: int(a.address, 16))
    ordered = tuple(sorted((one, stranger), key=lambda a: int(a.address, 16)))
    with pytest.raises(errors.TdxAttestationGpuEndorserUnknownError) as unknown:
        endorse(world, evidence, signers=ordered)
    assert unknown.value.endorser == stranger.address
    with pytest.raises(errors.TdxAttestationGpuSignatureMalformedError):
        endorse(world, evidence, garbled=b"\0")
    with pytest.raises(errors.TdxAttestationGpuEndorsementOverError):
        endorse(world, evidence, until=world.now)
    # Signed about other evidence, another recovers: nobody whom the workload names.
    with pytest.raises(
        (
            errors.TdxAttestationGpuEndorserUnknownError,
            errors.TdxAttestationGpuEndorsersUnorderedError,
        )
    ):
        endorse(world, keccak256(b"other evidence"))
    endorse(world, evidence)


def test_nobody_shortens_an_endorsement_by_showing_an_older_one(world: World) -> None:
    evidence = keccak256(b"GPU evidence")
    world.register(world.binding(gpu_evidence=evidence))
    until = world.now + 1_000
    endorse(world, evidence, until=until)
    for shorter in (until, until - 1, until - 900):
        with pytest.raises(errors.TdxAttestationGpuEndorsementOlderError) as caught:
            endorse(world, evidence, until=shorter)
        assert (caught.value.valid_until, caught.value.known) == (shorter, until)
    endorse(world, evidence, until=until + 1)


def test_a_workload_without_endorsers_is_never_endorsed(world: World) -> None:
    alone = replace(WORKLOAD, endorsers=(), quorum=0)
    evidence = keccak256(b"GPU evidence")
    world.register(world.binding(gpu_evidence=evidence), alone)
    with pytest.raises(errors.TdxAttestationGpuEndorsementsMissingError):
        world.contract.endorse_gpu(
            Address(KEY.address),
            alone,
            valid_until=world.now + 9,
            signatures=b"",
            payer=PAYER,
        )


# What is taken.


def test_registering_says_everything_that_was_verified(world: World) -> None:
    bound = world.binding(gpu_evidence=keccak256(b"GPUs"), tls_key=keccak256(b"TLS"))
    world.register(bound)
    hardware = world.contract.machine_of(bound.key, WORKLOAD.id)
    assert hardware.ppid == Machine().ppid
    assert hardware.gpu_evidence == bound.gpu_evidence
    assert hardware.machine == certificate_id(
        world.root.pki.machine_certificate(Machine())
    )
    assert world.contract.require_attested(bound.key, WORKLOAD.id) == world.attested()


def test_a_td_that_was_updated_since_its_launch_is_judged_by_both(world: World) -> None:
    old = bytes([6, 1, 3]) + bytes(13)
    new = bytes([6, 1, 9]) + bytes(13)
    updated = DevTd(body=3, launched=old, current=new)
    assert world.register(td=updated).holds(world.now)
    # A recovery that the present versions reach and those of the launch do not.
    world.tell(
        statement=DevStatement(
            levels=(
                Level(tdx=bytes([5, 0, 9]) + bytes(13)),
                Level("OutOfDate", tdx=bytes([5, 0, 2]) + bytes(13)),
            ),
            evaluation_number=18,
        )
    )
    refused = world.why_not()
    assert isinstance(refused, errors.TdxAttestationStatusNotPermittedError)
    assert refused.status == 8
    relaunched = DevTd(body=3, launched=new, current=new)
    assert world.register(td=relaunched).holds(world.now)


def test_refused_registrations_change_nothing(world: World) -> None:
    before = world.register()
    with pytest.raises(errors.TdxAttestationMeasurementsMismatchError):
        world.register(td=DevTd(mr_td=bytes(48)))
    with pytest.raises(errors.TdxAttestationReportDataMismatchError):
        world.register(quote=world.quote(world.binding(tls_key=keccak256(b"x"))))
    assert world.attested() == before


def test_only_what_is_missing_is_submitted(world: World) -> None:
    collateral = world.root.collateral(now=world.now + 60)
    machine = world.root.pki.machine_certificate(Machine())
    asked: dict[str, Any] = {"machine": machine, "fmspc": Machine().fmspc}
    assert missing(world.verifier, collateral, now=world.now, **asked) == ()
    later = missing(world.verifier, collateral, now=world.now + 24 * DAY, **asked)
    assert [piece.what for piece in later] == [
        "root's revocation list",
        "machines' revocation list",
        "TCB info",
        "identity of the quoting enclave",
    ]
    other = Machine(name="other")
    asked["machine"] = world.root.pki.machine_certificate(other)
    (piece,) = missing(world.verifier, collateral, now=world.now, **asked)
    assert isinstance(piece, Piece) and piece.what == "machine's certificate"
