"""The kits that deposit into ERC-4626 vaults and redeem from them. Pure.

    deposit   assets = share_bps of the wallet's balance of the vault's asset
              shares = assets ÷ (assets per share), less max_slippage_bps, at least
    redeem    shares = share_bps of the wallet's share tokens
              assets = shares × (assets per share), less max_slippage_bps, at least

The rate is the vault's own word (`convertToAssets` of one whole share, observed), and
a donation can push it: where it is further than max_slippage_bps off the feeds of
share and asset, the plan is refused. ERC-4626's own functions take no least yield
(EIP-4626, "Security Considerations"); the gate's bounds are it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from affiant.encoding import JsonValue
from affiant.onchain.abi import encode_call, selector
from affiant.onchain.address_book import AddressBook, Vault
from affiant.onchain.decision import Call
from affiant.onchain.errors import (
    PlanFactMissingError,
    PlanNameUnknownError,
    PlanPriceOffError,
)
from affiant.onchain.facts import BALANCES, PRICES, VAULT_PREFIX
from affiant.onchain.kits.kit import (
    BPS,
    MAX_SLIPPAGE_BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitStep,
    SlippageParams,
    fresh_price,
    object_schema,
    positive_amount,
    share_of,
)
from affiant.onchain.mandate import NATIVE, Permission

DEPOSIT = selector("deposit(uint256,address)")
"""Selector."""

REDEEM = selector("redeem(uint256,address,address)")
"""Selector."""


class DepositParams(SlippageParams):
    """Deposit a share of the wallet's balance of a vault's asset."""

    action: Literal["deposit"]
    vault: str
    """Name of the vault's share token."""


class RedeemParams(SlippageParams):
    """Redeem a share of the wallet's shares of a vault."""

    action: Literal["redeem"]
    vault: str
    """Name of the vault's share token."""


def _deposit_schema(book: AddressBook) -> dict[str, JsonValue]:
    return _schema("deposit", book)


def _redeem_schema(book: AddressBook) -> dict[str, JsonValue]:
    return _schema("redeem", book)


def _schema(action: str, book: AddressBook) -> dict[str, JsonValue]:
    return object_schema(
        action,
        {
            "vault": {"enum": [*book.vaults]},
            "share_bps": dict(SHARE_SCHEMA),
            "max_slippage_bps": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_SLIPPAGE_BPS,
            },
        },
    )


def _deposit_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, DEPOSIT)


def _redeem_permissions(book: AddressBook) -> tuple[Permission, ...]:
    return _permissions(book, REDEEM)


def _permissions(book: AddressBook, function: bytes) -> tuple[Permission, ...]:
    return tuple(
        Permission(book.tokens[share].address, function) for share in book.vaults
    )


def _compile_deposit(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, DepositParams):
        raise TypeError(f"expected DepositParams, got {type(params).__name__}")
    vault = _vault(params.vault, context=context, what="deposit.vault")
    rate = _rate(vault, context=context, slippage=params.max_slippage_bps)
    assets = share_of(
        context,
        vault.asset.address,
        share_bps=params.share_bps,
        what="deposit.share_bps",
    )
    least = positive_amount(
        assets
        * 10**vault.share.decimals
        * (BPS - params.max_slippage_bps)
        // (rate * BPS),
        what="deposit's least shares",
        got="0 base units",
    )
    call = Call(
        target=vault.share.address,
        value=0,
        data=encode_call("deposit(uint256,address)", [assets, context.account]),
        token=vault.asset.address,
        allowance=assets,
    )
    return KitStep(
        calls=(call,),
        deltas={vault.asset.address: -assets, vault.share.address: least},
    )


def _compile_redeem(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, RedeemParams):
        raise TypeError(f"expected RedeemParams, got {type(params).__name__}")
    vault = _vault(params.vault, context=context, what="redeem.vault")
    rate = _rate(vault, context=context, slippage=params.max_slippage_bps)
    shares = share_of(
        context,
        vault.share.address,
        share_bps=params.share_bps,
        what="redeem.share_bps",
    )
    least = positive_amount(
        shares
        * rate
        * (BPS - params.max_slippage_bps)
        // (10**vault.share.decimals * BPS),
        what="redeem's least assets",
        got="0 base units",
    )
    data = encode_call(
        "redeem(uint256,address,address)", [shares, context.account, context.account]
    )
    call = Call(
        target=vault.share.address, value=0, data=data, token=NATIVE, allowance=0
    )
    return KitStep(
        calls=(call,),
        deltas={vault.share.address: -shares, vault.asset.address: least},
    )


def _vault(name: str, *, context: KitContext, what: str) -> Vault:
    if name not in context.book.vaults:
        raise PlanNameUnknownError(
            what, got=repr(name)[:80], expected=f"one of {[*context.book.vaults]}"
        )
    return context.book.vault_named(name)


def _rate(vault: Vault, *, context: KitContext, slippage: int) -> int:
    """Return the asset's base units for one whole share, if the feeds say the same.

    |worth of the assets - worth of the share| <= slippage x worth of the share.
    """
    what = f"vault {vault.share_name}"
    fact = context.facts.vaults.get(vault.share_name)
    if fact is None:
        raise PlanFactMissingError(
            what, got="none", expected=f"`{VAULT_PREFIX}{vault.share_name}` observed"
        )
    share = fresh_price(context, vault.share_name)
    asset = fresh_price(context, vault.asset_name)
    inside = fact.assets_per_share * asset.answer * 10**share.decimals
    outside = share.answer * 10 ** (vault.asset.decimals + asset.decimals)
    off = abs(inside - outside)
    if off * BPS > outside * slippage:
        raise PlanPriceOffError(
            what,
            got=f"a rate {off * BPS // outside} bps off the feeds",
            expected=f"at most {slippage} bps",
        )
    return fact.assets_per_share


Deposit = Kit(
    name="deposit",
    version=1,
    required=(BALANCES, PRICES, VAULT_PREFIX),
    line='{"action": "deposit", "vault": NAME, "share_bps": share of the wallet\'s '
    'balance of its asset, "max_slippage_bps": BPS}',
    params=DepositParams,
    schema=_deposit_schema,
    permissions=_deposit_permissions,
    compile=_compile_deposit,
)
"""Deposits exactly the assets, for at least the shares."""

Redeem = Kit(
    name="redeem",
    version=1,
    required=(BALANCES, PRICES, VAULT_PREFIX),
    line='{"action": "redeem", "vault": NAME, "share_bps": share of the wallet\'s '
    'shares, "max_slippage_bps": BPS}',
    params=RedeemParams,
    schema=_redeem_schema,
    permissions=_redeem_permissions,
    compile=_compile_redeem,
)
"""Redeems exactly the shares, for at least the assets."""
