"""The command: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import affiant_here

from affiant.onchain.evidence import EvidenceBundle

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[3]
MODEL = ("--model", "examples/planner/model")


def affiant(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", "explain", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def file(honest: EvidenceBundle, tmp_path_factory: Any) -> Path:
    """The honest decision's evidence file, named as a store names it."""
    path: Path = tmp_path_factory.mktemp("evidence") / f"{honest.digest.hex()}.json.zst"
    path.write_bytes(honest.to_bytes())
    return path


@dataclass(frozen=True)
class Case:
    """Arguments behind the file, the status, and what must be said on stderr."""

    id: str
    arguments: tuple[str, ...]
    status: int
    said: str


MISUSES = (
    Case("a what-if without a model", ("--set", "price:WETH=1"), 2, "need --model"),
    Case("a sweep without a model", ("--sweep", "price:WETH=1..2/2"), 2, "need"),
    Case("sensitivity without a model", ("--sensitivity",), 2, "need --model"),
    Case("no setting", (*MODEL, "--set", "price"), 2, "KIND:NAME=VALUE"),
    Case("an unknown kind", (*MODEL, "--set", "mood:WETH=1"), 2, "mood"),
    Case("an unknown token", (*MODEL, "--set", "price:DOGE=1"), 2, "price:DOGE"),
    Case("a negative balance", (*MODEL, "--set", "wallet:USDC=-5"), 2, "percent"),
    Case("no sweep", (*MODEL, "--sweep", "price:WETH=1..2"), 2, "LOW..HIGH"),
    Case("a token too far", (*MODEL, "--token", "25"), 2, "0 to 24"),
    Case("an unknown engine", (*MODEL, "--engine", "abacus"), 2, "abacus"),
    Case("no generations", (*MODEL, "--generations", "0"), 2, "generations"),
    Case("a page like evidence", ("--html", "x.json.zst"), 2, "no evidence file has"),
    Case("no such model", ("--model", "no-such-folder"), 3, "no-such-folder"),
)


@pytest.mark.parametrize("case", MISUSES, ids=lambda case: case.id)
def test_ends_with_its_status_and_says_why(file: Path, case: Case) -> None:
    done = affiant_here("explain", file, *case.arguments)
    assert (done.returncode, done.stdout) == (case.status, ""), done.stderr
    # The terminal's frame breaks lines.
    assert case.said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_missing_and_damaged_files(file: Path, tmp_path: Path) -> None:
    done = affiant("no-such-file", *MODEL)
    assert done.returncode == 3 and "no-such-file" in done.stderr
    data = file.read_bytes()
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    done = affiant(damaged, *MODEL)
    assert (done.returncode, done.stdout) == (1, "")
    renamed = tmp_path / f"{'0' * 64}.json.zst"
    renamed.write_bytes(data)
    done = affiant(renamed, *MODEL)
    assert (done.returncode, done.stdout) == (
        1,
        "",
    ) and "name of the file" in done.stderr


def test_explains_and_writes_a_page(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "made" / "explanation.html"
    done = affiant(file, *MODEL, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "token 19: '67' 34 %, '72' 29 %, '60' 14 %" in done.stdout
    assert "How did it arrive at that answer?" in page.read_text()


def test_json_goes_to_stdout_alone(file: Path) -> None:
    done = affiant(file, *MODEL, "--json", "--set", "market:WETH=2500")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["format"] == "affiant-explanation/1" and value["sworn"] is False
    assert value["imagined"]["imagined"]["plan"] == ["hold"]
    assert json.loads(affiant(file, *MODEL, "--json").stdout)["imagined"] is None


def test_without_a_model_it_says_what_is_missing(file: Path) -> None:
    done = affiant(file)
    assert done.returncode == 3
    assert "inference 1 is not explained" in done.stdout
    assert "amountOutMinimum" in done.stdout


def test_transformers_can_be_insisted_on(file: Path) -> None:
    done = affiant(file, *MODEL, "--engine", "transformers")
    assert done.returncode == 0 and "the sworn profile" in done.stdout


def test_help_names_the_kinds_and_imports_no_torch() -> None:
    done = affiant("--help")
    assert done.returncode == 0 and "supply-rate" in done.stdout
