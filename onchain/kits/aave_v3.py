"""Calldata for Aave v3's `Pool`. Pure.

Source: aave-core-v3 1.19.3, `IPool.sol`.
"""

from __future__ import annotations

from eth_abi.abi import encode

from affiant.encoding import keccak256
from affiant.onchain.mandate import Address

SUPPLY = keccak256(b"supply(address,uint256,address,uint16)")[:4]
"""Selector."""

BORROW = keccak256(b"borrow(address,uint256,uint256,uint16,address)")[:4]
"""Selector."""

REPAY = keccak256(b"repay(address,uint256,uint256,address)")[:4]
"""Selector."""

VARIABLE_RATE = 2
"""Interest rate mode of variable debt; stable debt is not served here."""

WITHDRAW = keccak256(b"withdraw(address,uint256,address)")[:4]
"""Selector."""


def supply(*, asset: Address, amount: int, on_behalf_of: Address) -> bytes:
    """Return calldata that supplies `amount` base units and mints aTokens."""
    return SUPPLY + encode(
        ["address", "uint256", "address", "uint16"], [asset, amount, on_behalf_of, 0]
    )


def withdraw(*, asset: Address, amount: int, to: Address) -> bytes:
    """Return calldata that withdraws exactly `amount` base units.

    Raises:
        ValueError: the greatest amount, which Aave reads as "everything".
    """
    if amount == 2**256 - 1:
        raise ValueError("withdraw: expected an exact amount")
    return WITHDRAW + encode(["address", "uint256", "address"], [asset, amount, to])


def borrow(*, asset: Address, amount: int, on_behalf_of: Address) -> bytes:
    """Return calldata that borrows exactly `amount` base units at the variable rate."""
    return BORROW + encode(
        ["address", "uint256", "uint256", "uint16", "address"],
        [asset, amount, VARIABLE_RATE, 0, on_behalf_of],
    )


def repay(*, asset: Address, amount: int, on_behalf_of: Address) -> bytes:
    """Return calldata that repays at most `amount` base units of variable debt.

    Raises:
        ValueError: the greatest amount, which Aave reads as "everything".
    """
    if amount == 2**256 - 1:
        raise ValueError("repay: expected an exact amount")
    return REPAY + encode(
        ["address", "uint256", "uint256", "address"],
        [asset, amount, VARIABLE_RATE, on_behalf_of],
    )
