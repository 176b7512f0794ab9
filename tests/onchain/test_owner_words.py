"""What owners are told: chains, rules' limits, differences, worst cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from affiant.onchain.chains import CHAINS, chain_facts, hash_reach
from affiant.onchain.mandate import Address, Mandate, Permission, Rule, Rung
from affiant.onchain.mandate_diff import mandate_diff
from affiant.onchain.rule_limits import known_rules, rule_limits
from affiant.onchain.worst_case import decisions_per_day, worst_case

DOLLAR = 10**8
ENDORSERS = tuple(Address("0x" + f"{number:02x}" * 20) for number in (1, 2, 3))


def rule_named(name: str) -> Address:
    (address,) = [a for a, known in known_rules().items() if known == name]
    return address


# Chains


def test_an_unknown_chain_needs_its_pace_and_is_taken_for_real_money() -> None:
    with pytest.raises(ValueError, match="--block-seconds"):
        chain_facts(987654)
    assert chain_facts(987654, block_seconds=3).real_money


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_rejects_a_pace_that_is_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        chain_facts(1, block_seconds=seconds)


def test_a_stated_pace_keeps_the_other_facts() -> None:
    arbitrum = chain_facts(42161, block_seconds=1)
    assert arbitrum.refused == CHAINS[42161].refused is not None
    assert arbitrum.block_seconds == 1


def test_the_reach_of_hashes_is_what_the_chain_has() -> None:
    assert hash_reach(b"") == 256 and hash_reach(b"\x60") == 8191


# Rules


def test_known_rules_bound_a_day(empty: Mandate) -> None:
    spend = Rule(rule_named("SpendRate"), encode(["uint256"] * 2, [70, 30]))
    drawdown = Rule(rule_named("EpochDrawdown"), encode(["uint256"] * 2, [10, 43_200]))
    mandate = replace(empty, rules=(spend, drawdown))
    limits = rule_limits(mandate, known=known_rules())
    assert [limit.daily for limit in limits] == [100, 30]


@pytest.mark.parametrize("data", [b"", b"\x01", bytes(63), bytes(64)])
def test_terms_that_cannot_be_read_bound_nothing(empty: Mandate, data: bytes) -> None:
    drawdown = Rule(rule_named("EpochDrawdown"), data)
    assert rule_limits(replace(empty, rules=(drawdown,)), known=known_rules()) == ()


def test_rules_of_others_bound_nothing(empty: Mandate) -> None:
    rule = Rule(Address("0x" + "77" * 20), encode(["uint256"] * 2, [1, 1]))
    assert rule_limits(replace(empty, rules=(rule,)), known=known_rules()) == ()


# The worst case


def test_a_queued_decision_is_one_more_in_a_day(empty: Mandate) -> None:
    plain = replace(empty, cadence=300, ladder=(Rung(DOLLAR, 0, 0, 0),))
    delayed = replace(plain, ladder=(Rung(DOLLAR, 0, 0, 3600),))
    assert decisions_per_day(plain, block_seconds=12) == 25
    assert decisions_per_day(delayed, block_seconds=12) == 26


def test_a_rule_holds_where_it_is_the_least(empty: Mandate) -> None:
    spend = Rule(rule_named("SpendRate"), encode(["uint256"] * 2, [70, 30]))
    mandate = replace(
        empty,
        cadence=300,
        max_loss=DOLLAR,
        ladder=(Rung(10**6 * DOLLAR, 0, 0, 0),),
        rules=(spend,),
    )
    limits = rule_limits(mandate, known=known_rules())
    worst = worst_case(mandate, block_seconds=12, rules=limits)
    assert worst.daily == 100 and worst.held_by == "the spend-rate rule"


# Differences


def test_a_difference_says_which_side_permits_more(empty: Mandate) -> None:
    entry = Permission(Address("0x" + "55" * 20), b"\x01\x02\x03\x04")
    looser = replace(empty, max_loss=empty.max_loss + 1, allow_list=(entry,))
    lines = mandate_diff(empty, looser)
    assert len(lines) == 2 and all("LOOSER" in line for line in lines)
    lines = mandate_diff(looser, empty)
    assert len(lines) == 2 and all("stricter" in line for line in lines)


def test_the_same_mandate_differs_in_nothing(empty: Mandate) -> None:
    assert mandate_diff(empty, replace(empty)) == []


def test_less_cadence_is_looser(empty: Mandate) -> None:
    (line,) = mandate_diff(replace(empty, cadence=9), replace(empty, cadence=5))
    assert "9 -> 5" in line and "LOOSER" in line


def test_one_endorser_more_at_the_same_quorum_is_never_called_stricter(
    empty: Mandate,
) -> None:
    """Two of three sign more easily than two of two."""
    two = replace(empty, endorsers=ENDORSERS[:2], quorum=2)
    three = replace(two, endorsers=ENDORSERS)
    (line,) = mandate_diff(two, three)
    assert "stricter" not in line and "(check: " in line and "easier" in line
    (line,) = mandate_diff(three, two)
    assert "stricter" not in line and "(check: " in line and "cancel" in line


def test_the_first_endorsers_make_checkpoints_possible(empty: Mandate) -> None:
    lines = mandate_diff(empty, replace(empty, endorsers=ENDORSERS[:1], quorum=1))
    assert len(lines) == 2
    assert not any("stricter" in line for line in lines)
    (line,) = [line for line in lines if line.startswith("quorum")]
    assert "(LOOSER: checkpoints" in line
    lines = mandate_diff(replace(empty, endorsers=ENDORSERS[:1], quorum=1), empty)
    (line,) = [line for line in lines if line.startswith("quorum")]
    assert "(stricter: " in line
    (line,) = mandate_diff(
        replace(empty, endorsers=ENDORSERS, quorum=2),
        replace(empty, endorsers=ENDORSERS, quorum=3),
    )
    assert "stricter" in line


def test_an_asset_that_is_newly_tracked_can_be_spent(empty: Mandate) -> None:
    less = replace(empty, tracked=empty.tracked[:-1])
    (line,) = mandate_diff(less, empty)
    assert "stricter" not in line and "(check: " in line and "spend" in line
    (line,) = mandate_diff(empty, less)
    assert "stricter" not in line and "(check: " in line and "unseen" in line


def test_another_order_is_told(empty: Mandate) -> None:
    entries = tuple(
        Permission(Address("0x" + f"{number:02x}" * 20), b"\x01\x02\x03\x04")
        for number in (1, 2)
    )
    (line,) = mandate_diff(
        replace(empty, allow_list=entries), replace(empty, allow_list=entries[::-1])
    )
    assert "another order" in line


@pytest.fixture
def empty(small_mandate: Mandate) -> Mandate:
    return replace(small_mandate, allow_list=(), rules=())
