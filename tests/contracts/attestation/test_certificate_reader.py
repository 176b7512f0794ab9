"""The contract's reader of certificates: strict, and like others' where it reads.

Every error of `ICertificateReader` on certificates built for it, and then certificates
and lists of other people (PKITS, and what `cryptography` is tested with): each is
either refused by a named error or read as `cryptography` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from eth_abi.abi import decode

from affiant.encoding import keccak256
from affiant.inference.attestation import der
from affiant.inference.attestation.dev_pki import (
    DEV_NAME,
    ECDSA_WITH_SHA256,
    P256,
    SGX_EXTENSION,
    DevPki,
    Issuer,
    Machine,
    extension,
    seal,
    sgx_extension,
)
from affiant.onchain import contract_errors as errors
from affiant.onchain.reverts import ContractError, EmptyRevertError, PanicRevertError

pytestmark = pytest.mark.anvil

READ = "readCertificate(bytes)"
READ_LIST = "readRevocationList(bytes)"
NOW = 1_763_700_000

CERTIFICATE_ABI = (
    "(bytes32,bytes32,bytes32,bytes32,uint8,bytes32,bytes32,bytes20,bytes20,uint256,"
    "uint64,uint64,bytes32,bytes32,(bytes16,bytes16,uint16,bytes2,bytes6))"
)
LIST_ABI = "(bytes32,bytes32,bytes32,bytes32,bytes20,uint64,uint64,uint256[])"


@dataclass
class Reader:
    """The reader, the development PKI, and the parts of one certificate."""

    bench: Any
    pki: DevPki

    def read(self, *files: bytes, signature: str = READ) -> list[Any]:
        return self.bench.run_readers(
            [(signature, [file]) for file in files], reader="certificate"
        )

    def one(self, file: bytes, *, signature: str = READ) -> Any:
        return self.read(file, signature=signature)[0]

    def parts(self, machine: Machine | None = None) -> dict[str, bytes]:
        used = machine or Machine()
        return self.pki.parts(
            Issuer(f"{DEV_NAME}: PCK Certificate", self.pki.machine_key(used)),
            by=self.pki.authority,
            serial=used.serial_number,
            extra=(extension(SGX_EXTENSION, sgx_extension(used)),),
        )

    def list_parts(self, *serials: int) -> dict[str, bytes]:
        return self.pki.list_parts(
            self.pki.authority, issued_at=NOW, next_update=NOW + 9, serials=serials
        )

    def made(self, parts: dict[str, bytes], **changes: bytes) -> bytes:
        """Return the certificate or list with some parts exchanged, signed."""
        chosen = {**parts, **changes}
        return seal(der.sequence(*chosen.values()), key=self.pki.authority.key)


@pytest.fixture
def reader(lab: Any) -> Reader:
    return Reader(lab.bench, lab.root.pki)


def same_extensions(*extensions: bytes) -> bytes:
    return der.context(3, der.sequence(*extensions))


AKI = extension("2.5.29.35", der.sequence(der.element(0x80, bytes(20))))
SKI = extension("2.5.29.14", der.octets(bytes(20)))
USAGE = extension("2.5.29.15", der.bits(b"\xc0", unused=6), critical=True)
LEAF = extension("2.5.29.19", der.sequence(), critical=True)
SGX = extension(SGX_EXTENSION, sgx_extension(Machine()))


# Well-formed.


def test_reads_what_the_certificate_says(reader: Reader) -> None:
    machine = Machine(cpu_svn=bytes(range(120, 136)), pce_svn=300)
    file = reader.pki.machine_certificate(machine)
    (read,) = decode([CERTIFICATE_ABI], reader.one(file))
    known = x509.load_der_x509_certificate(file)
    numbers = known.public_key().public_numbers()
    assert read[0] == keccak256(known.tbs_certificate_bytes)
    assert read[4] == 5
    assert read[5] == keccak256(known.issuer.public_bytes())
    assert read[6] == keccak256(known.subject.public_bytes())
    assert read[7] == reader.pki.authority.key.id
    assert read[8] == reader.pki.machine_key(machine).id
    assert read[9] == known.serial_number
    assert read[10] == int(known.not_valid_before_utc.timestamp())
    assert read[11] == int(known.not_valid_after_utc.timestamp()) + 1
    assert int.from_bytes(read[12], "big") == numbers.x
    assert int.from_bytes(read[13], "big") == numbers.y
    assert read[14] == (
        machine.ppid,
        machine.cpu_svn,
        300,
        machine.pce_id,
        machine.fmspc,
    )


def test_reads_roles(reader: Reader) -> None:
    pki = reader.pki
    processor = pki.issue(
        Issuer("some PCK Processor CA", pki.key("p")),
        by=pki.root,
        serial=4,
        authority=True,
    )
    files = (
        pki.root_certificate,
        pki.authority_certificate,
        processor,
        pki.signer_certificate,
        pki.machine_certificate(Machine()),
    )
    roles = [decode([CERTIFICATE_ABI], out)[0][4] for out in reader.read(*files)]
    assert roles == [1, 2, 3, 4, 5]


def test_reads_lists(reader: Reader) -> None:
    serials = [1, 127, 128, 255, 256, 1 << 159, (1 << 160) - 1, (1 << 200) - 1]
    file = reader.made(reader.list_parts(*serials))
    (read,) = decode([LIST_ABI], reader.one(file, signature=READ_LIST))
    assert read[3] == keccak256(reader.pki.authority.name)
    assert read[4] == reader.pki.authority.key.id
    assert (read[5], read[6]) == (NOW, NOW + 9)
    assert list(read[7]) == serials
    (empty,) = decode(
        [LIST_ABI], reader.one(reader.made(reader.list_parts()), signature=READ_LIST)
    )
    assert list(empty[7]) == []


def test_skips_extensions_that_nobody_insists_on(reader: Reader) -> None:
    unknown = extension("1.2.3", b"\5\0")
    file = reader.made(
        reader.parts(), extensions=same_extensions(unknown, AKI, SKI, USAGE, LEAF, SGX)
    )
    assert isinstance(reader.one(file), bytes)


# Malformed: one table entry an attack.


def table(reader: Reader) -> list[tuple[str, bytes, type[ContractError]]]:
    """Return (what is wrong, certificate, error)."""
    parts = reader.parts()
    good = reader.made(parts)
    made = reader.made

    def with_extensions(*extensions: bytes) -> bytes:
        return made(parts, extensions=same_extensions(*extensions))

    def with_sgx(content: bytes) -> bytes:
        return with_extensions(AKI, SKI, USAGE, LEAF, extension(SGX_EXTENSION, content))

    def named(name: bytes) -> bytes:
        return made(parts, subject=name)

    signed = der.sequence(*parts.values())
    signature = good[4 + len(signed) + len(ECDSA_WITH_SHA256) :]
    algorithm = der.sequence(der.oid("1.2.840.10045.4.3.3"))
    key = reader.pki.authority.key
    wide = der.integer(1 << 256)
    pair = der.sequence(der.integer(1), der.integer(2))

    def signed_as(bits: bytes) -> bytes:
        return der.sequence(signed, ECDSA_WITH_SHA256, bits)

    time = der.time(NOW)
    entries = sgx_entries()
    return [
        ("nothing", b"", errors.CertificateDerTagError),
        ("PEM", b"-----BEGIN", errors.CertificateDerTagError),
        ("cut short", good[:-1], errors.CertificateDerTruncatedError),
        ("something behind", good + b"\0", errors.CertificateDerTrailingError),
        ("indefinite length", b"\x30\x80" + good[4:], errors.CertificateDerLengthError),
        (
            "length in three bytes",
            b"\x30\x83\0" + good[2:],
            errors.CertificateDerLengthError,
        ),
        (
            "length with a zero before it",
            b"\x30\x82\0\x7f" + good[4:],
            errors.CertificateDerLengthError,
        ),
        (
            "short length in the long form",
            made(parts, serial=b"\x02\x81\x01\x05"),
            errors.CertificateDerLengthError,
        ),
        (
            "negative serial",
            made(parts, serial=b"\2\1\x80"),
            errors.CertificateDerIntegerError,
        ),
        (
            "padded serial",
            made(parts, serial=b"\2\2\0\1"),
            errors.CertificateDerIntegerError,
        ),
        (
            "empty serial",
            made(parts, serial=b"\2\0"),
            errors.CertificateDerIntegerError,
        ),
        ("endless serial", made(parts, serial=wide), errors.CertificateDerIntegerError),
        (
            "version 2",
            made(parts, version=der.context(0, der.integer(1))),
            errors.CertificateX509VersionError,
        ),
        ("no version", made(parts, version=b""), errors.CertificateDerTagError),
        (
            "another algorithm inside",
            made(parts, algorithm=algorithm),
            errors.CertificateX509AlgorithmError,
        ),
        (
            "another algorithm outside",
            der.sequence(signed, algorithm, signature),
            errors.CertificateX509AlgorithmError,
        ),
        (
            "bits left over in the signature",
            signed_as(der.bits(pair, unused=1)),
            errors.CertificateDerSizeError,
        ),
        (
            "a third number in the signature",
            signed_as(
                der.bits(der.sequence(der.integer(1), der.integer(2), der.integer(3)))
            ),
            errors.CertificateDerTrailingError,
        ),
        (
            "something behind the signature's numbers",
            signed_as(der.bits(pair + b"\0")),
            errors.CertificateDerTrailingError,
        ),
        (
            "a negative number in the signature",
            signed_as(der.bits(der.sequence(b"\2\1\xff", der.integer(2)))),
            errors.CertificateDerIntegerError,
        ),
        (
            "a key on another curve",
            made(
                parts,
                key=der.sequence(
                    der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.3.132.0.10")),
                    der.bits(b"\4" + key.public),
                ),
            ),
            errors.CertificateX509KeyError,
        ),
        (
            "a compressed key",
            made(
                parts,
                key=der.sequence(P256, der.bits(b"\2" + key.public[:32])),
            ),
            errors.CertificateX509KeyError,
        ),
        (
            "a day that no calendar has",
            made(
                parts, validity=der.sequence(der.element(0x17, b"250229000000Z"), time)
            ),
            errors.CertificateX509TimeError,
        ),
        (
            "local time",
            made(
                parts, validity=der.sequence(der.element(0x17, b"2502280000000"), time)
            ),
            errors.CertificateX509TimeError,
        ),
        (
            "time without seconds",
            made(parts, validity=der.sequence(der.element(0x17, b"2502280000Z"), time)),
            errors.CertificateX509TimeError,
        ),
        (
            "fractions of seconds",
            made(
                parts,
                validity=der.sequence(der.element(0x18, b"20250228000000.5Z"), time),
            ),
            errors.CertificateX509TimeError,
        ),
        (
            "three times",
            made(parts, validity=der.sequence(time, time, time)),
            errors.CertificateDerTrailingError,
        ),
        ("no name at all", named(der.sequence()), errors.CertificateX509NameError),
        (
            "a name of another role",
            named(name_of("DEV Signing")),
            errors.CertificateX509NameError,
        ),
        (
            "a role that only begins the name",
            named(name_of("PCK Certificate of mine")),
            errors.CertificateX509NameError,
        ),
        (
            "no extensions",
            made(parts, extensions=b""),
            errors.CertificateDerTagError,
        ),
        (
            "something behind the extensions",
            made(parts, extensions=parts["extensions"] + b"\0\0"),
            errors.CertificateDerTrailingError,
        ),
        (
            "an unknown critical extension",
            with_extensions(
                AKI, SKI, USAGE, LEAF, SGX, extension("1.2.3", b"\5\0", critical=True)
            ),
            errors.CertificateX509ExtensionError,
        ),
        (
            "an extension twice",
            with_extensions(AKI, SKI, USAGE, LEAF, SGX, SKI),
            errors.CertificateX509ExtensionError,
        ),
        (
            "critical spelled with 01",
            with_extensions(
                AKI,
                SKI,
                LEAF,
                SGX,
                der.sequence(
                    der.oid("2.5.29.15"),
                    der.element(1, b"\1"),
                    der.octets(der.bits(b"\xc0", unused=6)),
                ),
            ),
            errors.CertificateX509ExtensionError,
        ),
        (
            "an issuer's key id of another length",
            with_extensions(
                extension("2.5.29.35", der.sequence(der.element(0x80, bytes(19)))),
                SKI,
                USAGE,
                LEAF,
                SGX,
            ),
            errors.CertificateX509ExtensionError,
        ),
        (
            "an own key id of another length",
            with_extensions(
                AKI, extension("2.5.29.14", der.octets(bytes(21))), USAGE, LEAF, SGX
            ),
            errors.CertificateDerSizeError,
        ),
        (
            "a key usage of two bytes",
            with_extensions(
                AKI,
                SKI,
                extension("2.5.29.15", der.bits(b"\xc0\0"), critical=True),
                LEAF,
                SGX,
            ),
            errors.CertificateDerSizeError,
        ),
        (
            "a machine that may sign certificates",
            with_extensions(
                AKI,
                SKI,
                extension("2.5.29.15", der.bits(b"\xc4"), critical=True),
                LEAF,
                SGX,
            ),
            errors.CertificateX509RoleError,
        ),
        (
            "a machine that is an authority",
            with_extensions(
                AKI,
                SKI,
                USAGE,
                extension("2.5.29.19", der.sequence(der.true()), critical=True),
                SGX,
            ),
            errors.CertificateX509RoleError,
        ),
        (
            "a machine without SGX extension",
            with_extensions(AKI, SKI, USAGE, LEAF),
            errors.CertificateX509RoleError,
        ),
        (
            "a machine without key usage",
            with_extensions(AKI, SKI, LEAF, SGX),
            errors.CertificateX509RoleError,
        ),
        (
            "an authority with an SGX extension",
            made(parts, subject=reader.pki.authority.name),
            errors.CertificateX509RoleError,
        ),
        ("no entries", with_sgx(der.sequence()), errors.CertificatePckEntryError),
        (
            "entries out of order",
            with_sgx(der.sequence(entries[1], entries[0], *entries[2:])),
            errors.CertificatePckEntryError,
        ),
        (
            "an entry too few",
            with_sgx(der.sequence(*entries[:4])),
            errors.CertificatePckEntryError,
        ),
        (
            "an eighth entry",
            with_sgx(
                der.sequence(
                    *entries,
                    *(
                        der.sequence(der.oid(f"{SGX_EXTENSION}.{n}"), der.sequence())
                        for n in (6, 7, 8)
                    ),
                )
            ),
            errors.CertificatePckEntryError,
        ),
        (
            "a PPID of another length",
            with_sgx(
                der.sequence(
                    der.sequence(der.oid(f"{SGX_EXTENSION}.1"), der.octets(bytes(15))),
                    *entries[1:],
                )
            ),
            errors.CertificateDerSizeError,
        ),
        (
            "a component of another branch",
            with_sgx(der.sequence(entries[0], tcb_entry(branch="3"), *entries[2:])),
            errors.CertificatePckEntryError,
        ),
        (
            "a component too many",
            with_sgx(der.sequence(entries[0], tcb_entry(more=True), *entries[2:])),
            errors.CertificateDerTrailingError,
        ),
        (
            "a component over 255",
            with_sgx(der.sequence(entries[0], tcb_entry(first=256), *entries[2:])),
            errors.CertificatePckSvnError,
        ),
        (
            "a PCESVN over 65535",
            with_sgx(der.sequence(entries[0], tcb_entry(pce=65_536), *entries[2:])),
            errors.CertificatePckSvnError,
        ),
        (
            "components that are not the CPUSVN",
            with_sgx(der.sequence(entries[0], tcb_entry(first=9), *entries[2:])),
            errors.CertificatePckSvnError,
        ),
        (
            "something behind the SGX extension",
            with_sgx(sgx_extension(Machine()) + b"\0\0"),
            errors.CertificateDerTrailingError,
        ),
    ]


def name_of(common_name: str) -> bytes:
    return Issuer(common_name, None).name  # type: ignore[arg-type]


def sgx_entries() -> list[bytes]:
    """Return the five entries of the development machine's extension."""
    from affiant.inference.attestation.dev_pki import sgx_extension as whole

    content = whole(Machine())
    at, entries = 4, []
    while at < len(content):
        long = content[at + 1] == 0x82
        size = (
            int.from_bytes(content[at + 2 : at + 4], "big") + 4
            if long
            else content[at + 1] + 2
        )
        entries.append(content[at : at + size])
        at += size
    assert len(entries) == 5
    return entries


def tcb_entry(
    *, branch: str = "2", first: int | None = None, pce: int = 11, more: bool = False
) -> bytes:
    svn = Machine().cpu_svn
    numbers = [svn[0] if first is None else first, *svn[1:]]

    def entry(number: int, value: bytes) -> bytes:
        return der.sequence(der.oid(f"{SGX_EXTENSION}.{branch}.{number}"), value)

    content = [
        *(entry(i, der.integer(n)) for i, n in enumerate(numbers, 1)),
        entry(17, der.integer(pce)),
        entry(18, der.octets(svn)),
    ]
    if more:
        content.append(entry(19, der.integer(0)))
    return der.sequence(der.oid(f"{SGX_EXTENSION}.2"), der.sequence(*content))


def test_rejects_malformed_certificates(reader: Reader) -> None:
    rows = table(reader)
    outcomes = reader.read(*(file for _, file, _ in rows))
    for (what, _, error), outcome in zip(rows, outcomes, strict=True):
        assert type(outcome) is error, (what, outcome)


def list_table(reader: Reader) -> list[tuple[str, bytes, type[ContractError]]]:
    parts = reader.list_parts(5, 6)
    made = reader.made
    time = der.time(NOW)
    reason = der.sequence(extension("2.5.29.21", der.element(10, b"\1")))
    number = extension("2.5.29.20", der.integer(1))

    def listed(*entry: bytes) -> bytes:
        return made(parts, revoked=der.sequence(der.sequence(*entry)))

    def with_extensions(*extensions: bytes) -> bytes:
        return made(parts, extensions=der.context(0, der.sequence(*extensions)))

    issuer = der.sequence(extension("2.5.29.29", der.sequence(), critical=True))
    return [
        (
            "version 3",
            made(parts, version=der.integer(2)),
            errors.CertificateX509VersionError,
        ),
        ("no version", made(parts, version=b""), errors.CertificateDerTagError),
        ("no next update", made(parts, next=b""), errors.CertificateDerTagError),
        (
            "an entry without time",
            listed(der.integer(5)),
            errors.CertificateCrlEntryError,
        ),
        (
            "an entry of an indirect list",
            listed(der.integer(5), time, issuer),
            errors.CertificateCrlEntryError,
        ),
        (
            "an entry with more than a reason",
            listed(der.integer(5), time, reason, b"\5\0"),
            errors.CertificateCrlEntryError,
        ),
        (
            "a negative serial",
            listed(b"\2\1\x80", time, reason),
            errors.CertificateCrlEntryError,
        ),
        (
            "a padded serial",
            listed(b"\2\2\0\1", time, reason),
            errors.CertificateCrlEntryError,
        ),
        (
            "an endless serial",
            listed(der.integer(1 << 231), time, reason),
            errors.CertificateCrlEntryError,
        ),
        (
            "an entry that is no sequence",
            made(parts, revoked=der.sequence(der.integer(5))),
            errors.CertificateCrlEntryError,
        ),
        (
            "a partial list",
            with_extensions(
                number, AKI, extension("2.5.29.28", der.sequence(), critical=True)
            ),
            errors.CertificateX509ExtensionError,
        ),
        (
            "an unknown extension",
            with_extensions(number, AKI, extension("1.2.3", b"\5\0")),
            errors.CertificateX509ExtensionError,
        ),
        (
            "no issuer's key id",
            with_extensions(number),
            errors.CertificateX509ExtensionError,
        ),
        (
            "an issuer's key id twice",
            with_extensions(AKI, AKI),
            errors.CertificateX509ExtensionError,
        ),
        ("no extensions", made(parts, extensions=b""), errors.CertificateDerTagError),
    ]


def test_rejects_malformed_lists(reader: Reader) -> None:
    rows = list_table(reader)
    outcomes = reader.read(*(file for _, file, _ in rows), signature=READ_LIST)
    for (what, _, error), outcome in zip(rows, outcomes, strict=True):
        assert type(outcome) is error, (what, outcome)


# Other people's.


def other_peoples(*suffixes: str) -> list[Path]:
    folder = Path(cryptography_vectors.__file__).parent / "x509"
    return sorted(p for p in folder.rglob("*") if p.suffix in suffixes)


def as_der(paths: Sequence[Path], kind: str) -> list[bytes]:
    from affiant.inference.attestation.quote import MAX_QUOTE_BYTES

    files = []
    for path in paths:
        content = path.read_bytes()
        marker = f"-----BEGIN {kind}-----".encode()
        if marker in content:
            import base64

            body = content.partition(marker)[2].partition(b"-----END")[0]
            try:
                content = base64.b64decode(b"".join(body.split()), validate=True)
            except ValueError:
                continue
        if len(content) <= MAX_QUOTE_BYTES:
            files.append(content)
    return files


def test_other_peoples_certificates_are_refused_by_name_or_read_alike(
    reader: Reader,
) -> None:
    files = as_der(other_peoples(".pem", ".der", ".crt"), "CERTIFICATE")
    assert len(files) > 200
    on_our_curve = 0
    for start in range(0, len(files), 100):
        batch = files[start : start + 100]
        for file, outcome in zip(batch, reader.read(*batch), strict=True):
            assert not isinstance(outcome, (EmptyRevertError, PanicRevertError))
            assert isinstance(outcome, (errors.CertificateError, bytes)), outcome
            on_our_curve += on_p256(file)
            if isinstance(outcome, bytes):
                known = x509.load_der_x509_certificate(file)
                (read,) = decode([CERTIFICATE_ABI], outcome)
                assert read[9] == known.serial_number
    assert on_our_curve > 0


def on_p256(file: bytes) -> bool:
    try:
        key = x509.load_der_x509_certificate(file).public_key()
    except Exception:  # whatever is not a certificate with a known key
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"


def test_other_peoples_lists_are_refused_by_name(reader: Reader) -> None:
    files = as_der(other_peoples(".pem", ".der", ".crl"), "X509 CRL")
    for start in range(0, len(files), 100):
        for outcome in reader.read(*files[start : start + 100], signature=READ_LIST):
            assert isinstance(outcome, errors.CertificateError), outcome


def test_vendor_certificates_are_read_as_others_read_them(
    reader: Reader, vectors
) -> None:
    for vector in vectors:
        collateral = vector.collateral
        files = (
            collateral.root,
            collateral.signer,
            collateral.authority,
            vector.machine,
        )
        for file, outcome in zip(files, reader.read(*files), strict=True):
            assert isinstance(outcome, bytes), outcome
            (read,) = decode([CERTIFICATE_ABI], outcome)
            known = x509.load_der_x509_certificate(file)
            assert read[0] == keccak256(known.tbs_certificate_bytes)
            assert read[9] == known.serial_number
            assert read[11] == int(known.not_valid_after_utc.timestamp()) + 1
        lists = (collateral.root_list, collateral.machine_list)
        for file, outcome in zip(
            lists, reader.read(*lists, signature=READ_LIST), strict=True
        ):
            (read,) = decode([LIST_ABI], outcome)
            known = x509.load_der_x509_crl(file)
            assert list(read[7]) == [entry.serial_number for entry in known]
