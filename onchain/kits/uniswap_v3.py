"""Calldata for Uniswap v3's `SwapRouter`. Pure.

Source: v3-periphery 1.4.4, `ISwapRouter.sol`. This router's parameters carry a
deadline; `SwapRouter02` has another signature and is not served here.
"""

from __future__ import annotations

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
