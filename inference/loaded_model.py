"""What both engines share: a tokenizer, a vocabulary, a context, a manifest.

It holds no model and decides nothing; the engines add generation and prefill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from affiant.encoding import JsonValue
from affiant.inference.grammar import Grammar, GrammarCompiler
from affiant.inference.manifest import EngineManifest
from affiant.inference.tokenizer import ModelTokenizer


class LoadedModel:
    """The parts of `affiant.inference.engine.Engine` that need no model."""

    def __init__(
        self,
        *,
        manifest: EngineManifest,
        tokenizer: ModelTokenizer,
        vocab_size: int,
        max_context: int,
    ) -> None:
        """Keep what the engine found out while loading."""
        self._manifest = manifest
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._max_context = max_context
        self._compiler = GrammarCompiler(
            tokenizer.tokenizer, vocab_size=vocab_size, stop_ids=tokenizer.stop_ids
        )

    @property
    def manifest(self) -> EngineManifest:
        """The configuration; its hash names the profile."""
        return self._manifest

    @property
    def eos_id(self) -> int:
        """The tokenizer's end token."""
        return self._tokenizer.eos_id

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends an output."""
        return self._tokenizer.stop_ids

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits."""
        return self._vocab_size

    @property
    def max_context(self) -> int:
        """Largest number of prompt and output tokens together."""
        return self._max_context

    def encode(self, text: str) -> list[int]:
        """Return token ids of `text`, without special tokens added."""
        return self._tokenizer.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return self._tokenizer.decode(ids)

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int] | None:
        """Return token ids of `messages`; `None` where there is no chat template."""
        return self._tokenizer.chat(messages)

    def compile_grammar(self, schema: JsonValue) -> Grammar:
        """Return the grammar of a plan schema; raises `SchemaUnsupportedError`."""
        return self._compiler.compile(schema)
