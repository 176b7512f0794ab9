"""Where things stand in a TOML file: every key that `tomllib` finds has its place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.agents.settings.toml_places import Path, Place, toml_places

TEXT = '''# a comment = with an equals sign
top = "x"   # [not.a.section]

[chain]
url = """
[no.section]
key = "no key"
"""
id=31337
 nested.key = 'it''s'.x
[[ nodes ]]
name = "a"
list = [ 1, # one
  [2, "]"],
  { inner = true, "quoted key" = 'x' },
]
[[nodes]]
name = "b # no comment"
[nodes.deep]
when = 1979-05-27 07:32:00
[ "a.b" . c ]
x = { y.z = 1 }
'''.replace("'it''s'.x", "'''it''s'''")


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    if at:
        yield at
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in entries:
        yield from paths(item, (*at, key))


def test_everything_that_tomllib_finds_has_a_place():
    found = toml_places(TEXT)
    assert set(paths(tomllib.loads(TEXT))) <= set(found)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    (
        (("top",), (2, 1), (2, 7)),
        (("chain",), (4, 2), (4, 1)),
        (("chain", "url"), (5, 1), (5, 7)),
        (("chain", "id"), (9, 1), (9, 4)),
        (("chain", "nested", "key"), (10, 2), (10, 15)),
        (("nodes", 0, "name"), (12, 1), (12, 8)),
        (("nodes", 0, "list", 1, 1), (14, 7), (14, 7)),
        (("nodes", 0, "list", 2, "quoted key"), (15, 19), (15, 34)),
        (("nodes", 1, "name"), (18, 1), (18, 8)),
        (("nodes", 1, "deep", "when"), (20, 1), (20, 8)),
        (("a.b", "c", "x", "y", "z"), (22, 7), (22, 13)),
    ),
)
def test_places_count_from_one(path: Path, key: tuple[int, int], value):
    placed = toml_places(TEXT)[path]
    assert (placed.key, placed.value) == (Place(*key), Place(*value))


def test_windows_line_ends_do_not_shift_places():
    assert toml_places(TEXT.replace("\n", "\r\n")) == toml_places(TEXT)


NAMES = st.text("ab-_1", min_size=1, max_size=4)
SCALARS = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.text('a"\\\n]}#,=é', max_size=6),
    st.text("b", max_size=3),
)
TABLES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=8,
)


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
        return '"' + "".join(escapes.get(letter, letter) for letter in value) + '"'
    if isinstance(value, list):
        return "[" + ",\n ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        pairs = (f'"{key}" = {written(item)}' for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return str(value)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, TABLES, max_size=3), max_size=3))
def test_every_value_of_a_made_up_file_has_a_place(value):
    text = "".join(
        f"[{section}]\n"
        + "".join(f"{k} = {written(v)} # {k}\n" for k, v in item.items())
        for section, item in value.items()
    )
    assert tomllib.loads(text) == value
    found = toml_places(text)
    assert set(paths(value)) <= set(found)
    lines = text.split("\n")
    for placed in found.values():
        assert placed.key.column <= len(lines[placed.key.line - 1])


@given(st.text("[]{}=.#\"'ab \n,\\", max_size=80))
def test_any_text_comes_to_an_end(text):
    toml_places(text)
