"""Train the planner model: seeded, on two CPU cores, in under ten minutes.

    python examples/planner/train.py              # writes examples/planner/model
    python examples/planner/evaluate.py           # measures it on held-out scenarios

A Llama of about two million parameters learns to write the teacher's plan after the
prompt. The loss counts plan tokens only. Same versions, threads and processor give the
same weights; elsewhere float32 sums differ in the last bits, and so do the weights.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.progress import Progress
from scenarios import training_examples
from teacher import plan_text
from tokenizer import END, number_tokens, save_tokenizer, train_tokenizer
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from affiant.agents.prompt import render_prompt

SEED = 20260
"""Seeds the weights and the order of batches."""

STEPS = 3000
"""Optimiser steps."""

BATCH = 16
"""Examples per step."""

PEAK_RATE = 0.002
"""Highest learning rate of AdamW."""

HELD_OUT = 1000
"""Held-out scenarios whose numbers are kept out of the training data."""

TOKENIZER_EXAMPLES = 3000
"""First training examples, from which the tokenizer is learnt."""

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
    tokenizer: Tokenizer, end: int, *, steps: int, batch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (ids, labels), each (batch, longest) int64, padded with the end token."""
    examples = training_examples(steps * batch, HELD_OUT)
    for _ in range(steps):
        rows, labels = [], []
        for _ in range(batch):
            request, plan = next(examples)
            prompt = tokenizer.encode(render_prompt(request)).ids
            output = [*tokenizer.encode(plan_text(plan)).ids, end]
            rows.append(prompt + output)
            labels.append([IGNORED] * len(prompt) + output)
        longest = max(len(row) for row in rows)
        yield (
            torch.tensor([row + [end] * (longest - len(row)) for row in rows]),
            torch.tensor([row + [IGNORED] * (longest - len(row)) for row in labels]),
        )


def plan_loss(
    model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross-entropy of the plan's tokens.

    Padding stands right of every plan and attention looks left only, so no mask is
    needed; logits are computed where a plan token is predicted and nowhere else.
    """
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
    rise, fall = 100, steps // 2
    return min((step + 1) / rise, 1.0, (steps - step) / fall)


def train(folder: Path, *, steps: int, batch: int) -> None:
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
        for ids, labels in batches(tokenizer, end, steps=steps, batch=batch):
            loss = plan_loss(model, ids, labels)
            loss.backward()
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
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    train(chosen.out, steps=chosen.steps, batch=chosen.batch)


if __name__ == "__main__":
    main()
