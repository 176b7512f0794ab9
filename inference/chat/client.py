"""Asking a chat service, and returning nothing that was not verified.

The service is not trusted: an answer must come in time and size, and pass every check
of `verify`, or it raises. The request carries a fresh nonce, so that an old answer to
the same question is another request's; and it must say how long the answer may be, so
that a node cannot cut it. Needs no torch, and no tokenizer unless one is given.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from affiant.encoding import (
    Digest,
    JsonValue,
    parse_json,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.http_exchange import HttpEndpoint, OpenAnswer
from affiant.inference.chat.attestation import Attestation
from affiant.inference.chat.errors import (
    ChatRequestError,
    ServiceRefusedError,
    ServiceUnavailableError,
    UntrustedError,
)
from affiant.inference.chat.events import events
from affiant.inference.chat.reply import Shown, read_stream, read_whole, refusal_of
from affiant.inference.chat.request import EXTENSION, ChatRequest
from affiant.inference.chat.trust import Trust, UnsafeAny
from affiant.inference.chat.verify import AnswerTokenizer, VerifiedAnswer, verify

if TYPE_CHECKING:
    from affiant.inference.tokenizer import ModelTokenizer

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest answer accepted, in bytes; 65 536 tokens with their trace fit."""
MAX_SMALL_BYTES = 64 * 1024
"""Largest answer accepted where no completion is expected, in bytes."""
CHAT_PATH = "/chat/completions"
"""Where completions are asked for, after the service's URL."""
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a service that is away, not of a request that is wrong."""


class ChatClient:
    """One chat service, and whom to believe about its answers."""

    def __init__(
        self,
        url: str,
        *,
        trust: Trust,
        timeout: float,
        tokenizer: AnswerTokenizer | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        """Remember where the service is; connects at the first question.

        Args:
            url: such as `http://127.0.0.1:8000/v1`.
            trust: whose key, model and engine are believed.
            timeout: longest wait for a whole answer, in seconds.
            tokenizer: the trusted model's (`open_tokenizer`); `None`: prompt and text
                are believed to the key.
            max_bytes: largest answer accepted.

        Raises:
            ValueError: `url` is no `http://HOST` or `https://HOST` address.
        """
        self.url = url.rstrip("/")
        self.trust = trust
        self._tokenizer = tokenizer
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._http = HttpEndpoint(self.url, timeout=timeout)

    def complete(self, body: Mapping[str, JsonValue]) -> VerifiedAnswer:
        """Ask, and return the answer once all of it is verified.

        Args:
            body: a chat request in OpenAI's form, with its limit of tokens. A nonce is
                added where there is none. With `stream`, the connection is kept alive
                while the service works.

        Raises:
            ChatRequestError and others: the request is none (`ChatRequest.from_json`).
            ServiceRefusedError: the service refused it.
            ServiceUnavailableError, StreamCutError: no whole answer in time.
            CompletionError, MalformedError, ReceiptMismatchError: the answer failed a
                check (`verify`).
        """
        if body.get("stream") is True:
            pieces = self.unsafe_stream(body)
            while True:
                try:
                    next(pieces)
                except StopIteration as over:
                    answer: VerifiedAnswer = over.value
                    return answer
        sent, request = _asked(body)
        answered = self._exchange("POST", CHAT_PATH, request.canonical, self._max_bytes)
        shown = read_whole(answered, max_bytes=self._max_bytes)
        return self._verified(shown, sent=sent, request=request)

    def unsafe_stream(
        self, body: Mapping[str, JsonValue]
    ) -> Generator[str, None, VerifiedAnswer]:
        """Ask, yield text as it comes, and return the answer once it is verified.

        Nobody has sworn to what is yielded: if this raises, all of it was worth
        nothing. Arguments and errors are those of `complete`.
        """
        sent, request = _asked({**body, "stream": True})
        try:
            with self._http.opened(
                "POST", path=CHAT_PATH, body=request.canonical
            ) as opened:
                if opened.status != 200:
                    raise self._refusal(opened.status, _small(opened))
                shown = yield from read_stream(
                    events(opened.parts, max_bytes=self._max_bytes),
                    max_bytes=self._max_bytes,
                )
        except TimeoutError as error:
            raise self._late() from error
        except ConnectionError as error:
            raise ServiceUnavailableError(self.url, reason=str(error)) from error
        return self._verified(shown, sent=sent, request=request)

    def attestation(self, nonce: Digest | None = None) -> Attestation:
        """Ask the service for its key's word about itself, over a nonce of ours.

        Args:
            nonce: 32 bytes that the service could not know; fresh ones if `None`.

        Raises:
            UntrustedError: another key, model or engine than trusted.
            MalformedError: of another nonce, or not signed by the stated key.
            ServiceRefusedError, ServiceUnavailableError: no attestation.
        """
        nonce = Digest(secrets.token_bytes(32)) if nonce is None else nonce
        value = self._get(f"/attestation?nonce={to_hex(nonce)}")
        found = Attestation.from_json(value)
        found.check(nonce=nonce)
        for field, got, expected in (
            ("key", found.key, self.trust.key),
            ("model", found.model, self.trust.model),
            ("engine", found.manifest.hash, self.trust.engine),
        ):
            if not isinstance(expected, UnsafeAny) and got != expected:
                raise UntrustedError(field, got=repr(got), expected=repr(expected))
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def _verified(
        self, shown: Shown, *, sent: dict[str, JsonValue], request: ChatRequest
    ) -> VerifiedAnswer:
        completion = verify(
            shown, request=request, trust=self.trust, tokenizer=self._tokenizer
        )
        return VerifiedAnswer(
            text=shown.text,
            completion=completion,
            request=sent,
            derived=self._tokenizer is not None,
        )

    def _get(self, path: str) -> JsonValue:
        body = self._exchange("GET", path, b"", MAX_SMALL_BYTES)
        return parse_json(body, what="answer", max_bytes=MAX_SMALL_BYTES)

    def _exchange(self, method: str, path: str, body: bytes, limit: int) -> bytes:
        try:
            answer = self._http.exchange(method, path=path, body=body, max_bytes=limit)
        except TimeoutError as error:
            raise self._late() from error
        except ConnectionError as error:
            raise ServiceUnavailableError(self.url, reason=str(error)) from error
        if answer.status != 200:
            raise self._refusal(answer.status, answer.content)
        if len(answer.content) > limit:
            raise MalformedError(
                "answer", got=f"over {limit} bytes", expected=f"at most {limit} bytes"
            )
        return answer.content

    def _refusal(
        self, status: int, body: bytes
    ) -> ServiceRefusedError | ServiceUnavailableError:
        try:
            value = parse_json(body, what="error", max_bytes=MAX_SMALL_BYTES)
        except MalformedError:
            value = None
        refused = refusal_of(value, status=status)
        if status in RETRYABLE:
            return ServiceUnavailableError(self.url, reason=str(refused))
        return refused

    def _late(self) -> ServiceUnavailableError:
        reason = f"got no whole answer, expected one within {self._timeout:g} s"
        return ServiceUnavailableError(self.url, reason=reason)


def _asked(
    body: Mapping[str, JsonValue],
) -> tuple[dict[str, JsonValue], ChatRequest]:
    """Return what is sent, and what it means."""
    sent = with_nonce(body)
    request = ChatRequest.from_json(sent)
    if request.max_tokens is None:
        raise ChatRequestError(
            "max_completion_tokens",
            got="none",
            expected="a limit, or the node chooses where to cut the answer",
        )
    return sent, request


def with_nonce(body: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return `body` with a fresh nonce where it has none; `body` is not changed."""
    ours = body.get(EXTENSION)
    if ours is None:
        ours = {}
    if not isinstance(ours, dict) or ours.get("nonce") is not None:
        return dict(body)
    nonce = to_hex(secrets.token_bytes(32))
    return {**body, EXTENSION: {**ours, "nonce": nonce}}


def open_tokenizer(folder: str | Path, *, model: Digest | UnsafeAny) -> ModelTokenizer:
    """Return the tokenizer of the model in `folder`, which must be the trusted one.

    Reads and hashes the whole folder once. Needs transformers, not torch.

    Args:
        folder: the model's files.
        model: root that their commitment must have.

    Raises:
        UntrustedError: they commit to another root.
        ModelFilesError, EngineUnavailableError: they cannot be read.
    """
    from affiant.inference.commitment import commit_model
    from affiant.inference.tokenizer import ModelTokenizer

    root = commit_model(Path(folder)).root
    if not isinstance(model, UnsafeAny) and root != model:
        raise UntrustedError("model folder", got=to_hex(root), expected=to_hex(model))
    return ModelTokenizer(Path(folder))


def _small(opened: OpenAnswer) -> bytes:
    """Return the beginning of a body that should be short."""
    body = bytearray()
    for part in opened.parts:
        body += part
        if len(body) > MAX_SMALL_BYTES:
            break
    return bytes(body)
