"""The program of `make demo`: the ready rebalancer, with its numbers written out.

agent = Rebalancer.from_config("agent.toml")
agent.run_once()
"""

from __future__ import annotations

from affiant.agents import Rebalancer as ReadyRebalancer


class Rebalancer(ReadyRebalancer):
    """Keeps WETH within a band and lends the USDC that lies idle."""

    low, high, idle = 55, 65, 15
