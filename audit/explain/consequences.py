"""From the plan to the calls: what each part of a call follows from.

It words what `agents.reach` and `agents.plan_reach` found out by changing recorded
words and plan fields. The one formula in here, of a swap's least yield, is checked
against the call before it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from affiant.agents.deciding.derive import derive_consequences
from affiant.agents.deciding.plan_reach import PlanReach, find_plan_reach
from affiant.agents.deciding.reach import Reach, Situation
from affiant.audit.check_chain import same
from affiant.audit.errors import AuditUnavailableError
from affiant.audit.explain.opened import Opened
from affiant.audit.explain.views import (
    ArgumentView,
    BoundView,
    CallsView,
    CallView,
)
from affiant.audit.figures import percent, units
from affiant.audit.words import (
    calls_in_words,
    name_tracked,
    plan_in_words,
    token_names,
)
from affiant.encoding import JsonValue, to_hex
from affiant.onchain.abi_names import GIVEN
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_names import book_names
from affiant.onchain.decision import Call, bounds_hash, calls_hash
from affiant.onchain.facts import Facts
from affiant.onchain.kits import BPS, SwapParams
from affiant.onchain.kits.uniswap_v3 import EXACT_INPUT_SINGLE
from affiant.onchain.mandate import NATIVE
from affiant.onchain.values import value_of_changes

TIME = "anchor's time"
"""What parts that move with the anchor block's timestamp follow from."""


def explain_calls(opened: Opened, *, reach: Reach) -> CallsView:
    """Return what the plan comes to, and what each part follows from.

    Raises:
        AuditUnavailableError: there is no plan to look at.
        RejectedError: it does not compile, or to something else than was sworn.
    """
    situation, plan = opened.need_situation(), opened.plan
    if plan is None:
        raise AuditUnavailableError("calls", reason="no plan is disclosed")
    found, book = opened.asked[-1].facts, situation.book
    outcome = derive_consequences(
        plan, found=found, book=book, mandate=situation.mandate
    )
    calls, bounds = outcome.calls, outcome.bounds
    decision = opened.bundle.decision
    same("calls", got=decision.calls, expected=calls_hash(calls))
    same("bounds", got=decision.bounds, expected=bounds_hash(bounds))
    if outcome.refused:
        return CallsView(
            actions=plan.action_names,
            plan=plan_in_words(plan.actions, refused=outcome.refused),
            why=plan.why,
            calls=(),
            bounds=(),
            at_risk=0,
        )
    follows = find_plan_reach(plan, found=found, situation=situation)
    sentences = calls_in_words(calls, book=book)
    return CallsView(
        actions=plan.action_names,
        plan=plan_in_words(plan.actions),
        why=plan.why,
        calls=tuple(
            CallView(
                action=follows.actions[index],
                sentence=sentences[index],
                arguments=_arguments(
                    call,
                    index=index,
                    follows=follows,
                    reach=reach,
                    names=_names(situation),
                ),
                minimum=_minimum(
                    plan.actions[follows.actions[index]], call, found=found, book=book
                ),
            )
            for index, call in enumerate(calls)
        ),
        bounds=tuple(
            BoundView(
                name=name_tracked(entry, book=book),
                amount=units(bound, decimals=entry.decimals, signed=True),
                follows=_follows(f"bounds[{index}]", follows=follows, reach=reach),
            )
            for index, (entry, bound) in enumerate(
                zip(situation.mandate.tracked, bounds, strict=True)
            )
            if bound
        ),
        at_risk=value_at_risk(opened.bundle.bounds, found=found, situation=situation),
    )


def value_at_risk(
    bounds: Sequence[int], *, found: Facts, situation: Situation
) -> int | None:
    """Return what `bounds` permit to fall, at the observed prices; 8 decimals.

    None where the program did not observe a price that it takes.
    """
    tokens = situation.book.tokens
    answers = {tokens[name].feed: item.answer for name, item in found.prices.items()}
    falls = [min(bound, 0) for bound in bounds]
    mandate = situation.mandate
    for entry, fall in zip(mandate.tracked, falls, strict=True):
        if fall and mandate.feeds[entry.feed].aggregator not in answers:
            return None
    return -value_of_changes(
        mandate, falls, answer=lambda feed: answers[feed.aggregator]
    )


def _arguments(
    call: Call,
    *,
    index: int,
    follows: PlanReach,
    reach: Reach,
    names: Mapping[bytes, str],
) -> tuple[ArgumentView, ...]:
    prefix = f"calls[{index}]."
    _, given = GIVEN.get(call.data[:4], ("", ()))
    views = []
    for path, value in follows.parts.items():
        part = path.removeprefix(prefix)
        if part == path or (part == "value" and not value):
            continue
        name = part
        if part.startswith("data["):
            at = int(part[5:-1])
            name = given[at] if at < len(given) else f"word {at + 1}"
        views.append(
            ArgumentView(
                name=name,
                value=_shown(part, value, names=names),
                follows=_follows(path, follows=follows, reach=reach),
            )
        )
    return tuple(views)


def _follows(path: str, *, follows: PlanReach, reach: Reach) -> tuple[str, ...]:
    facts = dict.fromkeys(
        fact for word in reach.words if path in word.calls for fact in word.facts
    )
    timed = (TIME,) if path in follows.timed else ()
    return (*follows.fields.get(path, ()), *facts, *timed)


def _names(situation: Situation) -> dict[bytes, str]:
    """Return what addresses are called, by their 20 bytes."""
    names = {**book_names(situation.book), situation.mandate.account: "the account"}
    names.update(
        {address: name for address, (name, _) in token_names(situation.book).items()}
    )
    return {
        bytes.fromhex(address[2:]): name
        for address, name in names.items()
        if address != NATIVE
    }


def _shown(part: str, value: JsonValue, *, names: Mapping[bytes, str]) -> str:
    """Return a part of a call as a name, an address or a number."""
    if part == "selector":
        return GIVEN.get(bytes.fromhex(value[2:]), (value, ()))[0]
    if part in ("target", "token"):
        return names.get(bytes.fromhex(value[2:]), str(value))
    if not part.startswith("data["):
        return str(value)
    data = bytes.fromhex(value[2:])
    if data[:-20] == bytes(12) and any(data[12:16]):
        return names.get(data[12:], to_hex(data[12:]))
    return str(int.from_bytes(data, "big")) if len(data) == 32 else str(value)


def _minimum(action: BaseModel, call: Call, *, found: Facts, book: AddressBook) -> str:
    """Say where a swap's least yield comes from; nothing where it is none."""
    if not isinstance(action, SwapParams) or call.data[:4] != EXACT_INPUT_SINGLE:
        return ""
    sell, buy = found.prices.get(action.sell), found.prices.get(action.buy)
    if sell is None or buy is None:
        return ""
    words = [call.data[at : at + 32] for at in range(4, len(call.data), 32)]
    amount, least = (int.from_bytes(words[at], "big") for at in (5, 6))
    tokens = book.tokens
    numerator = (
        amount * sell.answer * 10 ** (buy.decimals + tokens[action.buy].decimals)
    )
    divisor = buy.answer * 10 ** (sell.decimals + tokens[action.sell].decimals)
    kept = BPS - action.max_slippage_bps
    if least != numerator * kept // (divisor * BPS):
        return ""
    fair = units(numerator // divisor, decimals=tokens[action.buy].decimals)
    prices = " and ".join(
        f"{name} at ${units(price.answer, decimals=price.decimals)}"
        for name, price in ((action.sell, sell), (action.buy, buy))
    )
    sold = units(amount, decimals=tokens[action.sell].decimals)
    bought = units(least, decimals=tokens[action.buy].decimals)
    return (
        f"At the feeds' prices ({prices}), {sold} {action.sell} are worth {fair} "
        f"{action.buy}; less {percent(action.max_slippage_bps, whole=BPS)} slippage, "
        f"at least {bought} {action.buy}."
    )
