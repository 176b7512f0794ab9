"""What evidence says of its key's hardware: a tier, and who gives it.

Pure. The section `attestation` of an evidence bundle is `{"tier": 0}` where no hardware
is claimed, and otherwise `{"tier", "contract", "workload"}`. A claim proves nothing; an
auditor asks the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import ZERO_DIGEST, Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import MalformedError
from affiant.onchain.mandate import Address
from affiant.signature import parse_address

NO_HARDWARE: dict[str, JsonValue] = {"tier": 0}
"""What a node says that claims none."""


@dataclass(frozen=True)
class AttestationClaim:
    """A tier, and the contract and workload that give it."""

    tier: int
    contract: Address | None = None
    """None: no hardware is claimed."""
    workload: Digest = ZERO_DIGEST
    """Id of the workload; of no meaning without a contract."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the evidence section."""
        if self.contract is None:
            return {"tier": self.tier}
        return {
            "tier": self.tier,
            "contract": self.contract,
            "workload": to_hex(self.workload),
        }

    @classmethod
    def from_json(cls, content: JsonValue) -> AttestationClaim:
        """Read the evidence section, hostile.

        Raises:
            MalformedError: it is not of the one form.
        """
        if not isinstance(content, dict) or type(content.get("tier")) is not int:
            raise MalformedError(
                "attestation", got=repr(content)[:80], expected="an object with a tier"
            )
        if set(content) == {"tier"}:
            return cls(content["tier"])
        if set(content) != {"tier", "contract", "workload"}:
            raise MalformedError(
                "attestation",
                got=str(sorted(content))[:200],
                expected="tier, contract and workload",
            )
        return cls(
            tier=content["tier"],
            contract=parse_address(content["contract"], what="attestation.contract"),
            workload=digest_from_hex(content["workload"], what="attestation.workload"),
        )
