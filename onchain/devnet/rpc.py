"""Plain JSON-RPC to a local chain, with batches, for deployments and scenarios.

It trusts the chain at the other end, because we started it; the only JSON-RPC that does
not go through `affiant.onchain.json_rpc`. Everything that must not trust a chain uses
`affiant.onchain.chain` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import httpx
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from affiant.encoding import JsonValue, keccak256, to_hex
from affiant.onchain.devnet.errors import DevnetRpcError
from affiant.onchain.mandate import Address

Request = tuple[str, Sequence[JsonValue]]
"""A method and its parameters."""


class DevnetRpc:
    """A connection to one local chain."""

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        """Connect lazily to `url`; every request gives up after `timeout` seconds."""
        self.url = url
        # Proxies of the environment must never see a loopback chain.
        self._http = httpx.Client(timeout=timeout, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> DevnetRpc:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def request(self, method: str, *params: JsonValue) -> JsonValue:
        """Return the result of one call.

        Raises:
            DevnetRpcError: no answer, or an error.
        """
        return self.batch([(method, params)])[0]

    def batch(self, requests: Sequence[Request]) -> list[JsonValue]:
        """Return the results of several calls sent together, in their order.

        Raises:
            DevnetRpcError: no answer, or an error to any of them.
        """
        if not requests:
            return []
        body = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": list(params)}
            for index, (method, params) in enumerate(requests)
        ]
        try:
            response = self._http.post(self.url, json=body)
            response.raise_for_status()
            answers = response.json()
            by_id = {answer["id"]: answer for answer in answers}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise DevnetRpcError(requests[0][0], got=repr(error)) from error
        results: list[JsonValue] = []
        for index, (method, _) in enumerate(requests):
            answer = by_id.get(index, {})
            if "result" not in answer:
                raise DevnetRpcError(method, got=str(answer.get("error", answer)))
            results.append(answer["result"])
        return results

    def block_number(self) -> int:
        """Return the newest block's number."""
        return int(self.request("eth_blockNumber"), 16)

    def timestamp(self) -> int:
        """Return the newest block's timestamp, unix seconds."""
        block = self.request("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)

    def call(
        self,
        to: Address,
        signature: str,
        arguments: Sequence[object] = (),
        *,
        returns: Sequence[str],
        block: JsonValue = "latest",
    ) -> tuple[object, ...]:
        """Call a view and return its decoded results.

        Args:
            to: the contract.
            signature: as "balanceOf(address)".
            arguments: its arguments, as `eth_abi` takes them.
            returns: ABI types of the results.
            block: tag, hexadecimal number, or {"blockHash": …}.

        Raises:
            DevnetRpcError: no answer, another one than `returns`, or a revert.
        """
        data = calldata(signature, arguments)
        result = self.request("eth_call", {"to": to, "data": to_hex(data)}, block)
        try:
            return tuple(decode(list(returns), bytes.fromhex(str(result)[2:])))
        except (DecodingError, ValueError) as error:
            raise DevnetRpcError(f"eth_call {signature}", got=str(result)) from error

    def call_integer(
        self,
        to: Address,
        signature: str,
        arguments: Sequence[object] = (),
        *,
        block: JsonValue = "latest",
    ) -> int:
        """Call a view whose first word is a signed number and return that.

        Raises:
            DevnetRpcError: as `call`.
        """
        values = self.call(to, signature, arguments, returns=["int256"], block=block)
        return int(str(values[0]))


def calldata(signature: str, arguments: Sequence[object] = ()) -> bytes:
    """Return the selector of `signature` and its encoded arguments."""
    selector = keccak256(signature.encode())[:4]
    types = _split(signature[signature.index("(") + 1 : -1])
    return selector + encode(types, list(arguments))


def _split(types: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(types):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(types[start:index])
            start = index + 1
    return [*parts, types[start:]] if types else []
