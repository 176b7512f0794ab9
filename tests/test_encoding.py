"""Hostile JSON is refused before it can exhaust anything."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.encoding import canonical_json, from_hex, parse_json
from affiant.errors import MalformedError

DEEP = [
    b"[" * 60_000,
    b"[" * 60_000 + b"]" * 60_000,
    b'{"a":' * 60_000 + b"1" + b"}" * 60_000,
    b'["' + b"]" * 99 + b'\\"",' + b"[" * 60_000,
    b"[" * 65 + b"]" * 65,
]


def parse(data: bytes) -> object:
    return parse_json(data, what="test", max_bytes=2**20)


@pytest.mark.parametrize("data", DEEP, ids=range(len(DEEP)))
def test_refuses_deep_nesting(data: bytes) -> None:
    with pytest.raises(MalformedError, match="deeper nesting"):
        parse(data)


def test_deep_nesting_cannot_crash_a_process_with_a_raised_recursion_limit() -> None:
    script = (
        "import sys; sys.setrecursionlimit(10**6)\n"
        "from affiant.encoding import parse_json\n"
        "from affiant.errors import MalformedError\n"
        "for data in (b'[' * 10**6, b'{\"a\":' * 10**5):\n"
        "    try: parse_json(data, what='x', max_bytes=10**7)\n"
        "    except MalformedError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "refused\nrefused\n")


@pytest.mark.parametrize(
    "value",
    [
        json.loads("[" * 64 + "]" * 64),
        ["[[[[" * 100, '"' * 100, "\\" * 99, {"]": "[" * 200}],
        [[1], [2], [3]] * 100,
        {str(i): {"a": [i]} for i in range(200)},
    ],
    ids=["64 levels", "brackets in strings", "wide", "wide objects"],
)
def test_accepts_what_is_not_deep(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b"NaN",
        b"[Infinity]",
        b"1 2",
        b"\xff",
        b'"\\x"',
        b"9" * 5000,
        b"x" * (2**20 + 1),
    ],
)
def test_refuses_what_is_not_one_json_value(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=50,
)


@given(JSON)
def test_reads_back_what_it_writes(value: object) -> None:
    assert parse(canonical_json(value)) == value


@given(st.binary(max_size=300))
def test_random_bytes_never_leak_an_exception(data: bytes) -> None:
    try:
        parse(data)
    except MalformedError:
        pass


def test_long_hexadecimal_costs_no_more_memory_than_itself() -> None:
    text = "0x" + "ab" * 1_000_000
    tracemalloc.start()
    try:
        assert len(from_hex(text, what="test")) == 1_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(text)


@pytest.mark.parametrize("text", ["0xabc", "ab", "0x0g", "0x" + "ab\n", None, 7])
def test_refuses_what_is_not_hexadecimal(text: object) -> None:
    with pytest.raises(MalformedError):
        from_hex(text, what="test")
