"""Which fields of a request a plan depends on: each changed a little, asked again.

It changes one field of the plan's request at a time (`request_fields.nudges`) and lets
the model answer. Such requests need not hang together: a share may move without its
balance. So this says what the model's answer hangs on, not what would have happened on
another chain state; for that, `decide_again` takes a changed observation. What the
prompt does not show cannot matter and is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from affiant.agents.deciding.decide_again import Said, say
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.prompt import render_prompt
from affiant.agents.programs.request_fields import Nudge, nudges
from affiant.encoding import Digest, JsonValue
from affiant.errors import MalformedError
from affiant.inference.engine import Engine
from affiant.onchain.address_book import AddressBook

MOST = 96
"""Most generations, unless said otherwise."""

WORKERS = 8
"""Requests that are asked at the same time: an engine that batches does so."""

Effect = Literal[
    "not shown", "same", "words", "shares", "actions", "no plan", "not tried"
]
"""What a changed field does to the answer: the prompt does not show it; nothing; only
the reason; the same actions with other arguments; other actions; no plan comes out; it
was not asked, because the number of generations is bounded."""

Progress = Callable[[int, int], None]
"""Told how many requests are answered, and of how many."""


@dataclass(frozen=True)
class Trial:
    """One changed field, and what the model said."""

    path: str
    old: str
    new: str
    effect: Effect
    said: Said | None
    """None where it was not asked."""


@dataclass(frozen=True)
class Sensitivity:
    """What an answer depends on."""

    before: Said
    """What this engine says to the request as it was."""
    trials: tuple[Trial, ...]
    """In the order of the request's fields."""

    @property
    def generations(self) -> int:
        """How many answers were generated."""
        return 1 + sum(trial.said is not None for trial in self.trials)


def find_sensitivity(
    engine: Engine,
    request: Mapping[str, JsonValue],
    *,
    program: Program,
    book: AddressBook,
    seed: Digest | None,
    most: int = MOST,
    progress: Progress | None = None,
) -> Sensitivity:
    """Ask for the plan again, with each field of its request changed a little.

    1. changes that the prompt does not show, or that cannot be rendered, are not asked;
    2. the rest, several at a time, at most `most` generations in all.

    Args:
        request: the one that asks for the plan, answers to questions included.
        seed: of the plan's inference, where the program samples.
        most: at least 1; the request as it was is asked too.
        progress: told after each answer.

    Raises:
        RejectedError, EngineUnavailableError: as `say`.
    """
    # 1.
    before = render_prompt(request)
    found = nudges(request)
    visible = [_rendered(nudge) not in (None, before) for nudge in found]
    asked = [nudge for nudge, seen in zip(found, visible, strict=True) if seen]
    asked = asked[: max(most - 1, 0)]

    def ask(changed: Mapping[str, JsonValue]) -> Said:
        last = program.inferences - 1
        return say(engine, changed, program=program, book=book, index=last, seed=seed)

    # 2.
    first = ask(request)
    answers: list[Said] = []
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for said in pool.map(ask, [nudge.request for nudge in asked]):
            answers.append(said)
            if progress is not None:
                progress(len(answers), len(asked))
    rest = iter(answers)
    return Sensitivity(
        before=first,
        trials=tuple(
            _trial(nudge, said=next(rest, None), first=first)
            if seen
            else Trial(nudge.path, nudge.old, nudge.new, effect="not shown", said=None)
            for nudge, seen in zip(found, visible, strict=True)
        ),
    )


def effect_of(said: Said, *, first: Said) -> Effect:
    """Return how one answer differs from another."""
    if said.output_ids == first.output_ids:
        return "same"
    if said.plan is None or first.plan is None:
        return "no plan" if said.plan is None else "actions"
    if said.plan.actions == first.plan.actions:
        return "words"
    return "shares" if _targets(said.plan) == _targets(first.plan) else "actions"


def _targets(plan: Plan) -> list[dict[str, JsonValue]]:
    """Return the actions without their numbers."""
    return [
        {key: item for key, item in action.model_dump().items() if type(item) is str}
        for action in plan.actions
    ]


def _trial(nudge: Nudge, *, said: Said | None, first: Said) -> Trial:
    effect: Effect = "not tried" if said is None else effect_of(said, first=first)
    return Trial(nudge.path, nudge.old, nudge.new, effect=effect, said=said)


def _rendered(nudge: Nudge) -> str | None:
    try:
        return render_prompt(nudge.request)
    except MalformedError:
        return None
