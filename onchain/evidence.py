"""Evidence: everything needed to reproduce one decision, in one file.

Pure. It reads and writes bundles and decides only that a file has the format; whether
the bundle is what the decision swears is `evidence_check`'s to say, and whether that
is true the auditor's. It trusts nobody: limits are checked before anything is parsed,
and a bundle has exactly one spelling.

Format `affiant-evidence/1` (byte-exact, with an example, in `docs/formats.md`): one
Zstandard frame around the canonical JSON of

    {"format", "chainId", "gate", "decision", "node", "signature", "mandate", "calls",
     "bounds": ["decimal"], "receipts", "leaves": {section: hex32},
     "sections": {section: {"salt": hex32, "content"}}, "withheld": [section]}

Every section is either disclosed or withheld. The stated leaves are what lets an edit
be named: without them a wrong root could be any section's fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from affiant.encoding import (
    MAX_ITEMS,
    Digest,
    JsonValue,
    canonical_json,
    from_hex,
    json_items,
    parse_json,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.decision import MAX_CALLS, Call, Decision
from affiant.onchain.evidence_errors import (
    EvidenceCorruptError,
    EvidenceTooLargeError,
    EvidenceVersionError,
    EvidenceWithheldError,
)
from affiant.onchain.evidence_frame import MAX_PLAIN_BYTES, pack, unpack
from affiant.onchain.evidence_sections import (
    MAX_INFERENCES,
    SECTIONS,
    SealedSections,
    Section,
    parse_sections,
    seal,
    unknown_section,
)
from affiant.onchain.mandate import (
    MAX_LIST,
    Address,
    Mandate,
    object_fields,
    parse_address,
    parse_integer,
)

__all__ = ["FORMAT", "SECTIONS", "EvidenceBundle", "SealedSections", "Section", "seal"]

FORMAT = "affiant-evidence/1"
"""Name and version of the format."""

_FIELDS = (
    "format chainId gate decision node signature mandate calls bounds receipts leaves "
    "sections withheld"
).split()


@dataclass(frozen=True)
class EvidenceBundle:
    """All that is needed to reproduce one decision."""

    chain_id: int
    gate: Address
    decision: Decision
    node: Address
    """Key that signed."""
    signature: bytes
    """65 bytes over the decision's digest."""
    mandate: Mandate
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Base units, one per tracked entry of the mandate."""
    receipts: tuple[InferenceReceipt, ...]
    leaves: Mapping[str, Digest]
    """Leaf of every section, withheld ones included."""
    sections: Mapping[str, Section]
    """Disclosed sections only."""

    @cached_property
    def digest(self) -> Digest:
        """The decision's EIP-712 digest, by which evidence is addressed."""
        return self.decision.digest(chain_id=self.chain_id, gate=self.gate)

    @property
    def withheld(self) -> tuple[str, ...]:
        """Names of the sections that are not disclosed, ascending."""
        return tuple(name for name in SECTIONS if name not in self.sections)

    def content(self, name: str) -> JsonValue:
        """Return the content of the section `name`.

        Raises:
            EvidenceSectionUnknownError: the format has no such section.
            EvidenceWithheldError: the bundle withholds it.
        """
        if name not in SECTIONS:
            raise unknown_section(name)
        if name not in self.sections:
            raise EvidenceWithheldError(
                name, got="only its leaf", expected="the section itself"
            )
        return self.sections[name].content

    def withhold(self, names: Iterable[str]) -> EvidenceBundle:
        """Return a copy that discloses only the leaves of `names`.

        Raises:
            EvidenceSectionUnknownError: the format has no such section.
        """
        hidden = set(names)
        for name in sorted(hidden - set(SECTIONS)):
            raise unknown_section(name)
        kept = {name: s for name, s in self.sections.items() if name not in hidden}
        return replace(self, sections=kept)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the bundle as JSON."""
        return {
            "format": FORMAT,
            "chainId": self.chain_id,
            "gate": self.gate,
            "decision": self.decision.to_json(),
            "node": self.node,
            "signature": to_hex(self.signature),
            "mandate": self.mandate.to_json(),
            "calls": [call.to_json() for call in self.calls],
            "bounds": [str(bound) for bound in self.bounds],
            "receipts": [receipt.to_json() for receipt in self.receipts],
            "leaves": {name: to_hex(leaf) for name, leaf in self.leaves.items()},
            "sections": {
                name: {"salt": to_hex(section.salt), "content": section.content}
                for name, section in self.sections.items()
            },
            "withheld": list(self.withheld),
        }

    def to_plain(self) -> bytes:
        """Return the bundle as canonical JSON: what a node answers over HTTP."""
        return canonical_json(self.to_json())

    def to_bytes(self) -> bytes:
        """Return the bundle as an evidence file.

        Raises:
            EvidenceTooLargeError: it is over a limit of the format.
        """
        return pack(self.to_plain())

    @classmethod
    def from_bytes(cls, data: bytes) -> EvidenceBundle:
        """Parse a hostile evidence file. What it says is not verified yet.

        Raises:
            EvidenceTooLargeError: over a limit.
            EvidenceCorruptError: not one intact frame around canonical JSON.
            EvidenceVersionError, EvidenceSectionMissingError,
            EvidenceSectionUnknownError, EvidenceSectionMalformedError,
            MalformedError: as for `from_json`.
        """
        return cls.from_plain(unpack(data))

    @classmethod
    def from_plain(cls, plain: bytes) -> EvidenceBundle:
        """Parse hostile canonical JSON: a file's content, or a node's answer.

        Raises:
            As `from_bytes`.
        """
        if len(plain) > MAX_PLAIN_BYTES:
            raise EvidenceTooLargeError(
                "JSON text", got=len(plain), limit=MAX_PLAIN_BYTES
            )
        items = json_items(plain)
        if items > MAX_ITEMS:
            raise EvidenceTooLargeError("JSON values", got=items, limit=MAX_ITEMS)
        bundle = cls.from_json(
            parse_json(plain, what="evidence", max_bytes=MAX_PLAIN_BYTES)
        )
        # One bundle has one spelling: otherwise a byte could be edited (a letter's
        # case, a space, the form of a number) without anybody noticing.
        spelled = bundle.to_plain()
        if spelled != plain:
            at = _first_difference(spelled, plain)
            raise EvidenceCorruptError(
                got=f"{plain[at : at + 24]!r} at byte {at}",
                expected=f"canonical {spelled[at : at + 24]!r}",
            )
        return bundle

    @classmethod
    def from_json(cls, value: JsonValue) -> EvidenceBundle:
        """Parse a bundle from hostile JSON. What it says is not verified yet.

        Raises:
            EvidenceVersionError: another format or version.
            EvidenceSectionMissingError, EvidenceSectionUnknownError,
            EvidenceSectionMalformedError: the sections are not exactly the format's.
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        stated = value.get("format") if isinstance(value, dict) else None
        if isinstance(value, dict) and stated != FORMAT:
            raise EvidenceVersionError(got=repr(stated)[:80], expected=FORMAT)
        item = object_fields(value, what="evidence", names=_FIELDS)
        parsed = parse_sections(
            leaves=item["leaves"],
            sections=item["sections"],
            withheld=item["withheld"],
        )
        calls = _list(item["calls"], what="evidence.calls", limit=MAX_CALLS)
        bounds = _list(item["bounds"], what="evidence.bounds", limit=MAX_LIST)
        receipts = _list(
            item["receipts"], what="evidence.receipts", limit=MAX_INFERENCES
        )
        return cls(
            chain_id=parse_integer(item["chainId"], what="evidence.chainId", bits=53),
            gate=parse_address(item["gate"], what="evidence.gate"),
            decision=Decision.from_json(item["decision"]),
            node=parse_address(item["node"], what="evidence.node"),
            signature=from_hex(item["signature"], what="evidence.signature"),
            mandate=Mandate.from_json(item["mandate"]),
            calls=tuple(Call.from_json(call) for call in calls),
            bounds=tuple(_parse_bound(bound) for bound in bounds),
            receipts=tuple(InferenceReceipt.from_json(r) for r in receipts),
            leaves=parsed.leaves,
            sections=parsed.sections,
        )


def _parse_bound(value: JsonValue) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,78}", value, re.ASCII):
        bound = int(value)
        if -(2**255) <= bound < 2**255:
            return bound
    raise MalformedError(
        "evidence.bounds", got=repr(value)[:90], expected="a decimal string, int256"
    )


def _list(value: JsonValue, *, what: str, limit: int) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) > limit:
        got = f"{len(value)} entries" if isinstance(value, list) else repr(value)[:80]
        raise MalformedError(
            what, got=got, expected=f"a list of at most {limit} entries"
        )
    return value


def _first_difference(left: bytes, right: bytes) -> int:
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
