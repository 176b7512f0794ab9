"""Hostile logits, ids and traces, in every place where tokens are chosen again.

On the double of an engine below: what an engine computes is the adversary's here. The
real engines' own refusals are in `tests/inference`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import fuzz_seeds
import numpy as np
import pytest

from affiant.agents.programs.plan import plan_schema
from affiant.agents.programs.program import Program
from affiant.encoding import canonical_json, keccak256
from affiant.errors import AffiantError, MalformedError
from affiant.inference.engine import Prefill, check_generation, check_prefill
from affiant.inference.errors import (
    LogitsInvalidError,
    ReceiptMismatchError,
    SchemaLimitError,
)
from affiant.inference.infer import infer
from affiant.inference.prompt_file import parse_prompt_file
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import (
    ReplayVerdict,
    SwornInference,
    check_sworn,
    replay,
    replay_many,
)
from affiant.inference.retrace import retrace
from affiant.inference.sampler import Draw, choose_tokens
from affiant.inference.sampling import GREEDY, Sampling
from affiant.inference.schema_limits import check_schema
from affiant.inference.trace import Trace, TraceEntry
from affiant.onchain.address_book import MAX_ENTRIES
from affiant.onchain.kits import KITS

VOCAB, END, WIDTH = 12, 2, 8
PROMPT, OUTPUT = (1, 5, 9), (7, 8, END)
WARM = Sampling(Fraction(7, 10))
SEED = keccak256(b"seed")


class Masks:
    """A grammar that allows the output's tokens and the even ones."""

    def masks(self, output_ids: Sequence[int]) -> SimpleNamespace:
        allowed = np.zeros((len(output_ids), VOCAB), dtype=np.bool_)
        allowed[:, ::2] = True
        allowed[np.arange(len(output_ids)), list(output_ids)] = True
        return SimpleNamespace(allowed=allowed, violation=None, complete=True)


@dataclass
class Double:
    """Prefers `OUTPUT`; `alter` changes its logits and states."""

    alter: Callable[[Any], Any] = lambda values: values
    hidden: Callable[[Any], Any] = lambda values: values
    compiled: int = 0
    manifest: Any = fuzz_seeds.manifest()
    vocab_size: int = VOCAB
    max_context: int = 64
    eos_id: int = END
    stop_ids: frozenset[int] = frozenset({END})

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))

    def compile_grammar(self, schema: Any) -> Any:
        self.compiled += 1
        return Masks()

    def generate(self, prompt_ids: Any, *, max_tokens: int, **_: Any) -> Any:
        check_generation(
            prompt_ids,
            prefix=(),
            max_tokens=max_tokens,
            vocab_size=VOCAB,
            max_context=self.max_context,
        )
        return OUTPUT[:max_tokens]

    def prefill(self, prompt_ids: Any, output_ids: Any) -> Prefill:
        check_prefill(
            prompt_ids, output_ids, vocab_size=VOCAB, max_context=self.max_context
        )
        rows = np.zeros((len(output_ids), VOCAB), dtype=np.float32)
        rows[np.arange(len(output_ids)), list(output_ids)] = 20
        states = np.ones((len(output_ids), WIDTH), dtype=np.float32)
        return Prefill(logits=self.alter(rows), hidden=self.hidden(states))

    def prefill_many(self, jobs: Any) -> list[Prefill]:
        return [self.prefill(job.prompt_ids, job.output_ids) for job in jobs]


def sworn(**changes: Any) -> SwornInference:
    """Sworn consistently, whatever is changed: hashes fit where they can be made."""
    output = changes.get("output_ids", OUTPUT)
    prompt = changes.get("prompt_ids", PROMPT)
    trace = changes.pop("trace", None)
    if trace is None:
        trace = Trace.of(output, [bytes(32)] * len(output))

    def hashed(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception:
            return keccak256(b"none")

    return SwornInference(
        **{
            "receipt": InferenceReceipt(
                model=keccak256(b"model"),
                engine=fuzz_seeds.manifest().hash,
                request=keccak256(b"request"),
                prompt=hashed(lambda: tokens_hash(prompt)),
                output=hashed(lambda: tokens_hash(output)),
                trace=hashed(lambda: trace.root),
            ),
            "prompt_ids": PROMPT,
            "output_ids": OUTPUT,
            "trace": trace,
            "schema": None,
            "sampling": GREEDY,
            "seed": None,
            "max_tokens": 8,
            **changes,
        }
    )


def set_at(row: int, token: int, value: float) -> Callable[[Any], Any]:
    def alter(values: Any) -> Any:
        values[row, token] = value
        return values

    return alter


def self_check(engine: Any, schema: Any, sampling: Sampling) -> None:
    infer(
        engine,
        model=keccak256(b"model"),
        request=b"{}",
        prompt_ids=PROMPT,
        schema=schema,
        max_tokens=8,
        sampling=sampling,
        seed=None if sampling == GREEDY else SEED,
    )


def replayed(engine: Any, schema: Any, sampling: Sampling) -> None:
    seed = None if sampling == GREEDY else SEED
    replay(engine, sworn(schema=schema, sampling=sampling, seed=seed))


def elsewhere(engine: Any, schema: Any, sampling: Sampling) -> list[ReplayVerdict]:
    """Replay, alone and in a batch, what another engine generated."""
    seed = None if sampling == GREEDY else SEED
    item = sworn(schema=schema, sampling=sampling, seed=seed)
    other = replace(item.receipt, engine=keccak256(b"another engine"))
    changed = replace(item, receipt=other)
    return [replay(engine, changed), *replay_many(engine, [changed])]


def sampled(engine: Any, schema: Any, sampling: Sampling) -> None:
    rows = engine.prefill(PROMPT, OUTPUT).logits
    seed = None if sampling == GREEDY else SEED
    draws = [Draw(sampling, seed=seed, position=at) for at in range(3)]
    masks = None if schema is None else Masks().masks(OUTPUT).allowed
    choose_tokens(rows, draws, allowed=masks)


PATHS = {
    "self-check": self_check,
    "replay": replayed,
    "sampler": sampled,
}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
@pytest.mark.parametrize("row", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38, 2.0**23 + 1])
def test_unusable_logits_are_refused_at_their_position(
    path: str, sampling: Sampling, row: int, value: float
) -> None:
    for schema in (None, SCHEMA):
        with pytest.raises(LogitsInvalidError) as caught:
            PATHS[path](Double(set_at(row, 4, value)), schema, sampling)
        assert caught.value.position == row
        assert "for token 4" in caught.value.got


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
@pytest.mark.parametrize("row", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38, 2.0**23 + 1])
def test_unusable_logits_of_another_engine_are_not_held_against_the_node(
    sampling: Sampling, row: int, value: float
) -> None:
    for schema in (None, SCHEMA):
        engine = Double(set_at(row, 4, value))
        for verdict in elsewhere(engine, schema, sampling):
            assert verdict.grade == "inconclusive" and not verdict.same_profile
            assert f"output position {row}" in verdict.reasons[0]
            # Nothing was measured, so nothing is counted or stated as a number.
            assert verdict.profile is None and math.isnan(verdict.measures.fingerprint)
            assert verdict.to_json()["worstMargin"] is None


def test_unusable_logits_hide_no_broken_grammar() -> None:
    class Breaking(Double):
        def compile_grammar(self, schema: Any) -> Any:
            allowed = np.zeros((2, VOCAB), dtype=np.bool_)
            allowed[:, [4, OUTPUT[0]]] = True
            found = SimpleNamespace(allowed=allowed, violation=1, complete=False)
            return SimpleNamespace(masks=lambda output_ids: found)

    for verdict in elsewhere(Breaking(set_at(0, 4, np.nan)), SCHEMA, GREEDY):
        assert verdict.grade == "inconsistent"
        assert verdict.reasons == ("token 1: got 8, expected one that the grammar "
                                   "allows",)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_the_grammar_forbids_may_be_anything(path: str, value: float) -> None:
    for row in range(3):
        # 3 is odd, so no mask allows it.
        PATHS[path](Double(set_at(row, 3, value)), SCHEMA, GREEDY)


@pytest.mark.parametrize("path", PATHS)
def test_minus_infinity_is_a_mask_and_a_row_of_it_no_choice(path: str) -> None:
    PATHS[path](Double(set_at(1, 4, -np.inf)), None, GREEDY)

    def nothing(values: Any) -> Any:
        values[2, :] = -np.inf
        return values

    with pytest.raises(LogitsInvalidError) as caught:
        PATHS[path](Double(nothing), None, GREEDY)
    assert caught.value.position == 2
    assert {found.grade for found in elsewhere(Double(nothing), None, GREEDY)} == {
        "inconclusive"
    }


@pytest.mark.parametrize("path", ["self-check", "replay"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("row", [0, 2])
def test_unusable_states_make_no_fingerprint(path: str, row: int, value: float) -> None:
    engine = Double(hidden=set_at(row, 1, value))
    with pytest.raises(LogitsInvalidError):
        PATHS[path](engine, None, GREEDY)
    for verdict in elsewhere(engine, None, GREEDY):
        assert verdict.grade == "inconclusive"
        # One that is only large is measured, never rounded to a half.
        assert math.isnan(verdict.measures.fingerprint) == (value != 1e38)


@pytest.mark.parametrize("shape", [(2, VOCAB), (4, VOCAB), (0, VOCAB), (3,)])
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    engine = Double(lambda _: np.zeros(shape, np.float32))
    for path in ("self-check", "replay"):
        with pytest.raises(LogitsInvalidError):
            PATHS[path](engine, None, GREEDY)
    assert {found.grade for found in elsewhere(engine, None, GREEDY)} == {
        "inconclusive"
    }
    with pytest.raises(LogitsInvalidError):
        retrace(
            np.zeros(shape, np.float32),
            output_ids=OUTPUT,
            grammar=None,
            sampling=GREEDY,
            seed=None,
        )


BAD_IDS = [-1, VOCAB, 2**31, 2**32, 2**64, True, False, 1.0, "1", None]


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("field", ["prompt_ids", "output_ids"])
def test_ids_that_the_vocabulary_does_not_have(field: str, at: int, bad: Any) -> None:
    ids = list(PROMPT if field == "prompt_ids" else OUTPUT)
    ids[at] = bad
    item = sworn(**{field: tuple(ids), "trace": sworn().trace})
    for call in (
        lambda: check_sworn(Double(), item),
        lambda: replay(Double(), item),
        lambda: replay_many(Double(), [sworn(), item]),
    ):
        with pytest.raises(MalformedError) as caught:
            call()
        assert caught.value.what == f"{field.removesuffix('_ids')}[{at}]"


def entries(*tokens: int) -> Trace:
    return Trace(tuple(TraceEntry(token, bytes(32)) for token in tokens))


@dataclass(frozen=True)
class Case:
    id: str
    changes: dict[str, Any]
    error: type[AffiantError]
    what: str


CASES = [
    Case("no prompt", {"prompt_ids": ()}, MalformedError, "prompt"),
    Case("no output", {"output_ids": ()}, MalformedError, "output"),
    Case("no output, no limit", {"output_ids": (), "max_tokens": None},
         MalformedError, "output"),
    Case("no output, limit 0", {"output_ids": (), "max_tokens": 0},
         MalformedError, "output"),
    Case("empty trace", {"trace": entries()}, MalformedError, "trace"),
    Case("short trace", {"trace": entries(7, 8)}, MalformedError, "trace"),
    Case("long trace", {"trace": entries(7, 8, END, END)}, MalformedError, "trace"),
    Case("trace of others", {"trace": entries(7, 6, END)}, MalformedError,
         "trace[1].token"),
    Case("trace in disorder", {"trace": entries(8, 7, END)}, MalformedError,
         "trace[0].token"),
    Case("beyond the limit", {"max_tokens": 2}, MalformedError, "output"),
    Case("limit below zero", {"max_tokens": -1}, MalformedError, "output"),
    Case("warm without a seed", {"sampling": WARM}, MalformedError, "seed"),
    Case("warm with half a seed", {"sampling": WARM, "seed": bytes(16)},
         MalformedError, "seed"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_evidence_that_does_not_fit_together(case: Case) -> None:
    engine = Double()
    for call in (replay, check_sworn, lambda e, s: replay_many(e, [s])):
        with pytest.raises(case.error) as caught:
            call(engine, sworn(**case.changes))
        assert caught.value.what == case.what
    assert engine.compiled == 0


def test_an_honest_inference_of_the_double_passes_every_path() -> None:
    for path in PATHS.values():
        for schema in (None, SCHEMA):
            path(Double(), schema, GREEDY)
    for verdict in elsewhere(Double(), None, GREEDY):
        assert verdict.measures.mismatches == 0
    with pytest.raises(ReceiptMismatchError):
        check_sworn(Double(), replace(sworn(), prompt_ids=(1, 5)))


# Grammars that explode: refused before anything is compiled.


def doubled(levels: int) -> dict[str, Any]:
    """Each definition holds the one below twice: 2^levels when written out."""
    return {
        "$ref": f"#/$defs/d{levels}",
        "$defs": {
            "d0": {"type": "string", "pattern": "^[a-z]{100}$"},
            **{
                f"d{n}": {
                    "type": "object",
                    "properties": dict.fromkeys("ab", {"$ref": f"#/$defs/d{n - 1}"}),
                    "required": ["a", "b"],
                    "additionalProperties": False,
                }
                for n in range(1, levels + 1)
            },
        },
    }


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def lists(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "boolean"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema, "minItems": 1000, "maxItems": 1024}
    return schema


def pattern(text: str) -> dict[str, Any]:
    return {"type": "string", "pattern": text}


EXPLOSIVE: dict[str, Any] = {
    "repeats of repeats": pattern("^((a{1,99}){1,99}){1,99}$"),
    "a large repeat": pattern("^a{1,100000}$"),
    "many quantifiers": pattern("^" + "(a|b){1,60}" * 20 + "$"),
    "nested stars": pattern("^(((a*)*)*)*" + "(b{1,128}){1,128}$"),
    "wide classes, repeated": pattern("^(.{1,128}){1,128}$"),
    "a long pattern": pattern("^" + "a" * 5000 + "$"),
    "deep nesting": deep(40),
    "a huge enum": {"enum": [f"value {n}" for n in range(5000)]},
    "many small enums": {"anyOf": [{"enum": list(range(n, n + 9))} for n in range(80)]},
    "a long string": {"type": "string", "maxLength": 10**6},
    "lists of ten million": {"type": "array", "minItems": 10**7},
    "many properties": {
        "type": "object",
        "properties": {f"p{n}": {"type": "null"} for n in range(2000)},
        "additionalProperties": False,
    },
    "a circle without a way out": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    },
    "a needed circle": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/a"}},
                "required": ["next"],
                "additionalProperties": False,
            }
        },
    },
    "all strings bounded": {
        "type": "object",
        "properties": {
            f"p{n}": {"type": "string", "maxLength": 100 + n} for n in range(40)
        },
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("name", EXPLOSIVE)
def test_a_grammar_that_explodes_is_never_compiled(name: str) -> None:
    schema = EXPLOSIVE[name]
    engine = Double()
    for call in (check_sworn, replay, lambda e, s: replay_many(e, [s])):
        with pytest.raises(SchemaLimitError):
            call(engine, sworn(schema=schema))
    assert engine.compiled == 0


@pytest.mark.parametrize("name", EXPLOSIVE)
def test_no_door_lets_such_a_schema_in(name: str) -> None:
    manifest = fuzz_seeds.program().to_manifest()
    with pytest.raises(SchemaLimitError):
        Program.from_manifest({**manifest, "schema": EXPLOSIVE[name]})
    line = canonical_json({"ids": [1], "maxTokens": 1, "schema": EXPLOSIVE[name]})
    with pytest.raises(SchemaLimitError):
        parse_prompt_file(line, encoder=Double())  # type: ignore[arg-type]


@pytest.mark.parametrize("schema", [doubled(30), lists(4)], ids=["doubled", "lists"])
def test_what_the_backend_does_not_write_out_stays_cheap(schema: Any) -> None:
    xgrammar = pytest.importorskip("xgrammar")
    from affiant.inference.grammar import SEPARATORS, schema_text

    check_schema(schema)
    vocabulary = [bytes([byte]) for byte in range(256)] + [b"</s>"]
    info = xgrammar.TokenizerInfo(
        vocabulary, xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[256]
    )
    started = time.process_time()
    xgrammar.GrammarCompiler(info, max_threads=1).compile_json_schema(
        schema_text(schema), any_whitespace=False, separators=SEPARATORS
    )
    assert time.process_time() - started < 5


def test_the_largest_address_book_makes_a_schema_within_the_limits() -> None:
    book = fuzz_seeds.largest_book()
    assert len(book.tokens) == MAX_ENTRIES
    for names in (
        "swap supply withdraw borrow repay hold",
        "swap_path swap_exact_out hold",
    ):
        check_schema(plan_schema([KITS[name] for name in names.split()], book))
    # Everything at once is refused, by name, when a program is defined.
    with pytest.raises(SchemaLimitError, match="16384"):
        check_schema(plan_schema([*KITS.values()], book))
