"""Calldata for Uniswap v3's `SwapRouter`. Pure.

Source: v3-periphery 1.4.4, `ISwapRouter.sol`. This router's parameters carry a
deadline; `SwapRouter02` has another signature and is not served here.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode

from affiant.encoding import keccak256
from affiant.onchain.mandate import Address

EXACT_INPUT_SINGLE_ABI = (
    "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
)
"""tokenIn, tokenOut, fee, recipient, deadline, amountIn, amountOutMinimum,
sqrtPriceLimitX96."""

EXACT_INPUT_SINGLE = keccak256(f"exactInputSingle({EXACT_INPUT_SINGLE_ABI})".encode())[
    :4
]
"""Selector."""

EXACT_INPUT_ABI = "(bytes,address,uint256,uint256,uint256)"
"""path, recipient, deadline, amountIn, amountOutMinimum."""

EXACT_INPUT = keccak256(f"exactInput({EXACT_INPUT_ABI})".encode())[:4]
"""Selector."""

EXACT_OUTPUT_ABI = "(bytes,address,uint256,uint256,uint256)"
"""path from what is bought back to what is sold, recipient, deadline, amountOut,
amountInMaximum."""

EXACT_OUTPUT = keccak256(f"exactOutput({EXACT_OUTPUT_ABI})".encode())[:4]
"""Selector."""


def exact_input_single(
    *,
    token_in: Address,
    token_out: Address,
    fee: int,
    recipient: Address,
    deadline: int,
    amount_in: int,
    amount_out_minimum: int,
) -> bytes:
    """Return calldata that sells exactly `amount_in` in one pool.

    There is no price limit, so that the whole amount is sold or nothing is.

    Args:
        fee: the pool's, in hundredths of a basis point.
        deadline: unix seconds, inclusive.
        amount_in: base units of `token_in`.
        amount_out_minimum: base units of `token_out`.
    """
    values = (
        token_in,
        token_out,
        fee,
        recipient,
        deadline,
        amount_in,
        amount_out_minimum,
        0,
    )
    return EXACT_INPUT_SINGLE + encode([EXACT_INPUT_SINGLE_ABI], [values])


def exact_input(
    *,
    path: Sequence[Address | int],
    recipient: Address,
    deadline: int,
    amount_in: int,
    amount_out_minimum: int,
) -> bytes:
    """Return calldata that sells exactly `amount_in` along `path`.

    Args:
        path: token, fee, token, ..., in the order of trading.
        deadline: unix seconds, inclusive.
    """
    values = (packed(path), recipient, deadline, amount_in, amount_out_minimum)
    return EXACT_INPUT + encode([EXACT_INPUT_ABI], [values])


def exact_output(
    *,
    path: Sequence[Address | int],
    recipient: Address,
    deadline: int,
    amount_out: int,
    amount_in_maximum: int,
) -> bytes:
    """Return calldata that buys exactly `amount_out` along `path`.

    Args:
        path: token, fee, token, ..., in the order of trading; the router reads it
            backwards, and is given it so.
        deadline: unix seconds, inclusive.
    """
    values = (packed(path[::-1]), recipient, deadline, amount_out, amount_in_maximum)
    return EXACT_OUTPUT + encode([EXACT_OUTPUT_ABI], [values])


def packed(path: Sequence[Address | int]) -> bytes:
    """Return tokens (20 bytes) and fees (3 bytes) as v3-periphery's `Path` does."""
    return b"".join(
        step.to_bytes(3, "big") if isinstance(step, int) else bytes.fromhex(step[2:])
        for step in path
    )


def unpacked(path: bytes) -> list[bytes]:
    """Return the tokens of a packed path, 20 bytes each.

    Raises:
        ValueError: another length than tokens and fees come to.
    """
    if len(path) < 43 or (len(path) - 20) % 23:
        raise ValueError(f"{len(path)} bytes are no path")
    return [path[at : at + 20] for at in range(0, len(path), 23)]
