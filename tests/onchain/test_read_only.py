"""An endpoint that only reads: what it refuses, before a byte leaves."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from affiant.onchain.errors import MethodForbiddenError
from affiant.onchain.json_rpc import READ_METHODS, JsonRpcEndpoint, RpcRequest

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: what would leave fails otherwise than by being refused."""


@pytest.mark.parametrize(
    "method",
    [
        "eth_sendRawTransaction",
        "eth_sendTransaction",
        "eth_sendRawTransactionConditional",
        "eth_sendPrivateTransaction",
        "eth_sendBundle",
        "eth_sign",
        "eth_signTransaction",
        "personal_unlockAccount",
        "anvil_setBalance",
        "evm_mine",
        "eth_chainid",
        "eth_call ",
        "",
    ],
)
def test_refuses_what_does_not_read(method: str) -> None:
    with closing(JsonRpcEndpoint(NOWHERE, timeout=1, methods=READ_METHODS)) as at:
        bounded = at.until(1e12)
        for endpoint in (at, bounded):
            with pytest.raises(MethodForbiddenError) as caught:
                endpoint.request(method, "0x")
            assert caught.value.method == method
            batch = [RpcRequest("eth_chainId", ()), RpcRequest(method, ("0x",))]
            with pytest.raises(MethodForbiddenError):
                endpoint.batch(batch)


def test_nothing_that_changes_a_chain_is_among_what_reads() -> None:
    for method in READ_METHODS:
        assert re.fullmatch(
            r"eth_(get|block|call|chain|estimate|fee|max|simulate)\w*", method
        )


def test_what_the_client_asks_is_known_here() -> None:
    """A new question of ours must be sorted: among those that read, or not."""
    asked = set()
    for file in (ROOT / "onchain").glob("*.py"):
        if file.name != "json_rpc.py":
            asked |= set(re.findall(r'"(eth_\w+)"', file.read_text()))
    assert asked - READ_METHODS == {"eth_sendRawTransaction"}
