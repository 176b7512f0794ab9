"""Hostile lengths: what would fill the memory is refused before it is computed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.cli.replay_limits import replay_limits
from affiant.encoding import keccak256
from affiant.errors import MalformedError, UnavailableError
from affiant.inference.engine import Prefill
from affiant.inference.errors import (
    EngineUnavailableError,
    ReplayMemoryError,
    SchemaUnsupportedError,
)
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    check_sworn,
    replay,
    replay_each,
    replay_many,
)
from affiant.inference.replay_memory import (
    BYTES_PER_LOGIT,
    MAX_REPLAY_BYTES,
    batches_of,
    check_replay_memory,
)
from affiant.inference.sampling import GREEDY
from affiant.inference.trace import MAX_TOKENS, Trace

WIDE, END = 151_936, 2
"""A vocabulary as wide as today's models have."""


@dataclass
class Wide:
    """An engine that must not be asked for what does not fit."""

    vocab_size: int = WIDE
    max_context: int = 2**20
    stop_ids: frozenset[int] = frozenset({END})
    broken: bool = False
    alone: int = 0
    batches: list[int] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)

    @property
    def manifest(self) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(hash=keccak256(b"own"), engine="wide")

    def compile_grammar(self, schema: Any) -> Any:
        raise SchemaUnsupportedError(got="a schema", expected="none")

    def prefill(self, prompt_ids: Any, output_ids: Sequence[int]) -> Prefill:
        self.alone += 1
        if self.broken:
            raise EngineUnavailableError("wide", got="no memory", expected="some")
        rows = np.zeros((len(output_ids), self.vocab_size), dtype=np.float32)
        rows[np.arange(len(output_ids)), list(output_ids)] = 20
        self.kept.append(weakref.ref(rows))
        return Prefill(rows, np.ones((len(output_ids), 8), dtype=np.float32))

    def prefill_many(self, jobs: Any) -> list[Prefill]:
        self.batches.append(len(jobs))
        found = [self.prefill(job.prompt_ids, job.output_ids) for job in jobs]
        self.alone -= len(jobs)
        return found


def sworn(tokens: int, *, engine: bytes = b"another", **changes: Any) -> SwornInference:
    """Well sworn, of `tokens` output tokens."""
    output = (*[5] * (tokens - 1), END)
    trace = Trace.of(output, [bytes(32)] * tokens)
    receipt = InferenceReceipt(
        model=keccak256(b"model"),
        engine=keccak256(engine),
        request=keccak256(b"request"),
        prompt=tokens_hash((1, 3)),
        output=tokens_hash(output),
        trace=trace.root,
    )
    return replace(
        SwornInference(
            receipt=receipt,
            prompt_ids=(1, 3),
            output_ids=output,
            trace=trace,
            schema=None,
            sampling=GREEDY,
            seed=None,
            max_tokens=None,
        ),
        **changes,
    )


def test_the_longest_trace_over_a_wide_vocabulary_is_not_computed() -> None:
    """40 GB of logits, out of a few megabytes of evidence."""
    for own in (b"another", b"own"):
        engine, item = Wide(), sworn(MAX_TOKENS, engine=own)
        for call in (replay, check_sworn, lambda e, s: replay_many(e, [s])):
            with pytest.raises(ReplayMemoryError) as caught:
                call(engine, item)
            assert isinstance(caught.value, UnavailableError)
            assert caught.value.got == MAX_TOKENS * WIDE * BYTES_PER_LOGIT
            assert caught.value.limit == MAX_REPLAY_BYTES
        assert engine.alone == 0 and engine.batches == []


def test_what_was_not_sworn_is_refused_as_that_however_long_it_is() -> None:
    item = replace(sworn(MAX_TOKENS), max_tokens=10)
    with pytest.raises(MalformedError, match="at most 10"):
        check_sworn(Wide(), item)


def test_memory_is_the_auditors_to_give() -> None:
    needed = 100 * WIDE * BYTES_PER_LOGIT
    check_replay_memory(100, vocab_size=WIDE, most_bytes=needed)
    with pytest.raises(ReplayMemoryError):
        check_replay_memory(101, vocab_size=WIDE, most_bytes=needed)
    assert replay_limits(max_context=None).memory_bytes == MAX_REPLAY_BYTES
    # A plan of today's length fits many times over.
    check_replay_memory(4096, vocab_size=WIDE)


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 400))
def test_batches_fit_even_where_they_are_padded(lengths: list[int], rows: int) -> None:
    given = rows * 7 * BYTES_PER_LOGIT
    batches = batches_of(lengths, vocab_size=7, most_bytes=given)
    assert sorted(at for batch in batches for at in batch) == [*range(len(lengths))]
    for batch in batches:
        longest = max(lengths[at] for at in batch)
        assert len(batch) == 1 or len(batch) * longest <= rows


def test_several_are_replayed_in_batches_that_fit() -> None:
    engine = Wide(vocab_size=10)
    items = [sworn(tokens) for tokens in (30, 3, 4, 29, 5)]
    verdicts = replay_many(engine, items, most_bytes=60 * 10 * BYTES_PER_LOGIT)
    assert [verdict.measures.tokens for verdict in verdicts] == [30, 3, 4, 29, 5]
    assert engine.batches == [3, 2]


def test_one_that_is_refused_keeps_none_of_the_others_from_being_replayed() -> None:
    engine = Wide(vocab_size=10)
    items = [
        sworn(4),
        sworn(999),
        sworn(4, engine=b"own"),
        sworn(4, prompt_ids=(1,)),
        sworn(4, schema={"type": "object", "properties": {}, "required": []}),
        sworn(5),
    ]
    found = replay_each(engine, items, most_bytes=100 * 10 * BYTES_PER_LOGIT)
    kinds = [type(item).__name__ for item in found]
    assert kinds == [
        "ReplayVerdict",
        "ReplayMemoryError",
        "ReplayVerdict",
        "ReceiptMismatchError",
        "SchemaUnsupportedError",
        "ReplayVerdict",
    ]
    assert engine.batches == [3] and engine.alone == 1
    own = found[2]
    assert isinstance(own, ReplayVerdict) and own.same_profile


def test_a_breakdown_is_told_of_all_that_were_together() -> None:
    found = replay_each(Wide(vocab_size=10, broken=True), [sworn(4), sworn(5)])
    assert [type(item) for item in found] == [EngineUnavailableError] * 2


def test_errors_that_are_kept_keep_no_logits() -> None:
    """Else every refused file of a long list would hold a replay's memory."""
    engine = Wide(vocab_size=10)
    schema = {"type": "object", "properties": {}, "required": []}
    items = [sworn(4, schema=schema), sworn(4, engine=b"own", schema=schema)]
    found = replay_each(engine, items)
    assert [type(item) for item in found] == [SchemaUnsupportedError] * 2
    gc.collect()
    assert len(engine.kept) == 2 and all(ref() is None for ref in engine.kept)
