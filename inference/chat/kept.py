"""A sworn answer in a file: what was asked, what was answered, and the completion.

    {"completion": …, "request": …, "text": …}

Pure. It decides only that bytes have this form; whether the three belong together says
`affiant.inference.chat.verify.verify_kept`, and whether the tokens are the model's,
`affiant replay`.
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import AnswerTokenizer, verify_kept

MAX_KEPT_BYTES = 34 * 1024 * 1024
"""Largest file: the largest answer and the largest request."""

_FIELDS = ("completion", "request", "text")


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as a file states it; nothing of it is believed."""

    request: JsonValue
    """The body that is said to have been sent."""
    text: str
    """What the answer is said to say."""
    completion: JsonValue
    """What is said to have ridden along."""

    def verified(
        self, *, trust: Trust, tokenizer: AnswerTokenizer | None = None
    ) -> Completion:
        """Return its completion, or refuse it; see `verify_kept`."""
        return verify_kept(
            self.text,
            request=self.request,
            completion=self.completion,
            trust=trust,
            tokenizer=tokenizer,
        )


def kept_answer(data: bytes) -> KeptAnswer:
    """Read hostile bytes of a kept answer.

    Raises:
        MalformedError: they are not of the one form.
    """
    value = parse_json(data, what="kept answer", max_bytes=MAX_KEPT_BYTES)
    if not isinstance(value, dict) or sorted(value) != sorted(_FIELDS):
        got = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise MalformedError(
            "kept answer", got=f"{got}"[:300], expected=f"fields {sorted(_FIELDS)}"
        )
    if not isinstance(value["text"], str):
        raise MalformedError(
            "kept answer.text", got=repr(value["text"])[:80], expected="text"
        )
    return KeptAnswer(**value)
