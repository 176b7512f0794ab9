"""Collateral from files, servers and the development root."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote as percent

import pytest

from affiant.errors import MalformedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.collateral_sources import (
    DevCollateral,
    FileCollateral,
    ServerCollateral,
)
from affiant.inference.attestation.dev_root import DevRoot
from affiant.inference.attestation.errors import CollateralUnavailableError
from affiant.inference.attestation.quote import TdxQuote, write_pem

NOW = 1_763_700_000
ROOT = DevRoot(bytes(32))
QUOTE = TdxQuote.cut(ROOT.quote(bytes(64)))


def test_a_file_gives_what_was_written(tmp_path: Path) -> None:
    expected = ROOT.collateral(now=NOW)
    path = tmp_path / "collateral.json"
    path.write_bytes(expected.to_bytes())
    assert FileCollateral(path).collateral(QUOTE) == expected


def test_rejects_files_that_are_missing_or_something_else(tmp_path: Path) -> None:
    with pytest.raises(CollateralUnavailableError, match="No such file"):
        FileCollateral(tmp_path / "none").collateral(QUOTE)
    path = tmp_path / "collateral.json"
    path.write_text("{}")
    with pytest.raises(MalformedError):
        FileCollateral(path).collateral(QUOTE)


def test_the_development_root_issues_anew() -> None:
    time = [NOW]
    source = DevCollateral(ROOT, clock=lambda: time[0])
    assert source.collateral(QUOTE) == ROOT.collateral(now=NOW)
    time[0] += 60
    assert source.collateral(QUOTE) == ROOT.collateral(now=NOW + 60)


class Cache(HTTPServer):
    """A provisioning cache that serves the development root's collateral."""

    collateral: Collateral
    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Cache

    def do_GET(self) -> None:
        said = self.server.collateral
        signers = percent(write_pem([said.signer, said.root]).decode())
        issuers = percent(write_pem([said.authority, said.root]).decode())
        path = self.path.partition("?")[0]
        if path.endswith("/pckcrl"):
            body, header = said.machine_list, ("SGX-PCK-CRL-Issuer-Chain", issuers)
        elif path.endswith("/tcb"):
            body = b'{"tcbInfo":%s,"signature":"%s"}' % (
                said.tcb_info,
                said.tcb_info_signature.hex().encode(),
            )
            header = ("TCB-Info-Issuer-Chain", signers)
        elif path.endswith("/qe/identity"):
            body = b'{"enclaveIdentity":%s,"signature":"%s"}' % (
                said.qe_identity,
                said.qe_identity_signature.hex().encode(),
            )
            header = ("SGX-Enclave-Identity-Issuer-Chain", signers)
        else:
            body, header = said.root_list.hex().encode(), ("Server", "cache")
        self.send_response(self.server.status)
        self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cache() -> Iterator[Cache]:
    server = Cache(("127.0.0.1", 0), Handler)
    server.collateral = ROOT.collateral(now=NOW)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_gives_what_was_signed_byte_for_byte(cache: Cache) -> None:
    source = ServerCollateral(f"http://127.0.0.1:{cache.server_port}")
    assert source.collateral(QUOTE) == cache.collateral


def test_rejects_a_server_that_fails(cache: Cache) -> None:
    cache.status = 503
    with pytest.raises(CollateralUnavailableError):
        ServerCollateral(f"http://127.0.0.1:{cache.server_port}").collateral(QUOTE)


def test_rejects_a_server_that_never_answers() -> None:
    silent = HTTPServer(("127.0.0.1", 0), Handler)
    try:
        source = ServerCollateral(f"http://127.0.0.1:{silent.server_port}", seconds=0.2)
        with pytest.raises(CollateralUnavailableError, match=r"within 0\.2 s"):
            source.collateral(QUOTE)
    finally:
        silent.server_close()
