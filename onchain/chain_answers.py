"""What a chain endpoint's answers and refusals mean: parsed values or typed errors.

It decides which typed error an endpoint's JSON-RPC error object stands for, and turns
malformed results into `ChainAnswerError`. Endpoints word their refusals differently and
are not trusted: a wording that we do not know becomes a plain `ChainRefusedError`,
never a guess at something milder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from affiant.encoding import Digest, JsonValue, from_hex, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.onchain.chain_types import parse_quantity
from affiant.onchain.errors import (
    BlockUnknownError,
    CallRevertedError,
    ChainAnswerError,
    ChainRefusedError,
    HistoryMissingError,
    RateLimitedError,
    TransactionRefusedError,
)
from affiant.onchain.json_rpc import (
    RETRY_SECONDS,
    JsonRpcEndpoint,
    RpcFailure,
    RpcRequest,
)
from affiant.onchain.mandate import Address

REVERT_CODE = 3
"""JSON-RPC error code of a reverted call (go-ethereum; anvil, reth and others too)."""

RESOURCE_NOT_FOUND_CODE = -32001
"""JSON-RPC error code of a missing block (EIP-1474)."""

RATE_CODES = frozenset({-32005, 429})
"""Codes by which an endpoint asks to be asked less (EIP-1474; some send HTTP's)."""

TRANSACTION_CODES = frozenset({-32003, *range(-38026, -38009)})
"""Codes by which a transaction, or a call of `eth_simulateV1`, is refused as such
(EIP-1474; execution-apis, `eth_simulateV1`)."""

Parsed = TypeVar("Parsed")

_MISSING_STATE = re.compile(
    r"missing trie node|historical state|state .*(not |un)available|pruned|pruning|"
    r"BlockOutOfRange|distance to target block exceeds",
    re.IGNORECASE,
)
_TOO_OFTEN = re.compile(r"rate|too many|limit exceeded|capacity", re.IGNORECASE)
_MISSING_BLOCK = re.compile(
    r"resource not found|(header|block|hash)[ \w]* not found|unknown block|"
    r"not currently canonical",
    re.IGNORECASE,
)


class ChainAnswers:
    """One endpoint, with every answer either parsed or a typed error."""

    def __init__(self, endpoint: JsonRpcEndpoint) -> None:
        """Wrap an endpoint without asking it anything."""
        self.endpoint = endpoint

    @property
    def name(self) -> str:
        """Scheme, host and port of the endpoint."""
        return self.endpoint.name

    def ask(
        self,
        method: str,
        *params: JsonValue,
        parse: Callable[[JsonValue], Parsed],
        target: Address | None = None,
        block_hash: Digest | None = None,
    ) -> Parsed:
        """Call `method` and return its parsed result.

        Args:
            target: whose code runs; a revert is then a `CallRevertedError`.
            block_hash: the block whose state is read, for the error message.

        Raises:
            AffiantError: as `meaning` says for an error object.
            ChainAnswerError: `parse` refuses the result.
        """
        outcome = self.endpoint.request(method, *params)
        if isinstance(outcome, RpcFailure):
            raise self.meaning(
                outcome, method=method, target=target, block_hash=block_hash
            )
        return self.parsed(method, outcome, parse)

    def ask_quantity(self, method: str, *params: JsonValue) -> int:
        """Call `method` and return its result, a quantity."""
        return self.ask(method, *params, parse=_quantity)

    def call_many(
        self, requests: Sequence[RpcRequest], *, block_hash: Digest | None
    ) -> tuple[int, tuple[bytes | CallRevertedError, ...]]:
        """Make several `eth_call`s; return the chain id of the same batch as well.

        Args:
            requests: each with the call object first among its parameters.
        """
        chain_id, *outcomes = self.endpoint.batch(
            [RpcRequest("eth_chainId", ()), *requests]
        )
        if isinstance(chain_id, RpcFailure):
            raise self.meaning(chain_id, method="eth_chainId")
        returned: list[bytes | CallRevertedError] = []
        for request, outcome in zip(requests, outcomes, strict=True):
            method = request.method
            if not isinstance(outcome, RpcFailure):
                returned.append(self.parsed(method, outcome, _bytes))
                continue
            error = self.meaning(
                outcome,
                method=method,
                target=request.params[0]["to"],
                block_hash=block_hash,
            )
            if not isinstance(error, CallRevertedError):
                raise error
            returned.append(error)
        return self.parsed("eth_chainId", chain_id, _quantity), tuple(returned)

    def parsed(
        self, method: str, value: JsonValue, parse: Callable[[JsonValue], Parsed]
    ) -> Parsed:
        """Return `parse(value)`.

        Raises:
            ChainAnswerError: it raises a `MalformedError`.
        """
        try:
            return parse(value)
        except MalformedError as error:
            raise self.unfit(
                method, got=f"{error.what} {error.got}", expected=error.expected
            ) from error

    def unfit(self, method: str, *, got: str, expected: str) -> ChainAnswerError:
        """Return the error for a result of the wrong form or about something else."""
        return ChainAnswerError(self.name, method=method, got=got, expected=expected)

    def meaning(
        self,
        failure: RpcFailure,
        *,
        method: str,
        target: Address | None = None,
        block_hash: Digest | None = None,
    ) -> AffiantError:
        """Return the typed error that an error object stands for.

        1. a revert, where code was run; 2. state not kept; 3. block not known, where a
        block was named; 4. a transaction refused; 5. asked too often; 6. anything else.
        """
        # 1.
        reverted = failure.code == REVERT_CODE or "revert" in failure.message.lower()
        if target is not None and reverted:
            data = failure.data
            if isinstance(data, dict):
                data = data.get("data")
            try:
                revert = from_hex(data, what="revert data") if data else b""
            except MalformedError as error:
                return self.unfit(method, got=error.got, expected="revert bytes")
            return CallRevertedError(
                target=target, data=revert, message=failure.message
            )
        # 2.
        block = "latest" if block_hash is None else to_hex(block_hash)
        if _MISSING_STATE.search(failure.message):
            return HistoryMissingError(
                self.name, method=method, block=block, message=failure.message
            )
        # 3.
        if block_hash is not None and (
            failure.code == RESOURCE_NOT_FOUND_CODE
            or _MISSING_BLOCK.search(failure.message)
        ):
            return BlockUnknownError(self.name, method=method, block=block)
        # 4.
        if failure.code in TRANSACTION_CODES:
            return TransactionRefusedError(
                self.name, code=failure.code, message=failure.message
            )
        # 5.
        if failure.code in RATE_CODES and _TOO_OFTEN.search(failure.message):
            return RateLimitedError(
                self.name,
                method=method,
                got=f"code {failure.code}: {failure.message!r}",
                retry_after=RETRY_SECONDS,
            )
        # 6.
        return ChainRefusedError(
            self.name, method=method, code=failure.code, message=failure.message
        )


def _quantity(value: JsonValue) -> int:
    return parse_quantity(value, what="result")


def _bytes(value: JsonValue) -> bytes:
    return from_hex(value, what="result")
