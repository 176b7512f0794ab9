"""Deploys the whole local world into an empty chain and returns its address book.

Everything that decides what the chain looks like at the end is reached from `build`, so
the cache is named by a hash of these modules (see `cache.py`).
"""

from __future__ import annotations

from eth_account import Account

from affiant.onchain.address_book import (
    AddressBook,
    TokenEntry,
)
from affiant.onchain.chain import Chain
from affiant.onchain.create2 import SALT
from affiant.onchain.deploy import AffiantAddresses, deploy_affiant
from affiant.onchain.devnet.aave import deploy_aave, read_reserve
from affiant.onchain.devnet.accounts import DEPLOYER
from affiant.onchain.devnet.artifacts import Artifacts
from affiant.onchain.devnet.protocols import (
    FEED_DECIMALS,
    MAX_AGE,
    TOKENS,
    deploy_tokens,
    deploy_uniswap,
    read_pools,
)
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.transactions import Deployment, Transactions


def build(rpc: DevnetRpc, *, artifacts: Artifacts, chain_id: int) -> AddressBook:
    """Deploy tokens, feeds, Uniswap, Aave and Affiant's contracts.

    Args:
        rpc: an empty chain whose blocks take transactions in their order of arrival.
        artifacts: what to deploy.
        chain_id: the chain's id, for the book.

    Raises:
        DeploymentFailedError: a transaction reverted.
        DevnetRpcError: the chain did not answer.
    """
    transactions = Transactions(rpc)
    deployment = Deployment(
        transactions, artifacts=artifacts, deployer=DEPLOYER.address
    )
    tokens = deploy_tokens(deployment)
    uniswap = deploy_uniswap(deployment, tokens)
    aave = deploy_aave(deployment, tokens)
    transactions.mine()
    affiant = deploy_ours(rpc, chain_id=chain_id)
    entries: dict[str, TokenEntry] = {}
    for name, token in tokens.items():
        reserve = read_reserve(rpc, aave, asset=token.address)
        entries[name] = TokenEntry(
            address=token.address,
            decimals=TOKENS[name].decimals,
            feed=token.feed,
            feed_decimals=FEED_DECIMALS,
            max_age=MAX_AGE,
            a_token=reserve.a_token,
            variable_debt=reserve.variable_debt,
        )
    return AddressBook(
        chain_id=chain_id,
        gate=affiant.gate,
        node_registry=affiant.node_registry,
        model_registry=affiant.model_registry,
        tokens=entries,
        uniswap=read_pools(rpc, uniswap),
        aave=aave,
    )


def deploy_ours(
    rpc: DevnetRpc, *, chain_id: int, salt: bytes = SALT
) -> AffiantAddresses:
    """Deploy Affiant's contracts as anybody would, by signed transactions.

    Args:
        salt: another one than Affiant's own gives other addresses.

    Raises:
        DeploymentError: a creation failed.
        UnavailableError: the chain did not answer, or not in time.
    """
    chain = Chain.connect(rpc.url, expected_chain_id=chain_id)
    try:
        return deploy_affiant(chain, Account.from_key(DEPLOYER.key), salt=salt)
    finally:
        chain.close()
