"""Replaying a kept chat answer: request, text, completion, and every token.

It says whether one answer of an OpenAI-compatible service is what was sworn, and
whether the tokens are the model's. It does not say whose key may swear: that is for
whoever reads the key's address. The file is hostile; nothing of it is replayed before
the signature over it holds. Whether an answer that fills its limit also ends there
(`finished`) is checked by clients with the model's tokenizer, not here.
"""

from __future__ import annotations

from affiant.audit.replayer import Replayer
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.kept import KeptAnswer
from affiant.inference.chat.request import ChatRequest
from affiant.inference.chat.trust import UNSAFE_ANY, Trust
from affiant.inference.chat.verify import check_spelled

_ANYBODY = Trust(key=UNSAFE_ANY, model=UNSAFE_ANY, engine=UNSAFE_ANY)
"""Who swore is said, not judged; the model is the replayer's or nothing is replayed."""


def sworn_answer(kept: KeptAnswer) -> Completion:
    """Return the completion of a kept answer whose parts belong together.

    Raises:
        RejectedError: names what was changed.
    """
    return kept.verified(trust=_ANYBODY)


def check_words(
    kept: KeptAnswer, *, completion: Completion, replayer: Replayer
) -> None:
    """Refuse a prompt that the messages, or a text that the tokens, do not spell.

    Args:
        kept: the file.
        completion: what `sworn_answer` returned for it.
        replayer: of the sworn model; with another's tokenizer the innocent are accused.

    Raises:
        UnderivedError: names which.
    """
    check_spelled(
        completion,
        text=kept.text,
        request=ChatRequest.from_json(kept.request),
        tokenizer=replayer,
    )
