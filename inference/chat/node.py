"""A chat node: one engine and one key, and one sworn completion per request.

It decides who waits and who is turned away, what a request becomes (prompt, seed, most
tokens), and it signs what `infer` has checked. It trusts nobody who asks. Requests run
together, as many as the engine batches and as the memory of their self-checks allows.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from affiant.encoding import Digest, JsonValue
from affiant.inference.chat.attestation import NO_HARDWARE, Attestation
from affiant.inference.chat.completion import (
    ID_BYTES,
    ID_PREFIX,
    Completion,
    SelfCheck,
    text_hash,
)
from affiant.inference.chat.errors import (
    ChatRequestError,
    ModelUnknownError,
    QueueFullError,
    ServiceStoppingError,
)
from affiant.inference.chat.pieces import TextPieces
from affiant.inference.chat.prompt import prompt_ids
from affiant.inference.chat.request import EXTENSION, ChatRequest
from affiant.inference.engine import Engine
from affiant.inference.errors import (
    AbandonedError,
    ContextExceededError,
    EngineUnavailableError,
)
from affiant.inference.infer import Release, infer
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import tokens_hash
from affiant.signature import Address

_BYTES_PER_LOGIT = 5
"""A self-check holds each logit as a float32, and a byte of its mask."""


@dataclass(frozen=True)
class ChatLimits:
    """How much a node takes on."""

    running: int = 32
    """Most requests generated at once."""
    waiting: int = 64
    """Most requests waiting besides; the next one is turned away."""
    max_tokens: int = 1024
    """Most tokens of an answer."""
    seconds: float = 300.0
    """Longest that a request takes, from when it was read."""
    check_bytes: int = 4 * 2**30
    """Memory that the self-checks of all running requests may take together."""
    windows: int = 64
    """Most windows of an answer that is released early: each takes a prefill of its
    own, and leads the grammar through all tokens before it once more."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A request that can be run; each is only equal to itself."""

    request: ChatRequest
    """What was asked."""
    prompt_ids: tuple[int, ...]
    """What its messages are, as token ids."""
    max_tokens: int
    """Most tokens of the answer."""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(ID_BYTES))
    """Tells this answer from every other."""
    created: int = field(default_factory=lambda: int(time.time()))
    """When it was asked, unix seconds."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits any more."""

    @property
    def name(self) -> str:
        """OpenAI's `id` of the answer."""
        return ID_PREFIX + self.id.hex()


@dataclass(frozen=True)
class Answered:
    """A sworn answer."""

    completion: Completion
    """What was sworn."""
    text: str
    """What the answer says."""


class ChatNode:
    """Completes chats on one engine, and swears to each."""

    def __init__(
        self,
        engine: Engine,
        *,
        model: Digest,
        key: NodeKey,
        name: str,
        limits: ChatLimits | None = None,
    ) -> None:
        """Take over an engine; `close` does not close it.

        Args:
            engine: the engine; several threads may use it at once.
            model: root of the commitment of the engine's model.
            key: what swears.
            name: what the model is called in requests.
            limits: how much it takes on.
        """
        self.engine = engine
        self.model = model
        self.key = key
        self.name = name
        self.limits = limits = limits or ChatLimits()
        self.started = int(time.time())
        """Unix seconds."""
        one_check = limits.max_tokens * engine.vocab_size * _BYTES_PER_LOGIT
        self.running = max(1, min(limits.running, limits.check_bytes // one_check))
        """Requests that run at once."""
        self._inside: set[Asked] = set()
        self._stopping = False
        self._failure: EngineUnavailableError | None = None
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(self.running, thread_name_prefix="chat")

    @property
    def address(self) -> Address:
        """The key's address."""
        return Address(self.key.address)

    @property
    def inside(self) -> int:
        """Requests that run or wait."""
        with self._lock:
            return len(self._inside)

    def read(self, body: JsonValue) -> Asked:
        """Return what a hostile body asks for, rendered and bounded.

        Raises:
            ModelUnknownError: another model is asked for.
            ContextExceededError: prompt and answer do not fit.
            ChatRequestError: more tokens or more windows than this node takes on.
            TextRefusedError: the model's chat template does not take the messages.
            ChatRequestError and others: as `ChatRequest.from_json`.
        """
        request = ChatRequest.from_json(body)
        if request.model != self.name:
            raise ModelUnknownError(
                "model", got=repr(request.model)[:120], expected=self.name
            )
        ids = prompt_ids(self.engine, request.messages)
        room = self.engine.max_context - len(ids)
        wanted = request.max_tokens
        if wanted is not None and wanted > self.limits.max_tokens:
            raise ChatRequestError(
                "max_completion_tokens",
                got=str(wanted),
                expected=f"at most {self.limits.max_tokens}",
            )
        if room < (wanted or 1):
            raise ContextExceededError(
                got=len(ids) + (wanted or 1), limit=self.engine.max_context
            )
        most = wanted or min(room, self.limits.max_tokens)
        least_window = -(-most // self.limits.windows)
        if request.window is not None and request.window < least_window:
            raise ChatRequestError(
                f"{EXTENSION}.release",
                got=f"{request.window} for an answer of up to {most} tokens",
                expected=f"at least {least_window}, or fewer tokens",
            )
        return Asked(request=request, prompt_ids=tuple(ids), max_tokens=most)

    def require_room(self) -> None:
        """Refuse when there is no room for another request.

        Raises:
            QueueFullError: too many wait already.
            ServiceStoppingError: nothing new is taken.
            EngineUnavailableError: the engine broke down.
        """
        with self._lock:
            self._check_room()

    def require_engine(self) -> None:
        """Refuse once the engine has broken down; it does not come back.

        Raises:
            EngineUnavailableError: it has.
        """
        failure = self._failure
        if failure is not None:
            raise EngineUnavailableError(
                failure.engine, got=failure.got, expected=failure.expected
            )

    def submit(
        self, asked: Asked, *, release: Callable[[str], None] | None = None
    ) -> Future[Answered]:
        """Queue a request; whoever gives up sets `asked.given_up`.

        Args:
            asked: what `read` returned; each only once.
            release: told pieces of the text, in a thread of the node, where the request
                wants them early.

        Raises:
            QueueFullError, ServiceStoppingError, EngineUnavailableError: as
                `require_room`.
        """
        with self._lock:
            self._check_room()
            self._inside.add(asked)
        future = self._workers.submit(self._complete, asked, release)
        # Counted until it is really over, not until somebody stopped waiting.
        future.add_done_callback(lambda done: self._leave(asked, done))
        return future

    def attest(self, nonce: Digest) -> Attestation:
        """Return the key's word about itself, over the asker's nonce."""
        unsigned = Attestation(
            nonce=nonce,
            key=self.address,
            model=self.model,
            manifest=self.engine.manifest,
            issued=int(time.time()),
            evidence=dict(NO_HARDWARE),
            signature=b"",
        )
        return unsigned.signed(self.key.sign(unsigned.digest))

    def close(self) -> None:
        """Take nothing new, give up what runs, and wait until it is over."""
        with self._lock:
            self._stopping = True
            inside = list(self._inside)
        for asked in inside:
            # Those that wait find it when it is their turn.
            asked.given_up.set()
        self._workers.shutdown(wait=True)

    def _check_room(self) -> None:
        if self._stopping:
            raise ServiceStoppingError
        self.require_engine()
        limit = self.running + self.limits.waiting
        if len(self._inside) >= limit:
            raise QueueFullError(waiting=len(self._inside), limit=limit)

    def _leave(self, asked: Asked, done: Future[Answered]) -> None:
        failure = done.exception()
        with self._lock:
            self._inside.discard(asked)
            if isinstance(failure, EngineUnavailableError):
                self._failure = failure

    def _complete(
        self, asked: Asked, release: Callable[[str], None] | None
    ) -> Answered:
        if asked.given_up.is_set():
            raise AbandonedError
        request = asked.request
        seed = request.seed(prompt=tokens_hash(asked.prompt_ids))
        pieces = TextPieces(self.engine.decode)
        window = None if release is None else request.window

        def hand_out(output_ids: tuple[int, ...]) -> None:
            piece = pieces.grown(output_ids)
            if piece and release is not None:
                release(piece)

        done = infer(
            self.engine,
            model=self.model,
            request=request.canonical,
            prompt_ids=asked.prompt_ids,
            schema=request.schema,
            max_tokens=asked.max_tokens,
            sampling=request.sampling,
            seed=seed,
            release=None if window is None else Release(window, hand_out),
            wanted=lambda: not asked.given_up.is_set(),
        )
        # Also where nothing was released: what is sworn must be what was handed out.
        rest = pieces.rest(done.text)
        if rest and release is not None:
            release(rest)
        unsigned = Completion(
            id=asked.id,
            created=asked.created,
            key=self.address,
            receipt=done.receipt,
            prompt_ids=done.prompt_ids,
            output_ids=done.output_ids,
            trace=done.trace,
            sampling=request.sampling,
            seed=seed,
            schema=request.schema,
            max_tokens=asked.max_tokens,
            text=text_hash(done.text),
            finished=done.finished,
            self_check=SelfCheck(window, done.rollbacks, done.prefills),
            manifest=self.engine.manifest,
            signature=b"",
        )
        return Answered(unsigned.signed(self.key.sign(unsigned.digest)), done.text)
