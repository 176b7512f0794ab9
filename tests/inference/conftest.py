"""A tiny real model, and both engines on it, made once per session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.transformers_engine import TransformersEngine

CORPUS = (
    '{"why":"hold steady","actions":[{"action":"swap","sell":"WETH","buy":"USDC",'
    '"share_bps":1500}]}'
)


def build_model(folder: Path, *, seed: int) -> Path:
    """Write a random two-layer Llama with a byte-level BPE tokenizer to `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<pad>", "<eos>", "<stop>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        # Wider than the tokenizer, as real models pad their vocabulary.
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        # vLLM's CPU attention needs heads of 32 or more.
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        # Two ends: the tokenizer's own and one that only the configuration names.
        eos_token_id=[1, 2],
        bos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that the tests run."""
    return build_model(tmp_path_factory.mktemp("tiny"), seed=0)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model with the same tokenizer."""
    return build_model(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture(scope="session")
def tiny_commitment(tiny_model: Path) -> ModelCommitment:
    """Commitment of `tiny_model`."""
    return commit_model(tiny_model)


@pytest.fixture(scope="session")
def engine(tiny_model: Path) -> Iterator[TransformersEngine]:
    """transformers on `tiny_model`, float32."""
    loaded = TransformersEngine.load(tiny_model)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def other_engine(other_model: Path) -> Iterator[TransformersEngine]:
    """transformers on `other_model`, float32."""
    loaded = TransformersEngine.load(other_model)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def vllm_engine(tiny_model: Path) -> Iterator[Any]:
    """vLLM on `tiny_model`, float32."""
    from affiant.inference.vllm_engine import VllmEngine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = VllmEngine.load(tiny_model)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """A plan schema in the shape that agents use."""
    swap = {
        "type": "object",
        "properties": {
            "action": {"const": "swap"},
            "sell": {"enum": ["WETH", "USDC"]},
            "share_bps": {"type": "integer", "minimum": 1, "maximum": 10_000},
        },
        "required": ["action", "sell", "share_bps"],
        "additionalProperties": False,
    }
    hold = {
        "type": "object",
        "properties": {"action": {"const": "hold"}},
        "required": ["action"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "why": {"type": "string", "pattern": "^[a-z ]{0,12}$"},
            "actions": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": {"anyOf": [swap, hold]},
            },
        },
        "required": ["why", "actions"],
        "additionalProperties": False,
    }
