"""What a backtest's account begins with: balances, positions, and its mandate's terms.

It decides what a file says and refuses the rest. Amounts are whole tokens as text, so
that no float comes near money.

    format = "affiant-opening/1"
    vault = false                 # deploy the ERC-4626 vault `vUSDC` too

    [balances]
    WETH = "6"
    USDC = "10000"

    [terms]
    max_loss = "250"              # most that one decision may lose, dollars
    limit = "1000000000"          # outflow that the node's signature alone is good for

    [[positions]]                 # taken by the owner before the first slot, in order
    action = "supply"             # supply or borrow at Aave, deposit into the vault
    asset = "WETH"
    amount = "4"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from affiant.agents.backtest.errors import OpeningError
from affiant.agents.settings.config_file import parse_toml
from affiant.onchain.mandate import VALUE_DECIMALS

if TYPE_CHECKING:
    from affiant.agents.backtest.stage import OpenedAccount

Hook = Callable[["OpenedAccount"], None]
"""Given each account (the agent's, and the one that holds) once it is funded."""

Kind = Literal["supply", "borrow", "deposit"]

DEFAULT_BALANCES: Mapping[str, Decimal] = {
    "WETH": Decimal(6),
    "USDC": Decimal(10_000),
}
"""What the account holds unless it is said."""

MAX_LOSS = 250 * 10**VALUE_DECIMALS
"""Most that one decision may lose at feed prices, unless it is said; a value."""

LIMIT = 10**9 * 10**VALUE_DECIMALS
"""Outflow that a signature alone is good for, unless it is said. A backtest has neither
endorsers nor checkpoints: a lower one ends a long run, which can be what is tested."""

_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,18})?")

Amount = Annotated[str, Field(pattern=rf"^{_AMOUNT.pattern}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.]{0,15}$")]


@dataclass(frozen=True)
class Position:
    """One thing that the owner does before the first slot."""

    action: Kind
    asset: str
    """Name of the token that is lent, borrowed or deposited."""
    amount: Decimal
    """Whole tokens."""


@dataclass(frozen=True)
class Opening:
    """What the account begins with."""

    balances: Mapping[str, Decimal] = field(
        default_factory=lambda: dict(DEFAULT_BALANCES)
    )
    """Whole tokens by name; "ETH" is the chain's native currency."""
    positions: tuple[Position, ...] = ()
    vault: bool = False
    """Whether the chain has the ERC-4626 vault `vUSDC`, and a reader of native
    balances; every token of the chain's book is shown to the model."""
    max_loss: int = MAX_LOSS
    """Most that one decision may lose at feed prices, a value."""
    limit: int = LIMIT
    """Unaudited outflow that a signature alone is good for, a value."""
    hook: Hook | None = None
    """Called for each account after its positions, from Python alone."""

    def with_balances(self, texts: Mapping[str, str]) -> Opening:
        """Return it with other balances.

        Raises:
            OpeningError: an amount is none.
        """
        balances = {name: parse_amount(text, what=name) for name, text in texts.items()}
        return replace(self, balances=balances)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PositionSection(_Section):
    """One `[[positions]]`."""

    action: Kind
    asset: Name
    amount: Amount


class TermsSection(_Section):
    """`[terms]`."""

    max_loss: Amount = "250"
    limit: Amount = "1000000000"


class OpeningFile(_Section):
    """The whole file."""

    format: Literal["affiant-opening/1"]
    vault: bool = False
    balances: dict[Name, Amount]
    terms: TermsSection = TermsSection()
    positions: Annotated[tuple[PositionSection, ...], Field(strict=False)] = ()


def parse_opening(data: bytes, *, file: str) -> Opening:
    """Read an opening's TOML.

    Raises:
        ConfigFileError: it is no TOML, or not what is expected; says where.
        OpeningError: a value is too fine.
    """
    read = parse_toml(data, file=file, model=OpeningFile, environment={})
    return Opening(
        balances={name: Decimal(text) for name, text in read.balances.items()},
        positions=tuple(
            Position(item.action, item.asset, Decimal(item.amount))
            for item in read.positions
        ),
        vault=read.vault,
        max_loss=parse_value(read.terms.max_loss, what="terms.max_loss"),
        limit=parse_value(read.terms.limit, what="terms.limit"),
    )


def parse_amount(text: str, *, what: str) -> Decimal:
    """Return an amount of whole tokens.

    Raises:
        OpeningError: it is none.
    """
    if not _AMOUNT.fullmatch(text):
        raise OpeningError(
            f"amount of {what}", got=ascii(text)[:80], expected="plain digits, as 2.5"
        )
    return Decimal(text)


def parse_value(text: str, *, what: str) -> int:
    """Return dollars as a value of `VALUE_DECIMALS` decimals.

    Raises:
        OpeningError: it is none, or finer than a value.
    """
    scaled = parse_amount(text, what=what).scaleb(VALUE_DECIMALS)
    if scaled != int(scaled):
        raise OpeningError(
            what, got=text[:80], expected=f"at most {VALUE_DECIMALS} decimals"
        )
    return int(scaled)
