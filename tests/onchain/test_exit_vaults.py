"""The owner's way out of ERC-4626 vaults, with OpenZeppelin's on a real chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from commands import affiant_here
from eth_account import Account

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.encoding import canonical_json
from affiant.onchain.abi import encode_call
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet.extension import VAULT, extend
from affiant.onchain.devnet.transactions import Transactions
from affiant.onchain.kits.aave_v3 import supply
from affiant.onchain.mandate import Address
from affiant.onchain.unwind import DebtLeftError, ExitStep, NothingLeftError, plan_exit

pytestmark = pytest.mark.anvil

PASSWORD = "only for a test"


@dataclass(frozen=True)
class Home:
    """An account with money in a vault, and its owner."""

    lab: Lab
    book: AddressBook

    @property
    def account(self) -> Address:
        return self.lab.account.address

    @property
    def owner(self) -> Address:
        return Address(str(self.lab.owner.address))

    def balance(self, token: Address | None, holder: Address) -> int:
        assert token is not None
        data = encode_call("balanceOf(address)", [holder])
        return int.from_bytes(self.lab.chain.call(token, data), "big")

    def held(self, name: str) -> int:
        return self.balance(self.book.tokens[name].address, self.account)

    def deposit(self, amount: int) -> None:
        vault, usdc = self.book.tokens[VAULT].address, self.book.tokens["USDC"].address
        self.lab.as_owner(
            usdc, encode_call("approve(address,uint256)", [vault, amount])
        )
        self.lab.as_owner(
            vault, encode_call("deposit(uint256,address)", [amount, self.account])
        )

    def borrow(self, amount: int) -> None:
        """Lend half the WETH to Aave, and borrow USDC on it."""
        aave, weth = self.book.aave, self.book.tokens["WETH"].address
        assert aave is not None
        lent = self.held("WETH") // 2
        self.lab.as_owner(
            weth, encode_call("approve(address,uint256)", [aave.pool, lent])
        )
        self.lab.as_owner(
            aave.pool, supply(asset=weth, amount=lent, on_behalf_of=self.account)
        )
        self.lab.as_owner(
            aave.pool,
            encode_call(
                "borrow(address,uint256,uint256,uint16,address)",
                [self.book.tokens["USDC"].address, amount, 2, 0, self.account],
            ),
        )

    def give_away(self, name: str) -> None:
        self.lab.as_owner(
            self.book.tokens[name].address,
            encode_call(
                "transfer(address,uint256)",
                [self.lab.operator.address, self.held(name)],
            ),
        )

    def plan(self) -> tuple[ExitStep, ...]:
        return plan_exit(
            self.lab.chain, self.book, account=self.account, owner=self.owner
        )

    def leave(self) -> None:
        """Go through with it until there is nothing left, as `affiant exit` does."""
        for _ in range(3):
            try:
                steps = self.plan()
            except NothingLeftError:
                return
            self.lab.account.execute_batch(
                [step.call for step in steps], owner=self.lab.owner
            )


@pytest.fixture(scope="module")
def shared() -> Iterator[Home]:
    with scripted_lab() as lab:
        yield Home(lab, extend(lab.devnet))


@pytest.fixture
def home(shared: Home) -> Iterator[Home]:
    with shared.lab.undone():
        yield shared


def test_shares_are_redeemed_and_not_sent_as_they_are(home: Home) -> None:
    home.deposit(4_000 * 10**6)
    before = home.balance(home.book.tokens["USDC"].address, home.owner)
    wallet = home.held("USDC")
    home.leave()
    vault = home.book.tokens[VAULT].address
    assert home.balance(vault, home.account) == home.balance(vault, home.owner) == 0
    after = home.balance(home.book.tokens["USDC"].address, home.owner)
    # The vault rounds twice, for itself.
    assert wallet + 4_000 * 10**6 - 2 <= after - before <= wallet + 4_000 * 10**6


def test_a_debt_is_paid_back_with_what_lies_in_the_vault(home: Home) -> None:
    """Nothing of the asset is in the wallet: it was all deposited."""
    home.borrow(1_000 * 10**6)
    home.deposit(2_000 * 10**6)
    home.give_away("USDC")
    assert home.held("USDC") == 0
    home.leave()
    usdc = home.book.tokens["USDC"]
    assert home.balance(usdc.variable_debt, home.account) == 0
    assert home.held("USDC") == home.held(VAULT) == 0
    assert home.balance(usdc.address, home.owner) >= 999 * 10**6


def test_what_is_missing_counts_the_vault(home: Home) -> None:
    home.borrow(1_000 * 10**6)
    home.deposit(400 * 10**6)
    home.give_away("USDC")
    with pytest.raises(DebtLeftError) as caught:
        home.plan()
    assert 399 * 10**6 <= caught.value.held <= 400 * 10**6
    assert "vault" in str(caught.value)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("5f5ffd", id="reverts whatever it is asked"),
        pytest.param("60205ff3", id="says that nothing can be redeemed"),
        pytest.param("5f5ff3", id="answers nothing at all"),
    ],
)
def test_a_vault_that_redeems_nothing_does_not_lock_the_rest_in(
    home: Home, rest: str
) -> None:
    home.deposit(4_000 * 10**6)
    shares = home.held(VAULT)
    # selector == balanceOf(address) ? return the shares : `rest`
    at = 14 + len(rest) // 2
    code = f"5f3560e01c6370a082311460{at:02x}57{rest}5b7f{shares:064x}5f5260205ff3"
    vault = home.book.tokens[VAULT].address
    home.lab.devnet.rpc.request("anvil_setCode", vault, f"0x{code}")
    says = "\n".join(step.says for step in home.plan())
    assert "redeem" not in says
    assert f"send {shares} base units of {VAULT}" in says
    assert "of WETH to" in says


def test_shares_of_a_drained_vault_are_not_burned_for_nothing(home: Home) -> None:
    """OpenZeppelin's would take them all, and pay 0."""
    home.deposit(4_000 * 10**6)
    vault, usdc = home.book.tokens[VAULT].address, home.book.tokens["USDC"].address
    shares, rpc = home.held(VAULT), home.lab.devnet.rpc
    rpc.request("anvil_impersonateAccount", vault)
    rpc.request("anvil_setBalance", vault, hex(10**18))
    transactions = Transactions(rpc, gas=200_000)
    transactions.send(
        usdc,
        "transfer(address,uint256)",
        [home.lab.operator.address, home.balance(usdc, vault)],
        sender=vault,
    )
    transactions.mine()
    home.leave()
    assert home.held(VAULT) == home.held("USDC") == home.held("WETH") == 0
    assert home.balance(vault, home.owner) == shares


def test_a_vault_within_a_vault_is_left_in_two_steps(home: Home) -> None:
    home.deposit(4_000 * 10**6)
    inner, outer = home.book.tokens[VAULT], "vvUSDC"
    place = home.lab.deploy(
        "TokenVault",
        types=["address", "string", "string"],
        arguments=[inner.address, "Vault of a vault", outer],
    )
    shares = home.held(VAULT)
    for target, data in (
        (inner.address, encode_call("approve(address,uint256)", [place, shares])),
        (place, encode_call("deposit(uint256,address)", [shares, home.account])),
    ):
        home.lab.as_owner(target, data)
    nested = Home(
        home.lab,
        replace(
            home.book,
            tokens={**home.book.tokens, outer: replace(inner, address=place)},
            vaults={**home.book.vaults, outer: VAULT},
        ),
    )
    assert home.held(VAULT) == 0 and nested.held(outer) > 0
    before = home.balance(home.book.tokens["USDC"].address, home.owner)
    wallet = home.held("USDC")
    nested.leave()
    assert nested.held(outer) == home.held(VAULT) == home.held("USDC") == 0
    assert home.balance(inner.address, home.owner) == 0
    after = home.balance(home.book.tokens["USDC"].address, home.owner)
    assert after - before >= wallet + 4_000 * 10**6 - 4


def test_exit_by_the_command_redeems(home: Home, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AFFIANT_OWNER_PASSWORD", PASSWORD)
    home.deposit(4_000 * 10**6)
    book, keystore = tmp_path / "book.json", tmp_path / "owner"
    book.write_bytes(canonical_json(home.book.to_json()))
    stored = Account.encrypt(
        home.lab.owner.key, PASSWORD, kdf="pbkdf2", iterations=1000
    )
    keystore.write_text(json.dumps(stored))
    done = affiant_here(
        *("exit", home.account, "--book", book, "--chain-url", home.lab.devnet.url),
        *("--chain-id", str(home.lab.devnet.chain_id)),
        *("--send", "--keystore", keystore),
    )
    assert done.returncode == 0, done.stderr
    assert "redeem" in done.stdout and "of vUSDC" in done.stdout
    assert home.held(VAULT) == home.held("USDC") == home.held("WETH") == 0
