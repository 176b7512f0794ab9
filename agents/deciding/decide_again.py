"""Deciding again on other facts: the very path of a decision, and nothing sworn.

The same program, prompt, sampler, seed rule, plan parser and kits run on a request that
nobody was asked, so that a decision can be set beside the sworn one. What comes out has
no digest, receipt or signature, and there is no way here to give it one. It needs an
engine and reads no chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affiant.agents.deciding.derive import (
    derive_consequences,
    derive_plan,
    derive_prompt,
    derive_request,
)
from affiant.agents.deciding.reach import Situation
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import answer_of
from affiant.encoding import Digest, JsonValue, canonical_json
from affiant.errors import RejectedError
from affiant.inference.engine import Engine
from affiant.inference.infer import infer
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call
from affiant.onchain.facts import Facts
from affiant.onchain.observation import Observation


@dataclass(frozen=True)
class Said:
    """What a model says to one request."""

    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    text: str
    plan: Plan | None
    """None where the text is no plan of the program, or none was asked for."""
    refused: str
    """Why it is none; empty where none was asked for."""


@dataclass(frozen=True)
class Imagined:
    """A decision that was never made."""

    facts: Facts
    requests: tuple[dict[str, JsonValue], ...]
    """One per inference; the last asks for the plan."""
    said: tuple[Said, ...]
    """What the model says to each."""
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Base units, one per tracked entry of the mandate; empty without a plan."""
    refused: str
    """Why nothing would have been done; empty otherwise."""

    @property
    def plan(self) -> Plan | None:
        """What the model plans; None where it says no plan."""
        return self.said[-1].plan


def say(
    engine: Engine,
    request: Mapping[str, JsonValue],
    *,
    program: Program,
    book: AddressBook,
    index: int,
    seed: Digest | None,
) -> Said:
    """Return what the model of `engine` says to `request`, checked against itself.

    Args:
        index: number of the inference, from 0; the program's last is the plan's.
        seed: of the sworn inference, where the program samples.

    Raises:
        RejectedError: the request cannot be rendered, or the engine does not agree with
            itself.
        EngineUnavailableError: the engine broke down.
    """
    asked, terms = dict(request), program.terms(index)
    done = infer(
        engine,
        model=program.model,
        request=canonical_json(asked),
        prompt_ids=derive_prompt(asked, tokenizer=engine),
        schema=terms.schema,
        max_tokens=terms.max_tokens,
        sampling=program.sampling,
        seed=seed,
    )
    plan, refused = None, ""
    if index == program.inferences - 1:
        try:
            plan = derive_plan(done.text, program=program, book=book)
        except RejectedError as error:
            refused = str(error)
    return Said(
        prompt_ids=done.prompt_ids,
        output_ids=done.output_ids,
        text=done.text,
        plan=plan,
        refused=refused,
    )


def decide_again(
    engine: Engine,
    situation: Situation,
    *,
    observation: Observation,
    seeds: Sequence[Digest | None],
) -> Imagined:
    """Return what would have been decided on another observation.

    1. per inference: facts, request, answer; 2. plan, calls and bounds.

    Args:
        situation: of the sworn decision; its answers are asked for anew.
        observation: of the same account and block, with other reads.
        seeds: of the sworn inferences, one each; None where nothing is sampled.

    Raises:
        RejectedError: the observation makes no request, or as `say`.
        EngineUnavailableError: the engine broke down.
    """
    program, book = situation.program, situation.book
    # 1.
    requests: list[dict[str, JsonValue]] = []
    said: list[Said] = []
    for index in range(program.inferences):
        asked = derive_request(
            program,
            observation=observation,
            book=book,
            mandate=situation.mandate,
            slot=situation.slot,
            anchor_hash=situation.observation.block_hash,
            previous=situation.previous,
            answers=[answer_of(item.text) for item in said],
        )
        requests.append(asked.request)
        said.append(
            say(
                engine,
                asked.request,
                program=program,
                book=book,
                index=index,
                seed=seeds[index],
            )
        )
    # 2.
    calls: tuple[Call, ...] = ()
    bounds: tuple[int, ...] = ()
    refused, plan = said[-1].refused, said[-1].plan
    if plan is not None:
        follows = derive_consequences(
            plan, found=asked.facts, book=book, mandate=situation.mandate
        )
        calls, bounds, refused = follows.calls, follows.bounds, follows.refused
    return Imagined(
        facts=asked.facts,
        requests=tuple(requests),
        said=tuple(said),
        calls=calls,
        bounds=bounds,
        refused=refused,
    )
