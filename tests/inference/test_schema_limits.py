"""Schemas from outside: what is let through is enforced, and bombs are not compiled."""

from __future__ import annotations

import json
import random
from typing import Any, Literal

import jsonschema
import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from affiant.errors import MalformedError
from affiant.inference.errors import SchemaLimitError
from affiant.inference.grammar import SEPARATORS, schema_text
from affiant.inference.schema_limits import MAX_BYTES, check_schema

STRING = {"type": "string"}


def record(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object with these required properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def deep(levels: int) -> dict[str, Any]:
    """Return a schema that nests `levels` objects."""
    schema: dict[str, Any] = STRING
    for _ in range(levels):
        schema = record({"a": schema})
    return schema


def branching(levels: int, width: int) -> dict[str, Any]:
    """Return a schema of `width` to the power of `levels` alternatives."""
    schema: dict[str, Any] = STRING
    for _ in range(levels):
        schema = {"anyOf": [record({f"k{i}": schema}) for i in range(width)]}
    return schema


class Swap(BaseModel):
    """As people write them."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["swap"]
    share: float = Field(ge=0, le=1, description="of the balance")
    note: str | None = None


class Plan(BaseModel):
    """Nested, with definitions."""

    model_config = ConfigDict(extra="forbid")
    why: str = Field(max_length=80)
    steps: list[Swap] = Field(min_length=1, max_length=3)
    address: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")


FINE = {
    "pydantic": Plan.model_json_schema(),
    "any object": {"type": "object"},
    "anything": {},
    "nullable": {"type": ["string", "null"], "maxLength": 5},
    "open values": {"type": "object", "additionalProperties": {"type": "integer"}},
    "a tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": record(
                {"kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}}
            )
        },
    },
    "root again": record(
        {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    ),
    "hex": {"type": "string", "pattern": "^0x([0-9a-f]{2}){1,32}$"},
    "words": {"type": "string", "pattern": r"^(?:\w+[ .,-]?)+$"},
    "a date": {"type": "string", "format": "date"},
    "a price": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000000.5},
    "a tuple": {
        "type": "array",
        "prefixItems": [STRING, {"type": "integer"}],
        "items": False,
    },
    "the same bounds again": record(
        {f"field {i}": {"type": "string", "maxLength": 100} for i in range(40)}
    ),
    "300 digits": {"enum": [str(i) for i in range(300)], "type": "string"},
    "a version": {"$schema": "https://json-schema.org/draft/2020-12/schema", **STRING},
    "named properties": record({"$ref": STRING, "enum": STRING, "type": STRING}),
}

PATTERNS = {
    "unanchored": "abc",
    "half anchored": "^abc",
    "nested repetition": "^(([a-z]{0,30}){0,30}){0,30}$",
    "long repetition": "^[a-z]{10000}$",
    "just over": "^[a-z]{129}$",
    "lookahead": "^(?=a)b$",
    "lookbehind": "^(?<=a)b$",
    "named group": "^(?P<n>a)$",
    "backreference": r"^(a)\1$",
    "lazy": "^a*?b$",
    "possessive": "^a++$",
    "word boundary": r"^a\bb$",
    "unicode class": r"^\p{L}$",
    "not a word": r"^\W$",
    "hexadecimal escape": r"^\x22$",
    "a quote": '^a"b$',
    "a quote in a class": '^["a]$',
    "a backslash": r"^\\$",
    "a line break": "^a\nb$",
    "alternatives at the top": "^a|b$",
    "unclosed group": "^(a$",
    "unopened group": "^a)$",
    "unclosed class": "^[a$",
    "empty class": "^[]$",
    "class in a class": "^[[:alpha:]]$",
    "bad count": "^a{,3}$",
    "backward count": "^a{3,2}$",
    "a brace": "^a}$",
    "an end inside": "^a$b$",
    "nothing to repeat": "^*$",
    "dangling escape": "^a\\$",
    "deep groups": "^" + "(" * 20 + "a" + ")" * 20 + "$",
    "long": "^" + "a" * 300 + "$",
    "a huge number": "^a{" + "9" * 5000 + "}$",
    "fullwidth digits": "^a{１}$",
}

BOMBS: dict[str, tuple[Any, str]] = {
    **{
        f"pattern: {name}": ({"type": "string", "pattern": pattern}, "pattern")
        for name, pattern in PATTERNS.items()
    },
    "too large": (record({f"p{i}": STRING for i in range(2000)}), "bytes"),
    "too deep": (deep(20), "nesting"),
    "too many alternatives": ({"anyOf": [{"type": "null"}] * 300}, "subschemas"),
    "alternatives of alternatives": (branching(6, 5), "bytes"),
    "too many values": ({"enum": list(range(600))}, "values"),
    "a long string": ({"type": "string", "maxLength": 100_000}, "maxLength"),
    "many bounded strings": (
        record({f"p{i}": {"type": "string", "maxLength": 40 + i} for i in range(8)}),
        "cost",
    ),
    "many patterns": (
        record(
            {
                f"p{i}": {"type": "string", "pattern": f"^.{{0,{60 + i}}}$"}
                for i in range(8)
            }
        ),
        "cost",
    ),
    "many formats": (
        record({f"p{i}": {"type": "string", "format": "uri"} for i in range(60)}),
        "cost",
    ),
    "many open values": (record({f"p{i}": {} for i in range(60)}), "cost"),
    "many items": ({"type": "array", "items": STRING, "minItems": 10**6}, "minItems"),
    "itself": ({"$ref": "#/$defs/n", "$defs": {"n": {"$ref": "#/$defs/n"}}}, "way out"),
    "only itself": ({"$ref": "#"}, "way out"),
    "for ever": (record({"a": {"$ref": "#"}}), "way out"),
    "for ever in a list": (
        {"type": "array", "minItems": 1, "items": {"$ref": "#"}},
        "way out",
    ),
    "an optional dead end": (
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"$ref": "#/$defs/n"}},
        },
        "way out",
    ),
}

BENT: dict[str, tuple[Any, str]] = {
    "uniqueItems": (
        {"type": "array", "items": STRING, "uniqueItems": True},
        "uniqueItems",
    ),
    "multipleOf": ({"type": "integer", "multipleOf": 3}, "multipleOf"),
    "not": ({"not": STRING}, "not"),
    "if": ({"if": {}, "then": {}}, "if"),
    "oneOf": ({"oneOf": [STRING]}, "oneOf"),
    "contains": (
        {"type": "array", "items": STRING, "contains": STRING},
        "contains",
    ),
    "patternProperties": (
        {"type": "object", "patternProperties": {"^a": STRING}},
        "patternProperties",
    ),
    "propertyNames": ({"type": "object", "propertyNames": STRING}, "propertyNames"),
    "minProperties": ({"type": "object", "minProperties": 2}, "minProperties"),
    "unevaluated": ({"type": "object", "unevaluatedProperties": False}, "unevaluated"),
    "unknown keyword": ({"type": "string", "colour": "red"}, "colour"),
    "bound without a type": ({"minimum": 3}, "type"),
    "of another type": ({"type": "boolean", "maxLength": 3}, "maxLength"),
    "unknown type": ({"type": "decimal"}, "decimal"),
    "no type": ({"type": []}, "type"),
    "type of a type": ({"type": {"type": "string"}}, "type"),
    "beside a reference": (
        {"$ref": "#/$defs/a", "maxLength": 2, "$defs": {"a": STRING}},
        "maxLength",
    ),
    "beside alternatives": ({"anyOf": [STRING], "maxLength": 2}, "maxLength"),
    "values of another type": ({"type": "string", "enum": ["a", 1]}, "integer"),
    "true is no integer": ({"type": "integer", "const": True}, "boolean"),
    "several at once": ({"allOf": [STRING, {"type": "string"}]}, "allOf"),
    "no alternatives": ({"anyOf": []}, "anyOf"),
    "no values": ({"enum": []}, "enum"),
    "unknown format": ({"type": "string", "format": "regex"}, "regex"),
    "pattern and length": (
        {"type": "string", "pattern": "^a*$", "maxLength": 2},
        "bounded twice",
    ),
    "required but unknown": (
        {"type": "object", "properties": {}, "required": ["a"]},
        "required",
    ),
    "a fine bound": ({"type": "number", "minimum": 0.1234567}, "minimum"),
    "a huge bound": ({"type": "number", "maximum": 1e300}, "maximum"),
    "a bound in words": ({"type": "integer", "maximum": "3"}, "maximum"),
    "negative length": ({"type": "string", "minLength": -1}, "minLength"),
    "true as a length": ({"type": "string", "minLength": True}, "minLength"),
    "fractional length": ({"type": "string", "minLength": 1.5}, "minLength"),
    "closed but more": (
        {"type": "array", "items": False, "minItems": 1},
        "way out",
    ),
    "elsewhere": ({"$ref": "https://example.com/schema"}, "$ref"),
    "unknown definition": ({"$ref": "#/$defs/a", "$defs": {}}, "$ref"),
    "reference into the middle": (
        {"$ref": "#/properties/a", "properties": {"a": STRING}},
        "properties",
    ),
    "inner definitions": (record({"a": {"$defs": {}, "type": "string"}}), "$defs"),
    "no object": (["a"], "object"),
    "true": (True, "object"),
    "a list for a schema": (record({"a": [STRING]}), "a schema"),
    "false for a schema": (record({"a": False}), "a schema"),
    "properties in a list": ({"type": "object", "properties": [STRING]}, "by name"),
    "required by number": (
        {"type": "object", "properties": {"a": STRING}, "required": [1]},
        "required",
    ),
    "required in words": (
        {"type": "object", "properties": {"a": STRING}, "required": "a"},
        "required",
    ),
    "prefix in words": ({"type": "array", "prefixItems": "a"}, "prefixItems"),
    "a pattern in numbers": ({"type": "string", "pattern": 3}, "pattern"),
}


@pytest.fixture(scope="module")
def compiler() -> xgrammar.GrammarCompiler:
    """A grammar over all bytes."""
    vocabulary = [bytes([byte]) for byte in range(256)] + [b"</s>"]
    info = xgrammar.TokenizerInfo(
        vocabulary, xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[256]
    )
    return xgrammar.GrammarCompiler(info, max_threads=1)


def walk(compiler: xgrammar.GrammarCompiler, schema: Any, *, seed: int) -> str | None:
    """Return a random text of the grammar; `None` if it is not over after 3000 bytes.

    Closing marks are preferred more and more, so that most walks end.
    """
    compiled = compiler.compile_json_schema(
        schema_text(schema), any_whitespace=False, separators=SEPARATORS
    )
    matcher = xgrammar.GrammarMatcher(compiled)
    bitmask = xgrammar.allocate_token_bitmask(1, 257)
    draw, text = random.Random(seed), bytearray()
    for step in range(3000):
        matcher.fill_next_token_bitmask(bitmask)
        words = bitmask.numpy().reshape(-1).astype("uint32")
        allowed = [i for i in range(257) if words[i // 32] >> (i % 32) & 1]
        assert allowed, f"no way on after {bytes(text)!r}"
        # The backend lets surrogates through as bytes; no tokenizer's text has them.
        allowed = [i for i in allowed if i != 0xED] or allowed
        closing = [i for i in allowed if i == 256 or chr(i) in '"]}']
        if closing and draw.random() < 0.3 + step / 300:
            allowed = closing
        token = draw.choice(allowed)
        assert matcher.accept_token(token)
        if token == 256:
            return text.decode()
        text.append(token)
    return None


def parse(text: str) -> Any:
    """Parse what a grammar wrote; a bounded string may hold raw control characters.

    (xgrammar 0.2.8 excludes them from strings without bounds only; `docs/openai.md`.)
    """
    return json.loads(text, strict=False)


@pytest.mark.parametrize("schema", FINE.values(), ids=list(FINE))
def test_what_is_let_through_is_enforced(
    schema: Any, compiler: xgrammar.GrammarCompiler
) -> None:
    check_schema(schema)
    for seed in range(10):
        text = walk(compiler, schema, seed=seed)
        if text is not None:
            jsonschema.validate(parse(text), schema)


@pytest.mark.parametrize("schema, said", BOMBS.values(), ids=list(BOMBS))
def test_refuses_what_is_too_much(schema: Any, said: str) -> None:
    with pytest.raises(SchemaLimitError, match=said.replace("$", r"\$")) as caught:
        check_schema(schema)
    assert caught.value.where.startswith("schema")
    assert caught.value.got and caught.value.expected


@pytest.mark.parametrize("schema, said", BENT.values(), ids=list(BENT))
def test_refuses_what_the_grammar_would_bend(schema: Any, said: str) -> None:
    with pytest.raises(SchemaLimitError, match=said.replace("$", r"\$")):
        check_schema(schema)


def test_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(MalformedError):
        check_schema({"const": float("nan")})
    with pytest.raises(MalformedError):
        check_schema({"const": "\ud800"})


def test_size_counts_as_canonical_json() -> None:
    check_schema({"const": "x" * (MAX_BYTES - 12)})
    with pytest.raises(SchemaLimitError, match="bytes"):
        check_schema({"const": "x" * (MAX_BYTES - 11)})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "properties", "required", "items", "$ref", "$defs"),
                    *("anyOf", "allOf", "enum", "const", "pattern", "maxLength", "a"),
                    *("prefixItems", "minItems", "additionalProperties", "format"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_anything_is_taken_or_refused_by_type(schema: Any) -> None:
    try:
        check_schema(schema)
    except (SchemaLimitError, MalformedError):
        pass


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            STRING,
            {"type": "integer", "minimum": -3, "maximum": 12},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "string", "maxLength": 3},
            {"type": "string", "minLength": 2, "maxLength": 3},
            {"type": "string", "pattern": "^[a-c]{1,2}(x|yz)?$"},
            {"enum": ["a", 1, None, {"b": [1.5]}]},
            {"const": 'quoted "and" \\ more'},
        ]
    ),
    lambda inner: (
        st.dictionaries(st.text(max_size=4), inner, max_size=3).map(record)
        | st.dictionaries(st.text(max_size=4), inner, min_size=1, max_size=3).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "additionalProperties": False,
            }
        )
        | st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
        | st.tuples(inner, st.integers(0, 2), st.integers(2, 3)).map(
            lambda parts: {
                "type": "array",
                "items": parts[0],
                "minItems": parts[1],
                "maxItems": parts[2],
            }
        )
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.integers(0, 2**16))
@settings(max_examples=150, deadline=None)
def test_texts_of_any_grammar_let_through_keep_to_the_schema(
    schema: Any, seed: int
) -> None:
    vocabulary = [bytes([byte]) for byte in range(256)] + [b"</s>"]
    info = xgrammar.TokenizerInfo(
        vocabulary, xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[256]
    )
    check_schema(schema)
    text = walk(xgrammar.GrammarCompiler(info, max_threads=1), schema, seed=seed)
    if text is not None:
        jsonschema.validate(parse(text), schema)
