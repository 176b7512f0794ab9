"""What became of every slot: executed, held, sworn but unused, or unexplained.

Pure. The operator may stay silent, but not unseen: a slot without an execution needs a
signed HOLD, and this module counts the slots that have neither. It does not judge the
decisions; it is given their audits and counts a HOLD only if no step of it failed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from affiant.audit.result import (
    Completeness,
    DecisionAudit,
    Kind,
    Verdict,
)


def account_for_slots(
    audits: Sequence[DecisionAudit],
    *,
    first: int,
    last: int,
    stopped: Collection[int] = (),
    waiting: Collection[int] = (),
) -> Completeness:
    """Sort the slots `first` to `last`, inclusive, by what became of them.

    The range is widened to every slot in which something was executed, so that no
    execution can fall out of the count.

    Args:
        audits: every audited decision of one mandate.
        first: first slot in which the mandate could act.
        last: last slot that is over; `first - 1` where none is.
        stopped: slots in which the mandate was stopped all along.
        waiting: slots that began while a queued decision had the head.

    Raises:
        ValueError: the audits are of different mandates.
    """
    # 1. One mandate.
    if len({audit.mandate for audit in audits}) > 1:
        raise ValueError("audits of different mandates")
    # 2. The range covers every execution.
    executed = {audit.slot for audit in audits if audit.kind is Kind.EXECUTED}
    on_chain = [audit.slot for audit in audits if audit.block is not None]
    first, last = min([first, *on_chain]), max([last, *on_chain])
    # 3. A HOLD that contradicts chain or evidence explains nothing.
    sound = [audit for audit in audits if audit.verdict is not Verdict.REJECTED]
    held = {audit.slot for audit in sound if audit.kind is Kind.HELD} - executed
    unused = {audit.slot for audit in sound if audit.kind is Kind.UNUSED}
    unused -= executed | held
    # 4. What remains is unexplained, unless nobody could have acted.
    counted = set(range(first, last + 1))
    rest = counted - executed - held - unused
    idle = rest & set(stopped)
    rest -= idle
    taken = rest & set(waiting)
    rest -= taken
    return Completeness(
        first=first,
        last=last,
        executed=tuple(sorted(executed)),
        held=tuple(sorted(held & counted)),
        unused=tuple(sorted(unused & counted)),
        stopped=tuple(sorted(idle)),
        unexplained=tuple(sorted(rest)),
        contradictory=_contradictory(audits),
        waiting=tuple(sorted(taken)),
    )


def contradictions_of(
    completeness: Completeness,
    *,
    granted_slot: int,
    skips: Sequence[tuple[int, int]],
) -> list[str]:
    """Return what rejects the whole, whatever the single decisions say.

    Args:
        granted_slot: slot in which the mandate was granted.
        skips: (slot, slots skipped before it) of every execution, as its event says.
    """
    found = [
        f"Slot {slot}: two different outcomes were sworn on the same head."
        for slot in completeness.contradictory
    ]
    least = granted_slot
    for slot, skipped in skips:
        if skipped != slot - least:
            found.append(
                f"Slot {slot}: the event says that {skipped} slots were skipped, the "
                f"chain that {slot - least} were."
            )
        least = slot + 1
    return found


def remarks_on(completeness: Completeness) -> list[str]:
    """Return what a reader should look into, though it contradicts nothing."""
    remarks = []
    if completeness.unexplained:
        slots = slots_in_words(completeness.unexplained)
        remarks.append(
            f"No act and no signed HOLD in {slots}: the operator was silent."
        )
    if completeness.unused:
        slots = slots_in_words(completeness.unused)
        remarks.append(
            f"Sworn but not executed in {slots}: refused, too late, cancelled or kept "
            "back."
        )
    return remarks


def slot_ranges(slots: Sequence[int]) -> str:
    """Return sorted slots in words: `3, 5-7, 12`."""
    parts: list[str] = []
    start = end = None
    for slot in [*slots, None]:
        if start is not None and end is not None and slot != end + 1:
            parts.append(str(start) if start == end else f"{start}-{end}")
            start = None
        if start is None:
            start = slot
        end = slot
    return ", ".join(parts)


def slots_in_words(slots: Sequence[int]) -> str:
    """Return `slot 3` or `slots 3, 5-7`."""
    return f"{'slot' if len(slots) == 1 else 'slots'} {slot_ranges(slots)}"


def _contradictory(audits: Sequence[DecisionAudit]) -> tuple[int, ...]:
    """Slots in which the same key swore two different outcomes on the same head.

    Salts make two honest answers to one question differ in digest, never in calls and
    bounds: a difference there is a second draw.
    """
    outcomes: dict[tuple[int, bytes, str], set[bytes]] = {}
    for audit in audits:
        if any(step.number == 1 and step.status == "fail" for step in audit.steps):
            continue  # Not signed by that key: anyone could have written it.
        key = (audit.slot, bytes(audit.previous), audit.node)
        outcomes.setdefault(key, set()).add(bytes(audit.outcome))
    return tuple(sorted({key[0] for key, seen in outcomes.items() if len(seen) > 1}))
