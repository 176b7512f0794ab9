"""Quotes and collateral for development, under a root that is not Intel's.

DEV ROOT, NO HARDWARE PROTECTION. It signs well-formed quotes and collateral with keys
derived from a seed: the same contracts and the same verifier as for Intel's check every
byte, and give tier 0. There is no verifier that says yes by itself, here or anywhere.
Pure: the same seed, time and TD give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from affiant.encoding import JsonValue
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_pki import DevPki, Machine, P256Key
from affiant.inference.attestation.quote import (
    ECDSA_P256,
    INTEL_QE_VENDOR,
    REPORT_BYTES,
    TDX,
    TdxQuote,
)

COLLATERAL_SECONDS = 30 * 86_400
"""How long collateral is valid, as Intel's."""

EVALUATION_NUMBER = 17
"""TCB recovery event that development collateral is up to."""

QE_MR_SIGNER = hashlib.sha256(b"affiant dev root: nobody's enclave").digest()
"""What stands for the hash of the key that signs the quoting enclave."""
QE_PRODUCT = 2
"""Product id of the quoting enclave for TDs."""
QE_ATTRIBUTES = bytes.fromhex("11000000000000000000000000000000")
"""Attributes of the quoting enclave: initialised, 64 bits; no DEBUG."""

SEPT_VE_DISABLE = bytes.fromhex("0000001000000000")
"""TD attributes of a TD that is not exposed to its host's faults."""


@dataclass(frozen=True)
class DevTd:
    """A TD that does not exist: what its report says."""

    mr_td: bytes = hashlib.sha384(b"affiant dev firmware").digest()
    rtmr: tuple[bytes, ...] = tuple(
        hashlib.sha384(b"affiant dev rtmr %d" % i).digest() for i in range(4)
    )
    mr_config_id: bytes = bytes(48)
    mr_owner: bytes = bytes(48)
    mr_owner_config: bytes = bytes(48)
    attributes: bytes = SEPT_VE_DISABLE
    """8 bytes, least significant first."""
    xfam: bytes = bytes.fromhex("e742060000000000")
    launched: bytes = bytes([6, 1, 3]) + bytes(13)
    """TEE_TCB_SVN, 16 bytes: minor and major version of the module first."""
    current: bytes | None = None
    """TEE_TCB_SVN2; that of the launch if `None`."""
    mr_signer_seam: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    mr_service_td: bytes = bytes(48)
    body: int = 0
    """0: version 4. Otherwise version 5 with this body type: 2, 3 or 4."""

    def report(self, report_data: bytes) -> bytes:
        """Return the TD's report.

        Args:
            report_data: 64 bytes.
        """
        report = b"".join(
            (
                self.launched,
                hashlib.sha384(b"affiant dev module").digest(),
                self.mr_signer_seam,
                self.seam_attributes,
                self.attributes,
                self.xfam,
                self.mr_td,
                self.mr_config_id,
                self.mr_owner,
                self.mr_owner_config,
                *self.rtmr,
                report_data,
            )
        )
        if self.body >= 3:
            report += (self.current or self.launched) + self.mr_service_td
        return report + bytes(REPORT_BYTES[self.body or 2] - len(report))


@dataclass(frozen=True)
class Level:
    """A TCB level: least versions for a status."""

    status: str = "UpToDate"
    sgx: bytes = bytes([2, 2, 2, 2, 3, 1, 0, 5]) + bytes(8)
    pce_svn: int = 11
    tdx: bytes = bytes([5, 0, 2]) + bytes(13)
    advisories: Sequence[str] = ()


@dataclass(frozen=True)
class DevStatement:
    """What development collateral says; the defaults call every machine up to date."""

    levels: Sequence[Level] = (
        Level(),
        Level("OutOfDate", pce_svn=5, advisories=("INTEL-SA-00106", "INTEL-SA-00837")),
    )
    modules: Sequence[tuple[int, Sequence[tuple[int, str]]]] = (
        (3, ((3, "UpToDate"),)),
        (1, ((4, "UpToDate"), (2, "OutOfDate"))),
    )
    """Major version of a TDX module; least minor version and status, newest first."""
    enclaves: Sequence[tuple[int, str]] = ((4, "UpToDate"),)
    """Least version of the quoting enclave and status, newest first."""
    evaluation_number: int = EVALUATION_NUMBER
    revoked_machines: Sequence[int] = ()
    """Serial numbers."""
    revoked_authorities: Sequence[int] = ()
    """Serial numbers."""


class DevRoot:
    """Signs quotes and collateral with one seed's keys."""

    def __init__(self, seed: bytes) -> None:
        """Derive the PKI; see `DevPki`."""
        self.pki = DevPki(seed)

    def attestation_key(self, machine: Machine) -> P256Key:
        """Return the key that signs the quotes of `machine`."""
        return self.pki.key(f"attestation {machine.name}")

    def quote(
        self,
        report_data: bytes,
        *,
        td: DevTd | None = None,
        machine: Machine | None = None,
        qe_svn: int = 4,
        qe_attributes: bytes = QE_ATTRIBUTES,
    ) -> bytes:
        """Return a quote file of `td` on `machine`.

        Args:
            report_data: 64 bytes.

        Raises:
            ValueError: `report_data` has another length.
        """
        if len(report_data) != 64:
            raise ValueError(f"report data: got {len(report_data)} bytes, expected 64")
        td, machine = td or DevTd(), machine or Machine()
        signed = self._header(td) + td.report(report_data)
        key = self.attestation_key(machine)
        auth_data = bytes(range(32))
        enclave = _enclave_report(
            hashlib.sha256(key.public + auth_data).digest() + bytes(32),
            svn=qe_svn,
            attributes=qe_attributes,
        )
        signatures = (
            key.sign(signed)
            + key.public
            + enclave
            + self.pki.machine_key(machine).sign(enclave)
            + auth_data
        )
        chain = (
            self.pki.machine_certificate(machine),
            self.pki.authority_certificate,
            self.pki.root_certificate,
        )
        return TdxQuote(signed, signatures, chain).assemble()

    def collateral(
        self,
        *,
        now: int,
        machine: Machine | None = None,
        statement: DevStatement | None = None,
    ) -> Collateral:
        """Return collateral issued at unix second `now`, for `machine`'s kind."""
        pki = self.pki
        said = statement or DevStatement()
        dates = {"issued_at": now, "next_update": now + COLLATERAL_SECONDS}
        tcb_info = tcb_info_text(said, machine=machine or Machine(), now=now)
        identity = qe_identity_text(said, now=now)
        return Collateral(
            root=pki.root_certificate,
            signer=pki.signer_certificate,
            authority=pki.authority_certificate,
            root_list=pki.revocation_list(
                pki.root, serials=said.revoked_authorities, **dates
            ),
            machine_list=pki.revocation_list(
                pki.authority, serials=said.revoked_machines, **dates
            ),
            tcb_info=tcb_info,
            tcb_info_signature=pki.signer.key.sign(tcb_info),
            qe_identity=identity,
            qe_identity_signature=pki.signer.key.sign(identity),
        )

    def _header(self, td: DevTd) -> bytes:
        header = b"".join(
            (
                (5 if td.body else 4).to_bytes(2, "little"),
                ECDSA_P256.to_bytes(2, "little"),
                TDX.to_bytes(4, "little"),
                bytes(4),
                INTEL_QE_VENDOR,
                bytes(20),
            )
        )
        if not td.body:
            return header
        size = REPORT_BYTES[td.body].to_bytes(4, "little")
        return header + td.body.to_bytes(2, "little") + size


def tcb_info_text(said: DevStatement, *, machine: Machine, now: int) -> bytes:
    """Return the TCB info as it would be signed, in Intel's template."""
    module = {
        "mrsigner": "0" * 96,
        "attributes": "0" * 16,
        "attributesMask": "F" * 16,
    }
    modules = [
        {
            "id": f"TDX_{version:02X}",
            **module,
            "tcbLevels": [_level({"isvsvn": svn}, status) for svn, status in levels],
        }
        for version, levels in said.modules
    ]
    levels = [
        _level(
            {
                "sgxtcbcomponents": _components(level.sgx, _SGX_KINDS),
                "pcesvn": level.pce_svn,
                "tdxtcbcomponents": _components(level.tdx, _TDX_KINDS),
            },
            level.status,
            level.advisories,
        )
        for level in said.levels
    ]
    return _compact(
        {
            "id": "TDX",
            "version": 3,
            "issueDate": _date(now),
            "nextUpdate": _date(now + COLLATERAL_SECONDS),
            "fmspc": machine.fmspc.hex().upper(),
            "pceId": machine.pce_id.hex().upper(),
            "tcbType": 0,
            "tcbEvaluationDataNumber": said.evaluation_number,
            "tdxModule": module,
            **({"tdxModuleIdentities": modules} if modules else {}),
            "tcbLevels": levels,
        }
    )


def qe_identity_text(said: DevStatement, *, now: int) -> bytes:
    """Return the quoting enclave's identity as it would be signed."""
    return _compact(
        {
            "id": "TD_QE",
            "version": 2,
            "issueDate": _date(now),
            "nextUpdate": _date(now + COLLATERAL_SECONDS),
            "tcbEvaluationDataNumber": said.evaluation_number,
            "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF",
            "attributes": QE_ATTRIBUTES.hex().upper(),
            "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
            "mrsigner": QE_MR_SIGNER.hex().upper(),
            "isvprodid": QE_PRODUCT,
            "tcbLevels": [_level({"isvsvn": s}, status) for s, status in said.enclaves],
        }
    )


_SGX_KINDS = (
    ("BIOS", "Early Microcode Update"),
    ("OS/VMM", "SGX Late Microcode Update"),
    ("OS/VMM", "TXT SINIT"),
    ("BIOS", None),
)
_TDX_KINDS = (("OS/VMM", "TDX Module"), ("OS/VMM", "TDX Module"))


def _components(
    versions: bytes, kinds: Sequence[tuple[str, str | None]]
) -> list[JsonValue]:
    listed: list[JsonValue] = []
    for i, svn in enumerate(versions):
        entry: dict[str, JsonValue] = {"svn": svn}
        if i < len(kinds):
            category, kind = kinds[i]
            entry["category"] = category
            if kind is not None:
                entry["type"] = kind
        listed.append(entry)
    return listed


def _level(
    tcb: JsonValue, status: str, advisories: Sequence[str] = ()
) -> dict[str, JsonValue]:
    level: dict[str, JsonValue] = {
        "tcb": tcb,
        "tcbDate": "2025-01-01T00:00:00Z",
        "tcbStatus": status,
    }
    if advisories:
        level["advisoryIDs"] = list(advisories)
    return level


def _compact(value: dict[str, JsonValue]) -> bytes:
    """Return JSON as Intel writes it: keys in their order, no spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def _date(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _enclave_report(data: bytes, *, svn: int, attributes: bytes) -> bytes:
    """Return an SGX enclave report, 384 bytes."""
    report = bytearray(384)
    report[48:64] = attributes
    report[64:96] = hashlib.sha256(b"affiant dev root: an enclave").digest()
    report[128:160] = QE_MR_SIGNER
    report[256:258] = QE_PRODUCT.to_bytes(2, "little")
    report[258:260] = svn.to_bytes(2, "little")
    report[320:384] = data
    return bytes(report)
