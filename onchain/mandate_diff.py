"""What changed between two mandates, for whoever is to grant the second.

Pure. It compares every field and says which side is looser where that has one meaning
(limits, lists of what is permitted), and what to weigh where it has two; it decides
nothing, and trusts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from affiant.encoding import JsonValue
from affiant.onchain.mandate import Mandate

LOOSER_WHEN_MORE = frozenset(
    "maxLoss expiry nodes workloads allowList ladder feeds".split()
)
"""Fields of which more permits more."""

STRICTER_WHEN_MORE = frozenset("cadence quorum rules".split())
"""Fields of which more permits less."""

WEIGH: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "endorsers": (
            "one more whose signature counts, so the same quorum is easier to reach, "
            "and who may cancel",
            "one fewer to find among, who may not cancel any more",
        ),
        "tracked": (
            "it is measured from now on, and plans may spend it",
            "plans may not spend it any more, and what a listed call does to it goes "
            "unseen",
        ),
    }
)
"""Fields of which more permits some things and forbids others: what each entry that is
added, and each that is taken away, means."""


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
    if name == "quorum" and 0 in (old, new):
        said = _first_quorum(gone=new == 0)
    elif str(old).isdigit() and str(new).isdigit():
        said = _said(name, more=int(str(new)) > int(str(old)))
    yield f"{name}: {_shown(old)} -> {_shown(new)}{said}"


def _first_quorum(*, gone: bool) -> str:
    if gone:
        return "  (stricter: no checkpoint resets the ladder any more)"
    return "  (LOOSER: checkpoints become possible, and each resets the ladder)"


def _said(name: str, *, more: bool) -> str:
    if name in LOOSER_WHEN_MORE:
        return "  (LOOSER)" if more else "  (stricter)"
    if name in STRICTER_WHEN_MORE:
        return "  (stricter)" if more else "  (LOOSER)"
    if name in WEIGH:
        return f"  (check: {WEIGH[name][0 if more else 1]})"
    return ""


def _shown(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items())
    return str(value)
