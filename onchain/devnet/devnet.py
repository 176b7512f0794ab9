"""A local chain with real protocols on it, for demonstrations and tests.

    with Devnet.start() as devnet:
        devnet.url, devnet.book, devnet.accounts

The chain is anvil's. Tokens, Uniswap v3, Aave v3, feeds and Affiant's contracts are
deployed once and loaded from a cache afterwards. Nothing about it is secret or scarce:
it listens on loopback, its keys are public, and it must never hold anything of value.

By default its clock is its own: blocks are `BLOCK_SECONDS` apart whatever the wall
clock says, so that the same actions give the same block hashes on every machine and
every day.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Literal

from affiant.encoding import keccak256
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS, DevAccount
from affiant.onchain.devnet.anvil import (
    Anvil,
    anvil_version,
    find_anvil,
    find_node_modules,
)
from affiant.onchain.devnet.artifacts import Artifacts, read_artifacts
from affiant.onchain.devnet.cache import (
    Snapshot,
    cache_key,
    load_snapshot,
    save_snapshot,
)
from affiant.onchain.devnet.errors import (
    BookMismatchError,
    SnapshotError,
    ToolMissingError,
)
from affiant.onchain.devnet.fork import BLOCK_GAS, chain_id_of, fork_chain_id, settle
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.world import build

CHAIN_ID = 31337
"""Chain id unless another is asked for; the customary one of local chains."""

BLOCK_SECONDS = 12
"""Seconds between blocks on the chain's own clock; Ethereum's slot time."""

GENESIS_TIME = 1_750_000_000
"""Unix seconds of block 0 on the chain's own clock."""

HISTORY_BLOCKS = 1500
"""Newest blocks whose state can be read; each takes about 0.3 MB of memory."""

_HARDFORK = "osaka"
# Anvil's cache of a source's storage is named by chain id and block number only, which
# would mix up two local sources.
_FORK_OPTIONS = ("--no-storage-caching", "--no-rate-limit")
_DEPLOYMENT_BLOCK_GAS = 10_000_000_000

Clock = Literal["own", "wall"]
"""own: blocks are `BLOCK_SECONDS` apart. wall: blocks carry the machine's time."""


class Devnet:
    """A running local chain. Stop it, or use it as a context manager."""

    def __init__(self, anvil: Anvil, *, book: AddressBook, origin: str) -> None:
        """Take over a running anvil; use `start`, `resume` or `fork`."""
        self._anvil = anvil
        self.book = book
        self.origin = origin
        """"deployed", "cached", "resumed" or "forked"."""

    @property
    def url(self) -> str:
        """HTTP address of the chain's JSON-RPC."""
        return self._anvil.url

    @property
    def rpc(self) -> DevnetRpc:
        """A connection for scenarios and tests."""
        return self._anvil.rpc

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.book.chain_id

    @property
    def accounts(self) -> tuple[DevAccount, ...]:
        """Anvil's accounts; their keys are public."""
        return DEV_ACCOUNTS

    @property
    def process_id(self) -> int:
        """Id of anvil's process and process group."""
        return self._anvil.process_id

    @classmethod
    def start(
        cls,
        *,
        cache_dir: Path | None = None,
        port: int = 0,
        chain_id: int = CHAIN_ID,
        clock: Clock = "own",
        history: int = HISTORY_BLOCKS,
        node_modules: Path | None = None,
    ) -> Devnet:
        """Start a chain with everything deployed.

        Args:
            cache_dir: where deployed states are kept; `.cache/devnet` beside
                `node_modules` if not given.
            port: port on loopback; 0 for any free one.
            chain_id: the chain's id.
            clock: where block timestamps come from.
            history: how many of the newest blocks keep their state.
            node_modules: where npm put anvil and the protocols.

        Raises:
            ToolMissingError: anvil or a protocol is not installed.
            AnvilFailedError: anvil does not start.
            DeploymentFailedError: a deployment transaction reverted.
            SnapshotError: the cache cannot be written.
        """
        modules = find_node_modules(node_modules)
        binary = find_anvil(modules)
        artifacts = read_artifacts(node_modules=modules)
        key = cache_key(
            {
                "anvil": anvil_version(binary).encode(),
                "artifacts": artifacts.hash,
                "code": _code(),
                "chain": str(chain_id).encode(),
            }
        )
        folder = (cache_dir or modules.parent / ".cache" / "devnet") / key
        snapshot, origin = load_snapshot(folder), "cached"
        if snapshot is None or snapshot.book.chain_id != chain_id:
            snapshot = _deploy(
                binary, folder=folder, artifacts=artifacts, chain_id=chain_id
            )
            origin = "deployed"
        anvil = _load(binary, snapshot, port=port, history=history)
        return cls._ready(anvil, book=snapshot.book, origin=origin, clock=clock)

    @classmethod
    def resume(
        cls,
        folder: Path,
        *,
        port: int = 0,
        clock: Clock = "own",
        history: int = HISTORY_BLOCKS,
        node_modules: Path | None = None,
    ) -> Devnet:
        """Start the chain that `save` wrote into `folder`, its past included.

        Raises:
            ToolMissingError: anvil is not installed.
            AnvilFailedError: anvil does not start.
            SnapshotError: there is no whole snapshot in `folder`.
        """
        snapshot = load_snapshot(folder)
        if snapshot is None:
            raise SnapshotError(folder, reason="there is no whole one")
        binary = find_anvil(node_modules or _installed_modules())
        anvil = _load(binary, snapshot, port=port, history=history)
        return cls._ready(anvil, book=snapshot.book, origin="resumed", clock=clock)

    @classmethod
    def fork(
        cls,
        url: str,
        *,
        source_book: AddressBook | None = None,
        chain_id: int | None = None,
        port: int = 0,
        clock: Clock = "wall",
        node_modules: Path | None = None,
    ) -> Devnet:
        """Start a chain that continues the one at `url`, under another chain id.

        Affiant's contracts are deployed anew. The book names the source's tokens and
        protocols as far as `source_book` does and they are found there.

        Args:
            url: JSON-RPC of the source; nothing is ever sent there but reads.
            source_book: what is known about the source.
            chain_id: the fork's id; `FORK_CHAIN_ID`, or the next one, if not given.
            port: port on loopback; 0 for any free one.
            clock: where block timestamps come from.
            node_modules: where npm put anvil.

        Raises:
            SameChainIdError: the fork would carry its source's chain id.
            BookMismatchError: `source_book` is not about the source.
            ToolMissingError: anvil is not installed.
            AnvilFailedError: anvil does not start.
            DevnetRpcError: the source does not answer.
        """
        source_id = chain_id_of(url)
        own_id = fork_chain_id(chain_id, source_id=source_id, source=url)
        if source_book is not None and source_book.chain_id != source_id:
            raise BookMismatchError(
                "chain id", got=str(source_book.chain_id), expected=str(source_id)
            )
        binary = find_anvil(node_modules or _installed_modules())
        arguments = [*_common(own_id), "--fork-url", url, *_FORK_OPTIONS]
        anvil = Anvil.start(binary, port=port, arguments=arguments)
        try:
            book = settle(anvil.rpc, source_book=source_book, chain_id=own_id)
        except BaseException:
            anvil.stop()
            raise
        return cls._ready(anvil, book=book, origin="forked", clock=clock)

    @classmethod
    def _ready(
        cls, anvil: Anvil, *, book: AddressBook, origin: str, clock: Clock
    ) -> Devnet:
        try:
            if clock == "own":
                newest = anvil.rpc.timestamp()
                anvil.rpc.request("evm_setTime", hex(newest))
                anvil.rpc.request("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
            anvil.rpc.request("evm_setBlockGasLimit", hex(BLOCK_GAS))
        except BaseException:
            anvil.stop()
            raise
        return cls(anvil, book=book, origin=origin)

    def save(self, folder: Path) -> None:
        """Write the chain with the states of its past into `folder`, for `resume`.

        It takes about a megabyte and 0.05 seconds for every block of the past.

        Raises:
            DevnetRpcError: the chain did not hand over its state.
            SnapshotError: the folder cannot be written.
        """
        save_snapshot(folder, rpc=self.rpc, book=self.book, replace=True)

    def wait(self, *, seconds: float) -> None:
        """Wait `seconds`.

        Raises:
            AnvilFailedError: anvil ended meanwhile.
        """
        self._anvil.wait(seconds=seconds)

    def stop(self) -> None:
        """Stop the chain; doing so twice is fine."""
        self._anvil.stop()

    def __enter__(self) -> Devnet:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the chain."""
        self.stop()


def _installed_modules() -> Path | None:
    try:
        return find_node_modules()
    except ToolMissingError:
        return None


def _common(chain_id: int) -> list[str]:
    return ["--chain-id", str(chain_id), "--hardfork", _HARDFORK]


def _load(binary: Path, snapshot: Snapshot, *, port: int, history: int) -> Anvil:
    arguments = [
        *_common(snapshot.book.chain_id),
        *("--load-state", str(snapshot.state)),
        "--preserve-historical-states",
        # States in memory only: anvil leaves those it puts on disk behind.
        *("--prune-history", str(history)),
    ]
    return Anvil.start(binary, port=port, arguments=arguments)


def _deploy(
    binary: Path, *, folder: Path, artifacts: Artifacts, chain_id: int
) -> Snapshot:
    arguments = [
        *_common(chain_id),
        *("--timestamp", str(GENESIS_TIME)),
        *("--order", "fifo"),
        *("--gas-limit", str(_DEPLOYMENT_BLOCK_GAS)),
    ]
    anvil = Anvil.start(binary, port=0, arguments=arguments)
    try:
        anvil.rpc.request("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
        book = build(anvil.rpc, artifacts=artifacts, chain_id=chain_id)
        # The limit is part of the state; one ordinary block makes it the newest's.
        anvil.rpc.request("evm_setBlockGasLimit", hex(BLOCK_GAS))
        anvil.rpc.request("evm_mine")
        return save_snapshot(folder, rpc=anvil.rpc, book=book, replace=False)
    finally:
        anvil.stop()


def _code() -> bytes:
    here = Path(__file__).resolve().parent
    others = (
        here.parent / name for name in ("address_book.py", "create2.py", "deploy.py")
    )
    sources = sorted([*here.glob("*.py"), *others])
    return b"".join(keccak256(source.read_bytes()) for source in sources)
