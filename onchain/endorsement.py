"""The endorsement: an endorser's signature over a decision's digest, as a value.

Pure. It decides that a signature is the stated endorser's, in the gate's one form. That
the endorser is one of the mandate's, and that anything was reproduced, it does not say.

    {"digest": hex32, "endorser": address, "signature": 65 bytes}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from affiant.encoding import Digest, JsonValue, digest_from_hex, from_hex, to_hex
from affiant.errors import MalformedError
from affiant.onchain.mandate import Address, object_fields, parse_address
from affiant.signature import recover_signer


@dataclass(frozen=True)
class Endorsement:
    """One endorser's word for one decision."""

    digest: Digest
    """The decision's EIP-712 digest."""
    endorser: Address
    signature: bytes
    """65 bytes `r ‖ s ‖ v` over `digest`, by `endorser`."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the endorsement as JSON."""
        return {
            "digest": to_hex(self.digest),
            "endorser": self.endorser,
            "signature": to_hex(self.signature),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Endorsement:
        """Parse an endorsement from hostile JSON, and check whose signature it is.

        Raises:
            MalformedError: a field is missing, unknown or mistyped, or the signature is
                malformed or somebody else's.
        """
        item = object_fields(
            value, what="endorsement", names=["digest", "endorser", "signature"]
        )
        return checked(
            digest_from_hex(item["digest"], what="endorsement.digest"),
            endorser=parse_address(item["endorser"], what="endorsement.endorser"),
            signature=from_hex(item["signature"], what="endorsement.signature"),
        )


def checked(digest: Digest, *, endorser: Address, signature: bytes) -> Endorsement:
    """Return the endorsement, if `endorser` made `signature` over `digest`.

    Raises:
        MalformedError: the signature is malformed, or somebody else's.
    """
    signer = recover_signer(digest, signature=signature)
    if signer != endorser:
        raise MalformedError("signer of an endorsement", got=signer, expected=endorser)
    return Endorsement(digest, endorser, signature)


def ascending(endorsements: Iterable[Endorsement]) -> tuple[Endorsement, ...]:
    """Return endorsements ascending by endorser, one of each: the gate's order.

    The signatures one after the other are then what the gate takes.

    Raises:
        MalformedError: they are of different decisions.
    """
    found: dict[str, Endorsement] = {}
    for item in endorsements:
        found.setdefault(item.endorser.lower(), item)
    digests = {item.digest for item in found.values()}
    if len(digests) > 1:
        raise MalformedError(
            "endorsements", got=f"of {len(digests)} decisions", expected="of one"
        )
    return tuple(found[key] for key in sorted(found))
