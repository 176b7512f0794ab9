"""What a node's key says of itself from inside its TD, and what an owner asks of it.

Mirrors `contracts/attestation/types/NodeBinding.sol` and `TdxWorkload.sol`. Pure: it
decides only what has the form of one; `TdxAttestation` decides what is believed.

Report data of a node's quote, 64 bytes::

    key 20 ‖ EIP-712 digest of the binding 32 ‖ "affiant.tdx1" 12

The digest's domain is ("Affiant", "1", chain, the attestation contract), so that a
quote is good for one chain and one contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from affiant.encoding import (
    ZERO_DIGEST,
    Digest,
    JsonValue,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.attestation.verify import UP_TO_DATE
from affiant.onchain.attestation.verifier import STATUS_NAMES
from affiant.onchain.decision import domain_separator
from affiant.onchain.mandate import Address, parse_address

REPORT_DATA_TAG = b"affiant.tdx1"
"""Ends the report data, so that no quote made for something else is a node's."""

BINDING_TYPE = (
    "NodeBinding(address key,bytes32 program,bytes32 workload,bytes32 model,"
    "bytes32 engine,bytes32 configuration,bytes32 gpuEvidence,bytes32 tlsKey,"
    "address operator,uint64 blockNumber,bytes32 blockHash,uint64 validUntil)"
)
"""EIP-712 type of a binding."""

BINDING_ABI = (
    "(address,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,address,"
    "uint64,bytes32,uint64)"
)
"""ABI type of a binding."""

WORKLOAD_ABI = (
    "(bytes32,bool,bytes32,bytes32,bytes32[],uint16,uint16,address[],uint8,address[])"
)
"""ABI type of a workload."""

GPU_ENDORSEMENT_TYPE = (
    "GpuEndorsement(address key,bytes32 workload,bytes32 gpuEvidence,uint64 validUntil)"
)
"""EIP-712 type of what endorsers sign about a key's GPUs."""

MAX_LIST = 64
"""Longest list in a workload that is read."""

NOBODY = Address("0x0000000000000000000000000000000000000000")
"""The zero address: no operator is named."""


@dataclass(frozen=True)
class NodeBinding:
    """What a key is bound to. Zero where it says nothing."""

    key: Address
    """Made in the TD, and never leaves it."""
    engine: Digest
    """Hash of the engine manifest."""
    model: Digest
    """Root of the model commitment that it serves."""
    block_number: int
    """A recent block."""
    block_hash: Digest
    """That block's hash."""
    valid_until: int
    """Unix seconds, exclusive."""
    program: Digest = ZERO_DIGEST
    """Hash of the program that it serves; zero: any that its code permits."""
    workload: Digest = ZERO_DIGEST
    """The one workload that it may be registered under; zero: any."""
    configuration: Digest = ZERO_DIGEST
    """Hash of whatever else decides its answers."""
    gpu_evidence: Digest = ZERO_DIGEST
    """SHA-256 of the evidence of its GPUs."""
    tls_key: Digest = ZERO_DIGEST
    """SHA-256 of the public key of its TLS certificate."""
    operator: Address = NOBODY

    def abi(self) -> tuple[Any, ...]:
        """Return the values in the struct's order."""
        return (
            self.key,
            self.program,
            self.workload,
            self.model,
            self.engine,
            self.configuration,
            self.gpu_evidence,
            self.tls_key,
            self.operator,
            self.block_number,
            self.block_hash,
            self.valid_until,
        )

    @classmethod
    def from_abi(cls, values: Any) -> NodeBinding:
        """Return the binding from its decoded ABI tuple."""
        key, program, workload, model, engine, configuration, gpu, tls, *rest = values
        operator, block_number, block_hash, valid_until = rest
        return cls(
            key=parse_address(key, what="key"),
            program=Digest(program),
            workload=Digest(workload),
            model=Digest(model),
            engine=Digest(engine),
            configuration=Digest(configuration),
            gpu_evidence=Digest(gpu),
            tls_key=Digest(tls),
            operator=parse_address(operator, what="operator"),
            block_number=block_number,
            block_hash=Digest(block_hash),
            valid_until=valid_until,
        )

    def encoded(self) -> bytes:
        """Return the ABI encoding: twelve words."""
        return bytes(encode([BINDING_ABI], [self.abi()]))

    def digest(self, *, chain_id: int, contract: Address) -> Digest:
        """Return what the key signs and the report carries.

        Args:
            contract: the `TdxAttestation`.
        """
        struct = keccak256(keccak256(BINDING_TYPE.encode()) + self.encoded())
        separator = domain_separator(chain_id=chain_id, gate=contract)
        return keccak256(b"\x19\x01" + separator + struct)

    def report_data(self, *, chain_id: int, contract: Address) -> bytes:
        """Return the 64 bytes that the TD has to put into its report."""
        digest = self.digest(chain_id=chain_id, contract=contract)
        return bytes.fromhex(self.key[2:]) + digest + REPORT_DATA_TAG


@dataclass(frozen=True)
class TdxWorkload:
    """What an owner asks of hardware; its id is what a mandate names."""

    measurements: Digest
    """keccak256 of what must be measured; see `TdReport.measurements`."""
    engines: tuple[Digest, ...]
    """Engine manifests of which the key must be bound to one."""
    all_registers: bool = False
    """With RTMR3, which some images extend differently on every start."""
    program: Digest = ZERO_DIGEST
    """Program that the key must be bound to; zero: any."""
    model: Digest = ZERO_DIGEST
    """Model that the key must be bound to; zero: any."""
    statuses: tuple[str, ...] = (UP_TO_DATE,)
    """Accepted TCB statuses."""
    evaluation_floor: int = 0
    """Oldest TCB recovery event that collateral may be up to."""
    endorsers: tuple[Address, ...] = ()
    """Who may endorse GPU evidence, ascending."""
    quorum: int = 0
    """How many of them it takes."""
    guards: tuple[Address, ...] = ()
    """Who may refuse machines."""

    @property
    def id(self) -> Digest:
        """keccak256 of the ABI encoding."""
        return keccak256(self.encoded())

    def encoded(self) -> bytes:
        """Return the ABI encoding."""
        return bytes(encode([WORKLOAD_ABI], [self.abi()]))

    @property
    def status_bits(self) -> int:
        """Bit n for number n of the contract's `TcbStatus`."""
        return sum(1 << STATUS_NAMES.index(status) for status in set(self.statuses))

    def abi(self) -> tuple[Any, ...]:
        """Return the values in the struct's order."""
        return (
            self.measurements,
            self.all_registers,
            self.program,
            self.model,
            list(self.engines),
            self.status_bits,
            self.evaluation_floor,
            list(self.endorsers),
            self.quorum,
            list(self.guards),
        )

    @classmethod
    def from_abi(cls, values: Any) -> TdxWorkload:
        """Return the workload from its decoded ABI tuple."""
        measurements, whole, program, model, engines, bits, floor, *rest = values
        endorsers, quorum, guards = rest
        return cls(
            measurements=Digest(measurements),
            all_registers=whole,
            program=Digest(program),
            model=Digest(model),
            engines=tuple(Digest(engine) for engine in engines),
            statuses=tuple(
                name for number, name in enumerate(STATUS_NAMES) if bits >> number & 1
            ),
            evaluation_floor=floor,
            endorsers=tuple(parse_address(e, what="endorser") for e in endorsers),
            quorum=quorum,
            guards=tuple(parse_address(g, what="guard") for g in guards),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the workload as a file has it."""
        return {
            "measurements": to_hex(self.measurements),
            "allRegisters": self.all_registers,
            "program": to_hex(self.program),
            "model": to_hex(self.model),
            "engines": [to_hex(engine) for engine in self.engines],
            "statuses": list(self.statuses),
            "evaluationFloor": self.evaluation_floor,
            "endorsers": list(self.endorsers),
            "quorum": self.quorum,
            "guards": list(self.guards),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> TdxWorkload:
        """Read a workload's file, hostile.

        Raises:
            MalformedError: names the first field that is not as it must be.
        """
        if not isinstance(value, Mapping):
            raise _malformed("workload", got=type(value).__name__, expected="object")
        names = set(cls.__dataclass_fields__)
        known = {_camel(name): name for name in names}
        for name in value:
            if name not in known:
                raise _malformed(name, got="unknown", expected="no such field")
        for name in known:
            if name not in value:
                raise _malformed(name, got="nothing", expected="a value")
        statuses = tuple(_list(value, "statuses"))
        for status in statuses:
            if status not in STATUS_NAMES[1:]:
                raise _malformed("statuses", got=repr(status), expected="TCB statuses")
        endorsers = _addresses(value, "endorsers")
        if [int(e, 16) for e in endorsers] != sorted({int(e, 16) for e in endorsers}):
            raise _malformed("endorsers", got=str(endorsers), expected="ascending")
        return cls(
            measurements=digest_from_hex(value["measurements"], what="measurements"),
            all_registers=_typed(value, "allRegisters", bool),
            program=digest_from_hex(value["program"], what="program"),
            model=digest_from_hex(value["model"], what="model"),
            engines=tuple(
                digest_from_hex(engine, what="engine")
                for engine in _list(value, "engines")
            ),
            statuses=statuses,
            evaluation_floor=_number(value, "evaluationFloor", bits=16),
            endorsers=endorsers,
            quorum=_number(value, "quorum", bits=8),
            guards=_addresses(value, "guards"),
        )


def gpu_endorsement_digest(
    *,
    chain_id: int,
    contract: Address,
    key: Address,
    workload: Digest,
    gpu_evidence: Digest,
    valid_until: int,
) -> Digest:
    """Return what an endorser signs to vouch for the GPUs behind `key`."""
    struct = keccak256(
        encode(
            ["bytes32", "address", "bytes32", "bytes32", "uint64"],
            [
                keccak256(GPU_ENDORSEMENT_TYPE.encode()),
                key,
                workload,
                gpu_evidence,
                valid_until,
            ],
        )
    )
    separator = domain_separator(chain_id=chain_id, gate=contract)
    return keccak256(b"\x19\x01" + separator + struct)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    entries: list[Any] = _typed(value, name, list)
    if len(entries) > MAX_LIST:
        raise _malformed(
            name, got=f"{len(entries)} entries", expected=f"at most {MAX_LIST}"
        )
    return entries


def _addresses(value: Mapping[str, Any], name: str) -> tuple[Address, ...]:
    return tuple(parse_address(entry, what=name) for entry in _list(value, name))


def _number(value: Mapping[str, Any], name: str, *, bits: int) -> int:
    number = value[name]
    if type(number) is not int or not 0 <= number < 1 << bits:
        raise _malformed(name, got=repr(number)[:40], expected=f"0 to {2**bits - 1}")
    return number


def _typed(value: Mapping[str, Any], name: str, kind: type) -> Any:
    if type(value[name]) is not kind:
        raise _malformed(name, got=repr(value[name])[:40], expected=kind.__name__)
    return value[name]


def _malformed(name: str, *, got: str, expected: str) -> MalformedError:
    return MalformedError(f"workload `{name}`", got=got, expected=expected)
