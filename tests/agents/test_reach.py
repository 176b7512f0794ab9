"""What recorded words reach: tried out on an observation of real contracts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.agents.deciding.reach import Reach, Situation, changes_of, find_reach
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.questions import Question
from affiant.agents.programs.request import PreviousSummary
from affiant.agents.settings.loading import load_agent_class
from affiant.demo.stage import make_mandate
from affiant.encoding import keccak256
from affiant.errors import RejectedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.errors import ObservationError
from affiant.onchain.kits import HoldParams, SwapParams
from affiant.onchain.observation import Observation

ROOT = Path(__file__).parents[2]
VECTOR = json.loads((ROOT / "tests" / "vectors" / "observation.json").read_text())

SWAP = Plan(
    why="below",
    actions=(
        SwapParams(
            action="swap",
            sell="USDC",
            buy="WETH",
            share_bps=6750,
            max_slippage_bps=100,
        ),
    ),
)


def situation(plan: Plan | None = SWAP, **changes: Any) -> Situation:
    book = AddressBook.from_json(VECTOR["book"])
    observation = Observation.from_json(VECTOR["observation"])
    agent = load_agent_class(str(ROOT / "examples" / "rebalancer.py"))
    program = agent.program(book=book, model=keccak256(b"m"), engine=keccak256(b"e"))
    mandate = make_mandate(
        program,
        account=SimpleNamespace(address=observation.account),  # type: ignore[arg-type]
        book=book,
        now=observation.timestamp,
    )
    before = VECTOR["previous"]
    made = Situation(
        program=program,
        book=book,
        mandate=mandate,
        slot=VECTOR["slot"],
        observation=observation,
        previous=PreviousSummary(before["slot"], tuple(before["actions"])),
        answers=(),
        plan=plan,
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def reach() -> Reach:
    return find_reach(situation())


def reached(reach: Reach, fact: str) -> Any:
    """Return the one word that a fact stands in."""
    (word,) = [item for item in reach.words if fact in item.facts]
    return word


def test_every_fact_stands_in_one_word(reach: Reach) -> None:
    facts = [fact for word in reach.words for fact in word.facts]
    assert len(facts) == len(set(facts)) == 20
    assert {fact.partition(".")[0] for fact in facts} == {
        "balances",
        "prices",
        "pools",
        "lending",
    }


def test_a_price_reaches_value_shares_deviation_and_the_least_yield(
    reach: Reach,
) -> None:
    word = reached(reach, "prices.WETH.answer")
    assert int.from_bytes(word.value, "big") == 1800 * 10**8
    assert {
        "portfolio.total",
        "portfolio.tokens.WETH.price",
        "portfolio.tokens.WETH.share.total",
        "portfolio.tokens.USDC.share.supplied",
        "pools.WETH/USDC.deviationBps",
    } <= set(word.request)
    assert "portfolio.tokens.WETH.wallet" not in word.request
    # The calldata's seventh word is the swap's least yield, and the bound its twin.
    assert set(word.calls) == {"calls[0].data[6]", "bounds[0]"}
    assert "expected more than 0" in word.refused and not word.idle


def test_a_balance_reaches_the_amount_that_is_sold(reach: Reach) -> None:
    word = reached(reach, "balances.USDC.wallet")
    assert {"calls[0].data[5]", "calls[0].allowance"} <= set(word.calls)
    assert "portfolio.tokens.USDC.wallet" in word.request
    assert "at least 1 base unit" in word.refuses_plan


def test_a_balance_that_is_nothing_reaches_what_it_would_change(reach: Reach) -> None:
    word = reached(reach, "balances.WETH.debt")
    assert word.value == bytes(32)
    assert {"portfolio.debt", "portfolio.tokens.WETH.share.debt"} <= set(word.request)


def test_a_price_s_age_reaches_no_request_and_stops_the_plan(reach: Reach) -> None:
    word = reached(reach, "prices.WETH.updated_at")
    assert word.request == () and word.prompt == ()
    assert "expected under 3600 s" in word.refuses_plan
    assert not word.idle


def test_words_that_reach_nothing_are_idle(reach: Reach) -> None:
    idle = [item for item in reach.words if item.idle]
    # Of a feed's five words: round, start and the round answered in.
    feeds = [item.word for item in idle if 9 <= item.read <= 11]
    assert feeds == [0, 2, 4, 0, 2, 3, 4, 0, 2, 4]
    # The pool's tick and liquidity are facts that nothing uses.
    tick = reached(reach, "pools.WETH/USDC.tick")
    assert tick.idle and tick.request == () == tick.calls
    # A round number of nothing is refused: the word is checked all the same.
    assert all(item.refused for item in idle if item.word == 0 and 9 <= item.read <= 11)
    assert sum(item.read == 14 for item in idle) == 10


def test_every_field_says_where_it_comes_from(reach: Reach) -> None:
    origins = {field.path: field for field in reach.fields}
    assert origins["slot"].others == ("slot",)
    assert origins["block"].others == ("anchor block",)
    assert origins["mandate"].others == ("mandate",)
    assert origins["objective"].others == ("objective",)
    assert origins["actions[0]"].others == ("actions",)
    assert origins["previous.actions[0]"].others == ("decision before",)
    assert origins["lending.USDC.supplyBps"].words == ((14, 5),)
    assert origins["portfolio.tokens.USDC.wallet"].words == ((0, 0),)
    # Without questions, nothing is asked and nothing was answered.
    del origins["question"], origins["answers"]
    fixed = {path for path, item in origins.items() if not item.words + item.others}
    assert fixed == {
        "format",
        "pools.WETH/USDC.pool",
        "pools.WETH/USDC.feeBps",
        "lending.USDC.token",
        *(f"portfolio.tokens.{name}.token" for name in ("WETH", "USDC", "WBTC")),
    }


def test_says_what_the_prompt_shows(reach: Reach) -> None:
    shown = {field.path for field in reach.fields if field.shown}
    assert {
        "objective",
        "portfolio.total",
        "portfolio.tokens.WETH.price",
        "portfolio.tokens.USDC.share.supplied",
        "pools.WETH/USDC.deviationBps",
        "lending.USDC.supplyBps",
        "previous.actions[0]",
    } <= shown
    assert not shown & {
        "format",
        "mandate",
        "slot",
        "block",
        "previous.slot",
        "portfolio.tokens.WETH.wallet",
        "pools.WETH/USDC.price",
        "lending.USDC.borrowBps",
    }


def test_without_a_plan_no_calls_are_looked_at() -> None:
    found = find_reach(situation(plan=None))
    assert all(item.calls == () and not item.refuses_plan for item in found.words)


def test_a_hold_follows_from_nothing() -> None:
    hold = Plan(why="inside", actions=(HoldParams(action="hold"),))
    found = find_reach(situation(plan=hold))
    assert all(item.calls == () for item in found.words)


def test_the_first_decision_has_none_before() -> None:
    found = find_reach(situation(previous=None))
    origins = {field.path: field for field in found.fields}
    assert origins["previous"].value is None
    assert origins["previous"].others == ("decision before",)


def test_answers_and_questions_are_origins_too() -> None:
    made = situation()
    asking = replace(made.program, questions=(Question("Is WETH dear?"),))
    found = find_reach(replace(made, program=asking, answers=("No.",)))
    origins = {field.path: field for field in found.fields}
    assert origins["answers[0].answer"].others == ("answers",)
    assert origins["answers[0].question"].others == ("questions",)
    assert origins["question"].value is None and origins["question"].shown
    first = find_reach(replace(made, program=asking))
    assert {field.path: field.value for field in first.fields}["question"] == (
        "Is WETH dear?"
    )


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_weird_reads_are_refused_or_explained(data: st.DataObject) -> None:
    """Any bytes may stand in a read: a typed error, or every word accounted for."""
    made = situation()
    reads = list(made.observation.reads)
    index = data.draw(st.integers(0, len(reads) - 1))
    length = len(reads[index].returndata)
    size = data.draw(st.sampled_from([length, length, 0, length + 32, length - 1]))
    word = st.one_of(
        st.just(bytes(32)),
        st.just(b"\xff" * 32),
        st.integers(0, 2**256 - 1).map(lambda n: n.to_bytes(32, "big")),
        st.integers(0, 10**12).map(lambda n: n.to_bytes(32, "big")),
    )
    blob = b"".join(data.draw(word) for _ in range(-(-size // 32)))[:size]
    reads[index] = replace(reads[index], returndata=blob)
    weird = replace(made.observation, reads=tuple(reads))
    try:
        found = find_reach(replace(made, observation=weird))
    except RejectedError as error:
        assert isinstance(error, ObservationError)
        return
    assert len(found.words) == sum(len(read.returndata) // 32 for read in reads)


@given(st.binary(min_size=32, max_size=32))
def test_changes_differ_from_the_word_and_stay_words(word: bytes) -> None:
    changed = changes_of(word)
    assert len(changed) >= 3 and len(set(changed)) == len(changed)
    assert word not in changed and all(len(item) == 32 for item in changed)


def test_changes_at_the_ends() -> None:
    assert (1).to_bytes(32, "big") in changes_of(bytes(32))
    assert changes_of(b"\xff" * 32)
