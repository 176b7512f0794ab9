"""The endorser over HTTP: exactly `POST /v1/endorse` and `GET /v1/endorser`.

It hands hostile bytes to the endorser and tells its answer, or its refusal with all ten
steps. It decides only what of a refusal strangers are not told: where the endorser's
chain endpoint is, and what that said. There is nothing to log in to: what it signs,
anybody may have, and what it refuses, it refuses to everybody.

    200  {"digest", "endorser", "signature"}
    else {"error", "message", "got", "expected"}, and "steps" as an audit tells them

    400  no evidence: not parsed, over a limit
    403  not this endorser's to endorse
    409  it would contradict what was signed before
    422  a step failed
    429  no room, no turn, or this slot's replays are spent
    503  a step could not be taken here and now
"""

from __future__ import annotations

from dataclasses import replace

from affiant.agents.errors import ServerBusyError
from affiant.agents.nodes.http_server import (
    Answered,
    Endpoint,
    HttpServer,
    Service,
    ServiceLimits,
    server_timing,
)
from affiant.audit.endorser import Endorser
from affiant.audit.endorser_errors import (
    AlreadySignedError,
    EndorsementOpenError,
    EndorsementRefusedError,
    EndorserBusyError,
    NotEndorsedHereError,
)
from affiant.audit.result import Step
from affiant.encoding import JsonValue, canonical_json, to_hex
from affiant.errors import AffiantError, MalformedError, UnavailableError
from affiant.onchain.errors import ChainIdMismatchError, ChainUnavailableError
from affiant.onchain.evidence_errors import EvidenceError

_OF_THE_ENDPOINT = {
    kind.__name__
    for kind in (
        ChainIdMismatchError,
        ChainUnavailableError,
        *ChainUnavailableError.__subclasses__(),
    )
}
"""Errors that name the endpoint, which is nobody's business, or repeat its words."""

BODY_SECONDS = 30.0
"""Longest time that evidence may take to arrive."""

BODIES_HELD = 4
"""Most bodies of the largest size held at once; of real ones, hundreds."""

_STATUS: tuple[tuple[type[AffiantError], int], ...] = (
    (NotEndorsedHereError, 403),
    (AlreadySignedError, 409),
    (EndorsementRefusedError, 422),
    (MalformedError, 400),
    (EvidenceError, 400),
    (EndorserBusyError, 429),
    (ServerBusyError, 429),
    (UnavailableError, 503),
    (AffiantError, 422),
)
"""First match wins."""


def endorser_service(
    endorser: Endorser, *, body_seconds: float = BODY_SECONDS
) -> Service:
    """Return what `endorser` serves over HTTP.

    Args:
        body_seconds: longest time that evidence may take to arrive.
    """

    def endorse(body: bytes) -> Answered:
        try:
            endorsed = endorser.endorse(body)
        except (EndorsementRefusedError, EndorsementOpenError) as error:
            told = [_without_endpoint(step) for step in error.steps]
            raise type(error)(error.digest, steps=told) from error
        return Answered(
            canonical_json(endorsed.endorsement.to_json()),
            {"Server-Timing": server_timing(endorsed.seconds)},
        )

    return Service(
        what="evidence",
        endpoints=(
            Endpoint("POST", "/v1/endorse", endorse),
            Endpoint(
                "GET",
                "/v1/endorser",
                lambda _body: Answered(canonical_json(about(endorser))),
            ),
        ),
        statuses=_STATUS,
        limits=ServiceLimits(
            body_bytes=endorser.limits.evidence_bytes,
            body_seconds=body_seconds,
            held_bytes=BODIES_HELD * endorser.limits.evidence_bytes,
        ),
        more=_steps,
    )


def about(endorser: Endorser) -> dict[str, JsonValue]:
    """Return what an endorser says about itself (unsworn)."""
    desk = endorser.desk
    return {
        "key": desk.address,
        "chainId": desk.chain.chain_id,
        "gate": desk.gate,
        "model": to_hex(desk.model),
        "engines": {
            to_hex(profile): bench.manifest.to_json()
            for profile, bench in desk.profiles.items()
        },
        "mandates": None
        if desk.mandates is None
        else sorted(map(to_hex, desk.mandates)),
    }


def _without_endpoint(step: Step) -> Step:
    """Return a step less where the endorser's chain endpoint is, and what it said."""
    if step.error not in _OF_THE_ENDPOINT:
        return step
    return replace(
        step,
        detail=f"{step.error} at the endorser's own chain endpoint",
        got=None,
        expected=None,
    )


def _steps(error: AffiantError) -> dict[str, JsonValue]:
    if isinstance(error, EndorsementRefusedError | EndorsementOpenError):
        return {"steps": [step.to_json() for step in error.steps]}
    return {}


class EndorserServer(HttpServer):
    """Runs an endorser's service in a thread of this process, on one socket."""

    def __init__(
        self,
        endorser: Endorser,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Bind the socket; port 0 takes a free one.

        Raises:
            OSError: the address is taken.
        """
        super().__init__(
            endorser_service(endorser, body_seconds=body_seconds),
            name="affiant-endorser",
            host=host,
            port=port,
        )
        self.endorser = endorser

    def stop(self) -> None:
        """Stop serving, then the endorser: what it has signed is on disk."""
        super().stop()
        self.endorser.close()
