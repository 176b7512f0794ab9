"""From messages to prompt ids: the model's chat template, or a fixed plain rendering.

Pure but for the tokenizer, and shared by service and client. With a chat template, the
template decides (`affiant.inference.chat_template` keeps text from steering it). A
model without one gets text:

- one message of a user: what it says, and nothing else (base models complete text);
- anything else: per message its role and a colon on one line, then what it says with a
  space at the beginning of each line, and at the end the line `assistant:`. No message
  can begin a turn, because none of its lines begins with a letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from affiant.inference.chat.request import Message


class PromptTokenizer(Protocol):
    """What an engine, or a tokenizer alone, can do with text."""

    def encode(self, text: str) -> list[int]:
        """Return ids of `text`; MUST NOT read or add control tokens."""
        ...

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return ids of `messages` by the chat template; `None` if there is none."""
        ...


def prompt_ids(tokenizer: PromptTokenizer, messages: Sequence[Message]) -> list[int]:
    """Return the token ids of a conversation, up to where the answer begins.

    Raises:
        TextRefusedError: the template does not take these messages.
    """
    # Templates know the older name only.
    named = [
        Message(
            "system" if message.role == "developer" else message.role, message.content
        )
        for message in messages
    ]
    templated = tokenizer.chat(
        [{"role": message.role, "content": message.content} for message in named]
    )
    return tokenizer.encode(plain_text(named)) if templated is None else templated


def plain_text(messages: Sequence[Message]) -> str:
    """Return the plain rendering of a conversation, for a model without a template."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    turns = [f"{message.role}:\n{_indented(message.content)}\n" for message in messages]
    return "".join([*turns, "assistant:\n"])


def _indented(text: str) -> str:
    """Return `text` with a space after every line break, of whatever kind."""
    return " " + " ".join(text.splitlines(keepends=True))
