"""A service's answer as hostile JSON, whole or in chunks, read into what it shows.

It decides only that the answer has one form: OpenAI's, with one choice, and our field
in one place. What it shows is neither sworn nor true until `verify` says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.inference.chat.errors import (
    ServiceRefusedError,
    StreamCutError,
    UnswornError,
)
from affiant.inference.chat.events import DONE_DATA
from affiant.inference.chat.request import EXTENSION

MAX_ERROR_CHARS = 600
"""Most characters kept of what a service says of an error."""


@dataclass(frozen=True)
class Shown:
    """What an answer shows; nothing of it is believed."""

    id: str
    created: int
    model: str
    text: str
    """What it says."""
    finish_reason: str
    fingerprint: str
    """OpenAI's `system_fingerprint`."""
    usage: tuple[int, int] | None
    """Prompt and output tokens; `None` where a stream does not say."""
    completion: JsonValue
    """Our field."""


def read_whole(body: bytes, *, max_bytes: int) -> Shown:
    """Read an answer that came at once.

    Raises:
        MalformedError: it is not of the one form.
        UnswornError: our field is not there.
    """
    value = parse_json(body, what="answer", max_bytes=max_bytes)
    choice = _choice(value, kind="chat.completion", what="answer")
    message = choice.get("message")
    if not isinstance(message, dict) or message.get("role") != "assistant":
        raise _malformed("answer.message", message, expected="an assistant's")
    _nothing_else(message, ("role", "content", "refusal"), what="answer.message")
    if message.get("refusal") is not None:
        raise _malformed("answer.message.refusal", message["refusal"], expected="none")
    return Shown(
        id=_text(value, "id"),
        created=_number(value, "created"),
        model=_text(value, "model"),
        text=_text(message, "content"),
        finish_reason=_text(choice, "finish_reason"),
        fingerprint=_text(value, "system_fingerprint"),
        usage=_usage(value.get("usage")),
        completion=_completion(value),
    )


def read_stream(
    events: Iterable[bytes], *, max_bytes: int
) -> Generator[str, None, Shown]:
    """Read an answer that comes in events; yield its text, return what it showed.

    Nothing of what is yielded is checked, or even sworn to yet.

    Args:
        events: the data of each event.
        max_bytes: largest single event.

    Raises:
        StreamCutError: the stream ended before its last event.
        ServiceRefusedError: the service said that it failed.
        MalformedError: an event is not of the one form, or in the wrong place.
        UnswornError: our field is not there.
    """
    first: JsonValue = None
    last: JsonValue = None
    usage: tuple[int, int] | None = None
    texts: list[str] = []
    for data in events:
        if data == DONE_DATA:
            if last is None:
                raise StreamCutError(got="[DONE] without a completion")
            choice = last["choices"][0]
            return Shown(
                id=_text(first, "id"),
                created=_number(first, "created"),
                model=_text(first, "model"),
                text="".join(texts),
                finish_reason=_text(choice, "finish_reason"),
                fingerprint=_text(last, "system_fingerprint"),
                usage=usage,
                completion=_completion(last),
            )
        value = parse_json(data, what="event", max_bytes=max_bytes)
        if isinstance(value, dict) and value.get("error") is not None:
            raise refusal_of(value, status=200)
        first = first or value
        if last is not None:
            # After the completion, counts may come, and nothing that is shown.
            if not isinstance(value, dict) or value.get("choices") != []:
                raise _malformed("event", value, expected="nothing after the last")
            usage = _usage(value.get("usage"))
        elif (piece := _piece(value, first=first)) is not None:
            texts.append(piece)
            if piece:
                yield piece
        else:
            last = value
    raise StreamCutError(got="an end of the stream")


def refusal_of(value: JsonValue, *, status: int) -> ServiceRefusedError:
    """Return the error that a service tells of, made fit for a terminal."""
    told = value.get("error") if isinstance(value, dict) else None
    told = told if isinstance(told, dict) else {}
    ours = told.get(EXTENSION)
    name = ours.get("error") if isinstance(ours, dict) else told.get("code")
    return ServiceRefusedError(
        status=status,
        kind=_printable(name or "unnamed"),
        param=_printable(told.get("param") or ""),
        reason=_printable(told.get("message") or ""),
    )


def _piece(value: JsonValue, *, first: JsonValue) -> str | None:
    """Return a chunk's text; `None` for the one that ends the text."""
    choice = _choice(value, kind="chat.completion.chunk", what="event")
    for name in ("id", "created", "model"):
        if value.get(name) != first.get(name):
            raise _malformed(
                f"event.{name}", value.get(name), expected=repr(first.get(name))
            )
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        raise _malformed("event.delta", delta, expected="an object")
    if choice.get("finish_reason") is not None:
        _nothing_else(delta, (), what="event.delta")
        return None
    if EXTENSION in value:
        raise _malformed(
            f"event.{EXTENSION}", "a completion", expected="one on the last chunk"
        )
    _nothing_else(delta, ("role", "content"), what="event.delta")
    if delta.get("role", "assistant") != "assistant":
        raise _malformed("event.delta.role", delta["role"], expected="assistant")
    return _text(delta, "content")


def _choice(value: JsonValue, *, kind: str, what: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or value.get("object") != kind:
        raise _malformed(what, value, expected=f"a {kind}")
    choices = value.get("choices")
    if (
        not isinstance(choices, list)
        or len(choices) != 1
        or not isinstance(choices[0], dict)
        or type(choices[0].get("index")) is not int
        or choices[0]["index"] != 0
    ):
        raise _malformed(f"{what}.choices", choices, expected="exactly one")
    return dict(choices[0])


def _completion(value: JsonValue) -> JsonValue:
    found = value.get(EXTENSION)
    if found is None:
        raise UnswornError(EXTENSION, got="none", expected="a sworn completion")
    return found


def _usage(value: JsonValue) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _malformed("answer.usage", value, expected="counts")
    prompt = _number(value, "prompt_tokens")
    output = _number(value, "completion_tokens")
    if _number(value, "total_tokens") != prompt + output:
        raise _malformed("answer.usage.total_tokens", value, expected="the sum")
    return prompt, output


def _nothing_else(
    value: dict[str, JsonValue], names: tuple[str, ...], *, what: str
) -> None:
    for name, stated in value.items():
        if name not in names and stated is not None:
            raise _malformed(f"{what}.{name}"[:120], stated, expected="nothing")


def _text(value: JsonValue, name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise _malformed(f"answer.{name}", found, expected="text")
    return found


def _number(value: JsonValue, name: str) -> int:
    found = value.get(name)
    if type(found) is not int or not 0 <= found < 2**53:
        raise _malformed(f"answer.{name}", found, expected="a natural number")
    return int(found)


def _malformed(what: str, got: JsonValue, *, expected: str) -> MalformedError:
    return MalformedError(what, got=repr(got)[:120], expected=expected)


def _printable(text: object) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in str(text)[:MAX_ERROR_CHARS]
    )
