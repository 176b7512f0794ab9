"""The command line: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from affiant import __version__
from affiant.encoding import canonical_json
from affiant.onchain.address_book import AddressBook
from affiant.onchain.mandate import Address

ROOT = Path(__file__).resolve().parent.parent


def affiant(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@dataclass(frozen=True)
class Case:
    """Arguments, the status they must end with, and what must be said on stderr."""

    id: str
    arguments: tuple[str, ...]
    status: int
    said: str


CASES = (
    Case("unknown command", ("fly",), 2, "fly"),
    Case("audit of nothing", ("audit",), 2, "--chain-url"),
    Case("missing evidence", ("audit", "no-such-file"), 3, "no-such-file"),
    Case("replay without a model", ("replay", "no-such-file"), 2, "--model"),
    Case(
        "replay with a missing model",
        ("replay", "no-such-file", "--model", "no-such-folder"),
        3,
        "no-such-folder",
    ),
    Case(
        "replay with a missing profile",
        ("replay", "no-such-file", "--model", ".", "--profile", "no-such-profile"),
        3,
        "no-such-profile",
    ),
    Case(
        "calibration of a missing model",
        ("calibrate", "--model", "no-such-folder", "--prompts", "no-such-file"),
        1,
        "no-such-folder",
    ),
    Case("missing model", ("model", "commit", "no-such-folder"), 1, "no-such-folder"),
    Case(
        "missing mandate",
        ("mandate", "show", "no-such-file", "--book", "no-such-book"),
        1,
        "no-such-file",
    ),
    Case(
        "missing configuration",
        ("agent", "run", "no-such.toml", "--agent", "examples/rebalancer.py"),
        1,
        "no-such.toml",
    ),
    Case(
        "missing agent",
        ("agent", "run", "no-such.toml", "--agent", "no-such.py:Agent"),
        1,
        "no-such.py",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_ends_with_its_status_and_says_why(case: Case) -> None:
    done = affiant(*case.arguments)
    assert (done.returncode, done.stdout) == (case.status, "")
    assert case.said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("demo",),
        ("up",),
        ("node",),
        ("agent", "run"),
        ("audit",),
        ("model", "commit"),
        ("mandate", "show"),
    ],
    ids=" ".join,
)
def test_help_needs_nothing(command: tuple[str, ...]) -> None:
    done = affiant(*command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_version() -> None:
    assert affiant("--version").stdout.strip() == __version__


def test_help_imports_neither_torch_nor_vllm() -> None:
    probe = (
        "import sys, affiant.cli; "
        "print(sorted({'torch', 'vllm', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def written_mandate(folder: Path) -> tuple[Path, str]:
    """Write the shared vector's mandate; return the file and its id."""
    vectors = json.loads((ROOT / "tests" / "vectors" / "mandate.json").read_text())
    file = folder / "mandate.json"
    file.write_text(json.dumps(vectors["full"]["mandate"]))
    return file, vectors["full"]["id"]


def test_mandate_show_says_it_in_words(tmp_path: Path) -> None:
    mandate, identity = written_mandate(tmp_path)
    addresses = [Address(to_checksum_address(f"0x{n:040x}")) for n in (1, 2, 3)]
    book = AddressBook(31337, *addresses, tokens={})
    file = tmp_path / "book.json"
    file.write_bytes(canonical_json(book.to_json()))
    done = affiant("mandate", "show", mandate, "--book", file)
    assert done.returncode == 0
    assert identity in done.stdout
    assert "per decision" in done.stdout


def test_mandate_show_refuses_a_damaged_book(tmp_path: Path) -> None:
    mandate, _ = written_mandate(tmp_path)
    book = tmp_path / "book.json"
    book.write_text("{}")
    done = affiant("mandate", "show", mandate, "--book", book)
    assert done.returncode == 1
    assert "book.json" in done.stderr
    assert "nodeRegistry" in done.stderr


def test_edited_evidence_is_named_offline(tmp_path: Path) -> None:
    file = tmp_path / "evidence.json.zst"
    file.write_bytes(b"\x28\xb5\x2f\xfd garbage")
    done = affiant("audit", file)
    assert done.returncode == 1
    assert "evidence.json.zst: edited in" in done.stdout
