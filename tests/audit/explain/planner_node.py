"""A node that swears to decisions of the real planner on recorded reads.

The reads are those of `tests/vectors/observation.json`; everything behind them is the
real path: request, prompt, inference, plan, calls, sections, signature. A test can lie
in any part and swear to it: a consistent liar is the hard case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from eth_account import Account

from affiant.agents.deciding.derive import (
    derive_consequences,
    derive_plan,
    derive_prompt,
    derive_request,
    derive_seed,
)
from affiant.agents.programs.questions import Question, answer_of
from affiant.agents.programs.refused_plan import plan_section
from affiant.agents.programs.request import PreviousSummary
from affiant.agents.settings.loading import load_agent_class
from affiant.demo.stage import make_mandate
from affiant.encoding import Digest, keccak256, to_hex
from affiant.errors import RejectedError
from affiant.inference.infer import Inference, infer, trace_of
from affiant.inference.keys import NodeKey
from affiant.inference.manifest import EngineManifest
from affiant.inference.receipt import receipts_hash, tokens_hash
from affiant.inference.sampling import GREEDY, Sampling
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Decision, bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import SECTIONS, seal
from affiant.onchain.mandate import Address
from affiant.onchain.observation import Observation

ROOT = Path(__file__).parents[3]
PLANNER = ROOT / "examples" / "planner" / "model"
VECTOR = json.loads((ROOT / "tests" / "vectors" / "observation.json").read_text())
BOOK = AddressBook.from_json(VECTOR["book"])
OBSERVATION = Observation.from_json(VECTOR["observation"])

Forge = Callable[[Any, Inference], Sequence[int]]
"""Given the engine and an honest inference, returns other output ids to swear to."""


@dataclass
class Node:
    """A node that swears to whatever a test wants."""

    engine: Any
    root: Digest
    key: NodeKey

    def swear(
        self,
        *,
        sampling: Sampling = GREEDY,
        questions: tuple[Question, ...] = (),
        observation: Observation = OBSERVATION,
        forge: Forge | None = None,
        manifest: EngineManifest | None = None,
        text: str | None = None,
    ) -> EvidenceBundle:
        """Return the evidence of one decision.

        Args:
            forge: replaces the plan's output; trace and receipt fit what it returns.
            manifest: the engine that is sworn to; the honest one if None.
            text: stands for the plan's text where the output's cannot be parsed.
        """
        manifest = manifest or self.engine.manifest
        agent = load_agent_class(str(ROOT / "examples" / "rebalancer.py"))
        program = replace(
            agent.program(book=BOOK, model=self.root, engine=manifest.hash),
            sampling=sampling,
            questions=questions,
        )
        mandate = make_mandate(
            program,
            account=SimpleNamespace(address=observation.account),  # type: ignore[arg-type]
            book=BOOK,
            now=observation.timestamp,
        )
        head = keccak256(b"the decision before")
        before = VECTOR["previous"]
        done: list[Inference] = []
        asked = []
        for index in range(program.inferences):
            asked.append(
                derive_request(
                    program,
                    observation=observation,
                    book=BOOK,
                    mandate=mandate,
                    slot=VECTOR["slot"],
                    anchor_hash=observation.block_hash,
                    previous=PreviousSummary(before["slot"], tuple(before["actions"])),
                    answers=[answer_of(item.text) for item in done],
                )
            )
            terms = program.terms(index)
            inference = infer(
                self.engine,
                model=self.root,
                request=asked[-1].request_bytes,
                prompt_ids=derive_prompt(asked[-1].request, tokenizer=self.engine),
                schema=terms.schema,
                max_tokens=terms.max_tokens,
                sampling=sampling,
                seed=derive_seed(
                    sampling,
                    chain_id=BOOK.chain_id,
                    gate=BOOK.gate,
                    mandate=mandate,
                    previous=head,
                    anchor_hash=observation.block_hash,
                    index=index,
                ),
            )
            if forge is not None and index == program.inferences - 1:
                inference = self._forged(inference, forge)
            receipt = replace(inference.receipt, engine=manifest.hash)
            done.append(replace(inference, receipt=receipt))
        try:
            plan = derive_plan(text or done[-1].text, program=program, book=BOOK)
            follows = derive_consequences(
                plan, found=asked[-1].facts, book=BOOK, mandate=mandate
            )
            calls, bounds = follows.calls, follows.bounds
            stated = plan_section(plan, refused=follows.refused)
        except RejectedError:
            # What a liar says where no plan can be had.
            stated, calls, bounds = {"why": "", "actions": []}, (), (0,) * 9
        sealed = seal(
            {
                "attestation": {"tier": 0},
                "manifests": {
                    "book": BOOK.to_json(),
                    "engine": manifest.to_json(),
                    "model": {"root": to_hex(self.root)},
                    "program": program.to_manifest(),
                },
                "observation": observation.to_json(),
                "plan": stated,
                "requests": [item.request for item in asked],
                "tokens": [
                    {"prompt": list(i.prompt_ids), "output": list(i.output_ids)}
                    for i in done
                ],
                "traces": [item.trace.to_json() for item in done],
            },
            salts={name: keccak256(name.encode()) for name in SECTIONS},
        )
        receipts = tuple(item.receipt for item in done)
        decision = Decision(
            mandate=mandate.id,
            program=program.hash,
            slot=VECTOR["slot"],
            anchor_hash=observation.block_hash,
            previous=head,
            observation=observation.hash,
            receipts=receipts_hash(receipts),
            calls=calls_hash(calls),
            bounds=bounds_hash(bounds),
            evidence=sealed.root,
            valid_until=observation.timestamp + program.validity_seconds,
        )
        digest = decision.digest(chain_id=BOOK.chain_id, gate=BOOK.gate)
        return EvidenceBundle(
            chain_id=BOOK.chain_id,
            gate=BOOK.gate,
            decision=decision,
            node=Address(self.key.address),
            signature=self.key.sign(digest),
            mandate=mandate,
            calls=calls,
            bounds=bounds,
            receipts=receipts,
            leaves=sealed.leaves,
            sections=sealed.sections,
        )

    def _forged(self, honest: Inference, forge: Forge) -> Inference:
        """Return an inference with other output, consistent in itself."""
        output = tuple(forge(self.engine, honest))
        known = [token % self.engine.vocab_size for token in output]
        found = self.engine.prefill(honest.prompt_ids, known)
        trace = trace_of(found, prompt_ids=honest.prompt_ids, output_ids=output)
        return replace(
            honest,
            output_ids=output,
            trace=trace,
            text=self.engine.decode(known),
            receipt=replace(
                honest.receipt, output=tokens_hash(output), trace=trace.root
            ),
        )


@contextmanager
def planner_node() -> Iterator[Node]:
    """Hand over a node that runs the planner in transformers."""
    from affiant.inference.commitment import commit_model
    from affiant.inference.transformers_engine import TransformersEngine

    engine = TransformersEngine.load(PLANNER)
    key = NodeKey(Account.from_key(keccak256(b"node key of the explaining tests")))
    yield Node(engine=engine, root=commit_model(PLANNER).root, key=key)
    engine.close()
