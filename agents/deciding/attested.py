"""Is the node's own key attested now? Asked before it swears to anything.

It decides only whether to go on: a node whose attestation has run out swears nothing,
instead of claiming hardware that no auditor would find. It trusts the node's own
endpoint; gate and auditors ask theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.agents.errors import KeyNotAttestedError
from affiant.encoding import Digest
from affiant.onchain.attestation.claim import AttestationClaim
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.chain_types import Block
from affiant.onchain.mandate import Address


@dataclass(frozen=True)
class KeyAttestation:
    """Who attests a node's key, and for what."""

    client: TdxAttestationClient
    workload: Digest
    """Id of the workload."""


def claim_of(key: str, *, by: KeyAttestation | None, latest: Block) -> AttestationClaim:
    """Return what evidence may claim of `key` at the newest block.

    Raises:
        KeyNotAttestedError: it is to be attested, and is not.
        ChainUnavailableError: the endpoint does not answer.
    """
    if by is None:
        return AttestationClaim(tier=0)
    said = by.client.attestation_of(Address(key), by.workload, block_hash=latest.hash)
    if not said.holds(latest.timestamp):
        if said.revoked_at:
            reason = f"its machine was revoked at {said.revoked_at}"
        elif not said.valid_from:
            reason = "it was never registered"
        else:
            reason = f"that ended at {said.valid_until}, it is {latest.timestamp}"
        raise KeyNotAttestedError(key, reason=reason)
    return AttestationClaim(
        tier=said.tier, contract=by.client.address, workload=by.workload
    )
