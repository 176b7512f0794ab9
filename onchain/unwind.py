"""The owner's way out: calls that pay back debts, close positions and take all.

It reads balances and decides the calls; it needs no node, registry, gate or mandate,
and trusts the endpoint and the address book. The calls are the owner's own: through
`OwnedAccount.executeBatch` all happen or none does, and a Safe's owners sign them as
one batch.

1. Shares of the book's ERC-4626 vaults are redeemed: for the account where something is
   owed in the vault's asset, or where that asset is a vault's share itself, otherwise
   for the owner. What a vault does not redeem now (no money, paused, broken) stays a
   share, and goes to the owner as one.
2. Aave debts are paid back, with deposits of the same token first, then from the
   wallet and what was redeemed. What is missing is named (`DebtLeftError`): the owner
   sends it to the account, or swaps, and calls again. Nothing is sold here, at no
   price.
3. All deposits are withdrawn, every token of the book and the native currency are sent
   to the owner.

A debt grows by the block, so a little more than it is set aside: where one was paid
back from the wallet, planning again afterwards sends the rest; so it is with a vault
within a vault. A vault that says that it would pay what it then does not keeps the
batch from happening: its line taken out of the book's `vaults`, the shares are sent as
they are.

Uniswap positions (no action kit opens any) and tokens that the book does not name stay:
the owner can move them by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from affiant.errors import MalformedError, RejectedError
from affiant.onchain.abi import encode_call
from affiant.onchain.address_book import AaveEntry, AddressBook, TokenEntry, Vault
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.errors import CallRevertedError, ObservationError
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
            f"{token}: owes {owed} base units and holds {held}, wallet, deposit and "
            f"vaults together. Send {owed - held} to the account, or swap, and call "
            "again"
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
    """As it is once vaults were redeemed: less shares, more of their asset."""
    deposit: int
    debt: int


@dataclass(frozen=True)
class _Redemption:
    vault: Vault
    shares: int
    assets: int
    """What the vault pays for them."""


def plan_exit(
    chain: Chain, book: AddressBook, *, account: Address, owner: Address
) -> tuple[ExitStep, ...]:
    """Return the calls that leave the account empty, in order.

    Raises:
        DebtLeftError: a debt cannot be paid back from what the account holds.
        NothingLeftError: there is nothing to take.
        ChainUnavailableError.
    """
    found = {
        name: _holding(chain, name, token, account=account)
        for name, token in book.tokens.items()
    }
    steps: list[ExitStep] = []
    for name in book.vaults:
        redemption = _redeemable(chain, book.vault_named(name), found, account=account)
        if redemption is not None:
            steps.append(
                _redeem(redemption, found, book=book, account=account, owner=owner)
            )
    holdings = [*found.values()]
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


def _redeemable(
    chain: Chain, vault: Vault, found: Mapping[str, _Holding], *, account: Address
) -> _Redemption | None:
    """Return what `vault` redeems now: asked, and tried, because the two may differ."""
    share, held = vault.share.address, found[vault.share_name].wallet
    if not held:
        return None
    try:
        asked = encode_call("maxRedeem(address)", [account])
        most = decode_uint256(chain.call(share, asked), what="maxRedeem")
        shares = min(held, most)
        if not shares:
            return None
        tried = chain.call(
            share, _redeem_data(shares, to=account, account=account), sender=account
        )
        assets = decode_uint256(tried, what="redeem")
    except (CallRevertedError, MalformedError, ObservationError):
        return None
    # Shares of a drained vault are burned for nothing: better kept.
    return _Redemption(vault, shares, assets) if assets else None


def _redeem(
    redemption: _Redemption,
    found: dict[str, _Holding],
    *,
    book: AddressBook,
    account: Address,
    owner: Address,
) -> ExitStep:
    """Return the call, and change what is `found` into what it leaves."""
    vault, shares = redemption.vault, redemption.shares
    share, asset = found[vault.share_name], found[vault.asset_name]
    found[vault.share_name] = replace(share, wallet=share.wallet - shares)
    # Straight to the owner where it can: it takes however much it comes to then.
    nested = vault.asset_name in book.vaults
    to = account if asset.debt or nested else owner
    if asset.debt and not nested:
        found[vault.asset_name] = replace(
            asset, wallet=asset.wallet + redemption.assets
        )
    return ExitStep(
        f"redeem {shares} base units of {vault.share_name} for some "
        f"{redemption.assets} of {vault.asset_name}, to {to}",
        CallRequest(vault.share.address, _redeem_data(shares, to=to, account=account)),
    )


def _redeem_data(shares: int, *, to: Address, account: Address) -> bytes:
    return encode_call("redeem(uint256,address,address)", [shares, to, account])


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
