"""The commands of `docs/endorser.md`, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.desk import EndorserLimits
from affiant.encoding import to_hex
from affiant.onchain.gate import Submission
from affiant.onchain.signed_statement import SignedStatement

pytestmark = [pytest.mark.anvil, pytest.mark.process]

PAGE = (Path(__file__).parents[2] / "docs/endorser.md").read_text(encoding="utf-8")


COMMANDS = neighbour("audit/test_endorser_command.py")
office = COMMANDS.office
BLOCKS = dict(re.findall(r"```sh (\w+)\n(.*?)```", PAGE, re.DOTALL))
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _shell(folder: Path, *names: str, **variables: Any) -> list[str]:
    """Return the command that runs blocks of the page; `set -u` finds what is unset."""
    script = "set -euo pipefail\n" + "\n".join(BLOCKS[name] for name in names)
    given = [f"{name}={value}" for name, value in variables.items()]
    path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
    return ["env", "-C", str(folder), path, *given, "bash", "-c", script]


def _run(folder: Path, *names: str, **variables: Any) -> Any:
    return subprocess.run(
        _shell(folder, *names, **variables), capture_output=True, text=True
    )


def test_every_command_of_the_page_does_what_it_says(
    office: Any, tmp_path: Path
) -> None:
    mandate = office.world.mandate
    variables = {
        "AFFIANT_ENDORSER_PASSWORD": COMMANDS.PASSWORD,
        "CHAIN_URL": office.world.devnet.url,
        "CHAIN_ID": office.world.book.chain_id,
        "GATE": office.world.book.gate,
        "MANDATE": to_hex(mandate.id),
        "MODEL": office.model,
        "ENGINE": "transformers",
        "STORE": office.folder / "node-evidence",
        "PORT": _free_port(),
    }
    assert set(variables) == set(re.findall(r"([A-Z_]+)=", BLOCKS["variables"]))
    # A key of its own is made, and the one that the mandate names is used.
    made = _run(tmp_path, "key", **variables)
    assert made.returncode == 0, made.stderr
    assert re.search(r"0x[0-9a-fA-F]{40}", made.stdout)
    shutil.copy(office.folder / "endorser.json", tmp_path / "endorser.json")

    server = subprocess.Popen(
        _shell(tmp_path, "options", "serve", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line == f"listening on http://127.0.0.1:{variables['PORT']}\n"
        bundle = office.decide()
        asked = {**variables, "FILE": office.file(bundle)}
        told = _run(tmp_path, "ask", **asked)
        about, end = json.JSONDecoder().raw_decode(told.stdout)
        answer = json.loads(told.stdout[end:])
        assert about["key"] == answer["endorser"] == office.endorser
        assert answer["digest"] == to_hex(bundle.digest)
        space: dict[str, Any] = {
            "bundle": bundle,
            "urls": [line.split()[-1], f"http://127.0.0.1:{_free_port()}"],
        }
        exec(compile(PYTHON, "docs/endorser.md", "exec"), space)
        assert to_hex(space["found"].joined) == answer["signature"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
        server.stdout.close()

    # Without a server, on the memory that the server left.
    done = _run(tmp_path, "options", "endorse", **asked)
    assert done.stdout.strip() == answer["signature"], done.stderr[-3000:]
    again = _run(tmp_path, "options", "serve", **variables)
    assert again.returncode == 1 and "none where a new one" in again.stderr

    office.world.gate.execute(Submission.of(bundle), operator=office.world.operator)
    office.world.scenario.next_slot(mandate.cadence)
    variables["ANCHOR"] = office.world.chain.block_number()
    done = _run(tmp_path, "options", "checkpoint", **variables)
    assert done.returncode == 0, done.stderr[-3000:]
    signed = json.loads((tmp_path / "checkpoint.json").read_text())
    assert SignedStatement.from_json(signed).endorser == office.endorser
    assert signed["checkpoint"]["head"] == to_hex(bundle.digest)
    # An honest decision: there is nothing to prove.
    variables["DECISION"] = to_hex(bundle.digest)
    done = _run(tmp_path, "options", "verdict", **variables)
    assert done.returncode == 1 and "NotProvenFalseError" in done.stderr
    assert not (tmp_path / "verdict.json").exists()


def test_the_page_states_the_limits_that_hold() -> None:
    from affiant import app_server
    from affiant.audit import endorser_service, replay_process, timed_store

    limits = EndorserLimits()
    for stated in (
        f"{limits.evidence_bytes // 2**20} MiB; {limits.evidence_items:,}".replace(
            ",", " "
        ),
        f"| {limits.held_bytes // 2**20} MiB |",
        f"| {endorser_service.BODY_SECONDS:.0f} s |",
        f"| {limits.request_seconds:.0f} s |",
        f"| {replay_process.REPLAY_SECONDS:.0f} s; "
        f"{replay_process.START_SECONDS:.0f} s",
        f"| {timed_store.READ_SECONDS:.0f} s |",
        f"| {limits.reading_waiting}; {limits.looking_waiting}; "
        f"{limits.replaying_waiting}; {limits.mandate_waiting} |",
        f"| {limits.walks_per_slot} |",
        f"| {app_server.CONNECTIONS}; ",
    ):
        assert stated in PAGE, stated
