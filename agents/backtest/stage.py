"""A backtest's stage: chain, two accounts that begin alike, node, mandate, agent.

Everything on it is real: anvil with Uniswap v3 and Aave v3, the gate, a mandate that
the account's owner grants, a node, the user's own `VerifiedAgent`. The second account
begins like the first and is left alone: what it is worth, interest and debts included,
is what doing nothing would have come to. The keys are anvil's, known to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.agents.agent import VerifiedAgent
from affiant.agents.backtest.errors import OpeningError
from affiant.agents.backtest.opening import Opening, Position
from affiant.agents.backtest.serving import NodeSource, Place, ServingNode
from affiant.agents.durable.journal import Journal
from affiant.agents.nodes.node_client import NodeClient
from affiant.agents.programs.book_mandate import mandate_over_book
from affiant.encoding import keccak256
from affiant.errors import AffiantError, MalformedError
from affiant.onchain.abi import encode_call
from affiant.onchain.account import AccountClient
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.accounts import NODE, OPERATOR, OWNER
from affiant.onchain.devnet.extension import extend
from affiant.onchain.devnet.scenario import NATIVE_NAME
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Mandate, parse_address
from affiant.onchain.registry import NodeRegistryClient

CADENCE = 4
"""Blocks per slot: prices and anchor, one that shows the anchor's hash to simulations,
the execution, and one to spare."""

NODE_SECONDS = 300.0
"""Longest wait for one decision."""

CONFIRM_SECONDS = 30.0
"""Longest wait for a receipt; anvil mines at once."""

SPARE_SECONDS = 2 * 24 * 3600
"""How much longer than the path mandate and key are good for."""

_VARIABLE_RATE = 2


@dataclass(frozen=True)
class OpenedAccount:
    """One of the two accounts, funded, for a hook that takes positions."""

    account: AccountClient
    owner: LocalAccount
    book: AddressBook
    scenario: Scenario
    chain: Chain

    def call(self, target: str, signature: str, *arguments: object) -> None:
        """Have the account call `signature` of `target`, as its owner.

        Raises:
            ContractError: it failed.
        """
        self.account.execute(
            CallRequest(
                target=parse_address(target, what="target"),
                data=encode_call(signature, list(arguments)),
            ),
            owner=self.owner,
        )


@dataclass(frozen=True)
class Stage:
    """All that one backtest plays with."""

    devnet: Devnet
    scenario: Scenario
    book: AddressBook
    chain: Chain
    account: AccountClient
    """The agent's."""
    held: AccountClient
    """Begins like it, and is left alone."""
    mandate: Mandate
    agent: VerifiedAgent
    node: ServingNode
    gate: GateClient


@contextmanager
def backtest_stage(
    agent_class: type[VerifiedAgent],
    *,
    opening: Opening,
    source: NodeSource,
    folder: Path,
    seconds: int,
    history: int,
    node_modules: Path | None = None,
) -> Iterator[Stage]:
    """Set the stage, and strike it: chain and node are stopped however this ends.

    Args:
        folder: for the agent's and the node's files.
        seconds: how long the path is; mandate and key outlast it.
        history: blocks whose state is kept.
        node_modules: where npm put anvil and the protocols.

    Raises:
        OpeningError: what the account is to begin with cannot be had.
        ToolMissingError, AnvilFailedError: there is no local chain.
        NodeStartError: the node did not come up.
        RejectedError, UnavailableError: a part refused, or did not answer.
    """
    with Devnet.start(history=history, node_modules=node_modules) as devnet:
        book = extend(devnet, node_modules=node_modules) if opening.vault else None
        book = devnet.book if book is None else book
        scenario = Scenario(devnet, book=book)
        scenario.refresh_feeds()
        chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
        with closing(chain):
            accounts = [
                _opened(opening, scenario=scenario, chain=chain) for _ in range(2)
            ]
            files = folder / "node"
            files.mkdir()
            place = Place(devnet.url, book, agent_class, files)
            with source(place) as node:
                mandate = _granted(
                    agent_class,
                    account=accounts[0],
                    book=book,
                    chain=chain,
                    node=node,
                    opening=opening,
                    seconds=seconds,
                )
                agent = agent_class(
                    mandate=mandate,
                    book=book,
                    chain=Chain.connect(devnet.url, expected_chain_id=devnet.chain_id),
                    node=NodeClient(node.url, timeout=NODE_SECONDS),
                    store=EvidenceStore(str(folder / "evidence")),
                    journal=Journal(str(folder / "journal.sqlite")),
                    operator=Account.from_key(OPERATOR.key),
                    tokenizer=node.tokenizer,
                    confirm_seconds=CONFIRM_SECONDS,
                )
                with closing(agent):
                    yield Stage(
                        devnet=devnet,
                        scenario=scenario,
                        book=book,
                        chain=chain,
                        account=accounts[0],
                        held=accounts[1],
                        mandate=mandate,
                        agent=agent,
                        node=node,
                        gate=GateClient(chain, book.gate),
                    )


def _opened(opening: Opening, *, scenario: Scenario, chain: Chain) -> AccountClient:
    """Deploy an account and have it begin as the opening says."""
    book, owner = scenario.book, Account.from_key(OWNER.key)
    account = deploy_account(chain, owner, owner=OWNER.address, gate=book.gate)
    for name, amount in opening.balances.items():
        if amount and name != NATIVE_NAME and name not in book.tokens:
            raise OpeningError(
                f"balance of {name}",
                got=str(amount),
                expected=f"one of {[*book.tokens]}",
            )
    try:
        scenario.fund(
            account.address,
            {name: amount for name, amount in opening.balances.items() if amount},
        )
    except (AffiantError, ValueError) as error:
        raise OpeningError(
            "balances",
            got=str(error),
            expected="money that the local chain's market maker has",
        ) from error
    opened = OpenedAccount(account, owner, book, scenario, chain)
    for position in opening.positions:
        try:
            _take(position, opened)
        except AffiantError as error:
            raise OpeningError(
                f"position {position.action} {position.amount} {position.asset}",
                got=f"{type(error).__name__}: {error}",
                expected="one that the owner can take",
            ) from error
    if opening.hook is not None:
        opening.hook(opened)
    return account


def _take(position: Position, opened: OpenedAccount) -> None:
    """Take one position as the owner."""
    book, me = opened.book, opened.account.address
    token = book.token_named(position.asset)
    units = int(position.amount.scaleb(token.decimals))
    if position.action == "deposit":
        shares = [share for share, of in book.vaults.items() if of == position.asset]
        if not shares:
            raise MalformedError(
                "deposit", got=position.asset, expected="the asset of a vault"
            )
        vault = book.tokens[shares[0]].address
        opened.call(token.address, "approve(address,uint256)", vault, units)
        opened.call(vault, "deposit(uint256,address)", units, me)
        return
    if book.aave is None:
        raise MalformedError(position.action, got="no Aave", expected="a lending pool")
    pool = book.aave.pool
    if position.action == "supply":
        opened.call(token.address, "approve(address,uint256)", pool, units)
        opened.call(
            pool, "supply(address,uint256,address,uint16)", token.address, units, me, 0
        )
    else:
        opened.call(
            pool,
            "borrow(address,uint256,uint256,uint16,address)",
            *(token.address, units, _VARIABLE_RATE, 0, me),
        )


def _granted(
    agent_class: type[VerifiedAgent],
    *,
    account: AccountClient,
    book: AddressBook,
    chain: Chain,
    node: ServingNode,
    opening: Opening,
    seconds: int,
) -> Mandate:
    """Announce the node's key, and grant the program its mandate."""
    owner = Account.from_key(OWNER.key)
    until = chain.latest_block().timestamp + seconds + SPARE_SECONDS
    NodeRegistryClient(chain, book.node_registry).announce(
        Account.from_key(NODE.key),
        model=node.model,
        engine=node.engine,
        valid_until=until,
    )
    program = agent_class.program(book=book, model=node.model, engine=node.engine)
    mandate = mandate_over_book(
        program,
        account=account.address,
        operator=OPERATOR.address,
        node=NODE.address,
        book=book,
        cadence=CADENCE,
        expiry=until,
        max_loss=opening.max_loss,
        limit=opening.limit,
        salt=keccak256(b"affiant backtest"),
    )
    gate = GateClient(chain, book.gate)
    account.execute(gate.grant_call(mandate), owner=owner)
    return mandate
