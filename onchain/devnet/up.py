"""What `affiant up` does: a local chain that runs until it is interrupted.

Blocks come at a steady pace and at every transaction, and carry the machine's time. The
feeds repeat their answers before they grow stale, where they are ours to set. Nothing
here decides anything; the book is written to a file for agents to read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet.accounts import DEPLOYER, SCENARIO_ACCOUNTS
from affiant.onchain.devnet.devnet import CHAIN_ID, Devnet
from affiant.onchain.devnet.errors import BookMismatchError, DevnetRpcError
from affiant.onchain.devnet.fork import chain_id_of
from affiant.onchain.devnet.scenario import Scenario
from affiant.onchain.mandate import parse_address

DEFAULT_PORT = 8545
"""Port that wallets and tools expect a local chain on."""

BLOCK_PACE = 12.0
"""Seconds between blocks while nobody sends anything; Ethereum's slot time."""

BOOKS = Path(".cache") / "books"
"""Where books are written if no cache folder is given."""


def run_up(
    *,
    port: int = DEFAULT_PORT,
    fork_url: str | None = None,
    chain_id: int | None = None,
    cache_dir: Path | None = None,
    console: Console,
) -> None:
    """Start a chain, print what is on it, and keep it running until interrupted.

    Args:
        port: port on loopback; 0 for any free one.
        fork_url: continue the chain at this JSON-RPC address under another chain id.
        chain_id: the chain's id; if not given 31337, or 31338 for a fork.
        cache_dir: where deployed states and books are kept.
        console: where to print.

    Raises:
        SameChainIdError: the fork would carry its source's chain id.
        ToolMissingError: anvil or a protocol is not installed.
        AnvilFailedError: anvil does not start, or ended by itself.
        DevnetRpcError: the chain, or the fork's source, does not answer.
    """
    books = BOOKS if cache_dir is None else cache_dir / "books"
    with _start(
        port=port,
        fork_url=fork_url,
        chain_id=chain_id,
        cache_dir=cache_dir,
        books=books,
        console=console,
    ) as devnet:
        scenario = Scenario(devnet)
        ours = feeds_are_ours(devnet)
        if ours:
            scenario.refresh_feeds()
        path = write_book(books, devnet.book)
        describe(devnet, console=console, book_path=path)
        try:
            keep_running(devnet, scenario=scenario, refresh=ours)
        except KeyboardInterrupt:
            console.print("stopped")


def _start(
    *,
    port: int,
    fork_url: str | None,
    chain_id: int | None,
    cache_dir: Path | None,
    books: Path,
    console: Console,
) -> Devnet:
    if fork_url is None:
        with console.status("starting a chain"):
            return Devnet.start(
                cache_dir=cache_dir,
                port=port,
                chain_id=CHAIN_ID if chain_id is None else chain_id,
                clock="wall",
            )
    source_book = read_book(books, chain_id=chain_id_of(fork_url))
    with console.status(f"forking {fork_url}"):
        try:
            return Devnet.fork(
                fork_url, source_book=source_book, chain_id=chain_id, port=port
            )
        except BookMismatchError as error:
            console.print(f"[yellow]the book of the source is left out: {error}")
            return Devnet.fork(fork_url, chain_id=chain_id, port=port)


def keep_running(
    devnet: Devnet, *, scenario: Scenario, refresh: bool, pace: float = BLOCK_PACE
) -> None:
    """Mine a block every `pace` seconds, and refresh feeds at half their age, for ever.

    Raises:
        AnvilFailedError: anvil ended by itself.
        DevnetRpcError: the chain does not answer.
    """
    ages = [token.max_age for token in devnet.book.tokens.values()]
    refreshed = devnet.rpc.timestamp()
    while True:
        devnet.wait(seconds=pace)
        if refresh and devnet.rpc.timestamp() - refreshed >= min(ages) // 2:
            scenario.refresh_feeds()
            refreshed = devnet.rpc.timestamp()
        else:
            scenario.mine()


def feeds_are_ours(devnet: Devnet) -> bool:
    """Return whether the deployer owns every feed, so that it can set them."""
    try:
        owners = [
            devnet.rpc.call(token.feed, "owner()", returns=["address"])[0]
            for token in devnet.book.tokens.values()
        ]
    except DevnetRpcError:
        return False
    return bool(owners) and all(
        parse_address(owner, what="owner") == DEPLOYER.address for owner in owners
    )


def write_book(folder: Path, book: AddressBook) -> Path:
    """Write `book` into `folder`, named by its chain id, and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{book.chain_id}.json"
    writing = path.with_suffix(f".{os.getpid()}")
    writing.write_text(json.dumps(book.to_json(), indent=1) + "\n")
    os.replace(writing, path)
    return path


def read_book(folder: Path, *, chain_id: int) -> AddressBook | None:
    """Return the book of `chain_id` that `write_book` left, or None."""
    try:
        return AddressBook.parse((folder / f"{chain_id}.json").read_bytes())
    except (OSError, MalformedError):
        return None


def describe(devnet: Devnet, *, console: Console, book_path: Path) -> None:
    """Print where the chain is, what is on it, and whose keys are known."""
    book = devnet.book
    console.print(
        f"[bold]{devnet.url}[/bold]  chain id {book.chain_id}  ({devnet.origin})"
    )
    table = Table("contract", "address")
    table.add_row("DecisionGate", book.gate)
    table.add_row("NodeRegistry", book.node_registry)
    table.add_row("ModelRegistry", book.model_registry)
    for name, token in book.tokens.items():
        table.add_row(f"{name} ({token.decimals} decimals)", token.address)
        table.add_row(f"{name} / USD feed", token.feed)
    if book.uniswap is not None:
        table.add_row("Uniswap SwapRouter", book.uniswap.router)
        for name, pool in book.uniswap.pools.items():
            table.add_row(f"Uniswap {name} ({pool.fee / 10_000:g} %)", pool.address)
    if book.aave is not None:
        table.add_row("Aave Pool", book.aave.pool)
    console.print(table)
    if not book.tokens:
        console.print("no book of the source was found: only our contracts are named")
    console.print(f"address book: {book_path}")
    console.print(
        "[bold red]Everybody knows the keys below. Whatever is sent to these accounts "
        "on a public chain is gone at once."
    )
    for index, account in enumerate(devnet.accounts):
        use = "scenario" if index < SCENARIO_ACCOUNTS else "yours"
        # One line each, however narrow the terminal: keys are there to be copied.
        console.print(f"{account.address} {account.key} {use}", soft_wrap=True)
    console.print("Ctrl-C stops the chain")
