"""Addresses that follow from what is deployed."""

from __future__ import annotations

import pytest

from affiant.onchain.create2 import create2_address, created_by
from affiant.onchain.deploy import RULES, addresses_of, plan_affiant
from affiant.onchain.mandate import Address

# EIP-1014's own examples.
EXAMPLES = (
    ("00" * 20, "00" * 32, "00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
    (
        "deadbeef00000000000000000000000000000000",
        "00" * 32,
        "00",
        "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3",
    ),
    (
        "00000000000000000000000000000000deadbeef",
        "00000000000000000000000000000000000000000000000000000000cafebabe",
        "deadbeef",
        "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7",
    ),
    ("00" * 20, "00" * 32, "", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
)


@pytest.mark.parametrize(("creator", "salt", "code", "expected"), EXAMPLES)
def test_create2_is_that_of_the_standard(
    creator: str, salt: str, code: str, expected: str
) -> None:
    got = create2_address(
        bytes.fromhex(code), salt=bytes.fromhex(salt), creator=Address("0x" + creator)
    )
    assert got == expected


def test_rejects_a_salt_of_another_length() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        create2_address(b"", salt=bytes(31))


def test_created_by_is_that_of_the_yellow_paper() -> None:
    # The first contracts of a known factory.
    creator = Address("0x6AC7eA33f8831eA9DCC53393aaa88B25A785dbF0")
    created = [created_by(creator, number=number) for number in (1, 2, 3)]
    assert created == [
        "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8",
        "0xf778B86FA74E846c4f0a1fBd1335FE81c00a0C91",
        "0xffFd933A0bC612844eaF0C6Fe3E5b8E9B6C1d19c",
    ]


@pytest.mark.parametrize("number", [0, 128])
def test_created_by_refuses_numbers_of_another_encoding(number: int) -> None:
    with pytest.raises(ValueError, match=f"creation {number}"):
        created_by(Address("0x6AC7eA33f8831eA9DCC53393aaa88B25A785dbF0"), number=number)


def test_another_salt_moves_everything() -> None:
    ours, others = plan_affiant(), plan_affiant(salt=b"\x01" * 32)
    assert [planned.name for planned in ours] == [planned.name for planned in others]
    assert not {p.address for p in ours} & {p.address for p in others}
    addresses = addresses_of(ours)
    assert set(addresses.rules) == set(RULES)
    assert len({planned.address for planned in ours}) == len(ours)
