"""Train the planner model: seeded, on two CPU cores, in under ten minutes.

    python examples/planner/train.py              # writes examples/planner/model
    python examples/planner/evaluate.py           # measures it on held-out scenarios

A Llama of about two million parameters learns to write the teacher's plan after the
prompt. The loss counts plan tokens only. Besides each batch of prompts with plans there
is one of plans alone, where only what follows from the numbers already written counts:
comparing and dividing can be learnt without reading, at a quarter of the price. Same
versions, threads and processor give the same weights; elsewhere sums differ in the last
bits, and so do the weights.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from plans import plan_text
from rich.progress import Progress
from scenarios import training_examples
from tokenizer import END, number_tokens, save_tokenizer, train_tokenizer
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from affiant.agents.programs.prompt import render_prompt

SEED = 20260
"""Seeds the weights and the order of batches."""

STEPS = 1800
"""Optimiser steps."""

BATCH = 16
"""Prompts with plans per step."""

PLANS_ALONE = 24
"""Plans without a prompt per step."""

COPIED_AFTER = ("is ", "band ", "-", "limit ", "lent ", " of ")
"""Text after which a plan repeats a number; not to be guessed without the prompt."""

PEAK_RATE = 0.002
"""Highest learning rate of AdamW."""

HELD_OUT = 1000
"""Held-out scenarios whose numbers are kept out of the training data."""

TOKENIZER_EXAMPLES = 3000
"""First training examples, from which the tokenizer is learnt."""

Rows = tuple[torch.Tensor, torch.Tensor]
"""Token ids and labels, each (rows, longest) int64."""

IGNORED = -100
"""Label of a position that the loss does not count."""


def configuration(vocabulary: int, end: int) -> LlamaConfig:
    """Return the architecture: four layers of width 192 with three heads."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=576,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=64,
        max_position_embeddings=1024,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        dtype="float32",
    )


def number_line(model: LlamaForCausalLM, numbers: dict[int, int]) -> None:
    """Start the tokens of numbers as points on a smooth curve.

    Neighbouring numbers begin close together, so that the model need not learn from
    scratch which of two is larger.
    """
    table = model.get_input_embeddings().weight
    width = table.shape[1] // 2
    values = torch.arange(101, dtype=torch.float32)[:, None]
    waves = torch.pi * (2 ** torch.linspace(0, 5, width // 2))[None, :] / 128
    curve = torch.cat([torch.sin(values * waves), torch.cos(values * waves)], dim=1)
    with torch.no_grad():
        for number, token in numbers.items():
            table[token, :width] = curve[number] * 2 * model.config.initializer_range


def learn_tokenizer() -> Tokenizer:
    """Learn the tokenizer from the first training examples."""
    return train_tokenizer(
        text
        for request, plan in training_examples(TOKENIZER_EXAMPLES, HELD_OUT)
        for text in (render_prompt(request), plan_text(plan))
    )


def batches(
    tokenizer: Tokenizer, end: int, *, steps: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows of each step: prompts with plans, and plans alone."""
    examples = training_examples(steps * (BATCH + PLANS_ALONE), HELD_OUT)
    for _ in range(steps):
        whole, alone = [], []
        for _ in range(BATCH):
            request, plan = next(examples)
            prompt = tokenizer.encode(render_prompt(request)).ids
            output = [*tokenizer.encode(plan_text(plan)).ids, end]
            whole.append((prompt + output, [IGNORED] * len(prompt) + output))
        for _ in range(PLANS_ALONE):
            _, plan = next(examples)
            encoded = tokenizer.encode(plan_text(plan))
            pieces = [tokenizer.decode([token]) for token in encoded.ids]
            copied = [
                piece.isdigit() and before.endswith(COPIED_AFTER)
                for before, piece in zip(["", *pieces], pieces, strict=False)
            ]
            labels = [
                IGNORED if skip else token
                for token, skip in zip(encoded.ids, copied, strict=True)
            ]
            alone.append(([*encoded.ids, end], [*labels, end]))
        yield padded(whole, end), padded(alone, end)


def padded(rows: list[tuple[list[int], list[int]]], end: int) -> Rows:
    """Return (ids, labels), each (rows, longest) int64, padded on the right."""
    longest = max(len(ids) for ids, _ in rows)
    return (
        torch.tensor([ids + [end] * (longest - len(ids)) for ids, _ in rows]),
        torch.tensor([row + [IGNORED] * (longest - len(row)) for _, row in rows]),
    )


def plan_loss(model: LlamaForCausalLM, rows: Rows) -> torch.Tensor:
    """Return the mean cross-entropy of the plan's tokens.

    Padding stands right of every plan and attention looks left only, so no mask is
    needed; logits are computed where a plan token is predicted and nowhere else.
    """
    ids, labels = rows
    wanted = labels[:, 1:] != IGNORED
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16()):
        hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[wanted])
    return cross_entropy(logits.float(), labels[:, 1:][wanted])


def fast_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 in tiles (Intel AMX).

    Elsewhere bfloat16 is slower than float32 and training stays in float32. Weights,
    optimiser and files are float32 either way.
    """
    return bool(torch.cpu._is_amx_tile_supported())


def rate(step: int, steps: int) -> float:
    """Return the learning rate's factor: a short rise, a plateau, a fall to zero."""
    rise, fall = 100, 3 * steps // 5
    return min((step + 1) / rise, 1.0, (steps - step) / fall)


def train(folder: Path, *, steps: int) -> None:
    """Train tokenizer and model and write them to `folder` in Hugging Face format."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = learn_tokenizer()
    save_tokenizer(tokenizer, folder)
    end = tokenizer.token_to_id(END)
    config = configuration(tokenizer.get_vocab_size(), end)
    # Sequences of some 70 tokens: plain matrix products beat a fused kernel here.
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager")
    number_line(model, number_tokens(tokenizer))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: rate(step, steps)
    )
    started, losses = time.monotonic(), []
    with Progress() as progress:
        task = progress.add_task("training", total=steps)
        for whole, alone in batches(tokenizer, end, steps=steps):
            loss = plan_loss(model, whole)
            (loss + plan_loss(model, alone)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            losses.append(loss.item())
            if len(losses) % 50 == 0:
                recent = math.fsum(losses[-50:]) / 50
                progress.update(task, description=f"loss {recent:.4f}")
                progress.console.print(
                    f"step {len(losses)}: loss {recent:.4f}, "
                    f"{time.monotonic() - started:.0f} s"
                )
            if len(losses) % 500 == 0:
                model.save_pretrained(folder)
            progress.advance(task)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=end, pad_token_id=end
    )
    model.save_pretrained(folder)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "model", help="folder"
    )
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    train(chosen.out, steps=chosen.steps)


if __name__ == "__main__":
    main()
