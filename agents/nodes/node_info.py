"""What a node says about itself: whom it is, what it serves, how its checks went.

Unsworn, and hostile where it is read: it serves to find a wrong address or a node that
needs a look, before money does. Nothing is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from affiant.encoding import Digest, JsonValue, digest_from_hex, to_hex
from affiant.errors import MalformedError
from affiant.onchain.mandate import (
    Address,
    object_fields,
    parse_address,
    parse_integer,
)

MAX_PROGRAMS = 256
"""Most programs that a node may list."""


@dataclass(frozen=True)
class SelfChecks:
    """What a node's self-checks came to since it started."""

    inferences: int = 0
    """Inferences that were checked and sworn to."""
    prefills: int = 0
    """Canonical prefills that they took; at least one each."""
    rollbacks: int = 0
    """How often a check corrected a generation; honest ones need none or one each."""

    def with_one(self, *, prefills: int, rollbacks: int) -> SelfChecks:
        """Return these with one more inference."""
        return SelfChecks(
            inferences=self.inferences + 1,
            prefills=self.prefills + prefills,
            rollbacks=self.rollbacks + rollbacks,
        )


@dataclass(frozen=True)
class ClaimedWorkload:
    """Whose hardware attestation the node's key claims to have."""

    contract: Address
    """The `ITdxAttestation` that attests it."""
    workload: Digest
    """Which measured software it runs."""


@dataclass(frozen=True)
class NodeInfo:
    """What a node says about itself (unsworn)."""

    key: Address
    """The key that it swears with now."""
    model: Digest
    """Root of its model's commitment."""
    engine: Digest
    """Hash of its engine's manifest."""
    programs: tuple[Digest, ...]
    """Hashes of the programs that it serves, at most `MAX_PROGRAMS`."""
    attestation: ClaimedWorkload | None
    """None: nobody attests the key."""
    self_checks: SelfChecks

    def to_json(self) -> dict[str, JsonValue]:
        """Return the answer to `GET /v1/node`."""
        by, checks = self.attestation, self.self_checks
        return {
            "key": self.key,
            "model": to_hex(self.model),
            "engine": to_hex(self.engine),
            "programs": [to_hex(program) for program in self.programs],
            "attestation": None
            if by is None
            else {"contract": by.contract, "workload": to_hex(by.workload)},
            "selfChecks": {
                field.name: getattr(checks, field.name) for field in fields(checks)
            },
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> NodeInfo:
        """Parse a hostile answer.

        Raises:
            MalformedError: a field is missing, unknown or mistyped; names it.
        """
        item = object_fields(
            value,
            what="node",
            names=["key", "model", "engine", "programs", "attestation", "selfChecks"],
        )
        programs = item["programs"]
        if not isinstance(programs, list) or len(programs) > MAX_PROGRAMS:
            raise MalformedError(
                "node.programs",
                got=type(programs).__name__,
                expected=f"a list of at most {MAX_PROGRAMS}",
            )
        return cls(
            key=parse_address(item["key"], what="node.key"),
            model=digest_from_hex(item["model"], what="node.model"),
            engine=digest_from_hex(item["engine"], what="node.engine"),
            programs=tuple(
                digest_from_hex(program, what="node.programs") for program in programs
            ),
            attestation=_attestation(item["attestation"]),
            self_checks=_self_checks(item["selfChecks"]),
        )


def _attestation(value: JsonValue) -> ClaimedWorkload | None:
    if value is None:
        return None
    what = "node.attestation"
    item = object_fields(value, what=what, names=["contract", "workload"])
    return ClaimedWorkload(
        contract=parse_address(item["contract"], what=f"{what}.contract"),
        workload=digest_from_hex(item["workload"], what=f"{what}.workload"),
    )


def _self_checks(value: JsonValue) -> SelfChecks:
    what = "node.selfChecks"
    names = [field.name for field in fields(SelfChecks)]
    item = object_fields(value, what=what, names=names)
    return SelfChecks(
        **{
            name: parse_integer(item[name], what=f"{what}.{name}", bits=53)
            for name in names
        }
    )
