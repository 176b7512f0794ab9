"""From an empty chain to an attested node, by the commands of `docs/attestation.md`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from affiant.onchain.devnet.anvil import HOST, free_port
from affiant.onchain.devnet.rpc import DevnetRpc

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "examples" / "planner" / "model"
AGENT = f"{ROOT / 'examples' / 'rebalancer.py'}:Rebalancer"
PASSWORDS = {"AFFIANT_NODE_PASSWORD": "node", "AFFIANT_PAYER_PASSWORD": "payer"}

pytestmark = [pytest.mark.anvil, pytest.mark.process, pytest.mark.slow]


def affiant(
    folder: Path, *arguments: object, accepted: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **PASSWORDS},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == accepted, done.stderr
    return done


def told(folder: Path, *arguments: object, accepted: int = 0) -> Any:
    """Run a command to its end; return its JSON."""
    return json.loads(affiant(folder, *arguments, "--json", accepted=accepted).stdout)


def new_key(folder: Path, file: str, *, password_env: str) -> str:
    """Make a keystore; return the key's address."""
    made = affiant(folder, "key", "new", file, "--password-env", password_env)
    return made.stdout.strip()


@contextmanager
def running(folder: Path, *arguments: object, until: str) -> Iterator[str]:
    """Run a command; hand over the line with `until`, and end it afterwards."""
    with (folder / f"{arguments[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **PASSWORDS, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if until in line), None)
        assert line is not None, (folder / f"{arguments[0]}.log").read_text()[-2000:]
        yield line
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def test_a_node_is_attested_by_commands_alone(tmp_path: Path) -> None:
    (tmp_path / "dev-seed").write_text("5e" * 32)
    port = free_port()
    with running(tmp_path, "up", "--port", port, until="Ctrl-C"):
        url = f"http://{HOST}:{port}"
        chain = ("--chain-url", url, "--chain-id", 31337)
        dev = ("--unsafe-dev-seed", "dev-seed")
        payer = new_key(tmp_path, "payer.json", password_env="AFFIANT_PAYER_PASSWORD")
        with DevnetRpc(url) as rpc:
            rpc.request("anvil_setBalance", payer, hex(10**18))

        paid = ("--payer", "payer.json")
        deployed = told(tmp_path, "attest", "deploy", *chain, *dev, *paid, "--send")
        assert deployed["deployed"] and deployed["tier"] == 0

        serving = (
            *("node", "--json", *chain, "--book", ".cache/books/31337.json"),
            *("--model", MODEL, "--program", AGENT, "--engine", "transformers"),
            *("--evidence", "evidence", "--answered", "answered.sqlite"),
        )
        # A node with a named key says which engine it has.
        new_key(tmp_path, "node.json", password_env="AFFIANT_NODE_PASSWORD")
        with running(tmp_path, *serving, "--keystore", "node.json", until="{") as line:
            known = json.loads(line)

        asked = told(
            tmp_path,
            *("attest", "workload", "workload.json", "--here", *dev),
            *("--engine", known["engine"], "--model", known["model"]),
        )
        attested = (
            *("--attestation", deployed["contract"], "--workload", "workload.json"),
            *(*paid, *dev),
        )
        with running(tmp_path, *serving, *attested, until="{") as line:
            node = json.loads(line)
        assert node["engine"] == known["engine"] and node["key"] != known["key"]

        where = (*chain, "--contract", deployed["contract"])
        shown = told(
            tmp_path,
            *("attest", "show", *where, "--key", node["key"]),
            *("--workload", "workload.json"),
        )
        assert shown["attested"] and shown["tier"] == 0
        assert shown["workload"] == asked["workload"]
        # Of a key that nobody attested, the same command says so.
        other = told(
            tmp_path,
            *("attest", "show", *where, "--key", known["key"]),
            *("--workload", "workload.json"),
            accepted=1,
        )
        assert not other["attested"]
