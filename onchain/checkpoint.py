"""The checkpoint and the verdict: what endorsers sign about what was executed already.

Pure. The Solidity twins are `contracts/types/Checkpoint.sol` and
`contracts/types/Verdict.sol`; `tests/vectors/checkpoint.json` is read by both
languages. Nothing here says that an audit happened: a signature shows who vouches for
it, and a mandate says whose word counts, and how many of them it takes (`quorum`).

    domain = EIP712Domain(name "Affiant", version "1", chainId, verifyingContract =
    gate), the decision's own
    digest = keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(…))

A checkpoint says: "we read the mandate's state in the block `anchor`, whose hash is
`anchor_hash`. Its head was `head`, its outflow `outflow`, and every decision up to that
head is audited." `outflow` is the mandate's value at risk since its grant, all
decisions up to and including `head`; it never falls. The gate holds the anchor against
its own chain, so that a checkpoint of a fork or of a reorganised block audits nothing,
and moves the audited part of the outflow up to `outflow`, never down: decisions made
since stay unaudited, an older checkpoint changes nothing, and none is in the way of a
decision that executes at the same time.

A verdict says: "this key swore `decision`, and it was false; it shall swear nothing
more under this mandate."
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode

from affiant.encoding import Digest, JsonValue, digest_from_hex, keccak256, to_hex
from affiant.onchain.decision import domain_separator
from affiant.onchain.mandate import Address, object_fields, parse_address, parse_integer

CHECKPOINT_TYPE = (
    "Checkpoint(bytes32 mandate,bytes32 head,uint256 outflow,uint64 anchor,"
    "bytes32 anchorHash)"
)
"""EIP-712 type string of the checkpoint."""

CHECKPOINT_ABI = "(bytes32,bytes32,uint256,uint64,bytes32)"
"""ABI type of the Solidity struct `Checkpoint`."""

VERDICT_TYPE = "Verdict(bytes32 mandate,address key,bytes32 decision)"
"""EIP-712 type string of the verdict."""

VERDICT_ABI = "(bytes32,address,bytes32)"
"""ABI type of the Solidity struct `Verdict`."""


@dataclass(frozen=True)
class Checkpoint:
    """What endorsers sign once everything up to a head is audited."""

    mandate: Digest
    """The mandate's id."""
    head: Digest
    """The mandate's head after the block `anchor`."""
    outflow: int
    """Value, 8 decimals: the mandate's whole value at risk up to and including `head`,
    as the gate stored it after the block `anchor`."""
    anchor: int
    """Number of the block whose state was read; the gate must still know its hash."""
    anchor_hash: Digest
    """That block's hash."""

    def abi_values(self) -> tuple[object, ...]:
        """Return the fields as `eth_abi` takes them for `CHECKPOINT_ABI`."""
        return (self.mandate, self.head, self.outflow, self.anchor, self.anchor_hash)

    def digest(self, *, chain_id: int, gate: Address) -> Digest:
        """Return the EIP-712 digest for the gate at `gate` on chain `chain_id`."""
        return _digest(
            CHECKPOINT_TYPE,
            CHECKPOINT_ABI,
            self.abi_values(),
            chain_id=chain_id,
            gate=gate,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the checkpoint as JSON; the outflow as a decimal string."""
        return {
            "mandate": to_hex(self.mandate),
            "head": to_hex(self.head),
            "outflow": str(self.outflow),
            "anchor": self.anchor,
            "anchorHash": to_hex(self.anchor_hash),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Checkpoint:
        """Parse a checkpoint from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        item = object_fields(
            value,
            what="checkpoint",
            names=["mandate", "head", "outflow", "anchor", "anchorHash"],
        )
        return cls(
            mandate=digest_from_hex(item["mandate"], what="checkpoint.mandate"),
            head=digest_from_hex(item["head"], what="checkpoint.head"),
            outflow=parse_integer(item["outflow"], what="checkpoint.outflow", bits=256),
            anchor=parse_integer(item["anchor"], what="checkpoint.anchor", bits=64),
            anchor_hash=digest_from_hex(
                item["anchorHash"], what="checkpoint.anchorHash"
            ),
        )


@dataclass(frozen=True)
class Verdict:
    """What endorsers sign when a key swore falsely."""

    mandate: Digest
    """Id of the mandate under which the key shall swear nothing more."""
    key: Address
    """The node's key."""
    decision: Digest
    """Digest of the decision that was found false."""

    def abi_values(self) -> tuple[object, ...]:
        """Return the fields as `eth_abi` takes them for `VERDICT_ABI`."""
        return (self.mandate, self.key, self.decision)

    def digest(self, *, chain_id: int, gate: Address) -> Digest:
        """Return the EIP-712 digest for the gate at `gate` on chain `chain_id`."""
        return _digest(
            VERDICT_TYPE, VERDICT_ABI, self.abi_values(), chain_id=chain_id, gate=gate
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the verdict as JSON."""
        return {
            "mandate": to_hex(self.mandate),
            "key": self.key,
            "decision": to_hex(self.decision),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Verdict:
        """Parse a verdict from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown or mistyped.
        """
        item = object_fields(
            value, what="verdict", names=["mandate", "key", "decision"]
        )
        return cls(
            mandate=digest_from_hex(item["mandate"], what="verdict.mandate"),
            key=parse_address(item["key"], what="verdict.key"),
            decision=digest_from_hex(item["decision"], what="verdict.decision"),
        )


def _digest(
    type_string: str,
    abi: str,
    values: tuple[object, ...],
    *,
    chain_id: int,
    gate: Address,
) -> Digest:
    struct = keccak256(
        encode(
            ["bytes32", *abi.strip("()").split(",")],
            [keccak256(type_string.encode()), *values],
        )
    )
    separator = domain_separator(chain_id=chain_id, gate=gate)
    return keccak256(b"\x19\x01" + separator + struct)
