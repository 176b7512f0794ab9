"""Messages in a model's committed chat template, as token ids that no text can steer.

The template is part of the model commitment; what the messages say is not trusted. It
decides that message text stays text:

1. what spells a control token is taken out of the messages, and a mark put in its
   place, before the template sees them;
2. the template is rendered as a pure function: it is told no date;
3. the text between the template's own control tokens is tokenised as plain text, with
   what the marks stand for put back;
4. the control tokens along the prompt are compared with those of the same roles around
   other text; where the text made any difference to them, it is refused.

Without such text (the normal case) the ids are those of the template as it stands. It
cannot protect turns that the template itself marks in plain text; `check_turns` finds
such templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from affiant.encoding import keccak256
from affiant.inference.errors import ChatTemplateError, TextRefusedError
from affiant.inference.plain_text import PlainText

_NEUTRAL = "x"
"""Text that steers nothing, in place of a message's own."""
_PROBE = {"user": "firstwords", "assistant": "secondwords", "user again": "thirdwords"}


class ChatTemplate:
    """The chat template of one tokenizer."""

    def __init__(self, tokenizer: Any, *, plain: PlainText) -> None:
        """Wrap a transformers tokenizer that has a `chat_template`."""
        self._tokenizer = tokenizer
        self._plain = plain

    def encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return the token ids of `messages` and of the head of the next turn.

        Args:
            messages: each a `role` and a `content`.

        Raises:
            TextRefusedError: the template does not take these messages, or their text
                would change its control tokens.
        """
        # 1.
        mark = f"\ue000{_contents_hash(messages)}:%d\ue001"
        taken: list[str] = []

        def take(found: re.Match[str]) -> str:
            taken.append(found[0])
            return mark % (len(taken) - 1)

        guarded = [
            {**message, "content": self._plain.spelled.sub(take, message["content"])}
            for message in messages
        ]
        # 2.
        rendered = self._render(guarded)
        # 3.
        if taken:
            ids = self._encode_guarded(rendered, mark=mark, taken=taken)
        else:
            ids = self._encode(rendered)
        # 4.
        neutral = [
            {**message, "content": _NEUTRAL if message["content"] else ""}
            for message in messages
        ]
        expected = self._plain.controls(self._encode(self._render(neutral)))
        if self._plain.controls(ids) != expected:
            raise TextRefusedError(
                "messages",
                got="text that changes the control tokens around it",
                expected="text that the chat template takes as it is",
            )
        return ids

    def check_turns(self) -> None:
        """Refuse a template whose turns are not set apart by control tokens.

        Raises:
            ChatTemplateError: plain text could imitate a turn of it, or it does not
                render a question, an answer and a question.
        """
        try:
            rendered = self._render(
                [
                    {"role": role.split()[0], "content": words}
                    for role, words in _PROBE.items()
                ]
            )
        except TextRefusedError as error:
            raise ChatTemplateError(
                got=error.got, expected="one that renders a short conversation"
            ) from error
        _, *after = re.split("|".join(_PROBE.values()), rendered)
        if len(after) != len(_PROBE) or not all(
            self._plain.controls(self._encode(text)) for text in after
        ):
            raise ChatTemplateError(
                got="turns in plain text, which a message can imitate",
                expected="a control token after every message",
            )

    def _render(self, messages: Sequence[Mapping[str, str]]) -> str:
        # Imported here: it comes with the engines, and only templates need it.
        from jinja2 import TemplateError, Undefined

        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    add_generation_prompt=True,
                    tokenize=False,
                    # A prompt that depends on the day could not be derived again.
                    strftime_now=Undefined(name="strftime_now"),
                )
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise TextRefusedError(
                "messages",
                got=f"{type(error).__name__}: {error}"[:200],
                expected="messages that the model's chat template takes",
            ) from error

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _encode_guarded(
        self, rendered: str, *, mark: str, taken: Sequence[str]
    ) -> list[int]:
        marked = re.compile(mark.replace("%d", "([0-9]+)"))
        ids: list[int] = []
        for text, control in self._pieces(rendered):
            ids += self._plain.encode(
                marked.sub(lambda found: taken[int(found[1])], text)
            )
            if control is not None:
                ids.append(self._plain.spellings[control])
        return ids

    def _pieces(self, rendered: str) -> Iterator[tuple[str, str | None]]:
        """Yield text and the control token after it; after the last there is none."""
        at = 0
        for found in self._plain.spelled.finditer(rendered):
            yield rendered[at : found.start()], found[0]
            at = found.end()
        yield rendered[at:], None


def _contents_hash(messages: Sequence[Mapping[str, str]]) -> str:
    """Return what no message can contain: a hash of them all."""
    texts = "\0".join(message["content"] for message in messages)
    return keccak256(texts.encode(errors="surrogatepass")).hex()
