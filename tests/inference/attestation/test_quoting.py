"""Quote providers, on an agent, a kernel interface and a PKI that are made up."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from affiant.errors import MalformedError
from affiant.inference.attestation.configfs import ConfigfsQuotes
from affiant.inference.attestation.dev_root import DevRoot
from affiant.inference.attestation.dstack import DstackQuotes
from affiant.inference.attestation.errors import (
    QuoteRefusedError,
    QuoteUnavailableError,
)
from affiant.inference.attestation.quoting import (
    DevQuotes,
    find_provider,
    fresh_quote,
)

DATA = bytes(range(64))
ROOT = DevRoot(bytes(32))


def test_development_quotes_carry_what_was_asked() -> None:
    provider = DevQuotes(ROOT)
    assert fresh_quote(provider, DATA).report.report_data == DATA
    assert "NO HARDWARE PROTECTION" in provider.name


class Canned:
    """Answers every question with the same file."""

    name = "a canned quote"

    def __init__(self, file: bytes) -> None:
        self.file = file

    def quote(self, report_data: bytes) -> bytes:
        return self.file


def test_rejects_a_quote_over_something_else() -> None:
    with pytest.raises(QuoteRefusedError) as caught:
        fresh_quote(Canned(ROOT.quote(bytes(64))), DATA)
    assert caught.value.what == "report data"
    assert caught.value.got == bytes(64).hex()


def test_rejects_what_is_no_quote() -> None:
    with pytest.raises(MalformedError):
        fresh_quote(Canned(b"quote"), DATA)


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_report_data_is_64_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="expected 64"):
        fresh_quote(DevQuotes(ROOT), bytes(length))


# configfs


def kernel(
    *,
    provider: str = "tdx_guest",
    generation: str = "1",
    out: bytes | None = None,
) -> Callable[[Path], None]:
    """Return what makes a request's folder, as the kernel would fill it.

    The generation is the same before and after, so that a request of these files is
    refused unless `counting` moves it on.
    """

    def make(request: Path) -> None:
        request.mkdir()
        (request / "provider").write_text(provider + "\n")
        (request / "generation").write_text(generation + "\n")
        (request / "inblob").write_bytes(b"")
        if out is not None:
            (request / "outblob").write_bytes(out)

    return make


class Counting:
    """A request's folder whose generation is a pipe: it answers 0, then `after`."""

    def __init__(self, *, after: int, provider: str = "tdx_guest") -> None:
        self.after = after
        self.provider = provider
        self.threads: list[threading.Thread] = []
        self.inblob = b""

    def make(self, request: Path) -> None:
        kernel(provider=self.provider, out=b"")(request)
        for name in ("generation", "outblob"):
            (request / name).unlink()
            os.mkfifo(request / name)

        def serve() -> None:
            (request / "generation").write_text("0\n")
            # The quote is made when it is read: over what was written by then.
            with (request / "outblob").open("wb") as pipe:
                self.inblob = (request / "inblob").read_bytes()
                pipe.write(ROOT.quote(self.inblob.ljust(64, b"\x00")[:64]))
            (request / "generation").write_text(f"{self.after}\n")

        self.threads.append(threading.Thread(target=serve, daemon=True))
        self.threads[-1].start()


def remove(request: Path) -> None:
    for file in request.iterdir():
        file.unlink()
    request.rmdir()


def test_the_kernel_quotes_what_was_written(tmp_path: Path) -> None:
    fake = Counting(after=1)
    provider = ConfigfsQuotes(tmp_path, make=fake.make, remove=remove)
    quote = fresh_quote(provider, DATA)
    assert quote.report.report_data == fake.inblob == DATA
    assert list(tmp_path.iterdir()) == [], "the request is taken back"


@pytest.mark.parametrize("after", [0, 2])
def test_rejects_an_answer_that_may_be_anothers(tmp_path: Path, after: int) -> None:
    fake = Counting(after=after)
    provider = ConfigfsQuotes(tmp_path, make=fake.make, remove=remove)
    with pytest.raises(QuoteUnavailableError, match="expected 1"):
        provider.quote(DATA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (kernel(provider="sev_guest", out=b""), "not tdx_guest"),
        (kernel(generation="one", out=b""), "generation 'one'"),
        (kernel(), "No such file"),
    ],
)
def test_rejects_kernels_without_tdx(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    provider = ConfigfsQuotes(tmp_path, make=make, remove=remove)
    with pytest.raises(QuoteUnavailableError, match=why):
        provider.quote(DATA)
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_kernel_interface(tmp_path: Path) -> None:
    provider = ConfigfsQuotes(tmp_path / "none")
    with pytest.raises(QuoteUnavailableError, match="ENOENT"):
        provider.quote(DATA)


# dstack


@pytest.fixture
def agent() -> Iterator[tuple[str, dict[str, object]]]:
    """A guest agent over HTTP, and what it answers."""
    answer: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = json.loads(self.rfile.read(length))
            report_data = bytes.fromhex(asked["report_data"])
            said = {
                "quote": ROOT.quote(report_data).hex(),
                "event_log": "[]",
                "report_data": asked["report_data"],
                **answer,
            }
            body = json.dumps(said).encode()
            self.send_response(200 if self.path == "/GetQuote" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answer
    server.shutdown()
    server.server_close()


def test_dstack_quotes_what_was_asked(agent: tuple[str, dict[str, object]]) -> None:
    assert fresh_quote(DstackQuotes(agent[0]), DATA).report.report_data == DATA


def test_rejects_a_simulators_canned_quote(
    agent: tuple[str, dict[str, object]],
) -> None:
    url, answer = agent
    answer["quote"] = ROOT.quote(bytes(64)).hex()
    with pytest.raises(QuoteRefusedError):
        fresh_quote(DstackQuotes(url), DATA)


def test_rejects_an_agent_that_answers_nonsense(
    agent: tuple[str, dict[str, object]],
) -> None:
    url, answer = agent
    answer["quote"] = "nonsense"
    with pytest.raises(QuoteUnavailableError, match="ValueError"):
        DstackQuotes(url).quote(DATA)


def test_dstack_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(QuoteUnavailableError, match="does not exist"):
        DstackQuotes(tmp_path / "none.sock").quote(DATA)


# Which one is there.


def test_finds_what_is_there(tmp_path: Path) -> None:
    socket, reports = tmp_path / "dstack.sock", tmp_path / "report"
    where = {"sockets": [tmp_path / "other.sock", socket], "reports": reports}
    for name in ("auto", "dstack", "configfs"):
        with pytest.raises(QuoteUnavailableError):
            find_provider(name, **where)
    reports.mkdir()
    assert isinstance(find_provider("auto", **where), ConfigfsQuotes)
    socket.touch()
    assert isinstance(find_provider("auto", **where), DstackQuotes)
    assert isinstance(find_provider("dstack", **where), DstackQuotes)
    assert isinstance(find_provider("configfs", **where), ConfigfsQuotes)
    with pytest.raises(ValueError, match="expected auto, dstack, configfs"):
        find_provider("dev", **where)
