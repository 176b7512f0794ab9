"""A test double for an engine: it says what it is told, and thinks nothing.

For tests of agents, where what the model would say is not what is tested. Its manifest
names it a test double, so does the model that its receipts name, and both stand under
every hash that is sworn: a mandate for a model never permits it, an auditor refuses it
by name, and no replay can reproduce it, because there are no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from affiant.encoding import JsonValue, keccak256
from affiant.inference.engine import Prefill, PrefillJob
from affiant.inference.manifest import (
    TEST_DOUBLE,
    EngineManifest,
    FingerprintManifest,
    GrammarManifest,
)
from affiant.inference.sampler import SAMPLER
from affiant.inference.sampling import Sampling

EOS = 256
"""The end token; ids below it are bytes of text."""

MODEL = keccak256(b"affiant scripted test double: there is no model")
"""What stands where a model's root would: no folder of weights has it."""

MANIFEST = EngineManifest(
    engine=TEST_DOUBLE,
    engine_version="1",
    torch_version="none",
    dtype="none",
    kv_dtype="none",
    attention="none",
    tensor_parallel=1,
    pipeline_parallel=1,
    threads=0,
    execution="eager",
    batch_invariant=True,
    grammar=GrammarManifest(backend="none", version="0", any_whitespace=False),
    sampler=SAMPLER,
    fingerprint=FingerprintManifest(name="none", dimensions=0),
    device="none: a test double computes nothing",
)
"""The same for every scripted engine, so that its hash is known everywhere."""


class NothingScriptedError(RuntimeError):
    """The engine was asked before the test said what it says."""


class ScriptedEngine:
    """Says what it is told, one text per inference; the last one again and again."""

    manifest = MANIFEST
    eos_id = EOS
    stop_ids = frozenset({EOS})
    vocab_size = EOS + 1
    max_context = 1 << 20

    def __init__(self) -> None:
        """Start with nothing to say."""
        self.asked: list[str] = []
        """Every prompt so far."""
        self._texts: list[str] = []

    def says(self, *texts: str | Mapping[str, JsonValue]) -> None:
        """Say these from now on: text, or a plan as JSON."""
        if not texts:
            raise ValueError("says: expected at least one text")
        self._texts = [
            text
            if isinstance(text, str)
            else json.dumps(text, separators=(",", ":"), ensure_ascii=False)
            for text in texts
        ]

    def encode(self, text: str) -> list[int]:
        """Return the bytes of `text`."""
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of bytes."""
        return bytes(token for token in ids if token < EOS).decode(errors="replace")

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int] | None:
        """Return None: there is no chat template."""
        return None

    def compile_grammar(self, schema: JsonValue) -> Any:
        """Return a grammar that allows everything: the plan's parser is real."""
        return _AnyText()

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
        """Return the next text's bytes and the end token, however long it is.

        Bytes are more than a model's tokens, so `max_tokens` would say nothing here.

        Raises:
            NothingScriptedError: nothing to say.
        """
        self.asked.append(self.decode(prompt_ids))
        if not self._texts:
            raise NothingScriptedError(
                "the scripted engine was asked, and nothing says what it says: call "
                "`node.says(...)` first"
            )
        text = self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]
        return (*self.encode(text), EOS)

    def prefill(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Prefill:
        """Return logits that lead to exactly this output."""
        logits = np.zeros((len(output_ids), self.vocab_size), dtype=np.float32)
        logits[np.arange(len(output_ids)), list(output_ids)] = 20.0
        return Prefill(logits=logits, hidden=logits[:, :64] + 1)

    def prefill_many(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        """Return what `prefill` does."""
        return [self.prefill(job.prompt_ids, job.output_ids) for job in jobs]

    def close(self) -> None:
        """Do nothing."""


class _AnyText:
    def masks(self, output_ids: Sequence[int]) -> SimpleNamespace:
        allowed = np.ones((len(output_ids), EOS + 1), dtype=np.bool_)
        return SimpleNamespace(allowed=allowed, violation=None, complete=True)
