"""Several inferences in one decision: questions first, then the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.deciding.decide import decide
from affiant.agents.errors import DerivationMismatchError, ProgramDefinitionError
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import (
    MAX_ANSWER_CHARS,
    MAX_QUESTIONS,
    Question,
    answer_of,
    parse_questions,
    stated_answers,
)
from affiant.agents.running.check import check_decision
from affiant.encoding import canonical_json, keccak256
from affiant.errors import MalformedError
from affiant.inference.receipt import receipts_hash, tokens_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import SECTIONS, seal
from affiant.onchain.evidence_store import EvidenceStore

QUESTIONS = (
    Question("Is WETH above its band?", max_tokens=64),
    Question("Then which trade is the smallest?", max_tokens=48),
)
ANSWERS = ("It is,\nby 3 %.", "Sell a tenth of it.")


def adviser(engine: Any) -> Any:
    """Return a scripted engine that answers questions, and plans when asked for one."""

    class Adviser(type(engine)):  # type: ignore[misc]
        def generate(self, prompt_ids: Sequence[int], **asked: Any) -> tuple[int, ...]:
            prompt = self.decode(prompt_ids)
            if not prompt.endswith("Answer:\n"):
                return super().generate(prompt_ids, **asked)
            self.asked.append(prompt)
            said = ANSWERS[prompt.count("Answered:")]
            return (*self.encode(said), self.eos_id)

    return Adviser(text=engine.text)


@dataclass
class Asked:
    """A world whose mandate is for a program with questions."""

    world: Any
    program: Program
    mandate: Any
    engine: Any

    def serving(self, folder: Path) -> Any:
        return self.world.serving(folder, engine=self.engine)

    def decide(self, folder: Path) -> EvidenceBundle:
        slot = self.mandate.slot_of(self.world.chain.block_number())
        return decide(
            program=self.program,
            book=self.world.book,
            mandate=self.mandate,
            slot=slot,
            serving=self.serving(folder),
        )

    def check(self, bundle: EvidenceBundle, folder: Path, **changes: Any) -> Any:
        parts: dict[str, Any] = {
            "program": self.program,
            "book": self.world.book,
            "mandate": self.mandate,
            "store": EvidenceStore(str(folder / "evidence")),
            "chain": self.world.chain,
            "tokenizer": self.engine,
            **changes,
        }
        return check_decision(bundle, **parts)


@pytest.fixture
def asked(world: Any) -> Asked:
    engine = adviser(world.engine)
    engine.text = world.swap
    program = replace(world.program(), questions=QUESTIONS)
    mandate = world.mandate_for(program=program.hash, salt=keccak256(b"questions"))
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    return Asked(world, program, mandate, engine)


def test_every_question_and_the_plan_have_a_receipt(
    asked: Asked, tmp_path: Path
) -> None:
    bundle = asked.decide(tmp_path)
    assert len(bundle.receipts) == 3 == asked.program.inferences
    requests = bundle.content("requests")
    assert [request["question"] for request in requests] == [
        QUESTIONS[0].ask,
        QUESTIONS[1].ask,
        None,
    ]
    assert [len(request["answers"]) for request in requests] == [0, 1, 2]
    assert requests[2]["answers"][0] == {
        "question": QUESTIONS[0].ask,
        "answer": "It is, by 3 %.",
    }
    assert "Answered: Sell a tenth of it.\nActions:" in asked.engine.asked[-1]
    assert bundle.content("plan")["actions"][0]["action"] == "swap"
    derived = asked.check(bundle, tmp_path)
    assert [item.request for item in derived.asked] == requests
    assert derived.calls == bundle.calls
    # Without a tokenizer, answers are taken as stated, and all else is derived.
    assert asked.check(bundle, tmp_path, tokenizer=None).calls == bundle.calls


def resealed(bundle: EvidenceBundle, key: Any, change: Any) -> EvidenceBundle:
    """Return `bundle` changed by a node that swears to the change consistently."""
    contents = {name: bundle.content(name) for name in SECTIONS}
    contents = {
        **contents,
        "requests": [dict(item) for item in contents["requests"]],
        "tokens": [dict(item) for item in contents["tokens"]],
        "traces": list(contents["traces"]),
    }
    receipts = list(bundle.receipts)
    change(contents, receipts)
    receipts = [
        replace(
            receipt,
            request=keccak256(canonical_json(contents["requests"][at])),
            prompt=tokens_hash(contents["tokens"][at]["prompt"]),
            output=tokens_hash(contents["tokens"][at]["output"]),
        )
        for at, receipt in enumerate(receipts)
    ]
    sealed = seal(contents, salts={name: bytes(32) for name in SECTIONS})
    decision = replace(
        bundle.decision, evidence=sealed.root, receipts=receipts_hash(receipts)
    )
    lied = replace(
        bundle,
        decision=decision,
        receipts=tuple(receipts),
        sections=sealed.sections,
        leaves=sealed.leaves,
    )
    return replace(lied, signature=key.sign(lied.digest))


def _other_answer(contents: Any, receipts: Any) -> None:
    answers = [dict(item) for item in contents["requests"][2]["answers"]]
    answers[0]["answer"] = "It is not."
    contents["requests"][2]["answers"] = answers


def _other_first_answer(contents: Any, receipts: Any) -> None:
    for request in contents["requests"][1:]:
        answers = [dict(item) for item in request["answers"]]
        answers[0]["answer"] = "It is not."
        request["answers"] = answers


def _other_question(contents: Any, receipts: Any) -> None:
    contents["requests"][0]["question"] = "Do you like me?"


def _no_questions(contents: Any, receipts: Any) -> None:
    for name in ("requests", "tokens", "traces"):
        del contents[name][:2]
    del receipts[:2]


def _asked_twice(contents: Any, receipts: Any) -> None:
    for name in ("requests", "tokens", "traces"):
        contents[name].insert(1, contents[name][0])
    receipts.insert(1, receipts[0])


def _swapped(contents: Any, receipts: Any) -> None:
    for name in ("requests", "tokens", "traces"):
        contents[name][:2] = contents[name][1::-1]
    receipts[:2] = receipts[1::-1]


def _other_output(contents: Any, receipts: Any) -> None:
    contents["tokens"][0]["output"] = [*b"It is not.", 256]


@dataclass(frozen=True)
class Lie:
    """A lie about the questions, and the step that names it."""

    id: str
    change: Any
    step: str


LIES = [
    Lie("an answer changed in one request", _other_answer, "request"),
    Lie("an answer that the tokens do not say", _other_first_answer, "prompt"),
    Lie("a question that the program does not ask", _other_question, "request"),
    Lie("no questions asked", _no_questions, "inferences"),
    Lie("a question asked twice", _asked_twice, "inferences"),
    Lie("questions in another order", _swapped, "request"),
    Lie("another output for a question", _other_output, "answers"),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.id)
def test_the_agent_finds_out_a_lie_about_questions(
    asked: Asked, tmp_path: Path, lie: Lie
) -> None:
    lied = resealed(asked.decide(tmp_path), asked.world.key, lie.change)
    nonce = asked.world.nonce()
    with pytest.raises(DerivationMismatchError) as caught:
        asked.check(lied, tmp_path)
    assert caught.value.step == lie.step
    assert asked.world.nonce() == nonce


def test_an_answer_is_one_harmless_line() -> None:
    assert (
        answer_of("  It is,\n\n by <|end|>3\x00 %.\u2028") == "It is, by < |end|>3 %."
    )
    assert len(answer_of("x" * 5000)) == MAX_ANSWER_CHARS
    assert answer_of("\n") == ""


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [{}],
        ["Why?"],
        [{"ask": "", "maxTokens": 1}],
        [{"ask": "\n ", "maxTokens": 1}],
        [{"ask": "x" * 501, "maxTokens": 1}],
        [{"ask": 1, "maxTokens": 1}],
        [{"ask": "Why?", "maxTokens": 0}],
        [{"ask": "Why?", "maxTokens": 1025}],
        [{"ask": "Why?", "maxTokens": True}],
        [{"ask": "Why?", "maxTokens": "1"}],
        [{"ask": "Why?", "maxTokens": 1, "schema": {}}],
        [{"ask": "Why?", "maxTokens": 1}] * (MAX_QUESTIONS + 1),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_refuses_hostile_questions(value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_questions(value)


@pytest.mark.parametrize(
    "request_",
    [None, [], {}, {"answers": None}, {"answers": [1]}, {"answers": [{"answer": 1}]}],
    ids=repr,
)
def test_refuses_answers_that_are_none(request_: Any) -> None:
    with pytest.raises(MalformedError):
        stated_answers([request_])


def test_questions_are_part_of_the_program(asked: Asked) -> None:
    program = asked.program
    assert Program.from_manifest(program.to_manifest()) == program
    other = replace(program, questions=QUESTIONS[:1])
    assert len({program.hash, other.hash, asked.world.program().hash}) == 3
    assert [program.terms(index).schema is None for index in range(3)] == [
        True,
        True,
        False,
    ]
    for index in (-1, 3):
        with pytest.raises(ValueError, match="inference"):
            program.terms(index)
    with pytest.raises(ProgramDefinitionError):
        Program.define(
            objective=program.objective,
            kits=program.kits,
            observes=program.observes,
            book=asked.world.book,
            model=program.model,
            engine=program.engine,
            sampling=program.sampling,
            max_tokens=program.max_tokens,
            validity_seconds=program.validity_seconds,
            questions=[Question("", 5)],
        )
