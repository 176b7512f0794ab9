"""Runs the planner model in transformers, in batches, under the plan grammar.

Greedy in float32, as a node does; a node's engine adds the trace and the self-check.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xgrammar
from made_up import BOOK
from reading import Request
from transformers import AutoTokenizer, LlamaForCausalLM

from affiant.agents.programs.plan import parse_plan, plan_schema
from affiant.agents.programs.prompt import render_prompt
from affiant.onchain.address_book import AddressBook
from affiant.onchain.kits import KITS

MODEL_FOLDER = Path(__file__).parent / "model"
"""The committed weights."""

MAX_TOKENS = 96
"""Longest plan generated, in tokens."""

BATCH = 64
"""Prompts decoded together; only prompts of one length share a batch."""


@dataclass
class Planner:
    """The model, its tokenizer, and grammars by set of actions."""

    model: LlamaForCausalLM
    tokenizer: Any
    compiler: xgrammar.GrammarCompiler
    end: int
    """Id of the token that ends a plan."""

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER) -> Planner:
        """Load a model folder in float32."""
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        tokens = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=model.config.vocab_size
        )
        return cls(
            model=model,
            tokenizer=tokenizer,
            compiler=xgrammar.GrammarCompiler(tokens),
            end=tokenizer.eos_token_id,
        )

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`, no special token among them."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def plan(self, request: Request, book: AddressBook = BOOK) -> dict[str, Any]:
        """Return the model's plan for one request.

        Raises:
            PlanError: the text is no plan.
        """
        text = next(self.texts([request], book))[1]
        return checked(text, request, book)

    @torch.inference_mode()
    def texts(
        self, requests: Sequence[Request], book: AddressBook = BOOK
    ) -> Iterator[tuple[int, str]]:
        """Yield (index, text) for every request, in any order.

        Args:
            requests: what is asked, all about one book.
            book: names in the grammar.
        """
        groups: dict[tuple[int, tuple[str, ...]], list[tuple[int, list[int]]]] = (
            defaultdict(list)
        )
        for index, request in enumerate(requests):
            ids = self.encode(render_prompt(request))
            groups[len(ids), tuple(request["actions"])].append((index, ids))
        for (_, actions), members in groups.items():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                outputs = self._decode([ids for _, ids in part], actions, book)
                for (index, _), output in zip(part, outputs, strict=True):
                    yield index, self.tokenizer.decode(output)

    def _decode(
        self, prompts: list[list[int]], actions: tuple[str, ...], book: AddressBook
    ) -> list[list[int]]:
        schema = plan_schema([KITS[name] for name in actions], book)
        grammar = self.compiler.compile_json_schema(
            json.dumps(schema), any_whitespace=False, separators=(",", ":")
        )
        matchers = [xgrammar.GrammarMatcher(grammar) for _ in prompts]
        outputs: list[list[int]] = [[] for _ in prompts]
        mask = xgrammar.allocate_token_bitmask(
            len(prompts), self.model.config.vocab_size
        )
        ids, past = torch.tensor(prompts), None
        for _ in range(MAX_TOKENS):
            result = self.model(
                input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1
            )
            past, logits = result.past_key_values, result.logits[:, -1]
            for row, matcher in enumerate(matchers):
                if not matcher.is_terminated():
                    matcher.fill_next_token_bitmask(mask, row)
            xgrammar.apply_token_bitmask_inplace(logits, mask)
            chosen = logits.argmax(dim=-1).tolist()
            for row, matcher in enumerate(matchers):
                if not matcher.is_terminated():
                    matcher.accept_token(chosen[row])
                    if chosen[row] != self.end:
                        outputs[row].append(chosen[row])
            if all(matcher.is_terminated() for matcher in matchers):
                break
            ids = torch.tensor([[token] for token in chosen])
        return outputs


def checked(text: str, request: Request, book: AddressBook = BOOK) -> dict[str, Any]:
    """Return `text` as a plan's JSON object.

    Raises:
        PlanError: it is no plan of the request's program.
    """
    kits = [KITS[name] for name in request["actions"]]
    plan: dict[str, Any] = parse_plan(text, kits, book).to_json()
    return plan
