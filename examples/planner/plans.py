"""What the teacher's rules have in common: shares, plans and their one spelling."""

from __future__ import annotations

import json
from typing import Any, Literal

MAX_SLIPPAGE_BPS = 100
"""Slippage that every swap of the teacher allows, in basis points."""

VAULT_SLIPPAGE_BPS = 50
"""How far a vault's rate may be off its feed, in basis points."""

SHARE_STEP_BPS = 250
"""Shares that are computed are multiples of this many basis points."""

Rounding = Literal["nearest", "up", "down"]
"""How a share is brought to a step; the nearest takes halves up."""


def plan_text(plan: dict[str, Any]) -> str:
    """Return a plan in the one spelling that the grammar allows: no whitespace."""
    return json.dumps(plan, separators=(",", ":"))


def share_bps(part: int, whole: int, *, rounding: Rounding = "nearest") -> int:
    """Return part / whole in basis points, in steps, at least one step.

    Args:
        part: percent of the portfolio to move.
        whole: percent of the portfolio that it is taken from.
        rounding: to which step.
    """
    if whole <= 0 or part >= whole:
        return 10_000
    scaled, unit = 10_000 * part, SHARE_STEP_BPS * whole
    if rounding == "up":
        steps = -(-scaled // unit)
    elif rounding == "down":
        steps = scaled // unit
    else:
        steps = (2 * scaled + unit) // (2 * unit)
    return min(10_000, max(SHARE_STEP_BPS, steps * SHARE_STEP_BPS))


def one_action(why: str, action: dict[str, Any]) -> dict[str, Any]:
    """Return a plan of one action."""
    return {"why": why, "actions": [action]}


def hold(why: str) -> dict[str, Any]:
    """Return the plan to do nothing."""
    return one_action(why, {"action": "hold"})


def move(why: str, name: str, asset: str, share: int) -> dict[str, Any]:
    """Return a plan that supplies, withdraws or repays a share of `asset`."""
    return one_action(why, {"action": name, "asset": asset, "share_bps": share})


def swap(why: str, sell: str, buy: str, share: int) -> dict[str, Any]:
    """Return a plan that sells a share of `sell`."""
    action = {
        "action": "swap",
        "sell": sell,
        "buy": buy,
        "share_bps": share,
        "max_slippage_bps": MAX_SLIPPAGE_BPS,
    }
    return one_action(why, action)


def vault(why: str, name: str, share: int) -> dict[str, Any]:
    """Return a plan that deposits into the vault, or redeems from it."""
    action = {
        "action": name,
        "vault": "vUSDC",
        "share_bps": share,
        "max_slippage_bps": VAULT_SLIPPAGE_BPS,
    }
    return one_action(why, action)
