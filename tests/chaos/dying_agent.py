"""An agent in a process of its own, which is killed: at a named point, or from outside.

Everything in it is real but for the points at which it may die. It runs as `affiant
agent run` does: until it is killed, or breaks.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crash_points import (
    Death,
    DyingChain,
    DyingJournal,
    DyingStore,
    kill_myself,
    watch_checkpoints,
)
from eth_account import Account

from affiant.agents import Hold, Supply, Swap, VerifiedAgent, Withdraw
from affiant.agents.nodes.node_client import NodeClient
from affiant.errors import AffiantError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.mandate import Mandate
from affiant.onchain.observation import ChainView

BROKE = 3
"""Exit status of an agent that ended by itself, as of `affiant agent run`."""


@dataclass(frozen=True)
class Orders:
    """What the process is told; plain values, for it is sent to another process."""

    folder: str
    chain_url: str
    node_url: str
    mandate: dict[str, Any]
    book: dict[str, Any]
    operator: str
    """The operator's key, which is worth nothing: the chain is a local one."""
    at: str | None
    """Point at which it kills itself."""
    poll_seconds: float = 0.05
    confirm_seconds: float = 2.0


DELAY = 3600
"""Delay of the upper rung, in seconds of the chain's time."""


class Keeper(VerifiedAgent):
    """An agent whose decisions outlive the delay of a rung."""

    objective = "Keep WETH between 55 % and 65 % of the portfolio."
    actions = (Swap, Supply, Withdraw, Hold)
    max_tokens = 512
    validity_seconds = 3 * DELAY

    def observe(self, view: ChainView) -> None:
        """Read what a swap needs."""
        view.balances()
        view.prices()
        view.pool("WETH/USDC")


def live(orders: Orders) -> None:
    """Run the agent until this process is killed."""
    death = Death(orders.at, how=kill_myself)
    folder = Path(orders.folder)
    try:
        book = AddressBook.from_json(orders.book)
        chain = Chain.connect(
            orders.chain_url, expected_chain_id=book.chain_id, timeout=2
        )
        agent = Keeper(
            mandate=Mandate.from_json(orders.mandate),
            book=book,
            chain=DyingChain(chain, death),  # type: ignore[arg-type]
            node=NodeClient(orders.node_url, timeout=10),
            store=DyingStore(str(folder / "evidence"), death),
            journal=DyingJournal(str(folder / "journal.sqlite"), death),
            operator=Account.from_key(orders.operator),
            confirm_seconds=orders.confirm_seconds,
        )
        watch_checkpoints(agent, death)
        agent.start(poll_seconds=orders.poll_seconds)
        agent.wait()
    except AffiantError as error:
        print(f"ended by itself: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(BROKE)
