"""The rule that the planner model is trained to imitate.

It decides one plan from one request, and reads nothing but the request: the numbers in
the objective's text and the whole percents of the portfolio. It is deliberately simple.
It is no investment advice, and the model is no better than it.

1. WETH above its band: sell back to the middle of the band.
2. WETH below its band: buy back to the middle with idle USDC if that is enough,
   otherwise withdraw what is missing from the lending market, otherwise buy with what
   there is.
3. WETH within its band and more idle USDC than the objective allows: lend down to half
   of that limit.
4. Otherwise hold.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_SLIPPAGE_BPS = 100
"""Slippage that every swap of the teacher allows, in basis points."""

SHARE_STEP_BPS = 250
"""Shares are rounded to multiples of this many basis points."""

_BAND = re.compile(r"WETH between (\d+) % and (\d+) %")
_IDLE = re.compile(r"at most (\d+) % in idle USDC")


@dataclass(frozen=True)
class Reading:
    """The numbers of a request that the rule looks at, in whole percent."""

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


def read(request: dict[str, Any]) -> Reading:
    """Read the numbers out of `request`.

    Raises:
        ValueError: the objective states no band, or WETH or USDC is missing.
    """
    band = _BAND.search(request["objective"])
    idle = _IDLE.search(request["objective"])
    shares = {
        token["token"]: token["share"] for token in request["portfolio"]["tokens"]
    }
    if band is None or not {"WETH", "USDC"} <= set(shares):
        raise ValueError(f"no band, WETH or USDC: {request['objective']!r}")
    return Reading(
        low=int(band[1]),
        high=int(band[2]),
        limit=None if idle is None else int(idle[1]),
        weth=shares["WETH"]["total"],
        weth_wallet=shares["WETH"]["wallet"],
        idle=shares["USDC"]["wallet"],
        lent=shares["USDC"]["supplied"],
        actions=tuple(request["actions"]),
    )


def teach(request: dict[str, Any]) -> dict[str, Any]:
    """Return the teacher's plan for `request`, as the plan's JSON object.

    The reason states every number before what follows from it: first what is copied
    from the request, then the comparison, then the sum. A model that writes it in that
    order has each step's operands in front of it.
    """
    seen = read(request)
    if seen.weth > seen.high:
        return _sell(seen)
    if seen.weth < seen.low:
        return _raise_weth(seen)
    inside = f"{_band(seen)}: inside"
    if seen.limit is None or "supply" not in seen.actions:
        return _plan(f"{inside}, hold.", {"action": "hold"})
    inside += f"; idle USDC is {seen.idle}%, limit {seen.limit}%"
    if seen.idle <= seen.limit:
        return _plan(f"{inside}: inside, hold.", {"action": "hold"})
    kept = seen.limit // 2
    part = seen.idle - kept
    return _plan(
        f"{inside}: above, keep {kept}%, lend {part} of {seen.idle}.",
        {
            "action": "supply",
            "asset": "USDC",
            "share_bps": share_bps(part, seen.idle),
        },
    )


def plan_text(plan: dict[str, Any]) -> str:
    """Return a plan in the one spelling that the grammar allows: no whitespace."""
    return json.dumps(plan, separators=(",", ":"))


def share_bps(part: int, whole: int, *, up: bool = False) -> int:
    """Return part / whole in basis points, to the nearest step, halves up.

    Args:
        part: percent of the portfolio to move.
        whole: percent of the portfolio that it is taken from.
        up: round up to the next step instead.
    """
    if whole <= 0 or part >= whole:
        return 10_000
    scaled, unit = 10_000 * part, SHARE_STEP_BPS * whole
    steps = -(-scaled // unit) if up else (2 * scaled + unit) // (2 * unit)
    return min(10_000, max(SHARE_STEP_BPS, steps * SHARE_STEP_BPS))


def _band(seen: Reading) -> str:
    return f"WETH is {seen.weth}%, band {seen.low}-{seen.high}%"


def _sell(seen: Reading) -> dict[str, Any]:
    middle = (seen.low + seen.high) // 2
    part = seen.weth - middle
    return _plan(
        f"{_band(seen)}: above, aim {middle}%, sell {part} of {seen.weth_wallet}.",
        _swap("WETH", "USDC", share_bps(part, seen.weth_wallet)),
    )


def _raise_weth(seen: Reading) -> dict[str, Any]:
    middle = (seen.low + seen.high) // 2
    part = middle - seen.weth
    wish = (
        f"{_band(seen)}: below, aim {middle}%, buy {part}; "
        f"idle USDC is {seen.idle}%, lent {seen.lent}%"
    )
    if part <= seen.idle:
        return _plan(
            f"{wish}: enough, sell {part} of {seen.idle}.",
            _swap("USDC", "WETH", share_bps(part, seen.idle)),
        )
    if seen.lent > 0 and "withdraw" in seen.actions:
        # One percent more than is missing, so that rounding does not leave it short.
        missing = part - seen.idle + 1
        return _plan(
            f"{wish}: short, withdraw {missing} of {seen.lent}.",
            {
                "action": "withdraw",
                "asset": "USDC",
                "share_bps": share_bps(missing, seen.lent, up=True),
            },
        )
    if seen.idle > 0:
        return _plan(f"{wish}: short, sell all.", _swap("USDC", "WETH", 10_000))
    return _plan(f"{wish}: none, hold.", {"action": "hold"})


def _swap(sell: str, buy: str, share: int) -> dict[str, Any]:
    return {
        "action": "swap",
        "sell": sell,
        "buy": buy,
        "share_bps": share,
        "max_slippage_bps": MAX_SLIPPAGE_BPS,
    }


def _plan(why: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"why": why, "actions": [action]}
