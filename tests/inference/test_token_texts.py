"""Token texts: joined, they are the whole; places: every character, hostile or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.inference.json_places import MAX_DEPTH, Place, fields_of, json_places
from affiant.inference.token_texts import text_after, token_texts


def as_bytes(ids: Sequence[int]) -> str:
    """Decode ids as bytes; 256 is a special token without text."""
    return bytes(token for token in ids if token < 256).decode(errors="replace")


def rewriting(ids: Sequence[int]) -> str:
    """A decoder that rewrites what stands before, as no sane one does."""
    return as_bytes(ids)[::-1]


@settings(deadline=None)
@given(st.lists(st.integers(0, 256), max_size=120))
def test_joined_they_are_the_whole_whatever_the_bytes(ids: list[int]) -> None:
    texts = token_texts(ids, decode=as_bytes)
    assert len(texts) == len(ids)
    assert "".join(texts) == as_bytes(ids)


def test_a_character_belongs_to_its_last_byte() -> None:
    ids = [*"aé".encode(), 256, *"€b".encode()]
    texts = token_texts(ids, decode=as_bytes)
    assert texts == ("a", "", "é", "", "", "", "€", "b")


def test_a_rewriting_decoder_gives_each_token_s_own_text() -> None:
    assert token_texts([97, 98], decode=rewriting) == ("a", "b")


def test_text_after_stands_in_context() -> None:
    euro = list("€".encode())
    assert text_after([97, *euro[:2]], euro[2], decode=as_bytes) == "€"
    assert text_after([97], 98, decode=as_bytes) == "b"
    assert text_after([97], 256, decode=as_bytes) == ""
    assert text_after([], 98, decode=as_bytes) == "b"


def spelled(text: str) -> dict[str, str]:
    """Return each field's characters."""
    found: dict[str, str] = {}
    for letter, place in zip(text, json_places(text), strict=True):
        if place is not None and place.value:
            found[place.path] = found.get(place.path, "") + letter
    return found


def test_values_stand_in_their_fields() -> None:
    text = (
        '{"why":"a \\" b","actions":[{"action":"swap","share_bps":1750,"x":null},'
        '{"action":"hold"}],"n":-1.5e3}'
    )
    assert spelled(text) == {
        "why": 'a \\" b"',
        "actions[0].action": 'swap"',
        # The comma says that no digit follows.
        "actions[0].share_bps": "1750,",
        "actions[0].x": "null",
        "actions[1].action": 'hold"',
        "n": "-1.5e3}",
    }
    assert all(place is not None for place in json_places(text))


def test_what_decides_structure_stands_in_its_container() -> None:
    text = '{"a":[1,2],"b":{}}'
    places = json_places(text)
    assert places[text.index("]")] == Place("a[1]", value=True)
    assert places[text.index("[")] == Place("a", value=False)
    assert places[text.index("{}")] == Place("b", value=False)
    assert places[-1] == Place("", value=False)


def test_a_token_over_several_fields_is_of_each() -> None:
    text = '{"why":"up","actions":[{"action":"swap","sell":"WETH"'
    places = json_places(text)
    start = text.index('up"') + 1
    assert fields_of(places[start:]) == (
        "why",
        "actions[0].action",
        "actions[0].sell",
    )
    assert fields_of(places[:2]) == ("",)
    assert fields_of([None, None]) == () == fields_of([])


def values(item: Any, path: str = "") -> list[str]:
    """Return the paths of all scalars of a JSON value."""
    if isinstance(item, dict):
        pairs = [(f"{path}.{key}" if path else key, v) for key, v in item.items()]
    elif isinstance(item, list):
        pairs = [(f"{path}[{index}]", v) for index, v in enumerate(item)]
    else:
        return [path]
    return [found for inner, v in pairs for found in values(v, inner)]


keys = st.text("abcxyz_", min_size=1, max_size=4)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(trees, st.booleans(), st.data())
def test_every_character_of_json_has_its_place(
    tree: Any, spaced: bool, data: st.DataObject
) -> None:
    text = json.dumps(tree, indent=1 if spaced else None)
    places = json_places(text)
    assert None not in places
    assert list(spelled(text)) == values(tree)
    cut = data.draw(st.integers(0, len(text)))
    # Cut short, what stands there keeps its field (a number's end is not known yet).
    for whole, part in zip(places, json_places(text[:cut]), strict=False):
        assert part is not None and whole is not None and part.path == whole.path


@given(st.text(st.sampled_from('{}[]",:\\ 1-.etrufalsn\u202e\x00'), max_size=60))
def test_hostile_text_never_raises(text: str) -> None:
    places = json_places(text)
    assert len(places) == len(text)
    known = [place is not None for place in places]
    assert known == sorted(known, reverse=True), "places after the text was no JSON"
    try:
        json.loads(text)
    except ValueError:
        return
    assert all(known)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_stops(opening: str) -> None:
    text = opening * (MAX_DEPTH + 5)
    assert sum(place is not None for place in json_places(text)) == (
        len(opening) * MAX_DEPTH
    )
