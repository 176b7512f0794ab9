"""Which fields of a plan each part of its calls follows from. By trying it out.

Pure, and the twin of `reach`: fields of actions are changed, the plan is compiled
again, and what came out differently follows from that field. Which call is of which
action is found by compiling the plan action by action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, islice, product

from pydantic import ValidationError

from affiant.agents.deciding.reach import Situation, call_parts
from affiant.agents.programs.plan import Plan
from affiant.encoding import JsonValue
from affiant.errors import RejectedError
from affiant.onchain.facts import Facts
from affiant.onchain.kits import installed_kits

MOST_PLANS = 256
"""Most combinations of names that are compiled per action."""


@dataclass(frozen=True)
class PlanReach:
    """What follows from a plan."""

    parts: Mapping[str, JsonValue]
    """Every part of calls and bounds, by its path; as `reach.call_parts`."""
    fields: Mapping[str, tuple[str, ...]]
    """Per part, the plan's fields that move it: `actions[0].share_bps`."""
    timed: frozenset[str]
    """Parts that move with the anchor's time."""
    actions: tuple[int, ...]
    """Per call, the action that it is of."""


def find_plan_reach(plan: Plan, *, found: Facts, situation: Situation) -> PlanReach:
    """Return what follows from each field of `plan`.

    Raises:
        RejectedError: the plan itself does not compile.
    """
    before = call_parts(plan, found=found, situation=situation)
    moved: dict[str, dict[str, None]] = {part: {} for part in before}
    rich = _without_nothing(found, situation=situation)
    for index in range(len(plan.actions)):
        for field, parts in (
            *_by_number(plan, index=index, found=found, situation=situation),
            *_by_name(plan, index=index, found=rich, situation=situation),
        ):
            for part in parts & set(before):
                moved[part][f"actions[{index}].{field}"] = None
    later = call_parts(
        plan, found=replace(found, timestamp=found.timestamp + 1), situation=situation
    )
    return PlanReach(
        parts=before,
        fields={part: tuple(names) for part, names in moved.items()},
        timed=frozenset(_differing(before, later)),
        actions=_actions_of_calls(plan, found=found, situation=situation),
    )


def _by_number(
    plan: Plan, *, index: int, found: Facts, situation: Situation
) -> Iterator[tuple[str, set[str]]]:
    """Yield each number of an action, and the parts that move with it."""
    before = call_parts(plan, found=found, situation=situation)
    for name, value in plan.actions[index].model_dump().items():
        if type(value) is not int:
            continue
        for other in (value + 1, value - 1, 2 * value, value // 2):
            after = _compiled(
                plan, {name: other}, index=index, found=found, situation=situation
            )
            if after is not None:
                yield name, _differing(before, after)


def _by_name(
    plan: Plan, *, index: int, found: Facts, situation: Situation
) -> Iterator[tuple[str, set[str]]]:
    """Yield each name in an action, and the parts that move with it.

    A part follows from a name if it differs between two plans that differ in that name
    alone, whether or not one of them is the plan at hand: of two tokens in one pool
    neither can be changed alone. Names for which there are no such plans move together.
    """
    action = plan.actions[index]
    schema = installed_kits()[action.action].kit.schema(situation.book)["properties"]
    names = [name for name, rule in schema.items() if "enum" in rule]
    choices = islice(product(*(schema[name]["enum"] for name in names)), MOST_PLANS)
    compiled = {}
    for chosen in choices:
        changes = dict(zip(names, chosen, strict=True))
        parts = _compiled(plan, changes, index=index, found=found, situation=situation)
        if parts is not None:
            compiled[chosen] = parts
    alone: set[str] = set()
    together: list[tuple[list[str], set[str]]] = []
    for first, second in combinations(compiled, 2):
        pairs = zip(names, first, second, strict=True)
        other = [name for name, one, two in pairs if one != two]
        parts_moved = _differing(compiled[first], compiled[second])
        if len(other) == 1:
            alone.add(other[0])
            yield other[0], parts_moved
        else:
            together.append((other, parts_moved))
    for other, parts_moved in together:
        if not alone & set(other):
            for name in other:
                yield name, parts_moved


def _compiled(
    plan: Plan,
    changes: Mapping[str, JsonValue],
    *,
    index: int,
    found: Facts,
    situation: Situation,
) -> dict[str, JsonValue] | None:
    """Return the parts of a plan with one action changed; None if it is refused."""
    action = plan.actions[index]
    try:
        changed = type(action).model_validate({**action.model_dump(), **changes})
        actions = (*plan.actions[:index], changed, *plan.actions[index + 1 :])
        return call_parts(
            replace(plan, actions=actions), found=found, situation=situation
        )
    except (ValidationError, RejectedError):
        return None


def _without_nothing(found: Facts, *, situation: Situation) -> Facts:
    """Return facts in which nothing is held of no token: more plans can compile."""
    whole = {name: 10**token.decimals for name, token in situation.book.tokens.items()}
    return replace(
        found,
        balances={
            name: replace(
                balance,
                wallet=balance.wallet or whole[name],
                supplied=balance.supplied or whole[name],
            )
            for name, balance in found.balances.items()
        },
    )


def _differing(one: Mapping[str, JsonValue], two: Mapping[str, JsonValue]) -> set[str]:
    return {path for path in {*one, *two} if one.get(path) != two.get(path)}


def _actions_of_calls(
    plan: Plan, *, found: Facts, situation: Situation
) -> tuple[int, ...]:
    owners: list[int] = []
    for index in range(len(plan.actions)):
        so_far = replace(plan, actions=plan.actions[: index + 1])
        parts = call_parts(so_far, found=found, situation=situation)
        count = sum(part.endswith(".target") for part in parts)
        owners += [index] * (count - len(owners))
    return tuple(owners)
