"""The endorser over HTTP: evidence goes in, a signature or all reasons come out."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from affiant.agents.errors import EndorserRefusedError, EndorserUnavailableError
from affiant.agents.nodes.endorser_client import EndorserClient, collect_endorsements
from affiant.audit.desk import EndorserLimits
from affiant.audit.endorser_service import EndorserServer
from affiant.encoding import to_hex
from affiant.onchain.signature import split_signatures
from affiant.signature import recover_signer

pytestmark = pytest.mark.anvil

LIMIT = EndorserLimits().evidence_bytes


@pytest.fixture
def serve(stage: Any) -> Iterator[Callable[..., str]]:
    running: list[EndorserServer] = []

    def start(*, body_seconds: float = 30, **changes: Any) -> str:
        endorser = stage.endorser(**changes)
        running.append(EndorserServer(endorser, body_seconds=body_seconds).start())
        return running[-1].url

    yield start
    for server in running:
        server.stop()


def ask(url: str, body: bytes, *, path: str = "/v1/endorse") -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.post(url + path, content=body, timeout=30)


def test_answers_with_a_signature(stage: Any, serve: Any) -> None:
    bundle, url = stage.sworn(), serve()
    responses = [ask(url, bundle.to_bytes()), ask(url, bundle.to_plain())]
    for response in responses:
        assert response.status_code == 200
        answer = response.json()
        assert sorted(answer) == ["digest", "endorser", "signature"]
        signature = bytes.fromhex(answer["signature"][2:])
        assert answer["digest"] == to_hex(bundle.digest)
        assert recover_signer(bundle.digest, signature=signature) == answer["endorser"]
    assert responses[0].content == responses[1].content
    assert "step_8;dur=" in responses[0].headers["server-timing"]
    assert "step_8" not in responses[1].headers["server-timing"]


def test_says_who_it_is_and_what_it_replays(stage: Any, serve: Any) -> None:
    url = serve()
    response = httpx.get(url + "/v1/endorser", trust_env=False)
    engine = stage.world.engine.manifest
    assert response.json() == {
        "key": stage.desk().key.address,
        "chainId": stage.world.book.chain_id,
        "gate": stage.world.book.gate,
        "model": to_hex(stage.mandate.model),
        "engines": {to_hex(engine.hash): engine.to_json()},
        "mandates": None,
    }


@pytest.mark.parametrize(
    "method, path",
    [("GET", "/v1/endorse"), ("POST", "/v1/sign"), ("GET", "/"), ("GET", "/docs")],
)
def test_there_are_two_endpoints_and_no_more(
    serve: Any, method: str, path: str
) -> None:
    response = httpx.request(method, serve() + path, trust_env=False)
    assert response.status_code in (404, 405)
    assert response.json()["expected"] == "POST /v1/endorse or GET /v1/endorser"


def test_refusals_have_a_status_a_name_and_reasons(stage: Any, serve: Any) -> None:
    first, second = stage.sworn(), stage.sworn()
    url = serve()
    ask(url, first.to_bytes())
    stage.next_slot()
    third = stage.sworn()
    stage.next_slot()
    for body, status, error in (
        (b"rubbish", 400, "EvidenceCorruptError"),
        (b"{}", 400, "EvidenceVersionError"),
        (b'{"a":' * 90 + b"1" + b"}" * 90, 400, "MalformedError"),
        (third.withhold(["plan"]).to_bytes(), 403, "NotEndorsedHereError"),
        (second.to_bytes(), 409, "AlreadySignedError"),
        (third.to_bytes(), 422, "EndorsementRefusedError"),
    ):
        response = ask(url, body)
        answer = response.json()
        assert (response.status_code, answer["error"]) == (status, error), answer
        assert answer["message"] and answer["got"] and answer["expected"]
    steps = answer["steps"]
    assert [step["number"] for step in steps] == list(range(1, 11))
    told = {step["number"]: step for step in steps}
    assert told[4]["status"] == "fail"
    assert (told[4]["got"], told[4]["expected"]) == (
        str(third.decision.slot),
        str(stage.slot),
    )
    assert told[8]["status"] == "skipped"
    assert stage.signed_count() == 1


def test_what_it_cannot_tell_is_503_and_a_full_house_429(
    stage: Any, serve: Any
) -> None:
    from affiant.onchain.chain import Chain
    from affiant.onchain.json_rpc import JsonRpcEndpoint

    gone = Chain(
        JsonRpcEndpoint("http://127.0.0.1:9", timeout=0.5),
        chain_id=stage.world.book.chain_id,
    )
    bundle = stage.sworn()
    blind = ask(serve(chain=gone), bundle.to_bytes())
    assert (blind.status_code, blind.json()["error"]) == (503, "EndorsementOpenError")
    # Which of the endorser's doors is closed is told, and not where it is.
    assert "ChainUnavailableError at the endorser's own chain endpoint" in blind.text
    assert "127.0.0.1" not in blind.text and ":9" not in blind.json()["message"]
    full = ask(serve(limits=EndorserLimits(walks_per_slot=0)), bundle.to_bytes())
    assert (full.status_code, full.json()["error"]) == (429, "EndorserBusyError")
    assert stage.signed_count() == 0


def test_a_bug_answers_500_signs_nothing_and_tells_nothing(
    stage: Any, serve: Any
) -> None:
    bundle, url = stage.sworn(), serve()

    def bug() -> None:
        raise ZeroDivisionError("secret of the endorser")

    stage.replayer.during = bug
    response = ask(url, bundle.to_bytes())
    assert response.status_code == 500
    assert "secret" not in response.text
    assert stage.signed_count() == 0
    stage.replayer.during = None
    assert ask(url, bundle.to_bytes()).status_code == 200


def test_what_could_not_be_recorded_is_not_told(stage: Any, serve: Any) -> None:
    """A driver's error names the values that it did not write: the signature too."""
    bundle, url = stage.sworn(), serve()
    file = stage.folder / "signed-first.sqlite"

    def on_disk(command: str) -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(command)
            connection.commit()

    on_disk(
        "CREATE TRIGGER full BEFORE INSERT ON endorsed BEGIN "
        "SELECT RAISE(FAIL, 'database or disk is full'); END"
    )
    response = ask(url, bundle.to_bytes())
    assert response.status_code == 503
    assert response.json()["error"] == "SignedUnavailableError"
    assert "disk is full" in response.text
    for word in ("INSERT", "parameters", str(file), "sqlite"):
        assert word not in response.text
    assert stage.signed_count() == 0
    on_disk("DROP TRIGGER full")
    signature = ask(url, bundle.to_bytes()).json()["signature"]
    assert signature[2:20] not in response.text
    assert repr(bytes.fromhex(signature[2:]))[2:20] not in response.text


def test_slow_and_endless_bodies_do_not_keep_others_out(stage: Any, serve: Any) -> None:
    bundle, url = stage.sworn(), serve(body_seconds=20)
    host, port = url.removeprefix("http://").split(":")
    slow = []
    for _ in range(100):
        connection = socket.create_connection((host, int(port)), timeout=20)
        connection.sendall(
            b"POST /v1/endorse HTTP/1.1\r\nhost: x\r\n"
            b"content-length: 8000000\r\n\r\n" + bytes(1000)
        )
        slow.append(connection)
    try:
        assert ask(url, bundle.to_bytes()).status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_body_over_the_limit_is_not_read(serve: Any) -> None:
    url = serve()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"content-length: {LIMIT + 1}\r\n\r\n"
        connection.sendall(b"POST /v1/endorse HTTP/1.1\r\nhost: x\r\n" + head.encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert f"at most {LIMIT} bytes".encode() in answer


def test_several_endorsers_are_asked_at_once(stage: Any, serve: Any) -> None:
    bundle = stage.sworn()
    first, second, third = (serve(key=key) for key in ("first", "second", "third"))
    urls = [third, second, first, "http://127.0.0.1:9"]
    clients = [EndorserClient(url, timeout=20) for url in urls]
    found = collect_endorsements(bundle, clients=clients, needed=2, seconds=20)
    joined = split_signatures(bundle.digest, joined=found.joined)
    assert list(joined) == list(stage.mandate.endorsers)
    # `needed` were there before the others were heard, or after: both are right.
    for url, error in found.refused:
        kind = EndorserRefusedError if url == third else EndorserUnavailableError
        assert isinstance(error, kind)
    for client in clients:
        client.close()


def test_a_refused_bundle_yields_reasons_and_no_signature(
    stage: Any, serve: Any
) -> None:
    bundle = stage.sworn()
    clients = [
        EndorserClient(serve(key=key), timeout=20) for key in ("first", "second")
    ]
    stage.next_slot()
    found = collect_endorsements(bundle, clients=clients, needed=2, seconds=20)
    assert (found.endorsements, found.joined, found.silent) == ((), b"", ())
    assert all("step 4" in str(error) for _, error in found.refused)
    for client in clients:
        client.close()


def test_stopping_lets_what_is_under_way_finish(stage: Any) -> None:
    bundle = stage.sworn()
    inside, go_on = threading.Event(), threading.Event()
    server = EndorserServer(stage.endorser()).start()

    def wait() -> None:
        inside.set()
        assert go_on.wait(30)

    stage.replayer.during = wait
    responses: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: responses.append(ask(server.url, bundle.to_bytes()))
    )
    asking.start()
    assert inside.wait(30)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    asking.join()
    stopping.join()
    assert [response.status_code for response in responses] == [200]
    assert stage.signed_count() == 1


def test_error_texts_are_cut(stage: Any, serve: Any) -> None:
    bundle = stage.sworn()
    many = tuple(replace(bundle.calls[0], value=n) for n in range(10))
    response = ask(serve(), replace(bundle, calls=many).to_bytes())
    assert response.status_code == 422
    assert len(response.content) < 20_000
    assert json.loads(response.content)["steps"][0]["status"] == "fail"
