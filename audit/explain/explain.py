"""Explaining one decision: evidence in, explanation out.

1. the evidence is verified; what does not hash to what was sworn is not explained;
2. what one file and a model folder allow is rebuilt (`opened`);
3. every inference is explained from one prefill (`inferences`);
4. the request, by changing every recorded word (`request`);
5. the calls, by changing every field of the plan (`consequences`);
6. if asked for: what the plan depends on, other facts, a sweep (`imagined`).

A part that cannot be explained is a gap with its reason; it takes no other part along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from affiant.agents.deciding.sensitivity import MOST
from affiant.audit.explain.consequences import explain_calls
from affiant.audit.explain.imagined import (
    Progress,
    find_dependence,
    imagine,
    sweep_over,
)
from affiant.audit.explain.inferences import explain_inferences
from affiant.audit.explain.opened import Opened, open_evidence
from affiant.audit.explain.request import explain_request
from affiant.audit.explain.result import Explanation, Gap
from affiant.audit.replayer import FolderReplayer
from affiant.audit.result import Status
from affiant.errors import RejectedError, UnavailableError
from affiant.onchain.altered import alter
from affiant.onchain.errors import SettingError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.what_if import Setting, Sweep

Found = TypeVar("Found")


@dataclass(frozen=True)
class Wishes:
    """What is to be explained besides the decision itself."""

    sensitivity: bool = False
    """Whether to ask again with each field of the request changed a little."""
    generations: int = MOST
    """Most answers generated for that."""
    settings: tuple[Setting, ...] = ()
    """Facts to change."""
    sweep: Sweep | None = None
    """A fact to vary, with `settings` in place."""
    token: int | None = None
    """Position of a token of the plan of which every candidate is wanted."""


def explain_bundle(
    bundle: EvidenceBundle,
    *,
    replayer: FolderReplayer | None,
    wishes: Wishes,
    progress: Progress,
) -> Explanation:
    """Explain one decision.

    Args:
        replayer: the sworn model's folder; None: nothing that takes a model.
        progress: told how far generations are.

    Raises:
        EvidenceMismatchError, MalformedError: the evidence is not what was sworn.
        SettingError: a what-if that the observation cannot say.
        ValueError: a token is wanted that the plan does not have.
    """
    # 1. and 2.
    opened = open_evidence(bundle, replayer=replayer)
    _check(wishes, opened=opened)
    # 3.
    told = explain_inferences(opened, detail=wishes.token)
    gaps = list(told.gaps)

    def part(what: str, make: Callable[[], Found]) -> Found | None:
        try:
            return make()
        except SettingError:
            raise
        except (RejectedError, UnavailableError) as error:
            rejected = isinstance(error, RejectedError)
            gaps.append(Gap(what, str(error), rejected=rejected))
            return None

    # 4. and 5.
    asked = part("the request", lambda: explain_request(opened))
    request, reach = asked if asked is not None else (None, None)
    calls = None
    if reach is not None:
        calls = part("the calls", lambda: explain_calls(opened, reach=reach))
    # 6.
    sensitivity = imagined = sweep = None
    if wishes.sensitivity:
        sensitivity = part(
            "what the plan depends on",
            lambda: find_dependence(opened, most=wishes.generations, progress=progress),
        )
    if wishes.settings:
        imagined = part(
            "what if",
            lambda: imagine(opened, wishes.settings, progress=progress),
        )
    over = wishes.sweep
    if over is not None:
        sweep = part(
            "the sweep",
            lambda: sweep_over(opened, over, wishes.settings, progress=progress),
        )
    manifests, decision = opened.manifests, bundle.decision
    return Explanation(
        digest=opened.digest,
        chain_id=bundle.chain_id,
        gate=bundle.gate,
        mandate=bundle.mandate.id,
        slot=decision.slot,
        anchor=bundle.mandate.anchor_of(decision.slot),
        node=bundle.node,
        held=not bundle.calls,
        objective="" if manifests is None else manifests.program.objective,
        withheld=bundle.withheld,
        steps=tuple(sorted((*opened.steps, told.step), key=lambda step: step.number)),
        gaps=tuple(gaps),
        inferences=told.views,
        request=request,
        calls=calls,
        sensitivity=sensitivity,
        imagined=imagined,
        sweep=sweep,
    )


def exit_code(explanation: Explanation) -> int:
    """Return 1 if something contradicts, 3 if something is out of reach, else 0.

    A step that could not be taken does not count, but what could not be explained.
    """
    if any(step.status is Status.FAIL for step in explanation.steps):
        return 1
    if any(gap.rejected for gap in explanation.gaps):
        return 1
    return 3 if explanation.gaps else 0


def _check(wishes: Wishes, *, opened: Opened) -> None:
    """Refuse what makes no sense before a model is loaded for it.

    Raises:
        SettingError: as `alter`.
        ValueError: no such token.
    """
    if wishes.token is not None and "tokens" not in opened.bundle.withheld:
        count = len(opened.bundle.content("tokens")[-1]["output"])
        if not 0 <= wishes.token < count:
            raise ValueError(f"token: got {wishes.token}, expected 0 to {count - 1}")
    situation = opened.situation
    if situation is None:
        return
    swept = () if wishes.sweep is None else wishes.sweep.settings
    for settings in (wishes.settings, *((*wishes.settings, one) for one in swept)):
        alter(
            situation.observation,
            settings,
            names=situation.program.observes,
            book=situation.book,
        )
