"""The inference receipt: what a node swears about one inference.

It binds six digests and nothing else. It does not carry the tokens (evidence does) and
it decides nothing: a receipt is untrusted bytes until a replay says otherwise.

    receipt  = model ‖ engine ‖ request ‖ prompt ‖ output ‖ trace      (6 × 32 bytes)
    prompt   = keccak256(token ids as big-endian uint32), output likewise
    receipts = keccak256(abi.encode(InferenceReceipt[])), in the decision
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from affiant.encoding import (
    Digest,
    JsonValue,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError

MAX_TOKEN_ID = 2**32 - 1
"""Largest token id that the format can carry."""


@dataclass(frozen=True)
class InferenceReceipt:
    """A node's sworn statement about one inference."""

    model: Digest
    """Root of the model commitment."""
    engine: Digest
    """Hash of the engine manifest; names the profile."""
    request: Digest
    """keccak256 of the canonical JSON of the request."""
    prompt: Digest
    """`tokens_hash` of the prompt's token ids."""
    output: Digest
    """`tokens_hash` of the output's token ids, the end token included."""
    trace: Digest
    """Merkle root over one leaf per output token."""

    def encode(self) -> bytes:
        """Return the 192 bytes of the receipt."""
        return b"".join(getattr(self, field.name) for field in fields(self))

    def to_json(self) -> dict[str, str]:
        """Return the receipt as JSON: each digest in hexadecimal."""
        return {field.name: to_hex(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, value: JsonValue) -> InferenceReceipt:
        """Parse a receipt from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown or not a digest.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise MalformedError(
                "inference receipt",
                got=f"fields {sorted(value) if isinstance(value, dict) else value!r}"[
                    :200
                ],
                expected=f"exactly {sorted(names)}",
            )
        return cls(
            **{
                name: digest_from_hex(value[name], what=f"receipt.{name}")
                for name in names
            }
        )


def receipts_hash(receipts: Sequence[InferenceReceipt]) -> Digest:
    """Return keccak256(abi.encode(InferenceReceipt[])), as the decision carries it."""
    head = (32).to_bytes(32, "big") + len(receipts).to_bytes(32, "big")
    return keccak256(head + b"".join(receipt.encode() for receipt in receipts))


def tokens_hash(token_ids: Sequence[int]) -> Digest:
    """Return keccak256 of the ids as big-endian uint32.

    Raises:
        MalformedError: an id is negative or does not fit in 32 bits.
    """
    for token_id in token_ids:
        if not 0 <= token_id <= MAX_TOKEN_ID:
            raise MalformedError(
                "token id", got=str(token_id), expected=f"0 to {MAX_TOKEN_ID}"
            )
    return keccak256(b"".join(token_id.to_bytes(4, "big") for token_id in token_ids))
