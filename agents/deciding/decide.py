"""Decide: a mandate and the newest slot in, a signed decision and its evidence out.

This is what is measured in a TEE: from chain state to calldata without a hand in
between. It takes no prompt, no observation and no calls. It reads the chain itself, at
the slot's anchor, asks the model, derives the calls, and swears to all of it. It
does not submit anything and does not judge whether the plan is wise. It trusts its own
engine and chain endpoint; whoever does not trust them replays.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from affiant.agents.deciding.answered import AnsweredSlots
from affiant.agents.deciding.attested import KeyAttestation, claim_of
from affiant.agents.deciding.derive import (
    Asked,
    Consequences,
    derive_consequences,
    derive_plan,
    derive_previous,
    derive_prompt,
    derive_request,
    derive_seed,
)
from affiant.agents.deciding.live import live_head
from affiant.agents.deciding.phases import Phases
from affiant.agents.errors import (
    NotServedError,
)
from affiant.agents.programs.plan import Plan
from affiant.agents.programs.previous import previous_evidence
from affiant.agents.programs.program import Program
from affiant.agents.programs.questions import answer_of
from affiant.agents.programs.refused_plan import plan_section
from affiant.agents.programs.request import PreviousSummary
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.inference.engine import Engine
from affiant.inference.infer import Inference, infer
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import receipts_hash
from affiant.onchain.address_book import AddressBook
from affiant.onchain.attestation.claim import AttestationClaim
from affiant.onchain.chain import Chain
from affiant.onchain.decision import Decision, bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import SALT_BYTES, SECTIONS, seal
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import Observation, record
from affiant.onchain.permitted import names_key, names_workload


@dataclass(frozen=True)
class Serving:
    """What a node brings to every decision: its engine, key, endpoints and memory."""

    chain: Chain
    engine: Engine
    model: Digest
    """Root of the commitment of the model that `engine` has loaded."""
    model_summary: Mapping[str, JsonValue]
    """What evidence says about the model commitment."""
    key: NodeKey
    store: EvidenceStore
    answered: AnsweredSlots
    attestation: KeyAttestation | None = None
    """Who attests the key; None: nobody, and evidence claims no hardware."""
    salt: Callable[[int], bytes] = secrets.token_bytes
    """Random bytes for evidence salts; nothing sworn depends on what they are."""


@dataclass(frozen=True)
class Said:
    """One request, and what the model said to it."""

    asked: Asked
    inference: Inference


def decide(
    *,
    program: Program,
    book: AddressBook,
    mandate: Mandate,
    slot: int,
    serving: Serving,
    phases: Phases | None = None,
    inferred: Callable[[Inference], None] = lambda _: None,
) -> EvidenceBundle:
    """Return the signed decision of `mandate` in `slot`, with its evidence.

    1. the mandate names what is served here, and this slot was not answered before;
    2. the mandate is live at its gate, `slot` is the newest, and the key is attested,
       where hardware is claimed at all;
    3. the previous decision's evidence is at hand, where there was one;
    4. everything the program observes is read at the anchor, by its hash;
    5. per question of the program, and for the plan: request, prompt, inference;
    6. plan, calls, bounds; or why the plan cannot be carried out: then no calls;
    7. seal the evidence, sign, keep, store.

    Args:
        phases: where the time goes is added here; never part of evidence.
        inferred: told each inference, once its self-check is over.

    Raises:
        NotServedError, NotLiveError, SlotRefusedError, PreviousMissingError,
        KeyNotAttestedError, PlanRefusedError: nothing was signed.
        RejectedError, UnavailableError: a part refused or did not answer; likewise.
    """
    phases = Phases(time.monotonic) if phases is None else phases
    # 1. First what costs nothing; a repeated question gets the same bytes.
    check_served(program, book=book, mandate=mandate, serving=serving)
    answer = serving.answered.get(
        mandate.id, slot=slot, chain_id=book.chain_id, gate=book.gate
    )
    if answer is not None:
        serving.store.put(answer)
        return answer
    with phases.phase("observe"):
        # 2.
        latest = serving.chain.latest_block()
        head = live_head(
            GateClient(serving.chain, book.gate),
            mandate=mandate,
            slot=slot,
            latest=latest,
        )
        claim = claim_of(serving.key.address, by=serving.attestation, latest=latest)
        # 3.
        previous = derive_previous(
            program,
            head=head,
            mandate=mandate,
            bundle=previous_evidence(head, mandate=mandate, store=serving.store),
            book=book,
        )
        # 4.
        anchor = serving.chain.block_by_number(mandate.anchor_of(slot))
        observation = record(
            serving.chain,
            names=program.observes,
            book=book,
            account=mandate.account,
            block=anchor,
        )
    # 5.
    said = _ask(
        program,
        book=book,
        mandate=mandate,
        slot=slot,
        head=head,
        observation=observation,
        previous=previous,
        serving=serving,
        phases=phases,
        inferred=inferred,
    )
    # 6.
    with phases.phase("compile"):
        plan = derive_plan(said[-1].inference.text, program=program, book=book)
        follows = derive_consequences(
            plan, found=said[-1].asked.facts, book=book, mandate=mandate
        )
    # 7.
    with phases.phase("seal"):
        bundle = _seal(
            program=program,
            book=book,
            mandate=mandate,
            slot=slot,
            head=head,
            observation=observation,
            said=said,
            plan=plan,
            follows=follows,
            claim=claim,
            serving=serving,
        )
        # Kept before anybody gets it: a node that dies here gives the same answer
        # after its restart instead of swearing the slot twice.
        bundle = serving.answered.keep(bundle)
        serving.store.put(bundle)
    return bundle


def _ask(
    program: Program,
    *,
    book: AddressBook,
    mandate: Mandate,
    slot: int,
    head: Digest,
    observation: Observation,
    previous: PreviousSummary | None,
    serving: Serving,
    phases: Phases,
    inferred: Callable[[Inference], None],
) -> tuple[Said, ...]:
    """Ask every question of the program, and for the plan."""
    said: list[Said] = []
    answers: list[str] = []
    for index in range(program.inferences):
        with phases.phase("request"):
            asked = derive_request(
                program,
                observation=observation,
                book=book,
                mandate=mandate,
                slot=slot,
                anchor_hash=observation.block_hash,
                previous=previous,
                answers=answers,
            )
            prompt_ids = derive_prompt(asked.request, tokenizer=serving.engine)
        terms = program.terms(index)
        with phases.phase("infer"):
            inference = infer(
                serving.engine,
                model=serving.model,
                request=asked.request_bytes,
                prompt_ids=prompt_ids,
                schema=terms.schema,
                max_tokens=terms.max_tokens,
                sampling=program.sampling,
                seed=derive_seed(
                    program.sampling,
                    chain_id=book.chain_id,
                    gate=book.gate,
                    mandate=mandate,
                    previous=head,
                    anchor_hash=observation.block_hash,
                    index=index,
                ),
            )
        for name, seconds in inference.timings.to_json().items():
            phases.add(name, seconds)
        inferred(inference)
        said.append(Said(asked, inference))
        answers.append(answer_of(inference.text))
    return tuple(said)


def check_served(
    program: Program, *, book: AddressBook, mandate: Mandate, serving: Serving
) -> None:
    """Refuse a mandate that names something else than what is served.

    Raises:
        NotServedError: names the first field that differs.
    """
    for field, got, expected in (
        ("program", mandate.program, program.hash),
        ("model", mandate.model, serving.model),
        ("engine", mandate.engine, serving.engine.manifest.hash),
        ("program.model", program.model, serving.model),
        ("program.engine", program.engine, serving.engine.manifest.hash),
    ):
        if got != expected:
            raise NotServedError(field, got=to_hex(got), expected=to_hex(expected))
    by = serving.attestation
    attested = by is not None and names_workload(
        mandate, contract=by.client.address, workload=by.workload
    )
    if not attested and not names_key(mandate, serving.key.address):
        permitted = [permit.key for permit in mandate.nodes]
        raise NotServedError("nodes", got=str(permitted), expected=serving.key.address)
    if book.chain_id != serving.chain.chain_id:
        raise NotServedError(
            "book.chain_id",
            got=str(book.chain_id),
            expected=str(serving.chain.chain_id),
        )
    program.require_book(book)


def _seal(
    *,
    program: Program,
    book: AddressBook,
    mandate: Mandate,
    slot: int,
    head: Digest,
    observation: Observation,
    said: Sequence[Said],
    plan: Plan,
    follows: Consequences,
    claim: AttestationClaim,
    serving: Serving,
) -> EvidenceBundle:
    sealed = seal(
        {
            "attestation": claim.to_json(),
            "manifests": {
                "book": book.to_json(),
                "engine": serving.engine.manifest.to_json(),
                "model": dict(serving.model_summary),
                "program": program.to_manifest(),
            },
            "observation": observation.to_json(),
            "plan": plan_section(plan, refused=follows.refused),
            "requests": [item.asked.request for item in said],
            "tokens": [
                {
                    "prompt": list(item.inference.prompt_ids),
                    "output": list(item.inference.output_ids),
                }
                for item in said
            ],
            "traces": [item.inference.trace.to_json() for item in said],
        },
        salts={name: serving.salt(SALT_BYTES) for name in SECTIONS},
    )
    receipts = tuple(item.inference.receipt for item in said)
    decision = Decision(
        mandate=mandate.id,
        program=program.hash,
        slot=slot,
        anchor_hash=observation.block_hash,
        previous=head,
        observation=observation.hash,
        receipts=receipts_hash(receipts),
        calls=calls_hash(follows.calls),
        bounds=bounds_hash(follows.bounds),
        evidence=sealed.root,
        valid_until=observation.timestamp + program.validity_seconds,
    )
    digest = decision.digest(chain_id=book.chain_id, gate=book.gate)
    return EvidenceBundle(
        chain_id=book.chain_id,
        gate=book.gate,
        decision=decision,
        node=Address(serving.key.address),
        signature=serving.key.sign(digest),
        mandate=mandate,
        calls=follows.calls,
        bounds=follows.bounds,
        receipts=receipts,
        leaves=sealed.leaves,
        sections=sealed.sections,
    )
