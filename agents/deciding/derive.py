"""From recorded reads and model text to calls: the one pure path that everybody takes.

    observation ─facts─> request ─prompt─> token ids …model… text ─plan─> calls, bounds

Node, agent and auditor all call these functions, so that what a node swears can be
rebuilt from its evidence byte for byte. Each step can be called alone, so that an
auditor can say which one does not match. Nothing here reads a chain, a clock or a
model; nothing here is trusted because it came from a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from affiant.agents.errors import PlanRefusedError, PreviousMissingError
from affiant.agents.programs.plan import HOLD, Plan, parse_plan
from affiant.agents.programs.program import Program
from affiant.agents.programs.prompt import chat_messages, render_prompt
from affiant.agents.programs.refused_plan import plan_text, refusal_words
from affiant.agents.programs.request import Answer, PreviousSummary, build_request
from affiant.encoding import Digest, JsonValue, canonical_json, keccak256, to_hex
from affiant.errors import RejectedError
from affiant.inference.sampling import Sampling
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call, inference_seed
from affiant.onchain.errors import KitError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.kits import compile_plan
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Facts, Observation, facts


class Tokenizer(Protocol):
    """Text to token ids and back, exactly as the program's model does it.

    An engine is one. `chat` MUST return None where the model has no chat template.
    `decode` MUST leave out the end token.
    """

    def encode(self, text: str) -> list[int]:
        """Return the prompt's token ids."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of output ids."""
        ...

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return the ids of chat messages, or None without a chat template."""
        ...


@dataclass(frozen=True)
class Asked:
    """What the model is asked in one slot."""

    facts: Facts
    request: dict[str, JsonValue]
    """The request of one inference."""

    @property
    def request_bytes(self) -> bytes:
        """Canonical JSON of the request."""
        return canonical_json(self.request)

    @property
    def request_hash(self) -> Digest:
        """keccak256 of the canonical JSON, as the inference receipt carries it."""
        return keccak256(self.request_bytes)


@dataclass(frozen=True)
class Consequences:
    """What a plan comes to."""

    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Base units, one per tracked entry of the mandate."""
    refused: str
    """Why it comes to nothing; empty where it compiles."""


@dataclass(frozen=True)
class Derived:
    """Everything that follows from observation and model text."""

    facts: Facts
    asked: tuple[Asked, ...]
    """One per inference; the last asks for the plan."""
    plan: Plan
    calls: tuple[Call, ...]
    bounds: tuple[int, ...]
    """Base units, one per tracked entry of the mandate."""
    refused: str
    """Why the plan cannot be carried out; empty where it can."""

    @property
    def holds(self) -> bool:
        """True where nothing changes: by plan, or because the plan is refused."""
        return not self.calls


def derive_previous(
    program: Program,
    *,
    head: Digest,
    mandate: Mandate,
    bundle: EvidenceBundle | None,
    book: AddressBook,
) -> PreviousSummary | None:
    """Return what the request says about the decision that `head` names.

    Args:
        program: the mandate's; one mandate has one program, so it was the last one's.
        head: `previous` of the decision being made: the gate's head.
        mandate: whose head it is.
        bundle: the evidence of `head`; None only where `head` is the mandate's id.
        book: names that its plan may mention.

    Raises:
        PreviousMissingError: there was a decision before, and this is not its bundle,
            or the bundle withholds its plan, or the observation behind a refused one.
        RejectedError: its content is refused.
    """
    if head == mandate.id:
        return None
    if bundle is None:
        raise PreviousMissingError(head, reason="nothing")
    digest = verify_evidence(bundle)
    if digest != head or bundle.mandate.id != mandate.id:
        raise PreviousMissingError(head, reason=f"evidence of {to_hex(digest)}")
    if "plan" in bundle.withheld:
        raise PreviousMissingError(head, reason="evidence that withholds its plan")
    plan = derive_plan(plan_text(bundle.content("plan")), program=program, book=book)
    refused = ""
    if not bundle.calls and plan.action_names != (HOLD,):
        # Compiled anew: what the evidence says about it are a node's words.
        if "observation" in bundle.withheld:
            raise PreviousMissingError(
                head, reason="evidence that withholds what its plan was refused on"
            )
        refused = _refusal_again(
            plan, bundle=bundle, program=program, book=book, mandate=mandate
        )
    return PreviousSummary.of(plan, slot=bundle.decision.slot, refused=refused)


def _refusal_again(
    plan: Plan,
    *,
    bundle: EvidenceBundle,
    program: Program,
    book: AddressBook,
    mandate: Mandate,
) -> str:
    """Return why `plan` is refused; nothing where that does not follow.

    A false decision may be the head: it is for auditors to reject, and no reason for
    honest ones after it to stop.
    """
    try:
        observation = Observation.from_json(bundle.content("observation"))
        found = facts(observation, names=program.observes, book=book)
        follows = derive_consequences(plan, found=found, book=book, mandate=mandate)
    except RejectedError:
        return ""
    return follows.refused


def derive_request(
    program: Program,
    *,
    observation: Observation,
    book: AddressBook,
    mandate: Mandate,
    slot: int,
    anchor_hash: Digest,
    previous: PreviousSummary | None,
    answers: Sequence[str] = (),
) -> Asked:
    """Return the facts of `observation` and the next request that follows from them.

    Args:
        anchor_hash: hash of the slot's first block.
        previous: as `derive_previous` gives it.
        answers: to the program's questions so far, as `answer_of` gives them. With all
            of them the request asks for the plan, before that for the next answer.

    Raises:
        NotServedError: `book` is not the program's.
        ObservationError: another account or block, or the reads are not exactly the
            planned ones.
        RejectedError: they make no request.
        ValueError: more answers than questions.
    """
    questions = [question.ask for question in program.questions]
    given = zip(questions[: len(answers)], answers, strict=True)
    program.require_book(book)
    observation.require(
        account=mandate.account,
        block_number=mandate.anchor_of(slot),
        block_hash=anchor_hash,
    )
    found = facts(observation, names=program.observes, book=book)
    request = build_request(
        program.to_manifest(),
        facts=found,
        book=book,
        mandate_id=mandate.id,
        slot=slot,
        previous=previous,
        question=next(iter(questions[len(answers) :]), None),
        answers=[Answer(question, answer) for question, answer in given],
    )
    return Asked(facts=found, request=request)


def derive_prompt(
    request: dict[str, JsonValue], *, tokenizer: Tokenizer
) -> tuple[int, ...]:
    """Return the prompt's token ids: by chat template where the model has one.

    Raises:
        RejectedError: the request cannot be rendered.
    """
    ids = tokenizer.chat(chat_messages(request))
    if ids is None:
        ids = tokenizer.encode(render_prompt(request))
    return tuple(ids)


def derive_seed(
    sampling: Sampling,
    *,
    chain_id: int,
    gate: Address,
    mandate: Mandate,
    previous: Digest,
    anchor_hash: Digest,
    index: int,
) -> Digest | None:
    """Return the seed of inference number `index`; None for a greedy program."""
    if sampling.temperature is None:
        return None
    return inference_seed(
        chain_id=chain_id,
        gate=gate,
        mandate=mandate.id,
        previous=previous,
        anchor_hash=anchor_hash,
        index=index,
    )


def derive_plan(text: str, *, program: Program, book: AddressBook) -> Plan:
    """Parse what the model said.

    Raises:
        PlanRefusedError: it is no plan of the program; chained from the parser's error.
    """
    try:
        return parse_plan(text, program.kits, book)
    except RejectedError as error:
        raise PlanRefusedError(text, reason=str(error)) from error


def derive_consequences(
    plan: Plan, *, found: Facts, book: AddressBook, mandate: Mandate
) -> Consequences:
    """Return the calls of `plan` and one bound per tracked entry of the mandate.

    A plan that does not compile has no calls, and lets nothing worsen.

    Raises:
        RejectedError: the facts are not the book's.
    """
    try:
        compiled = compile_plan(plan.actions, facts=found, book=book, mandate=mandate)
    except KitError as error:
        return Consequences((), (0,) * len(mandate.tracked), refusal_words(error))
    return Consequences(compiled.calls, compiled.bounds, "")


def derive(
    program: Program,
    *,
    observation: Observation,
    book: AddressBook,
    mandate: Mandate,
    slot: int,
    anchor_hash: Digest,
    previous: PreviousSummary | None,
    answers: Sequence[str],
    text: str,
) -> Derived:
    """Derive everything from the observation and from what the model said.

    1. facts and requests; 2. plan; 3. calls and bounds, or why there are none.

    Args:
        answers: one per question of the program, as `answer_of` gives them.
        text: what the model said as its plan.

    Raises:
        PlanRefusedError: the text is no plan.
        RejectedError: as `derive_request`.
    """
    # 1.
    asked = tuple(
        derive_request(
            program,
            observation=observation,
            book=book,
            mandate=mandate,
            slot=slot,
            anchor_hash=anchor_hash,
            previous=previous,
            answers=answers[:count],
        )
        for count in range(program.inferences)
    )
    # 2.
    plan = derive_plan(text, program=program, book=book)
    # 3.
    found = asked[-1].facts
    follows = derive_consequences(plan, found=found, book=book, mandate=mandate)
    return Derived(
        facts=found,
        asked=asked,
        plan=plan,
        calls=follows.calls,
        bounds=follows.bounds,
        refused=follows.refused,
    )
