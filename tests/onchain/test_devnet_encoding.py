"""The devnet's pure parts: addresses, accounts, calldata, prices, linking."""

from __future__ import annotations

from decimal import Decimal

import pytest
from eth_account import Account

from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.devnet.artifacts import Artifact
from affiant.onchain.devnet.protocols import dollars_to_answer, sqrt_price
from affiant.onchain.devnet.rpc import calldata
from affiant.onchain.devnet.transactions import created_address
from affiant.onchain.mandate import Address

CRYPTO_KITTY_DEPLOYER = Address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
"""Sender of a widely used example of contract addresses."""


def test_accounts_are_those_of_the_known_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    for index in (0, 9):
        derived = Account.from_mnemonic(
            "test test test test test test test test test test test junk",
            account_path=f"m/44'/60'/0'/0/{index}",
        )
        assert derived.address == DEV_ACCOUNTS[index].address
    for account in DEV_ACCOUNTS:
        assert Account.from_key(account.key).address == account.address


@pytest.mark.parametrize(
    ("nonce", "address"),
    [
        # https://ethereum.stackexchange.com/questions/760
        (0, "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"),
        (1, "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"),
        (2, "0xf778B86FA74E846c4f0a1fBd1335FE81c00a0C91"),
        (3, "0xffFd933A0bC612844eaF0C6Fe3E5b8E9B6C1d19c"),
    ],
)
def test_created_addresses(nonce: int, address: str) -> None:
    assert created_address(CRYPTO_KITTY_DEPLOYER, nonce) == address


def test_calldata_of_a_transfer_and_of_a_tuple() -> None:
    to = DEV_ACCOUNTS[0].address
    data = calldata("transfer(address,uint256)", [to, 5])
    assert data[:4].hex() == "a9059cbb" and len(data) == 68 and data[-1] == 5
    assert len(calldata("f((uint8,(uint8,uint8)),uint8)", [(1, (2, 3)), 4])) == 132
    assert len(calldata("f()")) == 4


def test_prices_become_answers_and_square_roots() -> None:
    assert dollars_to_answer(Decimal("2500.123456789")) == 250012345678
    with pytest.raises(ValueError, match="finite"):
        dollars_to_answer(Decimal("Infinity"))
    # Equal prices and decimals: a ratio of one is 2^96.
    same = sqrt_price(answer0=7, answer1=7, decimals0=6, decimals1=6)
    assert same == 2**96
    # One WETH (18) for 2,500 USDC (6): 2500 * 10^-12 base units each.
    price = sqrt_price(answer0=2500, answer1=1, decimals0=18, decimals1=6)
    assert (Decimal(price) / 2**96) ** 2 == pytest.approx(Decimal("2.5e-9"))


def test_linking_fills_in_libraries_or_refuses() -> None:
    artifact = Artifact(
        name="C", bytecode="60" + "__" * 20 + "61", links=(("L", 1, 20),)
    )
    library = DEV_ACCOUNTS[0].address
    linked = artifact.linked({"L": library})
    assert linked.hex() == "60" + library[2:].lower() + "61"
    with pytest.raises(ValueError, match="`L`"):
        artifact.linked({})
