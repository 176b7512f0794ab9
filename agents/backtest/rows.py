"""One slot of a backtest, put together from what the run and the chain say of it."""

from __future__ import annotations

from affiant.agents.backtest.errors import BacktestStoppedError
from affiant.agents.backtest.portfolio import (
    Reading,
    Swapped,
    read_account,
    swapped_in,
    value_of,
)
from affiant.agents.backtest.result import SlotRow
from affiant.agents.backtest.stage import Stage
from affiant.agents.running.progress import RunResult
from affiant.encoding import digest_from_hex
from affiant.onchain.mandate import Address

_WRAPPED = "WETH"


def read_stage(stage: Stage, account: Address) -> Reading:
    """Return what an account of the stage is worth after the newest block."""
    return read_account(
        stage.chain,
        book=stage.book,
        account=account,
        block=stage.chain.latest_block(),
    )


def row_of(
    stage: Stage,
    ended: RunResult,
    *,
    index: int,
    moment: int,
    before: Reading,
    gas_price: int,
) -> SlotRow:
    """Return what became of a slot, read right after its run has ended.

    Args:
        index: of the slot, from 0.
        moment: the path's time.
        before: the agent's account at the anchor.
        gas_price: wei per gas that gas is costed at.

    Raises:
        BacktestStoppedError: the run did not end.
    """
    after = read_stage(stage, stage.account.address)
    held = read_stage(stage, stage.held.address)
    error, swapped = ended.error, Swapped()
    if ended.executed is not None and ended.transaction is not None:
        receipt = stage.chain.receipt(
            digest_from_hex(ended.transaction, what="receipt")
        )
        if receipt is not None:
            swapped = swapped_in(receipt, book=stage.book, prices=before.prices)
    outcome = ended.outcome
    if outcome == "skipped" or outcome == "waiting" or outcome == "queued":
        raise BacktestStoppedError(slots=1, reason=f"a run was {outcome}")
    derived = ended.derived
    gas = ended.gas_used or 0
    return SlotRow(
        index=index,
        slot=ended.slot,
        time=moment,
        prices=before.prices,
        outcome=outcome,
        actions=()
        if derived is None
        else tuple(action.model_dump() for action in derived.plan.actions),
        why="" if derived is None else derived.plan.why,
        plan_refused="" if derived is None else derived.refused,
        error="" if error is None else type(error).__name__,
        reason="" if error is None else str(error),
        step=ended.failed_step or "",
        digest=ended.digest,
        before=before.value,
        after=after.value,
        held=held.value,
        health_bps=before.health_bps,
        held_health_bps=held.health_bps,
        at_risk=0 if ended.executed is None else ended.executed.value_at_risk,
        swapped=swapped.value,
        pool_fees=swapped.fees,
        gas=gas,
        gas_cost=_gas_cost(stage, gas, before=before, gas_price=gas_price),
        seconds=dict(ended.seconds),
    )


def _gas_cost(stage: Stage, gas: int, *, before: Reading, gas_price: int) -> int:
    token = stage.book.tokens.get(_WRAPPED)
    if token is None:
        return 0
    return value_of(gas * gas_price, token=token, answer=before.prices[_WRAPPED])
