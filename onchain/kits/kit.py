"""What an action kit is: typed parameters in, calls and their least effects out.

A kit is pure and versioned: the same parameters, facts and book give the same calls,
on the node, in the agent and at the auditor's. It decides which calls an action stands
for and the least that they must change; it does NOT decide whether they are permitted
(`compile.py`, then the gate) or wise. Parameters name tokens and shares only; addresses
come from the book, amounts from the observed balances. A kit's code is trusted as the
rest of the program is: whoever installs one runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from affiant.encoding import JsonValue
from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.decision import Call
from affiant.onchain.errors import (
    PlanAmountZeroError,
    PlanBalanceError,
    PlanFactMissingError,
    PlanNameUnknownError,
    PlanOverflowError,
    PlanPriceStaleError,
)
from affiant.onchain.facts import Facts, PriceFact
from affiant.onchain.mandate import Address, Mandate, Permission

BPS = 10_000
"""Basis points in the whole."""

MAX_SLIPPAGE_BPS = 1_000
"""Greatest slippage that a plan may ask for."""

INT256_BITS, UINT128_BITS = 255, 128
"""What bounds and Aave's amounts can hold."""

SHARE_SCHEMA: Mapping[str, JsonValue] = {
    "type": "integer",
    "minimum": 1,
    "maximum": BPS,
}
"""JSON schema of a share in basis points."""


class KitParams(BaseModel):
    """Parameters of an action, parsed from hostile text: exact types, no extras."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: str
    """Name of the kit; subclasses narrow it to one literal."""


class SlippageParams(KitParams):
    """Parameters of an action that trades a share at a price, or near it."""

    share_bps: int = Field(ge=1, le=BPS)
    """Share of what is there, in basis points; the kit says of what."""
    max_slippage_bps: int = Field(ge=1, le=MAX_SLIPPAGE_BPS)
    """Most that what comes out may fall short, or what goes in exceed, in basis points
    of the price or rate that the kit goes by."""


@dataclass(frozen=True)
class KitContext:
    """Everything besides its parameters that a kit may use."""

    mandate: Mandate
    """Under which it acts: for what only the owner can name, as recipients are."""
    facts: Facts
    book: AddressBook
    balances: Mapping[Address, int]
    """Base units per asset (token, aToken, `NATIVE`) that are certain to be there when
    this step runs: as observed, and the least that earlier steps leave."""
    debts: Mapping[Address, int]
    """Base units per debt token that may be owed when this step runs: as observed, and
    the most that earlier steps leave."""

    @property
    def account(self) -> Address:
        """Who makes the calls and receives what they yield."""
        return self.mandate.account


@dataclass(frozen=True)
class KitStep:
    """One action, compiled."""

    calls: tuple[Call, ...]
    deltas: Mapping[Address, int]
    """Per asset that the calls touch: the least signed change of the account's balance,
    in base units."""
    debts: Mapping[Address, int] = field(default_factory=dict)
    """Per debt token that the calls touch: the least signed change of the account's
    position, in base units. What is borrowed is negative, what is repaid positive."""


class Compile(Protocol):
    """Turns one action's parameters into calls. MUST be pure."""

    def __call__(self, params: BaseModel, *, context: KitContext) -> KitStep:
        """Compile; raise a `KitError` for what cannot be."""
        ...


@dataclass(frozen=True)
class Kit:
    """An action that plans may contain."""

    name: str
    """The plan's `action`; unique."""
    version: int
    """Part of the program hash; raised whenever calls, bounds, `line` or the words of a
    refusal would differ."""
    required: tuple[str, ...]
    """Observation names without which it cannot compile; one that ends with a colon
    stands for those that begin with it, as "pool:" for the pools it is used on."""
    line: str
    """One line that tells a model without a grammar of its own how to write it."""
    params: type[KitParams]
    """Model of its parameters."""
    schema: Callable[[AddressBook], dict[str, JsonValue]]
    """JSON schema of its parameters, names as enumerations of the book's."""
    permissions: Callable[[AddressBook], tuple[Permission, ...]]
    """What a mandate must allow so that its calls execute."""
    compile: Compile

    def __repr__(self) -> str:
        """Return name and version."""
        return f"Kit({self.name!r}, {self.version})"


def object_schema(
    action: str, properties: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the schema of one action; the order of properties is the model's."""
    fields = {"action": {"const": action}, **properties}
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def named_token(context: KitContext, name: str, *, what: str) -> TokenEntry:
    """Return the book's token called `name`.

    Raises:
        PlanNameUnknownError: there is none.
    """
    token = context.book.tokens.get(name)
    if token is None:
        raise PlanNameUnknownError(
            what, got=repr(name)[:80], expected=f"one of {[*context.book.tokens]}"
        )
    return token


def fresh_price(context: KitContext, name: str) -> PriceFact:
    """Return the feed's price of the token `name`, if it was fresh when observed.

    Raises:
        PlanFactMissingError: prices were not observed.
        PlanPriceStaleError: older than the feed's maximum age.
    """
    price = context.facts.prices.get(name)
    if price is None:
        raise PlanFactMissingError(
            f"price of {name}", got="none", expected="`prices` observed"
        )
    age = context.facts.timestamp - price.updated_at
    max_age = context.book.tokens[name].max_age
    if age >= max_age:
        raise PlanPriceStaleError(
            f"price of {name}", got=f"{age} s old", expected=f"under {max_age} s"
        )
    return price


def require_balance(
    context: KitContext, holder: Address, *, amount: int, what: str
) -> None:
    """Refuse to spend more than is certain to be there.

    Raises:
        PlanFactMissingError: the balance was not observed.
        PlanBalanceError: there is less than `amount` base units.
    """
    balance = context.balances.get(holder)
    if balance is None:
        raise PlanFactMissingError(
            what, got=f"no balance of {holder}", expected="`balances` observed"
        )
    if amount > balance:
        raise PlanBalanceError(
            what, got=f"{amount} base units", expected=f"at most {balance}"
        )


def share_of(context: KitContext, holder: Address, *, share_bps: int, what: str) -> int:
    """Return `share_bps` of the balance at the token contract `holder`, rounded down.

    Raises:
        PlanFactMissingError: the balance was not observed.
        PlanAmountZeroError: it comes to nothing.
    """
    balance = context.balances.get(holder)
    if balance is None:
        raise PlanFactMissingError(
            what, got=f"no balance of {holder}", expected="`balances` observed"
        )
    return positive_amount(
        balance * share_bps // BPS,
        what=what,
        got=f"{share_bps} bps of {balance} base units",
    )


def positive_amount(
    amount: int, *, what: str, got: str, bits: int = INT256_BITS
) -> int:
    """Return `amount`, if it is at least 1 base unit and fits where it goes.

    Args:
        what: what it is, for the error.
        got: what came to nothing, for the error.
        bits: how many it may have.

    Raises:
        PlanAmountZeroError: it comes to nothing.
        PlanOverflowError: no balance is that large.
    """
    if amount <= 0:
        raise PlanAmountZeroError(what, got=got, expected="at least 1 base unit")
    if amount >= 2**bits:
        expected = "int256" if bits == INT256_BITS else f"uint{bits}"
        raise PlanOverflowError(what, got=str(amount)[:90], expected=expected)
    return amount
