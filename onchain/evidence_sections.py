"""The sections of evidence: salted, hashed one by one, disclosed or withheld alone.

Pure. It decides that sections have the format's names and outer shapes, and what leaf
and root they hash to. What the contents mean is for the modules that own them (the
observation's reads, the traces' tokens, the plan). It trusts nobody.

    leaf = keccak256(salt ‖ keccak256(canonical_json({"name", "content"})))
    root = merkle_root(leaves, by section name ascending)

Salts are random: without them a withheld section of few possible contents (a HOLD plan)
could be guessed from its leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    from_hex,
    keccak256,
    merkle_root,
)
from affiant.errors import MalformedError
from affiant.inference.receipt import MAX_TOKEN_ID
from affiant.onchain.evidence_errors import (
    EvidenceSectionMalformedError,
    EvidenceSectionMissingError,
    EvidenceSectionUnknownError,
)
from affiant.onchain.mandate import object_fields

SECTIONS = (
    "attestation",
    "manifests",
    "observation",
    "plan",
    "requests",
    "tokens",
    "traces",
)
"""Names of all sections, ascending: the order of the leaves."""

SALT_BYTES = 32
"""Length of a section's salt."""

MANIFESTS = ("book", "engine", "model", "program")
"""Fields of the `manifests` section."""

MAX_INFERENCES = 64
"""Most inferences in one decision."""


@dataclass(frozen=True)
class Section:
    """One disclosed section."""

    salt: bytes
    """`SALT_BYTES` random bytes."""
    content: JsonValue

    def leaf(self, name: str) -> Digest:
        """Return the leaf of this section under `name`.

        Raises:
            MalformedError: the content cannot be written as canonical JSON.
        """
        body = canonical_json({"name": name, "content": self.content})
        return keccak256(self.salt + keccak256(body))


@dataclass(frozen=True)
class SealedSections:
    """All sections of one decision, with the root that the decision swears."""

    sections: Mapping[str, Section]
    leaves: Mapping[str, Digest]
    root: Digest


def evidence_root(leaves: Mapping[str, Digest]) -> Digest:
    """Return the Merkle root over `leaves`, by section name ascending."""
    return merkle_root([leaves[name] for name in sorted(leaves)])


def seal(
    contents: Mapping[str, JsonValue], *, salts: Mapping[str, bytes]
) -> SealedSections:
    """Salt and hash all sections.

    Args:
        contents: section name to content; exactly the names in `SECTIONS`.
        salts: section name to `SALT_BYTES` random bytes.

    Raises:
        EvidenceSectionMissingError: a section or its salt is absent.
        EvidenceSectionUnknownError: a name that the format does not have.
        EvidenceSectionMalformedError: a wrong shape or salt length.
        MalformedError: a content cannot be written as canonical JSON.
    """
    check_names(contents, what="a content")
    check_names(salts, what="a salt")
    sections = {name: Section(salts[name], contents[name]) for name in SECTIONS}
    for name, section in sections.items():
        _check_section(name, section)
    leaves = {name: section.leaf(name) for name, section in sections.items()}
    return SealedSections(sections, leaves, evidence_root(leaves))


@dataclass(frozen=True)
class ParsedSections:
    """Sections as a bundle states them: nothing of it is verified."""

    leaves: Mapping[str, Digest]
    """One per name in `SECTIONS`."""
    sections: Mapping[str, Section]
    """The disclosed ones."""


def parse_sections(
    *, leaves: JsonValue, sections: JsonValue, withheld: JsonValue
) -> ParsedSections:
    """Parse the three section fields of a hostile bundle.

    Raises:
        EvidenceSectionMissingError: neither disclosed nor withheld, or without leaf.
        EvidenceSectionUnknownError: unknown, or both disclosed and withheld.
        EvidenceSectionMalformedError: a wrong shape or salt length.
        MalformedError: a field is not of its type at all.
    """
    if not isinstance(leaves, dict) or not isinstance(sections, dict):
        raise MalformedError(
            "evidence sections",
            got=f"{type(leaves).__name__} and {type(sections).__name__}",
            expected="objects `leaves` and `sections`",
        )
    if not isinstance(withheld, list) or not all(isinstance(n, str) for n in withheld):
        raise MalformedError(
            "evidence.withheld",
            got=repr(withheld)[:80],
            expected="a list of section names",
        )
    check_names(leaves, what="a leaf")
    for name in withheld:
        if name in sections or name not in SECTIONS or withheld.count(name) > 1:
            raise EvidenceSectionUnknownError(
                name[:80],
                got="listed as withheld",
                expected="each section disclosed or withheld once",
            )
    check_names([*sections, *withheld], what="disclosed or withheld")
    parsed = {}
    for name, value in sections.items():
        item = object_fields(value, what=f"section {name}", names=["salt", "content"])
        parsed[name] = Section(
            from_hex(item["salt"], what=f"salt of section {name}"), item["content"]
        )
        _check_section(name, parsed[name])
    return ParsedSections(
        leaves={
            name: digest_from_hex(leaf, what=f"leaf of section {name}")
            for name, leaf in leaves.items()
        },
        sections=parsed,
    )


def unknown_section(name: str) -> EvidenceSectionUnknownError:
    """Return the error for a name that the format does not have."""
    return EvidenceSectionUnknownError(
        name[:80], got="an unknown name", expected=f"one of {', '.join(SECTIONS)}"
    )


def check_names(names: Iterable[str], *, what: str) -> None:
    """Check that `names` are exactly the format's sections.

    Raises:
        EvidenceSectionMissingError: one is absent.
        EvidenceSectionUnknownError: one is unknown.
    """
    given = set(names)
    for name in sorted(given - set(SECTIONS)):
        raise unknown_section(name)
    for name in SECTIONS:
        if name not in given:
            raise EvidenceSectionMissingError(name, got="nothing", expected=what)


def _check_section(name: str, section: Section) -> None:
    if len(section.salt) != SALT_BYTES:
        raise EvidenceSectionMalformedError(
            name,
            got=f"a salt of {len(section.salt)} bytes",
            expected=f"{SALT_BYTES} bytes",
        )
    expected = _SHAPES[name](section.content)
    if expected:
        raise EvidenceSectionMalformedError(
            name, got=repr(section.content)[:120], expected=expected
        )


def _object(content: JsonValue) -> str:
    return "" if isinstance(content, dict) else "an object"


def _objects(content: JsonValue) -> str:
    if _is_list(content) and all(isinstance(item, dict) for item in content):
        return ""
    return f"1 to {MAX_INFERENCES} objects"


def _manifests(content: JsonValue) -> str:
    if isinstance(content, dict) and set(content) == set(MANIFESTS):
        return ""
    return f"an object with fields {', '.join(MANIFESTS)}"


def _attestation(content: JsonValue) -> str:
    tier = content.get("tier") if isinstance(content, dict) else None
    if isinstance(tier, int) and not isinstance(tier, bool) and 0 <= tier <= 3:
        return ""
    return "an object with a tier from 0 to 3"


def _token_ids(ids: JsonValue) -> bool:
    return isinstance(ids, list) and all(
        type(item) is int and 0 <= item <= MAX_TOKEN_ID for item in ids
    )


def _tokens(content: JsonValue) -> str:
    if _is_list(content) and all(
        isinstance(item, dict)
        and set(item) == {"prompt", "output"}
        and _token_ids(item["prompt"])
        and _token_ids(item["output"])
        for item in content
    ):
        return ""
    return f"1 to {MAX_INFERENCES} objects of `prompt` and `output` token ids"


def _is_list(content: JsonValue) -> bool:
    return isinstance(content, list) and 1 <= len(content) <= MAX_INFERENCES


_SHAPES = {
    "attestation": _attestation,
    "manifests": _manifests,
    "observation": _object,
    "plan": _object,
    "requests": _objects,
    "tokens": _tokens,
    "traces": _objects,
}
"""What is wrong with a content's outer shape, or an empty text."""
