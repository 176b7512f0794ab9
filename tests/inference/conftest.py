"""A tiny real model, and both engines on it, made once per session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affiant.encoding import JsonValue, keccak256
from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.profile import Exactness, Profile
from affiant.inference.sampling import Sampling
from affiant.inference.transformers_engine import TransformersEngine

CORPUS = (
    '{"why":"hold steady","actions":[{"action":"swap","sell":"WETH","buy":"USDC",'
    '"share_bps":1500}]}'
)


def build_model(folder: Path, *, seed: int, positions: int = 512) -> Path:
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
        max_position_embeddings=positions,
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


@pytest.fixture(scope="session")
def dead_end() -> dict[str, Any]:
    """A schema of which no value ends: after `"a":` its grammar allows nothing."""
    return {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}},
        "required": ["a"],
        "$defs": {"n": {"$ref": "#/$defs/n"}},
    }


class DriftingEngine:
    """A real engine whose decoding drifts: it takes another token at some positions.

    It stands for the last bits in which decoding differs from prefill.
    """

    def __init__(self, engine: Any, *, drifts: Sequence[int]) -> None:
        self._engine = engine
        self._drifts = list(drifts)
        self.prefixes: list[tuple[int, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        schema: JsonValue | None,
        max_tokens: int,
        sampling: Sampling,
        seed: bytes | None,
        prefix: Sequence[int] = (),
    ) -> tuple[int, ...]:
        self.prefixes.append(tuple(prefix))
        asked: dict[str, Any] = {
            "schema": schema,
            "max_tokens": max_tokens,
            "sampling": sampling,
            "seed": seed,
        }
        output = self._engine.generate(prompt_ids, prefix=prefix, **asked)
        drifts = [at for at in self._drifts if len(prefix) <= at < len(output)]
        for at in drifts:
            self._drifts.remove(at)
            forced = self._another(prompt_ids, output[:at], output[at], schema)
            if forced is not None:
                return self._engine.generate(
                    prompt_ids, prefix=(*output[:at], forced), **asked
                )
        return output

    def _another(
        self,
        prompt_ids: Sequence[int],
        before: Sequence[int],
        token: int,
        schema: JsonValue | None,
    ) -> int | None:
        allowed = np.ones(self._engine.vocab_size, dtype=np.bool_)
        if schema is not None:
            grammar = self._engine.compile_grammar(schema)
            allowed = grammar.masks([*before, token]).allowed[-1].copy()
        allowed[[token, *self._engine.stop_ids]] = False
        return int(np.argmax(allowed)) if allowed.any() else None


@pytest.fixture(scope="session")
def drifting_engine() -> type[DriftingEngine]:
    """Makes a drifting engine of a real one."""
    return DriftingEngine


@pytest.fixture(scope="session")
def calibration(engine: TransformersEngine) -> Profile:
    """A profile of `engine` with itself, without classes: to be changed."""
    return Profile(
        model=keccak256(b"model"),
        generator=engine.manifest,
        replayer=engine.manifest,
        prompts=keccak256(b"prompts"),
        exactness=Exactness(inferences=1, tokens=9, exact=1, rollbacks=0),
        classes=(),
    )
