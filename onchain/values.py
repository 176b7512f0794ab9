"""What changes of an account are worth, as the gate counts it. Pure.

The twin of `contracts/Values.sol`: a value has 8 decimals of the feeds' quote currency,
and rounding is always against the decision: losses up, gains down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from affiant.onchain.mandate import VALUE_DECIMALS, Feed, Mandate

Answer = Callable[[Feed], int]
"""Returns a feed's answer, with the feed's decimals; may raise."""


def value_of_changes(
    mandate: Mandate, changes: Sequence[int], *, answer: Answer
) -> int:
    """Return Σ price · change over the tracked entries; a debt's rise is negative.

    Args:
        changes: base units, one per tracked entry. Bounds with gains left out give the
            value at risk, negative.
        answer: asked for feeds of entries that change only.
    """
    total = 0
    for entry, change in zip(mandate.tracked, changes, strict=True):
        if change:
            feed = mandate.feeds[entry.feed]
            scale: int = 10 ** (entry.decimals + feed.decimals)
            # Rounded down: a loss is negative, so that it grows.
            total += change * answer(feed) * 10**VALUE_DECIMALS // scale
    return total
