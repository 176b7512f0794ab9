"""What an explanation says: plain values, and their one JSON form.

Pure. Everything that a reader needs is in here, so that terminal, page and JSON cannot
say different things. Nothing in here is evidence: there is no salt, signature, receipt
or section in it, and no way to turn it into a bundle.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from affiant.audit.explain.views import (
    CallsView,
    ImaginedView,
    InferenceView,
    RequestView,
    SensitivityView,
    SweepView,
)
from affiant.audit.result import Step
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.onchain.mandate import Address

FORMAT = "affiant-explanation/1"
"""Version tag of the JSON form."""

DIGITS = 6
"""Decimal places of probabilities, bits and logits in JSON."""


@dataclass(frozen=True)
class Gap:
    """Something that was asked for and cannot be explained."""

    what: str
    reason: str
    rejected: bool
    """Whether something contradicts, rather than being out of reach."""


@dataclass(frozen=True)
class Explanation:
    """Everything that is said about one decision."""

    digest: Digest
    chain_id: int
    gate: Address
    mandate: Digest
    slot: int
    anchor: int
    """Number of the slot's first block."""
    node: Address
    held: bool
    """Whether the decision has no calls."""
    objective: str
    """Hostile; empty where it is withheld."""
    withheld: tuple[str, ...]
    steps: tuple[Step, ...]
    """The audit's steps that one file allows, by their numbers."""
    gaps: tuple[Gap, ...]
    inferences: tuple[InferenceView, ...]
    request: RequestView | None
    calls: CallsView | None
    sensitivity: SensitivityView | None
    imagined: ImaginedView | None
    sweep: SweepView | None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the explanation as JSON: no fraction is a number, nothing is sworn."""
        body = as_json(self)
        return {"format": FORMAT, "sworn": False, **body}


def as_json(value: object) -> JsonValue:
    """Return a value of this module as JSON.

    Names become camelCase, bytes hexadecimal, fractions and integers that a double
    cannot hold decimal strings.
    """
    if isinstance(value, Step):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _camel(field.name): as_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, float):
        return f"{value:.{DIGITS}f}" if math.isfinite(value) else str(value)
    if isinstance(value, int) and abs(value) >= 2**53:
        return str(value)
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
