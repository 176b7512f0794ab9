"""What a chain recorded of an attestation, as of a block: enough to verify it again.

Quote, binding, certificates and collateral are in the contracts' events. They are
gathered here and nothing is believed of them; `affiant.audit.check_attestation`
verifies. The endpoint is trusted for the chain's past, and for leaving nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.quote import TdxQuote
from affiant.inference.attestation.verify import machine_names
from affiant.onchain.attestation import events
from affiant.onchain.attestation.client import Attested, TdxAttestationClient
from affiant.onchain.attestation.events import (
    CertificateAdded,
    GpuEndorsed,
    HardwareRefused,
    NodeAttested,
    Signed,
)
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, Log
from affiant.onchain.mandate import Address

Event = TypeVar("Event")

ROOT_ROLE = 1
"""Number of the root's role in the contract's `Role`."""


class RecordMissingError(RejectedError):
    """The chain has no record of something that an attestation must rest on."""

    def __init__(self, what: str, *, contract: Address, block: int) -> None:
        super().__init__(
            f"no {what}: got no event of {contract} up to block {block}, expected one"
        )
        self.what = what
        self.contract = contract
        self.block = block
        self.got = "nothing"
        self.expected = what


@dataclass(frozen=True)
class AttestationRecord:
    """Everything that was recorded of a key's attestation up to a block."""

    contract: Address
    registration: NodeAttested
    """The newest up to the block."""
    quote: TdxQuote
    """With the certificates of its machine, as the verifier was told them."""
    collateral: Collateral
    """The newest up to the block."""
    root_key_hash: Digest
    """keccak256 of the key that the verifier is pinned to."""
    refused_ppids: tuple[bytes, ...]
    """Machines that guards of the workload had refused by then."""
    endorsements: tuple[GpuEndorsed, ...]
    """Of the key's GPUs for the workload, oldest first."""
    answer: Attested
    """What the contract itself said at the block."""


def read_record(
    chain: Chain, contract: Address, *, key: Address, workload: Digest, block: Block
) -> AttestationRecord:
    """Return what was recorded up to and in `block`.

    Raises:
        RecordMissingError: the chain has no such registration, certificate or
            collateral.
        MalformedError: an event is not its one encoding.
        ChainUnavailableError: the endpoint lacks logs or state.
    """
    client = TdxAttestationClient(chain, contract)
    verifier = client.verifier()
    registrations = _Logs(chain, contract, block=block)
    about = [_word(key), workload]
    registration = registrations.newest(
        events.NODE_ATTESTED, about, read=NodeAttested.of, what="registration"
    )
    told = _Logs(chain, verifier.address, block=block)
    machine = told.certificate(registration.machine, what="machine's certificate")
    return AttestationRecord(
        contract=contract,
        registration=registration,
        quote=TdxQuote(
            registration.quote.signed,
            registration.quote.signatures,
            told.chain_of(machine),
        ),
        collateral=_collateral(told, machine=machine),
        root_key_hash=verifier.root_key_hash(),
        refused_ppids=tuple(
            HardwareRefused.of(log).ppid
            for log in registrations.all(events.HARDWARE_REFUSED, [workload])
        ),
        endorsements=tuple(
            GpuEndorsed.of(log) for log in registrations.all(events.GPU_ENDORSED, about)
        ),
        answer=client.attestation_of(key, workload, block_hash=block.hash),
    )


def _collateral(told: _Logs, *, machine: bytes) -> Collateral:
    authority = told.issuer_of(machine)
    root = told.issuer_of(authority)
    fmspc = machine_names(machine).fmspc
    info = told.newest(
        events.TCB_INFO_ADDED,
        [Digest(fmspc.ljust(32, b"\x00"))],
        read=events.tcb_info_of,
        what=f"TCB info for {fmspc.hex()}",
    )
    identity = told.newest(
        events.QE_IDENTITY_ADDED,
        [],
        read=events.qe_identity_of,
        what="identity of the quoting enclave",
    )

    def listed(der: bytes, what: str) -> Signed:
        return told.newest(
            events.LIST_ADDED,
            [told.id_of(der)],
            read=events.revocation_list_of,
            what=what,
        )

    return Collateral(
        root=root,
        signer=told.certificate(info.signer, what="certificate of the signer"),
        authority=authority,
        root_list=listed(root, "root's revocation list").content,
        machine_list=listed(authority, "machines' revocation list").content,
        tcb_info=info.content,
        tcb_info_signature=info.signature,
        qe_identity=identity.content,
        qe_identity_signature=identity.signature,
    )


class _Logs:
    """One contract's events up to a block, its certificates remembered."""

    def __init__(self, chain: Chain, contract: Address, *, block: Block) -> None:
        self._chain = chain
        self._contract = contract
        self._block = block
        self._first: int | None = None
        self._certificates: tuple[CertificateAdded, ...] | None = None

    def all(self, topic: Digest, about: Sequence[Digest]) -> tuple[Log, ...]:
        return self._chain.logs(
            self._contract,
            topics=[topic, *about],
            from_block=self._deployed(),
            to_block=self._block.number,
        )

    def newest(
        self,
        topic: Digest,
        about: Sequence[Digest],
        *,
        read: Callable[[Log], Event],
        what: str,
    ) -> Event:
        found = self.all(topic, about)
        if not found:
            raise self._missing(what)
        return read(found[-1])

    def certificate(self, id: Digest, *, what: str) -> bytes:
        for added in self._known():
            if added.id == id:
                return added.der
        raise self._missing(f"{what} {to_hex(id)}")

    def id_of(self, der: bytes) -> Digest:
        return next(added.id for added in self._known() if added.der == der)

    def issuer_of(self, der: bytes) -> bytes:
        """Return the newest certificate of the issuer that `der` names."""
        issuer = x509.load_der_x509_certificate(der).issuer
        for added in reversed(self._known()):
            if x509.load_der_x509_certificate(added.der).subject == issuer:
                return added.der
        raise self._missing(f"certificate of {issuer.rfc4514_string()}")

    def chain_of(self, machine: bytes) -> tuple[bytes, ...]:
        authority = self.issuer_of(machine)
        return machine, authority, self.issuer_of(authority)

    def _known(self) -> tuple[CertificateAdded, ...]:
        if self._certificates is None:
            self._certificates = tuple(
                CertificateAdded.of(log)
                for log in self.all(events.CERTIFICATE_ADDED, [])
            )
        return self._certificates

    def _deployed(self) -> int:
        """Return the first block after which the contract has code.

        Found by halving, so that logs are not asked for from the chain's beginning.
        """
        if self._first is None:
            low, high = 0, self._block.number
            while low < high:
                middle = (low + high) // 2
                at = self._chain.block_by_number(middle)
                if self._chain.code(self._contract, block_hash=at.hash):
                    high = middle
                else:
                    low = middle + 1
            self._first = low
        return self._first

    def _missing(self, what: str) -> RecordMissingError:
        return RecordMissingError(
            what, contract=self._contract, block=self._block.number
        )


def _word(address: Address) -> Digest:
    return Digest(bytes(12) + bytes.fromhex(address[2:]))
