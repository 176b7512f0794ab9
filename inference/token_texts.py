"""What text each token of an output adds.

Pure, given a decoder. Bytes of one character may be spread over several tokens: the
character then belongs to the last of them. Text is for people; ids are what is sworn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
"""Returns the text of token ids, special tokens left out."""

UNFINISHED = "\ufffd"
"""What decoders put where bytes are no whole character."""

_WINDOW = 16
_CONTEXT = 4


def token_texts(ids: Sequence[int], *, decode: Decode) -> tuple[str, ...]:
    """Return the text that each of `ids` adds to those before it.

    Joined, they are the text of the whole, unless the tokenizer itself rewrites what
    stands before; then each is the token's text alone.
    """
    whole = decode(ids)
    for window in (_WINDOW, len(ids) + 1):
        texts = _grown(ids, decode=decode, window=window)
        missing = len(whole) - sum(map(len, texts))
        if texts and missing > 0:
            # What never became a whole character stands at the end.
            texts[-1] += whole[-missing:]
        if "".join(texts) == whole:
            return tuple(texts)
    return tuple(decode([token]) for token in ids)


def text_after(ids: Sequence[int], token: int, *, decode: Decode) -> str:
    """Return the text that `token` would add after `ids`."""
    context = list(ids[-_CONTEXT:])
    before = decode(context).rstrip(UNFINISHED)
    after = decode([*context, token])
    return after[len(before) :] if after.startswith(before) else decode([token])


def _grown(ids: Sequence[int], *, decode: Decode, window: int) -> list[str]:
    """Decode at most `window` tokens at a time, so that long outputs stay cheap."""
    texts: list[str] = []
    start = shown = 0
    for position in range(len(ids)):
        text = decode(ids[start : position + 1])
        texts.append(text.rstrip(UNFINISHED)[shown:])
        shown += len(texts[-1])
        if position + 1 - start >= window and not text.endswith(UNFINISHED):
            start = position + 1 - _CONTEXT
            kept = decode(ids[start : position + 1])
            shown = len(kept.rstrip(UNFINISHED))
    return texts
