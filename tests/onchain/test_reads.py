"""The reads that several modules share: asked and decoded the same way everywhere."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from affiant.onchain.errors import ReadUndecodableError
from affiant.onchain.mandate import NATIVE, Address
from affiant.onchain.reads import FeedRound, balance_of, decode_uint256
from affiant.onchain.simulate import BALANCE_READER, balance_read

HOLDER = Address("0x00000000000000000000000000000000000000aA")
TOKEN = Address("0x00000000000000000000000000000000000000bb")
ROUND = ["uint80", "int256", "uint256", "uint256", "uint80"]
WORD = b"\xff" * 32


def test_a_balance_is_read_with_the_standards_selector():
    # EIP-20: bytes4(keccak256("balanceOf(address)")) is 0x70a08231.
    assert balance_of(HOLDER) == bytes.fromhex("70a08231") + encode(
        ["address"], [HOLDER]
    )
    read = balance_read(TOKEN, account=HOLDER)
    assert (read.target, read.data) == (TOKEN, balance_of(HOLDER))
    native = balance_read(NATIVE, account=HOLDER)
    assert (native.target, native.data) == (BALANCE_READER, balance_of(HOLDER)[4:])


def test_a_round_is_what_the_feed_encoded():
    data = encode(ROUND, [7, -5, 11, 12, 7])
    expected = FeedRound(round_id=7, answer=-5, updated_at=12)
    assert FeedRound.decode(data, what="feed") == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode(ROUND, [1, 2, 3, 4, 5])[:-1],
        encode(ROUND, [1, 2, 3, 4, 5]) + b"\x00",
        WORD + encode(ROUND, [1, 2, 3, 4, 5])[32:],
        encode(ROUND, [1, 2, 3, 4, 5])[:-32] + WORD,
    ],
    ids=["nothing", "a byte less", "a byte more", "a wide id", "a wide last word"],
)
def test_what_is_no_round_is_refused(data: bytes):
    with pytest.raises(ReadUndecodableError, match="feed"):
        FeedRound.decode(data, what="feed")


@pytest.mark.parametrize("data", [b"", WORD[:-1], WORD + b"\x00"])
def test_a_balance_is_one_word(data: bytes):
    assert decode_uint256(WORD, what="balance") == 2**256 - 1
    with pytest.raises(ReadUndecodableError, match="balance"):
        decode_uint256(data, what="balance")
