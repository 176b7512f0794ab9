"""A language model with real entropy, for the benchmarks: trained here in minutes.

    python bench/text_model.py            # writes .cache/bench/text and its relatives

A Llama of 5.4 million parameters learns Python from this interpreter's own standard
library; nothing is downloaded and no weights are committed. Its relatives are what a
cheating node might serve instead: an earlier checkpoint of the same run, and a smaller
model. Prompts come from files that none of them has seen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "bench"
"""Where trained models lie."""
VOCABULARY = 2048
"""Tokens, the end token included."""
CONTEXT = 1024
"""Most tokens that the models were made for."""
LENGTH = 256
"""Tokens of one training row."""
BATCH = 16
"""Rows per step."""
SEED = 2511
"""Seeds weights, order and prompts."""
HELD_OUT = 7
"""Every so many files are kept out of training; prompts are cut from them."""
END = "<end>"
"""The end token."""


@dataclass(frozen=True)
class Recipe:
    """One model to train."""

    name: str
    layers: int
    width: int
    steps: int
    checkpoint: int | None = None
    """Step whose weights are kept as `<name>-early`."""


TEXT = Recipe("text", layers=6, width=256, steps=640, checkpoint=560)
"""The model that honest nodes serve."""
SMALL = Recipe("small", layers=3, width=160, steps=400)
"""A cheaper model with the same tokenizer."""


def sources() -> tuple[list[str], list[str]]:
    """Return the texts of the standard library's files: for training, held out."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(
        path
        for path in folder.rglob("*.py")
        if not {"site-packages", "test", "tests", "idlelib"} & set(path.parts)
    )
    texts = [path.read_text(encoding="utf-8", errors="ignore") for path in files]
    texts = [text for text in texts if len(text) > 2000]
    seen = [text for index, text in enumerate(texts) if index % HELD_OUT]
    return seen, texts[::HELD_OUT]


def model_folder(recipe: Recipe) -> Path:
    """Return the folder of `recipe`'s model, trained now unless it is there already."""
    key = json.dumps([str(recipe), VOCABULARY, LENGTH, BATCH, SEED, torch.__version__])
    mark = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = CACHE / f"{recipe.name}-{mark}"
    if not (folder / "done").exists():
        train(recipe, folder)
    return folder


def early_folder(recipe: Recipe) -> Path:
    """Return the folder of an earlier checkpoint of the same training."""
    return model_folder(recipe) / "early"


def prompts(count: int, *, seed: int, tokens: int, folder: Path) -> list[list[int]]:
    """Return prompts cut from held-out files, as token ids.

    Args:
        count: how many.
        seed: another seed, other prompts.
        tokens: length of each.
        folder: the model's, for its tokenizer.
    """
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoded = [tokenizer.encode(text).ids for text in sources()[1]]
    encoded = [ids for ids in encoded if len(ids) > tokens]
    draw = random.Random(f"{SEED} {seed}")
    found = []
    for _ in range(count):
        ids = draw.choice(encoded)
        start = draw.randrange(len(ids) - tokens)
        found.append(ids[start : start + tokens])
    return found


def train(recipe: Recipe, folder: Path) -> None:
    """Train one model and write it to `folder` in Hugging Face format."""
    torch.manual_seed(SEED)
    texts, _ = sources()
    tokenizer = learn_tokenizer(texts)
    end = tokenizer.token_to_id(END)
    stream = torch.tensor(
        [token for text in texts for token in [*tokenizer.encode(text).ids, end]]
    )
    heads = recipe.width // 32
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=recipe.width,
        intermediate_size=3 * recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=3e-3, total_steps=recipe.steps, pct_start=0.1
    )
    amx = bool(torch.cpu._is_amx_tile_supported())
    started = time.monotonic()
    with Progress(transient=True) as progress:
        task = progress.add_task(f"training `{recipe.name}`", total=recipe.steps)
        for step, rows in enumerate(batches(stream, steps=recipe.steps)):
            with torch.autocast("cpu", torch.bfloat16, enabled=amx):
                logits = model(input_ids=rows[:, :-1], use_cache=False).logits
                loss = cross_entropy(
                    logits.float().flatten(0, 1), rows[:, 1:].flatten()
                )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            progress.update(
                task, advance=1, description=f"`{recipe.name}` loss {loss:.3f}"
            )
            if recipe.checkpoint == step + 1:
                save(model, tokenizer, folder / "early")
    save(model, tokenizer, folder)
    print(
        f"trained `{recipe.name}`: loss {loss:.3f} after {recipe.steps} steps, "
        f"{time.monotonic() - started:.0f} s"
    )
    (folder / "done").touch()


def batches(stream: torch.Tensor, *, steps: int) -> Iterator[torch.Tensor]:
    """Yield rows of `LENGTH` + 1 tokens from random places."""
    draw = torch.Generator().manual_seed(SEED)
    for _ in range(steps):
        starts = torch.randint(len(stream) - LENGTH - 1, (BATCH,), generator=draw)
        yield torch.stack([stream[at : at + LENGTH + 1] for at in starts.tolist()])


def learn_tokenizer(texts: list[str]) -> Tokenizer:
    """Learn a byte-level BPE tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts[::3], trainer)
    return tokenizer


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write model and tokenizer to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    end = tokenizer.token_to_id(END)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=end, pad_token_id=end
    )
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END
    ).save_pretrained(folder)


def main() -> None:
    """Train what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    for recipe in (TEXT, SMALL):
        print(model_folder(recipe))


if __name__ == "__main__":
    main()
