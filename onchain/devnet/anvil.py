"""Starts and stops anvil, and makes sure that it never outlives us.

Anvil runs in its own process group together with a watcher that holds the read end of a
pipe from this process. Stopping kills the group; if this process dies without stopping,
the pipe closes and the watcher kills the group. Anvil listens on loopback only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from affiant.onchain.devnet.errors import (
    AnvilFailedError,
    DevnetRpcError,
    ToolMissingError,
)
from affiant.onchain.devnet.rpc import DevnetRpc

HOST = "127.0.0.1"
"""Loopback: the keys of these accounts are public."""

START_SECONDS = 30.0
"""How long anvil may take until it answers; forking a slow source counts."""

STOP_SECONDS = 5.0
"""How long anvil may take to end before it is killed."""

_WATCHED = """
exec 3<&0
( cat <&3 >/dev/null; kill -KILL 0 ) 3<&3 &
exec "$@" </dev/null 3<&-
"""
"""Runs "$@" beside a watcher that kills the group once standard input ends."""


def find_anvil(node_modules: Path | None) -> Path:
    """Return the anvil to run: npm's if it is installed, else the one on the path.

    Raises:
        ToolMissingError: there is none.
    """
    looked_at = "PATH"
    if node_modules is not None:
        # The program itself where it is found, and not npm's wrapper around it: that
        # would be one process more to start, and to stop.
        native = sorted(node_modules.glob("@foundry-rs/anvil-*/bin/anvil"))
        wrapper = node_modules / ".bin" / "anvil"
        looked_at = f"{wrapper} and PATH"
        for local in (*native, wrapper):
            if os.access(local, os.X_OK):
                return local
    found = shutil.which("anvil")
    if found is None:
        raise ToolMissingError("anvil", looked_at=looked_at, remedy="npm ci")
    return Path(found)


def find_node_modules(given: Path | None = None) -> Path:
    """Return the `node_modules` that holds the protocols.

    Args:
        given: used as it is; otherwise the one of this checkout, then of the working
            folder.

    Raises:
        ToolMissingError: there is none.
    """
    checkout = Path(__file__).resolve().parents[2] / "node_modules"
    candidates = [given] if given else [checkout, Path.cwd() / "node_modules"]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked_at = " and ".join(str(candidate) for candidate in candidates)
    raise ToolMissingError("node_modules", looked_at=looked_at, remedy="npm ci")


def anvil_version(binary: Path) -> str:
    """Return what `anvil --version` says.

    Raises:
        ToolMissingError: it cannot be run.
    """
    try:
        done = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissingError(
            "a working anvil", looked_at=str(binary), remedy="npm ci"
        ) from error
    if done.returncode != 0 or not done.stdout.strip():
        raise ToolMissingError(
            "a working anvil", looked_at=str(binary), remedy="npm ci"
        )
    return done.stdout.strip()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


class Anvil:
    """A running anvil."""

    def __init__(
        self, process: subprocess.Popen[bytes], *, output: IO[bytes], port: int
    ) -> None:
        """Take over a started process; use `start`."""
        self._process = process
        self._output = output
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.rpc = DevnetRpc(self.url)

    @classmethod
    def start(cls, binary: Path, *, port: int, arguments: Sequence[str]) -> Anvil:
        """Start anvil and return once it answers.

        Args:
            binary: what to run.
            port: port to listen on; 0 for any free one.
            arguments: further arguments.

        Raises:
            AnvilFailedError: it ended, or does not answer in time.
        """
        # A port found free may be taken before anvil binds it; then we try another.
        attempts = 1 if port else 3
        for attempt in range(attempts):
            try:
                return cls._start_once(
                    binary, port=port or free_port(), arguments=arguments
                )
            except AnvilFailedError as error:
                if "in use" not in error.output or attempt == attempts - 1:
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def _start_once(cls, binary: Path, *, port: int, arguments: Sequence[str]) -> Anvil:
        output = tempfile.TemporaryFile()
        command = [str(binary), "--host", HOST, "--port", str(port), *arguments]
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHED, "anvil", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        anvil = cls(process, output=output, port=port)
        try:
            anvil._wait_until_ready()
        except BaseException:
            anvil.stop()
            raise
        return anvil

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise AnvilFailedError(
                    f"ended with status {self._process.returncode}",
                    output=self._tail(),
                )
            # Asking whether *our* anvil listens: another server on the port would make
            # anvil end, so its own announcement is waited for before anyone is asked.
            if "Listening on" in self._tail():
                try:
                    self.rpc.request("eth_chainId")
                    return
                except DevnetRpcError:
                    pass
            if time.monotonic() > deadline:
                raise AnvilFailedError(
                    f"no answer within {START_SECONDS:.0f} s", output=self._tail()
                )
            time.sleep(0.01)

    def _tail(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 4000))
        return self._output.read().decode(errors="replace")

    @property
    def process_id(self) -> int:
        """Id of the process, which is also that of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self, *, seconds: float) -> None:
        """Wait `seconds`.

        Raises:
            AnvilFailedError: it ended meanwhile.
        """
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise AnvilFailedError(
            f"ended with status {self._process.returncode}", output=self._tail()
        )

    def stop(self) -> None:
        """Stop it and its watcher; doing so twice is fine."""
        self.rpc.close()
        # Asked first: where only npm's wrapper was found, it reaps the anvil under it.
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._output.close()
