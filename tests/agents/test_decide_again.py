"""Deciding again: the same path on other facts, with a model that answers by rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from neighbours import neighbour

from affiant.agents.deciding.decide_again import Imagined, decide_again, say
from affiant.agents.deciding.reach import Situation
from affiant.agents.deciding.sensitivity import Sensitivity, find_sensitivity
from affiant.agents.programs.questions import Question
from affiant.agents.programs.request import PreviousSummary
from affiant.agents.settings.loading import load_agent_class
from affiant.demo.stage import make_mandate
from affiant.encoding import keccak256
from affiant.onchain.address_book import AddressBook
from affiant.onchain.altered import alter
from affiant.onchain.observation import Observation
from affiant.onchain.what_if import parse_setting

ROOT = Path(__file__).parents[2]
VECTOR = json.loads((ROOT / "tests" / "vectors" / "observation.json").read_text())

SEEDS = [None] * 8

_scripted = neighbour("agents/conftest.py")


def rebalance(prompt: str) -> str:
    """Sell WETH above 65 %, buy below 55 %, by the share that the prompt states."""
    found = re.search(r"WETH: (\d+)%", prompt)
    assert found is not None
    share = int(found[1])
    why = f"WETH is {share}%"
    if 55 <= share <= 65:
        return json.dumps({"why": why, "actions": [{"action": "hold"}]})
    sell, buy = ("WETH", "USDC") if share > 65 else ("USDC", "WETH")
    action = {
        "action": "swap",
        "sell": sell,
        "buy": buy,
        "share_bps": 100 * abs(share - 60),
        "max_slippage_bps": 100,
    }
    return json.dumps({"why": why, "actions": [action]})


@dataclass
class RuleEngine(_scripted.ScriptedEngine):  # type: ignore[misc, name-defined]
    """Answers a prompt by a rule."""

    rule: Callable[[str], str] = rebalance
    seeds: list[bytes | None] = field(default_factory=list)

    def generate(self, prompt_ids: Sequence[int], **asked: Any) -> tuple[int, ...]:
        self.seeds.append(asked["seed"])
        self.text = ""  # Nothing is shared between threads but the rule.
        text = self.rule(self.decode(prompt_ids))
        self.asked.append(text)
        return (*self.encode(text), _scripted.EOS)


@pytest.fixture
def situation() -> Situation:
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
    return Situation(
        program=program,
        book=book,
        mandate=mandate,
        slot=VECTOR["slot"],
        observation=observation,
        previous=PreviousSummary(9, ("withdraw",)),
        answers=(),
        plan=None,
    )


def imagine(situation: Situation, *texts: str, engine: Any = None) -> Imagined:
    altered = alter(
        situation.observation,
        [parse_setting(text) for text in texts],
        names=situation.program.observes,
        book=situation.book,
    )
    return decide_again(
        engine or RuleEngine(), situation, observation=altered, seeds=SEEDS
    )


def test_unchanged_facts_give_the_decision_as_it_was(situation: Situation) -> None:
    made = imagine(situation)
    assert made.requests[-1]["portfolio"]["tokens"][0]["share"]["total"] == 50
    assert made.plan is not None and made.refused == ""
    assert [action.action for action in made.plan.actions] == ["swap"]
    assert len(made.calls) == 1 and any(bound < 0 for bound in made.bounds)


def test_other_facts_give_another_decision(situation: Situation) -> None:
    dear = imagine(situation, "market:WETH=3000")
    assert dear.requests[-1]["portfolio"]["tokens"][0]["share"]["total"] == 63
    assert dear.plan is not None
    assert dear.plan.action_names == ("hold",)
    assert dear.calls == () and set(dear.bounds) == {0}
    dearer = imagine(situation, "market:WETH=6000")
    assert dearer.plan is not None
    assert dearer.plan.actions[0].model_dump()["sell"] == "WETH"


def test_what_could_not_be_carried_out_is_said_to_be_refused(
    situation: Situation,
) -> None:
    stale = imagine(situation, "age:WETH=7200")
    assert stale.plan is not None and stale.said[-1].refused == ""
    assert "7200 s old" in stale.refused
    assert stale.calls == () and set(stale.bounds) == {0}
    silly = imagine(situation, engine=RuleEngine(rule=lambda _: "no plan at all"))
    assert silly.plan is None and "JSON" in silly.refused
    assert silly.refused == silly.said[-1].refused and silly.calls == ()


def test_nothing_that_could_be_sworn_comes_out(situation: Situation) -> None:
    """No digest, receipt, signature, salt or evidence: there is nothing to swear by."""
    made = imagine(situation, "price:WETH=3000")
    for item in (made, *made.said):
        names = {part.name for part in fields(item)}
        assert not names & {
            "receipt",
            "receipts",
            "decision",
            "digest",
            "signature",
            "evidence",
            "trace",
            "sections",
        }


def test_the_seed_is_the_sworn_inference_s(situation: Situation) -> None:
    engine = RuleEngine()
    request = imagine(situation).requests[-1]
    say(
        engine,
        request,
        program=situation.program,
        book=situation.book,
        index=0,
        seed=keccak256(b"seed"),
    )
    assert engine.seeds == [keccak256(b"seed")]


def test_questions_are_asked_again_and_their_answers_passed_on(
    situation: Situation,
) -> None:
    def rule(prompt: str) -> str:
        if prompt.endswith("Answer:\n"):
            return "Dear." if "price 6000" in prompt else "Cheap."
        assert "Answered: Dear." in prompt or "Answered: Cheap." in prompt
        return rebalance(prompt)

    asking = replace(
        situation,
        program=replace(
            situation.program, questions=(Question("Is WETH dear?", max_tokens=9),)
        ),
    )
    engine = RuleEngine(rule=rule)
    altered = alter(
        situation.observation,
        [parse_setting("market:WETH=6000")],
        names=situation.program.observes,
        book=situation.book,
    )
    seeds = [keccak256(b"0"), keccak256(b"1")]
    made = decide_again(engine, asking, observation=altered, seeds=seeds)
    assert [said.text for said in made.said][0] == "Dear."
    assert [len(item["answers"]) for item in made.requests] == [0, 1]
    assert made.requests[0]["question"] == "Is WETH dear?"
    assert made.plan is not None and made.said[0].plan is None
    assert made.said[0].refused == ""
    assert engine.seeds == seeds


def sensitivity(situation: Situation, **asked: Any) -> Sensitivity:
    request = imagine(situation).requests[-1]
    return find_sensitivity(
        asked.pop("engine", None) or RuleEngine(),
        request,
        program=situation.program,
        book=situation.book,
        seed=None,
        **asked,
    )


def test_finds_the_one_field_that_the_answer_depends_on(situation: Situation) -> None:
    found = sensitivity(situation)
    depends = {
        (trial.path, trial.new): trial.effect
        for trial in found.trials
        if trial.effect not in ("same", "not shown")
    }
    assert depends == {
        ("portfolio.tokens.WETH.share.total", "51"): "shares",
        ("portfolio.tokens.WETH.share.total", "49"): "shares",
    }
    effects = {trial.effect for trial in found.trials}
    assert effects == {"same", "not shown", "shares"}
    assert found.generations == 1 + sum(t.said is not None for t in found.trials)
    assert all(
        (trial.said is None) == (trial.effect == "not shown") for trial in found.trials
    )


def test_tells_words_from_shares_from_actions_from_no_plan(
    situation: Situation,
) -> None:
    def rule(prompt: str) -> str:
        if "WETH: 51%" in prompt:
            return rebalance("WETH: 60%")
        if "WETH: 49%" in prompt:
            return "nonsense"
        if "price 1818" in prompt:
            return rebalance(prompt).replace("WETH is", "WETH at")
        return rebalance(prompt)

    found = sensitivity(situation, engine=RuleEngine(rule=rule))
    effects = {(trial.path, trial.new): trial.effect for trial in found.trials}
    assert effects["portfolio.tokens.WETH.share.total", "51"] == "actions"
    assert effects["portfolio.tokens.WETH.share.total", "49"] == "no plan"
    assert effects["portfolio.tokens.WETH.price", "1818"] == "words"


def test_no_more_is_generated_than_was_asked_for(situation: Situation) -> None:
    engine, told = RuleEngine(), []
    found = sensitivity(
        situation, engine=engine, most=5, progress=lambda *n: told.append(n)
    )
    assert found.generations == 5 == len(engine.asked)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert any(trial.effect == "not tried" for trial in found.trials)
    assert sensitivity(situation, most=0).generations == 1


def test_an_answer_that_is_no_plan_can_be_compared(situation: Situation) -> None:
    found = sensitivity(
        situation,
        engine=RuleEngine(
            rule=lambda prompt: (
                rebalance(prompt) if "WETH: 51%" in prompt else f"? {len(prompt)}"
            )
        ),
    )
    effects = {(trial.path, trial.new): trial.effect for trial in found.trials}
    assert effects["portfolio.tokens.WETH.share.total", "51"] == "actions"
    assert found.before.plan is None
    assert replace(found.before, text="") != found.before
