"""A local chain with real protocols, and scenarios that move it."""

from affiant.onchain.devnet.devnet import Devnet
from affiant.onchain.devnet.scenario import Scenario, Slot

__all__ = ["Devnet", "Scenario", "Slot"]
