"""What stops attestation from working here: asked part by part, with remedies.

It decides nothing and changes nothing. It trusts the endpoint behind `chain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from affiant.encoding import to_hex
from affiant.errors import AffiantError
from affiant.inference.attestation.collateral import Collateral
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.deploy import INTEL_ROOT_KEY_HASH
from affiant.onchain.attestation.submission import REFRESH_SECONDS
from affiant.onchain.attestation.verifier import (
    Issue,
    TdxVerifierClient,
    certificate_id,
    root_key_hash_of,
)
from affiant.onchain.chain import Chain
from affiant.onchain.mandate import Address

P256_PRECOMPILE = Address("0x0000000000000000000000000000000000000100")
"""P256VERIFY (EIP-7951, RIP-7212)."""

BLOCK_HASHES = Address("0x0000F90827F1C53a10cb7A02335B175320002935")
"""Keeps the last 8 191 block hashes (EIP-2935)."""

_SAMPLE = bytes.fromhex(
    # SHA-256 of "sample"; r, s and the key of RFC 6979, A.2.5.
    "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
"""A valid signature on P-256, as the precompile takes it."""

CLOCK_SECONDS = 300
"""Most that the chain's time may differ from this machine's."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str
    remedy: str = ""
    """What to do, where it is not as it should be."""


def diagnose(
    chain: Chain,
    contract: Address,
    *,
    now: int,
    collateral: Collateral | None = None,
) -> tuple[Finding, ...]:
    """Look at everything that attesting at `contract` needs of the chain.

    Args:
        now: unix seconds, by this machine's clock.
        collateral: of the machines to be attested; without it, their kind's TCB info
            and lists are not looked at.

    Raises:
        ChainUnavailableError: the endpoint does not answer at all.
    """
    return tuple(_findings(chain, contract, now=now, collateral=collateral))


def _findings(
    chain: Chain, contract: Address, *, now: int, collateral: Collateral | None
) -> Iterator[Finding]:
    latest = chain.latest_block()
    apart = abs(latest.timestamp - now)
    yield Finding(
        "clock",
        apart <= CLOCK_SECONDS,
        f"the newest block is {apart} s from this machine's time",
        "check this machine's clock, or wait until the endpoint is in step",
    )
    yield precompile_finding(chain)
    has = bool(chain.code(BLOCK_HASHES))
    yield Finding(
        "block hashes",
        True,
        "8 191 back (EIP-2935)" if has else "256 back: register within minutes",
    )
    if not chain.code(contract):
        yield Finding(
            "attestation contract",
            False,
            f"no code at {contract}",
            "check address and chain, or deploy it",
        )
        return
    try:
        verifier = TdxAttestationClient(chain, contract).verifier()
        tier, said = verifier.tier(), verifier.description()
        root = verifier.root_key_hash()
    except AffiantError as error:
        yield Finding(
            "attestation contract",
            False,
            f"{contract} is none: {error}"[:200],
            "name a `TdxAttestation`",
        )
        return
    yield Finding("attestation contract", True, f"verifier {verifier.address}")
    yield Finding(
        "root",
        (root == INTEL_ROOT_KEY_HASH) == (tier == 2),
        f"{said}: tier {tier}",
        "the verifier contradicts itself; do not trust it",
    )
    if collateral is not None:
        yield from _collateral(verifier, collateral, now=latest.timestamp)


def precompile_finding(chain: Chain) -> Finding:
    """Say whether the chain verifies signatures on P-256.

    Raises:
        ChainUnavailableError: the endpoint does not answer.
    """
    wrong = _SAMPLE[:-1] + bytes([_SAMPLE[-1] ^ 1])
    good = chain.call(P256_PRECOMPILE, _SAMPLE)
    bad = chain.call(P256_PRECOMPILE, wrong)
    return Finding(
        "P-256 precompile",
        good == (1).to_bytes(32, "big") and bad == b"",
        f"a valid signature gives {to_hex(good)[:10]}, a changed one {to_hex(bad)}",
        "use a chain with EIP-7951 or RIP-7212; without it every quote is refused",
    )


def _collateral(
    verifier: TdxVerifierClient, collateral: Collateral, *, now: int
) -> Iterator[Finding]:
    got = root_key_hash_of(collateral.root)
    expected = verifier.root_key_hash()
    yield Finding(
        "root of the collateral",
        got == expected,
        "the verifier's" if got == expected else f"another: {to_hex(got)}",
        "get collateral from who signs for the verifier's root",
    )
    for what, der in (
        ("root certificate", collateral.root),
        ("certificate of the machines' authority", collateral.authority),
        ("certificate of the collateral's signer", collateral.signer),
    ):
        known = verifier.is_known(certificate_id(der))
        yield Finding(
            what,
            known,
            "known" if known else "not known",
            "`affiant attest refresh`, or `register`, adds it",
        )
    for what, issue in (
        (
            "root's revocation list",
            verifier.revocation_list_of(certificate_id(collateral.root)),
        ),
        (
            "machines' revocation list",
            verifier.revocation_list_of(certificate_id(collateral.authority)),
        ),
        (
            f"TCB info for {collateral.fmspc.hex()}",
            verifier.tcb_info_of(collateral.fmspc),
        ),
        ("identity of the quoting enclave", verifier.qe_identity()),
    ):
        yield _issue(what, issue, now=now)


def _issue(what: str, issue: Issue, *, now: int) -> Finding:
    left = issue.valid_until - now
    if issue.valid_until == 0:
        detail = "never told"
    elif left <= 0:
        detail = f"over for {-left} s"
    else:
        soon = ", soon" if left < REFRESH_SECONDS else ""
        detail = f"for {left // 3600} h more{soon}"
    return Finding(what, left > 0, detail, "`affiant attest refresh` brings the newest")
