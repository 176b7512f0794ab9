"""The client of a `TdxVerifier`: what it knows, and what it says of a quote.

It decides nothing; the contract does, and its refusals become our error classes. It
trusts the endpoint behind `chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from affiant.encoding import Digest, keccak256
from affiant.errors import MalformedError
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.mandate import Address

STATUS_NAMES = (
    "Unknown",
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
)
"""TCB statuses in the contract's order."""

VERSIONS_ABI = "(bytes16,bytes16,uint16,uint8)"
"""ABI type of `TdVersions`."""

VERDICT_ABI = (
    f"(uint8,uint64,uint16,uint64,{VERSIONS_ABI},bytes32,bytes32,bytes32,bytes32)"
)
"""ABI type of `Verdict`."""


@dataclass(frozen=True)
class TdVersions:
    """Versions that a verdict rests on."""

    launched: bytes
    current: bytes
    qe_svn: int
    qe_generation: int


@dataclass(frozen=True)
class Verdict:
    """What the contract says of a quote."""

    status: str
    """Converged TCB status."""
    valid_until: int
    """Unix seconds, exclusive: the earliest of every expiry."""
    evaluation_number: int
    """TCB recovery event that the collateral is up to."""
    epoch: int
    """Of the verifier; see `pulse` in `ITdxVerifier`."""
    versions: TdVersions
    measurements: Digest
    """Without RTMR3."""
    all_measurements: Digest
    """With RTMR3."""
    report_data: bytes
    """64 bytes."""


@dataclass(frozen=True)
class Issue:
    """Dates of something that Intel issues monthly."""

    issued_at: int
    """Unix seconds; 0: there was never one."""
    valid_until: int
    """Unix seconds, exclusive."""
    evaluation_number: int = 0
    """TCB recovery event; 0 of revocation lists."""

    def fresh(self, now: int) -> bool:
        """Whether it may be used at unix second `now`."""
        return now < self.valid_until


def certificate_id(der: bytes) -> Digest:
    """Return keccak256 of a certificate's signed part.

    Raises:
        MalformedError: it is no certificate.
    """
    try:
        return keccak256(x509.load_der_x509_certificate(der).tbs_certificate_bytes)
    except ValueError as error:
        raise MalformedError(
            "certificate", got=str(error)[:80], expected="DER"
        ) from error


def root_key_hash_of(der: bytes) -> Digest:
    """Return keccak256 of a root certificate's key, x ‖ y.

    Raises:
        MalformedError: it is no certificate with a key on P-256.
    """
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except ValueError as error:
        raise MalformedError(
            "certificate", got=str(error)[:80], expected="DER"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise MalformedError("root", got=type(key).__name__, expected="a key on P-256")
    numbers = key.public_numbers()
    return keccak256(numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))


def parse_verdict(said: Any) -> Verdict:
    """Return the verdict from its decoded ABI tuple."""
    status, until, number, epoch, versions, measured, all_measured, high, low = said
    return Verdict(
        status=STATUS_NAMES[status],
        valid_until=until,
        evaluation_number=number,
        epoch=epoch,
        versions=TdVersions(*versions),
        measurements=Digest(measured),
        all_measurements=Digest(all_measured),
        report_data=high + low,
    )


class TdxVerifierClient:
    """The TDX verifier at one address on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the verifier at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def verify(
        self, quote: TdxQuote, *, machine: Digest, block_hash: Digest | None = None
    ) -> Verdict:
        """Verify `quote` as of a block (None: the newest).

        Args:
            machine: id of the PCK certificate.

        Raises:
            TdxError: refused; the subclass says why.
        """
        (said,) = self._ask(
            "verify(bytes,bytes,bytes32)",
            [quote.signed, quote.signatures, machine],
            [VERDICT_ABI],
            block_hash=block_hash,
        )
        return parse_verdict(said)

    def standing(
        self,
        machine: Digest,
        versions: TdVersions,
        *,
        block_hash: Digest | None = None,
    ) -> tuple[str, int, int]:
        """Judge a TD again: status, valid until, evaluation number.

        Raises:
            TdxError: refused; the subclass says why.
        """
        given = (
            versions.launched,
            versions.current,
            versions.qe_svn,
            versions.qe_generation,
        )
        status, until, number = self._ask(
            f"standing(bytes32,{VERSIONS_ABI})",
            [machine, given],
            ["uint8", "uint64", "uint16"],
            block_hash=block_hash,
        )
        return STATUS_NAMES[status], until, number

    def is_known(self, certificate: Digest) -> bool:
        """Whether the certificate was added."""
        (known,) = self._ask("isKnown(bytes32)", [certificate], ["bool"])
        return bool(known)

    def ppid_of(self, machine: Digest) -> bytes:
        """Return the provisioning id of a machine; zero if it is not known."""
        (ppid,) = self._ask("ppidOf(bytes32)", [machine], ["bytes16"])
        return bytes(ppid)

    def revocation_list_of(self, authority: Digest) -> Issue:
        """Return the dates of an authority's, or the root's, revocation list."""
        values = self._ask(
            "revocationListOf(bytes32)", [authority], ["uint64", "uint64"]
        )
        return Issue(*values)

    def tcb_info_of(self, fmspc: bytes) -> Issue:
        """Return the dates of the TCB info for a kind of machine."""
        return Issue(
            *self._ask("tcbInfoOf(bytes6)", [fmspc], ["uint64", "uint64", "uint16"])
        )

    def qe_identity(self) -> Issue:
        """Return the dates of the quoting enclave's identity."""
        return Issue(*self._ask("qeIdentity()", [], ["uint64", "uint64", "uint16"]))

    def root_key_hash(self) -> Digest:
        """Return keccak256 of the pinned root's key."""
        (value,) = self._ask("rootKeyHash()", [], ["bytes32"])
        return Digest(value)

    def tier(self) -> int:
        """Return 2 under Intel's root, 0 under any other."""
        (value,) = self._ask("tier()", [], ["uint8"])
        return int(value)

    def description(self) -> str:
        """Return what the root is, in words."""
        (value,) = self._ask("description()", [], ["string"])
        return str(value)

    def _ask(
        self,
        signature: str,
        arguments: list[Any],
        types: list[str],
        *,
        block_hash: Digest | None = None,
    ) -> Any:
        data = encode_call(signature, arguments)
        try:
            answer = self.chain.call(self.address, data, block_hash=block_hash)
        except CallRevertedError as error:
            raise decode_revert(error.data) from error
        return decode_exactly(types, answer, what=signature.partition("(")[0])
