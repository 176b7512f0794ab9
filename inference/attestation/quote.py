"""TDX quotes: cut into what is signed, and read.

A quote file is a header, a TD's report, signatures and certificates. Only header and
report are signed by the TD's attestation key; certificates and trailing bytes are
signed by nobody, so that a hash of the file identifies nothing. `TdxQuote.cut` takes a
file apart into the signed part, 608 bytes of signatures and the certificates, which is
what `contracts/attestation/TdxVerifier.sol` is given. Pure; it decides only what has
the form of a quote, verifies nothing and trusts nobody.

Formats: Intel TDX DCAP Quoting Library API, appendix 3 (versions 4 and 5). Integers are
little-endian. Signed part::

    version 4: header 48 ‖ TD report 584
    version 5: header 48 ‖ type 2 ‖ size 4 ‖ TD report 584 (2), 648 (3) or 885 (4)

Behind it, in both::

    length 4 ‖ r ‖ s 64 ‖ attestation key 64 ‖ type 6 ‖ size 4
    ‖ enclave report 384 ‖ r ‖ s 64 ‖ length 2 ‖ authentication data 32
    ‖ type (5: certificates) 2 ‖ size 4 ‖ certificates, PEM
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError

HEADER_BYTES = 48
"""Bytes before the body, in every version."""
DESCRIPTOR_BYTES = 6
"""Bytes of body type and size in version 5."""
REPORT_BYTES = {2: 584, 3: 648, 4: 885}
"""Bytes of a TD's report, by body type: TD 1.0, TD 1.5, TD 1.5 with its extension."""
SIGNATURES_BYTES = 608
"""Bytes of what the contract is given besides the signed part."""
MAX_QUOTE_BYTES = 32_768
"""Largest file accepted; real ones have 5 to 8 KB."""
AUTH_DATA_BYTES = 32
"""Bytes of the quoting enclave's authentication data; never another length."""

PEM_CHAIN = 5
"""Kind of certification data: the machine's certificate and its issuers, PEM."""

TDX = 0x81
"""TEE type of TDX."""
ECDSA_P256 = 2
"""Attestation key type."""
INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
"""Vendor id of Intel's quoting enclave."""

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"
)
_MAX_CERTIFICATES = 4


@dataclass(frozen=True)
class TdReport:
    """A TD's report: which code, launched how, on which versions."""

    data: bytes
    """The report as signed: 584 bytes of TD 1.0, 648 or 885 of TD 1.5."""

    @property
    def launched(self) -> bytes:
        """TEE_TCB_SVN: versions that the TD was launched on, 16 bytes."""
        return self.data[0:16]

    @property
    def current(self) -> bytes:
        """TEE_TCB_SVN2: versions that it runs on; of TD 1.0 those of its launch."""
        return self.data[584:600] if len(self.data) > 584 else self.launched

    @property
    def attributes(self) -> bytes:
        """TD attributes, 8 bytes, least significant first."""
        return self.data[120:128]

    @property
    def xfam(self) -> bytes:
        """Extended features that the TD may use, 8 bytes."""
        return self.data[128:136]

    @property
    def mr_td(self) -> bytes:
        """Measurement of the initial memory: the firmware, 48 bytes."""
        return self.data[136:184]

    @property
    def mr_config_id(self) -> bytes:
        """What the host said of the configuration at launch, 48 bytes."""
        return self.data[184:232]

    @property
    def mr_owner(self) -> bytes:
        """What the host said of the owner, 48 bytes."""
        return self.data[232:280]

    @property
    def mr_owner_config(self) -> bytes:
        """What the host said of the owner's configuration, 48 bytes."""
        return self.data[280:328]

    @property
    def rtmr(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Runtime measurements 0 to 3, 48 bytes each."""
        parts = [self.data[at : at + 48] for at in range(328, 520, 48)]
        return (parts[0], parts[1], parts[2], parts[3])

    @property
    def report_data(self) -> bytes:
        """What the TD's code put into the report, 64 bytes."""
        return self.data[520:584]

    def measurements(self, *, whole: bool) -> Digest:
        """Return keccak256 of what was measured, as the contract does.

        TD attributes, XFAM, MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG and RTMR0 to
        RTMR2 as they lie in the report.

        Args:
            whole: RTMR3 as well, which some images extend differently on every start.
        """
        return keccak256(self.data[120 : 520 if whole else 472])


@dataclass(frozen=True)
class TdxQuote:
    """A quote, cut."""

    signed: bytes
    """Header and body: what the attestation key signed."""
    signatures: bytes
    """608 bytes: r ‖ s, attestation key, enclave report, r ‖ s, authentication data."""
    certificates: tuple[bytes, ...]
    """DER, the machine's first; empty where the file has none. Signed by their issuers,
    not by the quote."""

    @classmethod
    def cut(cls, file: bytes) -> TdxQuote:
        """Take the quote `file` apart.

        Raises:
            MalformedError: it is not a TDX quote of version 4 or 5.
        """
        if len(file) > MAX_QUOTE_BYTES:
            raise _malformed("size", got=len(file), expected=f"<= {MAX_QUOTE_BYTES}")
        end = HEADER_BYTES + _body_bytes(file)
        signed = file[:end]
        if len(signed) != end:
            raise _malformed("size", got=len(file), expected=f"over {end}")
        rest = _Bytes(file, at=end)
        # The length of all that follows says nothing that its parts do not say.
        rest.number(4)
        signature, key = rest.take(64), rest.take(64)
        rest.expect("certification data type", 2, 6)
        rest.number(4)
        report, report_signature = rest.take(384), rest.take(64)
        rest.expect("length of authentication data", 2, AUTH_DATA_BYTES)
        auth_data = rest.take(AUTH_DATA_BYTES)
        # Other kinds name the machine without its certificate, which comes apart then.
        kind = rest.number(2)
        chain = rest.take(rest.number(4))
        return cls(
            signed=signed,
            signatures=signature + key + report + report_signature + auth_data,
            certificates=read_pem(chain) if kind == PEM_CHAIN else (),
        )

    @property
    def version(self) -> int:
        """4 or 5."""
        return int.from_bytes(self.signed[0:2], "little")

    @property
    def report(self) -> TdReport:
        """The TD's report."""
        descriptor = 0 if self.version == 4 else DESCRIPTOR_BYTES
        return TdReport(self.signed[HEADER_BYTES + descriptor :])

    @property
    def id(self) -> Digest:
        """keccak256 of the signed part; the file is no identity."""
        return keccak256(self.signed)

    def assemble(self) -> bytes:
        """Return a quote file with these parts, as a verifier off chain wants it."""
        chain = write_pem(self.certificates) + b"\x00"
        parts = self.signatures
        certification = (
            parts[128:512]
            + parts[512:576]
            + AUTH_DATA_BYTES.to_bytes(2, "little")
            + parts[576:608]
            + PEM_CHAIN.to_bytes(2, "little")
            + len(chain).to_bytes(4, "little")
            + chain
        )
        behind = (
            parts[0:128]
            + (6).to_bytes(2, "little")
            + len(certification).to_bytes(4, "little")
            + certification
        )
        return self.signed + len(behind).to_bytes(4, "little") + behind


def read_pem(text: bytes) -> tuple[bytes, ...]:
    """Return the certificates in `text` as DER, in their order.

    Raises:
        MalformedError: one is not base64, or there are more than four.
    """
    found = _CERTIFICATE.findall(text)
    if len(found) > _MAX_CERTIFICATES:
        raise _malformed(
            "certificates", got=len(found), expected=f"<= {_MAX_CERTIFICATES}"
        )
    try:
        return tuple(
            base64.b64decode(b"".join(c.split()), validate=True) for c in found
        )
    except (binascii.Error, ValueError) as error:
        raise _malformed("certificates", got=error, expected="base64") from error


def write_pem(certificates: Sequence[bytes]) -> bytes:
    """Return DER certificates as PEM, one after the other."""
    lines = []
    for der in certificates:
        text = base64.b64encode(der)
        lines.append(b"-----BEGIN CERTIFICATE-----")
        lines += [text[at : at + 64] for at in range(0, len(text), 64)]
        lines.append(b"-----END CERTIFICATE-----")
    return b"\n".join(lines) + b"\n" if lines else b""


class _Bytes:
    """A place in some bytes, moving on."""

    def __init__(self, data: bytes, *, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) != count:
            raise _malformed(
                "size", got=len(self._data), expected=f"over {self._at + count}"
            )
        self._at += count
        return part

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def expect(self, what: str, count: int, expected: int) -> None:
        got = self.number(count)
        if got != expected:
            raise _malformed(what, got=got, expected=expected)


def _body_bytes(file: bytes) -> int:
    """Return the bytes of descriptor and report; refuse a header that is not TDX's."""
    head = _Bytes(file, at=0)
    version = head.number(2)
    head.expect("attestation key type", 2, ECDSA_P256)
    head.expect("TEE type", 4, TDX)
    head.take(4)
    vendor = head.take(16)
    if vendor != INTEL_QE_VENDOR:
        raise _malformed("vendor", got=vendor.hex(), expected=INTEL_QE_VENDOR.hex())
    if version == 4:
        return REPORT_BYTES[2]
    if version != 5:
        raise _malformed("version", got=version, expected="4 or 5")
    head.take(20)
    kind, size = head.number(2), head.number(4)
    if REPORT_BYTES.get(kind) != size:
        raise _malformed(
            "body", got=f"type {kind}, {size} bytes", expected=str(REPORT_BYTES)
        )
    return DESCRIPTOR_BYTES + size


def _malformed(what: str, *, got: object, expected: object) -> MalformedError:
    return MalformedError(f"quote `{what}`", got=str(got), expected=str(expected))
