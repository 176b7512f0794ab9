"""What attestation contracts say that they were told: their events as values.

Pure. It decides that a log is the one encoding of an event. That the log is the
contract's and the chain's is for whoever fetched it. It trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from affiant.encoding import Digest, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain.abi import decode_exactly
from affiant.onchain.attestation.binding import (
    BINDING_ABI,
    WORKLOAD_ABI,
    NodeBinding,
    TdxWorkload,
)
from affiant.onchain.attestation.verifier import STATUS_NAMES
from affiant.onchain.chain_types import Log
from affiant.onchain.mandate import Address, parse_address


def topic_of(signature: str) -> Digest:
    """Return the first topic of the event `signature`."""
    return keccak256(signature.encode())


NODE_ATTESTED = topic_of(
    "NodeAttested(address,bytes32,bytes32,uint8,uint64,uint64,"
    f"{BINDING_ABI},bytes,bytes,bytes,{WORKLOAD_ABI})"
)
"""First topic of `NodeAttested`."""
GPU_ENDORSED = topic_of("GpuEndorsed(address,bytes32,bytes32,uint64,bytes)")
"""First topic of `GpuEndorsed`."""
HARDWARE_REFUSED = topic_of("HardwareRefused(bytes32,bytes16,address,uint64)")
"""First topic of `HardwareRefused`."""
CERTIFICATE_ADDED = topic_of("CertificateAdded(bytes32,uint8,bytes)")
"""First topic of `CertificateAdded`."""
LIST_ADDED = topic_of("RevocationListAdded(bytes32,uint64,uint64,bytes)")
"""First topic of `RevocationListAdded`."""
TCB_INFO_ADDED = topic_of(
    "TcbInfoAdded(bytes6,bytes32,uint64,uint64,uint16,bytes,bytes)"
)
"""First topic of `TcbInfoAdded`."""
QE_IDENTITY_ADDED = topic_of(
    "QeIdentityAdded(bytes32,uint64,uint64,uint16,bytes,bytes)"
)
"""First topic of `QeIdentityAdded`."""


@dataclass(frozen=True)
class NodeAttested:
    """A key was attested for a workload: everything that was verified."""

    key: Address
    workload_id: Digest
    machine: Digest
    """Id of the PCK certificate."""
    status: str
    """TCB status at that moment."""
    valid_from: int
    valid_until: int
    binding: NodeBinding
    signature: bytes
    """65 bytes by the key over the binding."""
    quote: TdxQuote
    """Without certificates."""
    workload: TdxWorkload
    block_number: int

    @classmethod
    def of(cls, log: Log) -> NodeAttested:
        """Read the event from `log`.

        Raises:
            MalformedError: it is another event, not its one encoding, or its workload
                does not hash to its id.
        """
        _check(log, topic=NODE_ATTESTED, topics=4, what="NodeAttested")
        status, valid_from, valid_until, binding, signature, *rest = _data(
            log,
            [
                *("uint8", "uint64", "uint64", BINDING_ABI),
                *("bytes", "bytes", "bytes", WORKLOAD_ABI),
            ],
        )
        quote, signatures, workload = rest
        read = TdxWorkload.from_abi(workload)
        if read.id != log.topics[2] or not 0 < status < len(STATUS_NAMES):
            raise MalformedError(
                "event NodeAttested",
                got=f"{to_hex(read.id)}, status {status}",
                expected=f"{to_hex(log.topics[2])}, a TCB status",
            )
        return cls(
            key=_address(log.topics[1]),
            workload_id=log.topics[2],
            machine=log.topics[3],
            status=STATUS_NAMES[status],
            valid_from=valid_from,
            valid_until=valid_until,
            binding=NodeBinding.from_abi(binding),
            signature=signature,
            quote=TdxQuote(quote, signatures, ()),
            workload=read,
            block_number=log.block_number,
        )


@dataclass(frozen=True)
class GpuEndorsed:
    """Endorsers vouched for the GPU evidence of a key."""

    gpu_evidence: Digest
    valid_until: int
    signatures: bytes
    """65 bytes each, ascending by signer."""
    block_number: int

    @classmethod
    def of(cls, log: Log) -> GpuEndorsed:
        """Read the event from `log`; raises as `NodeAttested.of`."""
        _check(log, topic=GPU_ENDORSED, topics=3, what="GpuEndorsed")
        evidence, valid_until, signatures = _data(log, ["bytes32", "uint64", "bytes"])
        return cls(Digest(evidence), valid_until, signatures, log.block_number)


@dataclass(frozen=True)
class HardwareRefused:
    """A guard refused a machine for a workload."""

    ppid: bytes
    guard: Address
    revoked_at: int

    @classmethod
    def of(cls, log: Log) -> HardwareRefused:
        """Read the event from `log`; raises as `NodeAttested.of`."""
        _check(log, topic=HARDWARE_REFUSED, topics=3, what="HardwareRefused")
        guard, revoked_at = _data(log, ["address", "uint64"])
        address = parse_address(guard, what="event address")
        return cls(bytes(log.topics[2][:16]), address, revoked_at)


@dataclass(frozen=True)
class CertificateAdded:
    """A certificate was verified by the verifier."""

    id: Digest
    role: int
    """Number of the contract's `Role`."""
    der: bytes

    @classmethod
    def of(cls, log: Log) -> CertificateAdded:
        """Read the event from `log`; raises as `NodeAttested.of`."""
        _check(log, topic=CERTIFICATE_ADDED, topics=3, what="CertificateAdded")
        (der,) = _data(log, ["bytes"])
        return cls(log.topics[1], int.from_bytes(log.topics[2], "big"), der)


@dataclass(frozen=True)
class Signed:
    """Collateral as the verifier was told it: what was signed, and by whom."""

    signer: Digest
    """Id of the signer's certificate; of a revocation list, its authority's."""
    content: bytes
    """A revocation list's DER, or the JSON as signed."""
    signature: bytes = b""
    """64 bytes r ‖ s over a JSON; a list carries its own."""


def revocation_list_of(log: Log) -> Signed:
    """Read `RevocationListAdded` from `log`; raises as `NodeAttested.of`."""
    _check(log, topic=LIST_ADDED, topics=2, what="RevocationListAdded")
    _, _, der = _data(log, ["uint64", "uint64", "bytes"])
    return Signed(log.topics[1], der)


def tcb_info_of(log: Log) -> Signed:
    """Read `TcbInfoAdded` from `log`; raises as `NodeAttested.of`."""
    _check(log, topic=TCB_INFO_ADDED, topics=3, what="TcbInfoAdded")
    *_, text, signature = _data(log, _COLLATERAL)
    return Signed(log.topics[2], text, signature)


def qe_identity_of(log: Log) -> Signed:
    """Read `QeIdentityAdded` from `log`; raises as `NodeAttested.of`."""
    _check(log, topic=QE_IDENTITY_ADDED, topics=2, what="QeIdentityAdded")
    *_, text, signature = _data(log, _COLLATERAL)
    return Signed(log.topics[1], text, signature)


_COLLATERAL = ["uint64", "uint64", "uint16", "bytes", "bytes"]


def _check(log: Log, *, topic: Digest, topics: int, what: str) -> None:
    if len(log.topics) != topics or log.topics[0] != topic:
        got = to_hex(log.topics[0]) if log.topics else "none"
        raise MalformedError(
            f"event {what}",
            got=f"{len(log.topics)} topics, first {got}",
            expected=f"{topics} topics, first {to_hex(topic)}",
        )


def _data(log: Log, types: list[str]) -> Any:
    return decode_exactly(types, log.data, what="event data")


def _address(topic: Digest) -> Address:
    if any(topic[:12]):
        raise MalformedError(
            "event address", got=to_hex(topic), expected="12 zero bytes before it"
        )
    return parse_address(to_hex(topic[12:]), what="event address")
