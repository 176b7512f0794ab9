"""What to offer for a transaction (EIP-1559), and never more than our limit.

Pure. It decides an offer from what recent blocks took, and how an offer is raised that
was too low. The numbers are an endpoint's words, which may be a lie: a lie makes us
offer too little, and the transaction waits, or more than needed, up to the limits.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from affiant.onchain.chain_types import FeeHistory, Fees
from affiant.onchain.errors import FeeTooHighError

MAX_FEES = Fees(max_fee=2_000 * 10**9, priority_fee=100 * 10**9)
"""Most that is ever offered, unless the caller says otherwise.

What is paid of a priority fee is burnt by whoever believes a lying endpoint: at 100
gwei, a decision of a million gas costs 0.1 ether at the worst. Ethereum's base fee has
never reached 1 000 gwei for long, and an offer is twice the base fee.
"""

MIN_PRIORITY_FEE = 1
"""Wei per gas offered to the proposer where recent blocks took nothing."""

FEE_BLOCKS = 10
"""Recent blocks whose tips count."""

TIP_PERCENTILE = 50
"""Of the gas of each of those blocks: the tip that half of it paid."""

RAISE_NUMERATOR, RAISE_DENOMINATOR = 9, 8
"""A replacement offers an eighth more, of both fees. go-ethereum asks for a tenth more
(its `--txpool.pricebump`), Nethermind and others for an eighth."""


def offer(*, next_base_fee: int, tips: Sequence[int], limit: Fees = MAX_FEES) -> Fees:
    """Return an offer that holds while the base fee doubles, or up to the limit.

    Args:
        next_base_fee: of the block after the newest, wei per gas.
        tips: of recent blocks, wei per gas.
        limit: most that is offered.

    Raises:
        FeeTooHighError: the tip is above the limit, or the limit would not even pay the
            base fee of the block after the next: nobody should send anything now.
    """
    paid = [tip for tip in tips if tip]
    tip = max(int(statistics.median_low(paid)) if paid else 0, MIN_PRIORITY_FEE)
    if tip > limit.priority_fee:
        raise FeeTooHighError("priority fee", got=tip, limit=limit.priority_fee)
    # A full block raises the base fee by an eighth.
    least = next_base_fee + next_base_fee // 8 + tip
    if least > limit.max_fee:
        raise FeeTooHighError("max fee", got=least, limit=limit.max_fee)
    return Fees(max_fee=min(2 * next_base_fee + tip, limit.max_fee), priority_fee=tip)


def offer_from(history: FeeHistory, *, limit: Fees = MAX_FEES) -> Fees:
    """Return `offer` for a fee history.

    Raises:
        FeeTooHighError: as `offer`.
    """
    return offer(next_base_fee=history.next_base_fee, tips=history.tips, limit=limit)


def raised(fees: Fees, *, market: Fees, limit: Fees = MAX_FEES) -> Fees:
    """Return the offer of a transaction that replaces one which offered `fees`.

    Both fees are an eighth above the old ones, or the market's where that is more.

    Args:
        market: what a new transaction would offer.

    Raises:
        FeeTooHighError: no replacement is possible under the limit.
    """
    tip = max(_raised(fees.priority_fee), market.priority_fee)
    most = max(_raised(fees.max_fee), market.max_fee, tip)
    for what, got, allowed in (
        ("priority fee", tip, limit.priority_fee),
        ("max fee", most, limit.max_fee),
    ):
        if got > allowed:
            raise FeeTooHighError(what, got=got, limit=allowed)
    return Fees(max_fee=most, priority_fee=tip)


def _raised(fee: int) -> int:
    return -(-fee * RAISE_NUMERATOR // RAISE_DENOMINATOR)
