"""Requests of programs that observe more: ether, standing with Aave, vaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fuzz_seeds
import pytest

from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.prompt import chat_messages, render_prompt
from affiant.agents.programs.request import build_request
from affiant.agents.programs.request_fields import shown_fields
from affiant.onchain.facts import (
    BorrowingFact,
    Facts,
    LendingFact,
    PriceFact,
    TokenBalance,
    VaultFact,
)
from affiant.onchain.kits import KITS

DOLLAR = 10**8
BOOK = fuzz_seeds.wide_book()
FACTS = Facts(
    block_number=7,
    timestamp=1000,
    balances={
        "WETH": TokenBalance(10**18),
        "USDC": TokenBalance(500 * 10**6, 1000 * 10**6, 250 * 10**6),
        "vUSDC": TokenBalance(0),
    },
    prices={
        "WETH": PriceFact(2000 * DOLLAR, 8, 990),
        "USDC": PriceFact(DOLLAR, 8, 990),
        "vUSDC": PriceFact(105 * 10**6, 8, 990),
    },
    pools={},
    lending={"USDC": LendingFact(4 * 10**25, 6 * 10**25)},
    borrowing=BorrowingFact(1000 * DOLLAR, 250 * DOLLAR, 5125 * 10**7, 8000),
    native=25 * 10**16,
    vaults={"vUSDC": VaultFact(1_050_000)},
)


def request(facts: Facts = FACTS) -> dict[str, Any]:
    return build_request(
        {
            "objective": "Look after it.",
            "actions": [{"name": name} for name in KITS],
        },
        facts=facts,
        book=BOOK,
        mandate_id=bytes(32),
        slot=3,
        previous=None,
    )


def test_ether_is_a_token_of_the_portfolio_at_its_wrappers_price() -> None:
    portfolio = request()["portfolio"]
    assert portfolio["tokens"][-1] == {
        "token": "ETH",
        "wallet": "0.25",
        "supplied": "0",
        "debt": "0",
        "price": "2000",
        "share": {"total": 13, "wallet": 13, "supplied": 0, "debt": 0},
    }
    assert portfolio["total"] == "4000"


def test_standing_and_vaults_are_exact_strings_and_integers() -> None:
    told = request()
    assert told["borrowing"] == {"available": "512.5", "healthBps": 32_000}
    assert told["vaults"] == [
        {"vault": "vUSDC", "asset": "USDC", "assetsPerShare": "1.05"}
    ]
    free = replace(FACTS, borrowing=BorrowingFact(0, 0, 0, 0))
    assert request(free)["borrowing"] == {"available": "0", "healthBps": None}


def test_what_is_not_observed_is_not_in_the_request() -> None:
    plain = request(replace(FACTS, borrowing=None, native=None, vaults={}))
    assert "borrowing" not in plain and "vaults" not in plain
    assert [token["token"] for token in plain["portfolio"]["tokens"]] == [*BOOK.tokens]
    assert "costs" not in render_prompt(plain)
    assert "Borrowing" not in render_prompt(plain)


def test_the_prompt_says_it_in_lines_of_its_own() -> None:
    lines = render_prompt(request()).split("\n")
    assert "ETH: 13% = wallet 13% + lent 0%; price 2000" in lines
    assert "Lending USDC: earns 400 bps, costs 600" in lines
    assert "Borrowing: health 32000 bps; 512.5 left" in lines
    assert "Vault vUSDC: 1.05 USDC" in lines
    free = request(replace(FACTS, borrowing=BorrowingFact(0, 0, 0, 0)))
    assert "Borrowing: no debt; 0 left" in render_prompt(free).split("\n")
    shown = shown_fields(request())
    assert {
        "borrowing.available",
        "borrowing.healthBps",
        "vaults.vUSDC.assetsPerShare",
        "lending.USDC.borrowBps",
    } <= shown


def test_instruct_models_are_told_how_to_write_every_kit() -> None:
    system = chat_messages(request())[0]["content"]
    for kit in KITS.values():
        assert f"\n{kit.line}" in system


def test_a_vault_that_the_book_does_not_name_is_refused() -> None:
    with pytest.raises(RequestError):
        request(replace(FACTS, vaults={"USDC": VaultFact(1)}))
