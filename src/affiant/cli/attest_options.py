"""The options about attesting that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.agents.nodes.attest_settings import AttestSettings

PCS = "https://api.trustedservices.intel.com"

Contract = Annotated[
    str | None, typer.Option(help="Address of the attestation contract.")
]
Workload = Annotated[Path | None, typer.Option(help="The workload's JSON.")]
Payer = Annotated[
    Path | None, typer.Option(help="Keystore of whoever pays for attesting.")
]
PayerPasswordEnv = Annotated[
    str, typer.Option(help="Environment variable with the payer's password.")
]
Quotes = Annotated[
    str, typer.Option(help="dstack, configfs, or auto for whichever is there.")
]
CollateralFrom = Annotated[
    str, typer.Option("--collateral", help="URL of a PCCS, or a file.")
]
DevSeed = Annotated[
    Path | None,
    typer.Option(
        "--unsafe-dev-seed",
        help="File with a development root's seed: tier 0, NO HARDWARE PROTECTION.",
    ),
]
TlsCertificate = Annotated[
    Path | None, typer.Option(help="PEM certificate whose key is bound.")
]
GpuEvidence = Annotated[
    Path | None, typer.Option(help="GPU evidence whose SHA-256 is bound.")
]
Validity = Annotated[int, typer.Option(help="Seconds that a binding lasts.")]

PAYER_PASSWORD_ENV = "AFFIANT_PAYER_PASSWORD"
DAY = 86_400


def attest_settings(
    *,
    contract: str,
    workload: Path | None,
    payer: Path | None,
    payer_password_env: str,
    quotes: str,
    collateral: str,
    unsafe_dev_seed: Path | None,
    tls_certificate: Path | None,
    gpu_evidence: Path | None,
    validity: int,
) -> AttestSettings:
    """Return the settings; refuse a call that lacks some.

    Raises:
        typer.BadParameter: names what is missing or mistyped.
    """
    from affiant.agents.nodes.attest_settings import AttestSettings
    from affiant.onchain.mandate import parse_address

    if workload is None or payer is None:
        raise typer.BadParameter("got no --workload or no --payer, expected both")
    if quotes not in ("auto", "dstack", "configfs"):
        raise typer.BadParameter(f"got {quotes}, expected auto, dstack or configfs")
    try:
        address = parse_address(contract, what="address of the attestation contract")
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error
    return AttestSettings(
        contract=address,
        workload=workload,
        payer=payer,
        payer_password_env=payer_password_env,
        quotes=quotes,
        collateral=collateral,
        unsafe_dev_seed=unsafe_dev_seed,
        tls_certificate=tls_certificate,
        gpu_evidence=gpu_evidence,
        validity=validity,
    )
