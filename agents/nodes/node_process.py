"""`affiant node` in a process of its own, started and stopped by this one.

For local chains: it decides where the node's files go and waits until the node listens;
what the node may swear is the mandate's to say. The key is one that everybody knows.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account

from affiant.encoding import Digest, canonical_json, digest_from_hex
from affiant.errors import RejectedError
from affiant.onchain.address_book import AddressBook

NODE_SECONDS = 150.0
"""Longest that the node may take to load its model."""

PASSWORD_ENV = "AFFIANT_LOCAL_NODE_PASSWORD"
"""Environment variable in which the node finds its keystore's password."""


class NodeStartError(RejectedError):
    """The node ended before it listened; `log` is the end of what it said."""

    def __init__(self, log: str) -> None:
        super().__init__(f"the node did not start; the end of its log:\n{log}")
        self.log = log


@dataclass(frozen=True)
class ListeningNode:
    """What a running `affiant node` says of itself."""

    url: str
    model: Digest
    engine: Digest
    device: str
    """What it runs on."""


@dataclass(frozen=True)
class StartedNode:
    """An `affiant node` that is still loading its model."""

    process: subprocess.Popen[str]
    log: Path

    def wait(self, *, seconds: float = NODE_SECONDS) -> ListeningNode:
        """Return the node once it listens.

        Raises:
            NodeStartError: it ended, said something else, or did not listen in time.
        """
        output = self.process.stdout
        if output is None:
            raise RuntimeError("the node's output is not piped")
        # One line is all that it ever says there; a thread waits, so that we need not.
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(
            target=lambda: lines.put(output.readline()), daemon=True
        )
        reader.start()
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty as error:
            raise NodeStartError(
                f"nothing within {seconds:g} s\n{self._said()}"
            ) from error
        try:
            told = json.loads(line)
            return ListeningNode(
                url=str(told["url"]),
                model=digest_from_hex(told["model"], what="node.model"),
                engine=digest_from_hex(told["engine"], what="node.engine"),
                device=str(told["manifest"]["device"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NodeStartError(f"{line[:200]}\n{self._said()}") from error

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def write_keystore(folder: Path, key: str, *, name: str) -> tuple[Path, str]:
    """Encrypt a key (0x and 64 hex digits); return the file and a random password."""
    password = secrets.token_hex(16)
    path = folder / f"{name}.json"
    stored = Account.encrypt(
        bytes.fromhex(key[2:]), password, kdf="pbkdf2", iterations=1000
    )
    path.write_text(json.dumps(stored))
    path.chmod(0o600)
    return path, password


def start_node(
    folder: Path,
    *,
    chain_url: str,
    book: AddressBook,
    key: str,
    model: str,
    revision: str | None,
    agent: str,
    engine: str,
) -> StartedNode:
    """Start `affiant node` in a process of its own.

    Args:
        folder: where its files go.
        chain_url: the node's endpoint.
        book: contracts by name; says the chain's id too.
        key: the node's, 0x and 64 hex digits.
        model: a folder, or a hub id.
        revision: commit of the hub repository.
        agent: `FILE.py:CLASS` whose program it serves.
        engine: "vllm" or "transformers".
    """
    keystore, password = write_keystore(folder, key, name="node-key")
    book_file = folder / "book.json"
    book_file.write_bytes(canonical_json(book.to_json()))
    log = folder / "node.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "affiant.cli", "node", "--json"),
                *("--chain-url", chain_url, "--chain-id", str(book.chain_id)),
                *("--book", str(book_file), "--program", agent),
                *("--model", f"{model}@{revision}" if revision else model),
                *("--keystore", str(keystore), "--password-env", PASSWORD_ENV),
                *("--evidence", str(folder / "evidence"), "--engine", engine),
                *("--answered", str(folder / "answered.sqlite")),
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, PASSWORD_ENV: password},
        )
    return StartedNode(process, log)
