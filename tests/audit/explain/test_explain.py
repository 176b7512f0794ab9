"""Explaining a decision: attacks first, then what is said about an honest one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from affiant.agents.programs.questions import Question
from affiant.audit.explain.explain import exit_code
from affiant.audit.explain.phrases import close_call
from affiant.audit.explain.result import Explanation
from affiant.audit.explain.views import TokenView
from affiant.audit.replay_engines import ReplayLimits
from affiant.audit.result import Status, Step
from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.inference.engine import Prefill
from affiant.inference.infer import Inference
from affiant.inference.retrace import retrace
from affiant.inference.sampler_reference import UNITS, gumbel_reference, noise_key
from affiant.inference.sampling import GREEDY, Sampling
from affiant.onchain.errors import SettingError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceMismatchError
from affiant.onchain.observation import Observation, RecordedRead
from affiant.onchain.what_if import parse_setting

pytestmark = pytest.mark.model

Explain = Callable[..., Explanation]
SHARE = 19
"""Position of the token that the share of the honest swap hung on."""


class Untouched:
    """A model folder that nothing may ask for anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"`{name}` of the model was asked for")


def edits(bundle: EvidenceBundle) -> Iterator[tuple[str, EvidenceBundle]]:
    """Yield every kind of edit that whoever keeps evidence could make."""
    for name, section in bundle.sections.items():
        text = json.dumps(section.content)
        digit = "1" if "1" in text else "0"
        content = json.loads(text.replace(digit, "2", 1))
        edited = {**bundle.sections, name: replace(section, content=content)}
        yield f"content of {name}", replace(bundle, sections=edited)
        salted = {**bundle.sections, name: replace(section, salt=bytes(32))}
        yield f"salt of {name}", replace(bundle, sections=salted)
        leaves = {**bundle.leaves, name: keccak256(b"leaf")}
        yield f"leaf of {name}", replace(bundle, leaves=leaves)
    yield "a call left out", replace(bundle, calls=())
    yield "a bound loosened", replace(bundle, bounds=(-1, *bundle.bounds[1:]))
    receipt = replace(bundle.receipts[0], output=keccak256(b"output"))
    yield "another receipt", replace(bundle, receipts=(receipt,))
    yield "another slot", replace(bundle, decision=replace(bundle.decision, slot=11))
    yield "another mandate", replace(bundle, mandate=replace(bundle.mandate, cadence=7))
    yield "another signer", replace(bundle, node=bundle.gate)
    yield "no signature", replace(bundle, signature=bytes(65))


def test_nothing_of_edited_evidence_is_explained(
    honest: EvidenceBundle, explain: Explain
) -> None:
    tried = list(edits(honest))
    assert len(tried) == 28
    for name, edited in tried:
        with pytest.raises((EvidenceMismatchError, MalformedError)):
            explain(edited, model=Untouched())
            pytest.fail(name)


@dataclass(frozen=True)
class Withheld:
    """What is withheld, which steps are skipped for it, and what is not explained."""

    names: tuple[str, ...]
    skipped: tuple[int, ...]
    gaps: tuple[str, ...]
    code: int = 3


WITHHELD = (
    Withheld(("traces",), (8,), (), code=0),
    Withheld(("attestation",), (), (), code=0),
    Withheld(("plan",), (9,), (), code=0),
    Withheld(("tokens",), (7, 8, 9), ("inference 1",)),
    Withheld(("plan", "tokens"), (7, 8, 9), ("inference 1", "the calls")),
    Withheld(("requests",), (6, 9), ("the request",)),
    Withheld(("observation",), (6, 9), ("the request",)),
    Withheld(("manifests",), (6, 7, 8, 9), ("inference 1", "the request")),
)


@pytest.mark.parametrize("case", WITHHELD, ids=lambda case: " and ".join(case.names))
def test_what_is_withheld_is_said_to_be(
    honest: EvidenceBundle, explain: Explain, case: Withheld
) -> None:
    found = explain(honest.withhold(case.names))
    assert found.withheld == tuple(sorted(case.names))
    skipped = [s.number for s in found.steps if s.status is Status.SKIPPED]
    assert tuple(skipped) == case.skipped, found.steps
    assert not any(step.status is Status.FAIL for step in found.steps)
    assert tuple(gap.what for gap in found.gaps) == case.gaps
    assert exit_code(found) == case.code
    for gap in found.gaps:
        assert (
            "withheld" in gap.reason or "step 6" in gap.reason or "plan" in gap.reason
        )


def test_withheld_traces_leave_the_tokens_explained(
    honest: EvidenceBundle, explain: Explain
) -> None:
    (view,) = explain(honest.withhold(["traces"])).inferences
    assert view.grade == "" and len(view.tokens) == 25


def test_a_withheld_plan_is_read_from_the_tokens(
    honest: EvidenceBundle, explain: Explain
) -> None:
    whole, part = explain(honest), explain(honest.withhold(["plan"]))
    assert part.calls == whole.calls and part.calls is not None


def test_without_a_model_request_and_calls_are_explained(
    honest: EvidenceBundle, explain: Explain
) -> None:
    found = explain(honest, model=None)
    assert found.request is not None and found.calls is not None
    assert [gap.what for gap in found.gaps] == ["inference 1"]
    assert "no model folder" in found.gaps[0].reason and exit_code(found) == 3


def test_another_model_folder_explains_no_token(
    honest: EvidenceBundle, explain: Explain, tmp_path: Any
) -> None:
    from affiant.audit.replayer import FolderReplayer

    (tmp_path / "config.json").write_text("{}")
    other = FolderReplayer.__new__(FolderReplayer)
    other._root = keccak256(b"another model")
    found = explain(honest, model=other)
    assert "other model folder" in found.gaps[0].reason and exit_code(found) == 3


def test_ids_out_of_range_are_refused(
    node: Any, honest: EvidenceBundle, explain: Explain
) -> None:
    beyond = node.engine.vocab_size

    def forge(engine: Any, done: Inference) -> list[int]:
        return [*done.output_ids[:3], beyond, *done.output_ids[4:]]

    found = explain(node.swear(forge=forge))
    (gap,) = [gap for gap in found.gaps if gap.what == "inference 1"]
    assert gap.rejected and f"from 0 to {beyond - 1}" in gap.reason
    assert found.inferences == () and found.request is not None
    assert exit_code(found) == 1


def test_a_token_that_the_grammar_forbids_is_explained_as_that(
    node: Any, explain: Explain
) -> None:
    def forge(engine: Any, done: Inference) -> list[int]:
        # A comma behind the reason's first word: no text may stand there bare.
        output = list(done.output_ids)
        output[20] = output[2]
        return output

    found = explain(node.swear(forge=forge))
    (view,) = found.inferences
    assert view.violation == 20 and len(view.tokens) == 21
    broken = view.tokens[20]
    assert broken.forbidden and broken.text == "%, band "
    assert broken.probability == 0.0 and broken.margin == -math.inf
    assert view.closest[0] == 20
    assert "forbidden by the grammar" in close_call(broken)
    step = next(step for step in found.steps if step.number == 8)
    assert step.status is Status.FAIL and "grammar" in str(step.got)
    assert exit_code(found) == 1


def test_a_token_of_the_liar_s_choice_is_shown_beside_the_canonical_one(
    node: Any, honest: EvidenceBundle, explain: Explain
) -> None:
    (canonical,) = explain(honest).inferences
    second = canonical.tokens[SHARE].runner_up

    def forge(engine: Any, done: Inference) -> list[int]:
        return [*done.output_ids[:SHARE], second, *done.output_ids[SHARE + 1 :]]  # type: ignore[list-item]

    found = explain(node.swear(forge=forge))
    (view,) = found.inferences
    token = view.tokens[SHARE]
    assert token.token == second and token.canonical == canonical.tokens[SHARE].token
    assert token.margin == -(canonical.tokens[SHARE].margin or 0)
    assert view.others == 1 and view.grade == "inconsistent"
    assert "this engine would have chosen otherwise" in close_call(token)
    # Calls and bounds follow from the liar's plan; only the replay tells.
    failed = [step.number for step in found.steps if step.status is Status.FAIL]
    assert failed == [8] and exit_code(found) == 1


def test_an_output_cut_short_is_explained_and_contradicted(
    node: Any, explain: Explain
) -> None:
    found = explain(node.swear(forge=lambda engine, done: done.output_ids[:-1]))
    (view,) = found.inferences
    assert len(view.tokens) == 24 and view.grade == ""
    step = next(step for step in found.steps if step.number == 8)
    assert step.status is Status.FAIL and "end token" in step.detail + str(step.got)
    assert exit_code(found) == 1


def test_weird_reads_contradict_the_request(node: Any, explain: Explain) -> None:
    """A liar swears to an observation that no contract could have returned."""
    honest = node.swear()
    observation = Observation.from_json(honest.content("observation"))
    reads = list(observation.reads)
    reads[9] = RecordedRead(reads[9].target, reads[9].calldata, b"\xff" * 160)
    weird = replace(observation, reads=tuple(reads))
    section = honest.sections["observation"]
    sections = {
        **honest.sections,
        "observation": replace(section, content=weird.to_json()),
    }
    leaves = {name: item.leaf(name) for name, item in sections.items()}
    from affiant.onchain.evidence_sections import evidence_root

    decision = replace(
        honest.decision, observation=weird.hash, evidence=evidence_root(leaves)
    )
    digest = decision.digest(chain_id=honest.chain_id, gate=honest.gate)
    found = explain(
        replace(
            honest,
            decision=decision,
            sections=sections,
            leaves=leaves,
            signature=node.key.sign(digest),
        )
    )
    failed = [step.number for step in found.steps if step.status is Status.FAIL]
    assert failed == [6] and found.request is None and found.calls is None
    assert exit_code(found) == 1


def test_an_honest_decision_is_explained_whole(explanation: Explanation) -> None:
    assert [step.number for step in explanation.steps] == [3, 6, 7, 8, 9]
    assert {step.status for step in explanation.steps} == {Status.PASS}
    assert explanation.gaps == () and exit_code(explanation) == 0
    (view,) = explanation.inferences
    assert view.grade == "exact" and "the sworn profile" in view.engine
    assert view.text.startswith('{"why":"WETH is 50%') and len(view.tokens) == 25
    assert "".join(token.text for token in view.tokens[:-1]) == view.text
    assert view.tokens[-1].forced and view.tokens[-1].text == "⟨end⟩"
    assert view.bits == pytest.approx(sum(token.surprise for token in view.tokens))
    share = view.tokens[SHARE]
    assert view.closest[0] == SHARE and share.fields == ("actions[0].share_bps",)
    assert [item.text for item in share.alternatives[:3]] == ["67", "72", "60"]
    assert close_call(share, actions=("swap",)).endswith("the share of the swap")
    # Where every candidate was asked for, there are more than elsewhere.
    assert len(share.alternatives) > 5 >= len(view.tokens[1].alternatives)


def test_a_field_s_surprise_is_that_of_its_tokens(explanation: Explanation) -> None:
    (view,) = explanation.inferences
    by_field = {item.field: item for item in view.fields}
    assert list(by_field) == [
        "why",
        "actions[0].action",
        "actions[0].sell",
        "actions[0].buy",
        "actions[0].share_bps",
        "actions[0].max_slippage_bps",
    ]
    share = by_field["actions[0].share_bps"]
    assert share.bits > 1 > by_field["why"].bits
    for name, item in by_field.items():
        tokens = [token for token in view.tokens if name in token.fields]
        assert item.tokens == len(tokens)
        assert item.bits == pytest.approx(sum(token.surprise for token in tokens))


def independent(node: Any, bundle: EvidenceBundle, sampling: Sampling) -> Any:
    """Return logits and canonical choices, computed beside the explanation."""
    tokens = bundle.content("tokens")[-1]
    found = node.engine.prefill(tokens["prompt"], tokens["output"])
    program = bundle.content("manifests")["program"]
    seed = None
    if sampling.temperature is not None:
        from affiant.agents.deciding.derive import derive_seed

        seed = derive_seed(
            sampling,
            chain_id=bundle.chain_id,
            gate=bundle.gate,
            mandate=bundle.mandate,
            previous=bundle.decision.previous,
            anchor_hash=bundle.decision.anchor_hash,
            index=len(bundle.receipts) - 1,
        )
    again = retrace(
        found.logits,
        output_ids=tokens["output"],
        grammar=node.engine.compile_grammar(program["schema"]),
        sampling=sampling,
        seed=seed,
    )
    return found.logits, again, tokens["output"], seed


def softmax(row: Any, allowed: Any, temperature: float) -> dict[int, float]:
    ids = [int(token) for token in np.flatnonzero(allowed)]
    values = [float(row[token]) / temperature for token in ids]
    largest = max(values)
    weights = [math.exp(value - largest) for value in values]
    return dict(zip(ids, (w / math.fsum(weights) for w in weights), strict=True))


def check_numbers(
    tokens: tuple[TokenView, ...], *, node: Any, bundle: Any, sampling: Sampling
) -> None:
    """Hold every probability to an independent softmax over the recomputed mask."""
    logits, again, output, _ = independent(node, bundle, sampling)
    heat = 1.0 if sampling.temperature is None else float(sampling.temperature)
    for token in tokens:
        shares = softmax(logits[token.position], again.allowed[token.position], heat)
        assert token.allowed == len(shares)
        assert token.token == output[token.position]
        assert token.probability == pytest.approx(shares[token.token], abs=1e-9)
        for item in token.alternatives:
            assert item.probability == pytest.approx(shares[item.token], abs=1e-9)


def test_probabilities_are_an_independent_softmax_s(
    node: Any, honest: EvidenceBundle, explanation: Explanation
) -> None:
    (view,) = explanation.inferences
    check_numbers(view.tokens, node=node, bundle=honest, sampling=GREEDY)


def test_a_sampled_decision_says_what_the_noise_did(
    node: Any, explain: Explain
) -> None:
    # Hot enough that the noise decides, cool enough for a plan to come out.
    sampling = Sampling(Fraction(9, 4))
    bundle = node.swear(sampling=sampling)
    found = explain(bundle)
    (view,) = found.inferences
    assert view.grade == "exact" and "Sampled at temperature 9/4" in view.sampling
    check_numbers(view.tokens, node=node, bundle=bundle, sampling=sampling)
    logits, again, _, seed = independent(node, bundle, sampling)
    turned = [token for token in view.tokens if token.greedy != token.token]
    assert turned, "the noise decided nothing: choose another temperature"
    for token in view.tokens:
        key = noise_key(seed, position=token.position)
        noise = 2.25 * gumbel_reference(key, token=token.token) / UNITS
        assert token.noise == pytest.approx(noise)
        if token.runner_up is None:
            continue
        for item in token.alternatives:
            if item.token == token.runner_up:
                own = float(logits[token.position, token.token]) + noise
                # Scores are of quantised logits: each is up to half a step off.
                assert token.margin == pytest.approx(
                    own - item.logit - (item.noise or 0), abs=2 / UNITS
                )
    assert "without it" in close_call(turned[0])


def test_every_inference_of_a_decision_is_explained(
    node: Any, explain: Explain
) -> None:
    questions = (
        Question("Is WETH within its band?", max_tokens=8),
        Question("What is idle?", max_tokens=6),
    )
    bundle = node.swear(questions=questions)
    found = explain(bundle, settings=(parse_setting("price:WETH=2500"),))
    first, second, plan = found.inferences
    assert [view.asks for view in found.inferences] == [
        "Is WETH within its band?",
        "What is idle?",
        "",
    ]
    assert {view.grade for view in found.inferences} == {"exact"}
    assert (first.output_tokens, second.output_tokens) == (8, 6)
    # Free text: the whole vocabulary was open, and nothing is of a plan's field.
    assert all(t.allowed == node.engine.vocab_size for t in first.tokens)
    assert first.fields == () and "whole vocabulary" in first.sampling
    assert plan.fields
    origins = {field.path: field.origins for field in found.request.fields}  # type: ignore[union-attr]
    assert origins["answers[0].answer"] == ("answers",)
    assert found.imagined is not None and found.imagined.reproduces
    assert [q for q, _ in found.imagined.imagined.answers] == [
        question.ask for question in questions
    ]


def test_another_profile_is_said_to_be_one(node: Any, explain: Explain) -> None:
    elsewhere = replace(node.engine.manifest, device="cpu-another")
    found = explain(node.swear(manifest=elsewhere))
    (view,) = found.inferences
    assert view.grade == "inconclusive" and "not the sworn profile" in view.engine
    step = next(step for step in found.steps if step.number == 8)
    assert step.status is Status.SKIPPED and "calibration" in step.detail
    assert exit_code(found) == 0 and len(view.tokens) == 25


def test_calls_follow_from_fields_facts_and_time(explanation: Explanation) -> None:
    calls = explanation.calls
    assert calls is not None
    (call,) = calls.calls
    follows = {item.name: item.follows for item in call.arguments}
    assert follows["tokenIn"] == ("actions[0].sell",)
    assert follows["tokenOut"] == ("actions[0].buy",)
    assert follows["deadline"] == ("anchor's time",)
    assert set(follows["amountIn"]) == {
        "actions[0].share_bps",
        "actions[0].sell",
        "balances.USDC.wallet",
    }
    assert {
        "actions[0].max_slippage_bps",
        "prices.USDC.answer",
        "prices.WETH.answer",
    } <= set(follows["amountOutMinimum"])
    assert follows["recipient"] == () == follows["sqrtPriceLimitX96"]
    values = {item.name: item.value for item in call.arguments}
    assert values["recipient"] == "the account"
    assert values["target"] == "the Uniswap router"
    assert values["selector"] == "exactInputSingle"
    # 67.5 % of 3230.604942 USDC; at 1800 dollars; less 1 %.
    assert values["amountIn"] == "2180658335"
    assert values["amountOutMinimum"] == "1199362084250000000"
    assert "1,800" in call.minimum and "1.199362 WETH" in call.minimum
    assert calls.at_risk == 218_065_833_500


def test_a_hold_is_explained_without_calls(node: Any, explain: Explain) -> None:
    from affiant.onchain.altered import alter

    names = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")
    observation = Observation.from_json(node.swear().content("observation"))
    from affiant.onchain.address_book import AddressBook

    book = AddressBook.from_json(node.swear().content("manifests")["book"])
    inside = alter(
        observation, [parse_setting("market:WETH=2500")], names=names, book=book
    )
    found = explain(node.swear(observation=inside))
    assert found.held and found.calls is not None
    assert found.calls.calls == () == found.calls.bounds
    assert found.calls.actions == ("hold",) and exit_code(found) == 0


def test_the_request_says_where_it_came_from(explanation: Explanation) -> None:
    view = explanation.request
    assert view is not None
    fields = {field.path: field for field in view.fields}
    assert fields["lending.USDC.supplyBps"].origins == ("lending.USDC.supply_rate_ray",)
    assert fields["portfolio.tokens.WETH.price"].shown
    assert not fields["portfolio.tokens.WETH.wallet"].shown
    labels = [read.label for read in view.reads]
    assert labels[0] == "balanceOf(account) of USDC"
    assert labels[-1] == "getReserveData(USDC) of Aave's data provider"
    assert view.idle == 27 and view.words == 44
    lines = {line.text.split(":")[0]: line.origins for line in view.prompt}
    assert lines["Last"] == ("decision before",)
    assert lines["Lending USDC"] == ("lending.USDC.supply_rate_ray",)


def test_a_token_that_there_is_not_is_misuse(
    honest: EvidenceBundle, explain: Explain
) -> None:
    for token in (-1, 25):
        with pytest.raises(ValueError, match="expected 0 to 24"):
            explain(honest, token=token, model=NoEngine(honest))


def test_a_senseless_what_if_is_refused_before_a_model_is_asked(
    honest: EvidenceBundle, explain: Explain
) -> None:
    with pytest.raises(SettingError, match="DOGE"):
        explain(
            honest,
            settings=(parse_setting("price:DOGE=1"),),
            model=NoEngine(honest),
        )


class NoEngine:
    """A folder of the right model that must not load an engine."""

    def __init__(self, bundle: EvidenceBundle) -> None:
        self.root = bundle.receipts[0].model

    def chat(self, messages: Any) -> None:
        raise MalformedError("prompt", got="nothing", expected="no question")

    def decode(self, ids: Any) -> str:
        raise MalformedError("output", got="nothing", expected="no question")

    def engine_for(self, manifest: Any) -> Any:
        raise AssertionError("an engine was loaded")


class Elsewhere:
    """The right folder on another engine, whose logits may be unusable."""

    def __init__(self, inner: Any, *, factor: float, **limits: Any) -> None:
        self._inner, self._factor = inner, factor
        self.limits = ReplayLimits(**limits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def engine_for(self, manifest: Any) -> Any:
        engine = self._inner.engine_for(manifest)
        factor = np.float32(self._factor)
        own = replace(engine.manifest, device="another machine")

        class Overflowing:
            manifest = own

            def __getattr__(self, name: str) -> Any:
                return getattr(engine, name)

            def prefill(self, prompt_ids: Any, output_ids: Any) -> Prefill:
                found = engine.prefill(prompt_ids, output_ids)
                return Prefill(found.logits * factor, found.hidden)

        return Overflowing()


def tokens_of(found: Explanation) -> Step:
    """Return the step of the tokens."""
    return next(step for step in found.steps if step.number == 8)


def test_another_engines_overflow_is_not_held_against_the_node(
    node: Any, honest: EvidenceBundle, explain: Explain, replayer: Any
) -> None:
    step = tokens_of(explain(honest, model=Elsewhere(replayer, factor=np.inf)))
    assert step.status is Status.SKIPPED and "inconclusive" in step.detail
    # With usable numbers it is as inconclusive, and explained.
    found = explain(honest, model=Elsewhere(replayer, factor=1))
    assert tokens_of(found).status is Status.SKIPPED and found.inferences

    def forge(engine: Any, done: Inference) -> list[int]:
        return [*engine.encode("not a plan"), engine.eos_id]

    # And it hides no token that the grammar forbids.
    forged = node.swear(
        forge=forge, text='{"why":"as asked","actions":[{"action":"hold"}]}'
    )
    step = tokens_of(explain(forged, model=Elsewhere(replayer, factor=np.inf)))
    assert step.status is Status.FAIL and "grammar" in step.detail


@pytest.mark.parametrize(
    "limits", [{"max_context": 9}, {"memory_bytes": 10_000}], ids=str
)
def test_what_there_is_no_room_for_is_not_replayed(
    honest: EvidenceBundle, explain: Explain, replayer: Any, limits: Any
) -> None:
    step = tokens_of(explain(honest, model=Elsewhere(replayer, factor=1, **limits)))
    assert step.status is Status.SKIPPED


def test_a_plan_that_could_not_be_carried_out_is_explained_as_that(
    node: Any, explain: Explain
) -> None:
    """Nothing is lent of the ether that it would take back."""
    text = (
        '{"why":"WETH is above band","actions":'
        '[{"action":"withdraw","asset":"WETH","share_bps":10000}]}'
    )

    def forge(engine: Any, done: Inference) -> list[int]:
        return [*engine.encode(text), engine.eos_id]

    bundle = node.swear(forge=forge)
    assert bundle.calls == () and "refused" in bundle.content("plan")
    found = explain(bundle)
    assert found.calls is not None and found.calls.calls == ()
    assert found.calls.plan[-1].startswith(
        "not carried out: PlanAmountZeroError: withdraw.share_bps: got 10000 bps of 0"
    )
    # Calls and bounds follow from the plan; only the replay tells who wrote it.
    failed = [step.number for step in found.steps if step.status is Status.FAIL]
    assert failed == [8]
