"""Every byte of valid evidence, flipped: refused, and by the error of its part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fuzz_seeds
import pytest

from affiant.encoding import canonical_json
from affiant.errors import AffiantError, MalformedError
from affiant.inference.json_places import Place, json_places
from affiant.onchain import evidence_errors as errors
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_sections import SECTIONS

SMALL: dict[str, Any] = {
    **fuzz_seeds.contents(),
    "manifests": {"book": {}, "engine": {}, "model": {}, "program": {"a": 1}},
    "observation": {"blockNumber": 640, "reads": []},
    "requests": [{"price": "2000.00"}, {"price": None}],
}
MISMATCHES: dict[str, type[errors.EvidenceError]] = {
    "decision.mandate": errors.EvidenceMandateMismatchError,
    "decision.program": errors.EvidenceProgramMismatchError,
    "decision.observation": errors.EvidenceObservationMismatchError,
    "decision.receipts": errors.EvidenceReceiptsMismatchError,
    "decision.calls": errors.EvidenceCallsMismatchError,
    "decision.bounds": errors.EvidenceBoundsMismatchError,
    "decision.evidence": errors.EvidenceRootMismatchError,
    "mandate": errors.EvidenceMandateMismatchError,
    "receipts": errors.EvidenceReceiptsMismatchError,
    "calls": errors.EvidenceCallsMismatchError,
    "bounds": errors.EvidenceBoundsMismatchError,
    "format": errors.EvidenceVersionError,
    "chainId": errors.EvidenceSignatureError,
    "gate": errors.EvidenceSignatureError,
    "node": errors.EvidenceSignatureError,
    "signature": errors.EvidenceSignatureError,
    "decision": errors.EvidenceSignatureError,
}
"""What refuses a well-formed change, by the longest prefix of its place."""
WORDS = {
    "mandate": ("mandate", "node", "rung", "permission", "feed", "tracked", "rule"),
    "receipts": ("receipt", "inference receipt"),
    "calls": ("call",),
}
"""How `MalformedError` names parts of which it does not say the name."""


def flips(data: bytes, *, bits: range | None) -> Iterator[tuple[int, bytes]]:
    """Yield (place, changed bytes): one bit of each byte, or all of `bits`."""
    for at in range(len(data)):
        # Every other time 0x20, a letter's case: what a lenient reader lets pass.
        for bit in bits or ((at // 2) % 8 if at % 2 else 5,):
            yield at, data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def expected_mismatch(path: str) -> type[errors.EvidenceError] | None:
    names = path.replace("[", ".").split(".")
    for length in range(len(names), 0, -1):
        found = MISMATCHES.get(".".join(names[:length]))
        if found is not None:
            return found
    return None


def section_of(path: str) -> str | None:
    top, _, rest = path.partition(".")
    name = rest.replace("[", ".").split(".")[0]
    return name if top in ("sections", "leaves") and name in SECTIONS else None


def names_its_part(
    error: AffiantError, *, path: str, at: int, places: Sequence[Place | None]
) -> bool:
    """Say whether `error` is one that a change at this place may have.

    1. no JSON, or other fields, any more: nothing has a place then, or the container
       says so;
    2. another spelling: names the first byte that is, just before or in the same
       container (a name in capitals belongs elsewhere in it);
    3. a field of another form: named by its field or container;
    4. well-formed, and not what was sworn: the mismatch of its part.
    """
    # 1. and 3.
    if isinstance(error, MalformedError):
        top = path.split(".")[0].split("[")[0]
        what = error.what.removeprefix("evidence.").removeprefix("evidence")
        section = section_of(path)
        return (
            what in ("", " sections", "canonical JSON")
            or what.startswith((top, *WORDS.get(top, ())))
            or (section is not None and section in what)
        )
    # 2.
    if isinstance(error, errors.EvidenceCorruptError):
        stated = int(error.got.split(" at byte ")[1])
        place = places[stated]
        within = place is not None and place.path.startswith(path)
        return stated <= at and (within or at - stated <= 16)
    # 4.
    if isinstance(error, errors.EvidenceVersionError) and not path:
        return True  # the name of the field itself
    section = getattr(error, "section", None)
    if section is not None:
        # A section that is called otherwise is unknown by its new name.
        renamed = isinstance(error, errors.EvidenceSectionUnknownError)
        return renamed or section == section_of(path) or path in ("sections", "leaves")
    return type(error) is expected_mismatch(path)


def check_text(plain: bytes, *, bits: range | None) -> None:
    verify_evidence(EvidenceBundle.from_plain(plain))
    places = json_places(plain.decode("ascii"))
    kinds = set()
    for at, changed in flips(plain, bits=bits):
        place = places[at]
        assert place is not None
        with pytest.raises(AffiantError) as caught:
            verify_evidence(EvidenceBundle.from_plain(changed))
        assert names_its_part(caught.value, path=place.path, at=at, places=places), (
            place,
            at,
            plain[at - 20 : at + 20],
            changed[at - 20 : at + 20],
            repr(caught.value),
        )
        kinds.add(type(caught.value))
    # Every part was reached, not only the JSON around it.
    assert {*MISMATCHES.values(), errors.EvidenceSectionMismatchError} <= kinds


def check_file(file: bytes, *, bits: range | None) -> None:
    verify_evidence(EvidenceBundle.from_bytes(file))
    for at, changed in flips(file, bits=bits):
        with pytest.raises(errors.EvidenceCorruptError) as caught:
            EvidenceBundle.from_bytes(changed)
        named = {0: "magic", 1: "magic", 2: "magic", 3: "magic"}.get(at, "hash")
        if at == 4:
            named = caught.value.got.split()[0]
            assert named in ("frame", "hash")
        assert caught.value.got.startswith(named), (at, caught.value)


def test_every_byte_of_the_text_is_refused_by_the_error_of_its_part() -> None:
    check_text(fuzz_seeds.forge(SMALL).to_plain(), bits=None)


def test_every_bit_of_the_file_is_refused_by_the_frame() -> None:
    check_file(fuzz_seeds.forge(SMALL).to_bytes(), bits=range(8))


@pytest.mark.slow
def test_every_bit_of_a_whole_bundle_is_refused_by_the_error_of_its_part() -> None:
    check_text(fuzz_seeds.bundle().to_plain(), bits=range(8))


@pytest.mark.slow
def test_every_bit_of_a_whole_file_is_refused_by_the_frame() -> None:
    check_file(fuzz_seeds.bundle().to_bytes(), bits=range(8))


def test_contents_of_the_seed_are_canonical() -> None:
    assert canonical_json(SMALL).isascii()
