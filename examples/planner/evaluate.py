"""Measure the planner model on held-out scenarios, under the plan grammar.

    python examples/planner/evaluate.py [--count 1000] [--json FILE]

Decodes greedily in float32 with the grammar's mask, as a node does, and compares with
the teacher: the class of action, its exact arguments, and whether the text is a plan at
all. It measures imitation of a simple rule on made-up portfolios, nothing else.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xgrammar
from rich.progress import track
from scenarios import BOOK, HELD_OUT, draw
from teacher import branch, teach
from transformers import AutoTokenizer, LlamaForCausalLM

from affiant.agents.programs.plan import parse_plan, plan_schema
from affiant.agents.programs.plan_errors import PlanError
from affiant.agents.programs.prompt import render_prompt
from affiant.onchain.kits import KITS

MODEL_FOLDER = Path(__file__).parent / "model"
"""The committed weights."""

MAX_TOKENS = 96
"""Longest plan generated, in tokens."""

BATCH = 64
"""Prompts decoded together; only prompts of one length share a batch."""

REWORDED = (
    ("Keep WETH between ", "Between "),
    (" of the portfolio; ", " of the money should be WETH; "),
    ("keep at most ", "no more than "),
    (" in idle USDC and lend the rest", " may be USDC that is not lent"),
    ("prefer few, small trades.", "do not trade much."),
)
"""Another wording of the same objectives."""


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

    def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the model's plan for one request.

        Raises:
            PlanError: the text is no plan.
        """
        text = next(self.texts([request]))[1]
        return checked(text, request)

    @torch.inference_mode()
    def texts(self, requests: Sequence[dict[str, Any]]) -> Iterator[tuple[int, str]]:
        """Yield (index, text) for every request, in any order."""
        groups: dict[tuple[int, tuple[str, ...]], list[tuple[int, list[int]]]] = (
            defaultdict(list)
        )
        for index, request in enumerate(requests):
            ids = self.encode(render_prompt(request))
            groups[len(ids), tuple(request["actions"])].append((index, ids))
        for (_, actions), members in groups.items():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                outputs = self._decode([ids for _, ids in part], actions)
                for (index, _), output in zip(part, outputs, strict=True):
                    yield index, self.tokenizer.decode(output)

    def _decode(
        self, prompts: list[list[int]], actions: tuple[str, ...]
    ) -> list[list[int]]:
        schema = plan_schema([KITS[name] for name in actions], BOOK)
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
            result = self.model(input_ids=ids, past_key_values=past, use_cache=True)
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


def checked(text: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return `text` as a plan's JSON object.

    Raises:
        PlanError: it is no plan of the request's program.
    """
    return parse_plan(text, [KITS[name] for name in request["actions"]], BOOK).to_json()


def reworded(request: dict[str, Any]) -> dict[str, Any]:
    """Return `request` with an objective in words that the model was not trained on."""
    text = request["objective"]
    for trained, other in REWORDED:
        text = text.replace(trained, other)
    return {**request, "objective": text}


def measure(
    planner: Planner,
    requests: Sequence[dict[str, Any]],
    *,
    shown: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request,
) -> dict[str, Any]:
    """Compare the model with the teacher on `requests`.

    Args:
        planner: the model.
        requests: what the teacher answers.
        shown: turns each into what the model is asked.
    """
    asked = [shown(request) for request in requests]
    texts = dict(track(planner.texts(asked), total=len(asked), description="decoding"))
    seen: dict[str, list[bool]] = defaultdict(list)
    exact: list[bool] = []
    off: list[int] = []
    invalid = why = 0
    for index, request in enumerate(requests):
        wanted = teach(request)
        try:
            got = checked(texts[index], request)
        except PlanError:
            invalid += 1
            seen[branch(wanted)].append(False)
            exact.append(False)
            continue
        same = len(got["actions"]) == 1 and branch(got) == branch(wanted)
        seen[branch(wanted)].append(same)
        exact.append(got["actions"] == wanted["actions"])
        why += got["why"] == wanted["why"]
        if same and branch(wanted) != "hold":
            difference = got["actions"][0]["share_bps"]
            off.append(abs(difference - wanted["actions"][0]["share_bps"]))
    recalls = {name: sum(hits) / len(hits) for name, hits in sorted(seen.items())}
    return {
        "scenarios": len(requests),
        "balanced class accuracy": sum(recalls.values()) / len(recalls),
        "recall": recalls,
        "exact actions": sum(exact) / len(exact),
        "exact reasons": why / len(requests),
        "share within 500 bps where the class is right": sum(
            difference <= 500 for difference in off
        )
        / max(1, len(off)),
        "largest difference of a share, bps": max(off, default=0),
        "invalid plans": invalid / len(requests),
    }


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args()
    requests = [draw(HELD_OUT, index) for index in range(chosen.count)]
    planner = Planner.load(chosen.model)
    result = {
        "as trained": measure(planner, requests),
        "reworded objective": measure(planner, requests, shown=reworded),
    }
    print(json.dumps(result, indent=2))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
