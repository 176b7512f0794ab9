"""Deciding again on other facts: the very path of a decision, and nothing sworn.

The same program, prompt, sampler, seed rule, plan parser and kits run on a request that
nobody was asked, so that a decision can be set beside the sworn one. What comes out has
no digest, receipt or signature, and there is no way here to give it one. It needs an
engine and reads no chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affiant.agents.derive import (
    derive_calls,
    derive_plan,
    derive_prompt,
    derive_request,
)
from affiant.agents.plan import Plan
from affiant.agents.program import Program
from affiant.agents.reach import Situation
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
    """None where the text is no plan of the program."""
    refused: str
    """Why it is none; empty otherwise."""


@dataclass(frozen=True)
class Imagined:
    """A decision that was never made."""

    facts: Facts
    request: dict[str, JsonValue]
    said: Said
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Base units, one per tracked entry of the mandate; empty where it is refused."""
    refused: str
    """Why nothing would have been sworn; empty otherwise."""


def say(
    engine: Engine,
    request: Mapping[str, JsonValue],
    *,
    program: Program,
    book: AddressBook,
    seed: Digest | None,
) -> Said:
    """Return what the model of `engine` says to `request`, checked against itself.

    Args:
        seed: of the sworn inference, where the program samples.

    Raises:
        RejectedError: the request cannot be rendered, or the engine does not agree with
            itself.
        EngineUnavailableError: the engine broke down.
    """
    asked = dict(request)
    done = infer(
        engine,
        model=program.model,
        request=canonical_json(asked),
        prompt_ids=derive_prompt(asked, tokenizer=engine),
        schema=program.schema,
        max_tokens=program.max_tokens,
        sampling=program.sampling,
        seed=seed,
    )
    plan, refused = None, ""
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
    seed: Digest | None,
) -> Imagined:
    """Return what would have been decided on another observation.

    1. facts and request; 2. one inference; 3. plan, calls and bounds.

    Args:
        situation: of the sworn decision.
        observation: of the same account and block, with other reads.

    Raises:
        RejectedError: the observation makes no request, or as `say`.
        EngineUnavailableError: the engine broke down.
    """
    # 1.
    asked = derive_request(
        situation.program,
        observation=observation,
        book=situation.book,
        mandate=situation.mandate,
        slot=situation.slot,
        anchor_hash=situation.observation.block_hash,
        previous=situation.previous,
    )
    # 2.
    said = say(
        engine,
        asked.request,
        program=situation.program,
        book=situation.book,
        seed=seed,
    )
    # 3.
    calls: tuple[Call, ...] = ()
    bounds: tuple[int, ...] = ()
    refused = said.refused
    if said.plan is not None:
        try:
            calls, bounds = derive_calls(
                said.plan,
                found=asked.facts,
                book=situation.book,
                mandate=situation.mandate,
            )
        except RejectedError as error:
            refused = str(error)
    return Imagined(
        facts=asked.facts,
        request=asked.request,
        said=said,
        calls=calls,
        bounds=bounds,
        refused=refused,
    )
