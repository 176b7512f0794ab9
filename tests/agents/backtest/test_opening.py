"""What an account begins with, as a file says it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from affiant.agents.backtest import Opening, Position, parse_opening
from affiant.agents.backtest.errors import OpeningError
from affiant.errors import RejectedError

GOOD = b"""
format = "affiant-opening/1"
vault = true

[balances]
WETH = "6"
USDC = "10000.5"

[terms]
max_loss = "1.5"

[[positions]]
action = "supply"
asset = "WETH"
amount = "4"
"""


def test_reads_a_file() -> None:
    opening = parse_opening(GOOD, file="opening.toml")
    assert opening.balances == {"WETH": Decimal(6), "USDC": Decimal("10000.5")}
    assert opening.positions == (Position("supply", "WETH", Decimal(4)),)
    assert opening.vault
    assert opening.max_loss == 150_000_000
    assert opening.limit == Opening().limit


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"affiant-opening/1", b"affiant-opening/2"),
        (b'"6"', b"6.0"),
        (b'"6"', b'"six"'),
        (b'"6"', b'"-6"'),
        (b'"6"', b'"1e3"'),
        (b'"6"', b'"NaN"'),
        (b"WETH", b"'<script>'"),
        (b'"supply"', b'"steal"'),
        (b'max_loss = "1.5"', b'max_loss = "0.000000001"'),
        (b'max_loss = "1.5"', b'most_loss = "1.5"'),
        (b"vault = true", b'vault = "yes"'),
        (b"[balances]", b"[balance]"),
    ],
)
def test_refuses_what_is_not_expected(old: bytes, new: bytes) -> None:
    with pytest.raises(RejectedError):
        parse_opening(GOOD.replace(old, new, 1), file="opening.toml")


def test_other_balances_are_checked_alike() -> None:
    assert Opening().with_balances({"WETH": "1"}).balances == {"WETH": Decimal(1)}
    with pytest.raises(OpeningError, match="amount of WETH"):
        Opening().with_balances({"WETH": "all"})
