"""JSON-RPC over HTTP with hard limits on time and size.

The only module that asks an untrusted endpoint for anything by JSON-RPC; `chain.py`
gives it meaning for everybody else. (`devnet/rpc.py` talks only to the local chain that
we started ourselves.) It decides only whether an answer is a well-formed JSON-RPC
answer to the question asked, within the limits. The endpoint is not trusted: it may
hang, drip bytes, drop the connection, lie about lengths or send garbage, and every such
case ends in a `ChainUnavailableError` within the time limit (`http_exchange.py`).
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from affiant.encoding import JsonValue, parse_json
from affiant.errors import MalformedError
from affiant.http_exchange import HttpEndpoint
from affiant.onchain.errors import (
    ChainAnswerError,
    ChainTimeoutError,
    ChainUnavailableError,
    MethodForbiddenError,
    RateLimitedError,
)
from affiant.onchain.rate_limit import TokenBucket

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest answer accepted, in bytes."""

MAX_BATCH = 100
"""Most requests sent in one batch; longer ones are split."""

MAX_TEXT = 300
"""Most characters of an endpoint's own words that enter an error message."""

RETRY_SECONDS = 1.0
"""How long an endpoint is left alone that wants it, but does not say how long."""

MAX_RETRY_SECONDS = 300.0
"""Longest that an endpoint's own words keep us away."""

READ_METHODS = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_simulateV1",
    }
)
"""What an endpoint that only reads may be asked: nothing in it changes a chain. A
method that is not here is refused, whatever it is called."""


@dataclass(frozen=True)
class RpcFailure:
    """A JSON-RPC error object."""

    code: int
    message: str
    """At most `MAX_TEXT` characters."""
    data: JsonValue
    """Anything; for a revert, usually the revert bytes in hex."""


@dataclass(frozen=True)
class RpcRequest:
    """One method call."""

    method: str
    params: tuple[JsonValue, ...]


class JsonRpcEndpoint:
    """One HTTP(S) endpoint. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        max_bytes: int = MAX_ANSWER_BYTES,
        bucket: TokenBucket | None = None,
        methods: frozenset[str] | None = None,
    ) -> None:
        """Remember the endpoint; nothing is sent yet.

        Args:
            url: `http://` or `https://`, without user information.
            timeout: seconds from sending a request to the last byte of its answer.
            max_bytes: largest answer accepted.
            bucket: how often it may be asked; None: as often as we like.
            methods: all that it may be asked, `READ_METHODS` perhaps; None: anything.

        Raises:
            ValueError: `url` is not of that form, or a limit is not positive.
        """
        if max_bytes <= 0:
            raise ValueError("endpoint limits: expected positive numbers")
        self._http = HttpEndpoint(url, timeout=timeout)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._bucket = bucket
        self._methods = methods
        self._deadline = math.inf
        self._numbers = itertools.count(1)
        self.name = self._http.name
        """Scheme, host and port; the path may hold a key and is never shown."""

    def until(self, deadline: float) -> JsonRpcEndpoint:
        """Return this endpoint, with no answer later than `deadline`.

        Args:
            deadline: monotonic seconds, for all questions together.
        """
        bounded = copy.copy(self)
        bounded._deadline = min(deadline, self._deadline)
        return bounded

    def request(self, method: str, *params: JsonValue) -> JsonValue | RpcFailure:
        """Call one method and return its result or its error object.

        Raises:
            ChainTimeoutError: no complete answer in time.
            RateLimitedError: it wants to be asked less, or we resolved to.
            MethodForbiddenError: this endpoint is not to be asked that.
            ChainAnswerError: the answer is no JSON-RPC answer to this request.
            ChainUnavailableError: no connection.
        """
        number = next(self._numbers)
        body = _request_json(RpcRequest(method, params), number=number)
        answer = self._post(body, method=method)
        return self._outcome(answer, number=number, method=method)

    def batch(
        self, requests: Sequence[RpcRequest]
    ) -> tuple[JsonValue | RpcFailure, ...]:
        """Call several methods, at most `MAX_BATCH` per round trip; results in order.

        Raises:
            As `request`; a batch with an answer missing or repeated is no answer.
        """
        outcomes: list[JsonValue | RpcFailure] = []
        for start in range(0, len(requests), MAX_BATCH):
            outcomes.extend(self._one_batch(requests[start : start + MAX_BATCH]))
        return tuple(outcomes)

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def _one_batch(
        self, requests: Sequence[RpcRequest]
    ) -> list[JsonValue | RpcFailure]:
        method = f"batch of {len(requests)}, first {requests[0].method}"
        numbers = [next(self._numbers) for _ in requests]
        body = [
            _request_json(request, number=number)
            for request, number in zip(requests, numbers, strict=True)
        ]
        answer = self._post(body, method=method)
        if not isinstance(answer, list) or len(answer) != len(requests):
            raise self._garbage(answer, method=method, expected="one answer for each")
        by_number: dict[int, JsonValue] = {}
        for item in answer:
            number = item.get("id") if isinstance(item, dict) else None
            if not isinstance(number, int) or number in by_number:
                raise self._garbage(item, method=method, expected="each id once")
            by_number[number] = item
        return [
            self._outcome(by_number.get(number), number=number, method=request.method)
            for request, number in zip(requests, numbers, strict=True)
        ]

    def _outcome(
        self, answer: JsonValue, *, number: int, method: str
    ) -> JsonValue | RpcFailure:
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
            raise self._garbage(answer, method=method, expected="a JSON-RPC 2.0 answer")
        error = answer.get("error")
        got_number = answer.get("id")
        # A node that could not read the request answers its error with id null.
        if got_number != number and not (got_number is None and error is not None):
            raise self._garbage(answer, method=method, expected=f"id {number}")
        if error is None:
            if "result" not in answer:
                raise self._garbage(answer, method=method, expected="result or error")
            return answer["result"]
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            raise self._garbage(answer, method=method, expected="an error with a code")
        return RpcFailure(
            code=error["code"],
            message=str(error.get("message"))[:MAX_TEXT],
            data=error.get("data"),
        )

    def _garbage(
        self, value: JsonValue, *, method: str, expected: str
    ) -> ChainAnswerError:
        return ChainAnswerError(
            self.name, method=method, got=repr(value)[:MAX_TEXT], expected=expected
        )

    def _post(self, body: JsonValue, *, method: str) -> JsonValue:
        self._require_permitted(body)
        data = json.dumps(body, separators=(",", ":")).encode()
        self._wait_for_turn(len(body) if isinstance(body, list) else 1, method=method)
        left = self._deadline - time.monotonic()
        try:
            answer = self._http.exchange(
                "POST", body=data, max_bytes=self._max_bytes, seconds=left
            )
        except TimeoutError as error:
            raise ChainTimeoutError(
                self.name, method=method, limit=round(min(left, self._timeout), 3)
            ) from error
        except ConnectionError as error:
            raise ChainUnavailableError(
                self.name, method=method, reason=str(error)
            ) from error
        if answer.status == 429:
            raise RateLimitedError(
                self.name,
                method=method,
                got=f"HTTP status 429: {answer.content[:MAX_TEXT]!r}",
                retry_after=_retry_after(answer.headers),
            )
        if answer.status != 200:
            raise ChainAnswerError(
                self.name,
                method=method,
                got=f"HTTP status {answer.status}: {answer.content[:MAX_TEXT]!r}",
                expected="HTTP status 200",
            )
        try:
            return parse_json(answer.content, what="answer", max_bytes=self._max_bytes)
        except MalformedError as error:
            raise ChainAnswerError(
                self.name, method=method, got=error.got, expected=error.expected
            ) from error

    def _require_permitted(self, body: JsonValue) -> None:
        """Refuse what this endpoint may not be asked, before a byte leaves.

        Here, because everything that is asked comes through here.
        """
        if self._methods is None:
            return
        for item in body if isinstance(body, list) else [body]:
            if item["method"] not in self._methods:
                raise MethodForbiddenError(self.name, method=str(item["method"]))

    def _wait_for_turn(self, count: int, *, method: str) -> None:
        """Keep to our own rate; an answer too late to be of use is not asked for."""
        if self._bucket is None:
            return
        within = min(self._deadline - time.monotonic(), self._timeout)
        wait = self._bucket.reserve(count, within=within)
        if wait is None:
            raise RateLimitedError(
                self.name,
                method=method,
                got="more questions than `requests_per_second`",
                retry_after=RETRY_SECONDS,
            )
        if wait:
            time.sleep(wait)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read `Retry-After`: seconds or a date (RFC 9110, 10.2.3); hostile text."""
    text = headers.get("retry-after", "").strip()[:64]
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return min(float(text), MAX_RETRY_SECONDS)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):
        return RETRY_SECONDS
    return min(max(seconds, 0.0), MAX_RETRY_SECONDS)


def _request_json(request: RpcRequest, *, number: int) -> dict[str, JsonValue]:
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": request.method,
        "params": list(request.params),
    }
