"""A larger model with random weights: what a replay costs does not depend on them.

Built from a seed under `.cache/bench`; nothing is downloaded or committed. Its shape is
that of small models that people run; its tokenizer is the trained text model's, which
knows fewer tokens than the vocabulary has rows, as those of real models do.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from text_model import CACHE, CONTEXT, TEXT, model_folder
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY = 32_000
"""Rows of logits; most of them belong to no token."""
SEED = 2512
"""Seeds the weights."""


def large_folder() -> Path:
    """Return the folder of a Llama of 187 million parameters, built now if need be."""
    folder = CACHE / f"large-{SEED}"
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    text = model_folder(TEXT)
    shutil.copytree(
        text, folder, ignore=shutil.ignore_patterns("early", "done", "*.safetensors")
    )
    torch.manual_seed(SEED)
    config = LlamaConfig.from_pretrained(text)
    config.update(
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 1024,
            "intermediate_size": 2816,
            "num_hidden_layers": 12,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "head_dim": 64,
            "max_position_embeddings": CONTEXT,
        }
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "done").touch()
    return folder
