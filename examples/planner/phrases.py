"""Other words for the agents' objectives, some to train on and some to be asked about.

The model is trained on each agent's own words and on these. `HELD_OUT` words are for
measuring only: none of their sentences is ever trained on. Every wording states the
same numbers and means the same rule; the teacher always reads the agent's own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

SEPARATORS = ("; ", ". ", ", and ")
"""What stands between two parts of an objective."""

Parts = tuple[tuple[str, ...], ...]
"""Per part of an objective, its wordings."""

TRAINED: Mapping[str, Parts] = {
    "rebalancer": (
        (
            "Keep WETH between {low} % and {high} % of the portfolio",
            "Keep WETH from {low} % to {high} % of everything",
            "Hold between {low} % and {high} % of the money in WETH",
            "Hold at least {low} % WETH and at most {high} %",
            "Hold at most {high} % WETH and at least {low} %",
            "The share of WETH should be between {low} and {high} percent",
            "The share of WETH should stay above {low} % and below {high} %",
            "WETH should never be less than {low} % or more than {high} %",
            "Do not let WETH fall under {low} % or rise over {high} %",
            "Sell WETH above {high} % of the portfolio and buy it below {low} %",
            "Buy WETH below {low} % of the portfolio and sell it above {high} %",
            "From {low} to {high} percent of the portfolio may be WETH",
        ),
        (
            "keep at most {idle} % in idle USDC and lend the rest",
            "no more than {idle} % is to be idle USDC",
            "lend USDC when more than {idle} % of it is idle",
            "USDC that is not lent should be less than {idle} %",
            "up to {idle} % may stay in the wallet as USDC, the rest is lent",
            "idle USDC over {idle} % should be lent",
            "do not keep more than {idle} percent in USDC that earns nothing",
            "leave {idle} % USDC idle at most",
        ),
        (
            "prefer few, small trades",
            "trade little",
            "do not trade more than needed",
            "trade as seldom as you can",
            "",
        ),
    ),
    "swapper": (
        (
            "Keep WETH between {low} % and {high} % of the portfolio",
            "Keep WETH from {low} % to {high} % of everything",
            "Hold between {low} % and {high} % of the money in WETH",
            "The share of WETH should be between {low} and {high} percent",
            "Do not let WETH fall under {low} % or rise over {high} %",
        ),
        ("prefer few, small trades", "trade little", ""),
    ),
    "yield rotator": (
        (
            "Earn on USDC in Aave or in the vault vUSDC",
            "Put USDC where it earns more, Aave or vUSDC",
            "Lend USDC to Aave or deposit it in vUSDC",
            "Rotate USDC between Aave and the vault",
            "Make USDC earn interest, in Aave or in the vault vUSDC",
        ),
        (
            "move to the one that pays at least {margin} bps more",
            "change only for {margin} bps more",
            "move when the other earns {margin} bps more than this",
            "a difference under {margin} bps is no reason to move",
            "the better one must lead by {margin} bps or more",
            "stay unless the other pays {margin} bps more",
        ),
        (
            "keep at most {most} % in the vault",
            "no more than {most} % may be in the vault",
            "the vault should hold up to {most} % of the portfolio",
            "never put more than {most} percent into vUSDC",
            "the vault is for {most} % of the money at most",
        ),
        (
            "at most {idle} % idle",
            "keep no more than {idle} % idle",
            "less than {idle} % of USDC should be idle",
            "place what is idle above {idle} %",
            "up to {idle} percent may stay in the wallet",
        ),
    ),
    "loan guardian": (
        (
            "Keep the loan at or under {limit} % of where Aave liquidates it",
            "Owe no more than {limit} % of what Aave liquidates at",
            "The loan should never be over {limit} percent of its liquidation",
            "Do not let what is owed rise over {limit} % of the limit of Aave",
            "At most {limit} % of the liquidation may be owed",
            "Guard the loan: {limit} % of the liquidation is the most",
        ),
        (
            "above that, repay down to {aim} %",
            "if it is more, repay until {aim} % is owed",
            "repay to {aim} % when it is above",
            "then bring it back to {aim} percent",
            "a repayment should leave {aim} % owed",
        ),
        (
            "use the USDC in the wallet, and without any lend the WETH in the wallet",
            "pay with USDC, or lend WETH when there is none",
            "take USDC first; no USDC left means to lend WETH",
            "",
        ),
    ),
    "dollar-cost averager": (
        (
            "Buy WETH with USDC whenever a buy is due",
            "When a buy is due, buy WETH with USDC",
            "Spend a portion of USDC on WETH each time that one is due",
            "Buy WETH a little at a time, as often as due says",
            "Average into WETH: buy a portion when due",
        ),
        (
            "wait while the pool is more than {limit} bps from the feed",
            "do not buy when the pool is over {limit} bps off",
            "the pool may be {limit} bps from the feed at most",
            "no more than {limit} bps between pool and feed, or wait",
            "only while the pool is within {limit} bps of the feed",
        ),
    ),
}
"""Wordings that the model is trained on."""

HELD_OUT: Mapping[str, Parts] = {
    "rebalancer": (
        (
            "Between {low} % and {high} % of the money should be WETH",
            "WETH is to make up {low} to {high} percent of the portfolio",
            "Keep the WETH share over {low} % and under {high} %",
        ),
        (
            "no more than {idle} % may be USDC that is not lent",
            "lend all USDC but {idle} %",
            "at most {idle} % of the portfolio is USDC in the wallet",
        ),
        ("do not trade much", "rather trade too little than too much"),
    ),
    "swapper": (
        (
            "Between {low} % and {high} % of the money should be WETH",
            "WETH is to make up {low} to {high} percent of the portfolio",
        ),
        ("do not trade much",),
    ),
    "yield rotator": (
        (
            "Keep USDC earning in Aave or vUSDC",
            "USDC goes to the vault or to Aave, whichever earns more",
        ),
        (
            "only move for at least {margin} bps",
            "what is {margin} bps better is worth a move",
        ),
        (
            "the most that the vault may hold is {most} %",
            "of the portfolio, {most} % at most goes into the vault",
        ),
        (
            "not more than {idle} % lies idle",
            "idle USDC is at most {idle} %",
        ),
    ),
    "loan guardian": (
        (
            "Never owe more than {limit} % of the liquidation limit",
            "Keep what is owed within {limit} percent of where it is liquidated",
        ),
        (
            "above, repay until it is {aim} %",
            "when over, the aim of a repayment is {aim} %",
        ),
        (
            "repay with USDC from the wallet, or lend the WETH there",
            "without USDC, lend WETH",
        ),
    ),
    "dollar-cost averager": (
        (
            "Each time a buy is due, put USDC into WETH",
            "Buy a portion of WETH when one is due",
        ),
        (
            "if the pool is further than {limit} bps from the feed, wait",
            "buy only with pool and feed within {limit} bps",
        ),
    ),
}
"""Wordings that are never trained on."""


def worded(
    agent: str, numbers: Mapping[str, int], *, among: Mapping[str, Parts], seed: str
) -> str:
    """Return an objective of `agent` in other words.

    Args:
        agent: whose, or `swapper` for a rebalancer that only swaps.
        numbers: what the braces stand for.
        among: the wordings to draw from.
        seed: the same seed draws the same words.
    """
    rng = random.Random(f"affiant words {seed}")
    chosen = [rng.choice(part) for part in among[agent]]
    between = rng.choice(SEPARATORS)
    text = between.join(part for part in chosen if part)
    if between == ". ":
        text = ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))
    # Numbers are written with and without a blank before the sign.
    if rng.random() < 0.3:
        text = text.replace("} %", "}%")
    return text.format(**numbers) + rng.choice((".", ".", ""))
