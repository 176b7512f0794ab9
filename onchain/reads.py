"""Reads that several modules make, asked and decoded in one place: balances and feeds.

Pure. It decides which calldata such a read has and that what came back is exactly the
words of its type; whether an answer is plausible, fresh or true is for whoever asked.
It trusts nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.onchain.abi import encode_call, selector
from affiant.onchain.errors import ReadUndecodableError
from affiant.onchain.mandate import Address

LATEST_ROUND_DATA = selector("latestRoundData()")
"""Calldata that asks a Chainlink-shaped feed for its newest round (AggregatorV3)."""

ROUND_TYPES = ("uint80", "int256", "uint256", "uint256", "uint80")
"""Its words: round, answer, when it was started and updated, round answered in."""


def balance_of(account: Address) -> bytes:
    """Return the calldata that asks an ERC-20 for the balance of `account`."""
    return encode_call("balanceOf(address)", [account])


def decode_uint256(data: bytes, *, what: str) -> int:
    """Return the one number that a read returned.

    Raises:
        ReadUndecodableError: it is not exactly one word.
    """
    return decode_words(data, ("uint256",), what=what)[0]


@dataclass(frozen=True)
class FeedRound:
    """What a feed answered."""

    round_id: int
    answer: int
    """With the feed's decimals; may be 0 or negative, which no healthy feed gives."""
    updated_at: int
    """Unix seconds."""

    @classmethod
    def decode(cls, data: bytes, *, what: str) -> FeedRound:
        """Read what `latestRoundData()` returned.

        Raises:
            ReadUndecodableError: it is not exactly the five words of the type.
        """
        round_id, answer, _, updated_at, _ = decode_words(data, ROUND_TYPES, what=what)
        return cls(round_id=round_id, answer=answer, updated_at=updated_at)


def decode_words(data: bytes, types: Sequence[str], *, what: str) -> list[int]:
    """Decode exactly one 32-byte word per type, each within its type's range.

    Args:
        data: what the read returned.
        types: "uint8" to "uint256" and "int8" to "int256".
        what: names the read in errors.

    Raises:
        ReadUndecodableError: another length, or a word out of range.
    """
    if len(data) != 32 * len(types):
        raise ReadUndecodableError(
            what, got=f"{len(data)} bytes", expected=f"{32 * len(types)} bytes"
        )
    values = []
    for index, kind in enumerate(types):
        signed = kind.startswith("int")
        bits = int(kind.removeprefix("uint").removeprefix("int"))
        word = data[32 * index : 32 * index + 32]
        value = int.from_bytes(word, "big", signed=signed)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
        if not low <= value < high:
            raise ReadUndecodableError(
                f"{what}, word {index}", got=f"0x{word.hex()}", expected=kind
            )
        values.append(value)
    return values


def encode_words(values: Sequence[int], types: Sequence[str], *, what: str) -> bytes:
    """Return the bytes that `decode_words` reads as `values`.

    Raises:
        ReadUndecodableError: a value out of its type's range.
        ValueError: not one value per type.
    """
    words = []
    for index, (value, kind) in enumerate(zip(values, types, strict=True)):
        try:
            words.append(value.to_bytes(32, "big", signed=kind.startswith("int")))
        except OverflowError as error:
            raise ReadUndecodableError(
                f"{what}, word {index}", got=str(value)[:90], expected=kind
            ) from error
    data = b"".join(words)
    decode_words(data, types, what=what)
    return data
