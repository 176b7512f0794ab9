"""The planner's tokenizer: byte-level BPE learnt from the generated prompts and plans.

Numbers are cut into 100 or pairs of digits from the left, so that every whole percent
is one token; the boilerplate around them becomes a few long tokens. Any other text
still encodes, byte by byte. The one special token ends a plan, and no text encodes to
it: `split_special_tokens` is written into the tokenizer's configuration, and
`render_prompt` does not let text spell it either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|end|>"
"""The token that ends a plan."""

VOCABULARY = 1024
"""Most tokens; fewer are used where the corpus has no more to merge."""

_PIECES = r"100|\d{1,2}|[^\d\n]*\n|[^\d\n]+"
_NUMBERS = [f"{n}\n" for n in range(101)] + [f"0{n}\n" for n in range(10)]


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn a tokenizer from `texts`; the same texts give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=20,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # Each number often enough to be merged, whatever the scenarios happen to hold.
    tokenizer.train_from_iterator([*texts, *(_NUMBERS * 50)], trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` into `folder`."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "model_max_length": 1024,
        "pad_token": END,
        "split_special_tokens": True,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def number_tokens(tokenizer: Tokenizer) -> dict[int, int]:
    """Return the token id of each whole percent, 0 to 100.

    Raises:
        ValueError: a percent is not one token.
    """
    found = {}
    for number in range(101):
        ids = tokenizer.encode(str(number)).ids
        if len(ids) != 1:
            raise ValueError(f"{number} is {len(ids)} tokens")
        found[number] = ids[0]
    return found
