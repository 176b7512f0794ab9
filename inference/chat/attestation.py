"""What a service says of itself, fresh: its key signs the asker's own nonce.

It shows that whoever answers holds the key now, and what the key says that it serves.
It does not show where the key lives: evidence of hardware rides along where there is
any (tier 0: none), and is judged by whoever knows that hardware.

    digest = keccak256("affiant-attestation/1" ‖ nonce ‖ model ‖ engine ‖ uint64 issued
        ‖ keccak256(canonical JSON of evidence))
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.chat.fields import bytes_field, natural_field
from affiant.inference.manifest import EngineManifest
from affiant.signature import (
    SIGNATURE_BYTES,
    Address,
    parse_address,
    recover_signer,
)

FORMAT = "affiant-attestation/1"
"""Format tag, in the JSON and at the beginning of what is signed."""
NO_HARDWARE: dict[str, JsonValue] = {"tier": 0, "hardware": None}
"""Evidence of a key that no hardware protects."""

_FIELDS = frozenset("format nonce key model manifest issued evidence signature".split())


@dataclass(frozen=True)
class Attestation:
    """A key's word about itself; as read, nothing of it is believed."""

    nonce: Digest
    """The asker's."""
    key: Address
    """Whose signature it is said to be."""
    model: Digest
    """Root of the commitment of the model served."""
    manifest: EngineManifest
    """The engine."""
    issued: int
    """Unix seconds, by the service's clock."""
    evidence: JsonValue
    """What protects the key; an object with a `tier`."""
    signature: bytes
    """65 bytes over `digest`."""

    @property
    def digest(self) -> Digest:
        """What the key signs; the header says how it is made."""
        return keccak256(
            FORMAT.encode()
            + self.nonce
            + self.model
            + self.manifest.hash
            + self.issued.to_bytes(8, "big")
            + keccak256(canonical_json(self.evidence))
        )

    def signed(self, signature: bytes) -> Attestation:
        """Return the same attestation under `signature`."""
        return replace(self, signature=signature)

    def check(self, *, nonce: Digest) -> None:
        """Refuse an answer to another nonce, or another key's.

        Raises:
            MalformedError: either.
        """
        if self.nonce != nonce:
            raise MalformedError(
                "attestation.nonce", got=to_hex(self.nonce), expected=to_hex(nonce)
            )
        signer = recover_signer(self.digest, signature=self.signature)
        if signer != self.key:
            raise MalformedError(
                "attestation.signature", got=f"one of {signer}", expected=self.key
            )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the attestation as JSON."""
        return {
            "format": FORMAT,
            "nonce": to_hex(self.nonce),
            "key": self.key,
            "model": to_hex(self.model),
            "manifest": self.manifest.to_json(),
            "issued": self.issued,
            "evidence": self.evidence,
            "signature": to_hex(self.signature),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Attestation:
        """Parse an attestation from hostile JSON; it is not checked yet.

        Raises:
            MalformedError: a field is missing, unknown or not what it should be.
        """
        if not isinstance(value, dict) or set(value) != _FIELDS:
            got = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise MalformedError(
                "attestation", got=f"{got}"[:300], expected=f"fields {sorted(_FIELDS)}"
            )
        if value["format"] != FORMAT:
            raise MalformedError(
                "attestation.format", got=repr(value["format"])[:80], expected=FORMAT
            )
        evidence = value["evidence"]
        if not isinstance(evidence, dict) or type(evidence.get("tier")) is not int:
            raise MalformedError(
                "attestation.evidence", got=repr(evidence)[:80], expected="a tier in it"
            )
        return cls(
            nonce=digest_from_hex(value["nonce"], what="attestation.nonce"),
            key=parse_address(value["key"], what="attestation.key"),
            model=digest_from_hex(value["model"], what="attestation.model"),
            manifest=EngineManifest.from_json(value["manifest"]),
            issued=natural_field(value, "issued", bits=53),
            evidence=evidence,
            signature=bytes_field(value, "signature", length=SIGNATURE_BYTES),
        )
