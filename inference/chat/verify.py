"""Is this answer sworn to, by whom I trust, and is it the answer to what I asked?

Pure. What can be found out without the model:

1. the completion's parts hash to its receipt;
2. key, model and engine are the trusted ones;
3. the receipt is of exactly the request that was sent, nonce included;
4. sampling, seed, schema, limit and window are what that request means;
5. what the answer shows (text, reason, counts, names) is what was sworn;
6. the stated key signed all of it: last, so that what was changed is named by whatever
   tells, and not as a wrong signature.

With the model's tokenizer at hand also:

7. the prompt ids follow from the messages, the text from the output ids, and the output
   ends where it must.

That the tokens are the model's, only a replay shows (`check_replay`). Text is returned
by nobody before all of it held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import MalformedError
from affiant.inference.chat.answer_words import fingerprint, finish_reason, usage
from affiant.inference.chat.completion import Completion, schema_hash, text_hash
from affiant.inference.chat.errors import (
    AlteredAnswerError,
    ReplayRefusedError,
    UnderivedError,
    WrongCompletionError,
)
from affiant.inference.chat.prompt import PromptTokenizer, prompt_ids
from affiant.inference.chat.reply import Shown
from affiant.inference.chat.request import ChatRequest
from affiant.inference.chat.trust import Trust
from affiant.inference.engine import Engine
from affiant.inference.errors import TextRefusedError
from affiant.inference.profile import Profile
from affiant.inference.replay import Grade, ReplayVerdict, replay


class SpellingTokenizer(PromptTokenizer, Protocol):
    """What is needed of a model's tokenizer to derive prompt and text again."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        ...


class AnswerTokenizer(SpellingTokenizer, Protocol):
    """The same, and where an output ends."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends an output."""
        ...


@dataclass(frozen=True)
class VerifiedAnswer:
    """An answer of which every check held that could be made."""

    text: str
    """What it says."""
    completion: Completion
    """Who swears to it, and the evidence."""
    request: JsonValue
    """The body that was sent, as JSON."""
    derived: bool
    """Whether prompt and text were derived again with the model's tokenizer."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return what to keep: `affiant replay` and `kept_answer` take it again."""
        return {
            "request": self.request,
            "text": self.text,
            "completion": self.completion.to_json(),
        }


def verify(
    shown: Shown,
    *,
    request: ChatRequest,
    trust: Trust,
    tokenizer: AnswerTokenizer | None = None,
) -> Completion:
    """Return the completion of an answer, or refuse the answer.

    Args:
        shown: what a service answered.
        request: what was sent to it.
        trust: whom the caller believes.
        tokenizer: the trusted model's; `None` leaves out step 7.

    Raises:
        MalformedError, ReceiptMismatchError: 1 fails.
        UntrustedError: 2 fails.
        WrongCompletionError: 3 or 4 fails.
        AlteredAnswerError: 5 fails.
        MalformedError: 6 fails.
        UnderivedError: 7 fails.
    """
    completion = Completion.from_json(shown.completion)
    # 1.
    completion.check_parts()
    # 2.
    trust.check(completion)
    # 3. and 4.
    check_asked(completion, request=request)
    # 5.
    check_shown(completion, shown=shown, request=request)
    # 6.
    completion.check_signature()
    # 7.
    if tokenizer is not None:
        check_derived(completion, text=shown.text, request=request, tokenizer=tokenizer)
    return completion


def verify_kept(
    text: str,
    *,
    request: JsonValue,
    completion: JsonValue,
    trust: Trust,
    tokenizer: AnswerTokenizer | None = None,
) -> Completion:
    """Return the completion of an answer that was kept somewhere, or refuse it.

    Args:
        text: what the answer is said to say.
        request: the body that was sent.
        completion: what rode along.
        trust: whom the caller believes.
        tokenizer: as in `verify`.

    Raises:
        As `verify`, and as `ChatRequest.from_json` for what is kept as the request.
    """
    found = Completion.from_json(completion)
    asked = ChatRequest.from_json(request)
    shown = Shown(
        id=found.name,
        created=found.created,
        model=asked.model,
        text=text,
        finish_reason=finish_reason(found),
        fingerprint=fingerprint(found),
        usage=None,
        completion=completion,
    )
    return verify(shown, request=asked, trust=trust, tokenizer=tokenizer)


def check_asked(completion: Completion, *, request: ChatRequest) -> None:
    """Steps 3 and 4: refuse a completion of another request, or of another reading.

    Raises:
        WrongCompletionError: names the first field that differs.
    """
    receipt = completion.receipt
    limit = request.max_tokens
    seed = request.seed(prompt=receipt.prompt)
    for field, got, expected in (
        ("request", to_hex(receipt.request), to_hex(request.hash)),
        ("sampling", completion.sampling.to_json(), request.sampling.to_json()),
        ("seed", _hex(completion.seed), _hex(seed)),
        (
            "schema",
            to_hex(schema_hash(completion.schema)),
            to_hex(schema_hash(request.schema)),
        ),
        ("window", completion.self_check.window, request.window),
        (
            "maxTokens",
            completion.max_tokens,
            completion.max_tokens if limit is None else limit,
        ),
    ):
        if got != expected:
            raise WrongCompletionError(field, got=str(got), expected=str(expected))
    count, most = len(completion.output_ids), completion.max_tokens
    if count > most or (count < most and not completion.finished):
        raise WrongCompletionError(
            "output",
            got=f"{count} tokens, {'' if completion.finished else 'not '}finished",
            expected=f"an end token, or {most} tokens",
        )


def check_shown(completion: Completion, *, shown: Shown, request: ChatRequest) -> None:
    """Step 5: refuse an answer that shows something else than was sworn.

    Raises:
        AlteredAnswerError: names the first field that differs.
    """
    try:
        text = to_hex(text_hash(shown.text))
    except MalformedError as error:
        raise AlteredAnswerError(
            "text", got=error.got, expected=to_hex(completion.text)
        ) from error
    counts = usage(completion)
    stated = counts["prompt_tokens"], counts["completion_tokens"]
    for field, got, expected in (
        ("text", text, to_hex(completion.text)),
        ("finish_reason", shown.finish_reason, finish_reason(completion)),
        ("id", shown.id, completion.name),
        ("created", shown.created, completion.created),
        ("model", shown.model, request.model),
        ("system_fingerprint", shown.fingerprint, fingerprint(completion)),
        ("usage", stated if shown.usage is None else shown.usage, stated),
    ):
        if got != expected:
            raise AlteredAnswerError(
                field, got=repr(got)[:200], expected=repr(expected)[:200]
            )


def check_derived(
    completion: Completion,
    *,
    text: str,
    request: ChatRequest,
    tokenizer: AnswerTokenizer,
) -> None:
    """Step 7: refuse a prompt, a text or an end that does not follow.

    Raises:
        UnderivedError: names which.
    """
    check_spelled(completion, text=text, request=request, tokenizer=tokenizer)
    *inner, last = completion.output_ids
    if tokenizer.stop_ids.intersection(inner):
        raise UnderivedError(
            "output", got="an end token inside", expected="one at the end only"
        )
    if (last in tokenizer.stop_ids) != completion.finished:
        raise UnderivedError(
            "finished",
            got=str(completion.finished),
            expected=str(last in tokenizer.stop_ids),
        )


def check_spelled(
    completion: Completion,
    *,
    text: str,
    request: ChatRequest,
    tokenizer: SpellingTokenizer,
) -> None:
    """The part of step 7 that a replay does not do: prompt and text.

    Raises:
        UnderivedError: names which.
    """
    try:
        ids = tuple(prompt_ids(tokenizer, request.messages))
    except TextRefusedError as error:
        raise UnderivedError(
            "prompt", got=f"{len(completion.prompt_ids)} ids", expected=str(error)
        ) from error
    if completion.prompt_ids != ids:
        raise UnderivedError(
            "prompt",
            got=f"{len(completion.prompt_ids)} other ids",
            expected=f"the {len(ids)} of the messages",
        )
    spelled = tokenizer.decode(completion.output_ids)
    if spelled != text:
        raise UnderivedError("text", got=repr(text)[:200], expected=repr(spelled)[:200])


def check_replay(
    completion: Completion,
    *,
    engine: Engine,
    model: Digest,
    profiles: Sequence[Profile] = (),
    accepted: Sequence[Grade] = ("exact",),
) -> ReplayVerdict:
    """Replay a completion on an engine of one's own; return the verdict.

    Args:
        completion: one that `verify` returned.
        engine: the caller's own.
        model: commitment of the model that `engine` holds.
        profiles: calibrations that the caller believes.
        accepted: grades that will do; only *exact* leaves no room.

    Raises:
        ReplayRefusedError: another grade; carries the verdict's reasons.
        ReceiptMismatchError, MalformedError: the evidence is not of this model, or not
            well formed.
    """
    verdict = replay(engine, completion.sworn, model=model, profiles=profiles)
    if verdict.grade not in accepted:
        raise ReplayRefusedError(
            "replay",
            got=f"{verdict.grade}: {'; '.join(verdict.reasons)}"[:600],
            expected=" or ".join(accepted),
        )
    return verdict


def _hex(data: bytes | None) -> str:
    return "none" if data is None else to_hex(data)
