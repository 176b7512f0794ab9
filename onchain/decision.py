"""The decision: the EIP-712 struct that a node signs and the gate insists on.

Pure. The Solidity twins are `contracts/types/Decision.sol` and
`contracts/types/Call.sol`; `tests/vectors/decision.json` is read by both languages.
Nothing here says that a decision is true: a signature shows who swore, and the auditor
shows what.

    domain  = EIP712Domain(name "Affiant", version "1", chainId, verifyingContract =
    gate) digest  = keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(Decision)) calls   =
    keccak256(abi.encode(Call[])) bounds  = keccak256(abi.encode(int256[]))

`bounds` has one entry per tracked token of the mandate, in the mandate's order: the
least signed change, in base units, that must hold after execution. For a debt the
change counts negatively (a rise of 5 is a change of -5). An entry of 0 means that it
must not worsen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from affiant.encoding import (
    Digest,
    JsonValue,
    digest_from_hex,
    from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.onchain.mandate import Address, object_fields, parse_address, parse_integer

DOMAIN_TYPE = (
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
"""EIP-712 domain type of the gate."""

DECISION_TYPE = (
    "Decision(bytes32 mandate,bytes32 program,uint64 slot,bytes32 anchorHash,"
    "bytes32 previous,bytes32 observation,bytes32 receipts,bytes32 calls,"
    "bytes32 bounds,bytes32 evidence,uint64 validUntil)"
)
"""EIP-712 type string of the decision."""

DECISION_ABI = (
    "(" + ",".join(["bytes32"] * 2 + ["uint64"] + ["bytes32"] * 7 + ["uint64"]) + ")"
)
"""ABI type of the Solidity struct `Decision`."""

CALL_ABI = "(address,uint256,bytes,address,uint256)"
"""ABI type of the Solidity struct `Call`."""

MAX_CALLS = 16
"""Most calls in one decision; the gate refuses more."""

SEED_TAG = keccak256(b"affiant.seed.v1")
"""Domain tag of the sampling seed."""


@dataclass(frozen=True)
class Call:
    """One call that the account makes, and the allowance that belongs to it alone."""

    target: Address
    value: int
    """Native currency sent along, in wei."""
    data: bytes
    """Calldata, selector first; at least 4 bytes."""
    token: Address
    """ERC-20 that `target` may pull during this call; zero where `allowance` is 0."""
    allowance: int
    """Base units of `token` granted to `target` for this call and zeroed after it."""

    def to_json(self) -> dict[str, str]:
        """Return the call as JSON; amounts as decimal strings."""
        return {
            "target": self.target,
            "value": str(self.value),
            "data": to_hex(self.data),
            "token": self.token,
            "allowance": str(self.allowance),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Call:
        """Parse a call from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        item = object_fields(
            value,
            what="call",
            names=["target", "value", "data", "token", "allowance"],
        )
        return cls(
            target=parse_address(item["target"], what="call.target"),
            value=parse_integer(item["value"], what="call.value", bits=256),
            data=from_hex(item["data"], what="call.data"),
            token=parse_address(item["token"], what="call.token"),
            allowance=parse_integer(item["allowance"], what="call.allowance", bits=256),
        )


@dataclass(frozen=True)
class Decision:
    """What a node swears. Field order is the ABI's and the EIP-712 type's."""

    mandate: Digest
    program: Digest
    slot: int
    """Block number ÷ cadence."""
    anchor_hash: Digest
    """Hash of the slot's first block."""
    previous: Digest
    """The mandate's head when this was decided."""
    observation: Digest
    receipts: Digest
    calls: Digest
    bounds: Digest
    evidence: Digest
    """Root over the evidence's sections."""
    valid_until: int
    """Unix seconds, inclusive."""

    def abi_values(self) -> tuple[object, ...]:
        """Return the fields as `eth_abi` takes them for `DECISION_ABI`."""
        return (
            self.mandate,
            self.program,
            self.slot,
            self.anchor_hash,
            self.previous,
            self.observation,
            self.receipts,
            self.calls,
            self.bounds,
            self.evidence,
            self.valid_until,
        )

    def digest(self, *, chain_id: int, gate: Address) -> Digest:
        """Return the EIP-712 digest for the gate at `gate` on chain `chain_id`."""
        types = "bytes32 " + DECISION_ABI.strip("()").replace(",", " ")
        struct = keccak256(
            encode(
                types.split(), [keccak256(DECISION_TYPE.encode()), *self.abi_values()]
            )
        )
        separator = domain_separator(chain_id=chain_id, gate=gate)
        return keccak256(b"\x19\x01" + separator + struct)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the decision as JSON."""
        return {
            "mandate": to_hex(self.mandate),
            "program": to_hex(self.program),
            "slot": self.slot,
            "anchorHash": to_hex(self.anchor_hash),
            "previous": to_hex(self.previous),
            "observation": to_hex(self.observation),
            "receipts": to_hex(self.receipts),
            "calls": to_hex(self.calls),
            "bounds": to_hex(self.bounds),
            "evidence": to_hex(self.evidence),
            "validUntil": self.valid_until,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Decision:
        """Parse a decision from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        digests = (
            "mandate program anchorHash previous observation receipts calls bounds "
            "evidence"
        ).split()
        item = object_fields(
            value, what="decision", names=[*digests, "slot", "validUntil"]
        )
        parsed = {
            name: digest_from_hex(item[name], what=f"decision.{name}")
            for name in digests
        }
        return cls(
            mandate=parsed["mandate"],
            program=parsed["program"],
            slot=parse_integer(item["slot"], what="decision.slot", bits=64),
            anchor_hash=parsed["anchorHash"],
            previous=parsed["previous"],
            observation=parsed["observation"],
            receipts=parsed["receipts"],
            calls=parsed["calls"],
            bounds=parsed["bounds"],
            evidence=parsed["evidence"],
            valid_until=parse_integer(
                item["validUntil"], what="decision.validUntil", bits=64
            ),
        )


def domain_separator(*, chain_id: int, gate: Address) -> Digest:
    """Return the EIP-712 domain separator of the gate at `gate` on `chain_id`."""
    return keccak256(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                keccak256(DOMAIN_TYPE.encode()),
                keccak256(b"Affiant"),
                keccak256(b"1"),
                chain_id,
                gate,
            ],
        )
    )


def calls_hash(calls: Sequence[Call]) -> Digest:
    """Return keccak256(abi.encode(Call[]))."""
    values = [(c.target, c.value, c.data, c.token, c.allowance) for c in calls]
    return keccak256(encode([CALL_ABI + "[]"], [values]))


def bounds_hash(bounds: Sequence[int]) -> Digest:
    """Return keccak256(abi.encode(int256[]))."""
    for bound in bounds:
        if not -(2**255) <= bound < 2**255:
            raise MalformedError("bound", got=str(bound)[:90], expected="int256")
    return keccak256(encode(["int256[]"], [list(bounds)]))


def inference_seed(
    *,
    chain_id: int,
    gate: Address,
    mandate: Digest,
    previous: Digest,
    anchor_hash: Digest,
    index: int,
) -> Digest:
    """Return the sampling seed of the decision's inference number `index` (from 0).

    Nothing in it is the operator's to choose. Greedy programs do not use it.
    """
    return keccak256(
        encode(
            [
                "bytes32",
                "uint256",
                "address",
                "bytes32",
                "bytes32",
                "bytes32",
                "uint256",
            ],
            [SEED_TAG, chain_id, gate, mandate, previous, anchor_hash, index],
        )
    )
