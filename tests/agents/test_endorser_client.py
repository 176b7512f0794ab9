"""Endorsers' answers are hostile; several of them may fail in several ways at once."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from affiant.agents.errors import (
    EndorserRefusedError,
    EndorserUnavailableError,
    WrongDecisionError,
)
from affiant.agents.nodes.endorser_client import (
    MAX_ANSWER_BYTES,
    MAX_ENDORSERS,
    Collected,
    EndorserClient,
    collect_endorsements,
)
from affiant.encoding import canonical_json, keccak256, parse_json
from affiant.errors import MalformedError
from affiant.inference.keys import NodeKey
from affiant.onchain.decision import Decision
from affiant.onchain.endorsement import checked
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import SECTIONS, seal
from affiant.onchain.mandate import Address, Mandate, NodePermit

KEYS = [NodeKey(Account.from_key(keccak256(b"endorser %d" % n))) for n in range(4)]
NODE = NodeKey(Account.from_key(keccak256(b"the node")))
VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture
def bundle() -> EvidenceBundle:
    """A bundle of which only decision, mandate and node matter here."""
    stored = json.loads((VECTORS / "mandate.json").read_text())
    mandate = Mandate.from_json(stored["full"]["mandate"])
    named = sorted((key.address for key in KEYS[:3]), key=str.lower)
    mandate = replace(
        mandate,
        nodes=(NodePermit(Address(NODE.address), 0),),
        endorsers=tuple(Address(address) for address in (*named, NODE.address)),
    )
    filler = keccak256(b"filler")
    tokens = [{"prompt": [1], "output": [2]}]
    sealed = seal(
        {
            "attestation": {"tier": 0},
            "manifests": {"book": {}, "engine": {}, "model": {}, "program": {}},
            "observation": {},
            "plan": {},
            "requests": [{}],
            "tokens": tokens,
            "traces": [{}],
        },
        salts={name: bytes(32) for name in SECTIONS},
    )
    decision = Decision(mandate.id, mandate.program, 7, *(filler,) * 7, valid_until=10)
    made = EvidenceBundle(
        chain_id=31337,
        gate=Address("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"),
        decision=decision,
        node=Address(NODE.address),
        signature=bytes(65),
        mandate=mandate,
        calls=(),
        bounds=(),
        receipts=(),
        leaves=sealed.leaves,
        sections=sealed.sections,
    )
    return replace(made, signature=NODE.sign(made.digest))


Answer = Callable[[EvidenceBundle], tuple[int, bytes]]


def signs(key: NodeKey) -> Answer:
    def answer(sent: EvidenceBundle) -> tuple[int, bytes]:
        item = checked(
            sent.digest,
            endorser=Address(key.address),
            signature=key.sign(sent.digest),
        )
        return 200, canonical_json(item.to_json())

    return answer


def says(status: int, body: Any) -> Answer:
    content = body if isinstance(body, bytes) else canonical_json(body)
    return lambda _: (status, content)


REFUSAL = {
    "error": "EndorsementRefusedError",
    "message": "step 4 failed\u202e",
    "got": "",
    "expected": "",
    "steps": [],
}


@pytest.fixture
def endorser(serve: Any) -> Iterator[Callable[..., EndorserClient]]:
    clients: list[EndorserClient] = []

    def start(answer: Answer, *, timeout: float = 10) -> EndorserClient:
        def handle(handler: BaseHTTPRequestHandler, body: bytes) -> None:
            assert handler.path == "/v1/endorse"
            status, content = answer(EvidenceBundle.from_bytes(body))
            handler.send_response(status)
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        clients.append(EndorserClient(serve(handle).url, timeout=timeout))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def test_takes_a_signature_over_this_very_decision(
    endorser: Any, bundle: EvidenceBundle
) -> None:
    item = endorser(signs(KEYS[0])).endorse(bundle)
    assert (item.digest, item.endorser) == (bundle.digest, KEYS[0].address)


def _changed(**changes: Any) -> Answer:
    def answer(sent: EvidenceBundle) -> tuple[int, bytes]:
        value = parse_json(signs(KEYS[0])(sent)[1], what="answer", max_bytes=10_000)
        return 200, canonical_json({**value, **changes})

    return answer


def _of_another(sent: EvidenceBundle) -> tuple[int, bytes]:
    digest = keccak256(b"another decision")
    item = checked(
        digest, endorser=Address(KEYS[0].address), signature=KEYS[0].sign(digest)
    )
    return 200, canonical_json(item.to_json())


BAD: dict[str, tuple[Answer, type[Exception], str]] = {
    "over another decision": (_of_another, WrongDecisionError, "digest"),
    "by nobody's endorser": (signs(KEYS[3]), WrongDecisionError, "endorser"),
    "by the node itself": (signs(NODE), WrongDecisionError, "the node itself"),
    "in another's name": (
        _changed(endorser=KEYS[1].address),
        MalformedError,
        "signer of an endorsement",
    ),
    "with one field more": (_changed(weight=2), MalformedError, "endorsement"),
    "that is short": (_changed(signature="0x00"), MalformedError, "signature"),
    "rubbish": (says(200, b"<html>"), MalformedError, "endorsement"),
    "nothing": (says(200, b""), MalformedError, "endorsement"),
    "too much": (
        says(200, b" " * (MAX_ANSWER_BYTES + 1)),
        MalformedError,
        "at most",
    ),
    "a refusal": (says(422, REFUSAL), EndorserRefusedError, "step 4 failed"),
    "a refusal in rubbish": (says(403, b"\xff"), EndorserRefusedError, "unnamed"),
    "no room": (says(429, REFUSAL), EndorserUnavailableError, "status 429"),
    "no way to tell": (says(503, REFUSAL), EndorserUnavailableError, "status 503"),
    "a bug": (says(500, b"oops"), EndorserUnavailableError, "status 500"),
}


@pytest.mark.parametrize(("answer", "kind", "words"), BAD.values(), ids=BAD)
def test_another_answer_is_refused_by_name(
    endorser: Any,
    bundle: EvidenceBundle,
    answer: Answer,
    kind: type[Exception],
    words: str,
) -> None:
    with pytest.raises(kind, match=words) as caught:
        endorser(answer).endorse(bundle)
    assert "\u202e" not in str(caught.value)


def test_nobody_there_is_unavailable(bundle: EvidenceBundle) -> None:
    client = EndorserClient("http://127.0.0.1:9", timeout=1)
    with pytest.raises(EndorserUnavailableError):
        client.endorse(bundle)


def collect(
    bundle: EvidenceBundle, clients: Any, *, needed: int, seconds: float = 20
) -> Collected:
    return collect_endorsements(bundle, clients=clients, needed=needed, seconds=seconds)


def test_collects_ascending_and_each_once(
    endorser: Any, bundle: EvidenceBundle
) -> None:
    clients = [endorser(signs(KEYS[n])) for n in (2, 0, 1, 0)]
    found = collect(bundle, clients, needed=0)
    addresses = [item.endorser.lower() for item in found.endorsements]
    assert addresses == sorted({key.address.lower() for key in KEYS[:3]})
    assert found.joined == b"".join(item.signature for item in found.endorsements)
    assert (found.refused, found.silent) == ((), ())


def test_returns_as_soon_as_enough_have_signed(
    endorser: Any, bundle: EvidenceBundle
) -> None:
    over = threading.Event()

    def never(sent: EvidenceBundle) -> tuple[int, bytes]:
        over.wait(30)
        return signs(KEYS[2])(sent)

    slow = endorser(never, timeout=30)
    clients = [slow, endorser(signs(KEYS[0])), endorser(signs(KEYS[1]))]
    start = time.monotonic()
    found = collect(bundle, clients, needed=2)
    assert time.monotonic() - start < 15
    assert len(found.endorsements) == 2
    assert found.silent == (slow.url,)
    over.set()


def test_one_endorser_twice_is_not_two(endorser: Any, bundle: EvidenceBundle) -> None:
    clients = [endorser(signs(KEYS[0])), endorser(signs(KEYS[0]))]
    found = collect(bundle, clients, needed=2)
    assert len(found.endorsements) == 1


def test_says_who_did_not_and_why(endorser: Any, bundle: EvidenceBundle) -> None:
    over = threading.Event()

    def never(_: EvidenceBundle) -> tuple[int, bytes]:
        over.wait(30)
        return 500, b""

    clients = [
        endorser(says(422, REFUSAL)),
        endorser(signs(KEYS[1])),
        endorser(_of_another),
        endorser(never, timeout=30),
        EndorserClient("http://127.0.0.1:9", timeout=1),
    ]
    found = collect(bundle, clients, needed=2, seconds=3)
    assert [item.endorser for item in found.endorsements] == [KEYS[1].address]
    told = dict(found.refused)
    assert isinstance(told[clients[0].url], EndorserRefusedError)
    assert isinstance(told[clients[2].url], WrongDecisionError)
    assert isinstance(told[clients[4].url], EndorserUnavailableError)
    assert found.silent == (clients[3].url,)
    over.set()


def test_nobody_asked_is_nobody_signed(bundle: EvidenceBundle) -> None:
    assert collect(bundle, [], needed=1) == Collected((), (), ())


def test_asks_no_more_than_a_mandate_can_name(bundle: EvidenceBundle) -> None:
    clients = [EndorserClient("http://127.0.0.1:9", timeout=1)] * (MAX_ENDORSERS + 1)
    with pytest.raises(ValueError, match="endorsers"):
        collect(bundle, clients, needed=1)


def test_sends_the_evidence_as_it_is(endorser: Any, bundle: EvidenceBundle) -> None:
    seen: list[EvidenceBundle] = []

    def note(sent: EvidenceBundle) -> tuple[int, bytes]:
        seen.append(copy.deepcopy(sent))
        return signs(KEYS[0])(sent)

    endorser(note).endorse(bundle)
    assert seen[0].to_plain() == bundle.to_plain()
