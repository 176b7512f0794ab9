"""A node: the programs it serves, and one decision at a time for whoever asks.

It decides who waits and who is turned away, so that one engine never runs two
inferences at once and a queue never grows without bound. What is sworn is `decide`'s
business. It trusts nobody who asks: anybody may, and gets the same answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from types import MappingProxyType

from affiant.agents.deciding.attested import KeyAttestation
from affiant.agents.deciding.decide import Serving, decide
from affiant.agents.deciding.phases import Phases
from affiant.agents.errors import DecisionTimeoutError, NodeBusyError, NotServedError
from affiant.agents.nodes.node_info import ClaimedWorkload, NodeInfo, SelfChecks
from affiant.agents.programs.program import Program
from affiant.encoding import Digest, to_hex
from affiant.inference.infer import Inference
from affiant.inference.keys import NodeKey
from affiant.onchain.address_book import AddressBook
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.mandate import Mandate

MAX_WAITING = 8
"""Most decisions waiting or running at once; the next asker is turned away."""

DECISION_SECONDS = 300.0
"""Longest that an asker is kept waiting; the decision itself goes on."""


@dataclass(frozen=True)
class Decided:
    """A decision as handed out."""

    bundle: EvidenceBundle
    seconds: Mapping[str, float]
    """Seconds per phase; empty where the slot was answered before."""


class Node:
    """Serves programs over one address book with one engine and one key."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        book: AddressBook,
        serving: Serving,
        max_waiting: int = MAX_WAITING,
        decision_seconds: float = DECISION_SECONDS,
    ) -> None:
        """Check that the programs can be served at all.

        Args:
            programs: all for the engine's model and this book.
            book: contracts by name.
            serving: engine, key, chain, store and memory.
            max_waiting: most decisions waiting or running.
            decision_seconds: longest wait of one asker.

        Raises:
            NotServedError: a program is for another book, model or engine.
        """
        for program in programs:
            program.require_book(book)
            for field, got, expected in (
                ("program.model", program.model, serving.model),
                ("program.engine", program.engine, serving.engine.manifest.hash),
            ):
                if got != expected:
                    raise NotServedError(
                        field, got=to_hex(got), expected=to_hex(expected)
                    )
        self.programs: Mapping[Digest, Program] = MappingProxyType(
            {program.hash: program for program in programs}
        )
        """By hash."""
        self.book = book
        self.serving = serving
        self._max_waiting = max_waiting
        self._decision_seconds = decision_seconds
        self._waiting = 0
        self._checks = SelfChecks()
        self._lock = threading.Lock()
        # One thread for the engine's whole life: some engines are bound to theirs.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="affiant-decide")

    @property
    def info(self) -> NodeInfo:
        """What the node tells whoever asks."""
        serving = self.serving
        by = serving.attestation
        return NodeInfo(
            key=serving.key.address,
            model=serving.model,
            engine=serving.engine.manifest.hash,
            programs=tuple(self.programs),
            attestation=(
                None if by is None else ClaimedWorkload(by.client.address, by.workload)
            ),
            self_checks=self._checks,
        )

    def decide(self, mandate: Mandate, *, slot: int) -> Decided:
        """Return the decision of `mandate` in `slot`, made now or before.

        Raises:
            NodeBusyError: too many wait already.
            DecisionTimeoutError: not ready in time; it goes on.
            RejectedError, UnavailableError: as `affiant.agents.deciding.decide.decide`.
        """
        program = self.programs.get(mandate.program)
        if program is None:
            raise NotServedError(
                "program",
                got=to_hex(mandate.program),
                expected=f"one of {[to_hex(known) for known in self.programs]}",
            )
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise NodeBusyError(waiting=self._waiting, limit=self._max_waiting)
            self._waiting += 1
        future = self._worker.submit(self._decide, program, mandate, slot)
        # Counted until it is really over, not until somebody stopped waiting.
        future.add_done_callback(self._leave)
        try:
            return future.result(timeout=self._decision_seconds)
        except FutureTimeoutError as error:
            if future.done():
                raise
            raise DecisionTimeoutError(seconds=self._decision_seconds) from error

    def use_key(self, key: NodeKey, attestation: KeyAttestation) -> None:
        """Swear with `key` from the next decision on.

        A decision in progress ends with the key that it began with. Slots that were
        answered keep their answer.
        """
        self.serving = replace(self.serving, key=key, attestation=attestation)

    def close(self) -> None:
        """Wait for the decision in progress and drop those that wait."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _decide(self, program: Program, mandate: Mandate, slot: int) -> Decided:
        phases = Phases(time.monotonic)

        def count(inference: Inference) -> None:
            # Only the worker's thread does.
            self._checks = self._checks.with_one(
                prefills=inference.prefills, rollbacks=inference.rollbacks
            )

        bundle = decide(
            program=program,
            book=self.book,
            mandate=mandate,
            slot=slot,
            serving=self.serving,
            phases=phases,
            inferred=count,
        )
        return Decided(bundle, MappingProxyType(phases.seconds))

    def _leave(self, _future: Future[Decided]) -> None:
        with self._lock:
            self._waiting -= 1
