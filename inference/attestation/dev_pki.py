"""A provisioning PKI for development, derived from a seed.

DEV ROOT, NO HARDWARE PROTECTION. It issues certificates and revocation lists of Intel's
profile under a root that is not Intel's, so that the very same contracts and the very
same `dcap-qvl` verify them, and refuse them under Intel's root. Whoever has the seed
has every key: it protects nothing, and every name says so. Pure: the same seed and the
same times give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from affiant.encoding import Digest, keccak256
from affiant.inference.attestation import der

DEV_NAME = "DEV ROOT, NO HARDWARE PROTECTION"
"""Opens the common name of every certificate."""

VALID_FROM = 1_735_689_600
"""2025-01-01: from when certificates are valid, unix seconds."""
VALID_UNTIL = 2_524_607_999
"""2049-12-31 23:59:59: their last second."""

SGX_EXTENSION = "1.2.840.113741.1.13.1"
"""Object identifier of Intel's extension of PCK certificates."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256."""
ECDSA_WITH_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
"""Algorithm identifier of every signature."""
P256 = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7"))
"""Algorithm identifier of every key."""

_DIGITAL_SIGNATURE, _SIGNS_CERTIFICATES_AND_LISTS = 0xC0, 0x06


@dataclass(frozen=True)
class P256Key:
    """A key on P-256 that signs deterministically (RFC 6979)."""

    secret: int

    @classmethod
    def derive(cls, seed: bytes, label: str) -> P256Key:
        """Return the key that `label` names under `seed`."""
        wide = hashlib.sha512(b"affiant dev root\x00" + label.encode() + b"\x00" + seed)
        return cls(1 + int.from_bytes(wide.digest(), "big") % (_ORDER - 1))

    @cached_property
    def _private(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self.secret, ec.SECP256R1())

    @cached_property
    def public(self) -> bytes:
        """64 bytes x ‖ y."""
        numbers = self._private.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    @property
    def id(self) -> bytes:
        """Key id: SHA-1 of the uncompressed point (RFC 5280, 4.2.1.2), 20 bytes."""
        return hashlib.sha1(b"\x04" + self.public, usedforsecurity=False).digest()

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes r ‖ s over SHA-256 of `message`."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._private.sign(message, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Machine:
    """A machine that does not exist: what its PCK certificate says."""

    name: str = "machine 1"
    fmspc: bytes = b"DEV000"
    """Kind of machine, 6 bytes."""
    cpu_svn: bytes = bytes([3, 3, 2, 2, 4, 1, 0, 5]) + bytes(8)
    """Versions of its TCB components, 16 bytes."""
    pce_svn: int = 11
    pce_id: bytes = bytes(2)
    serial: int | None = None
    """Serial number of its certificate; from its name if `None`."""

    @property
    def ppid(self) -> bytes:
        """Provisioning id, 16 bytes."""
        return hashlib.sha256(self.name.encode()).digest()[:16]

    @property
    def serial_number(self) -> int:
        """The serial number."""
        digest = hashlib.sha256(b"serial " + self.name.encode()).digest()
        return self.serial or int.from_bytes(digest[:20], "big") >> 1


@dataclass(frozen=True)
class Issuer:
    """Somebody who signs certificates or lists: a name and a key."""

    common_name: str
    key: P256Key
    name: bytes = field(init=False)
    """The distinguished name, DER."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _name(self.common_name))


class DevPki:
    """Root, authority and signer of one seed, and what they issue."""

    def __init__(self, seed: bytes) -> None:
        """Derive the keys.

        Args:
            seed: 32 bytes; public ones are fine, because nothing here is protected.

        Raises:
            ValueError: it has another length.
        """
        if len(seed) != 32:
            raise ValueError(f"seed: got {len(seed)} bytes, expected 32")
        self._seed = seed
        self.root = self._issuer("Root CA")
        self.authority = self._issuer("PCK Platform CA")
        self.signer = self._issuer("TCB Signing")

    def key(self, label: str) -> P256Key:
        """Return the key that `label` names."""
        return P256Key.derive(self._seed, label)

    @property
    def root_key_hash(self) -> Digest:
        """keccak256 of the root's key, which a `TdxVerifier` is deployed with."""
        return keccak256(self.root.key.public)

    @cached_property
    def root_certificate(self) -> bytes:
        """DER of the root's certificate, signed by itself."""
        return self.issue(self.root, by=self.root, serial=1, authority=True)

    @cached_property
    def authority_certificate(self) -> bytes:
        """DER of the certificate of who issues machines."""
        return self.issue(self.authority, by=self.root, serial=2, authority=True)

    @cached_property
    def signer_certificate(self) -> bytes:
        """DER of the certificate of who signs collateral."""
        return self.issue(self.signer, by=self.root, serial=3)

    def machine_key(self, machine: Machine) -> P256Key:
        """Return the key of `machine`'s certificate."""
        return self.key(f"PCK {machine.name} {machine.serial_number}")

    def machine_certificate(self, machine: Machine) -> bytes:
        """Return DER of the PCK certificate of `machine`."""
        subject = Issuer(f"{DEV_NAME}: PCK Certificate", self.machine_key(machine))
        return self.issue(
            subject,
            by=self.authority,
            serial=machine.serial_number,
            extra=(extension(SGX_EXTENSION, sgx_extension(machine)),),
        )

    def issue(
        self,
        subject: Issuer,
        *,
        by: Issuer,
        serial: int,
        authority: bool = False,
        valid: tuple[int, int] = (VALID_FROM, VALID_UNTIL),
        extra: Sequence[bytes] = (),
    ) -> bytes:
        """Return DER of a certificate for `subject`, signed `by`; see `parts`."""
        parts = self.parts(
            subject,
            by=by,
            serial=serial,
            authority=authority,
            valid=valid,
            extra=extra,
        )
        return seal(der.sequence(*parts.values()), key=by.key)

    def parts(
        self,
        subject: Issuer,
        *,
        by: Issuer,
        serial: int,
        authority: bool = False,
        valid: tuple[int, int] = (VALID_FROM, VALID_UNTIL),
        extra: Sequence[bytes] = (),
    ) -> dict[str, bytes]:
        """Return the parts of a certificate's signed part, in their order.

        Args:
            authority: it may sign certificates and lists, and nothing else.
            valid: unix seconds, both inclusive.
            extra: further extensions, DER.
        """
        usage = _SIGNS_CERTIFICATES_AND_LISTS if authority else _DIGITAL_SIGNATURE
        constraints = der.sequence(der.true()) if authority else der.sequence()
        extensions = (
            extension("2.5.29.35", der.sequence(der.element(0x80, by.key.id))),
            extension("2.5.29.14", der.octets(subject.key.id)),
            extension("2.5.29.15", der.bits(bytes([usage]), unused=1), critical=True),
            extension("2.5.29.19", constraints, critical=True),
            *extra,
        )
        return {
            "version": der.context(0, der.integer(2)),
            "serial": der.integer(serial),
            "algorithm": ECDSA_WITH_SHA256,
            "issuer": by.name,
            "validity": der.sequence(der.time(valid[0]), der.time(valid[1])),
            "subject": subject.name,
            "key": der.sequence(P256, der.bits(b"\x04" + subject.key.public)),
            "extensions": der.context(3, der.sequence(*extensions)),
        }

    def revocation_list(
        self,
        by: Issuer,
        *,
        issued_at: int,
        next_update: int,
        serials: Sequence[int] = (),
    ) -> bytes:
        """Return DER of a list of revoked `serials`, signed `by`.

        Args:
            issued_at, next_update: unix seconds.
        """
        parts = self.list_parts(
            by, issued_at=issued_at, next_update=next_update, serials=serials
        )
        return seal(der.sequence(*parts.values()), key=by.key)

    def list_parts(
        self,
        by: Issuer,
        *,
        issued_at: int,
        next_update: int,
        serials: Sequence[int] = (),
    ) -> dict[str, bytes]:
        """Return the parts of a revocation list's signed part, in their order."""
        reason = der.sequence(
            extension("2.5.29.21", der.element(der.ENUMERATED, b"\1"))
        )
        entries = [
            der.sequence(der.integer(serial), der.time(issued_at), reason)
            for serial in serials
        ]
        extensions = der.sequence(
            extension("2.5.29.20", der.integer(1)),
            extension("2.5.29.35", der.sequence(der.element(0x80, by.key.id))),
        )
        return {
            "version": der.integer(1),
            "algorithm": ECDSA_WITH_SHA256,
            "issuer": by.name,
            "issued": der.time(issued_at),
            "next": der.time(next_update),
            "revoked": der.sequence(*entries) if entries else b"",
            "extensions": der.context(0, extensions),
        }

    def _issuer(self, role: str) -> Issuer:
        return Issuer(f"{DEV_NAME}: {role}", self.key(role))


def seal(signed: bytes, *, key: P256Key) -> bytes:
    """Return the certificate or list with the signed part `signed`."""
    return der.sequence(signed, ECDSA_WITH_SHA256, der.bits(_signature(key, signed)))


def extension(dotted: str, content: bytes, *, critical: bool = False) -> bytes:
    """Return an extension."""
    mark = [der.true()] if critical else []
    return der.sequence(der.oid(dotted), *mark, der.octets(content))


def sgx_extension(machine: Machine) -> bytes:
    """Return the content of Intel's extension for `machine`."""

    def entry(number: str, value: bytes) -> bytes:
        return der.sequence(der.oid(f"{SGX_EXTENSION}.{number}"), value)

    components = [
        entry(f"2.{i}", der.integer(svn)) for i, svn in enumerate(machine.cpu_svn, 1)
    ]
    return der.sequence(
        entry("1", der.octets(machine.ppid)),
        entry(
            "2",
            der.sequence(
                *components,
                entry("2.17", der.integer(machine.pce_svn)),
                entry("2.18", der.octets(machine.cpu_svn)),
            ),
        ),
        entry("3", der.octets(machine.pce_id)),
        entry("4", der.octets(machine.fmspc)),
        entry("5", der.element(der.ENUMERATED, b"\x01")),
    )


def _signature(key: P256Key, message: bytes) -> bytes:
    pair = key.sign(message)
    return der.sequence(
        der.integer(int.from_bytes(pair[:32], "big")),
        der.integer(int.from_bytes(pair[32:], "big")),
    )


def _name(common_name: str) -> bytes:
    parts = (("2.5.4.3", common_name), ("2.5.4.10", "Affiant development"))
    return der.sequence(
        *(
            der.element(
                der.SET,
                der.sequence(
                    der.oid(kind), der.element(der.UTF8_STRING, text.encode())
                ),
            )
            for kind, text in parts
        )
    )
