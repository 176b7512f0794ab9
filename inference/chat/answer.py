"""Answers in OpenAI's form: completions, chunks, models and errors, as JSON.

Pure. It decides nothing: what is answered was decided before. Our own field is called
`affiant` everywhere; the rest is what OpenAI's clients expect (API reference, "Chat").
"""

from __future__ import annotations

from dataclasses import dataclass

from affiant.app_server import (
    BodiesHeldError,
    BodyLateError,
    BodyTooLargeError,
    BodyTypeError,
)
from affiant.encoding import JsonValue, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.chat.answer_words import fingerprint, finish_reason, usage
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.errors import (
    ChatRequestError,
    CompletionTimeoutError,
    ModelUnknownError,
    ParameterUnsupportedError,
    QueueFullError,
    ServiceStoppingError,
)
from affiant.inference.chat.node import Answered, Asked, ChatNode
from affiant.inference.chat.request import EXTENSION
from affiant.inference.errors import (
    AbandonedError,
    ContextExceededError,
    EngineUnavailableError,
    SamplingUnsupportedError,
    SchemaLimitError,
    SchemaUnsupportedError,
    TextRefusedError,
)

SERVER_ERROR = "server_error"
"""OpenAI's type of errors that are not the asker's."""


def completion_body(asked: Asked, answered: Answered) -> dict[str, JsonValue]:
    """Return the answer of a request that is not streamed."""
    completion = answered.completion
    return {
        "id": asked.name,
        "object": "chat.completion",
        "created": asked.created,
        "model": asked.request.model,
        "system_fingerprint": fingerprint(completion),
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": answered.text,
                    "refusal": None,
                },
                "finish_reason": finish_reason(completion),
                "logprobs": None,
            }
        ],
        "usage": usage(completion),
        EXTENSION: completion.to_json(),
    }


def chunk(
    asked: Asked, delta: dict[str, JsonValue], *, last: Completion | None = None
) -> dict[str, JsonValue]:
    """Return a chunk of a stream; the last one with text carries the completion."""
    body: dict[str, JsonValue] = {
        "id": asked.name,
        "object": "chat.completion.chunk",
        "created": asked.created,
        "model": asked.request.model,
        "choices": [
            {
                "index": 0,
                "delta": delta,
                "finish_reason": None if last is None else finish_reason(last),
                "logprobs": None,
            }
        ],
    }
    if last is not None:
        body["system_fingerprint"] = fingerprint(last)
        body[EXTENSION] = last.to_json()
    return body


def usage_chunk(asked: Asked, completion: Completion) -> dict[str, JsonValue]:
    """Return the chunk of usage counts, which follows the last one if asked for."""
    return {
        **chunk(asked, {}),
        "choices": [],
        "usage": usage(completion),
    }


def model_body(node: ChatNode) -> dict[str, JsonValue]:
    """Return the model that a node serves."""
    return {
        "id": node.name,
        "object": "model",
        "created": node.started,
        "owned_by": "affiant",
        EXTENSION: {
            "key": node.address,
            "model": to_hex(node.model),
            "engine": to_hex(node.engine.manifest.hash),
            "maxTokens": node.limits.max_tokens,
            "context": node.engine.max_context,
        },
    }


@dataclass(frozen=True)
class Refusal:
    """An error as it is answered."""

    status: int
    """HTTP status."""
    body: dict[str, JsonValue]
    """OpenAI's error object."""
    retry: bool
    """Whether the same request may succeed a little later."""


@dataclass(frozen=True)
class _Kind:
    status: int
    type: str
    code: str
    param: str | None = None
    retry: bool = False


_INVALID = "invalid_request_error"
_KINDS: tuple[tuple[type[AffiantError], _Kind], ...] = (
    (BodyTooLargeError, _Kind(413, _INVALID, "request_too_large")),
    (BodyTypeError, _Kind(415, _INVALID, "unsupported_media_type")),
    (BodyLateError, _Kind(408, _INVALID, "request_timeout")),
    (ModelUnknownError, _Kind(404, _INVALID, "model_not_found")),
    (ParameterUnsupportedError, _Kind(400, _INVALID, "unsupported_parameter")),
    (ChatRequestError, _Kind(400, _INVALID, "invalid_value")),
    (SamplingUnsupportedError, _Kind(400, _INVALID, "unsupported_value")),
    (SchemaLimitError, _Kind(400, _INVALID, "invalid_schema", "response_format")),
    (SchemaUnsupportedError, _Kind(400, _INVALID, "invalid_schema", "response_format")),
    (
        ContextExceededError,
        _Kind(400, _INVALID, "context_length_exceeded", "messages"),
    ),
    (TextRefusedError, _Kind(400, _INVALID, "invalid_value", "messages")),
    (MalformedError, _Kind(400, _INVALID, "malformed")),
    (BodiesHeldError, _Kind(429, "rate_limit_error", "bodies_held", retry=True)),
    (QueueFullError, _Kind(429, "rate_limit_error", "queue_full", retry=True)),
    (CompletionTimeoutError, _Kind(504, SERVER_ERROR, "timeout")),
    (ServiceStoppingError, _Kind(503, SERVER_ERROR, "stopping")),
    (AbandonedError, _Kind(503, SERVER_ERROR, "stopping")),
    (EngineUnavailableError, _Kind(503, SERVER_ERROR, "engine_unavailable")),
    (AffiantError, _Kind(500, SERVER_ERROR, "inference_failed")),
)
"""First match wins."""


def refusal(error: Exception) -> Refusal:
    """Return how `error` is answered: what, got and expected, and OpenAI's words."""
    if not isinstance(error, AffiantError):
        # Our own bug: name the class for whoever looks, and nothing of what is inside.
        kind = _Kind(500, SERVER_ERROR, "internal_error")
        message, name = f"the service failed with {type(error).__name__}", "Internal"
        return Refusal(
            500, _error(kind, message, name=name, got="", expected=""), False
        )
    kind = next(kind for known, kind in _KINDS if isinstance(error, known))
    param = getattr(error, "param", None) or getattr(error, "parameter", None)
    body = _error(
        kind,
        str(error)[:2000],
        name=type(error).__name__,
        got=str(getattr(error, "got", ""))[:500],
        expected=str(getattr(error, "expected", ""))[:500],
        param=None if param is None else str(param),
    )
    return Refusal(kind.status, body, kind.retry)


def no_such_endpoint(method: str, path: str, *, status: int) -> Refusal:
    """Return how a path or method that there is not is answered."""
    asked = f"{method} {path}"[:200]
    expected = (
        "POST /v1/chat/completions, GET /v1/models, GET /v1/attestation or GET /health"
    )
    kind = _Kind(status, _INVALID, "unknown_url")
    message = f"got {asked}, expected {expected}"
    return Refusal(
        status,
        _error(kind, message, name="NoSuchEndpoint", got=asked, expected=expected),
        False,
    )


def _error(
    kind: _Kind,
    message: str,
    *,
    name: str,
    got: str,
    expected: str,
    param: str | None = None,
) -> dict[str, JsonValue]:
    return {
        "error": {
            "message": message,
            "type": kind.type,
            "param": param or kind.param,
            "code": kind.code,
            EXTENSION: {"error": name, "got": got, "expected": expected},
        }
    }
