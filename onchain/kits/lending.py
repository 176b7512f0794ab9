"""The kits that supply to Aave v3 and withdraw from it. Pure.

aToken balances grow and are rounded by Aave's ray arithmetic, so a mint or burn of
`amount` may change the balance by a base unit more or less; bounds allow for two, which
suffices while the reserve's index is at most twice its first (aave-core-v3,
`ScaledBalanceTokenBase.sol`, `WadRayMath.sol`). Beyond that the gate may refuse an
honest decision; it can never let a worse one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call
from affiant.onchain.errors import PlanNameUnknownError
from affiant.onchain.facts import BALANCES
from affiant.onchain.kits import aave_v3
from affiant.onchain.kits.kit import (
    BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitParams,
    KitStep,
    named_token,
    object_schema,
    share_of,
)
from affiant.onchain.mandate import NATIVE, Address, Permission

ROUNDING = 2
"""Base units by which an aToken's or a debt's change may differ from the amount."""


@dataclass(frozen=True)
class Market:
    """Where one token is lent and borrowed."""

    pool: Address
    a_token: Address
    variable_debt: Address


class SupplyParams(KitParams):
    """Supply a share of the wallet's balance."""

    action: Literal["supply"]
    asset: str
    """Token name."""
    share_bps: int = Field(ge=1, le=BPS)
    """Share of the wallet's balance, in basis points."""


class WithdrawParams(KitParams):
    """Withdraw a share of what is supplied."""

    action: Literal["withdraw"]
    asset: str
    """Token name."""
    share_bps: int = Field(ge=1, le=BPS)
    """Share of the supplied balance, in basis points."""


def _supply_schema(book: AddressBook) -> dict[str, JsonValue]:
    return share_schema("supply", book)


def _withdraw_schema(book: AddressBook) -> dict[str, JsonValue]:
    return share_schema("withdraw", book)


def share_schema(action: str, book: AddressBook) -> dict[str, JsonValue]:
    """Return the schema of an action on a share of a token that Aave lists."""
    listed = [name for name, token in book.tokens.items() if token.a_token is not None]
    return object_schema(
        action, {"asset": {"enum": listed}, "share_bps": dict(SHARE_SCHEMA)}
    )


def _supply_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return pool_permission(book, aave_v3.SUPPLY)


def _withdraw_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return pool_permission(book, aave_v3.WITHDRAW)


def pool_permission(book: AddressBook, selector: bytes) -> tuple[Permission, ...]:
    """Return the permission for one function of Aave's pool, where there is one."""
    if book.aave is None:
        return ()
    return (Permission(target=book.aave.pool, selector=selector),)


def _compile_supply(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, SupplyParams):
        raise TypeError(f"expected SupplyParams, got {type(params).__name__}")
    token = named_token(context, params.asset, what="supply.asset")
    market = market_of(context, params.asset, what="supply.asset")
    amount = share_of(
        context, token.address, share_bps=params.share_bps, what="supply.share_bps"
    )
    call = Call(
        target=market.pool,
        value=0,
        data=aave_v3.supply(
            asset=token.address, amount=amount, on_behalf_of=context.account
        ),
        token=token.address,
        allowance=amount,
    )
    # A supply of one or two base units may mint nothing; it must not burn any.
    minted = max(amount - ROUNDING, 0)
    return KitStep(
        calls=(call,), deltas={token.address: -amount, market.a_token: minted}
    )


def _compile_withdraw(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, WithdrawParams):
        raise TypeError(f"expected WithdrawParams, got {type(params).__name__}")
    token = named_token(context, params.asset, what="withdraw.asset")
    market = market_of(context, params.asset, what="withdraw.asset")
    amount = share_of(
        context, market.a_token, share_bps=params.share_bps, what="withdraw.share_bps"
    )
    call = Call(
        target=market.pool,
        value=0,
        data=aave_v3.withdraw(asset=token.address, amount=amount, to=context.account),
        token=NATIVE,
        allowance=0,
    )
    return KitStep(
        calls=(call,),
        deltas={market.a_token: -amount - ROUNDING, token.address: amount},
    )


def market_of(context: KitContext, name: str, *, what: str) -> Market:
    """Return Aave's market of the token `name`.

    Raises:
        PlanNameUnknownError: Aave does not list it.
    """
    aave, token = context.book.aave, context.book.tokens[name]
    if aave is None or token.a_token is None or token.variable_debt is None:
        raise PlanNameUnknownError(
            what, got=repr(name)[:80], expected="a token that Aave lists"
        )
    return Market(aave.pool, token.a_token, token.variable_debt)


Supply = Kit(
    name="supply",
    version=1,
    required=(BALANCES,),
    line='{"action": "supply", "asset": NAME, "share_bps": share of the wallet\'s '
    "balance to lend}",
    params=SupplyParams,
    schema=_supply_schema,
    permissions=_supply_permissions,
    compile=_compile_supply,
)
"""Supplies exactly the amount; the account receives the aTokens."""

Withdraw = Kit(
    name="withdraw",
    version=1,
    required=(BALANCES,),
    line='{"action": "withdraw", "asset": NAME, "share_bps": share of the lent '
    "balance to take back}",
    params=WithdrawParams,
    schema=_withdraw_schema,
    permissions=_withdraw_permissions,
    compile=_compile_withdraw,
)
"""Withdraws exactly the amount to the account; never "everything"."""
