"""The yield rotator's rule: what the model is to plan.

1. More in the vault than the objective allows: redeem what is over.
2. The vault leads by the margin: put idle USDC into the vault as far as there is room,
   otherwise withdraw from Aave for it.
3. Aave leads by the margin: lend idle USDC, otherwise redeem everything.
4. Neither: lend idle USDC; what is placed stays.
5. Otherwise hold. Less than the limit of idle USDC is never moved for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plans import hold, move, share_bps, vault
from reading import Request, feature, numbers_of, share

from affiant.agents import YieldRotator

ACTIONS = tuple(kit.name for kit in YieldRotator.actions)
"""Actions of the agent, in the order of its class."""

WORDS = YieldRotator.words.format(
    cash="USDC", vault="vUSDC", margin="{margin}", most="{most}", idle="{idle}"
)
"""Its objective."""

BRANCHES = ("hold", "supply", "withdraw", "deposit", "redeem")
"""Classes of its plans."""


@dataclass(frozen=True)
class Reading:
    """The numbers that the rule looks at."""

    margin: int
    """Least lead that is acted on, in basis points."""
    most: int
    """Most of the portfolio in the vault, in percent."""
    limit: int
    """Most idle USDC, in percent of the portfolio."""
    lead: int
    """By how many basis points the vault leads, -100 to 100."""
    idle: int
    lent: int
    vault: int
    """Shares of the portfolio, in percent."""


def read(request: Request) -> Reading:
    """Read the numbers out of `request`.

    Raises:
        ValueError: the objective is not worded as the agent words it.
    """
    numbers = numbers_of(request["objective"], WORDS)
    return Reading(
        margin=numbers["margin"],
        most=numbers["most"],
        limit=numbers["idle"],
        lead=feature(request, "vault_lead"),
        idle=share(request, "USDC", "wallet"),
        lent=share(request, "USDC", "supplied"),
        vault=share(request, "vUSDC", "total"),
    )


def decide(seen: Reading) -> dict[str, Any]:
    """Return the plan for what was read."""
    held = f"Vault {seen.vault}%, most {seen.most}%"
    if seen.vault > seen.most:
        over = seen.vault - seen.most
        return vault(
            f"{held}: over, redeem {over} of {seen.vault}.",
            "redeem",
            share_bps(over, seen.vault, rounding="up"),
        )
    lead = f"{held}; lead {seen.lead}, margin {seen.margin}"
    idle = f"idle {seen.idle}%, limit {seen.limit}%"
    if seen.lead >= seen.margin:
        return _toward_vault(seen, f"{lead}: ahead; {idle}")
    behind = seen.lead <= -seen.margin
    why = f"{lead}: {'behind' if behind else 'even'}; {idle}"
    if seen.idle > seen.limit:
        return move(f"{why}: above, lend all.", "supply", "USDC", 10_000)
    if behind and seen.vault > seen.limit:
        return vault(f"{why}: inside, redeem all.", "redeem", 10_000)
    return hold(f"{why}: inside, hold.")


def _toward_vault(seen: Reading, why: str) -> dict[str, Any]:
    room = seen.most - seen.vault
    if seen.idle > seen.limit:
        if room == 0:
            return move(f"{why}: above, room 0, lend all.", "supply", "USDC", 10_000)
        part = min(room, seen.idle)
        return vault(
            f"{why}: above, room {room}, deposit {part} of {seen.idle}.",
            "deposit",
            # Never past the most: what is over would be redeemed again.
            share_bps(part, seen.idle, rounding="down"),
        )
    part = min(room, seen.lent)
    inside = f"{why}: inside, room {room}, lent {seen.lent}%"
    if part <= seen.limit:
        return hold(f"{inside}, hold.")
    return move(
        f"{inside}, withdraw {part} of {seen.lent}.",
        "withdraw",
        "USDC",
        share_bps(part, seen.lent),
    )
