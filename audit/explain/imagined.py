"""Other facts, another decision: the sworn one and one that was never made.

It changes the recorded reads (`onchain.altered`), lets `agents.decide_again` take the
very path of a decision, and sets both side by side. The engine at hand is also asked
about the unchanged observation: where it does not say what was sworn, a difference may
be the engine's and not the facts', and the view says so. Nothing in here is sworn, and
nothing that comes out could be taken for evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel

from affiant.agents.deciding.decide_again import Imagined, Said, decide_again, say
from affiant.agents.deciding.reach import Situation
from affiant.agents.deciding.sensitivity import Trial, find_sensitivity
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.prompt import render_prompt
from affiant.agents.programs.questions import answer_of
from affiant.agents.programs.refused_plan import stated_refusal
from affiant.agents.programs.request_fields import request_fields
from affiant.audit.check_evidence import section
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.explain.consequences import value_at_risk
from affiant.audit.explain.opened import Opened
from affiant.audit.explain.views import (
    DecisionView,
    Difference,
    ImaginedView,
    Pairs,
    PointView,
    SensitivityView,
    SweepView,
    TrialView,
)
from affiant.audit.figures import units
from affiant.audit.words import (
    calls_in_words,
    facts_in_words,
    name_tracked,
    plan_in_words,
)
from affiant.encoding import JsonValue
from affiant.inference.engine import Engine
from affiant.onchain.altered import alter
from affiant.onchain.decision import Call
from affiant.onchain.facts import Facts
from affiant.onchain.what_if import Setting, Sweep, plain

Progress = Callable[[str, int, int], None]
"""Told what is being generated, how many are done, and of how many."""


def imagine(
    opened: Opened, settings: Sequence[Setting], *, progress: Progress
) -> ImaginedView:
    """Set the sworn decision beside the one on a changed observation.

    Raises:
        SettingError: the observation cannot say that.
        AuditUnavailableError: something that it takes is withheld, or no engine.
        RejectedError, EngineUnavailableError: as `decide_again`.
    """
    situation = opened.need_situation()
    observation = alter(
        situation.observation,
        settings,
        names=situation.program.observes,
        book=situation.book,
    )
    engine = opened.engine(index=len(opened.bundle.receipts) - 1)
    progress("what if", 0, 2)
    reproduces = _reproduces(opened, engine=engine)
    progress("what if", 1, 2)
    made = decide_again(engine, situation, observation=observation, seeds=opened.seeds)
    progress("what if", 2, 2)
    book, asked = situation.book, opened.asked[-1]
    sworn, imagined = _sworn_side(opened), _imagined_side(made, situation=situation)
    return ImaginedView(
        settings=tuple(str(setting) for setting in settings),
        facts=_pairs_differing(
            *(
                (*facts_in_words(item.facts, book=book), *_ages(item.facts))
                for item in (asked, made)
            )
        ),
        request=_fields_differing(asked.request, made.requests[-1]),
        prompt=_lines_differing(
            render_prompt(asked.request), render_prompt(made.requests[-1])
        ),
        sworn=sworn,
        imagined=imagined,
        same=(sworn.plan, sworn.calls, sworn.bounds, sworn.refused)
        == (imagined.plan, imagined.calls, imagined.bounds, imagined.refused),
        reproduces=reproduces,
    )


def sweep_over(
    opened: Opened, sweep: Sweep, settings: Sequence[Setting], *, progress: Progress
) -> SweepView:
    """Decide again for each value of one fact.

    Args:
        settings: in place for every value.

    Raises:
        As `imagine`.
    """
    situation = opened.need_situation()
    engine = opened.engine(index=len(opened.bundle.receipts) - 1)
    observations = [
        alter(
            situation.observation,
            [*settings, setting],
            names=situation.program.observes,
            book=situation.book,
        )
        for setting in sweep.settings
    ]
    points: list[PointView] = []
    for setting, observation in zip(sweep.settings, observations, strict=True):
        progress(f"sweep of {sweep.fact}", len(points), len(observations))
        made = decide_again(
            engine, situation, observation=observation, seeds=opened.seeds
        )
        side = _imagined_side(made, situation=situation)
        points.append(
            PointView(
                value=plain(round(setting.value, 6)),
                plan="refused" if made.refused else "; ".join(side.plan),
                kind="refused" if made.refused else kind_of(made.plan),
                at_risk=side.at_risk,
                refused=made.refused,
            )
        )
    name = sweep.settings[0].name
    recorded = dict(facts_in_words(opened.asked[-1].facts, book=situation.book))
    return SweepView(
        fact=sweep.fact,
        points=tuple(points),
        recorded=recorded.get(name) or recorded.get(f"pool {name}", ""),
    )


def find_dependence(
    opened: Opened, *, most: int, progress: Progress
) -> SensitivityView:
    """Say which fields of the plan's request the plan depends on.

    Raises:
        AuditUnavailableError: something that it takes is withheld, or no engine.
        RejectedError, EngineUnavailableError: as `find_sensitivity`.
    """
    manifests = opened.need_manifests()
    if not opened.asked:
        raise AuditUnavailableError("request", reason="step 6 was not passed")
    last = len(opened.bundle.receipts) - 1
    found = find_sensitivity(
        opened.engine(index=last),
        opened.asked[-1].request,
        program=manifests.program,
        book=manifests.book,
        seed=opened.seeds[last],
        most=most,
        progress=lambda done, total: progress("sensitivity", done, total),
    )
    return SensitivityView(
        trials=tuple(_trial(trial) for trial in found.trials),
        generations=found.generations,
        reproduces=_as_sworn(opened, found.before, index=last),
    )


def kind_of(plan: Plan | None) -> str:
    """Return a plan's actions and what they are of, without numbers."""
    return "; ".join(
        _kind(action.model_dump()) for action in (() if plan is None else plan.actions)
    )


def _kind(fields: dict[str, JsonValue]) -> str:
    if {"sell", "buy"} <= set(fields):
        return f"{fields['action']} {fields['sell']} for {fields['buy']}"
    return " ".join(item for item in fields.values() if isinstance(item, str))


def _reproduces(opened: Opened, *, engine: Engine) -> bool:
    """Whether `engine` answers every sworn request as was sworn."""
    manifests = opened.need_manifests()
    return all(
        _as_sworn(
            opened,
            say(
                engine,
                asked.request,
                program=manifests.program,
                book=manifests.book,
                index=index,
                seed=opened.seeds[index],
            ),
            index=index,
        )
        for index, asked in enumerate(opened.asked)
    )


def _as_sworn(opened: Opened, said: Said, *, index: int) -> bool:
    """Whether an answer is the sworn one; by its plan where tokens are withheld."""
    if "tokens" not in opened.bundle.withheld:
        sworn: list[int] = section(opened.bundle, "tokens")[index]["output"]
        return said.output_ids == tuple(sworn)
    if index == len(opened.asked) - 1:
        return said.plan == opened.plan
    return answer_of(said.text) == opened.need_situation().answers[index]


def _sworn_side(opened: Opened) -> DecisionView:
    situation, bundle = opened.need_situation(), opened.bundle
    plan = opened.plan
    return DecisionView(
        why="" if plan is None else plan.why,
        answers=_answers(opened.asked[-1].request),
        plan=_plan_words(None if plan is None else plan.actions),
        calls=calls_in_words(bundle.calls, book=situation.book),
        bounds=_bounds(bundle.bounds, situation=situation),
        at_risk=value_at_risk(
            bundle.bounds, found=opened.asked[-1].facts, situation=situation
        ),
        refused=""
        if "plan" in bundle.withheld
        else stated_refusal(bundle.content("plan")),
    )


def _imagined_side(made: Imagined, *, situation: Situation) -> DecisionView:
    calls: tuple[Call, ...] = made.calls
    plan = made.plan
    return DecisionView(
        why="" if plan is None else plan.why,
        answers=_answers(made.requests[-1]),
        plan=_plan_words(None if plan is None else plan.actions),
        calls=calls_in_words(calls, book=situation.book),
        bounds=_bounds(made.bounds, situation=situation),
        at_risk=None
        if made.refused
        else value_at_risk(made.bounds, found=made.facts, situation=situation),
        refused=made.refused,
    )


def _plan_words(actions: Sequence[BaseModel] | None) -> tuple[str, ...]:
    return () if actions is None else plan_in_words(actions)


def _answers(request: dict[str, JsonValue]) -> Pairs:
    return tuple((item["question"], item["answer"]) for item in request["answers"])


def _bounds(bounds: Sequence[int], *, situation: Situation) -> Pairs:
    if not bounds:
        return ()
    return tuple(
        (
            name_tracked(entry, book=situation.book),
            units(bound, decimals=entry.decimals, signed=True),
        )
        for entry, bound in zip(situation.mandate.tracked, bounds, strict=True)
        if bound
    )


def _ages(found: Facts) -> Pairs:
    """Return how old each price is: what stops a plan, though no request says it."""
    return tuple(
        (f"age of the price of {name}", f"{found.timestamp - price.updated_at} s")
        for name, price in found.prices.items()
    )


def _trial(trial: Trial) -> TrialView:
    plan = ""
    if trial.said is not None and trial.effect not in ("same", "words"):
        said = trial.said.plan
        plan = (
            trial.said.refused if said is None else "; ".join(_plan_words(said.actions))
        )
    return TrialView(
        path=trial.path, old=trial.old, new=trial.new, effect=trial.effect, plan=plan
    )


def _pairs_differing(before: Pairs, after: Pairs) -> tuple[Difference, ...]:
    sworn, imagined = dict(before), dict(after)
    return tuple(
        Difference(what, sworn.get(what, "–"), imagined.get(what, "–"))
        for what in dict.fromkeys([*sworn, *imagined])
        if sworn.get(what) != imagined.get(what)
    )


def _fields_differing(before: JsonValue, after: JsonValue) -> tuple[Difference, ...]:
    return _pairs_differing(
        *(
            tuple((field.path, str(field.value)) for field in request_fields(request))
            for request in (before, after)
        )
    )


def _lines_differing(before: str, after: str) -> tuple[Difference, ...]:
    lines = [text.split("\n") for text in (before, after)]
    count = max(map(len, lines))
    padded = [[*item, *[""] * (count - len(item))] for item in lines]
    return tuple(
        Difference(f"line {number}", old, new)
        for number, (old, new) in enumerate(zip(*padded, strict=True), start=1)
        if old != new
    )
