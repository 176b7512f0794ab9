"""What an operator says about attesting a node, and the parts made of it.

It decides nothing but that a development root is asked for by a name that says what it
is. It trusts its operator's files; what they lead to is verified by others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account.signers.local import LocalAccount

from affiant.agents.errors import ConfigError
from affiant.agents.settings.config import MAX_FILE_BYTES, read_password
from affiant.encoding import ZERO_DIGEST, Digest, parse_json
from affiant.errors import MalformedError
from affiant.inference.attestation.collateral_sources import (
    INTEL_PCS,
    CollateralSource,
    DevCollateral,
    FileCollateral,
    ServerCollateral,
)
from affiant.inference.attestation.dev_root import DevRoot
from affiant.inference.attestation.errors import QuoteUnavailableError
from affiant.inference.attestation.quoting import (
    DevQuotes,
    QuoteProvider,
    find_provider,
)
from affiant.inference.keys import unlock_keystore
from affiant.onchain.attestation.attesting import VALIDITY_SECONDS, Attester, Serves
from affiant.onchain.attestation.binding import TdxWorkload
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.doctor import Finding
from affiant.onchain.chain import Chain
from affiant.onchain.mandate import Address

SEED_BYTES = 32
"""Length of a development root's seed."""


@dataclass(frozen=True)
class AttestSettings:
    """How a node's key is attested."""

    contract: Address
    """The `TdxAttestation` that mandates name."""
    workload: Path
    """The workload's JSON."""
    payer: Path
    """Keystore of whoever pays for gas."""
    payer_password_env: str = "AFFIANT_PAYER_PASSWORD"
    """Name of the environment variable with its password."""
    quotes: str = "auto"
    """dstack, configfs, or auto for whichever is there."""
    collateral: str = INTEL_PCS
    """URL of a provisioning cache, or a file."""
    unsafe_dev_seed: Path | None = None
    """File with a development root's seed, hexadecimal: quotes and collateral come from
    that root, and prove NOTHING."""
    tls_certificate: Path | None = None
    """PEM of the certificate that the node is reached under; its key is bound."""
    gpu_evidence: Path | None = None
    """Evidence of the GPUs; its SHA-256 is bound, for endorsers to vouch for."""
    validity: int = field(default=VALIDITY_SECONDS, kw_only=True)
    """Seconds that a binding lasts."""


def open_attester(
    settings: AttestSettings,
    *,
    chain: Chain,
    model: Digest,
    engine: Digest,
    program: Digest = ZERO_DIGEST,
) -> Attester:
    """Return what attests a node's keys.

    Args:
        program: the one that the key serves; zero: any that its code permits.

    Raises:
        ConfigError, KeystoreError: a file is not what is expected.
        QuoteUnavailableError: this is no TD.
    """
    provider, collateral = open_sources(settings, chain=chain)
    return Attester(
        client=TdxAttestationClient(chain, settings.contract),
        workload=load_workload(settings.workload),
        serves=Serves(
            model=model,
            engine=engine,
            program=program,
            gpu_evidence=_sha256(settings.gpu_evidence),
            tls_key=tls_key_of(settings.tls_certificate),
        ),
        provider=provider,
        collateral=collateral,
        payer=open_payer(settings.payer, password_env=settings.payer_password_env),
        validity=settings.validity,
    )


def open_sources(
    settings: AttestSettings, *, chain: Chain
) -> tuple[QuoteProvider, CollateralSource]:
    """Return where quotes and collateral come from.

    Raises:
        ConfigError: the seed is not what is expected.
        QuoteUnavailableError: this is no TD.
    """
    provider = quote_provider(settings.quotes, unsafe_dev_seed=settings.unsafe_dev_seed)
    if isinstance(provider, DevQuotes):
        return provider, DevCollateral(
            provider.root, clock=lambda: chain.latest_block().timestamp
        )
    return provider, collateral_source(settings.collateral)


def quote_provider(quotes: str, *, unsafe_dev_seed: Path | None) -> QuoteProvider:
    """Return where quotes come from: what is here, or a development root.

    Args:
        quotes: dstack, configfs, or auto.

    Raises:
        ConfigError: the seed is not what is expected.
        QuoteUnavailableError: this is no TD.
    """
    if unsafe_dev_seed is not None:
        return DevQuotes(read_dev_root(unsafe_dev_seed))
    return find_provider(quotes)


def refresh_source(
    collateral: str,
    *,
    unsafe_dev_seed: Path | None,
    chain: Chain,
    quote: Path | None,
) -> CollateralSource:
    """Return where fresh collateral comes from.

    Raises:
        ConfigError: a server is to be asked without a quote, or the seed is none.
    """
    if unsafe_dev_seed is not None:
        root = read_dev_root(unsafe_dev_seed)
        return DevCollateral(root, clock=lambda: chain.latest_block().timestamp)
    source = collateral_source(collateral)
    if quote is None and isinstance(source, ServerCollateral):
        raise ConfigError(
            "collateral",
            got=f"{collateral} and no quote",
            expected="a quote, which tells the kind of machine, or a file",
        )
    return source


def provider_finding(quotes: str) -> Finding:
    """Return whether quotes are to be had here."""
    try:
        return Finding("quotes", True, find_provider(quotes).name)
    except QuoteUnavailableError as error:
        return Finding("quotes", False, error.reason, error.remedy)


def collateral_source(where: str) -> CollateralSource:
    """Return collateral from a URL, or from a file."""
    if where.startswith(("http://", "https://")):
        return ServerCollateral(where)
    return FileCollateral(Path(where))


def open_payer(keystore: Path, *, password_env: str) -> LocalAccount:
    """Unlock the payer's keystore; raises as `unlock_keystore` and `read_password`."""
    password = read_password(password_env).get_secret_value()
    return unlock_keystore(keystore, password)


def load_workload(path: Path) -> TdxWorkload:
    """Read the workload at `path`.

    Raises:
        ConfigError: the file cannot be read or is no workload.
    """
    try:
        return TdxWorkload.from_json(
            parse_json(_read(path), what="workload", max_bytes=MAX_FILE_BYTES)
        )
    except MalformedError as error:
        raise ConfigError(
            f"{path}: {error.what}", got=error.got, expected=error.expected
        ) from error


def read_dev_root(path: Path) -> DevRoot:
    """Return the development root whose seed is in the file at `path`.

    Raises:
        ConfigError: it is not 32 bytes, hexadecimal.
    """
    text = _read(path).decode("ascii", errors="replace").strip().removeprefix("0x")
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ConfigError(
            f"{path}", got=f"{len(text)} characters", expected="64 hexadecimal digits"
        )
    return DevRoot(seed)


def tls_key_of(path: Path | None) -> Digest:
    """Return SHA-256 of a certificate's SubjectPublicKeyInfo; zero without one.

    Raises:
        ConfigError: the file is no PEM certificate.
    """
    if path is None:
        return ZERO_DIGEST
    try:
        key = x509.load_pem_x509_certificate(_read(path)).public_key()
    except ValueError as error:
        raise ConfigError(
            f"{path}", got=str(error)[:120], expected="a certificate, PEM"
        ) from error
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Digest(hashlib.sha256(spki).digest())


def _sha256(path: Path | None) -> Digest:
    if path is None:
        return ZERO_DIGEST
    return Digest(hashlib.sha256(_read(path)).digest())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            str(path), got=error.strerror or str(error), expected="a readable file"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(
            str(path), got=f"over {MAX_FILE_BYTES} bytes", expected="a smaller file"
        )
    return data
