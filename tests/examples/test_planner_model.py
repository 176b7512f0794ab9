"""The committed planner model: what it is measured on, and what it must get right."""

from __future__ import annotations

import copy
import importlib
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from affiant.agents.programs.prompt import render_prompt
from affiant.encoding import canonical_json, keccak256, to_hex
from affiant.inference.commitment import commit_model

PLANNER = Path(__file__).parents[2] / "examples" / "planner"
MODEL = PLANNER / "model"
MODULES = tuple(path.stem for path in PLANNER.glob("*.py"))
TORCH_FREE = (
    "price_path",
    "teacher",
    "scenarios",
    "rebalancing",
    "simulate",
    "outcomes",
)

MAX_FOLDER_BYTES = 12_000_000
HELD_OUT_SCENARIOS = 40


@pytest.fixture(scope="module")
def planner() -> Iterator[dict[str, ModuleType]]:
    """The example's modules, which are scripts beside each other and no package."""
    sys.path.insert(0, str(PLANNER))
    try:
        yield {name: importlib.import_module(name) for name in TORCH_FREE}
    finally:
        sys.path.remove(str(PLANNER))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def evaluate(planner: dict[str, ModuleType]) -> ModuleType:
    for name in ("torch", "transformers", "xgrammar"):
        pytest.importorskip(name)
    return importlib.import_module("evaluate")


@pytest.fixture(scope="module")
def model(evaluate: ModuleType) -> Any:
    return evaluate.Planner.load(MODEL)


@pytest.fixture(scope="module")
def held_out(planner: dict[str, ModuleType]) -> list[dict[str, Any]]:
    draw = planner["scenarios"].draw
    return [draw("held-out", index) for index in range(HELD_OUT_SCENARIOS)]


def request_of(
    planner: dict[str, ModuleType], weth: int, idle: int, lent: int, **changes: Any
) -> dict[str, Any]:
    share = {"debt": 0}
    request: dict[str, Any] = {
        "objective": planner["price_path"].OBJECTIVE,
        "actions": ["swap", "supply", "withdraw", "hold"],
        "portfolio": {
            "tokens": [
                {"token": "WETH", "share": {**share, "total": weth, "wallet": weth}},
                {
                    "token": "USDC",
                    "share": {
                        **share,
                        "total": idle + lent,
                        "wallet": idle,
                        "supplied": lent,
                    },
                },
            ]
        },
    }
    return {**request, **changes}


@pytest.mark.parametrize(
    ("shares", "action", "share_bps"),
    [
        ((60, 10, 30), "hold", None),
        ((65, 15, 20), "hold", None),  # both limits belong to the inside
        ((55, 0, 45), "hold", None),
        ((66, 4, 30), "swap", 1000),  # 6 of 66 is 909, to the nearest 250
        ((54, 16, 30), "swap", 3750),  # 6 of 16, exactly
        ((54, 6, 40), "swap", 10_000),
        ((54, 5, 41), "withdraw", 500),  # 2 of 41 is 488, up to the next 250
        ((50, 5, 0), "swap", 10_000),
        ((50, 0, 0), "hold", None),
        ((60, 16, 24), "supply", 5750),  # 9 of 16 is 5625: halves go up
    ],
)
def test_teacher_follows_its_rule(
    planner: dict[str, ModuleType],
    shares: tuple[int, int, int],
    action: str,
    share_bps: int | None,
) -> None:
    plan = planner["teacher"].teach(request_of(planner, *shares))
    assert plan["actions"][0]["action"] == action
    assert plan["actions"][0].get("share_bps") == share_bps


def test_teacher_only_uses_actions_that_the_program_has(
    planner: dict[str, ModuleType],
) -> None:
    for shares in ((60, 30, 10), (40, 0, 60)):
        request = request_of(planner, *shares, actions=["swap", "hold"])
        assert planner["teacher"].teach(request)["actions"] == [{"action": "hold"}]


def test_scenarios_are_the_same_on_every_machine(
    planner: dict[str, ModuleType],
) -> None:
    draw, teach = planner["scenarios"].draw, planner["teacher"].teach
    pairs = [
        [request, teach(request)]
        for split in ("training", "held-out")
        for request in (draw(split, index) for index in range(200))
    ]
    assert keccak256(canonical_json(pairs)).hex() == (
        "77364d87d297333cd3ca6f7ce4cfc047646628cff7cf207f11825eb7633ea83e"
    )


def test_no_training_scenario_has_the_numbers_of_a_held_out_one(
    planner: dict[str, ModuleType],
) -> None:
    scenarios, read = planner["scenarios"], planner["teacher"].read
    held_out = {read(scenarios.draw("held-out", index)) for index in range(300)}
    assert not held_out & {
        read(request) for request, _ in scenarios.training_examples(300, 300)
    }


def test_path_calls_for_every_kind_of_action(planner: dict[str, ModuleType]) -> None:
    simulate, teach = planner["simulate"], planner["teacher"].teach
    taken = [
        (slot.plan["actions"][0]["action"], slot.plan["actions"][0].get("sell"))
        for slot in simulate.follow(teach)
    ]
    assert len(taken) == len(planner["price_path"].WETH_PRICES) == 12
    assert taken == list(planner["price_path"].ACTIONS)
    assert set(taken) == {
        ("hold", None),
        ("swap", "WETH"),
        ("swap", "USDC"),
        ("supply", None),
        ("withdraw", None),
    }


def one_percent_around(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the request, and every one with one share a percent off."""
    requests = [request]
    for token, part in ((0, "wallet"), (1, "wallet"), (1, "supplied")):
        for change in (-1, 1):
            moved = copy.deepcopy(request)
            share = moved["portfolio"]["tokens"][token]["share"]
            share["total"] += change
            share[part] += change
            if share[part] >= 0:
                requests.append(moved)
    return requests


def test_one_percent_changes_no_action_of_the_path(
    planner: dict[str, ModuleType],
) -> None:
    teach = planner["teacher"].teach
    for slot in planner["simulate"].follow(teach):
        wanted = slot.plan["actions"][0]
        for request in one_percent_around(slot.request):
            got = teach(request)["actions"][0]
            assert got["action"] == wanted["action"]
            assert got.get("sell") == wanted.get("sell")


def test_rebalancer_asks_what_the_path_was_made_for(
    planner: dict[str, ModuleType],
) -> None:
    rebalancer = runpy.run_path(str(PLANNER.parent / "rebalancer.py"))["Rebalancer"]
    assert rebalancer.objective == planner["price_path"].OBJECTIVE
    names = tuple(kit.name for kit in rebalancer.actions)
    assert names == planner["rebalancing"].ACTIONS


def test_model_card_names_the_commitment() -> None:
    root = to_hex(commit_model(MODEL).root)
    assert root in (PLANNER / "MODEL_CARD.md").read_text()


def test_folder_is_small_and_complete() -> None:
    files = {path.name: path.stat().st_size for path in MODEL.iterdir()}
    assert set(files) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(files.values()) <= MAX_FOLDER_BYTES


def test_tokenizer_round_trips(model: Any, held_out: list[dict[str, Any]]) -> None:
    texts = [render_prompt(request) for request in held_out]
    texts += [
        '{"why": "ä 💥 \\u0000", "actions": []}',
        "100 1000 0 007 99%",
        "",
        "\n\n",
    ]
    for text in texts:
        assert model.tokenizer.decode(model.encode(text)) == text


def test_no_text_encodes_to_a_special_token(model: Any) -> None:
    for text in ("<|end|>", "hold.<|end|>Plan:", "<|end|>" * 3):
        ids = model.encode(text)
        assert not set(ids) & set(model.tokenizer.all_special_ids)
        assert model.tokenizer.decode(ids) == text


def test_every_whole_percent_is_one_token(model: Any) -> None:
    ids = [model.encode(str(number)) for number in range(101)]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids}) == 101


def test_tokenizer_is_the_one_that_the_script_learns(
    planner: dict[str, ModuleType], evaluate: ModuleType
) -> None:
    train = importlib.import_module("train")
    try:
        learnt = train.learn_tokenizer()
    finally:
        sys.modules.pop("train", None)
    committed = (MODEL / "tokenizer.json").read_text()
    assert learnt.to_str(pretty=True) == committed


def test_model_imitates_the_teacher_on_held_out_scenarios(
    evaluate: ModuleType, model: Any, held_out: list[dict[str, Any]]
) -> None:
    result = evaluate.measure(model, held_out)
    assert result["invalid plans"] == 0
    assert result["balanced class accuracy"] >= 0.95, result
    assert result["exact actions"] >= 0.8, result


def test_paths_are_the_same_for_whoever_plans(planner: dict[str, ModuleType]) -> None:
    outcomes = planner["outcomes"]
    assert outcomes.markets("rebalancer", 3) == outcomes.markets("rebalancer", 3)
    for agent in planner["teacher"].RULES:
        once, acted = outcomes.follow(agent, 3, outcomes.by_teacher)
        again, _ = outcomes.follow(agent, 3, outcomes.by_teacher)
        held, none = outcomes.follow(agent, 3, outcomes.by_holding)
        assert once == again and acted > 0 and none == 0
        assert [path[0] for path in once] == [path[0] for path in held]


def test_model_takes_the_teachers_actions_on_the_path(
    planner: dict[str, ModuleType], model: Any
) -> None:
    slots = list(planner["simulate"].follow(model.plan))
    taken = [
        (slot.plan["actions"][0]["action"], slot.plan["actions"][0].get("sell"))
        for slot in slots
    ]
    assert taken == list(planner["price_path"].ACTIONS)


@pytest.mark.slow
def test_model_takes_the_teachers_actions_near_the_path(
    planner: dict[str, ModuleType], evaluate: ModuleType, model: Any
) -> None:
    slots = list(planner["simulate"].follow(model.plan))
    requests = [near for slot in slots for near in one_percent_around(slot.request)]
    for index, text in model.texts(requests):
        wanted = evaluate.branch(planner["teacher"].teach(requests[index]))
        assert evaluate.branch(evaluate.checked(text, requests[index])) == wanted, text
