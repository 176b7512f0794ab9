"""What changed between two mandates, for whoever is to grant the second.

Pure. It compares every field and says which side is looser where that has one meaning
(limits, lists of what is permitted); it decides nothing, and trusts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from affiant.encoding import JsonValue
from affiant.onchain.mandate import Mandate

LOOSER_WHEN_MORE = frozenset(
    "maxLoss expiry nodes workloads allowList ladder feeds".split()
)
"""Fields of which more permits more."""

STRICTER_WHEN_MORE = frozenset("cadence quorum endorsers rules tracked".split())
"""Fields of which more permits less."""


def mandate_diff(old: Mandate, new: Mandate) -> list[str]:
    """Return one line per difference; none where they permit the same.

    Entries of lists are told one by one; two mandates that differ in nothing but their
    salt differ in that line.
    """
    before, after = old.to_json(), new.to_json()
    lines: list[str] = []
    for name, value in after.items():
        if value != before[name]:
            lines += _field(name, before[name], value)
    return lines


def _field(name: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    if isinstance(old, list) and isinstance(new, list):
        for entry in new:
            if entry not in old:
                yield f"{name}: + {_shown(entry)}{_said(name, more=True)}"
        for entry in old:
            if entry not in new:
                yield f"{name}: - {_shown(entry)}{_said(name, more=False)}"
        if sorted(map(_shown, old)) == sorted(map(_shown, new)):
            yield f"{name}: the same entries in another order"
        return
    said = ""
    if str(old).isdigit() and str(new).isdigit():
        said = _said(name, more=int(str(new)) > int(str(old)))
    yield f"{name}: {_shown(old)} -> {_shown(new)}{said}"


def _said(name: str, *, more: bool) -> str:
    if name in LOOSER_WHEN_MORE:
        return "  (LOOSER)" if more else "  (stricter)"
    if name in STRICTER_WHEN_MORE:
        return "  (stricter)" if more else "  (LOOSER)"
    return ""


def _shown(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items())
    return str(value)
