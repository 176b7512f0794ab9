"""LangChain's messages by their shape: into a request, and back to a completion.

It imports nothing of LangChain, so that a message can be checked where there is none.
It decides what of a message is said and what is LangChain's own label; everything else
is left for the parser of requests to refuse.
"""

from __future__ import annotations

from typing import Any, Protocol

from affiant.encoding import JsonValue
from affiant.inference.chat.answer_words import fingerprint, finish_reason
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.errors import ChatRequestError, UnswornError
from affiant.inference.chat.request import EXTENSION
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import (
    AnswerTokenizer,
    VerifiedAnswer,
    verify_kept,
)

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
"""OpenAI's roles by LangChain's types of messages."""
_PART_LABELS = frozenset({"id", "index"})
"""What LangChain numbers parts with; nobody said it."""


class Kept(Protocol):
    """A LangChain message, as far as it is looked at."""

    content: Any
    response_metadata: dict[str, Any]


def verify_message(
    message: Kept, *, trust: Trust, tokenizer: AnswerTokenizer | None = None
) -> Completion:
    """Return the completion behind a message, wherever the message comes from.

    Args:
        message: from this model; through a store, a checkpoint or a wire.
        trust: whom the caller believes.
        tokenizer: the trusted model's; `None`: text is believed to the key.

    Raises:
        UnswornError: no completion is kept in it.
        CompletionError and others: as `affiant.inference.chat.verify.verify`.
    """
    kept = message.response_metadata.get(EXTENSION)
    if not isinstance(kept, dict) or not {"request", "completion"} <= set(kept):
        raise UnswornError(
            EXTENSION, got="none in response_metadata", expected="a sworn completion"
        )
    if not isinstance(message.content, str):
        raise UnswornError("content", got="parts", expected="the answer's text")
    return verify_kept(
        message.content,
        request=kept["request"],
        completion=kept["completion"],
        trust=trust,
        tokenizer=tokenizer,
    )


def kept_of(answer: VerifiedAnswer) -> dict[str, Any]:
    """Return what a message keeps besides its text."""
    completion = answer.completion
    prompt, output = len(completion.prompt_ids), len(completion.output_ids)
    return {
        "id": completion.name,
        "response_metadata": {
            EXTENSION: {
                "request": answer.request,
                "completion": completion.to_json(),
            },
            "finish_reason": finish_reason(completion),
            "model_name": answer.request["model"],
            "system_fingerprint": fingerprint(completion),
        },
        "usage_metadata": {
            "input_tokens": prompt,
            "output_tokens": output,
            "total_tokens": prompt + output,
        },
    }


def said(message: Any, *, at: int) -> dict[str, JsonValue]:
    """Return a message in OpenAI's form; the service's parser judges the rest."""
    role = getattr(message, "role", None) or _ROLES.get(message.type)
    if role is None:
        raise ChatRequestError(
            f"messages[{at}].role", got=message.type, expected="system, human or ai"
        )
    found: dict[str, JsonValue] = {"role": role, "content": _content(message.content)}
    calls = getattr(message, "tool_calls", None)
    if calls:
        found["tool_calls"] = calls
    # Graphs put a label of their own on a model's messages; nobody said it.
    if message.name is not None and role != "assistant":
        found["name"] = message.name
    return found


def _content(content: str | list[Any]) -> JsonValue:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {name: value for name, value in part.items() if name not in _PART_LABELS}
        for part in content
    ]
