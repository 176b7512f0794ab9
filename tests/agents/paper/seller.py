"""The agent of the tests beside it, in a file of its own, as a user has it."""

from __future__ import annotations

from affiant.agents import ChainView, Hold, Swap, VerifiedAgent


class Seller(VerifiedAgent):
    """Swaps."""

    objective = "Sell when told to."
    actions = (Swap, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")
