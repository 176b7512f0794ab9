"""Anvil: found or named, answered or explained, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.anvil import (
    HOST,
    Anvil,
    anvil_version,
    find_anvil,
    find_node_modules,
    free_port,
)
from affiant.onchain.devnet.artifacts import read_artifacts
from affiant.onchain.devnet.errors import (
    AnvilFailedError,
    DevnetRpcError,
    ToolMissingError,
)

DIES = """
import os, sys
from pathlib import Path
from affiant.onchain.devnet import Devnet
devnet = Devnet.start(cache_dir=Path(sys.argv[1]))
print(devnet.url.rpartition(":")[2], devnet.process_id, flush=True)
sys.stdin.read()
"""


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0


def _poll_until_closed(port: int) -> None:
    deadline = time.monotonic() + 10
    while _listens(port):
        assert time.monotonic() < deadline, f"anvil still listens on {port}"
        time.sleep(0.02)


@pytest.mark.anvil
def test_stops_with_its_context_and_twice_is_fine(tmp_path: Path) -> None:
    with Devnet.start(cache_dir=tmp_path) as devnet:
        port = int(devnet.url.rpartition(":")[2])
        assert devnet.url == f"http://{HOST}:{port}" and _listens(port)
    assert not _listens(port)
    devnet.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(devnet.process_id, 0)


@pytest.mark.anvil
def test_stops_when_the_test_in_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with Devnet.start(cache_dir=tmp_path) as devnet:
            raise ZeroDivisionError
    assert not _listens(int(devnet.url.rpartition(":")[2]))


@pytest.mark.anvil
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ends_when_the_process_that_started_it_is_killed(
    tmp_path: Path, number: signal.Signals
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", DIES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().split()[0])
        assert _listens(port)
    finally:
        parent.send_signal(number)
        parent.communicate()
    _poll_until_closed(port)


@pytest.mark.anvil
def test_waiting_tells_when_anvil_ends_by_itself(tmp_path: Path) -> None:
    with Devnet.start(cache_dir=tmp_path) as devnet:
        devnet.wait(seconds=0.01)
        os.kill(devnet.process_id, signal.SIGTERM)
        with pytest.raises(AnvilFailedError, match="ended"):
            devnet.wait(seconds=10)


@pytest.mark.anvil
def test_a_port_in_use_is_said_and_nobody_elses_chain_is_taken() -> None:
    binary = find_anvil(find_node_modules())
    first = Anvil.start(binary, port=0, arguments=["--chain-id", "1111"])
    try:
        with pytest.raises(AnvilFailedError, match="in use"):
            Anvil.start(binary, port=first.port, arguments=["--chain-id", "2222"])
        assert int(first.rpc.request("eth_chainId"), 16) == 1111
    finally:
        first.stop()


@pytest.mark.anvil
def test_arguments_that_anvil_refuses_are_shown() -> None:
    binary = find_anvil(find_node_modules())
    with pytest.raises(AnvilFailedError, match="no-such-option"):
        Anvil.start(binary, port=0, arguments=["--no-such-option"])


def test_a_missing_anvil_names_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="npm ci") as caught:
        find_anvil(tmp_path)
    assert caught.value.remedy == "npm ci" and str(tmp_path) in caught.value.looked_at


def test_an_anvil_on_the_path_is_the_second_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "anvil"
    found.write_text("#!/bin/sh\necho anvil Version: 0.0.0\n")
    found.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_anvil(tmp_path / "node_modules") == found
    assert anvil_version(found) == "anvil Version: 0.0.0"


def test_an_anvil_that_does_not_run_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(ToolMissingError):
        anvil_version(broken)
    with pytest.raises(ToolMissingError):
        anvil_version(tmp_path / "absent")
    with pytest.raises(AnvilFailedError, match="status 3"):
        Anvil.start(broken, port=free_port(), arguments=[])


def test_missing_protocols_name_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match="npm ci"):
        find_node_modules(tmp_path / "absent")
    with pytest.raises(ToolMissingError, match="npm ci"):
        read_artifacts(node_modules=tmp_path)


@pytest.mark.anvil
def test_an_rpc_error_carries_the_method_and_the_answer(tmp_path: Path) -> None:
    with Devnet.start(cache_dir=tmp_path) as devnet:
        with pytest.raises(DevnetRpcError, match="no_suchMethod") as caught:
            devnet.rpc.request("no_suchMethod")
        assert "not" in caught.value.got.lower()
        rpc = devnet.rpc
    with pytest.raises((DevnetRpcError, RuntimeError)):
        rpc.request("eth_chainId")
