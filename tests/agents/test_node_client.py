"""What a node says of itself: hostile text, like everything it says."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from affiant.agents.errors import NodeRefusedError, NodeUnavailableError
from affiant.agents.nodes.node_client import MAX_SMALL_BYTES, NodeClient
from affiant.agents.nodes.node_info import ClaimedWorkload, SelfChecks
from affiant.encoding import keccak256, to_hex
from affiant.errors import MalformedError

GOOD = {
    "key": "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "model": to_hex(keccak256(b"model")),
    "engine": to_hex(keccak256(b"engine")),
    "programs": [to_hex(keccak256(b"program"))],
    "attestation": None,
    "selfChecks": {"inferences": 3, "prefills": 4, "rollbacks": 1},
}
ATTESTED = {"contract": GOOD["key"], "workload": to_hex(keccak256(b"workload"))}


def client(serve: Any, body: bytes, *, status: int = 200) -> NodeClient:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return NodeClient(serve(answer).url, timeout=5)


def test_reads_what_a_node_serves(serve: Any):
    info = client(serve, json.dumps(GOOD).encode()).node()
    assert info.key == GOOD["key"]
    assert info.programs == (keccak256(b"program"),)
    assert info.self_checks == SelfChecks(inferences=3, prefills=4, rollbacks=1)
    assert info.attestation is None


def test_reads_whose_attestation_a_node_claims(serve: Any):
    body = json.dumps({**GOOD, "attestation": ATTESTED}).encode()
    claimed = client(serve, body).node().attestation
    assert claimed == ClaimedWorkload(GOOD["key"], keccak256(b"workload"))


BAD: dict[str, Any] = {
    "garbage": b"\xff",
    "nothing": b"",
    "a list": b"[]",
    "a field less": {"key": GOOD["key"]},
    "a field more": {**GOOD, "note": "x"},
    "no address": {**GOOD, "key": "0x00"},
    "a wrong checksum": {**GOOD, "key": GOOD["key"].replace("F", "f")},
    "no digest": {**GOOD, "model": 7},
    "programs as text": {**GOOD, "programs": "all"},
    "a program that is none": {**GOOD, "programs": ["0x00"]},
    "an attestation by nobody": {**GOOD, "attestation": {**ATTESTED, "contract": 1}},
    "an attestation of nothing": {**GOOD, "attestation": {"contract": GOOD["key"]}},
    "checks less than none": {
        **GOOD,
        "selfChecks": {**GOOD["selfChecks"], "prefills": -1},
    },
    "checks beyond counting": {
        **GOOD,
        "selfChecks": {**GOOD["selfChecks"], "inferences": 2**53},
    },
    "checks uncounted": {**GOOD, "selfChecks": {"inferences": 1}},
    "too many programs": {**GOOD, "programs": GOOD["programs"] * 300},
    "too much": b" " * (MAX_SMALL_BYTES + 1),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_refuses_what_is_no_description_of_a_node(body: Any, serve: Any):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(MalformedError):
        client(serve, data).node()


@pytest.mark.parametrize(
    "status, error",
    [
        (400, NodeRefusedError),
        (403, NodeRefusedError),
        (422, NodeRefusedError),
        (429, NodeUnavailableError),
        (500, NodeUnavailableError),
        (503, NodeUnavailableError),
        (504, NodeUnavailableError),
        (301, NodeUnavailableError),
        (204, NodeUnavailableError),
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"error":"E","message":"m"}', b"[1]"])
def test_only_a_refusal_is_final(status: int, error: type, body: bytes, serve: Any):
    if status == 204:
        body = b""
    with pytest.raises(error):
        client(serve, body, status=status).node()


def test_nobody_there_is_unavailable():
    with pytest.raises(NodeUnavailableError):
        NodeClient("http://127.0.0.1:1", timeout=2).node()
