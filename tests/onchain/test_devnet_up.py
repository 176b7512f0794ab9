"""`run_up`: a chain that runs until interrupted, and a fork of it beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.anvil import HOST, free_port
from affiant.onchain.devnet.errors import AnvilFailedError, DevnetRpcError
from affiant.onchain.devnet.rpc import DevnetRpc
from affiant.onchain.devnet.up import keep_running, read_book

pytestmark = pytest.mark.anvil

# Run in the background, tests may have SIGINT ignored, and children inherit that.
UP = """
import signal, sys
from pathlib import Path
from rich.console import Console
from affiant.onchain.devnet.up import run_up
signal.signal(signal.SIGINT, signal.default_int_handler)
cache, port, fork = sys.argv[1:]
run_up(port=int(port), fork_url=fork or None, cache_dir=Path(cache), console=Console())
"""


@contextmanager
def _up(cache: Path, *, fork_url: str = "") -> Iterator[tuple[str, list[str]]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", UP, str(cache), str(port), fork_url],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        assert lines and "Ctrl-C" in lines[-1], "".join(lines)
        yield f"http://{HOST}:{port}", lines
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "stopped" in process.stdout.read()
    finally:
        process.kill()
        process.communicate()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_up_and_a_fork_of_it(tmp_path: Path) -> None:
    with _up(tmp_path) as (url, lines):
        assert url in "".join(lines)
        with DevnetRpc(url) as rpc, _up(tmp_path, fork_url=url) as (fork_url, _):
            assert int(rpc.request("eth_chainId"), 16) == 31337
            # Blocks carry the machine's time, and the feeds were refreshed for it.
            assert abs(rpc.timestamp() - time.time()) < 60
            source = read_book(tmp_path / "books", chain_id=31337)
            fork = read_book(tmp_path / "books", chain_id=31338)
            assert source is not None and fork is not None
            assert source.tokens == fork.tokens and source.gate != fork.gate
            with DevnetRpc(fork_url) as forked:
                assert int(forked.request("eth_chainId"), 16) == 31338
                updated = forked.call(
                    fork.tokens["WETH"].feed,
                    "latestRoundData()",
                    returns=["uint80", "int256"] + ["uint256"] * 3,
                )[3]
                assert isinstance(updated, int)
                assert 0 <= forked.timestamp() - updated < 60


def test_blocks_come_and_feeds_stay_fresh_until_anvil_ends(tmp_path: Path) -> None:
    with Devnet.start(cache_dir=tmp_path) as devnet:
        scenario, failures = Scenario(devnet), []

        def run() -> None:
            try:
                keep_running(devnet, scenario=scenario, refresh=True, pace=0.02)
            except (AnvilFailedError, DevnetRpcError) as error:
                failures.append(error)

        def round_of_weth() -> int:
            feed = devnet.book.tokens["WETH"].feed
            return devnet.rpc.call_integer(feed, "latestRoundData()")

        head, first = devnet.rpc.block_number(), round_of_weth()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        _until(lambda: devnet.rpc.block_number() > head + 3)
        assert round_of_weth() == first
        with DevnetRpc(devnet.url) as other:
            other.request(
                "evm_setNextBlockTimestamp", hex(devnet.rpc.timestamp() + 2000)
            )
        _until(lambda: round_of_weth() > first)
        os.kill(devnet.process_id, signal.SIGTERM)
        thread.join(20)
        assert not thread.is_alive()
    assert len(failures) == 1
