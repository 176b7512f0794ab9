"""The node over HTTP: exactly `POST /v1/decide` and `GET /v1/node`.

It decides only what a question may look like: a mandate and a slot and nothing else. A
prompt, an observation, calls or any other field is refused by name before anything
runs. Answers are canonical JSON of an evidence bundle; errors are `{"error", "message",
"got", "expected"}`. Whoever asks is not trusted, and there is nothing to log in to: an
answer is the same for everybody.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affiant.agents.errors import (
    DecisionTimeoutError,
    NodeBusyError,
    NotLiveError,
    NotServedError,
    ServerBusyError,
    SlotRefusedError,
)
from affiant.agents.nodes.http_server import (
    Answered,
    Endpoint,
    HttpServer,
    Service,
    ServiceLimits,
    server_timing,
)
from affiant.agents.nodes.key_keeper import KeyKeeper
from affiant.agents.nodes.node import Node
from affiant.encoding import canonical_json, parse_json
from affiant.errors import AffiantError, MalformedError, UnavailableError
from affiant.onchain.mandate import Mandate

MAX_QUESTION_BYTES = 256 * 1024
"""Largest request body accepted, in bytes; a mandate of 64-entry lists fits."""

MAX_HELD_BYTES = 64 * MAX_QUESTION_BYTES
"""Most bytes of questions held at once."""

BODY_SECONDS = 10.0
"""Longest time that a question may take to arrive."""

_STATUS: tuple[tuple[type[AffiantError], int], ...] = (
    (MalformedError, 400),
    (NotServedError, 403),
    (NotLiveError, 403),
    (SlotRefusedError, 409),
    (NodeBusyError, 429),
    (ServerBusyError, 429),
    (DecisionTimeoutError, 504),
    (UnavailableError, 503),
    (AffiantError, 422),
)
"""First match wins."""


class Question(BaseModel):
    """What `POST /v1/decide` accepts; nothing else may go in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    mandate: dict[str, Any]
    """The mandate's JSON, parsed further by `Mandate.from_json`."""
    slot: Annotated[int, Field(ge=0, lt=2**64)]
    """The newest slot."""


def node_service(node: Node, *, body_seconds: float = BODY_SECONDS) -> Service:
    """Return what `node` serves over HTTP.

    Args:
        body_seconds: longest time that a question may take to arrive.
    """

    def decide(body: bytes) -> Answered:
        mandate, slot = parse_question(body)
        decided = node.decide(mandate, slot=slot)
        return Answered(
            decided.bundle.to_plain(),
            {"Server-Timing": server_timing(decided.seconds)},
        )

    def tell(_body: bytes) -> Answered:
        return Answered(canonical_json(node.info.to_json()))

    return Service(
        what="question",
        endpoints=(
            Endpoint("POST", "/v1/decide", decide),
            Endpoint("GET", "/v1/node", tell),
        ),
        statuses=_STATUS,
        limits=ServiceLimits(
            body_bytes=MAX_QUESTION_BYTES,
            body_seconds=body_seconds,
            held_bytes=MAX_HELD_BYTES,
        ),
    )


def parse_question(body: bytes) -> tuple[Mandate, int]:
    """Parse a hostile request body into a mandate and a slot.

    Raises:
        MalformedError: names the first field that is unknown, missing or mistyped.
    """
    value = parse_json(body, what="question", max_bytes=MAX_QUESTION_BYTES)
    try:
        question = Question.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"][:1]) or "question"
        raise MalformedError(
            f"question `{place}`",
            got=f"{first['msg']}: {first['input']!r}"[:200],
            expected="exactly `mandate` and `slot`",
        ) from error
    return Mandate.from_json(question.mandate), question.slot


class NodeServer(HttpServer):
    """Runs a node's service in a thread of this process, on one socket."""

    def __init__(
        self,
        node: Node,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        body_seconds: float = BODY_SECONDS,
        keeper: KeyKeeper | None = None,
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Args:
            keeper: keeps the node's key attested while this serves.

        Raises:
            OSError: the address is taken.
        """
        super().__init__(
            node_service(node, body_seconds=body_seconds),
            name="affiant-node",
            host=host,
            port=port,
        )
        self.node = node
        self._keeper = keeper

    def start(self) -> Self:
        """Serve in a thread, and keep the key attested in another."""
        super().start()
        if self._keeper is not None:
            self._keeper.start()
        return self

    def stop(self) -> None:
        """Stop serving and keeping, and wait for both."""
        if self._keeper is not None:
            self._keeper.stop()
        super().stop()
