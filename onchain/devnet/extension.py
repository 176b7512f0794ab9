"""What a running devnet can be given besides: a vault, and a reader of native balances.

The default book leaves them out, because every token of a book is observed and shown to
the model: a program that knows three tokens would be asked about four. The vault is
OpenZeppelin's ERC-4626 over USDC; the reader is Uniswap's own multicall contract, whose
`getEthBalance` is Multicall3's.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.book_sections import NativeEntry
from affiant.onchain.devnet.accounts import DEPLOYER, MARKET_MAKER
from affiant.onchain.devnet.anvil import find_node_modules
from affiant.onchain.devnet.artifacts import read_artifact
from affiant.onchain.devnet.devnet import Devnet
from affiant.onchain.devnet.protocols import (
    FEED_DECIMALS,
    MAX_AGE,
    dollars_to_answer,
)
from affiant.onchain.devnet.transactions import Transactions

VAULT = "vUSDC"
"""Name of the vault's share token."""

FIRST_DEPOSIT = 1_000_000 * 10**6
"""What the market maker deposits first, in base units of USDC."""

EARNED = 50_000 * 10**6
"""What the vault has earned since: a share is worth 1.05 USDC, less one base unit that
OpenZeppelin's virtual share takes."""

_MULTICALL = (
    "@uniswap/v3-periphery/artifacts/contracts/lens/"
    "UniswapInterfaceMulticall.sol/UniswapInterfaceMulticall.json"
)


def extend(devnet: Devnet, *, node_modules: Path | None = None) -> AddressBook:
    """Deploy vault, feed and reader; return the devnet's book with them in it.

    Raises:
        ToolMissingError: the protocols are not installed.
        DeploymentFailedError: a transaction reverted.
        DevnetRpcError: the chain did not answer.
    """
    book, maker = devnet.book, MARKET_MAKER.address
    usdc = book.token_named("USDC")
    transactions = Transactions(devnet.rpc, gas=6_000_000)
    vault = transactions.create(
        load_artifact("TokenVault").bytecode,
        ["address", "string", "string"],
        [usdc.address, "Vault USDC", VAULT],
        label="TokenVault",
        sender=DEPLOYER.address,
    )
    feed = transactions.create(
        load_artifact("SettableFeed").bytecode,
        ["uint8", "string", "int256"],
        [FEED_DECIMALS, f"{VAULT} / USD", dollars_to_answer(Decimal("1.05"))],
        label="SettableFeed",
        sender=DEPLOYER.address,
    )
    modules = find_node_modules(node_modules)
    reader = transactions.create(
        read_artifact("UniswapInterfaceMulticall", modules / _MULTICALL).linked({}),
        label="UniswapInterfaceMulticall",
        sender=DEPLOYER.address,
    )
    transactions.mine()
    transactions.send(
        usdc.address,
        "approve(address,uint256)",
        [vault, FIRST_DEPOSIT],
        sender=maker,
    )
    transactions.send(
        vault, "deposit(uint256,address)", [FIRST_DEPOSIT, maker], sender=maker
    )
    transactions.send(
        usdc.address, "transfer(address,uint256)", [vault, EARNED], sender=maker
    )
    transactions.mine()
    share = TokenEntry(
        address=vault,
        decimals=usdc.decimals,
        feed=feed,
        feed_decimals=FEED_DECIMALS,
        max_age=MAX_AGE,
    )
    return replace(
        book,
        tokens={**book.tokens, VAULT: share},
        native=NativeEntry(name="ETH", wrapped="WETH", reader=reader),
        vaults={VAULT: "USDC"},
    )
