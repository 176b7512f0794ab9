"""An agent that keeps a portfolio within a band: the program of `make demo`.

The class is the program. Its objective, actions and observations are hashed, the hash
is what an owner grants, and every decision is checked against it. It decides *what* is
asked; the model decides the plan; the gate's allow-list, bounds and loss limit hold
whatever the model says.

    agent = Rebalancer.from_config("agent.toml")
    agent.run_once()
"""

from __future__ import annotations

from affiant.agents import ChainView, Hold, Supply, Swap, VerifiedAgent, Withdraw


class Rebalancer(VerifiedAgent):
    """Keeps WETH within a band and lends the USDC that lies idle."""

    objective = (
        "Keep WETH between 55 % and 65 % of the portfolio; keep at most 15 % in idle "
        "USDC and lend the rest; prefer few, small trades."
    )
    actions = (Swap, Supply, Withdraw, Hold)

    def observe(self, view: ChainView) -> None:
        """Name what is read at each slot's anchor; the rendering is fixed."""
        view.balances()
        view.prices()
        view.pool("WETH/USDC")
        view.lending("USDC")
