"""The wheel carries everything that an agent needs, and nothing heavy comes with it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("agents", "audit", "inference", "onchain")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_every_module_and_artifact(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"affiant/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".json"} and "__pycache__" not in path.parts
    }
    wanted |= {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*.py")
        if not any(part in FOLDERS for part in path.parts)
    }
    assert "affiant/onchain/artifacts/DecisionGate.json" in wanted
    assert wanted - names == set()


def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [
            *(python, "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"),
            wheel,
        ],
        check=True,
        capture_output=True,
    )
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    shown = subprocess.run(
        [environment / "bin" / "affiant", "--help"],
        cwd=tmp_path,
        env=clean,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    commands = ("demo", "up", "node", "serve", "agent", "audit", "model", "mandate")
    for command in commands:
        assert command in shown
    probe = (
        "import importlib.util, affiant.agents, affiant.onchain.artifacts as a;"
        "assert a.load_artifact('DecisionGate').bytecode;"
        "import affiant.inference.chat.langchain_model;"
        "assert importlib.util.find_spec('torch') is None;"
        "assert importlib.util.find_spec('vllm') is None"
    )
    subprocess.run([python, "-c", probe], cwd=tmp_path, env=clean, check=True)
