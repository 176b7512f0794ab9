"""What a person reads about one decision: what it saw, planned, did.

Pure. It words only what is under the sworn root; where that is unsound, it says less.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.agents.programs.refused_plan import stated_refusal
from affiant.audit.check_evidence import Manifests, section
from affiant.audit.check_inference import stated_plan
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.result import Change, Story
from affiant.audit.words import (
    calls_in_words,
    facts_in_words,
    name_tracked,
    plan_in_words,
)
from affiant.errors import RejectedError
from affiant.onchain.decision import Call
from affiant.onchain.events import ExecutedDecision
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.facts import Facts
from affiant.onchain.mandate import Mandate


def tell(
    *,
    mandate: Mandate,
    execution: ExecutedDecision | None,
    bundle: EvidenceBundle | None,
    manifests: Manifests | None,
    facts: Facts | None,
    calls: Sequence[Call],
    bounds: Sequence[int],
) -> Story:
    """Return the story of one decision.

    Args:
        bundle: evidence under the sworn root; None where there is none.
        manifests: sworn manifests; None where they are unsound or withheld.
        facts: what the sworn observation says; None likewise.
        calls: sworn calls; empty where unknown.
        bounds: sworn bounds; empty where unknown.
    """
    book = None if manifests is None else manifests.book
    plan, refused = None, ""
    if bundle is not None and manifests is not None:
        try:
            plan = stated_plan(bundle, manifests=manifests)
            refused = stated_refusal(section(bundle, "plan"))
        except (RejectedError, AuditUnavailableError):
            plan = None
    changes: tuple[Change, ...] = ()
    if len(bounds) == len(mandate.tracked):
        measured: Sequence[int | None] = [None] * len(bounds)
        if execution is not None and len(execution.event.changes) == len(bounds):
            measured = execution.event.changes
        changes = tuple(
            Change(
                name=name_tracked(entry, book=book),
                token=entry.token,
                decimals=entry.decimals,
                debt=entry.debt,
                bound=bound,
                measured=change,
            )
            for entry, bound, change in zip(
                mandate.tracked, bounds, measured, strict=True
            )
        )
    return Story(
        asked=_asked(bundle),
        saw=() if facts is None or book is None else facts_in_words(facts, book=book),
        why="" if plan is None else plan.why,
        plan=() if plan is None else plan_in_words(plan.actions, refused=refused),
        calls=tuple(f"{len(call.data)} bytes to {call.target}" for call in calls)
        if book is None
        else calls_in_words(calls, book=book),
        changes=changes,
        value_at_risk=None if execution is None else execution.event.value_at_risk,
    )


def _asked(bundle: EvidenceBundle | None) -> tuple[tuple[str, str], ...]:
    """Return questions and answers as the last request states them."""
    if bundle is None or "requests" in bundle.withheld:
        return ()
    last = bundle.content("requests")[-1]
    stated = last.get("answers") if isinstance(last, dict) else None
    if not isinstance(stated, list):
        return ()
    return tuple(
        (str(item.get("question", "")), str(item.get("answer", "")))
        for item in stated
        if isinstance(item, dict)
    )
