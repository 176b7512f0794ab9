"""Steps 3, 5, 6: evidence under the sworn root, re-read and rebuilt.

It takes evidence as hostile: what is not hashed to the decision is not looked at, and
what is sworn is rebuilt from the program and the auditor's own readings. It does not
run a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from affiant.agents.deciding.derive import (
    Asked,
    derive_previous,
    derive_prompt,
    derive_request,
)
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import answer_of, stated_answers
from affiant.agents.programs.refused_plan import FIELD
from affiant.agents.programs.request import PreviousSummary
from affiant.audit.check_chain import same
from affiant.audit.errors import AuditRejectedError, AuditUnavailableError
from affiant.audit.history import History
from affiant.audit.replayer import Replayer
from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import UnavailableError
from affiant.inference.manifest import TEST_DOUBLE, EngineManifest
from affiant.inference.receipt import tokens_hash
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Decision
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Observation

FindEvidence = Callable[[Digest], EvidenceBundle]
"""Returns the verified evidence of a decision, or raises as `EvidenceStore.get`."""


Model = TypeVar("Model", bound=Replayer)


@dataclass(frozen=True)
class Manifests:
    """The manifests that a decision rests on, all under sworn hashes."""

    program: Program
    book: AddressBook
    engine: EngineManifest


def section(bundle: EvidenceBundle, name: str) -> JsonValue:
    """Return a section's content.

    Raises:
        AuditUnavailableError: it is withheld.
    """
    if name in bundle.withheld:
        raise AuditUnavailableError(
            f"evidence section `{name}`", reason="withheld by whoever published it"
        )
    return bundle.content(name)


def check_bundle(bundle: EvidenceBundle, *, decision: Decision, digest: Digest) -> str:
    """Step 3: the evidence hashes to the root that this very decision swears.

    1. every section, the root, receipts, calls, bounds and signature fit;
    2. it is this decision's evidence.

    Raises:
        RejectedError: names the section or field that does not fit.
    """
    # 1.
    verified = verify_evidence(bundle)
    # 2.
    same("decision of the evidence", got=verified, expected=digest)
    same("evidence root", got=bundle.decision.evidence, expected=decision.evidence)
    if bundle.withheld:
        names = ", ".join(bundle.withheld)
        return f"Every disclosed section is under the sworn root; withheld: {names}."
    return "Every section is under the sworn root."


def check_observation(
    bundle: EvidenceBundle, *, mandate: Mandate, history: History
) -> tuple[Observation, str]:
    """Step 5: every recorded read, read again at the anchor.

    1. it is the sworn observation, of the mandate's account at the slot's anchor;
    2. every read returns the same bytes at the auditor's endpoint.

    Raises:
        RejectedError: one of them does not hold; names the read.
        AuditUnavailableError: withheld.
        UnavailableError: the endpoint lacks the block or its state.
    """
    # 1.
    content = section(bundle, "observation")
    observation = Observation.from_json(content)
    decision = bundle.decision
    same("observation", got=observation.hash, expected=decision.observation)
    observation.require(
        account=mandate.account,
        block_number=mandate.anchor_of(decision.slot),
        block_hash=decision.anchor_hash,
    )
    # 2.
    mismatches = history.reread(observation)
    if mismatches:
        first = mismatches[0]
        actual = "a revert" if first.actual is None else to_hex(first.actual)
        raise AuditRejectedError(
            f"read {first.index + 1} of {len(observation.reads)} at {first.target}",
            got=to_hex(first.recorded),
            expected=actual,
        )
    return observation, (
        f"All {len(observation.reads)} reads return the same bytes at block "
        f"{observation.block_number}."
    )


def check_manifests(
    bundle: EvidenceBundle, *, mandate: Mandate, chain_id: int, gate: Address
) -> Manifests:
    """First part of step 6: program, address book, engine and model are as sworn.

    1. the program manifest hashes to what decision and mandate name;
    2. the address book is the program's, of this chain and gate;
    3. the engine manifest hashes to what mandate and program name, and is no double
       that tests run on;
    4. the model is the mandate's, in the program and in the summary of its commitment.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: withheld.
    """
    content = section(bundle, "manifests")
    # 1.
    program = Program.from_manifest(content["program"])
    stated = keccak256(canonical_json(content["program"]))
    same("program manifest", got=stated, expected=bundle.decision.program)
    same("program", got=program.hash, expected=mandate.program)
    # 2.
    book = AddressBook.from_json(content["book"])
    program.require_book(book)
    same("chain of the address book", got=book.chain_id, expected=chain_id)
    same("gate of the address book", got=book.gate, expected=gate)
    # 3.
    engine = EngineManifest.from_json(content["engine"])
    same("engine manifest", got=engine.hash, expected=mandate.engine)
    same("engine of the program", got=program.engine, expected=mandate.engine)
    if engine.engine == TEST_DOUBLE:
        raise AuditRejectedError(
            "engine", got=f"`{TEST_DOUBLE}`", expected="one that runs a model"
        )
    # 4. Of the summary, the root alone binds; file names and counts are only told.
    same("model of the program", got=program.model, expected=mandate.model)
    summary = content["model"]
    stated = digest_from_hex(
        summary.get("root") if isinstance(summary, dict) else None,
        what="manifests.model.root",
    )
    same("root of the model summary", got=stated, expected=mandate.model)
    return Manifests(program=program, book=book, engine=engine)


def check_request(
    bundle: EvidenceBundle,
    *,
    manifests: Manifests,
    observation: Observation,
    mandate: Mandate,
    find: FindEvidence,
) -> tuple[Asked, ...]:
    """Second part of step 6: the requests follow from program and observation.

    1. the decision's time is the program's;
    2. the decision before is the one that `previous` names;
    3. the program asks as often as there are receipts, and the requests rebuilt, with
       the answers that they state, are those sworn to.

    Raises:
        RejectedError: one of them does not hold.
        AuditUnavailableError: the evidence of the decision before cannot be had, or
            the requests of a program with questions are withheld.
    """
    decision, program = bundle.decision, manifests.program
    # 1.
    until = observation.timestamp + program.validity_seconds
    same("time of the decision", got=decision.valid_until, expected=until)
    # 2.
    before = None
    if decision.previous != mandate.id:
        try:
            before = find(decision.previous)
        except UnavailableError as error:
            reason = getattr(error, "reason", None) or str(error)
            raise AuditUnavailableError(
                "evidence of the decision before", reason=str(reason)
            ) from error
        content = section(before, "plan")
        if isinstance(content, dict) and FIELD in content:
            # The reason is found again from what the plan was refused on.
            section(before, "observation")
    previous = derive_previous(
        program,
        head=decision.previous,
        mandate=mandate,
        bundle=before,
        book=manifests.book,
    )
    # 3.
    return rebuild_requests(
        bundle,
        manifests=manifests,
        observation=observation,
        mandate=mandate,
        previous=previous,
    )


def rebuild_requests(
    bundle: EvidenceBundle,
    *,
    manifests: Manifests,
    observation: Observation,
    mandate: Mandate,
    previous: PreviousSummary | None,
) -> tuple[Asked, ...]:
    """Return the requests that follow, with the answers that they themselves state.

    Args:
        previous: what they say of the decision before.

    Raises:
        RejectedError: they cannot be built, or are not those sworn to.
        AuditUnavailableError: withheld, where the program asks questions.
    """
    decision, program = bundle.decision, manifests.program
    expected = program.inferences
    same("inferences of the program", got=len(bundle.receipts), expected=expected)
    answers = stated_answers(section(bundle, "requests")) if program.questions else ()
    same("answers", got=len(answers), expected=len(program.questions))
    requests = []
    for count, receipt in enumerate(bundle.receipts):
        asked = derive_request(
            program,
            observation=observation,
            book=manifests.book,
            mandate=mandate,
            slot=decision.slot,
            anchor_hash=decision.anchor_hash,
            previous=previous,
            answers=answers[:count],
        )
        same("request", got=receipt.request, expected=asked.request_hash)
        requests.append(asked)
    return tuple(requests)


def check_prompt(
    bundle: EvidenceBundle,
    *,
    asked: Sequence[Asked],
    manifests: Manifests,
    replayer: Replayer | None,
) -> str:
    """Last part of step 6: prompts follow from requests, answers from output tokens.

    1. each prompt's token ids are those of its request;
    2. each answer that a later request states is what the model said.

    Raises:
        RejectedError: they do not.
        AuditUnavailableError: no folder of the sworn model to take the tokenizer from,
            or tokens withheld.
    """
    tokenizer = require_model(
        replayer,
        model=bundle.receipts[0].model,
        what="prompt token ids (the request is rebuilt)",
    )
    # 1.
    count = 0
    for receipt, item in zip(bundle.receipts, asked, strict=True):
        ids = derive_prompt(item.request, tokenizer=tokenizer)
        same("prompt", got=receipt.prompt, expected=tokens_hash(ids))
        count += len(ids)
    if not manifests.program.questions:
        return (
            f"The program's request and its {count} prompt tokens are rebuilt and are "
            "those sworn to."
        )
    # 2.
    outputs = [item["output"] for item in section(bundle, "tokens")]
    for index, answer in enumerate(stated_answers([asked[-1].request])):
        said = answer_of(tokenizer.decode(outputs[index]))
        same(f"answer to question {index + 1}", got=answer, expected=said)
    return (
        f"The program's {len(asked)} requests and their {count} prompt tokens are "
        "rebuilt and are those sworn to; every answer is what the tokens say."
    )


def require_model(replayer: Model | None, *, model: Digest, what: str) -> Model:
    """Return the replayer if it has the sworn model.

    Raises:
        AuditUnavailableError: there is none, or it has another model.
    """
    if replayer is None:
        raise AuditUnavailableError(what, reason="not reproduced: no model folder")
    if replayer.root != model:
        raise AuditUnavailableError(
            what,
            reason=f"not reproduced: other model folder ({to_hex(replayer.root)}, "
            f"sworn {to_hex(model)})",
        )
    return replayer
