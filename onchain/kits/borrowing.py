"""The kits that borrow from Aave v3 and repay it. Pure.

    can be borrowed = what Aave says is available at the anchor, in its base currency,
                      less what earlier steps of the plan withdraw and borrow
    amount          = share_bps of it, at the feed's price, rounded down
    health          = (collateral × liquidation threshold - withdrawn)
                      ÷ (owed + borrowed)

Health is judged against the plan for what earlier steps *take* (withdrawals in full, as
if they had counted in full as collateral) and never for what they bring: a supply or a
repayment of the same plan lets nobody borrow more. Aave's base currency has 8 decimals
and is the feeds' quote currency (aave-core-v3, `AaveOracle.BASE_CURRENCY_UNIT`).

A debt grows with every second; a repayment is a share of what was owed at the anchor.
So a full share leaves the interest since then, and never asks for more than is owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call
from affiant.onchain.errors import (
    PlanFactMissingError,
    PlanHealthError,
)
from affiant.onchain.facts import BALANCES, BORROWING, PRICES, BorrowingFact
from affiant.onchain.kits import aave_v3
from affiant.onchain.kits.kit import (
    BPS,
    SHARE_SCHEMA,
    UINT128_BITS,
    Kit,
    KitContext,
    KitParams,
    KitStep,
    fresh_price,
    named_token,
    object_schema,
    positive_amount,
    require_balance,
)
from affiant.onchain.kits.lending import (
    ROUNDING,
    market_of,
    pool_permission,
    share_schema,
)
from affiant.onchain.mandate import NATIVE, VALUE_DECIMALS, Permission

MIN_HEALTH_BPS = 10_500
"""Least health factor that a plan may ask to keep, in basis points: 1.05. At 1 Aave
liquidates."""

MAX_HEALTH_BPS = 100_000
"""Greatest health factor that a plan may ask to keep."""


@dataclass(frozen=True)
class Taken:
    """What earlier steps of a plan take, as values with 8 decimals."""

    withdrawn: int
    borrowed: int


class BorrowParams(KitParams):
    """Borrow a share of what can still be borrowed."""

    action: Literal["borrow"]
    asset: str
    """Token name."""
    share_bps: int = Field(ge=1, le=BPS)
    """Share of what can still be borrowed, in basis points."""
    min_health_bps: int = Field(ge=MIN_HEALTH_BPS, le=MAX_HEALTH_BPS)
    """Least health factor afterwards, in basis points: 15000 is 1.5."""


class RepayParams(KitParams):
    """Repay a share of a debt out of the wallet."""

    action: Literal["repay"]
    asset: str
    """Token name."""
    share_bps: int = Field(ge=1, le=BPS)
    """Share of what is owed of it, in basis points."""


def _borrow_schema(book: AddressBook) -> dict[str, JsonValue]:
    listed = [name for name, token in book.tokens.items() if token.a_token is not None]
    return object_schema(
        "borrow",
        {
            "asset": {"enum": listed},
            "share_bps": dict(SHARE_SCHEMA),
            "min_health_bps": {
                "type": "integer",
                "minimum": MIN_HEALTH_BPS,
                "maximum": MAX_HEALTH_BPS,
            },
        },
    )


def _repay_schema(book: AddressBook) -> dict[str, JsonValue]:
    return share_schema("repay", book)


def _borrow_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return pool_permission(book, aave_v3.BORROW)


def _repay_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return pool_permission(book, aave_v3.REPAY)


def _compile_borrow(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, BorrowParams):
        raise TypeError(f"expected BorrowParams, got {type(params).__name__}")
    token = named_token(context, params.asset, what="borrow.asset")
    market = market_of(context, params.asset, what="borrow.asset")
    price = fresh_price(context, params.asset)
    standing = _standing(context)
    taken = _taken_before(context)
    left = max(standing.available - taken.withdrawn - taken.borrowed, 0)
    value = left * params.share_bps // BPS
    amount = (
        value
        * 10 ** (token.decimals + price.decimals)
        // (price.answer * 10**VALUE_DECIMALS)
    )
    positive_amount(
        amount,
        what="borrow.share_bps",
        got=f"{params.share_bps} bps of {left} in Aave's base currency",
        bits=UINT128_BITS,
    )
    _require_health(standing, taken=taken, value=value, floor=params.min_health_bps)
    call = Call(
        target=market.pool,
        value=0,
        data=aave_v3.borrow(
            asset=token.address, amount=amount, on_behalf_of=context.account
        ),
        token=NATIVE,
        allowance=0,
    )
    return KitStep(
        calls=(call,),
        deltas={token.address: amount},
        debts={market.variable_debt: -amount - ROUNDING},
    )


def _compile_repay(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, RepayParams):
        raise TypeError(f"expected RepayParams, got {type(params).__name__}")
    token = named_token(context, params.asset, what="repay.asset")
    market = market_of(context, params.asset, what="repay.asset")
    owed = context.debts.get(market.variable_debt)
    if owed is None:
        raise PlanFactMissingError(
            "repay.share_bps", got="no debt", expected="`balances` observed"
        )
    amount = positive_amount(
        owed * params.share_bps // BPS,
        what="repay.share_bps",
        got=f"{params.share_bps} bps of {owed} base units",
    )
    require_balance(context, token.address, amount=amount, what="repay.share_bps")
    call = Call(
        target=market.pool,
        value=0,
        data=aave_v3.repay(
            asset=token.address, amount=amount, on_behalf_of=context.account
        ),
        token=token.address,
        allowance=amount,
    )
    # One or two base units may burn nothing of the debt; they must not add to it.
    return KitStep(
        calls=(call,),
        deltas={token.address: -amount},
        debts={market.variable_debt: max(amount - ROUNDING, 0)},
    )


def _standing(context: KitContext) -> BorrowingFact:
    standing = context.facts.borrowing
    if standing is None:
        raise PlanFactMissingError(
            "borrow", got="no standing with Aave", expected="`borrowing` observed"
        )
    return standing


def _taken_before(context: KitContext) -> Taken:
    """Return what earlier steps of the plan take, at the feeds' prices, rounded up."""
    withdrawn = borrowed = 0
    for name, balance in context.facts.balances.items():
        token = context.book.tokens[name]
        if token.a_token is None or token.variable_debt is None:
            continue
        less = max(balance.supplied - context.balances[token.a_token], 0)
        more = max(context.debts[token.variable_debt] - balance.debt, 0)
        if less or more:
            price = fresh_price(context, name)
            unit = price.answer * 10**VALUE_DECIMALS
            scale = 10 ** (token.decimals + price.decimals)
            withdrawn += -(-less * unit // scale)
            borrowed += -(-more * unit // scale)
    return Taken(withdrawn=withdrawn, borrowed=borrowed)


def _require_health(
    standing: BorrowingFact, *, taken: Taken, value: int, floor: int
) -> None:
    backing = standing.collateral * standing.threshold_bps - taken.withdrawn * BPS
    owed = standing.debt + taken.borrowed + value
    health = max(backing, 0) // owed
    if health < floor:
        raise PlanHealthError(
            "borrow.min_health_bps", got=f"{health} bps", expected=f"at least {floor}"
        )


Borrow = Kit(
    name="borrow",
    version=1,
    required=(BALANCES, PRICES, BORROWING),
    line='{"action": "borrow", "asset": NAME, "share_bps": share of what can be '
    'borrowed, "min_health_bps": least health factor to keep, 15000 is 1.5}',
    params=BorrowParams,
    schema=_borrow_schema,
    permissions=_borrow_permissions,
    compile=_compile_borrow,
)
"""Borrows exactly the amount; the debt is the account's own, at the variable rate."""

Repay = Kit(
    name="repay",
    version=1,
    required=(BALANCES,),
    line='{"action": "repay", "asset": NAME, "share_bps": share of the debt to pay '
    "back from the wallet}",
    params=RepayParams,
    schema=_repay_schema,
    permissions=_repay_permissions,
    compile=_compile_repay,
)
"""Repays exactly the amount out of the wallet; never "everything"."""
