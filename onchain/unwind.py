"""The owner's way out: calls that pay back debts, close positions and take all.

It reads balances and decides the calls; it needs no node, registry, gate or mandate,
and trusts the endpoint and the address book. The calls are the owner's own: through
`OwnedAccount.executeBatch` all happen or none does, and a Safe's owners sign them as
one batch.

1. Aave debts are paid back, with deposits of the same token first, then from the
   wallet. What is missing is named (`DebtLeftError`): the owner sends it to the
   account, or swaps, and calls again. Nothing is sold here, at no price.
2. All deposits are withdrawn, every token of the book and the native currency are sent
   to the owner.

A debt grows by the block, so a little more than it is set aside: where one was paid
back from the wallet, planning again afterwards sends the rest.

Uniswap positions (no action kit opens any) and tokens that the book does not name stay:
the owner can move them by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from affiant.errors import RejectedError
from affiant.onchain.abi import encode_call
from affiant.onchain.address_book import AaveEntry, AddressBook, TokenEntry
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.mandate import Address
from affiant.onchain.reads import decode_uint256

EVERYTHING = 2**256 - 1
"""What Aave reads as "all of it"."""

VARIABLE_RATE = 2
"""Aave's interest rate mode of variable debt."""

INTEREST_MARGIN = 1_000_000
"""One part in so many is added to a debt: interest runs on until the batch is mined."""


class DebtLeftError(RejectedError):
    """The account does not hold enough of a token to pay back what it owes."""

    def __init__(self, token: str, *, owed: int, held: int) -> None:
        super().__init__(
            f"{token}: owes {owed} base units and holds {held}, wallet and deposit "
            f"together. Send {owed - held} to the account, or swap, and call again"
        )
        self.token = token
        self.owed = owed
        self.held = held


class NothingLeftError(RejectedError):
    """The account holds nothing that the address book names."""

    def __init__(self, account: Address) -> None:
        super().__init__(f"{account} holds nothing that the address book names")
        self.account = account


@dataclass(frozen=True)
class ExitStep:
    """One call of the way out, with what it does."""

    says: str
    call: CallRequest


@dataclass(frozen=True)
class _Holding:
    name: str
    token: TokenEntry
    wallet: int
    deposit: int
    debt: int


def plan_exit(
    chain: Chain, book: AddressBook, *, account: Address, owner: Address
) -> tuple[ExitStep, ...]:
    """Return the calls that leave the account empty, in order.

    Raises:
        DebtLeftError: a debt cannot be paid back from what the account holds.
        NothingLeftError: there is nothing to take.
        ChainUnavailableError.
    """
    holdings = [
        _holding(chain, name, token, account=account)
        for name, token in book.tokens.items()
    ]
    steps: list[ExitStep] = []
    if book.aave is not None:
        for holding in holdings:
            steps += _repay(holding, book.aave, account=account)
        for holding in holdings:
            steps += _withdraw(holding, book.aave, owner=owner)
    for holding in holdings:
        steps += _send(holding, owner=owner)
    native = chain.balance(account)
    if native:
        steps.append(
            ExitStep(
                f"send {native} wei to {owner}", CallRequest(owner, b"", None, native)
            )
        )
    if not steps:
        raise NothingLeftError(account)
    return tuple(steps)


def _holding(
    chain: Chain, name: str, token: TokenEntry, *, account: Address
) -> _Holding:
    def balance(of: Address | None) -> int:
        if of is None:
            return 0
        data = encode_call("balanceOf(address)", [account])
        return decode_uint256(chain.call(of, data), what=f"balance of {name}")

    return _Holding(
        name,
        token,
        wallet=balance(token.address),
        deposit=balance(token.a_token),
        debt=balance(token.variable_debt),
    )


def _repay(
    holding: _Holding, aave: AaveEntry, *, account: Address
) -> Iterator[ExitStep]:
    if not holding.debt:
        return
    owed = _owed(holding)
    held = holding.wallet + holding.deposit
    if held < owed:
        raise DebtLeftError(holding.name, owed=owed, held=held)
    asset = holding.token.address
    if holding.deposit:
        # Aave takes the lesser one of deposit and debt.
        yield _step(
            f"pay back {holding.name} with the {holding.name} lent to Aave",
            aave.pool,
            "repayWithATokens(address,uint256,uint256)",
            [asset, EVERYTHING, VARIABLE_RATE],
        )
    if holding.deposit > owed:
        return
    rest = owed - holding.deposit
    approve = "approve(address,uint256)"
    yield _step(
        f"allow Aave to take {rest} base units of {holding.name}",
        asset,
        approve,
        [aave.pool, rest],
    )
    # An exact amount that is not below the debt: Aave takes the lesser one.
    yield _step(
        f"pay back the rest of {holding.name} from the wallet",
        aave.pool,
        "repay(address,uint256,uint256,address)",
        [asset, rest, VARIABLE_RATE, account],
    )
    yield _step(
        f"take back what is left of that allowance in {holding.name}",
        asset,
        approve,
        [aave.pool, 0],
    )


def _withdraw(
    holding: _Holding, aave: AaveEntry, *, owner: Address
) -> Iterator[ExitStep]:
    # Where a debt takes all of it there is nothing to withdraw, which Aave refuses.
    if holding.deposit > (_owed(holding) if holding.debt else 0):
        yield _step(
            f"withdraw all {holding.name} lent to Aave to {owner}",
            aave.pool,
            "withdraw(address,uint256,address)",
            [holding.token.address, EVERYTHING, owner],
        )


def _send(holding: _Holding, *, owner: Address) -> Iterator[ExitStep]:
    used = max(_owed(holding) - holding.deposit, 0) if holding.debt else 0
    left = holding.wallet - used
    if left > 0:
        yield _step(
            f"send {left} base units of {holding.name} to {owner}",
            holding.token.address,
            "transfer(address,uint256)",
            [owner, left],
        )


def _owed(holding: _Holding) -> int:
    return holding.debt + holding.debt // INTEREST_MARGIN + 1


def _step(
    says: str, target: Address, signature: str, arguments: Sequence[object]
) -> ExitStep:
    return ExitStep(says, CallRequest(target, encode_call(signature, arguments)))
