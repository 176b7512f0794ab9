"""Several endpoints of one chain: which is asked, and when another is asked instead.

It decides fail-over. An endpoint that cannot be reached, answers late, slowly or with
nonsense, is overloaded, lags behind, or serves another chain, is passed over and left
alone for a while; before it is used again it must show its chain id, and the genesis
block of the others. A *valid* refusal is an answer: a revert, or a transaction that is
refused, is never asked elsewhere in the hope of a better one. Nothing here sends.

It trusts no endpoint, but cannot know the truth. `survey` compares: the same genesis,
the same block at a height that all must have, heads that are not far apart. A minority
is passed over by name; where two tell two histories and nobody is a third, nobody is
believed (`EndpointsDisagreeError`), because going on with either would be a guess.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from affiant.encoding import Digest, to_hex
from affiant.errors import AffiantError
from affiant.onchain.endpoint_reads import EndpointReads
from affiant.onchain.errors import (
    AnchorReorgedError,
    BlockUnknownError,
    ChainIdMismatchError,
    ChainRefusedError,
    ChainTimeoutError,
    ChainUnavailableError,
    EndpointsDisagreeError,
    EndpointsExhaustedError,
    EndpointStaleError,
    HistoryMissingError,
    RateLimitedError,
)
from affiant.onchain.json_rpc import JsonRpcEndpoint

MAX_ENDPOINTS = 16
"""Most endpoints of one chain."""

MAX_LAG = 3
"""Most blocks that an endpoint's head may be behind the others'."""

BUDGET_SECONDS = 30.0
"""Longest that one operation takes, however many endpoints it tries."""

FIRST_REST_SECONDS = 1.0
"""How long an endpoint is left alone after its first failure; doubles with each."""

MAX_REST_SECONDS = 60.0
"""Longest that an endpoint is left alone for failing."""

PATIENCE_SECONDS = 2.0
"""Where all endpoints are asked at once: how long the slow ones are waited for once
one has answered."""

Answer = TypeVar("Answer")

_MISSES = (
    AnchorReorgedError,
    BlockUnknownError,
    ChainRefusedError,
    HistoryMissingError,
)
"""Answers that say "not here": another endpoint may have it, and this one is well."""

_ELSEWHERE = (AnchorReorgedError, ChainIdMismatchError, ChainUnavailableError)
"""What has an operation done again at another endpoint."""


@dataclass
class _Member:
    endpoint: JsonRpcEndpoint
    checked: bool
    """Whether it has shown that it serves the chain since it last failed."""
    failures: int = 0
    rests_until: float = 0.0
    limited_until: float = 0.0
    """By its own words: it is not asked before, whoever else fails."""
    head: int | None = None

    @property
    def name(self) -> str:
        return self.endpoint.name


class EndpointPool:
    """Endpoints of one chain, in the order in which they are preferred. Thread-safe."""

    def __init__(
        self,
        endpoints: Sequence[JsonRpcEndpoint],
        *,
        chain_id: int,
        budget: float = BUDGET_SECONDS,
        max_lag: int = MAX_LAG,
        slow: float | None = None,
        checked: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember the endpoints; nothing is asked yet.

        Args:
            endpoints: the most trusted first.
            chain_id: EIP-155 chain id.
            budget: longest that one operation takes, in seconds.
            max_lag: blocks that a head may be away from the others'.
            slow: an operation that takes more seconds is slow, and its endpoint left
                alone for a while; None: never.
            checked: whether they count as checked until they fail.
            clock: monotonic seconds; must be the one that endpoints' deadlines use.

        Raises:
            ValueError: none, or too many.
        """
        if not 0 < len(endpoints) <= MAX_ENDPOINTS:
            raise ValueError(f"endpoints: expected 1 to {MAX_ENDPOINTS}")
        self._members = [_Member(endpoint, checked) for endpoint in endpoints]
        for index, endpoint in enumerate(endpoints):
            # Paths are not shown, because they hold keys; numbers tell them apart.
            if endpoint.name in [other.name for other in endpoints[:index]]:
                endpoint.name += f" #{index + 1}"
        self.chain_id = chain_id
        self._budget = budget
        self._max_lag = max_lag
        self._slow = slow
        self._clock = clock
        self._genesis: Digest | None = None
        self._least_head = 0
        self._lock = threading.Lock()
        self._served = self._members[0].name

    @property
    def name(self) -> str:
        """The endpoint that served last: scheme, host and port."""
        return self._served

    @property
    def names(self) -> tuple[str, ...]:
        """Every endpoint, in order."""
        return tuple(member.name for member in self._members)

    def close(self) -> None:
        """Close idle connections."""
        for member in self._members:
            member.endpoint.close()

    def run(self, work: Callable[[EndpointReads], Answer]) -> Answer:
        """Return what `work` does with one endpoint, with the first that is well.

        All of `work` is done at one endpoint. Where that fails, all of it is done again
        at the next; it must not send anything.

        Raises:
            AffiantError: the only endpoint's own error; a valid refusal;
                `EndpointsExhaustedError`, or the reason that no endpoint has what was
                asked for, where there are several.
        """
        deadline = self._clock() + self._budget
        errors: list[AffiantError] = []
        for member in self._order():
            if errors and self._clock() >= deadline:
                break
            started = self._clock()
            if member.limited_until > started:
                errors.append(self._wish(member))
                continue
            reads = self._reads(member, deadline=deadline)
            try:
                self._admit(member, reads)
                answer = work(reads)
            except _ELSEWHERE as error:
                self._failed(member, error)
                errors.append(error)
                continue
            self._well(member, reads, seconds=self._clock() - started)
            return answer
        raise self._verdict(errors)

    def everywhere(
        self,
        work: Callable[[EndpointReads], Answer],
        *,
        admitted: bool = True,
        patience: float = PATIENCE_SECONDS,
    ) -> Mapping[str, Answer | AffiantError]:
        """Return what `work` does with every endpoint, at the same time, by name.

        What is raised stands in place of an answer. Endpoints that rest are left out,
        unless all do.

        Args:
            admitted: only with endpoints that show who they are first.
            patience: once one has answered, seconds that the others have; who needs
                longer counts as late, and its answer is not waited for.
        """
        deadline = self._clock() + self._budget

        def one(member: _Member) -> Answer | AffiantError:
            reads = self._reads(member, deadline=deadline)
            try:
                if admitted:
                    self._admit(member, reads)
                answer = work(reads)
            except AffiantError as error:
                if isinstance(error, _ELSEWHERE):
                    self._failed(member, error)
                return error
            if reads.head is not None:
                member.head = reads.head
            return answer

        now = self._clock()
        able = [m for m in self._members if m.limited_until <= now]
        asked = [m for m in able if m.rests_until <= now] or able
        if len(asked) <= 1:
            return {member.name: one(member) for member in asked}
        threads = ThreadPoolExecutor(len(asked), thread_name_prefix="affiant-endpoint")
        futures = {member.name: threads.submit(one, member) for member in asked}
        threads.shutdown(wait=False)
        running = set(futures.values())
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            if any(not isinstance(each.result(), AffiantError) for each in done):
                break
        late = wait(running, timeout=patience).not_done
        return {
            name: ChainTimeoutError(name, method="any", limit=patience)
            if future in late
            else future.result()
            for name, future in futures.items()
        }

    def survey(self) -> None:
        """Ask every endpoint who it is, and compare; pass over who does not fit.

        Raises:
            ChainIdMismatchError, ChainUnavailableError: no endpoint is left.
            EndpointsDisagreeError: two histories, and no majority for one.
        """
        if len(self._members) == 1:
            self._members[0].checked = True  # or not, by the answer to this
            self.run(lambda reads: reads.verify_chain_id())
            return
        answers = self.everywhere(_introduction, admitted=False)
        told = {n: a for n, a in answers.items() if isinstance(a, _Introduction)}
        if not told:
            raise self._verdict(
                [a for a in answers.values() if isinstance(a, AffiantError)]
            )
        told = self._agreeing(
            told, {name: to_hex(item.genesis) for name, item in told.items()}, "genesis"
        )
        told = self._at_one_height(told)
        height = max(0, min(item.head for item in told.values()) - self._max_lag)
        blocks = self.everywhere(
            lambda reads: _hash_at(reads, height, told), admitted=False
        )
        hashes = {n: to_hex(b) for n, b in blocks.items() if isinstance(b, bytes) and b}
        self._agreeing(told, hashes, f"block {height}")
        with self._lock:
            self._genesis = next(iter(told.values())).genesis
            heads = [item.head for item in told.values()]
            self._least_head = _reference(heads) - self._max_lag
            for member in self._members:
                if member.name in hashes and member.name in told:
                    member.checked = True
                    member.head = told[member.name].head

    def _agreeing(
        self,
        told: Mapping[str, _Introduction],
        says: Mapping[str, str],
        what: str,
    ) -> dict[str, _Introduction]:
        """Keep the endpoints that say what most say."""
        counted = Counter(says.values()).most_common(2)
        if not counted:
            raise EndpointsExhaustedError(self.names, reasons=[f"nobody tells {what}"])
        if len(counted) > 1 and counted[0][1] == counted[1][1]:
            raise EndpointsDisagreeError(what, told=says)
        truth = counted[0][0]
        for name, answer in says.items():
            if answer != truth:
                told_apart = {name: answer, "the others": truth}
                self._pass_over(name, EndpointsDisagreeError(what, told=told_apart))
        return {n: item for n, item in told.items() if says.get(n) == truth}

    def _at_one_height(
        self, told: Mapping[str, _Introduction]
    ) -> dict[str, _Introduction]:
        """Keep the endpoints whose heads are close to the others'."""
        reference = _reference([item.head for item in told.values()])
        kept = {}
        for name, item in told.items():
            if abs(item.head - reference) <= self._max_lag:
                kept[name] = item
                continue
            expected = f"within {self._max_lag} of block {reference}"
            error = EndpointStaleError(
                name, method="eth_blockNumber", got=item.head, expected=expected
            )
            self._pass_over(name, error)
        return kept

    def _order(self) -> list[_Member]:
        """Return the members that are well, as configured; then those that rest."""
        now = self._clock()
        with self._lock:
            return sorted(
                self._members,
                key=lambda m: 0.0 if m.rests_until <= now else m.rests_until,
            )

    def _reads(self, member: _Member, *, deadline: float) -> EndpointReads:
        return EndpointReads(
            member.endpoint.until(deadline),
            chain_id=self.chain_id,
            least_head=self._least_head if len(self._members) > 1 else 0,
        )

    def _wish(self, member: _Member) -> RateLimitedError:
        return RateLimitedError(
            member.name,
            method="any",
            got="an earlier wish to be asked less",
            retry_after=member.limited_until - self._clock(),
        )

    def _admit(self, member: _Member, reads: EndpointReads) -> None:
        """Let an endpoint serve that shows the right chain."""
        if member.checked:
            return
        reads.verify_chain_id()
        if self._genesis is not None:
            genesis = reads.block_by_number(0).hash
            if genesis != self._genesis:
                others = to_hex(self._genesis)
                raise EndpointsDisagreeError(
                    "genesis",
                    told={member.name: to_hex(genesis), "the others": others},
                )
        member.checked = True

    def _well(self, member: _Member, reads: EndpointReads, *, seconds: float) -> None:
        with self._lock:
            self._served = member.name
            member.failures = 0
            member.rests_until = 0.0
            if reads.head is not None:
                member.head = reads.head
                if len(self._members) > 2:
                    # The chain grows: what was fresh at the survey grows stale.
                    heads = [m.head for m in self._members if m.head is not None]
                    reference = _reference(heads) - self._max_lag
                    self._least_head = max(self._least_head, reference)
            if self._slow is not None and seconds > self._slow:
                member.rests_until = self._clock() + MAX_REST_SECONDS

    def _failed(self, member: _Member, error: AffiantError) -> None:
        if isinstance(error, _MISSES):
            return
        with self._lock:
            now = self._clock()
            member.checked = False
            member.failures += 1
            rest = FIRST_REST_SECONDS * 2 ** min(member.failures - 1, 10)
            member.rests_until = now + min(rest, MAX_REST_SECONDS)
            if isinstance(error, RateLimitedError):
                member.limited_until = now + error.retry_after

    def _pass_over(self, name: str, error: AffiantError) -> None:
        for member in self._members:
            if member.name == name:
                self._failed(member, error)

    def _verdict(self, errors: Sequence[AffiantError]) -> AffiantError:
        """Return the error to raise where no endpoint served."""
        if len(errors) == 1 and len(self._members) == 1:
            return errors[0]
        kinds = {type(error) for error in errors}
        if kinds == {ChainIdMismatchError}:
            return errors[0]
        for error in errors:
            if isinstance(error, _MISSES):
                return error
        reasons = [str(error) for error in errors] or ["all of them asked for a rest"]
        return EndpointsExhaustedError(self.names, reasons=reasons)


@dataclass(frozen=True)
class _Introduction:
    """What an endpoint says of itself."""

    head: int
    genesis: Digest


def _introduction(reads: EndpointReads) -> _Introduction:
    reads.verify_chain_id()
    return _Introduction(
        # Compared with the others' afterwards, not with an earlier survey's.
        head=reads.any_head(),
        genesis=reads.block_by_number(0).hash,
    )


def _hash_at(
    reads: EndpointReads, height: int, told: Mapping[str, object]
) -> Digest | None:
    """Return the block's hash, of an endpoint that still counts."""
    return reads.block_by_number(height).hash if reads.name in told else None


def _reference(heads: Sequence[int]) -> int:
    """Return the head that the others are measured by.

    Of three or more the middle one: one liar moves it in neither direction. Of two the
    newer one: to lag is common, and who claims the future gains nothing but time.
    """
    return int(statistics.median_high(heads))
