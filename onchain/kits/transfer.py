"""The kit that sends tokens to a recipient whom the mandate names. Pure.

A plan names the recipient as the address book does. The address counts only where a
`RecipientIsListed` rule of the *mandate* lists it for this very token's `transfer`:
the book alone gives nobody anything, and the gate asks the rule again. What is sent is
gone: it counts as outflow, and as loss at the feeds' prices.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from affiant.encoding import JsonValue
from affiant.onchain.abi import encode_call
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call
from affiant.onchain.errors import PlanNameUnknownError, PlanRecipientError
from affiant.onchain.facts import BALANCES
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
from affiant.onchain.mandate import NATIVE, Permission
from affiant.onchain.recipients import TRANSFER, may_receive

NAME = "transfer"
"""The plan's `action`."""


class TransferParams(KitParams):
    """Send a share of the wallet's balance of a token to a named recipient."""

    action: Literal["transfer"]
    asset: str
    """Token name."""
    to: str
    """Recipient's name."""
    share_bps: int = Field(ge=1, le=BPS)
    """Share of the wallet's balance, in basis points."""


def _schema(book: AddressBook) -> dict[str, JsonValue]:
    named = [] if book.recipients is None else [*book.recipients.addresses]
    return object_schema(
        NAME,
        {
            "asset": {"enum": [*book.tokens]},
            "to": {"enum": named},
            "share_bps": dict(SHARE_SCHEMA),
        },
    )


def _permissions(book: AddressBook) -> tuple[Permission, ...]:
    if book.recipients is None:
        return ()
    return tuple(Permission(token.address, TRANSFER) for token in book.tokens.values())


def _compile(params: BaseModel, *, context: KitContext) -> KitStep:
    if not isinstance(params, TransferParams):
        raise TypeError(f"expected TransferParams, got {type(params).__name__}")
    token = named_token(context, params.asset, what="transfer.asset")
    recipients = context.book.recipients
    recipient = None if recipients is None else recipients.addresses.get(params.to)
    if recipients is None or recipient is None:
        raise PlanNameUnknownError(
            "transfer.to",
            got=repr(params.to)[:80],
            expected="a recipient that the book names",
        )
    if recipient == context.account or not may_receive(
        context.mandate, recipient, rule=recipients.rule, token=token.address
    ):
        raise PlanRecipientError(
            "transfer.to",
            got=repr(params.to)[:80],
            expected=f"whom a rule of the mandate lists for {params.asset}",
        )
    amount = share_of(
        context, token.address, share_bps=params.share_bps, what="transfer.share_bps"
    )
    call = Call(
        target=token.address,
        value=0,
        data=encode_call("transfer(address,uint256)", [recipient, amount]),
        token=NATIVE,
        allowance=0,
    )
    return KitStep(calls=(call,), deltas={token.address: -amount})


Transfer = Kit(
    name=NAME,
    version=1,
    required=(BALANCES,),
    line='{"action": "transfer", "asset": NAME, "to": NAME of a recipient, '
    '"share_bps": share of the wallet\'s balance to send}',
    params=TransferParams,
    schema=_schema,
    permissions=_permissions,
    compile=_compile,
)
"""Sends exactly the amount."""
