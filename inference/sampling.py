"""How a token is chosen: greedily, or with public noise at some temperature.

Nothing else is offered: what a replay cannot cover is refused here, by type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.inference.errors import SamplingUnsupportedError

MAX_TEMPERATURE_TERM = 1000
"""Largest numerator and denominator of a temperature; keeps scores within 64 bits."""

SEED_BYTES = 32
"""Length of a seed."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen: greedily, or with public noise at some temperature."""

    temperature: Fraction | None
    """`None` for greedy, else the temperature; positive, terms at most 1000."""

    def __post_init__(self) -> None:
        """Refuse temperatures that the sampler cannot compute exactly.

        Raises:
            SamplingUnsupportedError: not a positive fraction with small terms.
        """
        value = self.temperature
        if value is None:
            return
        if (
            not isinstance(value, Fraction)
            or value <= 0
            or value.numerator > MAX_TEMPERATURE_TERM
            or value.denominator > MAX_TEMPERATURE_TERM
        ):
            raise SamplingUnsupportedError(
                "temperature",
                got=repr(value)[:80],
                expected=f"None or a positive Fraction, terms ≤ {MAX_TEMPERATURE_TERM}",
            )

    def to_json(self) -> dict[str, JsonValue]:
        """Return `temperature`: null, or `[numerator, denominator]` in lowest terms."""
        if self.temperature is None:
            return {"temperature": None}
        return {
            "temperature": [self.temperature.numerator, self.temperature.denominator]
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Sampling:
        """Parse hostile JSON; anything besides a temperature is refused.

        Raises:
            SamplingUnsupportedError: another parameter (top_p, penalties, …) is named,
                or the temperature is not null or a reduced fraction.
        """
        if not isinstance(value, Mapping) or set(value) != {"temperature"}:
            got = sorted(map(str, value)) if isinstance(value, Mapping) else value
            raise SamplingUnsupportedError(
                "parameters", got=repr(got)[:200], expected="exactly `temperature`"
            )
        stated = value["temperature"]
        if stated is None:
            return GREEDY
        if (
            not isinstance(stated, list)
            or len(stated) != 2
            or not all(type(term) is int and term > 0 for term in stated)
            or Fraction(*stated).as_integer_ratio() != tuple(stated)
        ):
            raise SamplingUnsupportedError(
                "temperature",
                got=repr(stated)[:80],
                expected="null or [numerator, denominator] in lowest terms",
            )
        return cls(temperature=Fraction(*stated))


GREEDY = Sampling(temperature=None)
"""The largest quantised logit, ties to the smaller id; needs no seed."""


def check_seed(seed: bytes | None, *, sampling: Sampling) -> None:
    """Refuse a temperature without a seed.

    Raises:
        MalformedError: a temperature is set and the seed is not 32 bytes.
    """
    if sampling.temperature is not None and (
        not isinstance(seed, bytes) or len(seed) != SEED_BYTES
    ):
        got = "none" if seed is None else f"{len(seed)} bytes"
        raise MalformedError("seed", got=got, expected=f"{SEED_BYTES} bytes")
