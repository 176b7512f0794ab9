"""Step 10: what a decision did to the account.

It compares the gate's event with state around the block and with the sworn bounds, at
feed prices after that block. It trusts the auditor's endpoint for the chain's past.
That a feed told the market's price is not shown. Where other transactions share the
block, what was measured around it may be theirs: a difference is then left open, not
rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.audit.check_chain import at_most, same
from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.history import History
from affiant.onchain.chain_types import Block
from affiant.onchain.decision import Call
from affiant.onchain.events import ExecutedDecision
from affiant.onchain.mandate import Feed, Mandate
from affiant.onchain.values import value_of_changes


def check_effects(
    mandate: Mandate,
    *,
    execution: ExecutedDecision,
    calls: Sequence[Call],
    bounds: Sequence[int],
    block: Block,
    history: History,
) -> str:
    """Step 10: what the calls did to the account.

    1. one bound and one change per tracked entry, and every change within its bound;
    2. at feed prices after the block, the loss is within the limit, and the value at
       risk is the event's;
    3. no allowance of a call is left;
    4. the changes are those of the balances around the block.

    Raises:
        AuditRejectedError: one of them does not hold.
        AuditUnavailableError: other transactions share the block, and what was measured
            around it does not fit.
    """
    # 1.
    entries = mandate.tracked
    same("number of bounds", got=len(bounds), expected=len(entries))
    same("number of changes", got=len(execution.event.changes), expected=len(entries))
    for entry, change, bound in zip(
        entries, execution.event.changes, bounds, strict=True
    ):
        if change < bound:
            raise AuditRejectedError(
                f"change of {entry.token}", got=str(change), expected=f"≥ {bound}"
            )
    try:
        _measure(
            mandate,
            execution=execution,
            calls=calls,
            bounds=bounds,
            block=block,
            history=history,
        )
    except AuditRejectedError as error:
        others = history.transaction_count(block) - 1
        if others < 1:
            raise
        raise AuditUnavailableError(
            error.what,
            reason=f"{others} other transactions share block {block.number}, so that "
            f"state around it cannot tell: got {error.got}, expected {error.expected}",
        ) from error
    return (
        "Every change is within its bound, equal to the balances around the block; "
        "no allowance is left."
    )


def _measure(
    mandate: Mandate,
    *,
    execution: ExecutedDecision,
    calls: Sequence[Call],
    bounds: Sequence[int],
    block: Block,
    history: History,
) -> None:
    """Compare with state around the block: steps 2 to 4 of `check_effects`.

    Raises:
        AuditRejectedError: what was measured does not fit.
    """
    # 2.
    loss = -value_of(mandate, execution.event.changes, block=block, history=history)
    at_most("loss at feed prices", loss, limit=mandate.max_loss)
    falls = [min(bound, 0) for bound in bounds]
    at_risk = -value_of(mandate, falls, block=block, history=history)
    same("value at risk", got=execution.event.value_at_risk, expected=at_risk)
    # 3.
    for call in calls:
        if not call.allowance:
            continue
        left = history.allowance(
            call.token, owner=mandate.account, spender=call.target, block=block
        )
        same(f"allowance of {call.token} to {call.target}", got=left, expected=0)
    # 4.
    before, after = history.balances(mandate, block=block)
    measured = tuple(
        (old - new if entry.debt else new - old)
        for entry, old, new in zip(mandate.tracked, before, after, strict=True)
    )
    same("changes of the balances", got=execution.event.changes, expected=measured)


def value_of(
    mandate: Mandate, changes: Sequence[int], *, block: Block, history: History
) -> int:
    """Return Σ price · change after `block`, a value of 8 decimals.

    Raises:
        AuditRejectedError: a feed's answer is not positive.
    """

    def answer(feed: Feed) -> int:
        price = history.price(feed.aggregator, block=block)
        if price.answer <= 0:
            raise AuditRejectedError(
                f"price at {feed.aggregator}",
                got=str(price.answer),
                expected="positive",
            )
        return price.answer

    return value_of_changes(mandate, changes, answer=answer)


def check_no_effects(calls: Sequence[Call], bounds: Sequence[int]) -> str:
    """Step 10 for a decision that was not executed: there must be nothing to undo.

    Raises:
        RejectedError: a HOLD states a loss.
    """
    if not calls and any(bound < 0 for bound in bounds):
        raise AuditRejectedError(
            "bounds of a HOLD", got=str(list(bounds)), expected="no loss"
        )
    return "Nothing was executed, so nothing changed on its account."
