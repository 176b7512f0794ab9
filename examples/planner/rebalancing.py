"""The rebalancer's rule: what the model is to plan, and made-up portfolios for it.

1. WETH above its band: sell back to the middle of the band.
2. WETH below its band: buy back to the middle with idle USDC if that is enough,
   otherwise withdraw what is missing from the lending market, otherwise buy with what
   there is.
3. WETH within its band and more idle USDC than the objective allows: lend down to half
   of that limit.
4. Otherwise hold.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from plans import hold, move, share_bps, swap
from reading import Request, numbers_of, share

from affiant.agents import Hold, Rebalancer, Swap

ACTIONS = tuple(kit.name for kit in Rebalancer.actions)
"""Actions of an agent that swaps and lends, in the order of its class."""

LENDING_WORDS = Rebalancer.words.format(
    asset="WETH", cash="USDC", low="{low}", high="{high}", idle="{idle}"
)
"""Its objective."""

SWAP_WORDS = (
    "Keep WETH between {low} % and {high} % of the portfolio; prefer few, small trades."
)
"""Objective of one that only swaps."""

SWAP_ACTIONS = (Swap.name, Hold.name)
"""Actions of one that only swaps."""

BRANCHES = ("hold", "sell", "buy", "withdraw", "supply")
"""Classes of its plans."""


@dataclass(frozen=True)
class Reading:
    """The numbers that the rule looks at, in whole percent."""

    low: int
    high: int
    """Band that WETH is to stay in; both ends are inside."""
    limit: int | None
    """Most idle USDC allowed; None where the objective does not say."""
    weth: int
    """Share of WETH, wallet and lent."""
    weth_wallet: int
    idle: int
    """Share of USDC in the wallet."""
    lent: int
    """Share of USDC that is lent."""
    actions: tuple[str, ...]
    """Actions that the program has."""


def read(request: Request) -> Reading:
    """Read the numbers out of `request`.

    Raises:
        ValueError: the objective is not worded as the agents word it.
    """
    lends = "supply" in request["actions"] or " idle " in request["objective"]
    words = LENDING_WORDS if lends else SWAP_WORDS
    numbers = numbers_of(request["objective"], words)
    return Reading(
        low=numbers["low"],
        high=numbers["high"],
        limit=numbers.get("idle"),
        weth=share(request, "WETH", "total"),
        weth_wallet=share(request, "WETH", "wallet"),
        idle=share(request, "USDC", "wallet"),
        lent=share(request, "USDC", "supplied"),
        actions=tuple(request["actions"]),
    )


def decide(seen: Reading) -> dict[str, Any]:
    """Return the plan for what was read."""
    if seen.weth > seen.high:
        return _sell(seen)
    if seen.weth < seen.low:
        return _raise_weth(seen)
    inside = f"{_band(seen)}: inside"
    if seen.limit is None or "supply" not in seen.actions:
        return hold(f"{inside}, hold.")
    inside += f"; idle USDC is {seen.idle}%, limit {seen.limit}%"
    if seen.idle <= seen.limit:
        return hold(f"{inside}: inside, hold.")
    kept = seen.limit // 2
    part = seen.idle - kept
    return move(
        f"{inside}: above, keep {kept}%, lend {part} of {seen.idle}.",
        "supply",
        "USDC",
        share_bps(part, seen.idle),
    )


def draw_shares(
    rng: random.Random, low: int, high: int, limit: int, *, lends: bool
) -> tuple[int, int, int, int] | None:
    """Draw WETH, idle USDC, lent USDC and the rest in percent; None if it cannot be.

    Each branch of the rule is about as frequent, many of them right at a limit.
    """
    branch = rng.choice(BRANCHES if lends else BRANCHES[:3])
    other = rng.choice((0, 0, 0, rng.randint(1, 15)))
    reach = rng.choice((2, 8, 25))
    if branch == "sell":
        weth = high + rng.randint(1, reach)
    elif branch in ("buy", "withdraw"):
        weth = low - rng.randint(1, reach)
    elif rng.random() < 0.3:
        weth = rng.choice((low, low + 1, high - 1, high))
    else:
        weth = rng.randint(low, high)
    rest = 100 - other - weth
    if weth < 0 or rest < 0:
        return None
    need = (low + high) // 2 - weth
    least, most = {
        "hold": (0, limit if lends else rest),
        "sell": (0, rest),
        "buy": (need if rng.random() < 0.9 else 0, rest),
        "withdraw": (0, need - 1),
        "supply": (limit + 1, rest),
    }[branch]
    most = min(most, rest)
    if least > most:
        return None
    near = rng.random() < 0.3
    if branch in ("hold", "withdraw"):
        least = max(least, most - 3) if near else least
    elif branch in ("buy", "supply"):
        most = min(most, least + 3) if near else most
    idle = rng.randint(least, most) if lends else rest
    return weth, idle, rest - idle, other


def _band(seen: Reading) -> str:
    return f"WETH is {seen.weth}%, band {seen.low}-{seen.high}%"


def _sell(seen: Reading) -> dict[str, Any]:
    middle = (seen.low + seen.high) // 2
    part = seen.weth - middle
    return swap(
        f"{_band(seen)}: above, aim {middle}%, sell {part} of {seen.weth_wallet}.",
        "WETH",
        "USDC",
        share_bps(part, seen.weth_wallet),
    )


def _raise_weth(seen: Reading) -> dict[str, Any]:
    middle = (seen.low + seen.high) // 2
    part = middle - seen.weth
    wish = (
        f"{_band(seen)}: below, aim {middle}%, buy {part}; "
        f"idle USDC is {seen.idle}%, lent {seen.lent}%"
    )
    if part <= seen.idle:
        return swap(
            f"{wish}: enough, sell {part} of {seen.idle}.",
            "USDC",
            "WETH",
            share_bps(part, seen.idle),
        )
    if seen.lent > 0 and "withdraw" in seen.actions:
        # One percent more than is missing, so that rounding does not leave it short.
        missing = part - seen.idle + 1
        return move(
            f"{wish}: short, withdraw {missing} of {seen.lent}.",
            "withdraw",
            "USDC",
            share_bps(missing, seen.lent, rounding="up"),
        )
    if seen.idle > 0:
        return swap(f"{wish}: short, sell all.", "USDC", "WETH", 10_000)
    return hold(f"{wish}: none, hold.")
