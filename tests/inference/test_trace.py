"""Traces: vectors, JSON there and back, refusals, and that every field is bound."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.encoding import from_hex, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.trace import FORMAT, MAX_TOKENS, Trace, TraceEntry

VECTORS = Path(__file__).parents[1] / "vectors" / "sampler.json"
TRACE = Trace.of([7, 4], [bytes(range(32)), bytes(range(32, 64))])


def test_leaf_is_the_documented_bytes() -> None:
    body = (
        b"affiant-trace/2"
        + bytes.fromhex("00000001" + "00000004")
        + bytes(range(32, 64))
    )
    assert TRACE.entries[1].leaf(position=1) == keccak256(body)


def test_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["trace"]
    images = [from_hex(text, what="fingerprint") for text in vectors["fingerprints"]]
    trace = Trace.of(vectors["output"], images)
    leaves = [entry.leaf(position=at) for at, entry in enumerate(trace.entries)]
    assert [to_hex(leaf) for leaf in leaves] == vectors["leaves"]
    assert to_hex(trace.root) == vectors["root"]


def test_json_there_and_back() -> None:
    assert Trace.from_json(json.loads(json.dumps(TRACE.to_json()))) == TRACE


@pytest.mark.parametrize(
    "changed",
    [
        replace(TRACE.entries[0], token=2),
        replace(TRACE.entries[0], fingerprint=bytes(32)),
    ],
    ids=["token", "fingerprint"],
)
def test_root_binds_every_field(changed: TraceEntry) -> None:
    assert Trace(entries=(changed, TRACE.entries[1])).root != TRACE.root


def test_root_binds_order_and_length() -> None:
    assert Trace(entries=TRACE.entries[::-1]).root != TRACE.root
    assert Trace(entries=TRACE.entries[:1]).root != TRACE.root


def mangled(path: list[Any], value: Any) -> Any:
    """Return the trace's JSON with `value` at `path`; a missing value removes it."""
    changed: Any = copy.deepcopy(TRACE.to_json())
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], "affiant-trace/1"),
        (["format"], ...),
        (["tokens"], {}),
        (["extra"], 1),
        (["tokens", 0], None),
        (["tokens", 0], {"token": 7}),
        (["tokens", 0, 1], ...),
        (["tokens", 0, 0], "7"),
        (["tokens", 0, 0], True),
        (["tokens", 0, 0], -1),
        (["tokens", 0, 0], 2**32),
        (["tokens", 0, 0], 1.5),
        (["tokens", 0, 1], "00" * 32),
        (["tokens", 0, 1], None),
        (["tokens", 0, 1], "0x" + "00" * 31),
        (["tokens", 0, 1], "0x" + "00" * 33),
        (["tokens", 0, 1], "0x" + "zz" * 32),
    ],
    ids=repr,
)
def test_rejects_hostile_json(path: list[Any], value: Any) -> None:
    with pytest.raises(MalformedError):
        Trace.from_json(mangled(path, value))


def test_rejects_more_tokens_than_any_output_has() -> None:
    entry = [7, "0x" + "00" * 32]
    Trace.from_json({"format": FORMAT, "tokens": [entry] * MAX_TOKENS})
    with pytest.raises(MalformedError, match=f"at most {MAX_TOKENS}"):
        Trace.from_json({"format": FORMAT, "tokens": [entry] * (MAX_TOKENS + 1)})


@pytest.mark.parametrize("value", [None, [], "x", 1, {"tokens": []}], ids=repr)
def test_rejects_what_is_no_trace(value: Any) -> None:
    with pytest.raises(MalformedError):
        Trace.from_json(value)
