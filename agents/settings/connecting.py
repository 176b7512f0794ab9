"""Where a configuration's chain and nodes are, for those who only look.

It decides nothing. An agent that runs puts its parts together in `agent.py`.
"""

from __future__ import annotations

from affiant.agents.settings.config import AgentConfig
from affiant.onchain.chain import Chain


def connect_chain(config: AgentConfig, *, timeout: float) -> Chain:
    """Return the agent's own chain endpoints; close them afterwards.

    Args:
        timeout: longest wait for one answer, in seconds, where the configuration does
            not say less.

    Raises:
        ChainIdMismatchError, ChainUnavailableError: it does not serve the chain.
    """
    return Chain.connect(
        config.chain.endpoints,
        expected_chain_id=config.chain.id,
        timeout=min(config.chain.timeout_seconds, timeout),
    )


def chain_addresses(config: AgentConfig) -> tuple[str, ...]:
    """Return where the chain is asked."""
    return config.chain.endpoints


def node_addresses(config: AgentConfig) -> tuple[str, ...]:
    """Return which nodes are asked."""
    return config.node.addresses
