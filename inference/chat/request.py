"""A chat request: hostile JSON in OpenAI's form, and what exactly it asks for.

Pure, and shared by service and client: both read the same meaning out of the same
bytes, so that a service cannot answer another question than the one it was asked.

    request = keccak256(canonical JSON of the whole body)
    seed    = keccak256("affiant-chat-seed/1" ‖ prompt ‖ 0x01 ‖ int64 seed), or, where
              the request has no seed, keccak256("affiant-chat-seed/1" ‖ prompt ‖ 0x00 ‖
              request)

The seed of the noise is thus the asker's, never the operator's. The same request gives
the same answer; whoever wants another changes `seed` or `affiant.nonce`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
)
from affiant.errors import MalformedError
from affiant.inference.chat.errors import ChatRequestError, ParameterUnsupportedError
from affiant.inference.chat.parameters import (
    check_parameters,
    parse_max_tokens,
    parse_response_format,
    parse_sampling,
)
from affiant.inference.sampling import Sampling

SEED_TAG = b"affiant-chat-seed/1"
"""Begins what a seed is the hash of."""
EXTENSION = "affiant"
"""Name of our own field in requests and answers."""
ROLES = ("system", "developer", "user", "assistant")
"""Roles of messages; `developer` is OpenAI's newer name of `system`."""
MAX_MESSAGES = 256
"""Most messages of a request."""
MAX_WINDOW = 1024
"""Largest number of tokens between two releases."""
MAX_SEED = 2**53 - 1
"""Largest `seed`, either side of zero: what canonical JSON can carry."""

_EMPTY_FIELDS = ("refusal", "annotations", "audio", "tool_calls", "function_call")


@dataclass(frozen=True)
class Message:
    """One message, as text."""

    role: str
    """One of `ROLES`."""
    content: str
    """What it says; parts of text are joined by line breaks."""


@dataclass(frozen=True)
class ChatRequest:
    """What a request asks for."""

    canonical: bytes
    """Canonical JSON of the body, every field included."""
    model: str
    """Name of the model asked for."""
    messages: tuple[Message, ...]
    """At least one."""
    sampling: Sampling
    """Greedy, or a temperature."""
    number: int | None
    """The request's `seed`."""
    schema: JsonValue | None
    """Schema of the answer; `None` for free text."""
    max_tokens: int | None
    """Most tokens of the answer; `None`: as many as the service allows."""
    stream: bool
    """Whether the answer comes in chunks."""
    with_usage: bool
    """Whether a stream ends with a chunk of usage counts."""
    window: int | None
    """Tokens after which a stream hands out text early; `None`: it does not."""

    @property
    def hash(self) -> Digest:
        """keccak256 of the canonical JSON; the receipt's `request`."""
        return keccak256(self.canonical)

    def seed(self, *, prompt: Digest) -> bytes | None:
        """Return the sampler's seed; `None` when greedy.

        Args:
            prompt: `tokens_hash` of the prompt's ids.
        """
        if self.sampling.temperature is None:
            return None
        if self.number is None:
            chosen = b"\0" + self.hash
        else:
            chosen = b"\1" + self.number.to_bytes(8, "big", signed=True)
        return keccak256(SEED_TAG + prompt + chosen)

    @classmethod
    def from_json(cls, value: JsonValue) -> ChatRequest:
        """Parse a hostile body.

        Raises:
            ChatRequestError: a parameter is missing or mistyped; names it.
            ParameterUnsupportedError: one that replay does not cover.
            SamplingUnsupportedError, SchemaLimitError: as they say.
            MalformedError: it cannot be written as canonical JSON.
        """
        if not isinstance(value, dict):
            raise ChatRequestError(
                "body", got=type(value).__name__, expected="a JSON object"
            )
        canonical = canonical_json(value)
        check_parameters(value)
        model = value.get("model")
        if not isinstance(model, str) or not 0 < len(model) <= 200:
            raise ChatRequestError(
                "model", got=repr(model)[:80], expected="the name of a model"
            )
        stream = _flag(value, "stream")
        return cls(
            canonical=canonical,
            model=model,
            messages=_messages(value.get("messages")),
            sampling=parse_sampling(value.get("temperature")),
            number=_seed(value.get("seed")),
            schema=parse_response_format(value.get("response_format")),
            max_tokens=parse_max_tokens(value),
            stream=stream,
            with_usage=_with_usage(value.get("stream_options"), stream=stream),
            window=_extension(value.get(EXTENSION), stream=stream),
        )


def _messages(value: JsonValue) -> tuple[Message, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_MESSAGES:
        raise ChatRequestError(
            "messages",
            got=f"{len(value)}" if isinstance(value, list) else repr(value)[:40],
            expected=f"a list of 1 to {MAX_MESSAGES}",
        )
    return tuple(
        _message(item, what=f"messages[{index}]") for index, item in enumerate(value)
    )


def _message(value: JsonValue, *, what: str) -> Message:
    if not isinstance(value, dict):
        raise ChatRequestError(what, got=repr(value)[:80], expected="an object")
    for name in sorted(value):
        if name in ("role", "content") or value[name] is None:
            continue
        if not (name in _EMPTY_FIELDS and value[name] == []):
            raise ParameterUnsupportedError(
                f"{what}.{name}"[:120],
                got=repr(value[name])[:80],
                expected="role and content only",
            )
    role = value.get("role")
    if role not in ROLES:
        raise ParameterUnsupportedError(
            f"{what}.role", got=repr(role)[:80], expected=f"one of {', '.join(ROLES)}"
        )
    return Message(role, _content(value.get("content"), what=f"{what}.content"))


def _content(value: JsonValue, *, what: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise ChatRequestError(
            what, got=repr(value)[:80], expected="text, or a list of text parts"
        )
    texts = []
    for index, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind != "text" or set(part) != {"type", "text"}:
            raise ParameterUnsupportedError(
                f"{what}[{index}]", got=repr(kind)[:80], expected="a part of text"
            )
        if not isinstance(part["text"], str):
            raise ChatRequestError(
                f"{what}[{index}].text", got=repr(part["text"])[:80], expected="text"
            )
        texts.append(part["text"])
    return "\n".join(texts)


def _seed(value: JsonValue) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not -MAX_SEED <= value <= MAX_SEED:
        raise ChatRequestError(
            "seed", got=repr(value)[:80], expected=f"an integer within ±{MAX_SEED}"
        )
    return value


def _flag(value: Mapping[str, JsonValue], name: str) -> bool:
    stated = value.get(name)
    if stated is None:
        return False
    if type(stated) is not bool:
        raise ChatRequestError(name, got=repr(stated)[:80], expected="true or false")
    return stated


def _with_usage(value: JsonValue, *, stream: bool) -> bool:
    if value is None:
        return False
    if not isinstance(value, dict) or not stream:
        raise ChatRequestError(
            "stream_options", got=repr(value)[:80], expected="an object, with `stream`"
        )
    _known(value, ("include_usage", "include_obfuscation"), what="stream_options")
    if _flag(value, "include_obfuscation"):
        raise ParameterUnsupportedError(
            "stream_options.include_obfuscation", got="true", expected="false"
        )
    return _flag(value, "include_usage")


def _extension(value: JsonValue, *, stream: bool) -> int | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ChatRequestError(EXTENSION, got=repr(value)[:80], expected="an object")
    _known(value, ("nonce", "release"), what=EXTENSION)
    if value.get("nonce") is not None:
        try:
            digest_from_hex(value["nonce"], what="nonce")
        except MalformedError as error:
            raise ChatRequestError(
                f"{EXTENSION}.nonce", got=error.got, expected=error.expected
            ) from error
    window = value.get("release")
    if window is None:
        return None
    if type(window) is not int or not 0 < window <= MAX_WINDOW or not stream:
        raise ChatRequestError(
            f"{EXTENSION}.release",
            got=repr(window)[:80],
            expected=f"1 to {MAX_WINDOW} tokens, with `stream`",
        )
    return window


def _known(value: Mapping[str, JsonValue], names: Sequence[str], *, what: str) -> None:
    for name in sorted(value):
        if name not in names:
            raise ParameterUnsupportedError(
                f"{what}.{name}"[:120],
                got="an unknown field",
                expected=" or ".join(names),
            )
