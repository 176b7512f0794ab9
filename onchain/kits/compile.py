"""From a parsed plan to the calls and bounds of a decision. Pure.

It decides what a plan means in calls, and refuses a plan that the mandate could not
let pass: better refused here with a name than sworn to and refused by the gate. It
trusts its facts (the caller checked that they are of the mandate's account and the
slot's anchor) and the book; the mandate is the owner's. The gate checks it all again.

Several actions run in order on *running balances*: as observed, plus the least that
each earlier action leaves. So a later action never counts on more than is certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from affiant.encoding import to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import MAX_CALLS, Call
from affiant.onchain.errors import (
    PlanCallNotAllowedError,
    PlanEmptyError,
    PlanHoldMixedError,
    PlanNameUnknownError,
    PlanOverflowError,
    PlanTokenUntrackedError,
    PlanTooManyCallsError,
)
from affiant.onchain.facts import Facts
from affiant.onchain.kits.hold import Hold
from affiant.onchain.kits.kit import Kit, KitContext, KitStep
from affiant.onchain.kits.lending import Supply, Withdraw
from affiant.onchain.kits.swap import Swap
from affiant.onchain.mandate import Address, Mandate

KITS: Mapping[str, Kit] = {kit.name: kit for kit in (Swap, Supply, Withdraw, Hold)}
"""Every kit of this version, by name."""


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

    1. some actions, and HOLD only alone; 2. each action on the running balances;
    3. number of calls; 4. the allow-list; 5. bounds over the tracked tokens.

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
    # 2.
    observed = _observed_balances(facts, book)
    changes: dict[Address, int] = {}
    calls: list[Call] = []
    for kit, action in zip(kits, actions, strict=True):
        step = kit.compile(
            action,
            context=KitContext(
                account=mandate.account,
                facts=facts,
                book=book,
                balances=_running(observed, changes),
            ),
        )
        _merge(changes, step)
        calls.extend(step.calls)
    # 3.
    if len(calls) > MAX_CALLS:
        raise PlanTooManyCallsError(
            "plan", got=f"{len(calls)} calls", expected=f"at most {MAX_CALLS}"
        )
    # 4.
    _check_allowed(calls, mandate)
    # 5.
    return Compiled(calls=tuple(calls), bounds=_bounds(changes, mandate))


def _kit_of(action: BaseModel) -> Kit:
    name = getattr(action, "action", None)
    kit = KITS.get(name) if isinstance(name, str) else None
    if kit is None:
        raise PlanNameUnknownError(
            "plan action", got=repr(name)[:80], expected=f"one of {[*KITS]}"
        )
    if type(action) is not kit.params:
        raise ValueError(f"{kit}: expected {kit.params}, got {type(action)}")
    return kit


def _observed_balances(facts: Facts, book: AddressBook) -> dict[Address, int]:
    balances: dict[Address, int] = {}
    for name, balance in facts.balances.items():
        token = book.token_named(name)
        balances[token.address] = balance.wallet
        if token.a_token is not None and token.variable_debt is not None:
            balances[token.a_token] = balance.supplied
            balances[token.variable_debt] = balance.debt
    return balances


def _running(
    observed: Mapping[Address, int], changes: Mapping[Address, int]
) -> dict[Address, int]:
    return {
        holder: max(amount + changes.get(holder, 0), 0)
        for holder, amount in observed.items()
    }


def _merge(changes: dict[Address, int], step: KitStep) -> None:
    for holder, delta in step.deltas.items():
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


def _bounds(changes: Mapping[Address, int], mandate: Mandate) -> tuple[int, ...]:
    tracked = {entry.token for entry in mandate.tracked if not entry.debt}
    for holder in changes:
        if holder not in tracked:
            raise PlanTokenUntrackedError(
                "plan",
                got=f"a change of {holder}",
                expected="tokens that the mandate tracks as assets",
            )
    bounds = tuple(
        0 if entry.debt else changes.get(entry.token, 0) for entry in mandate.tracked
    )
    for entry, bound in zip(mandate.tracked, bounds, strict=True):
        if not -(2**255) <= bound < 2**255:
            raise PlanOverflowError(
                f"bound of {entry.token}", got=str(bound)[:90], expected="int256"
            )
    return bounds
