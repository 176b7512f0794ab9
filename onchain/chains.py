"""What is known of chains by their ids: pace, and whether their block hashes count.

Pure. It decides which chains a deployment is refused on: anchors are block hashes, so a
chain whose `BLOCKHASH` is not its own block's hash cannot run the gate. How far back a
chain knows its hashes is not written down here but asked (`hash_reach`), because
upgrades change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affiant.onchain.mandate import Address

HISTORY = Address("0x0000F90827F1C53a10cb7A02335B175320002935")
"""The block hash history contract of EIP-2935."""

HISTORY_REACH = 8191
"""Blocks that the history contract knows (EIP-2935)."""

BLOCKHASH_REACH = 256
"""Blocks that the opcode knows."""


@dataclass(frozen=True)
class ChainFacts:
    """What is known of one chain."""

    name: str
    block_seconds: float
    """Least seconds between blocks; what a day's limits are computed with."""
    real_money: bool
    """Whether what is on it is worth anything."""
    refused: str | None = None
    """Why the gate must not run there; None: it may."""


_NOT_ITS_OWN = (
    "`block.number` and `blockhash` there are not the chain's own blocks' "
    "(docs.arbitrum.io, block numbers and time)"
)

CHAINS: Mapping[int, ChainFacts] = MappingProxyType(
    {
        1: ChainFacts("Ethereum", 12.0, real_money=True),
        10: ChainFacts("OP Mainnet", 2.0, real_money=True),
        100: ChainFacts("Gnosis Chain", 5.0, real_money=True),
        8453: ChainFacts("Base", 2.0, real_money=True),
        42161: ChainFacts("Arbitrum One", 0.25, real_money=True, refused=_NOT_ITS_OWN),
        42170: ChainFacts("Arbitrum Nova", 0.25, real_money=True, refused=_NOT_ITS_OWN),
        324: ChainFacts(
            "ZKsync Era",
            1.0,
            real_money=True,
            refused="its CREATE2 is not that of EIP-1014, so mandates cannot be kept",
        ),
        11155111: ChainFacts("Sepolia", 12.0, real_money=False),
        84532: ChainFacts("Base Sepolia", 2.0, real_money=False),
        31337: ChainFacts("a local chain", 12.0, real_money=False),
        31338: ChainFacts("a fork of a local chain", 12.0, real_money=False),
    }
)
"""By chain id. A chain that is not here is taken to hold real money."""


def chain_facts(chain_id: int, *, block_seconds: float | None = None) -> ChainFacts:
    """Return what is known of the chain `chain_id`.

    Args:
        block_seconds: what the caller says of its pace; needed where nothing is known.

    Raises:
        ValueError: nothing is known of the chain, and no pace is given; or it is not
            positive.
    """
    if block_seconds is not None and not block_seconds > 0:
        raise ValueError(f"{block_seconds} seconds per block, expected more than 0")
    known = CHAINS.get(chain_id)
    if known is None:
        if block_seconds is None:
            raise ValueError(
                f"chain {chain_id}: nothing is known of it, expected --block-seconds"
            )
        return ChainFacts(f"chain {chain_id}", block_seconds, real_money=True)
    if block_seconds is None:
        return known
    return ChainFacts(known.name, block_seconds, known.real_money, known.refused)


def holds_real_money(chain_id: int) -> bool:
    """Return whether the chain `chain_id` is one where money is; unknown ones are."""
    known = CHAINS.get(chain_id)
    return known is None or known.real_money


def hash_reach(history_code: bytes) -> int:
    """Return how many blocks back the chain knows its hashes.

    Args:
        history_code: what the chain has at `HISTORY`; empty where there is nothing.
    """
    return HISTORY_REACH if history_code else BLOCKHASH_REACH
