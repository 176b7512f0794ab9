"""What makes a fork its own chain: another chain id, and Affiant's contracts anew.

A decision is signed for one chain id and one gate. A fork that kept its source's id
could be used to collect signatures that are valid on the source, so equality is
refused. The book of the source is the caller's; it is compared with the chain.
"""

from __future__ import annotations

import dataclasses
from contextlib import closing

from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain_types import parse_quantity
from affiant.onchain.create2 import fork_salt
from affiant.onchain.devnet.errors import (
    BookMismatchError,
    DevnetRpcError,
    SameChainIdError,
)
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.world import deploy_ours
from affiant.onchain.errors import ChainUnavailableError
from affiant.onchain.json_rpc import JsonRpcEndpoint
from affiant.onchain.mandate import Address, parse_address

FORK_CHAIN_ID = 31338
"""A fork's chain id unless another is asked for or the source has it."""

BLOCK_GAS = 60_000_000
"""Gas limit of a block."""

SOURCE_SECONDS = 15.0
"""How long the source may take to say its chain id."""


def chain_id_of(url: str, *, timeout: float = SOURCE_SECONDS) -> int:
    """Return the chain id that the endpoint at `url` states.

    Args:
        url: the source; it is somebody else's and may answer anything, or never.
        timeout: longest wait for its answer, in seconds.

    Raises:
        DevnetRpcError: it does not answer in time, or not with a number, or `url` is
            no address.
    """
    method = "eth_chainId"
    try:
        endpoint = JsonRpcEndpoint(url, timeout=timeout)
        with closing(endpoint):
            answer = endpoint.request(method)
        return parse_quantity(answer, what="chain id", bits=53)
    except (ValueError, MalformedError, ChainUnavailableError) as error:
        raise DevnetRpcError(method, got=str(error)) from error


def fork_chain_id(asked: int | None, *, source_id: int, source: str) -> int:
    """Return the chain id that a fork of `source` gets.

    Raises:
        SameChainIdError: `asked` is the source's.
    """
    if asked is None:
        return FORK_CHAIN_ID if source_id != FORK_CHAIN_ID else FORK_CHAIN_ID + 1
    if asked == source_id:
        raise SameChainIdError(chain_id=asked, source=source)
    return asked


def settle(
    rpc: DevnetRpc, *, source_book: AddressBook | None, chain_id: int
) -> AddressBook:
    """Deploy Affiant's contracts on the fresh fork at `rpc` and return its book.

    Raises:
        BookMismatchError: `source_book` is not about this chain.
        DeploymentError: a creation failed.
        DevnetRpcError: the fork does not answer, or carries another chain id.
    """
    stated = int(rpc.request("eth_chainId"), 16)
    if stated != chain_id:
        raise DevnetRpcError("eth_chainId", got=str(stated))
    if source_book is not None:
        compare(rpc, source_book)
    # The source's blocks may be too small for our gate.
    rpc.request("evm_setBlockGasLimit", hex(BLOCK_GAS))
    # The source may have our contracts, in use: the fork's are at other addresses.
    affiant = deploy_ours(rpc, chain_id=chain_id, salt=fork_salt(chain_id))
    if source_book is None:
        return AddressBook(
            chain_id=chain_id,
            gate=affiant.gate,
            node_registry=affiant.node_registry,
            model_registry=affiant.model_registry,
            tokens={},
        )
    return dataclasses.replace(
        source_book,
        # Of another chain, and of other contracts of ours.
        chain=None,
        chain_id=chain_id,
        gate=affiant.gate,
        node_registry=affiant.node_registry,
        model_registry=affiant.model_registry,
    )


def compare(rpc: DevnetRpc, book: AddressBook) -> None:
    """Compare what `book` says about tokens and protocols with the chain at `rpc`.

    Raises:
        BookMismatchError: they differ.
    """
    for name, token in book.tokens.items():
        _number(rpc, token.address, what=f"decimals of {name}", said=token.decimals)
        _number(
            rpc, token.feed, what=f"feed decimals of {name}", said=token.feed_decimals
        )
        if book.aave is not None and token.a_token is not None:
            found = _addresses(
                rpc,
                book.aave.data_provider,
                "getReserveTokensAddresses(address)",
                [token.address],
                count=3,
            )
            said = (str(token.a_token), str(token.variable_debt))
            _equal(f"Aave tokens of {name}", said, (found[0], found[2]))
    if book.uniswap is None:
        return
    for name, pool in book.uniswap.pools.items():
        found = _addresses(
            rpc,
            book.uniswap.factory,
            "getPool(address,address,uint24)",
            [pool.token0, pool.token1, pool.fee],
            count=1,
        )
        _equal(f"pool {name}", (str(pool.address),), found)


def _number(rpc: DevnetRpc, contract: Address, *, what: str, said: int) -> None:
    try:
        found = str(rpc.call_integer(contract, "decimals()"))
    except DevnetRpcError as error:
        raise BookMismatchError(what, got=str(said), expected=str(error)) from error
    _equal(what, (str(said),), (found,))


def _addresses(
    rpc: DevnetRpc,
    contract: Address,
    signature: str,
    arguments: list[object],
    *,
    count: int,
) -> tuple[str, ...]:
    try:
        found = rpc.call(contract, signature, arguments, returns=["address"] * count)
    except DevnetRpcError as error:
        raise BookMismatchError(
            signature, got=str(contract), expected=str(error)
        ) from error
    return tuple(parse_address(item, what=signature) for item in found)


def _equal(what: str, said: tuple[str, ...], found: tuple[str, ...]) -> None:
    if said != found:
        raise BookMismatchError(what, got=", ".join(said), expected=", ".join(found))
