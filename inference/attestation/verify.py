"""Verifying quotes off chain, with `dcap-qvl`; the only module that imports it.

The policy and the time are arguments: nothing here asks a clock, and nothing asks a
network. It is the independent second opinion on what `TdxVerifier.sol` says, and what a
node asks of its own quote before it pays for a registration. It trusts `dcap-qvl` to
verify, and the root that it is given.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import dcap_qvl

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.errors import QuoteRefusedError
from affiant.inference.attestation.quote import write_pem

UP_TO_DATE = "UpToDate"
"""The only TCB status that gives a tier."""

STATUSES = (
    UP_TO_DATE,
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
)
"""Every TCB status of a quote that verifies; "Revoked" never does."""


@dataclass(frozen=True)
class Policy:
    """Which machines are accepted."""

    statuses: Sequence[str] = (UP_TO_DATE,)
    """Accepted TCB statuses; empty accepts nothing."""
    least_evaluation_number: int = 0
    """Oldest TCB recovery event that the collateral may be up to."""


ANY_STATUS = Policy(statuses=STATUSES)
"""Accepts every machine whose quote verifies: to compare, not to trust."""


@dataclass(frozen=True)
class QuoteVerdict:
    """What `dcap-qvl` says of a quote that verifies."""

    status: str
    """Converged TCB status."""
    advisories: tuple[str, ...]
    """Intel's security advisories that apply at this status."""
    evaluation_number: int
    """TCB recovery event that the collateral is up to."""
    earliest_expiry: int
    """Unix seconds: the earliest `nextUpdate` or `notAfter` among all it rests on."""
    ppid: bytes
    """Provisioning id of the machine, 16 bytes."""
    fmspc: bytes
    """Kind of machine, 6 bytes."""


@dataclass(frozen=True)
class MachineNames:
    """What a PCK certificate says of which machine it is."""

    ppid: bytes
    """Provisioning id of the machine, 16 bytes."""
    fmspc: bytes
    """Kind of machine, 6 bytes."""


def machine_names(der: bytes) -> MachineNames:
    """Read a PCK certificate; nothing is verified.

    Raises:
        MalformedError: it is none.
    """
    try:
        said = dcap_qvl.parse_pck_extension_from_pem(write_pem([der]))
        return MachineNames(ppid=bytes(said.ppid), fmspc=bytes(said.fmspc))
    except (ValueError, RuntimeError) as error:
        raise MalformedError(
            "PCK certificate", got=str(error)[:120], expected="Intel's extension"
        ) from error


def verify_quote(
    quote: bytes,
    collateral: Collateral,
    *,
    now: int,
    policy: Policy,
    root: bytes | None = None,
) -> QuoteVerdict:
    """Verify the file `quote` with this collateral as of unix second `now`.

    Args:
        root: DER of the root's certificate; Intel's if `None`. A development root
            proves nothing about hardware.

    Raises:
        QuoteRefusedError: it does not verify, or the policy refuses the machine.
    """
    if not policy.statuses:
        raise QuoteRefusedError("policy", got="no status", expected="at least one")
    try:
        given = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(collateral.to_json()))
        rules = (
            dcap_qvl.QuotePolicy.claims_only(now)
            if tuple(policy.statuses) == STATUSES
            else _strict(policy, now=now)
        )
        verifier = dcap_qvl.QuoteVerifier(root)
        claims = verifier.verify_with_policy(quote, given, now, rules)
    except (ValueError, RuntimeError) as error:
        raise QuoteRefusedError(
            "dcap-qvl", got=str(error)[:300], expected="a quote that verifies"
        ) from error
    return _verdict(json.loads(claims.to_json()), policy=policy)


def _strict(policy: Policy, *, now: int) -> dcap_qvl.QuotePolicy:
    # Several packages, cached keys and two threads a core are how servers are built;
    # the contract does not judge them either.
    rules = (
        dcap_qvl.QuotePolicy.strict(now)
        .allow_dynamic_platform(True)
        .allow_cached_keys(True)
        .allow_smt(True)
    )
    for status in policy.statuses:
        rules = rules.allow_status(status)
    return rules


def _verdict(claims: JsonValue, *, policy: Policy) -> QuoteVerdict:
    tcb, machine = claims["tcb"], claims["platform"]["pck"]
    verdict = QuoteVerdict(
        status=tcb["status"],
        advisories=tuple(tcb["advisory_ids"]),
        evaluation_number=tcb["eval_data_number"],
        earliest_expiry=claims["earliest_expiration_date"],
        ppid=bytes(machine["ppid"]),
        fmspc=bytes(machine["fmspc"]),
    )
    # Asked again here: a policy must not depend on how a library reads it.
    if verdict.status not in policy.statuses:
        raise QuoteRefusedError(
            "TCB status", got=verdict.status, expected=" or ".join(policy.statuses)
        )
    if verdict.evaluation_number < policy.least_evaluation_number:
        raise QuoteRefusedError(
            "TCB evaluation number",
            got=str(verdict.evaluation_number),
            expected=f">= {policy.least_evaluation_number}",
        )
    return verdict
