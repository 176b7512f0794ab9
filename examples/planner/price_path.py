"""The demo's prices and first portfolio: one WETH price per slot.

Fixed, so that a run can be compared with the last one. The path rises, falls twice and
recovers. Its prices were picked so that one percent more or less of any share changes
no action, neither the teacher's nor the committed model's (tests say so): fees and
interest do not decide what is done. It is a stage, not a measurement of the model; for
that see MODEL_CARD.md. Plain data.
"""

from __future__ import annotations

OBJECTIVE = (
    "Keep WETH between 55 % and 65 % of the portfolio; keep at most 15 % in idle "
    "USDC and lend the rest; prefer few, small trades."
)
"""Objective of `examples/rebalancer.py`."""

START = {"WETH": "6", "USDC": "10000", "WBTC": "0"}
"""What the account holds before the first slot, in whole tokens; nothing is lent."""

WETH_PRICES = (2500, 2550, 4200, 4200, 4000, 2650, 2650, 2700, 1800, 1800, 1900, 3100)
"""Dollars per WETH at the anchor of each slot; USDC stays at one dollar."""

ACTIONS = (
    ("supply", None),
    ("hold", None),
    ("swap", "WETH"),
    ("supply", None),
    ("hold", None),
    ("withdraw", None),
    ("swap", "USDC"),
    ("hold", None),
    ("withdraw", None),
    ("swap", "USDC"),
    ("hold", None),
    ("swap", "WETH"),
)
"""What the path calls for in each slot: the action, and what a swap sells."""
