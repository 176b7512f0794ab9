"""Text of a growing output, in pieces that are never taken back.

A token may hold half a letter, and a letter half a token: what is handed out is only
what later tokens cannot change. That tokens stay is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from affiant.inference.chat.errors import ReleasedTextError

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a decoder writes for bytes that are no letter, or not yet."""


class TextPieces:
    """Cuts an output's text into pieces that add up to it."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        """Start with nothing handed out.

        Args:
            decode: returns the text of token ids.
        """
        self._decode = decode
        self._text = ""

    def grown(self, output_ids: Sequence[int]) -> str:
        """Return what is new for certain, now that the output has grown.

        Raises:
            ReleasedTextError: the text before it became another.
        """
        return self._new(self._decode(output_ids).rstrip(_UNFINISHED))

    def rest(self, text: str) -> str:
        """Return what is missing from the whole text.

        Raises:
            ReleasedTextError: what was handed out is not how it begins.
        """
        return self._new(text)

    def _new(self, text: str) -> str:
        before = self._text
        if not text.startswith(before):
            raise ReleasedTextError(got=text, expected=before)
        self._text = text
        return text[len(before) :]
