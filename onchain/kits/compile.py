"""From a parsed plan to the calls and bounds of a decision. Pure.

It decides what a plan means in calls, and refuses a plan that the mandate could not
let pass: better refused here with a name than sworn to and refused by the gate. The
refusal's words go into the next request where the mandate records holds, so they are
part of what is reproduced (ADR 42). It trusts its facts (the caller checked that they
are of the mandate's account and the slot's anchor); the mandate is the owner's, and the
book is trusted for names and addresses, for units only where the mandate says the same.
The gate checks all of it again but the book.

Several actions run in order on *running balances*: as observed, plus the least that
each earlier action leaves. So a later action never counts on more than is certain, nor
on owing less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from affiant.encoding import to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.book_units import unit_mismatches
from affiant.onchain.decision import MAX_CALLS, Call
from affiant.onchain.errors import (
    PlanCallNotAllowedError,
    PlanEmptyError,
    PlanHoldMixedError,
    PlanNameUnknownError,
    PlanOverflowError,
    PlanRiskError,
    PlanTokenUntrackedError,
    PlanTooManyCallsError,
    PlanUnitsError,
)
from affiant.onchain.facts import Facts
from affiant.onchain.kits.hold import Hold
from affiant.onchain.kits.kit import Kit, KitContext
from affiant.onchain.kits.registry import installed_kits
from affiant.onchain.mandate import NATIVE, Address, Feed, Mandate
from affiant.onchain.values import value_of_changes


@dataclass(frozen=True)
class Compiled:
    """What a plan comes to."""

    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Per tracked entry of the mandate, in order: the least signed change in base
    units; 0 where nothing is touched: it must not worsen."""


def compile_plan(
    actions: Sequence[BaseModel],
    *,
    facts: Facts,
    book: AddressBook,
    mandate: Mandate,
) -> Compiled:
    """Compile the actions of a plan, in order.

    1. some actions, and HOLD only alone; 2. the book's units are the mandate's; 3. each
    action on the running balances; 4. number of calls; 5. the allow-list; 6. bounds
    over the tracked tokens and debts; 7. no more at risk, at the observed prices, than
    the mandate's last rung takes.

    Raises:
        KitError: a subclass for each thing that can be wrong.
        ValueError: an action is not of a kit's own parameter type (our bug).
    """
    # 1.
    if not actions:
        raise PlanEmptyError("plan", got="no action", expected="at least one")
    kits = [_kit_of(action) for action in actions]
    if Hold in kits and len(kits) > 1:
        raise PlanHoldMixedError(
            "plan", got=f"{[kit.name for kit in kits]}", expected="`hold` alone"
        )
    # 2. Holding counts nothing, and must stay possible.
    if kits != [Hold]:
        _check_units(book, mandate)
    # 3.
    held, owed = _observed_balances(facts, book), _observed_debts(facts, book)
    changes: dict[Address, int] = {}
    debts: dict[Address, int] = {}
    calls: list[Call] = []
    for kit, action in zip(kits, actions, strict=True):
        step = kit.compile(
            action,
            context=KitContext(
                mandate=mandate,
                facts=facts,
                book=book,
                balances=_running(held, changes, sign=1),
                # A change of a debt is one of the position: borrowing is negative.
                debts=_running(owed, debts, sign=-1),
            ),
        )
        _merge(changes, step.deltas)
        _merge(debts, step.debts)
        calls.extend(step.calls)
    # 4.
    if len(calls) > MAX_CALLS:
        raise PlanTooManyCallsError(
            "plan", got=f"{len(calls)} calls", expected=f"at most {MAX_CALLS}"
        )
    # 5.
    _check_allowed(calls, mandate)
    # 6.
    bounds = _bounds(changes, debts, mandate)
    # 7.
    _check_risk(bounds, facts=facts, book=book, mandate=mandate)
    return Compiled(calls=tuple(calls), bounds=bounds)


def _kit_of(action: BaseModel) -> Kit:
    name = getattr(action, "action", None)
    known = installed_kits()
    if not isinstance(name, str) or name not in known:
        raise PlanNameUnknownError(
            "plan action", got=repr(name)[:80], expected=f"one of {[*known]}"
        )
    kit = known[name].kit
    if type(action) is not kit.params:
        raise ValueError(f"{kit}: expected {kit.params}, got {type(action)}")
    return kit


def _check_units(book: AddressBook, mandate: Mandate) -> None:
    for mismatch in unit_mismatches(book, mandate):
        raise PlanUnitsError(
            mismatch.what, got=mismatch.got, expected=mismatch.expected
        )


def _observed_balances(facts: Facts, book: AddressBook) -> dict[Address, int]:
    balances: dict[Address, int] = {}
    for name, balance in facts.balances.items():
        token = book.token_named(name)
        balances[token.address] = balance.wallet
        if token.a_token is not None:
            balances[token.a_token] = balance.supplied
    if facts.native is not None:
        balances[NATIVE] = facts.native
    return balances


def _observed_debts(facts: Facts, book: AddressBook) -> dict[Address, int]:
    debts: dict[Address, int] = {}
    for name, balance in facts.balances.items():
        token = book.token_named(name)
        if token.variable_debt is not None:
            debts[token.variable_debt] = balance.debt
    return debts


def _running(
    observed: Mapping[Address, int], changes: Mapping[Address, int], *, sign: int
) -> dict[Address, int]:
    return {
        holder: max(amount + sign * changes.get(holder, 0), 0)
        for holder, amount in observed.items()
    }


def _merge(changes: dict[Address, int], deltas: Mapping[Address, int]) -> None:
    for holder, delta in deltas.items():
        changes[holder] = changes.get(holder, 0) + delta


def _check_allowed(calls: Sequence[Call], mandate: Mandate) -> None:
    allowed = {(entry.target, entry.selector) for entry in mandate.allow_list}
    for index, call in enumerate(calls):
        if (call.target, call.data[:4]) not in allowed:
            raise PlanCallNotAllowedError(
                f"call {index}",
                got=f"{call.target} {to_hex(call.data[:4])}",
                expected="a (target, selector) of the mandate's allow-list",
            )


def _bounds(
    changes: Mapping[Address, int], debts: Mapping[Address, int], mandate: Mandate
) -> tuple[int, ...]:
    for side, is_debt, what in (
        (changes, False, "tokens that the mandate tracks as assets"),
        (debts, True, "debts that the mandate tracks as debts"),
    ):
        tracked = {entry.token for entry in mandate.tracked if entry.debt is is_debt}
        for holder in side:
            if holder not in tracked:
                raise PlanTokenUntrackedError(
                    "plan", got=f"a change of {holder}", expected=what
                )
    bounds = tuple(
        (debts if entry.debt else changes).get(entry.token, 0)
        for entry in mandate.tracked
    )
    for entry, bound in zip(mandate.tracked, bounds, strict=True):
        if not -(2**255) <= bound < 2**255:
            raise PlanOverflowError(
                f"bound of {entry.token}", got=str(bound)[:90], expected="int256"
            )
    return bounds


def _check_risk(
    bounds: Sequence[int], *, facts: Facts, book: AddressBook, mandate: Mandate
) -> None:
    """Refuse what no rung would take, whatever was at risk before.

    What the program observed no price of is left to the gate, as is the outflow since
    the last checkpoint: the request does not know it.
    """
    if not mandate.ladder:
        return
    # By decimals too: an untracked token of the book may name a feed and lie about it.
    answers = {
        (book.tokens[name].feed, fact.decimals): fact.answer
        for name, fact in facts.prices.items()
    }

    def answer(feed: Feed) -> int:
        return answers.get((feed.aggregator, feed.decimals), 0)

    falls = [min(bound, 0) for bound in bounds]
    at_risk = -value_of_changes(mandate, falls, answer=answer)
    limit = mandate.ladder[-1].limit
    if at_risk > limit:
        raise PlanRiskError(
            "plan",
            got=f"{at_risk} at risk, with 8 decimals",
            expected=f"at most {limit}, the last rung's limit",
        )
