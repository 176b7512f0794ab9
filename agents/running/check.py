"""Check: everything that an agent can find out for itself before it pays gas.

The node is not trusted. Over the agent's *own* chain endpoint this decides that the
observation is the chain's, that the request follows from it, and that the calls and
bounds follow from the plan; with the model's tokenizer at hand also that prompt and
plan are what the tokens say. It does not run the model, so it cannot decide that the
tokens are the model's: that is replay, by endorsers before or auditors after.
"""

from __future__ import annotations

from affiant.agents.deciding.derive import (
    Derived,
    Tokenizer,
    derive,
    derive_plan,
    derive_previous,
    derive_prompt,
)
from affiant.agents.deciding.live import live_head
from affiant.agents.errors import (
    DerivationMismatchError,
    SimulatedBoundsError,
    TooLateError,
    WrongDecisionError,
)
from affiant.agents.programs.previous import previous_evidence
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import answer_of, stated_answers
from affiant.agents.programs.refused_plan import plan_text, stated_refusal
from affiant.encoding import JsonValue, canonical_json, keccak256, to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Mandate
from affiant.onchain.observation import Observation, observation_reread
from affiant.onchain.simulate import Simulation


def check_decision(
    bundle: EvidenceBundle,
    *,
    program: Program,
    book: AddressBook,
    mandate: Mandate,
    store: EvidenceStore,
    chain: Chain,
    tokenizer: Tokenizer | None,
) -> Derived:
    """Re-derive what `bundle` swears and return it as derived here.

    The bundle was verified, and is of this mandate, by `NodeClient`.

    1. as many inferences as the program asks; the manifests are the program's, the
       book's, the engine's, and the model's summary is of the model that the mandate
       names;
    2. `previous` is the gate's head, the slot is the newest and the time is not up;
    3. the observation is the chain's, at the anchor;
    4. what follows from it, and from the plan, can be derived at all;
    5. the requests are those that follow; with a tokenizer, the prompts' tokens too;
    6. with a tokenizer, answers and plan are what the outputs' tokens say;
    7. calls and bounds are those that follow, or the plan is refused as stated and
       there are none; the validity follows too.

    Args:
        store: has the evidence of the head.
        chain: the agent's own endpoint.
        tokenizer: the model's; None leaves the token steps to the auditor.

    Raises:
        DerivationMismatchError: names the step.
        NotLiveError, SlotRefusedError, TooLateError, WrongDecisionError: step 2.
        AnchorReorgedError: the anchor is not the chain's.
        EvidenceWithheldError: a section is not disclosed to us.
        RejectedError, UnavailableError: a part refuses, or does not answer.
    """
    decision = bundle.decision
    slot = decision.slot
    # 1.
    _require_equal("inferences", got=len(bundle.receipts), expected=program.inferences)
    manifests = bundle.content("manifests")
    _require_json(
        "program manifest", got=manifests["program"], expected=program.to_manifest()
    )
    _require_json("address book", got=manifests["book"], expected=book.to_json())
    _require_equal(
        "engine manifest",
        got=to_hex(keccak256(canonical_json(manifests["engine"]))),
        expected=to_hex(mandate.engine),
    )
    summary = manifests["model"]
    _require_equal(
        "model root",
        got=summary.get("root") if isinstance(summary, dict) else summary,
        expected=to_hex(mandate.model),
    )
    # 2.
    latest = chain.latest_block()
    head = live_head(
        GateClient(chain, book.gate), mandate=mandate, slot=slot, latest=latest
    )
    if decision.previous != head:
        raise WrongDecisionError(
            "previous", got=to_hex(decision.previous), expected=to_hex(head)
        )
    if latest.timestamp > decision.valid_until:
        raise TooLateError(
            "unix seconds", got=latest.timestamp, limit=decision.valid_until
        )
    # 3.
    observation = Observation.from_json(bundle.content("observation"))
    for mismatch in observation_reread(chain, observation):
        raise DerivationMismatchError(
            f"observation, read {mismatch.index} of {mismatch.target}",
            got=to_hex(mismatch.recorded)[:200],
            expected="a revert"
            if mismatch.actual is None
            else to_hex(mismatch.actual)[:200],
        )
    # 4.
    answers = stated_answers(bundle.content("requests"))
    _require_equal("answers", got=len(answers), expected=len(program.questions))
    before = previous_evidence(head, mandate=mandate, store=store)
    derived = derive(
        program,
        observation=observation,
        book=book,
        mandate=mandate,
        slot=slot,
        anchor_hash=decision.anchor_hash,
        previous=derive_previous(
            program, head=head, mandate=mandate, bundle=before, book=book
        ),
        answers=answers,
        text=plan_text(bundle.content("plan")),
    )
    # 5.
    for receipt, asked in zip(bundle.receipts, derived.asked, strict=True):
        _require_equal(
            "request", got=to_hex(receipt.request), expected=to_hex(asked.request_hash)
        )
    if tokenizer is not None:
        tokens = bundle.content("tokens")
        for item, asked in zip(tokens, derived.asked, strict=True):
            prompt = derive_prompt(asked.request, tokenizer=tokenizer)
            _require_equal("prompt", got=item["prompt"], expected=list(prompt))
        # 6.
        texts = [tokenizer.decode(item["output"]) for item in tokens]
        _require_equal(
            "answers",
            got=list(answers),
            expected=[answer_of(text) for text in texts[:-1]],
        )
        said = derive_plan(texts[-1], program=program, book=book)
        _require_json("plan", got=derived.plan.to_json(), expected=said.to_json())
    # 7.
    _require_equal(
        "refusal", got=stated_refusal(bundle.content("plan")), expected=derived.refused
    )
    _require_json(
        "calls",
        got=[call.to_json() for call in bundle.calls],
        expected=[call.to_json() for call in derived.calls],
    )
    _require_equal("bounds", got=list(bundle.bounds), expected=list(derived.bounds))
    _require_equal(
        "valid until",
        got=decision.valid_until,
        expected=observation.timestamp + program.validity_seconds,
    )
    return derived


def require_bounds(
    bundle: EvidenceBundle, simulation: Simulation, *, mandate: Mandate
) -> None:
    """Refuse a simulated success that the gate could not have let pass.

    Bounds are on what the gate measures, and so are simulated changes: a success below
    a bound is a lie, or a token that shows its balance to callers it likes.

    Raises:
        SimulatedBoundsError: names the token.
    """
    for entry, got, bound in zip(
        mandate.tracked, simulation.changes, bundle.bounds, strict=True
    ):
        if got < bound:
            raise SimulatedBoundsError(entry.token, got=got, bound=bound)


def _require_json(step: str, *, got: JsonValue, expected: JsonValue) -> None:
    if canonical_json(got) != canonical_json(expected):
        raise DerivationMismatchError(
            step, got=str(got)[:400], expected=str(expected)[:400]
        )


def _require_equal(step: str, *, got: object, expected: object) -> None:
    if got != expected:
        raise DerivationMismatchError(
            step, got=str(got)[:400], expected=str(expected)[:400]
        )
