"""Asking endorsers for their signatures over a decision, several at once.

No endorser is trusted. This module decides that an answer came in time and size, and is
one endorser's signature over this very decision's digest, by a key that the mandate
names and that is not the node's. How many it takes is the mandate's ladder to say; who
refused, and why, is told. It sends the whole evidence: whoever must not see a section
must not be asked.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from affiant.agents.errors import (
    EndorserRefusedError,
    EndorserUnavailableError,
    WrongDecisionError,
)
from affiant.agents.nodes.refusal_words import words_of_refusal
from affiant.encoding import parse_json
from affiant.errors import AffiantError
from affiant.http_exchange import HttpEndpoint
from affiant.onchain.endorsement import Endorsement, ascending
from affiant.onchain.evidence import EvidenceBundle

MAX_ANSWER_BYTES = 64 * 1024
"""Largest answer read, in bytes."""

MAX_ENDORSERS = 64
"""Most endorsers asked at once: as many as a mandate can name."""


class EndorserClient:
    """One endorser's HTTP endpoint."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Remember where the endorser is; connects at the first question.

        Args:
            url: such as `http://127.0.0.1:8800`.
            timeout: longest wait for an answer, in seconds; a replay is in it.

        Raises:
            ValueError: `url` is no `http://HOST` or `https://HOST` address.
        """
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._http = HttpEndpoint(self.url, timeout=timeout)

    def endorse(self, bundle: EvidenceBundle) -> Endorsement:
        """Ask for the endorsement of the decision behind `bundle`.

        Raises:
            EndorserRefusedError: it refused; carries its reasons.
            EndorserUnavailableError: no answer in time, no room, or it could not tell.
            WrongDecisionError: a signature over something else, or by a key that the
                mandate does not name as endorser.
            MalformedError: the answer is no endorsement.
        """
        body = self._ask(bundle.to_bytes())
        value = parse_json(body, what="endorsement", max_bytes=MAX_ANSWER_BYTES)
        endorsement = Endorsement.from_json(value)
        for field, holds, got, expected in (
            (
                "digest",
                endorsement.digest == bundle.digest,
                endorsement.digest.hex(),
                bundle.digest.hex(),
            ),
            (
                "endorser",
                endorsement.endorser in bundle.mandate.endorsers,
                endorsement.endorser,
                f"one of {list(bundle.mandate.endorsers)}",
            ),
            (
                "endorser",
                endorsement.endorser != bundle.node,
                "the node itself",
                "somebody else",
            ),
        ):
            if not holds:
                raise WrongDecisionError(field, got=got, expected=expected)
        return endorsement

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, body: bytes) -> bytes:
        try:
            answer = self._http.exchange(
                "POST", path="/v1/endorse", body=body, max_bytes=MAX_ANSWER_BYTES
            )
        except TimeoutError as error:
            raise EndorserUnavailableError(
                self.url, reason=f"no answer within {self._timeout:g} s"
            ) from error
        except ConnectionError as error:
            raise EndorserUnavailableError(self.url, reason=str(error)) from error
        if answer.status == 200:
            return answer.content
        told = words_of_refusal(answer.content)
        if 400 <= answer.status < 500 and answer.status != 429:
            raise EndorserRefusedError(
                self.url, status=answer.status, error=told.error, message=told.message
            )
        raise EndorserUnavailableError(
            self.url, reason=f"status {answer.status}: {told.error}: {told.message}"
        )


@dataclass(frozen=True)
class Collected:
    """What came of asking several endorsers."""

    endorsements: tuple[Endorsement, ...]
    """Ascending by endorser, one of each: the gate's order."""
    refused: tuple[tuple[str, AffiantError], ...]
    """(URL, why) of everyone who did not endorse, in the order of asking."""
    silent: tuple[str, ...]
    """URLs that were not waited for any longer."""

    @property
    def joined(self) -> bytes:
        """The signatures one after the other, as the gate takes them."""
        return b"".join(item.signature for item in self.endorsements)


def collect_endorsements(
    bundle: EvidenceBundle,
    *,
    clients: Sequence[EndorserClient],
    needed: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Ask endorsers at once; return as soon as enough of them have signed.

    It never raises for one of them: a refusal, a late or a lying answer is told. More
    than `needed` are kept only if they had come by then.

    Args:
        bundle: verified evidence; all of it is sent.
        clients: whom to ask.
        needed: distinct endorsers that the decision's rung asks for.
        seconds: longest wait in all.

    Raises:
        ValueError: too many clients.
    """
    if len(clients) > MAX_ENDORSERS:
        raise ValueError(f"endorsers: got {len(clients)}, expected {MAX_ENDORSERS}")
    answers: queue.SimpleQueue[tuple[int, Endorsement | AffiantError]] = (
        queue.SimpleQueue()
    )

    def ask(index: int) -> None:
        try:
            answers.put((index, clients[index].endorse(bundle)))
        except AffiantError as error:
            answers.put((index, error))
        except Exception as error:
            # A bug of ours with one answer must not take the others' away.
            answers.put(
                (
                    index,
                    EndorserUnavailableError(clients[index].url, reason=repr(error)),
                )
            )

    for index in range(len(clients)):
        threading.Thread(
            target=ask, args=(index,), name="affiant-endorsement", daemon=True
        ).start()
    end = clock() + seconds
    found: dict[int, Endorsement] = {}
    refused: dict[int, AffiantError] = {}
    while len(found) + len(refused) < len(clients):
        if len({item.endorser for item in found.values()}) >= needed > 0:
            break
        try:
            index, answer = answers.get(timeout=max(end - clock(), 0))
        except queue.Empty:
            break
        if isinstance(answer, Endorsement):
            found[index] = answer
        else:
            refused[index] = answer
    heard = {*found, *refused}
    return Collected(
        endorsements=ascending(found.values()),
        refused=tuple((clients[at].url, refused[at]) for at in sorted(refused)),
        silent=tuple(
            client.url for at, client in enumerate(clients) if at not in heard
        ),
    )
