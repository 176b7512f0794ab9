"""The engine port: what inference asks of vLLM, of transformers, of anything else.

An engine turns token ids into token ids and into logits. It decides nothing about
whether an output is right: `infer` checks the engine against itself and `replay` checks
it from outside. Whatever a replay cannot cover is refused here, by type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.inference.errors import ContextExceededError
from affiant.inference.manifest import EngineManifest
from affiant.inference.sampling import Sampling

if TYPE_CHECKING:
    from affiant.inference.grammar import Grammar


@dataclass(frozen=True)
class PrefillJob:
    """An output that is to be looked at again after its prompt."""

    prompt_ids: tuple[int, ...]
    """At least one id below `vocab_size`."""
    output_ids: tuple[int, ...]
    """At least one id below `vocab_size`."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """What the model reads: the last output token decides nothing any more."""
        return (*self.prompt_ids, *self.output_ids[:-1])

    @property
    def length(self) -> int:
        """Number of `tokens`."""
        return len(self.prompt_ids) + len(self.output_ids) - 1


@dataclass(frozen=True)
class Prefill:
    """What a model computes before each token of an output, in one forward pass."""

    logits: NDArray[np.float32]
    """(tokens, vocab) float32: raw, no mask applied."""
    hidden: NDArray[np.float32]
    """(tokens, hidden) float32: states after the final norm, from which the logits
    come."""


class Engine(Protocol):
    """Something that runs one model in one configuration.

    Implementations MUST choose every token by the canonical sampler, MUST compute
    `prefill` in the canonical shape (batch 1, no prefix cache, no chunking), and MUST
    refuse what they do not support instead of ignoring it.
    """

    @property
    def manifest(self) -> EngineManifest:
        """The configuration; its hash names the profile."""
        ...

    @property
    def eos_id(self) -> int:
        """The tokenizer's end token."""
        ...

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends an output; `eos_id` is one of them."""
        ...

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits; at least the tokenizer's size."""
        ...

    @property
    def max_context(self) -> int:
        """Largest number of prompt and output tokens together."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return token ids of `text`: no control token is added, and none is read.

        Raises:
            TextRefusedError: a control token would come out nevertheless.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        ...

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int] | None:
        """Return token ids of `messages`; `None` where there is no chat template.

        What messages say MUST stay text, also where it spells a control token.

        Raises:
            TextRefusedError: the template does not take them.
        """
        ...

    def compile_grammar(self, schema: JsonValue) -> Grammar:
        """Return the grammar of a plan schema over this engine's vocabulary.

        Raises:
            SchemaUnsupportedError: the grammar backend does not accept it.
        """
        ...

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        schema: JsonValue | None,
        max_tokens: int,
        sampling: Sampling,
        seed: bytes | None,
        prefix: Sequence[int] = (),
        wanted: Callable[[], bool] | None = None,
    ) -> tuple[int, ...]:
        """Return output ids, the end token included where one was reached.

        Args:
            prompt_ids: at least one id below `vocab_size`.
            schema: JSON schema that masks the output; `None` for free text.
            max_tokens: largest length of the output, `prefix` included.
            sampling: how tokens are chosen.
            seed: 32 bytes where `sampling` has a temperature; not used when greedy.
            prefix: output ids to start from; forced, and returned with the rest.
            wanted: asked between tokens, in any thread; once it says no, the rest is
                not generated. `None`: it is.

        Raises:
            MalformedError: an id out of range, an empty prompt, a wrong seed.
            ContextExceededError: it cannot fit.
            AbandonedError: it is no longer wanted.
            EngineUnavailableError: the engine broke down.
        """
        ...

    def prefill(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Prefill:
        """Return what the model computes before each output token, canonically.

        Row `i` belongs to `output_ids[i]`. Raises as `generate` does.
        """
        ...

    def prefill_many(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        """Return what `prefill` does, faster, and not bit for bit the same.

        For replays where exactness is not asked for: batches have any shape. Raises as
        `generate` does.
        """
        ...

    def close(self) -> None:
        """Release the engine; it MUST NOT be used afterwards."""
        ...


def check_token_ids(
    ids: Sequence[int], *, what: str, vocab_size: int, least: int = 0
) -> None:
    """Refuse ids that the vocabulary does not have.

    Raises:
        MalformedError: fewer than `least` ids, or one out of range.
    """
    if len(ids) < least:
        raise MalformedError(what, got=f"{len(ids)} ids", expected=f"at least {least}")
    for index, token_id in enumerate(ids):
        if type(token_id) is not int or not 0 <= token_id < vocab_size:
            raise MalformedError(
                f"{what}[{index}]",
                got=repr(token_id)[:40],
                expected=f"an id from 0 to {vocab_size - 1}",
            )


def check_generation(
    prompt_ids: Sequence[int],
    *,
    prefix: Sequence[int],
    max_tokens: int,
    vocab_size: int,
    max_context: int,
) -> None:
    """Refuse a generation that cannot be run as asked.

    Raises:
        MalformedError: an id out of range, or no room for one token.
        ContextExceededError: prompt and `max_tokens` do not fit.
    """
    check_token_ids(prompt_ids, what="prompt", vocab_size=vocab_size, least=1)
    check_token_ids(prefix, what="prefix", vocab_size=vocab_size)
    if type(max_tokens) is not int or max_tokens <= len(prefix):
        raise MalformedError(
            "max_tokens", got=repr(max_tokens)[:40], expected=f"over {len(prefix)}"
        )
    if len(prompt_ids) + max_tokens > max_context:
        raise ContextExceededError(got=len(prompt_ids) + max_tokens, limit=max_context)


def check_prefill(
    prompt_ids: Sequence[int],
    output_ids: Sequence[int],
    *,
    vocab_size: int,
    max_context: int,
) -> None:
    """Refuse a prefill that cannot be run in one piece.

    Raises:
        MalformedError: an id out of range, an empty prompt or output.
        ContextExceededError: prompt and output do not fit.
    """
    check_token_ids(prompt_ids, what="prompt", vocab_size=vocab_size, least=1)
    check_token_ids(output_ids, what="output", vocab_size=vocab_size, least=1)
    if len(prompt_ids) + len(output_ids) > max_context:
        raise ContextExceededError(
            got=len(prompt_ids) + len(output_ids), limit=max_context
        )
