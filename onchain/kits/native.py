"""The kits that wrap the native currency and unwrap it, one to one. Pure.

The account's native balance is an asset like others where the mandate tracks the zero
address. Gas is not paid out of it: the operator pays. WETH9's `deposit` and `withdraw`
move exactly the amount (canonical-weth 1.4.0, `WETH9.sol`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from affiant.encoding import JsonValue
from affiant.onchain.abi import encode_call, selector
from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.decision import Call
from affiant.onchain.errors import PlanFactMissingError, PlanNameUnknownError
from affiant.onchain.facts import BALANCES, NATIVE_BALANCE
from affiant.onchain.kits.kit import (
    BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitParams,
    KitStep,
    object_schema,
    share_of,
)
from affiant.onchain.mandate import NATIVE, Permission

WRAP = selector("deposit()")
"""Selector."""

UNWRAP = selector("withdraw(uint256)")
"""Selector."""


class WrapParams(KitParams):
    """Wrap a share of the native balance."""

    action: Literal["wrap"]
    share_bps: int = Field(ge=1, le=BPS)
    """Share of the native balance, in basis points."""


class UnwrapParams(KitParams):
    """Unwrap a share of the wrapped balance."""

    action: Literal["unwrap"]
    share_bps: int = Field(ge=1, le=BPS)
    """Share of the wallet's wrapped tokens, in basis points."""


def _wrap_schema(book: AddressBook) -> dict[str, JsonValue]:
    del book
    return object_schema("wrap", {"share_bps": dict(SHARE_SCHEMA)})


def _unwrap_schema(book: AddressBook) -> dict[str, JsonValue]:
    del book
    return object_schema("unwrap", {"share_bps": dict(SHARE_SCHEMA)})


def _wrap_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, WRAP)


def _unwrap_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, UNWRAP)


def _permissions(book: AddressBook, function: bytes) -> tuple[Permission, ...]:
    if book.native is None:
        return ()
    return (Permission(book.tokens[book.native.wrapped].address, function),)


def _compile_wrap(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, WrapParams):
        raise TypeError(f"expected WrapParams, got {type(params).__name__}")
    wrapped = _wrapped(context, what="wrap")
    if NATIVE not in context.balances:
        raise PlanFactMissingError(
            "wrap.share_bps", got="no native balance", expected="`native` observed"
        )
    amount = share_of(
        context, NATIVE, share_bps=params.share_bps, what="wrap.share_bps"
    )
    call = Call(
        target=wrapped.address,
        value=amount,
        data=encode_call("deposit()"),
        token=NATIVE,
        allowance=0,
    )
    return KitStep(calls=(call,), deltas={NATIVE: -amount, wrapped.address: amount})


def _compile_unwrap(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, UnwrapParams):
        raise TypeError(f"expected UnwrapParams, got {type(params).__name__}")
    wrapped = _wrapped(context, what="unwrap")
    amount = share_of(
        context, wrapped.address, share_bps=params.share_bps, what="unwrap.share_bps"
    )
    call = Call(
        target=wrapped.address,
        value=0,
        data=encode_call("withdraw(uint256)", [amount]),
        token=NATIVE,
        allowance=0,
    )
    return KitStep(calls=(call,), deltas={wrapped.address: -amount, NATIVE: amount})


def _wrapped(context: KitContext, *, what: str) -> TokenEntry:
    native = context.book.native
    if native is None:
        raise PlanNameUnknownError(
            what, got="no native currency", expected="a book that names its wrapper"
        )
    return context.book.tokens[native.wrapped]


Wrap = Kit(
    name="wrap",
    version=1,
    required=(BALANCES, NATIVE_BALANCE),
    line='{"action": "wrap", "share_bps": share of the native balance to wrap}',
    params=WrapParams,
    schema=_wrap_schema,
    permissions=_wrap_permissions,
    compile=_compile_wrap,
)
"""Wraps exactly the amount."""

Unwrap = Kit(
    name="unwrap",
    version=1,
    required=(BALANCES,),
    line='{"action": "unwrap", "share_bps": share of the wrapped balance to unwrap}',
    params=UnwrapParams,
    schema=_unwrap_schema,
    permissions=_unwrap_permissions,
    compile=_compile_unwrap,
)
"""Unwraps exactly the amount."""
