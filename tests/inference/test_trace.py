"""Traces: vectors, JSON there and back, refusals, and that every field is bound."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from affiant.encoding import keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.sampler import GAP_UNITS
from affiant.inference.trace import Trace, TraceEntry

VECTORS = Path(__file__).parents[1] / "vectors" / "sampler.json"
TRACE = Trace(
    entries=(
        TraceEntry(token=7, candidates=((7, 300), (2, -5), (9, -5))),
        TraceEntry(token=4, candidates=((1, 10), (4, 9)), fingerprint=b"\x01\x02"),
    )
)


def test_leaf_is_the_documented_bytes() -> None:
    body = (
        b"affiant-trace/1"
        + bytes.fromhex("00000001" + "00000004" + "02")
        + bytes.fromhex("00000001" + "0000000a" + "00000004" + "00000009")
        + bytes.fromhex("0002" + "0102")
    )
    assert TRACE.entries[1].leaf(position=1) == keccak256(body)


def test_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    entries = tuple(
        TraceEntry(
            token=choice["greedy"],
            candidates=tuple((pair[0], pair[1]) for pair in choice["candidates"]),
        )
        for choice in vectors["choices"]
    )
    assert to_hex(Trace(entries=entries).root) == vectors["trace"]["root"]


def test_json_there_and_back() -> None:
    assert Trace.from_json(json.loads(json.dumps(TRACE.to_json()))) == TRACE


@pytest.mark.parametrize(
    "changed",
    [
        replace(TRACE.entries[0], token=2),
        replace(TRACE.entries[0], candidates=((7, 301), (2, -5), (9, -5))),
        replace(TRACE.entries[0], candidates=((7, 300), (2, -5))),
        replace(TRACE.entries[0], fingerprint=b"\x00"),
    ],
    ids=["token", "logit", "fewer candidates", "fingerprint"],
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
        (["format"], "affiant-trace/2"),
        (["format"], ...),
        (["tokens"], {}),
        (["extra"], 1),
        (["tokens", 0], None),
        (["tokens", 0, "token"], 8),
        (["tokens", 0, "token"], "7"),
        (["tokens", 0, "token"], True),
        (["tokens", 0, "token"], ...),
        (["tokens", 0, "more"], 1),
        (["tokens", 0, "candidates"], []),
        (["tokens", 0, "candidates"], None),
        (["tokens", 0, "candidates"], [[7, 300], [9, -5], [2, -5]]),
        (["tokens", 0, "candidates"], [[2, -5], [7, 300]]),
        (["tokens", 0, "candidates"], [[7, 300], [7, 300]]),
        (["tokens", 0, "candidates"], [[7, 300], [7, 200]]),
        (["tokens", 0, "candidates"], [[7, 300], [2, 300 - GAP_UNITS - 1]]),
        (["tokens", 0, "candidates"], [[i, -i] for i in range(65)]),
        (["tokens", 0, "candidates"], [[7, 2**31]]),
        (["tokens", 0, "candidates"], [[7, 1.5]]),
        (["tokens", 0, "candidates"], [[7, 300, 1]]),
        (["tokens", 0, "candidates"], [[-7, 300]]),
        (["tokens", 0, "candidates"], [[2**32, 300]]),
        (["tokens", 0, "candidates"], [[True, 300]]),
        (["tokens", 0, "fingerprint"], "00"),
        (["tokens", 0, "fingerprint"], None),
        (["tokens", 0, "fingerprint"], "0x" + "00" * 1025),
    ],
    ids=repr,
)
def test_rejects_hostile_json(path: list[Any], value: Any) -> None:
    with pytest.raises(MalformedError):
        Trace.from_json(mangled(path, value))


@pytest.mark.parametrize("value", [None, [], "x", 1, {"tokens": []}], ids=repr)
def test_rejects_what_is_no_trace(value: Any) -> None:
    with pytest.raises(MalformedError):
        Trace.from_json(value)
