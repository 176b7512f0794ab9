"""Questions: what a program asks its model before it asks for the plan.

Each is an inference of its own, with a receipt of its own, in free text; its answer
stands in the requests that follow. It decides what a question and an answer may look
like. An answer is model text and stays data: it is put on one line, cannot spell a
control token, and is cut to a length; what it says is not filtered, and the plan's
grammar, the allow-list and the bounds hold whatever it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.agents.programs.one_line import one_line
from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.onchain.mandate import object_fields

MAX_QUESTIONS = 8
"""Most questions of one program."""
MAX_QUESTION_CHARS = 500
"""Longest question, in characters."""
MAX_QUESTION_TOKENS = 1024
"""Largest `max_tokens` of a question."""
MAX_ANSWER_CHARS = 600
"""Longest answer that later requests hold, in characters; the rest is cut off."""


@dataclass(frozen=True)
class Question:
    """One question to the model, before the plan."""

    ask: str
    """The question; one line in the prompt."""
    max_tokens: int = 64
    """Most tokens of its answer."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the question as the program's manifest holds it."""
        return {"ask": self.ask, "maxTokens": self.max_tokens}


def parse_questions(value: JsonValue) -> tuple[Question, ...]:
    """Parse a manifest's hostile `questions`.

    Raises:
        MalformedError: no list, too many, or a field is missing, unknown or out of
            range.
    """
    if not isinstance(value, list) or len(value) > MAX_QUESTIONS:
        raise MalformedError(
            "program.questions",
            got=repr(value)[:80],
            expected=f"a list of at most {MAX_QUESTIONS}",
        )
    return tuple(_parse(item) for item in value)


def _parse(value: JsonValue) -> Question:
    item = object_fields(value, what="program.questions", names=["ask", "maxTokens"])
    ask, tokens = item["ask"], item["maxTokens"]
    if (
        not isinstance(ask, str)
        or not 0 < len(ask) <= MAX_QUESTION_CHARS
        or not one_line(ask)
    ):
        raise MalformedError(
            "program.questions.ask",
            got=repr(ask)[:80],
            expected=f"text of 1 to {MAX_QUESTION_CHARS} characters",
        )
    if type(tokens) is not int or not 1 <= tokens <= MAX_QUESTION_TOKENS:
        raise MalformedError(
            "program.questions.maxTokens",
            got=repr(tokens)[:40],
            expected=f"1 to {MAX_QUESTION_TOKENS}",
        )
    return Question(ask, tokens)


def answer_of(text: str) -> str:
    """Return model text as later requests hold it; may be empty."""
    return one_line(text)[:MAX_ANSWER_CHARS]


def stated_answers(requests: Sequence[JsonValue]) -> tuple[str, ...]:
    """Return the answers that the last of an evidence's requests states.

    They are hostile until requests rebuilt with them hash to what was sworn, and the
    output tokens say them.

    Raises:
        MalformedError: the request does not state any.
    """
    stated = requests[-1].get("answers") if isinstance(requests[-1], dict) else None
    if not isinstance(stated, list) or not all(
        isinstance(item, dict) and isinstance(item.get("answer"), str)
        for item in stated
    ):
        raise MalformedError(
            "request.answers", got=repr(stated)[:80], expected="a list of answers"
        )
    return tuple(item["answer"] for item in stated)
