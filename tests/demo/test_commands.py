"""The commands of `docs/running.md`, each in a process of its own, on one chain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from affiant.agents.nodes.node_process import write_keystore
from affiant.demo.stage import Stage, set_stage, start_node
from affiant.demo.story import move_market
from affiant.encoding import to_hex
from affiant.onchain.devnet import Devnet
from affiant.onchain.devnet.accounts import OPERATOR

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "examples" / "planner" / "model"
AGENT = f"{ROOT / 'examples' / 'rebalancer.py'}:Rebalancer"
PASSWORD_ENV = "AFFIANT_TEST_OPERATOR_PASSWORD"

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose node serves the reference planner with the second engine."""
    folder = tmp_path_factory.mktemp("stage")
    with Devnet.start() as devnet:
        started = start_node(
            folder,
            devnet=devnet,
            model=str(MODEL),
            revision=None,
            agent=AGENT,
            engine="transformers",
        )
        try:
            made = set_stage(
                folder,
                devnet=devnet,
                started=started,
                model=str(MODEL),
                revision=None,
                agent=AGENT,
                start={"WETH": "6", "USDC": "10000"},
                show_mandate=lambda mandate, book: None,
                say=lambda text: None,
            )
            yield made
            made.close()
        finally:
            started.stop()


def affiant(
    *arguments: str | Path, password: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, PASSWORD_ENV: password or ""},
        capture_output=True,
        text=True,
        timeout=600,
    )


def configured(stage: Stage) -> tuple[Path, str]:
    """Write the agent's configuration; return it and the operator's password."""
    _, password = write_keystore(stage.folder, OPERATOR.key, name="operator-key")
    file = stage.folder / "agent.toml"
    file.write_text(
        f"""
[chain]
url = "{stage.devnet.url}"
id = {stage.devnet.chain_id}
[node]
url = "{stage.node.url}"
tokenizer = "{MODEL}"
[mandate]
file = "mandate.json"
[book]
file = "book.json"
[evidence]
url = "evidence"
[journal]
url = "journal.sqlite"
[operator]
keystore = "operator-key.json"
password_env = "{PASSWORD_ENV}"
"""
    )
    return file, password


def audited(stage: Stage, *more: str | Path) -> subprocess.CompletedProcess[str]:
    """Audit the stage's mandate by the command."""
    return affiant(
        *("audit", "--chain-url", stage.devnet.url),
        *("--chain-id", str(stage.devnet.chain_id), "--gate", stage.gate.address),
        *("--mandate", to_hex(stage.mandate.id)),
        *("--store", stage.folder / "evidence", *more),
    )


def test_agent_runs_once_and_is_audited(stage: Stage) -> None:
    config, password = configured(stage)
    move_market(stage, 2500)
    run = ("agent", "run", config, "--agent", AGENT, "--once")
    wrong = affiant(*run, password="not the password")
    assert wrong.returncode == 1
    assert "KeystorePasswordError" in wrong.stderr
    before = stage.gate.head_of(stage.mandate.id)
    assert before == stage.mandate.id

    done = affiant(*run, password=password)
    assert (done.returncode, done.stderr) == (0, done.stderr)
    assert "executed" in done.stdout
    assert stage.gate.head_of(stage.mandate.id) != before

    again = affiant(*run, password=password)
    assert (again.returncode, "skipped" in again.stdout) == (0, True)

    stage.scenario.next_slot(stage.mandate.cadence)
    report = audited(stage, "--model", MODEL, "--json")
    assert report.returncode == 0, report.stderr
    told = json.loads(report.stdout)
    assert told["verdict"] == "accepted"
    assert told["completeness"]["executed"] == [told["decisions"][0]["slot"]]

    # Without the model nothing is reproduced, and nothing is said to be.
    assert audited(stage).returncode == 3
    assert audited(stage, "--require", "signed").returncode == 0

    files = list((stage.folder / "evidence").glob("*.zst"))
    offline = affiant("audit", *files)
    assert offline.returncode == 0
    assert offline.stdout.count("Intact") == len(files) == 1


def test_audit_of_another_mandate_is_refused(stage: Stage) -> None:
    done = affiant(
        *("audit", "--chain-url", stage.devnet.url),
        *("--chain-id", str(stage.devnet.chain_id), "--gate", stage.gate.address),
        *("--mandate", "0x" + "11" * 32, "--store", stage.folder / "evidence"),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_audit_of_another_chain_is_refused(stage: Stage) -> None:
    done = affiant(
        *("audit", "--chain-url", stage.devnet.url, "--chain-id", "1"),
        *("--gate", stage.gate.address, "--mandate", to_hex(stage.mandate.id)),
        *("--store", stage.folder / "evidence"),
    )
    assert done.returncode in (1, 3)
    assert "31337" in done.stderr


def test_key_new_writes_a_keystore_once(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    made = affiant(
        "key", "new", file, "--password-env", PASSWORD_ENV, password="a password"
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("0x")
    assert file.stat().st_mode & 0o077 == 0
    again = affiant(
        "key", "new", file, "--password-env", PASSWORD_ENV, password="a password"
    )
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
