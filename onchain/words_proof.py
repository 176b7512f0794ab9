"""In plain words: who may decide, what proof it takes, and what it can cost at most.

Pure. The part of `words.mandate_in_words` about keys, endorsers, ladder, rules and
limits. It decides nothing and trusts nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from affiant.encoding import to_hex
from affiant.onchain.mandate import (
    NATIVE,
    VALUE_DECIMALS,
    Address,
    Mandate,
    NodePermit,
    Rung,
)
from affiant.onchain.worst_case import DAY, RuleLimit, unendorsed_rungs, worst_case

UNLIMITED = 10**15 * 10**VALUE_DECIMALS
"""From this value on a limit limits nobody: more than all money there is."""

DEV_KEY = "DEV KEY, NO HARDWARE PROTECTION"
"""What is said of every key of tier 0."""

TIERS = {
    0: "any permitted key",
    1: "a key that you named at tier 1",
    2: "a key attested by TDX hardware",
    3: "a key attested by TDX hardware and GPU evidence",
}
"""What a rung's tier asks for."""


def dollars(value: int) -> str:
    """Return a value (8 decimals) as dollars: "$1,234.50"; cents at least."""
    if value >= UNLIMITED:
        return "NO REAL LIMIT"
    whole, rest = divmod(value, 10**VALUE_DECIMALS)
    cents = f"{rest:0{VALUE_DECIMALS}d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{cents}"


def duration(seconds: float) -> str:
    """Return a length of time in its largest fitting unit: "about 12.8 minutes"."""
    for unit, length in (("day", DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = f"{seconds / length:.1f}".removesuffix(".0")
            return f"about {number} {unit}" + ("" if number == "1" else "s")
    return f"{seconds:g} second" + ("" if seconds == 1 else "s")


def who(mandate: Mandate, names: dict[Address, str]) -> Iterator[str]:
    """Yield who submits, who decides, and who endorses."""
    if mandate.operator == NATIVE:
        yield "Anyone may submit its decisions."
    else:
        yield (
            f"Only {mandate.operator} may submit its decisions, and cannot alter them."
        )
    for node in mandate.nodes:
        yield f"Decisions may be sworn by the node key {node.key}: {_tier(node)}."
    for workload in mandate.workloads:
        known = workload.attestation in names
        name = f"{names[workload.attestation]} " if known else ""
        place = f"{name}({workload.attestation})"
        yield (
            "Decisions may be sworn by every key that "
            f"{place if known else 'the UNKNOWN ATTESTATION CONTRACT ' + place} says "
            f"is bound to the program measured as {to_hex(workload.measurement)}."
        )
    yield (
        f"The program is {to_hex(mandate.program)}, the model "
        f"{to_hex(mandate.model)}, the engine {to_hex(mandate.engine)}; a signature "
        "shows who swore to them, and audits show whether it is true."
    )
    if mandate.endorsers:
        yield (
            f"Endorsers, who reproduce decisions: {', '.join(mandate.endorsers)}. Each "
            f"of them can cancel a queued decision; {mandate.quorum} of them together "
            "can say that what was done is audited, and can ban a node key."
        )
    else:
        yield "It has no endorsers: nobody checks a decision before it executes."


def ladder(mandate: Mandate) -> Iterator[str]:
    """Yield what proof is asked for, rung by rung."""
    for rung in mandate.ladder:
        yield (
            f"Up to {dollars(rung.limit)} at risk and not audited yet, a decision "
            f"needs {_proof(rung)}."
        )
    if mandate.ladder:
        yield f"Above {dollars(mandate.ladder[-1].limit)} nothing executes."


def limits(
    mandate: Mandate,
    *,
    block_seconds: float,
    rules: Sequence[RuleLimit],
) -> Iterator[str]:
    """Yield the pace, and the most that can be lost."""
    slot_seconds = mandate.cadence * block_seconds
    most = math.ceil(DAY / slot_seconds) if slot_seconds else 0
    yield (
        f"It may act at most once per {mandate.cadence} blocks ("
        f"{duration(slot_seconds)} at {block_seconds:g} seconds per block), so at most "
        f"{most:,} times a day."
    )
    yield from ladder(mandate)
    yield from _worst(mandate, block_seconds=block_seconds, rules=rules)
    ends = "never" if mandate.expiry > 253_402_300_799 else _date(mandate.expiry)
    yield f"It ends: {ends} (unless you revoke it before, at once and for good)."
    if mandate.guardian == NATIVE:
        yield "Nobody but you can stop it."
    else:
        yield (
            f"The guardian {mandate.guardian} can stop it once for up to 7 days and "
            "cancel queued decisions, and can do nothing else."
        )
    if mandate.record_holds:
        yield "Decisions to hold are recorded on chain as well, and cost gas."
    else:
        yield "Decisions to hold are signed but stay off chain."


def rule_words(mandate: Mandate, names: dict[Address, str]) -> Iterator[str]:
    """Yield the rules that are asked besides."""
    for rule in mandate.rules:
        if rule.target in names:
            yield (
                f"Before and after each decision {names[rule.target]} ({rule.target}) "
                f"is asked, with the terms {to_hex(rule.data)}."
            )
        else:
            yield (
                f"Before and after each decision the UNKNOWN RULE {rule.target} is "
                "asked: it can refuse every decision, and nothing else."
            )


def _worst(
    mandate: Mandate, *, block_seconds: float, rules: Sequence[RuleLimit]
) -> Iterator[str]:
    worst = worst_case(mandate, block_seconds=block_seconds, rules=rules)
    yield (
        f"It may lose at most {dollars(mandate.max_loss)} per decision at the feeds' "
        f"prices. A hostile operator, node and model together can take at most "
        f"{dollars(worst.daily)} in any 24 hours, held by {worst.held_by}."
    )
    if not mandate.endorsers:
        yield (
            "Nothing but a new mandate takes down what was put at risk: "
            f"{dollars(worst.unendorsed)} is also the most that its decisions can lose "
            "over its whole life."
        )
    elif unendorsed_rungs(mandate):
        yield (
            f"Without any endorser's signature they can put {dollars(worst.unendorsed)}"
            " at risk in all, and then no more. Endorsers sign what reproduces: they "
            "stop a lying node, and not a model that was made to lose money."
        )
    else:
        yield (
            "Without an endorser's signature nothing executes. Endorsers sign what "
            "reproduces: they stop a lying node, and not a model that was made to lose "
            "money."
        )


def _proof(rung: Rung) -> str:
    parts = [f"the signature of {TIERS.get(rung.tier, f'a key of tier {rung.tier}')}"]
    if rung.endorsements:
        plural = "" if rung.endorsements == 1 else "s"
        parts.append(f"{rung.endorsements} endorser{plural}")
    if rung.delay:
        parts.append(f"a wait of {duration(rung.delay)} in which it can be cancelled")
    return " and ".join(parts)


def _tier(node: NodePermit) -> str:
    if node.tier == 0:
        return (
            f"tier 0, {DEV_KEY}. Whoever copies its file can swear anything, within "
            "the limits below"
        )
    if node.tier == 1:
        return "tier 1, named by you; nothing but your trust says how it is kept"
    return f"tier {node.tier}, which naming a key cannot give"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%d %B %Y, %H:%M:%S UTC")
