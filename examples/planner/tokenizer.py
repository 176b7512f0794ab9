"""The planner's tokenizer: byte-level BPE learnt from the generated prompts and plans.

Numbers are cut into 100 or pairs of digits from the left, so that every whole percent
is one token; the prompt's and the plan's own boilerplate becomes a few long tokens, and
all else is cut into words, so that an objective in other words is still made of known
ones. Any other text encodes as well, byte by byte. The one special token ends a plan,
and no text encodes to it: `split_special_tokens` is written into the tokenizer's
configuration, and `render_prompt` does not let text spell it either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from affiant.onchain.kits import KITS

END = "<|end|>"
"""The token that ends a plan."""

VOCABULARY = 1280
"""Most tokens; fewer are used where the corpus has no more to merge."""

_BOILERPLATE = (
    *(f"\n{name}: " for name in ("WETH", "USDC", "WBTC", "vUSDC")),
    *("% = wallet ", "% + lent ", "% - owed ", "%; price ", "\nTotal "),
    *("\nPool WETH/USDC: +", "\nPool WETH/USDC: -", " bps from feed"),
    *("\nLending USDC: earns ", "\nVault vUSDC: ", " USDC\n"),
    *("\nBorrowing: health ", "\nBorrowing: no debt; ", " bps; ", " left\n"),
    *("Feature vault_lead: -", "Feature vault_lead: ", "Feature owed: "),
    *("Feature payable: ", "Feature due: ", "Feature portion: "),
    *(f"\nLast: {name}\n" for name in (*KITS, "none")),
    "Actions: swap, supply, withdraw, hold\nPlan:\n",
    "Actions: swap, hold\nPlan:\n",
    "Actions: supply, withdraw, deposit, redeem, hold\nPlan:\n",
    "Actions: repay, supply, hold\nPlan:\n",
    *(f'{{"why":"{start} ' for start in ("WETH is", "Vault", "Owed", "Due")),
    *("%, band ", "%: above, aim ", "%: below, aim ", "%, sell ", "%, buy "),
    *("; idle USDC is ", "%, lent ", "%: enough, sell ", "%: short, withdraw "),
    *("%: short, sell all.", "%: inside; idle USDC is ", "%, limit "),
    *("%: inside, hold.", "%: above, keep ", "%, lend ", "%, most "),
    *("%: over, redeem ", "%; lead ", "%; lead -"),
    *(", margin ", ": ahead; idle ", ": even; idle "),
    *(": behind; idle ", "%: above, lend all.", "%: inside, redeem all."),
    *("%: above, room ", ", deposit ", ", lend all.", "%: inside, room "),
    *(", lent ", "%, hold.", "%, withdraw ", "%: above, target ", "%, need "),
    *("%; wallet pays ", "%: enough, repay ", "%: short, repay "),
    *("%: none; WETH ", "%: lend all.", "%: hold."),
    *(": none, hold.", ": some; pool ", " bps off, limit ", ": far, wait."),
    ": near, take ",
    "%.",
    '","actions":[{"action":"hold"}]}',
    *(f'","actions":[{{"action":"{name}"' for name in KITS),
    *(f',"asset":"{name}","share_bps":' for name in ("WETH", "USDC", "WBTC")),
    ',"sell":"WETH","buy":"USDC","share_bps":',
    ',"sell":"USDC","buy":"WETH","share_bps":',
    *(',"vault":"vUSDC","share_bps":', ',"max_slippage_bps":', "}]}"),
)
"""Text that programs write and models copy; each piece becomes one token."""

_PIECES = "|".join(
    (
        *(re.escape(text) for text in sorted(_BOILERPLATE, key=len, reverse=True)),
        r"100|\d{1,2}",
        r" ?[A-Za-z]+(?: (?=\d))?",
        r"[^A-Za-z\d\n\"]+|\n|\"",
    )
)
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
        min_frequency=10,
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
