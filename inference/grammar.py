"""Grammar masks: which tokens a plan schema allows at each output position.

It recomputes, from (schema, output ids), the masks that the engine applied while it
generated. Masks are integer work of a pinned backend, so a token outside the grammar is
caught with certainty. It does not judge the plan, and it trusts the tokenizer that it
is given: the tokenizer is part of the model commitment.

Canonical JSON sorts keys, but the order of a plan's properties is part of the grammar
(reasons come before actions). So the order is read from each object's `required` list,
which canonical JSON keeps; properties outside it follow by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import xgrammar
from numpy.typing import NDArray

from affiant.encoding import JsonValue, canonical_json
from affiant.inference.engine import check_token_ids
from affiant.inference.errors import SchemaUnsupportedError
from affiant.inference.manifest import GrammarManifest

SEPARATORS = (",", ":")
"""Separators of JSON in the grammar: compact, no whitespace anywhere."""
_COMPILER_THREADS = 2
_KEPT_BYTES = 256 * 2**20
# Compiled grammars that are kept: schemas from outside must not fill the memory.


def grammar_manifest() -> GrammarManifest:
    """Return what an engine manifest says of the grammar backend installed here."""
    return GrammarManifest(
        backend="xgrammar", version=version("xgrammar"), any_whitespace=False
    )


@dataclass(frozen=True)
class Masks:
    """The masks along one output."""

    allowed: NDArray[np.bool_]
    """(rows, vocab): row `i` is the mask before output token `i`. One row per token up
    to and including the first token that breaks the grammar."""
    violation: int | None
    """Position of the first token that breaks the grammar; `None` if none does."""
    complete: bool
    """Whether the output ends with a stop token where the grammar allows the end."""


def schema_text(schema: JsonValue) -> str:
    """Return the JSON text that both the engine and the replay compile.

    Raises:
        SchemaUnsupportedError: the schema is not a JSON object.
        MalformedError: it cannot be written as canonical JSON.
    """
    if not isinstance(schema, Mapping):
        raise SchemaUnsupportedError(got=repr(schema)[:80], expected="a JSON object")
    canonical = json.loads(canonical_json(dict(schema)))
    return json.dumps(_ordered(canonical), ensure_ascii=True, separators=(",", ":"))


def _ordered(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {key: _ordered(item) for key, item in value.items()}
    properties, required = value.get("properties"), value.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        first = [name for name in required if name in properties]
        names = first + sorted(name for name in properties if name not in first)
        ordered["properties"] = {name: ordered["properties"][name] for name in names}
    return ordered


class GrammarCompiler:
    """Compiles plan schemas over one tokenizer; keeps the compiled ones."""

    def __init__(
        self, tokenizer: Any, *, vocab_size: int, stop_ids: frozenset[int]
    ) -> None:
        """Prepare the vocabulary.

        Args:
            tokenizer: a transformers tokenizer.
            vocab_size: width of a row of logits.
            stop_ids: tokens that end an output.
        """
        self._vocab_size = vocab_size
        self._stop_ids = stop_ids
        self._compiler = xgrammar.GrammarCompiler(
            xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocab_size),
            max_threads=_COMPILER_THREADS,
            cache_limit_bytes=_KEPT_BYTES,
        )

    def compile(self, schema: JsonValue) -> Grammar:
        """Return the grammar of `schema`.

        Raises:
            SchemaUnsupportedError: the backend does not accept it.
        """
        text = schema_text(schema)
        try:
            compiled = self._compiler.compile_json_schema(
                text, any_whitespace=False, separators=SEPARATORS
            )
        except (RuntimeError, ValueError, TypeError) as error:
            raise SchemaUnsupportedError(
                got=str(error)[:200], expected="a schema that xgrammar accepts"
            ) from error
        return Grammar(compiled, vocab_size=self._vocab_size, stop_ids=self._stop_ids)


class Grammar:
    """One compiled plan schema."""

    def __init__(
        self, compiled: Any, *, vocab_size: int, stop_ids: frozenset[int]
    ) -> None:
        """Wrap a compiled grammar of the backend."""
        self._compiled = compiled
        self._vocab_size = vocab_size
        self._stop_ids = stop_ids

    def cursor(self) -> GrammarCursor:
        """Return a fresh walk along an output."""
        return GrammarCursor(
            xgrammar.GrammarMatcher(
                self._compiled, override_stop_tokens=sorted(self._stop_ids)
            ),
            vocab_size=self._vocab_size,
        )

    def masks(self, output_ids: Sequence[int]) -> Masks:
        """Return the masks along `output_ids`, up to the first violation.

        Raises:
            MalformedError: an id is out of range.
        """
        check_token_ids(output_ids, what="output", vocab_size=self._vocab_size)
        cursor = self.cursor()
        rows: list[NDArray[np.bool_]] = []
        for position, token in enumerate(output_ids):
            if cursor.ended:
                # Nothing may follow the stop token: an empty mask says so.
                rows.append(np.zeros(self._vocab_size, dtype=np.bool_))
                return Masks(np.stack(rows), violation=position, complete=False)
            rows.append(cursor.allowed())
            if not rows[-1][token] or not cursor.accept(token):
                return Masks(np.stack(rows), violation=position, complete=False)
        empty = np.zeros((0, self._vocab_size), dtype=np.bool_)
        return Masks(
            allowed=np.stack(rows) if rows else empty,
            violation=None,
            complete=cursor.ended,
        )


class GrammarCursor:
    """A position inside a grammar, advanced token by token."""

    def __init__(self, matcher: Any, *, vocab_size: int) -> None:
        """Start at the beginning of an output."""
        self._matcher = matcher
        self._vocab_size = vocab_size
        self._bitmask = xgrammar.allocate_token_bitmask(1, vocab_size)

    @property
    def ended(self) -> bool:
        """Whether a stop token was accepted."""
        return bool(self._matcher.is_terminated())

    def allowed(self) -> NDArray[np.bool_]:
        """Return the mask before the next token, (vocab,) bool."""
        if not self._matcher.fill_next_token_bitmask(self._bitmask):
            return np.ones(self._vocab_size, dtype=np.bool_)
        words = self._bitmask.numpy().reshape(-1).view(np.uint8)
        bits = np.unpackbits(words, bitorder="little")[: self._vocab_size]
        return bits.astype(np.bool_)

    def accept(self, token: int) -> bool:
        """Advance by `token`; false if the grammar forbids it."""
        return bool(self._matcher.accept_token(token))
