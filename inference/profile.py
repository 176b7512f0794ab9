"""Profiles: what honest inferences measure when another engine replays them.

A profile belongs to one model, one generating and one replaying engine. `calibrate`
writes it from honest inferences; a replay outside of the generating profile says
nothing without it. It is addressed by its hash. Whose calibration to believe is the
auditor's choice; this module decides only that a profile is well formed.

    hash = keccak256(canonical JSON of
        {"format": "affiant-profile/1", "model", "generator", "replayer", "prompts",
         "tokens": {"inferences", "tokens", "exact", "rollbacks"},
         "classes": [{"least", "most", "calibrated", "judged", "exceeded",
                      "falsePositivesAtMost", "limits": {measure: decimal},
                      "drift": [decimal]}]})

Honest distances depend on an output's length (means over few tokens scatter more), so
limits are per class of lengths. Each limit is the largest value of the calibration set
times `SAFETY`; how often honest inferences of *another* set exceed any of them is
counted, and bounded from above with 95 % confidence (Clopper and Pearson 1934).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
    parse_json,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.manifest import EngineManifest
from affiant.inference.measure import Measures
from affiant.inference.sampler_reference import UNITS

FORMAT = "affiant-profile/1"
"""Format tag."""
SAFETY = 1.25
"""A limit is this many times the largest value seen in calibration."""
FLOORS = {"worst_margin": 4 / UNITS, "mean_margin": 1 / UNITS}
"""Least limits. Where engines agree to within the sampler's grid, a calibration set may
hold no near-tie that fell differently; the next honest inference may."""
MAX_BYTES = 4 * 2**20
"""Largest profile accepted."""
MAX_CLASSES = 16
"""Most classes of lengths."""
MAX_DRIFT = 4096
"""Most values kept for the cumulative test, per class."""
DIGITS = 9
"""Significant decimal digits of a stored number."""

_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,20})?")


@dataclass(frozen=True)
class Limits:
    """The largest values that pass, in the units of `Measures`."""

    worst_margin: float
    mean_margin: float
    fingerprint: float
    worst_window: float

    def exceeded(self, measures: Measures) -> tuple[str, ...]:
        """Return in words what lies beyond a limit; nothing if all of it passes."""
        said = []
        for field in fields(self):
            got, limit = getattr(measures, field.name), getattr(self, field.name)
            if not got <= limit:
                said.append(
                    f"{field.name}: got {got:.6g}, expected at most {limit:.6g}"
                )
        return tuple(said)

    @classmethod
    def of(cls, honest: Sequence[Measures]) -> Limits:
        """Return the limits that follow from honest measures; at least one."""
        found = {
            field.name: SAFETY * max(getattr(item, field.name) for item in honest)
            for field in fields(cls)
        }
        for name, floor in FLOORS.items():
            found[name] = max(found[name], floor)
        return cls(**{name: rounded(value) for name, value in found.items()})


@dataclass(frozen=True)
class LengthClass:
    """Limits for outputs of some lengths, and how well they are known."""

    least: int
    """Shortest output, in tokens."""
    most: int
    """Longest output, in tokens."""
    calibrated: int
    """Honest inferences that the limits come from."""
    judged: int
    """Other honest inferences that they were tried on."""
    exceeded: int
    """How many of those lay beyond a limit."""
    false_positives: float
    """Upper bound of the share that does, with 95 % confidence."""
    limits: Limits
    drift: tuple[float, ...]
    """Fingerprint distances of the calibration set, ascending, for the cumulative
    test."""


@dataclass(frozen=True)
class Exactness:
    """How honest inferences replayed in their own profile."""

    inferences: int
    tokens: int
    exact: int
    """Inferences of which every token and the trace were equal."""
    rollbacks: int
    """Corrections by the self-check, over all of them."""


@dataclass(frozen=True)
class Profile:
    """A calibration of one pair of engines on one model."""

    model: Digest
    """Root of the model commitment."""
    generator: EngineManifest
    """The engine that generated."""
    replayer: EngineManifest
    """The engine that replayed."""
    prompts: Digest
    """keccak256 of the canonical JSON of the prompts' token ids."""
    exactness: Exactness
    """Of the generator, replayed by itself."""
    classes: tuple[LengthClass, ...]
    """By length, without overlaps."""

    @property
    def hash(self) -> Digest:
        """keccak256 of the canonical JSON: the profile's address."""
        return keccak256(canonical_json(self.to_json()))

    def fits(self, *, model: Digest, generator: Digest, replayer: Digest) -> bool:
        """Whether it was made for this model and these manifests' hashes."""
        return (self.model, self.generator.hash, self.replayer.hash) == (
            model,
            generator,
            replayer,
        )

    def class_of(self, tokens: int) -> LengthClass | None:
        """Return the class of an output's length; `None` if none was calibrated."""
        return next(
            (item for item in self.classes if item.least <= tokens <= item.most), None
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the profile as JSON; fractions as decimal strings."""
        return {
            "format": FORMAT,
            "model": to_hex(self.model),
            "generator": self.generator.to_json(),
            "replayer": self.replayer.to_json(),
            "prompts": to_hex(self.prompts),
            "exactness": {
                field.name: getattr(self.exactness, field.name)
                for field in fields(Exactness)
            },
            "classes": [_class_json(item) for item in self.classes],
        }

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """Parse a hostile profile.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range, or
                the JSON is not canonical.
        """
        value = parse_json(data, what="profile", max_bytes=MAX_BYTES)
        try:
            profile = cls(
                model=digest_from_hex(value["model"], what="profile.model"),
                generator=EngineManifest.from_json(value["generator"]),
                replayer=EngineManifest.from_json(value["replayer"]),
                prompts=digest_from_hex(value["prompts"], what="profile.prompts"),
                exactness=Exactness(
                    **{
                        field.name: _count(value["exactness"][field.name])
                        for field in fields(Exactness)
                    }
                ),
                classes=tuple(
                    _parse_class(item)
                    for item in _short(value["classes"], limit=MAX_CLASSES)
                ),
            )
            _check_classes(profile.classes)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedError(
                "profile", got=str(error)[:200], expected=FORMAT
            ) from error
        if profile.to_bytes() != data:
            raise MalformedError(
                "profile", got="another spelling or unknown fields", expected=FORMAT
            )
        return profile


def rounded(value: float) -> float:
    """Return `value` as it survives being stored: `DIGITS` significant digits."""
    return float(decimal(value))


def decimal(value: float) -> str:
    """Return a finite, non-negative number as a plain decimal string.

    Raises:
        ValueError: it is negative, infinite or not a number.
    """
    if not 0 <= value < 1e12:
        raise ValueError(f"{value} cannot be stored")
    text = f"{float(f'{value:.{DIGITS}g}'):.20f}".rstrip("0").rstrip(".")
    return text or "0"


def _class_json(item: LengthClass) -> dict[str, JsonValue]:
    return {
        "least": item.least,
        "most": item.most,
        "calibrated": item.calibrated,
        "judged": item.judged,
        "exceeded": item.exceeded,
        "falsePositivesAtMost": decimal(item.false_positives),
        "limits": {
            field.name: decimal(getattr(item.limits, field.name))
            for field in fields(Limits)
        },
        "drift": [decimal(value) for value in item.drift],
    }


def _parse_class(value: Mapping[str, Any]) -> LengthClass:
    drift = tuple(_number(item) for item in _short(value["drift"], limit=MAX_DRIFT))
    return LengthClass(
        least=_count(value["least"]),
        most=_count(value["most"]),
        calibrated=_count(value["calibrated"]),
        judged=_count(value["judged"]),
        exceeded=_count(value["exceeded"]),
        false_positives=_number(value["falsePositivesAtMost"]),
        limits=Limits(
            **{
                field.name: _number(value["limits"][field.name])
                for field in fields(Limits)
            }
        ),
        drift=drift,
    )


def _check_classes(classes: Sequence[LengthClass]) -> None:
    end = 0
    for item in classes:
        if not end < item.least <= item.most:
            raise ValueError(f"class of {item.least} to {item.most} after {end}")
        if not item.calibrated or len(item.drift) > item.calibrated or not item.drift:
            raise ValueError(f"class of {item.least}: nothing was calibrated")
        if item.exceeded > item.judged or item.false_positives > 1:
            raise ValueError(f"class of {item.least}: more exceeded than were judged")
        if list(item.drift) != sorted(item.drift):
            raise ValueError(f"class of {item.least}: drift is not ascending")
        end = item.most


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise TypeError(f"{value!r} is not a natural number"[:120])
    return value


def _number(value: object) -> float:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise TypeError(f"{value!r} is not a decimal string"[:120])
    number = float(value)
    # Just under the largest number, the nearest float is one that cannot be stored.
    if decimal(number) != value:
        raise ValueError(f"{value!r} is another spelling of {number!r}"[:120])
    return number


def _short(value: object, *, limit: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > limit:
        raise TypeError(f"not a list of at most {limit}")
    return value
