"""The command line: what it prints, and the status it ends with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import affiant_here
from eth_utils.address import to_checksum_address

from affiant import __version__
from affiant.encoding import canonical_json
from affiant.onchain.address_book import AddressBook
from affiant.onchain.mandate import Address

ROOT = Path(__file__).resolve().parent.parent
PLANNER = ROOT / "examples" / "planner" / "model"


def affiant(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "affiant.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
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
    Case("nothing to explain", ("explain", "no-such-file"), 3, "no-such-file"),
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
    Case("proof of nothing", ("model", "prove", "x"), 2, "--tensor"),
    Case(
        "proof of two things",
        ("model", "prove", "x", "--tensor", "a", "--file", "b"),
        2,
        "--header",
    ),
    Case(
        "missing proof",
        ("model", "check", "no-such-file", "--root", "0x" + "00" * 32)
        + ("--chunk-file", "x"),
        1,
        "no-such-file",
    ),
    Case(
        "missing signature",
        ("model", "signature", "examples/planner/model", "--public-key", "x"),
        1,
        "model.sig",
    ),
    Case(
        "a root that is none",
        ("model", "check", "x", "--root", "0x00", "--chunk-file", "x"),
        2,
        "--root",
    ),
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
    done = affiant_here(*case.arguments)
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
        ("serve",),
        ("agent", "run"),
        ("audit",),
        ("explain",),
        ("endorser",),
        ("endorse",),
        ("checkpoint",),
        ("verdict",),
        ("model", "commit"),
        ("model", "prove"),
        ("model", "check"),
        ("model", "signature"),
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


def test_model_commit_names_changes(tmp_path: Path) -> None:
    model = Path(shutil.copytree(PLANNER, tmp_path / "model"))
    before = affiant("model", "commit", model, "--json")
    (tmp_path / "before.json").write_text(before.stdout)
    root = json.loads(before.stdout)["root"]
    again = affiant("model", "commit", model, "--compare", tmp_path / "before.json")
    assert (again.returncode, again.stdout) == (0, root + "\n")
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    (model / "tokenizer.json").unlink()
    changed = affiant("model", "commit", model, "--compare", tmp_path / "before.json")
    assert changed.returncode == 1
    assert changed.stdout.splitlines() == [
        "removed file:tokenizer.json",
        "changed tensor:model.norm.weight chunk 0",
    ]
    as_json = affiant(
        *("model", "commit", model, "--compare", tmp_path / "before.json", "--json")
    )
    assert as_json.returncode == 1
    found = json.loads(as_json.stdout)
    assert (found["earlier"], found["root"] != root) == (root, True)
    assert found["changes"] == [
        {"kind": "removed", "name": "file:tokenizer.json", "chunk": None},
        {"kind": "changed", "name": "tensor:model.norm.weight", "chunk": 0},
    ]


def test_model_prove_and_check_one_chunk(tmp_path: Path) -> None:
    proof, chunk = tmp_path / "proof.json", tmp_path / "chunk"
    tensor = ("--tensor", "model.embed_tokens.weight")
    made = affiant(
        *("model", "prove", PLANNER, *tensor, "--out", proof, "--chunk-out", chunk)
    )
    assert (made.returncode, made.stdout) == (0, "")
    printed = affiant("model", "prove", PLANNER, *tensor)
    assert printed.stdout.encode() == proof.read_bytes()
    root = affiant("model", "commit", PLANNER).stdout.strip()
    check = ("model", "check", proof, "--root", root, "--chunk-file", chunk)
    told = affiant(*check)
    assert told.returncode == 0
    assert "model.embed_tokens.weight chunk 0: 537600 bytes" in told.stdout
    assert json.loads(affiant(*check, "--json").stdout) == {
        "root": root,
        "part": {
            "kind": "tensor",
            "name": "model.embed_tokens.weight",
            "dtype": "F32",
            "shape": [700, 192],
        },
        "chunk": 0,
        "offset": 0,
        "size": 537600,
    }
    content = bytearray(chunk.read_bytes())
    content[7] ^= 1
    chunk.write_bytes(content)
    refused = affiant(*check, "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "ChunkProofError: chunk proof `bytes`: got BLAKE3 0x" in refused.stderr
    chunk.write_bytes(bytes(2**20 + 1))
    assert "at most 1048576 bytes" in affiant(*check).stderr


def test_model_prove_takes_a_commitment_that_is_the_folders(tmp_path: Path) -> None:
    whole = affiant("model", "commit", PLANNER, "--json").stdout
    file = tmp_path / "commitment.json"
    file.write_text(whole)
    asked = ("model", "prove", PLANNER, "--file", "config.json")
    assert affiant(*asked, "--commitment", file).stdout == affiant(*asked).stdout
    value = json.loads(whole)
    value["parts"][-1]["chunks"] = ["0x" + "00" * 32]
    file.write_text(json.dumps(value))
    refused = affiant(*asked, "--commitment", file)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "of its parts" in refused.stderr


def test_kits_are_listed_with_the_package_that_brought_them() -> None:
    done = affiant("kits")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("swap 2 (affiant); observes balances, prices\n")
    listed = json.loads(affiant("kits", "--json").stdout)
    assert {item["package"] for item in listed} == {"affiant"}
    assert [item["name"] for item in listed][:4] == [
        "swap",
        "supply",
        "withdraw",
        "hold",
    ]
