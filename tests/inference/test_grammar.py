"""Grammar masks: compact JSON only, property order, violations, hostile schemas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from affiant.encoding import canonical_json
from affiant.errors import MalformedError
from affiant.inference.errors import SchemaUnsupportedError
from affiant.inference.grammar import schema_text
from affiant.inference.transformers_engine import TransformersEngine

PLAN = {
    "why": "go",
    "actions": [
        {"action": "swap", "sell": "WETH", "share_bps": 1500},
        {"action": "hold"},
    ],
}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def test_accepts_a_compact_plan_with_either_end(
    engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    grammar = engine.compile_grammar(schema)
    for stop in (1, 2):
        ids = [*engine.encode(compact(PLAN)), stop]
        masks = grammar.masks(ids)
        assert masks.violation is None and masks.complete
        assert masks.allowed.shape == (len(ids), engine.vocab_size)
        assert all(masks.allowed[index, token] for index, token in enumerate(ids))


def test_an_unended_plan_is_not_complete(
    engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    masks = engine.compile_grammar(schema).masks(engine.encode(compact(PLAN)))
    assert masks.violation is None and not masks.complete
    assert engine.compile_grammar(schema).masks([]).allowed.shape == (0, 320)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        '{"actions":[{"action":"hold"}],"why":"go"}',
        '{"why": "go","actions":[{"action":"hold"}]}',
        '{"why":"go","actions":[]}',
        '{"why":"go","actions":[{"action":"hold","to":"0xdead"}]}',
        '{"why":"go","actions":[{"action":"swap","sell":"DAI","share_bps":1}]}',
        '{"why":"go","actions":[{"action":"swap","sell":"WETH","share_bps":10001}]}',
        '{"why":"go","actions":[{"action":"swap","sell":"WETH","share_bps":0}]}',
        '{"why":"GO","actions":[{"action":"hold"}]}',
        '{"why":"go","actions":[{"action":"hold"}]} ',
        '{"why":"go","actions":[{"action":"hold"}]',
    ],
)
def test_names_the_token_that_breaks_the_grammar(
    engine: TransformersEngine, schema: dict[str, Any], text: str
) -> None:
    ids = [*engine.encode(text), engine.eos_id]
    masks = engine.compile_grammar(schema).masks(ids)
    assert masks.violation is not None and not masks.complete
    assert len(masks.allowed) == masks.violation + 1
    assert not masks.allowed[-1, ids[masks.violation]]
    assert masks.allowed[-1].any()


def test_nothing_may_follow_the_end(
    engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    ids = [*engine.encode(compact(PLAN)), 1, 1]
    masks = engine.compile_grammar(schema).masks(ids)
    assert masks.violation == len(ids) - 1
    assert not masks.allowed[-1].any()


def test_padding_ids_are_never_allowed(
    engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    ids = engine.encode(compact(PLAN))
    masks = engine.compile_grammar(schema).masks(ids)
    known = len(engine._tokenizer.tokenizer)
    assert known < engine.vocab_size
    assert not masks.allowed[:, known:].any()
    assert not masks.allowed[:, 0].any()


def test_order_survives_canonical_json(
    engine: TransformersEngine, schema: dict[str, Any]
) -> None:
    sorted_schema = json.loads(canonical_json(schema))
    assert list(sorted_schema["properties"]) == ["actions", "why"]
    assert schema_text(sorted_schema) == schema_text(schema)
    ids = [*engine.encode(compact(PLAN)), 1]
    again = engine.compile_grammar(sorted_schema).masks(ids)
    assert np.array_equal(
        again.allowed, engine.compile_grammar(schema).masks(ids).allowed
    )


@pytest.mark.parametrize(
    "schema",
    [
        [],
        "{}",
        None,
        7,
        {"type": "nonsense"},
        {"type": "object", "properties": 5},
        {"$ref": "#/nowhere"},
    ],
    ids=repr,
)
def test_rejects_schemas_that_do_not_compile(
    engine: TransformersEngine, schema: Any
) -> None:
    with pytest.raises(SchemaUnsupportedError):
        engine.compile_grammar(schema)


@pytest.mark.parametrize("token", [-1, 320, 2**32, True, "1"])
def test_rejects_ids_out_of_range(
    engine: TransformersEngine, schema: dict[str, Any], token: Any
) -> None:
    with pytest.raises(MalformedError):
        engine.compile_grammar(schema).masks([token])
