"""Why evidence was refused, or could not be had.

    RejectedError
    └── EvidenceError
        ├── EvidenceTooLargeError            over a size limit, before it is read
        ├── EvidenceCorruptError             broken frame or checksum, not canonical
        ├── EvidenceVersionError             a format that we do not speak
        ├── EvidenceSectionMissingError      neither disclosed nor declared withheld
        ├── EvidenceSectionUnknownError      a section that the format does not have
        ├── EvidenceSectionMalformedError    a section whose outer shape is wrong
        ├── EvidenceWithheldError            asked for a section that was withheld
        └── EvidenceMismatchError            well-formed, but not what was sworn
            ├── EvidenceSectionMismatchError     names the edited section
            ├── EvidenceRootMismatchError
            ├── EvidenceMandateMismatchError
            ├── EvidenceProgramMismatchError
            ├── EvidenceObservationMismatchError
            ├── EvidenceReceiptsMismatchError
            ├── EvidenceInferenceMismatchError   requests or tokens against receipts
            ├── EvidenceCallsMismatchError
            ├── EvidenceBoundsMismatchError
            ├── EvidenceDigestMismatchError      a bundle of another decision
            └── EvidenceSignatureError           not the named node's signature
    UnavailableError
    └── EvidenceUnavailableError             absent, or the store did not answer

Fields that do not even parse raise `MalformedError`.
"""

from __future__ import annotations

from affiant.errors import RejectedError, UnavailableError


class EvidenceError(RejectedError):
    """Evidence was refused."""


class EvidenceTooLargeError(EvidenceError):
    """Evidence is over a limit of the format."""

    def __init__(self, what: str, *, got: int, limit: int) -> None:
        super().__init__(f"evidence {what}: got {got}, limit {limit}")
        self.what = what
        self.got = got
        self.limit = limit


class EvidenceCorruptError(EvidenceError):
    """The file is not one intact frame around one canonical JSON text."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(f"evidence file: got {got}, expected {expected}")
        self.got = got
        self.expected = expected


class EvidenceVersionError(EvidenceError):
    """The evidence is in a format that this version does not speak."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(f"evidence format: got {got}, expected {expected}")
        self.got = got
        self.expected = expected


class _SectionError(EvidenceError):
    def __init__(self, section: str, *, got: str, expected: str) -> None:
        super().__init__(
            f"evidence section `{section}`: got {got}, expected {expected}"
        )
        self.section = section
        self.got = got
        self.expected = expected


class EvidenceSectionMissingError(_SectionError):
    """A section is neither disclosed nor declared withheld, or has no leaf."""


class EvidenceSectionUnknownError(_SectionError):
    """The format has no such section, or it is both disclosed and withheld."""


class EvidenceSectionMalformedError(_SectionError):
    """A section's salt or outer shape is wrong."""


class EvidenceWithheldError(_SectionError):
    """A section was asked for that this bundle withholds."""


class EvidenceMismatchError(EvidenceError):
    """Well-formed evidence that is not what the decision swears."""

    what = "evidence"
    """Which commitment failed, for people."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(f"{self.what}: got {got}, expected {expected}")
        self.got = got
        self.expected = expected


class EvidenceSectionMismatchError(EvidenceMismatchError):
    """A section was edited: its content and salt do not hash to its leaf."""

    def __init__(self, section: str, *, got: str, expected: str) -> None:
        self.what = f"leaf of evidence section `{section}`"
        super().__init__(got=got, expected=expected)
        self.section = section


class EvidenceRootMismatchError(EvidenceMismatchError):
    """The leaves do not give the root that the decision swears."""

    what = "evidence root"


class EvidenceMandateMismatchError(EvidenceMismatchError):
    """The mandate in the bundle is not the decision's."""

    what = "mandate id"


class EvidenceProgramMismatchError(EvidenceMismatchError):
    """The decision's program is not the mandate's."""

    what = "program hash"


class EvidenceObservationMismatchError(EvidenceMismatchError):
    """The observation section does not hash to the decision's observation."""

    what = "observation hash"


class EvidenceReceiptsMismatchError(EvidenceMismatchError):
    """The receipts do not hash to the decision's receipts."""

    what = "receipts hash"


class EvidenceInferenceMismatchError(EvidenceMismatchError):
    """A request or the tokens of an inference are not what its receipt swears."""

    def __init__(self, what: str, *, index: int, got: str, expected: str) -> None:
        self.what = f"inference {index} {what}"
        super().__init__(got=got, expected=expected)
        self.index = index


class EvidenceCallsMismatchError(EvidenceMismatchError):
    """The calls do not hash to the decision's calls."""

    what = "calls hash"


class EvidenceBoundsMismatchError(EvidenceMismatchError):
    """The bounds do not hash to the decision's bounds."""

    what = "bounds hash"


class EvidenceDigestMismatchError(EvidenceMismatchError):
    """The bundle belongs to another decision than the one asked for."""

    what = "decision digest"


class EvidenceSignatureError(EvidenceMismatchError):
    """The signature is malformed, or another key's than the named node's."""

    what = "node signature"


class EvidenceUnavailableError(UnavailableError):
    """The store does not have the evidence, or did not answer."""

    def __init__(self, uri: str, *, reason: str) -> None:
        super().__init__(f"evidence `{uri}` is unavailable: {reason}")
        self.uri = uri
        self.reason = reason
