"""What the gate will refuse about a mandate, before anybody pays to find out.

Pure. The Python twin of what `contracts/MandateChecks.sol` decides from the mandate
alone; what depends on the chain (code, decimals, attestations, rules' terms, the
cadence's upper end) only the chain can tell, and a simulated grant does. The gate is
right where the two differ. It trusts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from affiant.onchain.mandate import NATIVE, Mandate, Rung
from affiant.onchain.worst_case import reachable_tier

MOST_NAMED_TIER = 1
"""Highest tier that naming a key can give."""

LEAST_DELAY, MOST_DELAY = 3_600, 30 * 86_400
"""Shortest and longest delay of a rung, in seconds, where it asks for one."""

MOST_LIMIT = 2**80 - 1
"""Highest limit of a rung, a value."""

MOST = {
    "nodes": 16,
    "workloads": 8,
    "endorsers": 16,
    "ladder": 8,
    "allow_list": 64,
    "feeds": 16,
    "tracked": 16,
    "rules": 8,
}
"""Most entries of each list."""


def grant_refusals(mandate: Mandate) -> tuple[str, ...]:
    """Return why the gate would refuse to grant `mandate`: "it has no node key"."""
    return tuple(
        reason
        for check in (_lists, _keys, _endorsers, _ladder, _measured)
        for reason in check(mandate)
    )


def _lists(mandate: Mandate) -> Iterator[str]:
    if mandate.cadence < 2:
        yield f"its cadence is {mandate.cadence} blocks, and the least is 2"
    for name, most in MOST.items():
        length = len(getattr(mandate, name))
        if length > most:
            yield f"it has {length} entries in `{name}`, and the most is {most}"


def _keys(mandate: Mandate) -> Iterator[str]:
    if not mandate.nodes and not mandate.workloads:
        yield "it has no node key and no workload"
    keys = [node.key for node in mandate.nodes]
    if len(set(keys)) != len(keys) or NATIVE in keys:
        yield "a node key is named twice, or is the zero address"
    if any(node.tier > MOST_NAMED_TIER for node in mandate.nodes):
        yield f"naming a key cannot give it more than tier {MOST_NAMED_TIER}"


def _endorsers(mandate: Mandate) -> Iterator[str]:
    numbers = [int(endorser, 16) for endorser in mandate.endorsers]
    if sorted(set(numbers)) != numbers or 0 in numbers:
        yield "its endorsers are not ascending, each once and none zero"
    if set(mandate.endorsers) & {node.key for node in mandate.nodes}:
        yield "an endorser is a node key as well"


def _ladder(mandate: Mandate) -> Iterator[str]:
    if not mandate.ladder:
        yield "its ladder has no rung"
        return
    tier = reachable_tier(mandate)
    for index, rung in enumerate(mandate.ladder):
        if index and not _rises(mandate.ladder[index - 1], rung):
            yield f"rung {index} is not above the one before, or asks for less proof"
        if rung.limit > MOST_LIMIT:
            yield f"the limit of rung {index} does not fit"
        if rung.tier > tier:
            yield f"rung {index} asks for tier {rung.tier}, and no key has above {tier}"
        if rung.endorsements > len(mandate.endorsers):
            yield (
                f"rung {index} asks for {rung.endorsements} endorsements, and there "
                f"are {len(mandate.endorsers)} endorsers"
            )
        if rung.delay and not LEAST_DELAY <= rung.delay <= MOST_DELAY:
            yield f"the delay of rung {index} is not 0, nor an hour to 30 days"
    least = mandate.ladder[-1].endorsements or min(1, len(mandate.endorsers))
    if not least <= mandate.quorum <= len(mandate.endorsers):
        yield (
            f"its quorum is {mandate.quorum}, and must be {least} to "
            f"{len(mandate.endorsers)}"
        )


def _rises(below: Rung, rung: Rung) -> bool:
    return (
        rung.limit > below.limit
        and rung.tier >= below.tier
        and rung.endorsements >= below.endorsements
        and rung.delay >= below.delay
    )


def _measured(mandate: Mandate) -> Iterator[str]:
    if mandate.allow_list and all(entry.debt for entry in mandate.tracked):
        yield "it lists calls and tracks no asset"
