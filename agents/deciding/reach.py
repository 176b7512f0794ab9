"""What each recorded word reaches: facts, request, prompt, calls. By trying it out.

Pure. It answers "which observation fields did the request hold, and where did each come
from" without a table that somebody wrote: every 32-byte word of every recorded read is
changed in turn, everything behind it is built again by the functions that node, agent
and auditor use, and what came out differently is what the word reaches. The same for
what a request holds besides: slot, block, mandate, objective, actions, what was before.

A word counts as reaching something if any of `changes_of` moves it. A change that the
decoders refuse (a price of zero, a number too large for its type) is counted as
refused: such a word is *checked*, even where it reaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from affiant.agents.programs.plan import Plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.prompt import render_prompt
from affiant.agents.programs.request import Answer, PreviousSummary, build_request
from affiant.agents.programs.request_fields import request_fields, shown_fields
from affiant.encoding import Digest, JsonValue, keccak256, to_hex
from affiant.errors import RejectedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.facts import Facts
from affiant.onchain.kits import compile_plan, installed_kits
from affiant.onchain.mandate import Mandate
from affiant.onchain.observation import Observation, facts

WORD = 32
"""Bytes of one ABI word."""

POWERS = (6, 9, 12, 15, 18, 21, 24, 27)
"""Powers of ten that are added to a word: from one dollar of a token with six decimals
to a rate of 100 %."""


@dataclass(frozen=True)
class Situation:
    """Everything from which a request follows; with a plan, also the calls."""

    program: Program
    book: AddressBook
    mandate: Mandate
    slot: int
    observation: Observation
    previous: PreviousSummary | None
    answers: tuple[str, ...]
    """To the program's questions: with all of them it is the plan that is asked for."""
    plan: Plan | None
    """None: calls are not looked at."""


@dataclass(frozen=True)
class WordReach:
    """What one recorded word reaches."""

    read: int
    """Position of the read in the observation, from 0."""
    word: int
    """Position of the word in what the read returned, from 0."""
    value: bytes
    """The 32 bytes as recorded."""
    refused: str
    """Why a changed word was refused, if one was; empty otherwise."""
    facts: tuple[str, ...]
    """Facts that changed: `prices.WETH.answer`."""
    request: tuple[str, ...]
    """Fields of the request that changed."""
    prompt: tuple[int, ...]
    """Lines of the prompt that changed, from 0."""
    calls: tuple[str, ...]
    """Parts of the calls and bounds that changed, with the plan as it is:
    `calls[0].data[6]`, `bounds[2]`."""
    refuses_plan: str
    """Why the plan could not be carried out after a change; empty if it always could
    be."""

    @property
    def idle(self) -> bool:
        """Whether it reaches neither request nor calls, and stops nothing."""
        return not (self.request or self.calls or self.refuses_plan)


@dataclass(frozen=True)
class FieldOrigin:
    """Where one field of the request comes from."""

    path: str
    value: JsonValue
    words: tuple[tuple[int, int], ...]
    """(read, word) of every recorded word that moves it."""
    others: tuple[str, ...]
    """What else moves it: "slot", "anchor block", "mandate", "objective", "actions",
    "questions", "answers", "decision before"; nothing where format and address book
    fix it."""
    shown: bool
    """Whether the prompt, and so the model, sees it."""


@dataclass(frozen=True)
class Reach:
    """What an observation reaches."""

    words: tuple[WordReach, ...]
    """In the order of the reads."""
    fields: tuple[FieldOrigin, ...]
    """In the order of the request."""
    lines: Mapping[str, tuple[int, ...]]
    """Lines of the prompt, from 0, that move with what is no read: as
    `FieldOrigin.others`."""


def find_reach(situation: Situation) -> Reach:
    """Return what every recorded word, and everything else, reaches.

    Raises:
        RejectedError: the situation itself makes no request.
    """
    # Hashing a mandate takes longer than everything else here together.
    mandate_id = situation.mandate.id
    before = _outcome(situation, mandate_id=mandate_id)
    words = tuple(
        _word(situation, read=read, word=word, before=before, mandate_id=mandate_id)
        for read, recorded in enumerate(situation.observation.reads)
        for word in range(len(recorded.returndata) // WORD)
    )
    others: dict[str, set[str]] = {}
    lines: dict[str, tuple[int, ...]] = {}
    for name, outcomes in _other_outcomes(situation, mandate_id=mandate_id):
        others[name] = {
            path
            for changed in outcomes
            for path in _differing(before.request, changed.request)
        }
        moved = {
            number
            for changed in outcomes
            for number in _differing(before.prompt, changed.prompt)
        }
        lines[name] = tuple(sorted(moved))
    shown = shown_fields(before.asked)
    return Reach(
        words=words,
        fields=tuple(
            FieldOrigin(
                path=path,
                value=value,
                words=tuple(
                    (item.read, item.word) for item in words if path in item.request
                ),
                others=tuple(name for name, paths in others.items() if path in paths),
                shown=path in shown,
            )
            for path, value in before.request.items()
        ),
        lines=lines,
    )


def changes_of(word: bytes) -> tuple[bytes, ...]:
    """Return what a recorded word is changed to, in turn; all differ from it.

    One more and one less, a hundredth more and less, twice and half of it, nothing, and
    powers of ten more: a field that is rounded moves with large changes, one that is
    capped with small ones, and what is nothing now may be any amount.

    Args:
        word: 32 bytes, big-endian.
    """
    value = int.from_bytes(word, "big")
    step = max(value // 100, 1)
    tried = (
        value + 1,
        value - 1,
        value + step,
        value - step,
        2 * value,
        value // 2,
        0,
        *(value + 10**power for power in POWERS),
    )
    return tuple(
        dict.fromkeys(
            item.to_bytes(WORD, "big")
            for item in tried
            if 0 <= item < 2**256 and item != value
        )
    )


@dataclass(frozen=True)
class _Outcome:
    """What follows from a situation, each part as path to value."""

    asked: Mapping[str, JsonValue]
    facts: Mapping[str, JsonValue]
    request: Mapping[str, JsonValue]
    prompt: Mapping[int, str]
    calls: Mapping[str, JsonValue]
    refused: str


def _word(
    situation: Situation,
    *,
    read: int,
    word: int,
    before: _Outcome,
    mandate_id: Digest,
) -> WordReach:
    recorded = situation.observation.reads[read]
    start = WORD * word
    old = recorded.returndata[start : start + WORD]
    reached: dict[str, dict[str | int, None]] = {
        part: {} for part in ("facts", "request", "prompt", "calls")
    }
    refused = refuses_plan = ""
    for new in changes_of(old):
        data = recorded.returndata[:start] + new + recorded.returndata[start + WORD :]
        reads = list(situation.observation.reads)
        reads[read] = replace(recorded, returndata=data)
        observation = replace(situation.observation, reads=tuple(reads))
        try:
            after = _outcome(
                replace(situation, observation=observation), mandate_id=mandate_id
            )
        except RejectedError as error:
            refused = refused or str(error)
            continue
        for part, found in reached.items():
            if part == "calls" and after.refused:
                continue
            differing = _differing(getattr(before, part), getattr(after, part))
            found.update(dict.fromkeys(differing))
        if after.refused and not before.refused:
            refuses_plan = refuses_plan or after.refused
    return WordReach(
        read=read,
        word=word,
        value=old,
        refused=refused,
        facts=tuple(str(path) for path in reached["facts"]),
        request=tuple(str(path) for path in reached["request"]),
        prompt=tuple(sorted(int(line) for line in reached["prompt"])),
        calls=tuple(str(path) for path in reached["calls"]),
        refuses_plan=refuses_plan,
    )


def _outcome(situation: Situation, *, mandate_id: Digest) -> _Outcome:
    """Build everything behind an observation.

    Raises:
        RejectedError: it makes no request.
    """
    program, book = situation.program, situation.book
    found = facts(situation.observation, names=program.observes, book=book)
    questions = [question.ask for question in program.questions]
    answered = len(situation.answers)
    request = build_request(
        program.to_manifest(),
        facts=found,
        book=book,
        mandate_id=mandate_id,
        slot=situation.slot,
        previous=situation.previous,
        question=next(iter(questions[answered:]), None),
        answers=[
            Answer(*pair)
            for pair in zip(questions[:answered], situation.answers, strict=True)
        ],
    )
    calls: Mapping[str, JsonValue] = {}
    refused = ""
    if situation.plan is not None:
        try:
            calls = call_parts(situation.plan, found=found, situation=situation)
        except RejectedError as error:
            refused = str(error)
    return _Outcome(
        asked=request,
        facts=fact_values(found),
        request=_by_path(request),
        prompt=dict(enumerate(render_prompt(request).split("\n"))),
        calls=calls,
        refused=refused,
    )


def _other_outcomes(
    situation: Situation, *, mandate_id: Digest
) -> Iterator[tuple[str, Sequence[_Outcome]]]:
    """Yield what a request holds besides reads, and what follows from other ones."""
    observation, program = situation.observation, situation.program
    later = replace(observation, block_number=observation.block_number + 1)
    before = situation.previous
    if before is None:
        summaries = [PreviousSummary(slot=0, actions=("another",))]
    else:
        summaries = [
            replace(before, slot=before.slot + 1),
            replace(before, actions=tuple("another" for _ in before.actions)),
            replace(before, refused="" if before.refused else "another"),
        ]
    others = [
        entry.kit
        for entry in installed_kits().values()
        if entry.kit not in program.kits
    ]
    objective = replace(program, objective="." if program.objective != "." else ",")
    fewer = replace(program, kits=program.kits[1:] or tuple(others))
    backwards = replace(program, kits=tuple(reversed(program.kits)))
    asking = replace(
        program,
        questions=tuple(
            replace(item, ask=f"not {item.ask}") for item in program.questions
        ),
    )
    changed = {
        "slot": [replace(situation, slot=situation.slot + 1)],
        "anchor block": [replace(situation, observation=later)],
        "decision before": [replace(situation, previous=item) for item in summaries],
        "objective": [replace(situation, program=objective)],
        "actions": [replace(situation, program=item) for item in (fewer, backwards)],
        "questions": [replace(situation, program=asking)],
        "answers": [
            replace(situation, answers=tuple(f"not {a}" for a in situation.answers))
        ],
    }
    for name, situations in changed.items():
        yield name, [_outcome(item, mandate_id=mandate_id) for item in situations]
    yield "mandate", [_outcome(situation, mandate_id=keccak256(mandate_id))]


def fact_values(found: Facts) -> dict[str, JsonValue]:
    """Return every fact by its path: `balances.WETH.wallet`."""
    values: dict[str, JsonValue] = {
        "block_number": found.block_number,
        "timestamp": found.timestamp,
    }
    for field in ("balances", "prices", "pools", "lending", "vaults"):
        for name, item in getattr(found, field).items():
            for key, value in vars(item).items():
                values[f"{field}.{name}.{key}"] = value
    if found.borrowing is not None:
        for key, value in vars(found.borrowing).items():
            values[f"borrowing.{key}"] = value
    if found.native is not None:
        values["native"] = found.native
    return values


def call_parts(
    plan: Plan, *, found: Facts, situation: Situation
) -> dict[str, JsonValue]:
    """Return every part of what a plan compiles to, by its path.

    Calldata by word: `calls[0].data[6]` is the seventh behind the selector.

    Raises:
        RejectedError: it does not compile.
    """
    compiled = compile_plan(
        plan.actions, facts=found, book=situation.book, mandate=situation.mandate
    )
    parts: dict[str, JsonValue] = {}
    for index, call in enumerate(compiled.calls):
        name = f"calls[{index}]"
        parts[f"{name}.target"] = call.target
        parts[f"{name}.value"] = call.value
        parts[f"{name}.token"] = call.token
        parts[f"{name}.allowance"] = call.allowance
        parts[f"{name}.selector"] = to_hex(call.data[:4])
        for start in range(4, len(call.data), WORD):
            word = call.data[start : start + WORD]
            parts[f"{name}.data[{start // WORD}]"] = to_hex(word)
    for index, bound in enumerate(compiled.bounds):
        parts[f"bounds[{index}]"] = bound
    return parts


def _by_path(request: JsonValue) -> dict[str, JsonValue]:
    return {field.path: field.value for field in request_fields(request)}


def _differing(before: Mapping[Any, JsonValue], after: Mapping[Any, JsonValue]) -> Any:
    """Return the paths whose values differ, those of `before` first."""
    missing = object()
    return [
        path
        for path in (*before, *(path for path in after if path not in before))
        if before.get(path, missing) != after.get(path, missing)
    ]
