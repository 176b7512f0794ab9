"""Whatever of an answer is changed, the client refuses it, and names what was changed.

One real answer, with everything in it that an answer can have; each example changes it
in one place, as a service or anybody on the way could.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from affiant.encoding import canonical_json
from affiant.errors import AffiantError, MalformedError, RejectedError
from affiant.inference.chat.client import ChatClient, with_nonce
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.errors import (
    ServiceRefusedError,
    ServiceUnavailableError,
    StreamCutError,
)
from affiant.inference.chat.events import events
from affiant.inference.chat.reply import Shown, read_stream, read_whole
from affiant.inference.chat.request import ChatRequest
from affiant.inference.chat.serve import ChatServer
from affiant.inference.chat.trust import Trust
from affiant.inference.chat.verify import verify

SCHEMA = {
    "type": "object",
    "properties": {"hold": {"type": "boolean"}},
    "required": ["hold"],
    "additionalProperties": False,
}
BODY: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "what now? WETH 1500 USDC hold"}],
    "max_completion_tokens": 60,
    "temperature": 0.7,
    "seed": 7,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "step", "schema": SCHEMA},
    },
}
MAX_BYTES = 2**20
NAMES: dict[str, tuple[str, ...]] = {
    "format": ("format",),
    "id": ("id",),
    "created": ("created",),
    "key": ("key",),
    "receipt": (
        *("inference receipt", "model", "engine", "request"),
        *("prompt", "output", "trace"),
    ),
    "promptIds": ("promptIds", "prompt"),
    "outputIds": ("outputIds", "output"),
    "trace": ("trace",),
    # Greedy, and yet with a seed: it is the seed that is one too many.
    "sampling": ("sampling", "temperature", "parameters", "seed"),
    "seed": ("seed",),
    "schema": ("schema", "canonical JSON"),
    "maxTokens": ("maxTokens",),
    "text": ("text",),
    "finished": ("finished", "finish_reason", "output"),
    # How often a node corrected itself is known to nobody else: its signature alone
    # tells that a count was changed.
    "selfCheck": ("selfCheck", "window", "rollbacks", "prefills", "signature"),
    "manifest": ("engine manifest", "engine"),
    "signature": ("signature",),
}
"""What a change of each field may be refused as."""


@dataclass(frozen=True, repr=False)
class Exchange:
    """One honest question and its answer."""

    body: bytes
    """The answer as it was sent."""
    stream: bytes
    """The same question's answer as a stream."""
    request: ChatRequest
    streamed: ChatRequest
    trust: Trust

    def verified(self, body: bytes) -> Completion:
        """Return what the client makes of a whole answer."""
        return self._verified(read_whole(body, max_bytes=MAX_BYTES), self.request)

    def verified_stream(self, parts: list[bytes]) -> Completion:
        """Return what the client makes of a stream."""
        stream = read_stream(events(parts, max_bytes=MAX_BYTES), max_bytes=MAX_BYTES)
        while True:
            try:
                next(stream)
            except StopIteration as over:
                return self._verified(over.value, self.streamed)

    def _verified(self, shown: Shown, request: ChatRequest) -> Completion:
        return verify(shown, request=request, trust=self.trust)


@pytest.fixture(scope="module")
def exchange(server: ChatServer) -> Exchange:
    """One honest exchange, whole and streamed."""
    node = server.node
    trust = Trust(key=node.address, model=node.model, engine=node.engine.manifest.hash)
    whole = with_nonce(BODY)
    streamed = with_nonce(
        {**BODY, "stream": True, "stream_options": {"include_usage": True}}
        | {"affiant": {"release": 5}}
    )
    with httpx.Client(
        base_url=f"{server.url}/v1", trust_env=False, timeout=600
    ) as honest:
        answers = [
            honest.post("/chat/completions", json=body).content
            for body in (whole, streamed)
        ]
    found = Exchange(
        body=answers[0],
        stream=answers[1],
        request=ChatRequest.from_json(whole),
        streamed=ChatRequest.from_json(streamed),
        trust=trust,
    )
    # The very same bytes are accepted: what is refused below is so for the change.
    assert found.verified(found.body).seed and found.verified(found.body).schema
    assert found.verified_stream([found.stream]).self_check.window == 5
    return found


def places(value: Any, *, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of everything inside `value`, objects and lists included."""
    steps = value if isinstance(value, dict) else range(len(value))
    found = []
    for step in steps:
        found.append((*at, step))
        if isinstance(value[step], (dict, list)):
            found += places(value[step], at=(*at, step))
    return found


def put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    """Put `new` at a place inside `value`."""
    for step in place[:-1]:
        value = value[step]
    value[place[-1]] = new


def spell(value: Any) -> bytes:
    """Return a hostile sender's JSON: NaN and infinity included."""
    return json.dumps(value).encode()


def same(value: Any, other: Any) -> bool:
    """Whether two values are the same JSON."""
    try:
        return canonical_json(value) == canonical_json(other)
    except MalformedError:
        return False


def name_of(error: AffiantError) -> str:
    """Return which field an error says is wrong."""
    for attribute in ("field", "what", "parameter", "param"):
        found = getattr(error, attribute, None)
        if found is not None:
            # `completion.seed`, `outputIds[3]`, `trace.tokens[2].token`, `signature v`
            name = re.sub(r"^(completion|receipt)\.", "", str(found))
            return re.sub(r"(?<=^trace).+|(?<=^signature).+|\[.*", "", name)
    raise AssertionError(f"{error!r} names nothing")


def near(value: Any) -> st.SearchStrategy[Any]:
    """Values that differ from `value` by little."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(-3, 3).map(lambda by: value + by)
    if isinstance(value, str):
        at = st.integers(0, max(len(value) - 1, 0))
        return st.tuples(at, st.sampled_from("0123456789abcdefxA ")).map(
            lambda change: value[: change[0]] + change[1] + value[change[0] + 1 :]
        )
    if isinstance(value, list):
        return st.sampled_from(
            [value[1:], value[:-1], [*value, *value[-1:]], value * 2]
        )
    if isinstance(value, dict):
        return st.sampled_from([*value, None]).map(
            lambda name: (
                {k: v for k, v in value.items() if k != name}
                | ({"more": 1} if name is None else {})
            )
        )
    return st.sampled_from([0, "", [], {}])


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["0x", "0x" + "00" * 20, "0x" + "00" * 32, "0x" + "00" * 65]),
    st.just([]),
    st.just({}),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_changed_completion_is_refused_by_the_fields_name(
    exchange: Exchange, data: st.DataObject
) -> None:
    answer = json.loads(exchange.body)
    honest = answer["affiant"]
    top = data.draw(st.sampled_from(sorted(honest)))
    inner = honest[top]
    inside = [(), *(places(inner) if isinstance(inner, (dict, list)) else [])]
    place = (top, *data.draw(st.sampled_from(inside)))
    before: Any = honest
    for step in place:
        before = before[step]
    after = data.draw(st.one_of(near(before), ANYTHING))
    assume(not same(before, after))
    put(honest, place, after)
    with pytest.raises(RejectedError) as caught:
        exchange.verified(spell(answer))
    name = name_of(caught.value)
    assert name in NAMES[top], (place, name)


@pytest.mark.parametrize("field", sorted(NAMES))
def test_a_field_that_is_missing_or_unknown_is_named(
    exchange: Exchange, field: str
) -> None:
    answer = json.loads(exchange.body)
    assert sorted(answer["affiant"]) == sorted(NAMES)
    del answer["affiant"][field]
    with pytest.raises(MalformedError, match="completion") as caught:
        exchange.verified(spell(answer))
    assert f"'{field}'" in caught.value.expected
    assert f"'{field}'" not in caught.value.got


SHOWN: dict[tuple[Any, ...], str] = {
    ("id",): "id",
    ("created",): "created",
    ("model",): "model",
    ("object",): "answer",
    ("system_fingerprint",): "system_fingerprint",
    ("choices", 0, "index"): "choices",
    ("choices", 0, "finish_reason"): "finish_reason",
    ("choices", 0, "message", "role"): "message",
    ("choices", 0, "message", "content"): "",
    ("choices", 0, "message", "refusal"): "refusal",
    ("usage", "prompt_tokens"): "",
    ("usage", "completion_tokens"): "",
    ("usage", "total_tokens"): "",
}


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_is_shown_is_what_was_sworn(
    exchange: Exchange, data: st.DataObject
) -> None:
    answer = json.loads(exchange.body)
    place = data.draw(st.sampled_from(list(SHOWN)))
    before: Any = answer
    for step in place:
        before = before[step]
    after = data.draw(st.one_of(near(before), ANYTHING))
    assume(not same(before, after))
    put(answer, place, after)
    with pytest.raises(RejectedError) as caught:
        exchange.verified(spell(answer))
    assert SHOWN[place] in name_of(caught.value)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_stream_cut_anywhere_is_refused(
    exchange: Exchange, data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(exchange.stream) - 1))
    step = data.draw(st.sampled_from([1, 7, 64, 10**6]))
    cut = exchange.stream[:end]
    with pytest.raises(StreamCutError):
        exchange.verified_stream([cut[at : at + step] for at in range(0, end, step)])


def test_every_end_of_an_event_is_too_early_but_the_last(exchange: Exchange) -> None:
    stream = exchange.stream
    ends = [at for at in range(len(stream)) if stream.startswith(b"\n\n", at)]
    assert len(ends) > 5 and ends[-1] == len(stream) - 2
    for end in ends:
        for cut in (end, end + 1, end + 2):
            if cut == len(stream):
                assert exchange.verified_stream([stream[:cut]])
            else:
                with pytest.raises(StreamCutError):
                    exchange.verified_stream([stream[:cut]])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_one_changed_byte_of_an_answer_is_refused(
    exchange: Exchange, data: st.DataObject
) -> None:
    body = bytearray(exchange.body)
    # What is not shown to anybody (the names of null fields) may change.
    bound = exchange.body.index(b'"affiant"'), exchange.body.index(b',"choices"')
    at = data.draw(st.integers(bound[0], bound[1] - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    assume(not _same_text(bytes(body), exchange.body))
    with pytest.raises(RejectedError):
        exchange.verified(bytes(body))


def _same_text(body: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(body) == json.loads(other))
    except ValueError:
        return False


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "1" * 5000, "0x10", "01"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["created", "maxTokens", "finished", "rollbacks"])
def test_numbers_that_are_none_are_refused(
    exchange: Exchange, name: str, number: str
) -> None:
    stated = json.loads(exchange.body)["affiant"]
    value = json.dumps(stated.get(name, stated["selfCheck"].get(name)))
    old, new = f'"{name}":{value}', f'"{name}":{number}'
    assert exchange.body.count(old.encode()) >= 1
    with pytest.raises(RejectedError):
        exchange.verified(exchange.body.replace(old.encode(), new.encode(), 1))


def test_a_number_too_large_within_the_schema_is_refused(exchange: Exchange) -> None:
    answer = deepcopy(json.loads(exchange.body))
    answer["affiant"]["schema"]["maxLength"] = float("inf")
    with pytest.raises(MalformedError):
        exchange.verified(spell(answer).replace(b"Infinity", b"1e999"))


@pytest.mark.parametrize(
    "old, new",
    [
        ('"finished":', '"finished":false,"finished":'),
        ('"affiant":{', '"affiant":null,"affiant":{'),
        # The same name, spelled otherwise.
        ('"affiant":{', '"\\u0061ffiant":{},"affiant":{'),
        ('"receipt":{', '"receipt":{"request":"0x00",'),
        ('"content":', '"content":"buy now","content":'),
        ('"choices":[', '"choices":[],"choices":['),
    ],
)
def test_a_name_that_occurs_twice_is_refused(
    exchange: Exchange, old: str, new: str
) -> None:
    assert exchange.body.count(old.encode()) == 1
    with pytest.raises(MalformedError, match="duplicate key"):
        exchange.verified(exchange.body.replace(old.encode(), new.encode()))


# -- over the wire ---------------------------------------------------------------------


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """Serve whatever `answer` writes; yield where, and the paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path)
            self.close_connection = True
            try:
                answer(self)
            except OSError:
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def ask(url: str, exchange: Exchange, *, stream: bool, **options: Any) -> None:
    """Ask with our client; whatever comes must raise."""
    with ChatClient(url, trust=exchange.trust, timeout=20, **options) as client:
        client.complete({**BODY, "stream": stream})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    exchange: Exchange, status: int, stream: bool
) -> None:
    def elsewhere(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.end_headers()
        to.wfile.write(exchange.body)

    with answering(elsewhere) as (target, followed):

        def redirect(to: http.server.BaseHTTPRequestHandler) -> None:
            to.send_response(status)
            to.send_header("Location", f"{target}/chat/completions")
            to.send_header("Content-Length", "0")
            to.end_headers()

        with answering(redirect) as (url, asked):
            with pytest.raises(ServiceRefusedError) as caught:
                ask(url, exchange, stream=stream)
    assert caught.value.status == status
    assert asked == ["/v1/chat/completions"] and followed == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_answer_that_breaks_off_may_be_asked_for_again(
    exchange: Exchange, stream: bool, chunked: bool
) -> None:
    content = exchange.stream if stream else exchange.body

    def half(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        if chunked:
            to.send_header("Transfer-Encoding", "chunked")
            to.end_headers()
            to.wfile.write(b"%x\r\n" % len(content) + content[: len(content) // 2])
        else:
            to.send_header("Content-Length", str(len(content)))
            to.end_headers()
            to.wfile.write(content[: len(content) // 2])

    with answering(half) as (url, _):
        with pytest.raises((ServiceUnavailableError, StreamCutError)):
            ask(url, exchange, stream=stream)


def test_one_endless_line_is_left(exchange: Exchange) -> None:
    sent = [0]

    def endless(to: http.server.BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.end_headers()
        to.wfile.write(b"data: ")
        while True:
            to.wfile.write(b"x" * 2**16)
            sent[0] += 2**16

    with answering(endless) as (url, _):
        with pytest.raises(MalformedError, match=f"over {2**20} bytes"):
            ask(url, exchange, stream=True, max_bytes=2**20)
    # Sockets hold a few megabytes by themselves.
    assert sent[0] < 64 * 2**20


def test_endless_comments_and_empty_events_are_left(exchange: Exchange) -> None:
    for line in (b": hello\n\n", b"data:\n", b"data: {}\n", b"\n"):

        def endless(to: http.server.BaseHTTPRequestHandler, line: bytes = line) -> None:
            to.send_response(200)
            to.end_headers()
            while True:
                to.wfile.write(line * 8192)

        with answering(endless) as (url, _):
            with pytest.raises(MalformedError):
                ask(url, exchange, stream=True, max_bytes=2**20)
