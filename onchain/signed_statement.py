"""A checkpoint or a verdict with one endorser's signature, as a file that travels.

Pure. It decides that the signature is the stated endorser's over the statement for the
stated gate. How many it takes is the mandate's quorum; whether an audit happened, a
signature cannot show. Statements of several endorsers are joined into what the gate
takes.

    {"format": "affiant-checkpoint/1", "chainId", "gate", "checkpoint": {…},
     "endorser", "signature"}
    {"format": "affiant-verdict/1", "chainId", "gate", "verdict": {…},
     "endorser", "signature"}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import Digest, JsonValue, from_hex, to_hex
from affiant.errors import MalformedError
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.mandate import Address, object_fields, parse_address, parse_integer
from affiant.onchain.signature import join_signatures
from affiant.signature import recover_signer

MAX_STATEMENT_BYTES = 16 * 1024
"""Largest file of a signed statement, in bytes."""


@dataclass(frozen=True)
class SignedStatement:
    """What one endorser signed about a head or a key."""

    chain_id: int
    gate: Address
    statement: Checkpoint | Verdict
    endorser: Address
    signature: bytes
    """65 bytes `r ‖ s ‖ v` over `digest`, by `endorser`."""

    @property
    def digest(self) -> Digest:
        """The statement's EIP-712 digest."""
        return self.statement.digest(chain_id=self.chain_id, gate=self.gate)

    @property
    def kind(self) -> str:
        """`checkpoint` or `verdict`."""
        return "checkpoint" if isinstance(self.statement, Checkpoint) else "verdict"

    def to_json(self) -> dict[str, JsonValue]:
        """Return the signed statement as JSON."""
        return {
            "format": f"affiant-{self.kind}/1",
            "chainId": self.chain_id,
            "gate": self.gate,
            self.kind: self.statement.to_json(),
            "endorser": self.endorser,
            "signature": to_hex(self.signature),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> SignedStatement:
        """Parse a signed statement from hostile JSON, and check whose it is.

        Raises:
            MalformedError: a field is missing, unknown or mistyped, or the signature is
                malformed or somebody else's.
        """
        stated = value.get("format") if isinstance(value, dict) else None
        kinds = {f"affiant-{kind}/1": kind for kind in ("checkpoint", "verdict")}
        if not isinstance(stated, str) or stated not in kinds:
            raise MalformedError(
                "format of a signed statement",
                got=repr(stated)[:80],
                expected=" or ".join(kinds),
            )
        kind = kinds[stated]
        item = object_fields(
            value,
            what=f"signed {kind}",
            names=["format", "chainId", "gate", kind, "endorser", "signature"],
        )
        parse = Checkpoint.from_json if kind == "checkpoint" else Verdict.from_json
        signed = cls(
            chain_id=parse_integer(item["chainId"], what="chainId", bits=53),
            gate=parse_address(item["gate"], what="gate"),
            statement=parse(item[kind]),
            endorser=parse_address(item["endorser"], what="endorser"),
            signature=from_hex(item["signature"], what="signature"),
        )
        signer = recover_signer(signed.digest, signature=signed.signature)
        if signer != signed.endorser:
            raise MalformedError(
                f"signer of a {kind}", got=signer, expected=signed.endorser
            )
        return signed


def joined_statements(signed: Sequence[SignedStatement]) -> bytes:
    """Return the signatures of several endorsers as the gate takes them.

    Args:
        signed: at least one; checked by `from_json`.

    Raises:
        MalformedError: none, or not all of the same statement, chain and gate.
    """
    digests = {item.digest for item in signed}
    if len(digests) != 1:
        raise MalformedError(
            "signed statements", got=f"{len(digests)} different ones", expected="one"
        )
    unique = {item.endorser: item.signature for item in signed}
    return join_signatures(signed[0].digest, signatures=unique.values())
