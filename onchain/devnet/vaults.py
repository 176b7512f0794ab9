"""Has an ERC-4626 vault of a local chain earn or lose, until a share has a price.

The vault's own rate is moved, not only its feed: assets are given to it by the market
maker, or taken out in its own name. Nothing here decides anything.
"""

from __future__ import annotations

from affiant.onchain.address_book import Vault
from affiant.onchain.devnet.accounts import MARKET_MAKER
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.transactions import Transactions

_GAS_MONEY = 10**18


def share_answer(rpc: DevnetRpc, vault: Vault, *, asset: int) -> int:
    """Return what a feed says of a share, by the vault's own rate.

    Args:
        asset: the feed's answer for the asset, with the same decimals.
    """
    unit = 10**vault.share.decimals
    worth = rpc.call_integer(vault.share.address, "convertToAssets(uint256)", [unit])
    answer: int = worth * asset // 10**vault.asset.decimals
    return answer


def move_share(
    transactions: Transactions, *, vault: Vault, answers: tuple[int, int]
) -> None:
    """Add what makes a share worth `answers[0]` where the asset is worth `answers[1]`.

    A share's worth is (assets + 1) / (shares + 1) in base units: OpenZeppelin's vault
    counts one virtual share and one virtual base unit.
    """
    rpc, address = transactions.rpc, vault.share.address
    supply = rpc.call_integer(address, "totalSupply()")
    assets = rpc.call_integer(address, "totalAssets()")
    scale = 10 ** abs(vault.asset.decimals - vault.share.decimals)
    worth, per = answers
    if vault.asset.decimals >= vault.share.decimals:
        worth *= scale
    else:
        per *= scale
    change = (supply + 1) * worth // per - 1 - assets
    transfer = "transfer(address,uint256)"
    if change > 0:
        transactions.send(
            vault.asset.address,
            transfer,
            [address, change],
            sender=MARKET_MAKER.address,
        )
    elif change < 0:
        rpc.request("anvil_impersonateAccount", address)
        rpc.request("anvil_setBalance", address, hex(_GAS_MONEY))
        transactions.send(
            vault.asset.address,
            transfer,
            [MARKET_MAKER.address, -change],
            sender=address,
        )
