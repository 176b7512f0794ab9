"""Functions that people may meet in an allow-list, and what they do in plain words.

Pure. A selector is only four bytes: another contract may give the same one another
meaning, so a name here says what the function does *at the contract it belongs to*. It
decides nothing, and trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.onchain.abi import selector


@dataclass(frozen=True)
class KnownFunction:
    """A function as an owner should read it."""

    name: str
    does: str
    """What it does, after "may"."""
    caution: str = ""
    """What an owner should know before listing it; empty: nothing beyond the bounds."""
    to_others: bool = False
    """Whether its arguments can send the account's money to somebody else."""


_RECIPIENT = "the decision names who receives the proceeds"
_OWNER = "the decision names who owns the deposit"
_ANYBODYS = "the position may be anybody's"
_POSITION = "the decision names who owns the position, and no position is measured"
_OUTRIGHT = "MOVES MONEY OUT to whomever a decision names"
_TO_OTHERS = (_RECIPIENT, _OWNER, _OUTRIGHT, _ANYBODYS, _POSITION)

_FUNCTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,"
        "uint160))",
        "swap one token for another in one pool",
        _RECIPIENT,
    ),
    (
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
        "swap one token for another in one pool",
        _RECIPIENT,
    ),
    (
        "exactInput((bytes,address,uint256,uint256,uint256))",
        "swap one token for another through several pools",
        _RECIPIENT,
    ),
    (
        "exactOutputSingle((address,address,uint24,address,uint256,uint256,uint256,"
        "uint160))",
        "buy an exact amount of a token in one pool",
        _RECIPIENT,
    ),
    (
        "exactOutput((bytes,address,uint256,uint256,uint256))",
        "buy an exact amount of a token through several pools",
        _RECIPIENT,
    ),
    (
        "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,"
        "address,uint256))",
        "open a liquidity position",
        _POSITION,
    ),
    (
        "increaseLiquidity((uint256,uint256,uint256,uint256,uint256,uint256))",
        "add to a liquidity position",
        _ANYBODYS,
    ),
    (
        "decreaseLiquidity((uint256,uint128,uint256,uint256,uint256))",
        "take liquidity out of a position",
        "",
    ),
    (
        "collect((uint256,address,uint128,uint128))",
        "collect from a position",
        _RECIPIENT,
    ),
    ("burn(uint256)", "delete an emptied liquidity position", ""),
    (
        "supply(address,uint256,address,uint16)",
        "lend a token out",
        _OWNER,
    ),
    (
        "withdraw(address,uint256,address)",
        "take a lent token back",
        _RECIPIENT,
    ),
    (
        "borrow(address,uint256,uint256,uint16,address)",
        "BORROW against what is lent",
        "debts can grow; track every debt token",
    ),
    ("repay(address,uint256,uint256,address)", "pay a debt back", ""),
    ("repayWithATokens(address,uint256,uint256)", "pay a debt out of what is lent", ""),
    (
        "setUserUseReserveAsCollateral(address,bool)",
        "say whether a deposit is collateral",
        "can expose the account to liquidation",
    ),
    (
        "setUserEMode(uint8)",
        "choose the lending pool's efficiency mode",
        "can expose the account to liquidation",
    ),
    ("deposit()", "wrap the native currency", ""),
    ("withdraw(uint256)", "unwrap the native currency", ""),
    ("deposit(uint256,address)", "deposit into a vault", _OWNER),
    ("redeem(uint256,address,address)", "take money out of a vault", _RECIPIENT),
    ("transfer(address,uint256)", "transfer a token", _OUTRIGHT),
    (
        "transferFrom(address,address,uint256)",
        "transfer a token or position",
        _OUTRIGHT,
    ),
    (
        "safeTransferFrom(address,address,uint256)",
        "transfer a position",
        _OUTRIGHT,
    ),
)

KNOWN_FUNCTIONS: dict[bytes, KnownFunction] = {
    selector(signature): KnownFunction(
        name=signature.partition("(")[0],
        does=does,
        caution=caution,
        to_others=caution in _TO_OTHERS,
    )
    for signature, does, caution in _FUNCTIONS
}
"""By selector."""
