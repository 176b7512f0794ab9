"""Text handed out early: whole letters only, and never taken back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affiant.inference.chat.errors import ReleasedTextError
from affiant.inference.chat.pieces import TextPieces
from affiant.inference.transformers_engine import TransformersEngine


def decode_bytes(ids: list[int]) -> str:
    """Decode tokens that are bytes, as byte-level tokenizers do."""
    return bytes(ids).decode(errors="replace")


@given(st.text(max_size=20), st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_pieces_add_up_and_hold_whole_letters(text: str, window: int) -> None:
    ids = list(text.encode(errors="replace"))
    whole = decode_bytes(ids)
    pieces = TextPieces(decode_bytes)
    told = [pieces.grown(ids[:end]) for end in range(window, len(ids) + 1, window)]
    told.append(pieces.rest(whole))
    assert "".join(told) == whole
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(told[:-1]) or (
        "\N{REPLACEMENT CHARACTER}" in whole
    )


@given(st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_bytes_that_are_no_letters_are_not_taken_back(data: bytes) -> None:
    pieces = TextPieces(decode_bytes)
    told = [pieces.grown(list(data[:end])) for end in range(1, len(data) + 1)]
    told.append(pieces.rest(decode_bytes(list(data))))
    assert "".join(told) == decode_bytes(list(data))


def test_with_a_real_tokenizer(engine: TransformersEngine) -> None:
    text = "größe 字 😀 ok"
    ids = engine.encode(text)
    assert len(ids) > len(text)
    pieces = TextPieces(engine.decode)
    told = [pieces.grown(ids[:end]) for end in range(1, len(ids) + 1)]
    assert "".join(told) + pieces.rest(text) == text
    assert "" in told and "😀" in told


def test_refuses_a_text_that_changed_its_beginning() -> None:
    pieces = TextPieces(lambda ids: "abc" if len(ids) == 1 else "axc")
    assert pieces.grown([1]) == "abc"
    with pytest.raises(ReleasedTextError) as caught:
        pieces.grown([1, 2])
    assert (caught.value.got, caught.value.expected) == ("axc", "abc")
