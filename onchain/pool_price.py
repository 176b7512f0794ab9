"""Uniswap v3's square root prices and ticks, as prices between two named tokens. Pure.

A pool states √(token 1 / token 0) in base units as a Q64.96 number (Uniswap v3
whitepaper, section 6.1); people mean whole quote tokens for one whole base token. Which
of the two is token 0, and their decimals, the address book says.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from math import isqrt

from affiant.onchain.address_book import AddressBook
from affiant.onchain.facts import MAX_TICK

_PRECISE = Context(prec=80)


def pool_price(name: str, sqrt_price_x96: int, *, book: AddressBook) -> Fraction:
    """Return quote tokens for one base token of the pool `name`, "base/quote".

    Args:
        sqrt_price_x96: more than 0.
    """
    ratio = Fraction(sqrt_price_x96**2, 1 << 192)
    price = ratio if _base_is_token0(name, book=book) else 1 / ratio
    return price * _scale(name, book=book)


def sqrt_price_at(name: str, price: Fraction, *, book: AddressBook) -> int:
    """Return the square root price at which the pool gives `price`, rounded down.

    Args:
        price: more than 0; the result may be out of a pool's range.
    """
    ratio = price / _scale(name, book=book)
    if not _base_is_token0(name, book=book):
        ratio = 1 / ratio
    return isqrt(int(ratio * (1 << 192)))


def tick_at(sqrt_price_x96: int) -> int:
    """Return the tick of a square root price: the price's logarithm to the base 1.0001.

    Rounded down, as Uniswap does; its `TickMath` computes with 128 bits and may differ
    by one right at a tick, which no request, plan or call depends on.
    """
    root = _PRECISE.divide(Decimal(sqrt_price_x96), Decimal(1 << 96))
    tick = _PRECISE.divide(2 * _PRECISE.ln(root), _PRECISE.ln(Decimal("1.0001")))
    whole = int(tick.to_integral_value(ROUND_FLOOR))
    return max(-MAX_TICK, min(MAX_TICK, whole))


def _base_is_token0(name: str, *, book: AddressBook) -> bool:
    base = name.partition("/")[0]
    return book.tokens[base].address == book.pool_named(name).token0


def _scale(name: str, *, book: AddressBook) -> Fraction:
    base, _, quote = name.partition("/")
    tokens = book.tokens
    return Fraction(10 ** tokens[base].decimals, 10 ** tokens[quote].decimals)
