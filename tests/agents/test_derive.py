"""Derivation: pure, step by step, the same for node, agent and auditor."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from affiant.agents import GREEDY, Sampling
from affiant.agents.deciding.decide import decide
from affiant.agents.deciding.derive import (
    derive,
    derive_consequences,
    derive_plan,
    derive_previous,
    derive_prompt,
    derive_seed,
)
from affiant.agents.errors import NotServedError, PlanRefusedError, PreviousMissingError
from affiant.agents.programs.refused_plan import plan_text
from affiant.agents.programs.request import PreviousSummary
from affiant.encoding import keccak256
from affiant.errors import RejectedError
from affiant.onchain.decision import inference_seed
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceSignatureError
from affiant.onchain.observation import Observation

pytestmark = pytest.mark.anvil


@pytest.fixture
def bundle(world: Any, tmp_path: Path) -> EvidenceBundle:
    world.engine.text = world.swap
    return decide(
        program=world.program(),
        book=world.book,
        mandate=world.mandate,
        slot=world.mandate.slot_of(world.chain.block_number()),
        serving=world.serving(tmp_path),
    )


def derived(world: Any, bundle: EvidenceBundle, **changes: Any) -> Any:
    parts = {
        "observation": Observation.from_json(bundle.content("observation")),
        "book": world.book,
        "mandate": world.mandate,
        "slot": bundle.decision.slot,
        "anchor_hash": bundle.decision.anchor_hash,
        "previous": None,
        "answers": (),
        "text": world.engine.decode(bundle.content("tokens")[0]["output"]),
        **changes,
    }
    return derive(world.program(), **parts)


def test_everything_sworn_is_derived_again(world: Any, bundle: EvidenceBundle):
    again = derived(world, bundle)
    assert again.calls == bundle.calls
    assert again.bounds == bundle.bounds
    (asked,) = again.asked
    assert asked.request == bundle.content("requests")[0]
    assert asked.request_hash == bundle.receipts[0].request
    assert again.plan.to_json() == bundle.content("plan")
    prompt = derive_prompt(asked.request, tokenizer=world.engine)
    assert list(prompt) == bundle.content("tokens")[0]["prompt"]
    assert not again.holds


def test_the_plans_section_says_the_same_as_the_tokens(world: Any, bundle: Any):
    text = plan_text(bundle.content("plan"))
    assert derived(world, bundle, text=text) == derived(world, bundle)


@pytest.mark.parametrize(
    "change",
    [
        {"slot": 0},
        {"anchor_hash": keccak256(b"reorged")},
        {"text": "sell"},
    ],
    ids=["another slot", "another anchor", "no plan"],
)
def test_refuses_what_does_not_belong_together(world: Any, bundle: Any, change: Any):
    with pytest.raises(RejectedError):
        derived(world, bundle, **change)


def test_refuses_another_account_and_another_book(world: Any, bundle: Any):
    with pytest.raises(RejectedError, match="account"):
        other = world.mandate_for(account=world.mandate.operator)
        derived(world, bundle, mandate=other)
    with pytest.raises(NotServedError, match="book"):
        other = replace(world.book, gate=world.mandate.operator)
        derived(world, bundle, book=other)


def test_the_previous_decision_is_a_function_of_the_head(world: Any, bundle: Any):
    def previous(head: Any, evidence: Any) -> Any:
        return derive_previous(
            world.program(),
            head=head,
            mandate=world.mandate,
            bundle=evidence,
            book=world.book,
        )

    assert previous(world.mandate.id, None) is None
    assert previous(world.mandate.id, bundle) is None
    expected = PreviousSummary(slot=bundle.decision.slot, actions=("swap",))
    assert previous(bundle.digest, bundle) == expected
    for head, evidence in (
        (bundle.digest, None),
        (keccak256(b"another"), bundle),
        (bundle.digest, bundle.withhold(["plan"])),
    ):
        with pytest.raises(PreviousMissingError):
            previous(head, evidence)
    unsigned = replace(bundle, signature=bytes(65))
    with pytest.raises(EvidenceSignatureError):
        previous(bundle.digest, unsigned)


def test_a_refused_plan_carries_what_the_model_said(world: Any, bundle: Any):
    with pytest.raises(PlanRefusedError) as raised:
        derive_plan("buy the moon", program=world.program(), book=world.book)
    assert raised.value.text == "buy the moon"
    assert "JSON" in raised.value.reason
    everything = json.loads(world.swap)
    everything["actions"][0] |= {"sell": "WBTC"}  # the account has none
    plan = derive_plan(json.dumps(everything), program=world.program(), book=world.book)
    follows = derive_consequences(
        plan,
        found=derived(world, bundle).facts,
        book=world.book,
        mandate=world.mandate,
    )
    assert follows.refused.startswith("PlanAmountZeroError: swap.share_bps: got 1000")
    assert follows.calls == () and follows.bounds == (0,) * len(bundle.bounds)


def seed(world: Any, **changes: Any) -> Any:
    parts = {
        "chain_id": world.book.chain_id,
        "gate": world.book.gate,
        "mandate": world.mandate,
        "previous": keccak256(b"head"),
        "anchor_hash": keccak256(b"anchor"),
        "index": 0,
    }
    return derive_seed(Sampling(Fraction(7, 10)), **{**parts, **changes})


def test_greedy_programs_need_no_seed_and_others_cannot_choose_it(world: Any):
    expected = inference_seed(
        chain_id=world.book.chain_id,
        gate=world.book.gate,
        mandate=world.mandate.id,
        previous=keccak256(b"head"),
        anchor_hash=keccak256(b"anchor"),
        index=0,
    )
    assert seed(world) == expected
    others = {
        seed(world, previous=keccak256(b"x")),
        seed(world, anchor_hash=keccak256(b"x")),
        seed(world, index=1),
        seed(world, chain_id=1),
        seed(world, gate=world.mandate.account),
        seed(world, mandate=world.mandate_for(salt=keccak256(b"x"))),
    }
    assert len(others) == 6
    assert expected not in others
    greedy = derive_seed(
        GREEDY,
        chain_id=1,
        gate=world.book.gate,
        mandate=world.mandate,
        previous=keccak256(b"head"),
        anchor_hash=keccak256(b"anchor"),
        index=0,
    )
    assert greedy is None
