"""What a chat service refuses, what a client refuses of its answers, what is away.

    RejectedError
    ├── ChatRequestError             a request that is not what it should be
    │   ├── ParameterUnsupportedError    a parameter that a replay cannot cover
    │   └── ModelUnknownError            another model than the one served
    ├── ReleasedTextError            tokens stayed, the text they spell did not
    ├── ServiceRefusedError          the service answered with a refusal
    └── CompletionError              an answer that must not be used
        ├── UnswornError                 no completion rides along
        ├── UntrustedError               another key, model or engine than trusted
        ├── WrongCompletionError         sworn, but to something else than was asked
        ├── AlteredAnswerError           what is shown is not what was sworn
        ├── UnderivedError               sworn, but it does not follow: tokens, text
        └── ReplayRefusedError           a replay did not find what was sworn
    UnavailableError
    ├── QueueFullError               too many wait already
    ├── CompletionTimeoutError       no answer within the time that was allowed
    ├── ServiceStoppingError         the service is on its way out
    ├── ServiceUnavailableError      no usable answer from the service
    └── StreamCutError               a stream that ended before it was over

Every error of a request names OpenAI's parameter; every error of an answer carries what
was got and what was expected. Nothing that failed a check is ever returned as text.
"""

from __future__ import annotations

from affiant.errors import RejectedError, UnavailableError


class ChatRequestError(RejectedError):
    """A chat request is not what it should be."""

    def __init__(self, param: str, *, got: str, expected: str) -> None:
        super().__init__(f"`{param}`: got {got}, expected {expected}"[:600])
        self.param = param
        self.got = got
        self.expected = expected


class ParameterUnsupportedError(ChatRequestError):
    """A parameter asks for what a replay cannot cover; it is never ignored."""


class ModelUnknownError(ChatRequestError):
    """Another model was asked for than the one served."""


class ReleasedTextError(RejectedError):
    """What was handed out early is not how the whole text begins."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(
            f"released text: got one that begins {got[: len(expected)][-40:]!r}, "
            f"expected {expected[-40:]!r} there, as it was handed out"
        )
        self.got = got
        self.expected = expected


class ServiceRefusedError(RejectedError):
    """The service answered with a refusal.

    Attributes:
        status: the HTTP status; 200 where a stream had begun.
        kind: name of the service's error, as it says.
        param: parameter that it names.
        reason: its message.
    """

    def __init__(self, *, status: int, kind: str, param: str, reason: str) -> None:
        super().__init__(f"service refused ({status}): {kind}: {reason}"[:1000])
        self.status = status
        self.kind = kind
        self.param = param
        self.reason = reason


class CompletionError(RejectedError):
    """An answer must not be used; nothing of it is returned."""

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(f"completion `{field}`: got {got}, expected {expected}"[:1000])
        self.field = field
        self.got = got
        self.expected = expected


class UnswornError(CompletionError):
    """An answer carries no completion: nobody swears to it."""


class UntrustedError(CompletionError):
    """Another key, model or engine than the ones that the caller trusts."""


class WrongCompletionError(CompletionError):
    """A completion is sworn, but of something else than was asked."""


class AlteredAnswerError(CompletionError):
    """What an answer shows is not what its completion swears to."""


class UnderivedError(CompletionError):
    """What was sworn does not follow from the messages or from the tokens."""


class ReplayRefusedError(CompletionError):
    """A replay did not find what was sworn."""


class QueueFullError(UnavailableError):
    """Too many requests wait already."""

    def __init__(self, *, waiting: int, limit: int) -> None:
        super().__init__(f"requests waiting: got {waiting}, expected under {limit}")
        self.got = waiting
        self.expected = f"under {limit}"


class CompletionTimeoutError(UnavailableError):
    """An answer was not ready within the time that was allowed."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(f"completion: got none, expected one within {seconds:g} s")
        self.got = "none"
        self.expected = f"one within {seconds:g} s"


class ServiceStoppingError(UnavailableError):
    """The service takes nothing new any more."""

    def __init__(self) -> None:
        super().__init__("service: got a request while stopping, expected none")
        self.got = "a request while stopping"
        self.expected = "none"


class ServiceUnavailableError(UnavailableError):
    """The service gave no usable answer in time."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"service {url}: {reason}"[:1000])
        self.url = url
        self.reason = reason


class StreamCutError(UnavailableError):
    """A stream ended before it was over."""

    def __init__(self, *, got: str) -> None:
        super().__init__(f"stream: got {got}, expected a completion and [DONE]")
        self.got = got
        self.expected = "a completion and [DONE]"
