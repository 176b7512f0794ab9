"""Hostile JSON is refused before it can exhaust anything."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.encoding import (
    Digest,
    MerklePath,
    canonical_json,
    from_hex,
    keccak256,
    merkle_path,
    merkle_root,
    parse_json,
)
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
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=600
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


def leaves_of(count: int) -> list[Digest]:
    return [keccak256(number.to_bytes(4, "big")) for number in range(count)]


def test_merkle_root_is_the_written_rule() -> None:
    a, b, c = leaves_of(3)
    left = keccak256(b"\x01" + keccak256(b"\x00" + a) + keccak256(b"\x00" + b))
    top = keccak256(b"\x01" + left + keccak256(b"\x00" + c))
    assert merkle_root([a, b, c]) == keccak256(b"\x02" + bytes(7) + b"\x03" + top)
    assert merkle_root([]) == keccak256(b"\x02" + bytes(8) + bytes(32))


@pytest.mark.parametrize("count", [*range(1, 35), 100, 127, 128, 129])
def test_every_leaf_has_a_path_to_the_root_and_to_no_other_place(count: int) -> None:
    leaves = leaves_of(count)
    root = merkle_root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle_path(leaves, index)
        assert path.root_of(leaf) == root
        assert len(path.siblings) <= (count - 1).bit_length()
        assert path.root_of(leaves[index - 1]) != root or count == 1


@settings(deadline=None)
@given(st.integers(1, 100), st.data())
def test_no_changed_path_leads_to_the_root(count: int, data: st.DataObject) -> None:
    leaves = leaves_of(count)
    index = data.draw(st.integers(0, count - 1))
    path, root = merkle_path(leaves, index), merkle_root(leaves)
    siblings = data.draw(
        st.permutations(path.siblings)
        | st.lists(st.sampled_from(leaves), max_size=12)
        | st.just(path.siblings)
    )
    try:
        changed = MerklePath(
            data.draw(st.integers(0, 2 * count)),
            data.draw(st.integers(0, 2 * count) | st.just(count)),
            tuple(siblings),
        )
    except MalformedError:
        return
    assert (changed == path) == (changed.root_of(leaves[index]) == root)


def test_an_inner_node_is_no_leaf() -> None:
    a, b = leaves_of(2)
    pair = keccak256(b"\x00" + a) + keccak256(b"\x00" + b)
    for forged in (keccak256(b"\x01" + pair), pair):
        assert MerklePath(0, 1, ()).root_of(forged) != merkle_root([a, b])


@pytest.mark.parametrize(
    ("index", "count"), [(0, 0), (-1, 3), (3, 3), (2**70, 2**71), (0, 2**64)]
)
def test_refuses_a_path_outside_of_the_tree(index: int, count: int) -> None:
    with pytest.raises(MalformedError, match=f"leaf {index} of {count}"):
        MerklePath(index, count, ())
    with pytest.raises(MalformedError, match="Merkle path"):
        merkle_path(leaves_of(min(count, 3)), index if count <= 3 else count)


@pytest.mark.parametrize("change", [-1, 1])
def test_refuses_another_number_of_siblings(change: int) -> None:
    path = merkle_path(leaves_of(5), 2)
    siblings = (path.siblings * 2)[: len(path.siblings) + change]
    with pytest.raises(MalformedError, match="expected 3, for leaf 2 of 5"):
        replace(path, siblings=siblings)
