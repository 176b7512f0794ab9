"""A lying service: whatever it changes, withholds or invents, no text comes back."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from affiant.encoding import Digest, canonical_json, keccak256, to_hex
from affiant.errors import AffiantError, MalformedError
from affiant.inference.chat.client import ChatClient, open_tokenizer, with_nonce
from affiant.inference.chat.completion import Completion, text_hash
from affiant.inference.chat.errors import (
    AlteredAnswerError,
    ChatRequestError,
    ParameterUnsupportedError,
    ReplayRefusedError,
    ServiceRefusedError,
    ServiceUnavailableError,
    StreamCutError,
    UnderivedError,
    UnswornError,
    UntrustedError,
    WrongCompletionError,
)
from affiant.inference.chat.events import events
from affiant.inference.chat.serve import ChatServer
from affiant.inference.chat.trust import UNSAFE_ANY, Trust
from affiant.inference.chat.verify import check_replay
from affiant.inference.commitment import ModelCommitment
from affiant.inference.errors import ReceiptMismatchError, SamplingUnsupportedError
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import tokens_hash
from affiant.inference.sampling import GREEDY
from affiant.inference.trace import Trace
from affiant.inference.transformers_engine import TransformersEngine
from affiant.signature import Address

BODY: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "what now? WETH 1500 USDC hold"}],
    "max_completion_tokens": 16,
    "seed": 7,
}
OPENED: list[ChatClient] = []
STREAM = {**BODY, "stream": True}


def trust_of(server: ChatServer) -> Trust:
    """Return the trust root that fits `server`."""
    node = server.node
    return Trust(key=node.address, model=node.model, engine=node.engine.manifest.hash)


def client_of(
    server: ChatServer,
    *,
    url: str | None = None,
    timeout: float = 20,
    trust: Trust | None = None,
    **options: Any,
) -> ChatClient:
    """Return a client that trusts `server`, or asks somebody else instead of it."""
    found = ChatClient(
        f"{url or server.url}/v1",
        trust=trust or trust_of(server),
        timeout=timeout,
        **options,
    )
    OPENED.append(found)
    return found


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close every client at the end of its test."""
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def client(server: ChatServer) -> ChatClient:
    """A client that trusts the usual service."""
    return client_of(server)


def test_returns_what_was_sworn(client: ChatClient, server: ChatServer) -> None:
    answer = client.complete(BODY)
    assert answer.completion.text == text_hash(answer.text)
    assert answer.completion.key == server.node.address
    assert answer.derived is False
    # What was sent can be shown, and is what was sworn to.
    assert isinstance(answer.request, dict)
    assert keccak256(canonical_json(answer.request)) == (
        answer.completion.receipt.request
    )
    assert len(answer.request["affiant"]["nonce"]) == 66


@pytest.mark.parametrize("window", [None, 4])
def test_streams_are_verified_before_anything_is_returned(
    client: ChatClient, window: int | None
) -> None:
    body = STREAM if window is None else {**STREAM, "affiant": {"release": window}}
    answer = client.complete(body)
    assert answer.completion.self_check.window == window
    assert answer.text == client.complete(BODY).text


def test_text_that_nobody_swore_to_is_spelled_unsafe(client: ChatClient) -> None:
    stream = client.unsafe_stream({**BODY, "affiant": {"release": 4}})
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as over:
            assert "".join(pieces) == over.value.text
            break
    assert len(pieces) >= 4


def test_with_the_model_at_hand_prompt_and_text_are_derived(
    server: ChatServer, tiny_model: Path
) -> None:
    trust = trust_of(server)
    tokenizer = open_tokenizer(tiny_model, model=trust.model)
    client = client_of(server, tokenizer=tokenizer)
    assert client.complete(BODY).derived
    assert client.complete(STREAM).derived


def test_the_folder_must_be_of_the_trusted_model(
    server: ChatServer, other_model: Path
) -> None:
    with pytest.raises(UntrustedError, match="model folder"):
        open_tokenizer(other_model, model=trust_of(server).model)


def test_replays_where_asked(
    client: ChatClient,
    server: ChatServer,
    engine: TransformersEngine,
    other_engine: TransformersEngine,
) -> None:
    completion = client.complete({**BODY, "seed": 9}).completion
    model = server.node.model
    assert check_replay(completion, engine=engine, model=model).grade == "exact"
    with pytest.raises(ReceiptMismatchError, match="model"):
        check_replay(completion, engine=engine, model=Digest(bytes(32)))
    with pytest.raises(ReplayRefusedError) as caught:
        check_replay(completion, engine=other_engine, model=model)
    assert "inconsistent" in caught.value.got


def test_attests_to_a_fresh_nonce(client: ChatClient, server: ChatServer) -> None:
    assert client.attestation().key == server.node.address
    other = replace(client.trust, key=Address("0x" + "11" * 20))
    with pytest.raises(UntrustedError, match="key"):
        client_of(server, trust=other).attestation()


# -- what a client refuses to ask ------------------------------------------------------


def test_refuses_to_ask_without_a_limit(client: ChatClient) -> None:
    body = {k: v for k, v in BODY.items() if k != "max_completion_tokens"}
    with pytest.raises(ChatRequestError) as caught:
        client.complete(body)
    assert caught.value.param == "max_completion_tokens"


def test_refuses_what_is_not_covered_before_asking(server: ChatServer) -> None:
    client = client_of(server, url="http://127.0.0.1:9")
    for body in (BODY, STREAM):
        with pytest.raises(ParameterUnsupportedError):
            client.complete({**body, "top_p": 0.5})


def test_a_nonce_of_the_callers_is_kept() -> None:
    nonce = "0x" + "07" * 32
    assert with_nonce({**BODY, "affiant": {"nonce": nonce}})["affiant"] == {
        "nonce": nonce
    }
    assert with_nonce({**BODY, "affiant": {"release": 3}})["affiant"]["release"] == 3
    assert with_nonce(BODY) != with_nonce(BODY)
    assert "affiant" not in BODY


def test_nobody_is_trusted_by_default() -> None:
    known: dict[str, Any] = {
        "key": "0x" + "11" * 20,
        "model": "0x" + "22" * 32,
        "engine": "0x" + "33" * 32,
    }
    assert Trust.parse(**known).key == "0x" + "11" * 20
    for name in known:
        for nothing in (None, ""):
            with pytest.raises(ValueError, match=f"trusted {name}"):
                Trust.parse(**{**known, name: nothing})
        with pytest.raises(MalformedError):
            Trust.parse(**{**known, name: "any"})
        assert getattr(Trust.parse(**{**known, name: "unsafe-any"}), name) == UNSAFE_ANY
    with pytest.raises(TypeError):
        Trust()  # type: ignore[call-arg]


def test_unsafe_any_believes_anybody(server: ChatServer) -> None:
    anybody = Trust(key=UNSAFE_ANY, model=UNSAFE_ANY, engine=UNSAFE_ANY)
    assert client_of(server, trust=anybody).complete(BODY).text
    assert client_of(server, trust=anybody).attestation()


@pytest.mark.parametrize("field", ["key", "model", "engine"])
def test_refuses_another_key_model_or_engine(server: ChatServer, field: str) -> None:
    other: Any = "0x" + "11" * 20 if field == "key" else Digest(bytes(32))
    client = client_of(server, trust=replace(trust_of(server), **{field: other}))
    for body in (BODY, STREAM):
        with pytest.raises(UntrustedError) as caught:
            client.complete(body)
        assert caught.value.field == field
        assert caught.value.got and caught.value.expected


# -- a service that lies ---------------------------------------------------------------


Twist = Callable[[bytes], bytes]


@pytest.fixture
def lying(server: ChatServer) -> Iterator[Callable[..., str]]:
    """Start services that pass answers of the honest one on, changed."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(
        twist: Twist, *, cut: int | None = None, status: int | None = None
    ) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with httpx.Client(trust_env=False, timeout=20) as honest:
                    answer = honest.post(
                        server.url + self.path,
                        content=body,
                        headers={"content-type": "application/json"},
                    )
                content = twist(answer.content)
                self.send_response(status or answer.status_code)
                if cut is None:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:cut])

            def log_message(self, *_: Any) -> None:
                pass

        liar = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(liar)
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{liar.server_port}"

    yield start
    for liar in started:
        liar.shutdown()
        liar.server_close()


def edit(change: Callable[[dict[str, Any]], Any]) -> Twist:
    """Return a twist of the answer's JSON; `change` may return another one."""

    def twist(content: bytes) -> bytes:
        value = json.loads(content)
        return json.dumps(change(value) or value).encode()

    return twist


def put(*place: Any, value: Any) -> Twist:
    """Return a twist that puts `value` at a place of the answer."""

    def change(answer: dict[str, Any]) -> None:
        inner: Any = answer
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value

    return edit(change)


def drop(*place: Any) -> Twist:
    """Return a twist that takes a place out of the answer."""

    def change(answer: dict[str, Any]) -> None:
        inner: Any = answer
        for step in place[:-1]:
            inner = inner[step]
        del inner[place[-1]]

    return edit(change)


MESSAGE = ("choices", 0, "message")
SWORN = ("affiant",)
LIES: dict[str, tuple[Twist, type[AffiantError]]] = {
    "another text": (put(*MESSAGE, "content", value="buy now"), AlteredAnswerError),
    "a letter more": (
        edit(lambda a: a["choices"][0]["message"].update(content="x" + str(a))),
        AlteredAnswerError,
    ),
    "no text": (put(*MESSAGE, "content", value=None), MalformedError),
    "empty text": (put(*MESSAGE, "content", value=""), AlteredAnswerError),
    "half a surrogate": (
        put(*MESSAGE, "content", value="\ud800"),
        AlteredAnswerError,
    ),
    "a refusal": (put(*MESSAGE, "refusal", value="no"), MalformedError),
    "tool calls": (put(*MESSAGE, "tool_calls", value=[{}]), MalformedError),
    "a user's message": (put(*MESSAGE, "role", value="user"), MalformedError),
    "another reason": (
        put("choices", 0, "finish_reason", value="content_filter"),
        AlteredAnswerError,
    ),
    "no reason": (put("choices", 0, "finish_reason", value=None), MalformedError),
    "two choices": (
        edit(lambda a: a["choices"].append(deepcopy(a["choices"][0]))),
        MalformedError,
    ),
    "no choice": (put("choices", value=[]), MalformedError),
    "choices as text": (put("choices", value="x"), MalformedError),
    "another index": (put("choices", 0, "index", value=1), MalformedError),
    "another id": (put("id", value="chatcmpl-x"), AlteredAnswerError),
    "another time": (put("created", value=5), AlteredAnswerError),
    "no time": (put("created", value=None), MalformedError),
    "a time that is not a number": (put("created", value=float("nan")), MalformedError),
    "another model's name": (put("model", value="gpt-9"), AlteredAnswerError),
    "another fingerprint": (
        put("system_fingerprint", value="fp_0"),
        AlteredAnswerError,
    ),
    "fewer tokens billed": (
        put(
            "usage",
            value={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        ),
        AlteredAnswerError,
    ),
    "a wrong sum": (put("usage", "total_tokens", value=1), MalformedError),
    "another object": (put("object", value="text_completion"), MalformedError),
    "no completion": (drop(*SWORN), UnswornError),
    "a null completion": (put(*SWORN, value=None), UnswornError),
    "an empty completion": (put(*SWORN, value={}), MalformedError),
    "completion as text": (put(*SWORN, value="trust me"), MalformedError),
    "no receipt": (drop(*SWORN, "receipt"), MalformedError),
    "no signature": (drop(*SWORN, "signature"), MalformedError),
    "an empty signature": (put(*SWORN, "signature", value="0x"), MalformedError),
    "a zero signature": (
        put(*SWORN, "signature", value="0x" + "00" * 65),
        MalformedError,
    ),
    "another prompt": (
        edit(lambda a: a["affiant"]["promptIds"].append(1)),
        ReceiptMismatchError,
    ),
    "another token": (put(*SWORN, "outputIds", 0, value=3), ReceiptMismatchError),
    "an id out of range": (put(*SWORN, "outputIds", 0, value=2**32), MalformedError),
    "a negative id": (put(*SWORN, "promptIds", 0, value=-1), MalformedError),
    "an id that is true": (put(*SWORN, "promptIds", 0, value=True), MalformedError),
    "no tokens": (put(*SWORN, "outputIds", value=[]), MalformedError),
    "endless tokens": (put(*SWORN, "outputIds", value=[1] * 70_000), MalformedError),
    "another trace": (
        put(*SWORN, "trace", "tokens", 0, 1, value="0x" + "11" * 32),
        ReceiptMismatchError,
    ),
    "a shorter trace": (
        edit(lambda a: a["affiant"]["trace"]["tokens"].pop() and None),
        ReceiptMismatchError,
    ),
    "another engine": (
        put(*SWORN, "manifest", "dtype", value="int4"),
        ReceiptMismatchError,
    ),
    "another temperature": (
        put(*SWORN, "sampling", "temperature", value=[1, 2]),
        WrongCompletionError,
    ),
    "top_p in the sampling": (
        put(*SWORN, "sampling", "top_p", value=1),
        SamplingUnsupportedError,
    ),
    "another seed": (put(*SWORN, "seed", value="0x" + "11" * 32), WrongCompletionError),
    "another limit": (put(*SWORN, "maxTokens", value=17), WrongCompletionError),
    "a schema": (put(*SWORN, "schema", value={}), WrongCompletionError),
    "not finished": (
        edit(lambda a: a["affiant"].update(finished=not a["affiant"]["finished"])),
        AlteredAnswerError,
    ),
    "fewer rollbacks": (put(*SWORN, "selfCheck", "rollbacks", value=9), MalformedError),
    "an error with status 200": (
        lambda _: b'{"error":{"message":"x"}}',
        MalformedError,
    ),
    "nothing": (lambda _: b"", MalformedError),
    "a list": (lambda _: b"[]", MalformedError),
    "deep JSON": (lambda _: b"[" * 200_000, MalformedError),
    "a key twice": (
        lambda content: content[:-1] + b',"choices":[]}',
        MalformedError,
    ),
    "infinity": (put("created", value=float("inf")), MalformedError),
    "a long number": (lambda _: b'{"created":' + b"9" * 9999 + b"}", MalformedError),
}


@pytest.mark.parametrize("twist, expected", LIES.values(), ids=list(LIES))
def test_a_changed_answer_is_refused(
    server: ChatServer,
    lying: Callable[..., str],
    twist: Twist,
    expected: type[AffiantError],
) -> None:
    client = client_of(server, url=lying(twist))
    with pytest.raises(expected) as caught:
        client.complete(BODY)
    assert type(caught.value) is expected
    assert getattr(caught.value, "got", None) is not None
    assert getattr(caught.value, "expected", None)


def test_answers_of_before_are_refused(
    server: ChatServer, lying: Callable[..., str]
) -> None:
    kept = httpx.post(
        f"{server.url}/v1/chat/completions", json=BODY, trust_env=False, timeout=20
    ).content
    # Sworn by the right key, to the same question; and asked before.
    client = client_of(server, url=lying(lambda _: kept))
    with pytest.raises(WrongCompletionError) as caught:
        client.complete(BODY)
    assert caught.value.field == "request"


def test_a_completion_under_another_answer_is_refused(
    server: ChatServer, client: ChatClient, lying: Callable[..., str]
) -> None:
    other = client.complete({**BODY, "seed": 8})
    answer = put("affiant", value=other.completion.to_json())
    with pytest.raises(WrongCompletionError):
        client_of(server, url=lying(answer)).complete(BODY)


def resworn(key: NodeKey, **changes: Any) -> Twist:
    """Return a twist by somebody who holds `key`: other statements, well signed."""

    def change(answer: dict[str, Any]) -> None:
        completion = Completion.from_json(answer["affiant"])
        changed = replace(completion, key=Address(key.address), **changes)
        answer["affiant"] = changed.signed(key.sign(changed.digest)).to_json()
        answer["id"] = changed.name

    return edit(change)


def test_another_keys_completion_is_refused(
    server: ChatServer, other_key: NodeKey, lying: Callable[..., str]
) -> None:
    with pytest.raises(UntrustedError, match="key"):
        client_of(server, url=lying(resworn(other_key))).complete(BODY)


SWORN_LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another temperature": ({"sampling": GREEDY, "seed": None}, "sampling"),
    "a seed of its own": ({"seed": bytes(32)}, "seed"),
    "a schema that nobody asked for": ({"schema": {"type": "object"}}, "schema"),
    "a limit of its own": ({"max_tokens": 15}, "maxTokens"),
    "cut short": ({"finished": False, "max_tokens": 16}, "output"),
}


@pytest.mark.parametrize("case", SWORN_LIES)
def test_the_right_key_cannot_swear_to_another_reading(
    server: ChatServer, node_key: NodeKey, lying: Callable[..., str], case: str
) -> None:
    changes, field = SWORN_LIES[case]
    twist = resworn(node_key, **changes)
    if case == "cut short":

        def twist(content: bytes) -> bytes:
            answer = json.loads(content)
            completion = Completion.from_json(answer["affiant"])
            ids, entries = completion.output_ids[:3], completion.trace.entries[:3]
            trace = Trace(entries)
            receipt = replace(
                completion.receipt, output=tokens_hash(ids), trace=trace.root
            )
            cut = {"output_ids": ids, "trace": trace, "receipt": receipt}
            return resworn(node_key, finished=False, **cut)(content)

    with pytest.raises(WrongCompletionError) as caught:
        client_of(server, url=lying(twist)).complete(BODY)
    assert caught.value.field == field


def test_a_sworn_text_that_the_tokens_do_not_spell_is_refused(
    server: ChatServer, node_key: NodeKey, lying: Callable[..., str], tiny_model: Path
) -> None:
    def lie(content: bytes) -> bytes:
        sworn = resworn(node_key, text=text_hash("buy now"))(content)
        return put(*MESSAGE, "content", value="buy now")(sworn)

    url = lying(lie)
    # Without the model's files it is the key's word; with them it is a lie.
    assert client_of(server, url=url).complete(BODY).text == "buy now"
    tokenizer = open_tokenizer(tiny_model, model=server.node.model)
    with pytest.raises(UnderivedError) as caught:
        client_of(server, url=url, tokenizer=tokenizer).complete(BODY)
    assert caught.value.field == "text"


def test_a_prompt_that_the_messages_do_not_make_is_refused(
    server: ChatServer, node_key: NodeKey, lying: Callable[..., str], tiny_model: Path
) -> None:
    def lie(content: bytes) -> bytes:
        answer = json.loads(content)
        completion = Completion.from_json(answer["affiant"])
        ids = (5, *completion.prompt_ids)
        receipt = replace(completion.receipt, prompt=tokens_hash(ids))
        request = keccak256(
            b"affiant-chat-seed/1" + receipt.prompt + b"\1" + (7).to_bytes(8, "big")
        )
        answer["usage"]["prompt_tokens"] += 1
        answer["usage"]["total_tokens"] += 1
        changes = {"prompt_ids": ids, "receipt": receipt, "seed": request}
        return resworn(node_key, **changes)(json.dumps(answer).encode())

    tokenizer = open_tokenizer(tiny_model, model=server.node.model)
    with pytest.raises(UnderivedError) as caught:
        client_of(server, url=lying(lie), tokenizer=tokenizer).complete(BODY)
    assert caught.value.field == "prompt"


# -- streams ---------------------------------------------------------------------------


def chunks(content: bytes) -> list[Any]:
    """Return the events of a stream as JSON, `[DONE]` as text."""
    return [
        data.decode() if data == b"[DONE]" else json.loads(data)
        for data in events([content], max_bytes=10**7)
    ]


def stream_of(values: list[Any]) -> bytes:
    """Return the stream of these events."""
    return b"".join(
        b"data: "
        + (value.encode() if isinstance(value, str) else json.dumps(value).encode())
        + b"\n\n"
        for value in values
    )


def restream(change: Callable[[list[Any]], Any]) -> Twist:
    """Return a twist of a stream's events."""

    def twist(content: bytes) -> bytes:
        found = chunks(content)
        return stream_of(change(found) or found)

    return twist


def last_of(found: list[Any]) -> dict[str, Any]:
    """Return the chunk with the completion."""
    (last,) = [c for c in found if isinstance(c, dict) and "affiant" in c]
    return last


def move_completion(found: list[Any]) -> None:
    found[1]["affiant"] = last_of(found).pop("affiant")


def put_reason_first(found: list[Any]) -> None:
    found[1]["choices"][0]["finish_reason"] = "stop"


STREAM_LIES: dict[str, tuple[Twist, type[AffiantError]]] = {
    "another text": (
        restream(lambda f: f[1]["choices"][0]["delta"].update(content="buy now")),
        AlteredAnswerError,
    ),
    "a piece twice": (restream(lambda f: f.insert(1, f[1])), AlteredAnswerError),
    "a piece missing": (
        restream(lambda f: [c for i, c in enumerate(f) if i != 1]),
        AlteredAnswerError,
    ),
    "a completion too many": (
        restream(lambda f: f[1].update(affiant=last_of(f)["affiant"])),
        MalformedError,
    ),
    "a completion on another chunk": (restream(move_completion), MalformedError),
    "no completion": (
        restream(lambda f: last_of(f).pop("affiant") and None),
        UnswornError,
    ),
    "an end too early": (restream(put_reason_first), MalformedError),
    "text after the end": (
        restream(lambda f: f.insert(-1, f[1])),
        MalformedError,
    ),
    "two ends": (restream(lambda f: f.insert(-1, last_of(f))), MalformedError),
    "text on the last chunk": (
        restream(
            lambda f: last_of(f)["choices"][0].update(delta={"content": "buy now"})
        ),
        MalformedError,
    ),
    "tool calls": (
        restream(lambda f: f[1]["choices"][0]["delta"].update(tool_calls=[{}])),
        MalformedError,
    ),
    "another id on the way": (restream(lambda f: f[1].update(id="x")), MalformedError),
    "no [DONE]": (restream(lambda f: f[:-1]), StreamCutError),
    "[DONE] at once": (restream(lambda f: ["[DONE]"]), StreamCutError),
    "nothing": (lambda _: b"", StreamCutError),
    "only comments": (lambda _: b": hello\n\n" * 50, StreamCutError),
    "cut inside of an event": (lambda content: content[:-100], StreamCutError),
    "an error on the way": (
        restream(lambda f: [f[0], {"error": {"message": "no", "code": "x"}}]),
        ServiceRefusedError,
    ),
    "garbage": (lambda _: b"data: \xff\xfe\n\n", MalformedError),
    "deep JSON": (lambda _: b"data: " + b"[" * 99_999 + b"\n\n", MalformedError),
    "a whole answer": (
        restream(lambda f: [{**f[0], "object": "chat.completion"}]),
        MalformedError,
    ),
    "fewer tokens billed": (
        restream(
            lambda f: f.insert(
                -1,
                {
                    "choices": [],
                    "usage": {
                        "prompt_tokens": 0,
                        "completion_tokens": 0,
                        "total_tokens": 0,
                    },
                },
            )
        ),
        AlteredAnswerError,
    ),
}


@pytest.mark.parametrize("twist, expected", STREAM_LIES.values(), ids=list(STREAM_LIES))
def test_a_changed_stream_is_refused(
    server: ChatServer,
    lying: Callable[..., str],
    twist: Twist,
    expected: type[AffiantError],
) -> None:
    client = client_of(server, url=lying(twist))
    with pytest.raises(expected) as caught:
        client.complete(STREAM)
    assert type(caught.value) is expected


# -- a service that is away, or in the way ---------------------------------------------


def test_answers_that_are_too_large_are_not_kept(
    server: ChatServer, lying: Callable[..., str]
) -> None:
    url = lying(lambda content: content + b" " * 100_000)
    with pytest.raises(MalformedError, match="50000"):
        client_of(server, url=url, max_bytes=50_000).complete(BODY)
    url = lying(lambda content: b": " + b" " * 100_000 + b"\n\n" + content)
    with pytest.raises(MalformedError, match="50000"):
        client_of(server, url=url, max_bytes=50_000).complete(STREAM)


def test_a_connection_that_breaks_is_unavailable(
    server: ChatServer, lying: Callable[..., str]
) -> None:
    url = lying(lambda content: content, cut=60)
    with pytest.raises((ServiceUnavailableError, MalformedError)):
        client_of(server, url=url).complete(BODY)
    with pytest.raises((ServiceUnavailableError, StreamCutError)):
        client_of(server, url=url).complete(STREAM)
    with pytest.raises(ServiceUnavailableError):
        client_of(server, url="http://127.0.0.1:9").complete(STREAM)


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "stream"])
def test_a_service_that_drips_is_left(body: Any, server: ChatServer) -> None:
    class Drip(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b": \n")
                    threading.Event().wait(0.02)
            except OSError:
                pass

        def log_message(self, *_: Any) -> None:
            pass

    drip = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    threading.Thread(target=drip.serve_forever, daemon=True).start()
    try:
        client = client_of(
            server, url=f"http://127.0.0.1:{drip.server_port}", timeout=0.5
        )
        with pytest.raises(ServiceUnavailableError, match="0.5 s"):
            client.complete(body)
    finally:
        drip.shutdown()
        drip.server_close()


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "status, expected",
    [
        (400, ServiceRefusedError),
        (404, ServiceRefusedError),
        (302, ServiceRefusedError),
        (429, ServiceUnavailableError),
        (503, ServiceUnavailableError),
    ],
)
def test_statuses_are_told_apart(
    server: ChatServer,
    lying: Callable[..., str],
    body: Any,
    status: int,
    expected: type[AffiantError],
) -> None:
    told = b'{"error":{"message":"an \\u001b[31mangry\\u001b[0m no","code":"x"}}'
    with pytest.raises(expected) as caught:
        client_of(server, url=lying(lambda _: told, status=status)).complete(body)
    assert "angry" in str(caught.value) and "\x1b" not in str(caught.value)


def test_an_honest_refusal_names_the_parameter(server: ChatServer) -> None:
    client = client_of(server)
    with pytest.raises(ServiceRefusedError) as caught:
        client.complete({**BODY, "model": "gpt-9"})
    assert (caught.value.status, caught.value.param) == (404, "model")
    assert caught.value.kind == "ModelUnknownError"
    with pytest.raises(ServiceRefusedError) as limited:
        client.complete({**STREAM, "max_completion_tokens": 9999})
    assert limited.value.param == "max_completion_tokens"


def test_events_are_read_however_they_are_cut() -> None:
    stream = (
        b'data: {"a":1}\r\n\r\n: hi\n\nevent: x\ndata:2\n\ndata: a\ndata: b\n\ndata: x'
    )
    expected = [b'{"a":1}', b"2", b"a\nb"]
    assert list(events([stream], max_bytes=1000)) == expected
    single = [stream[i : i + 1] for i in range(len(stream))]
    assert list(events(single, max_bytes=1000)) == expected
    with pytest.raises(MalformedError):
        list(events([b"data: " + b"x" * 100], max_bytes=50))


def test_the_tests_commitment_is_the_services(
    server: ChatServer, tiny_commitment: ModelCommitment
) -> None:
    assert to_hex(server.node.model) == to_hex(tiny_commitment.root)
