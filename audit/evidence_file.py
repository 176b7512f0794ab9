"""One evidence file, checked offline: is it what its decision swears?

It needs no chain, node or model. It says that the file is intact, who signed it and
which sections are withheld and so unchecked, or names what was edited; it does not say
that what was sworn is true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affiant.audit.errors import AuditUnavailableError
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import MalformedError, RejectedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_errors import EvidenceError
from affiant.onchain.evidence_frame import MAX_COMPRESSED_BYTES

_NAME = re.compile(r"([0-9a-f]{64})\.json\.zst")


@dataclass(frozen=True)
class EvidenceFileAudit:
    """What an evidence file shows by itself."""

    path: str
    intact: bool
    digest: Digest | None
    """Of the decision; None where the file does not parse."""
    node: str
    """Who signed; empty where that is not shown."""
    slot: int | None
    withheld: tuple[str, ...]
    """Sections of which only the leaf is disclosed."""
    damaged: str
    """Name of the section or part that was edited; empty if intact."""
    detail: str
    """One sentence."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the finding as JSON."""
        return {
            "intact": self.intact,
            "digest": None if self.digest is None else to_hex(self.digest),
            "node": self.node,
            "slot": self.slot,
            "withheld": list(self.withheld),
            "damaged": self.damaged,
            "detail": self.detail,
        }


def verified_evidence(path: str | Path) -> EvidenceBundle:
    """Return the bundle of one evidence file, once it is shown to be what was sworn.

    1. it is one intact frame around one canonical bundle;
    2. sections, root, receipts, calls, bounds and signature fit the decision;
    3. if the file is named after a digest, it is that decision's.

    Raises:
        RejectedError: names what does not hold.
        AuditUnavailableError: the file cannot be read.
    """
    place = Path(path)
    # 1.
    bundle = EvidenceBundle.from_bytes(read_evidence_file(place))
    # 2. and 3.
    _verify(bundle, name=place.name)
    return bundle


def audit_evidence_file(path: str | Path) -> EvidenceFileAudit:
    """Verify one evidence file, as `verified_evidence`, and say how it went.

    Raises:
        AuditUnavailableError: the file cannot be read.
    """
    place = Path(path)
    data = read_evidence_file(place)
    bundle: EvidenceBundle | None = None
    try:
        bundle = EvidenceBundle.from_bytes(data)
        digest = _verify(bundle, name=place.name)
    except RejectedError as error:
        return EvidenceFileAudit(
            path=str(path),
            intact=False,
            digest=None,
            node="",
            slot=None,
            withheld=(),
            damaged=_damaged(error, parsed=bundle is not None),
            detail=str(error),
        )
    return EvidenceFileAudit(
        path=str(path),
        intact=True,
        digest=digest,
        node=bundle.node,
        slot=bundle.decision.slot,
        withheld=bundle.withheld,
        damaged="",
        detail=f"Intact, and signed by {bundle.node}{_withheld(bundle.withheld)}.",
    )


def read_evidence_file(path: Path, *, max_bytes: int = MAX_COMPRESSED_BYTES) -> bytes:
    """Return the content of an evidence file, up to just over the largest allowed.

    Args:
        path: the file.
        max_bytes: how much is allowed.

    Raises:
        AuditUnavailableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise AuditUnavailableError(
            f"evidence file {path.name}", reason=error.strerror or str(error)
        ) from error


def _verify(bundle: EvidenceBundle, *, name: str) -> Digest:
    digest = verify_evidence(bundle)
    named = _NAME.fullmatch(name)
    if named and named[1] != digest.hex():
        raise MalformedError(
            "name of the file", got=f"0x{named[1]}", expected=to_hex(digest)
        )
    return digest


def _withheld(names: Sequence[str]) -> str:
    return f"; withheld, not checked: {', '.join(names)}" if names else ""


def _damaged(error: RejectedError, *, parsed: bool) -> str:
    """Name what was edited, as exactly as the error knows it."""
    section = getattr(error, "section", None)
    if isinstance(section, str):
        return f"section `{section}`"
    if isinstance(error, EvidenceError) and parsed:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
        return words.removeprefix("evidence ").removesuffix(" mismatch error")
    what = getattr(error, "what", None)
    return what if isinstance(what, str) and what else "file"
