"""New projects: names that are refused, and nothing that is written over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from neighbours import neighbour

from affiant.agents.settings.config import load_config
from affiant.agents.settings.loading import load_agent_class
from affiant.starter.project import PLACES, ProjectError, class_of, write_project

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "src" / "affiant" / "starter" / "files"


@pytest.mark.parametrize(
    "name",
    (
        *("", ".", "..", "../up", "/tmp/x", "a/b", "a\\b", "a b", "-a", "a-", "a--b"),
        *("A", "a_b", "1a", "é", "a\n", "a\0b", "~", "$HOME", "a" * 41, "{{name}}"),
        *("class", "import", "match", "json", "asyncio", "affiant", "tests", "pytest"),
        *("verified-agent", "swap", "none", "true", "con"),
    ),
)
def test_refuses_names_that_are_none(tmp_path: Path, name: str):
    with pytest.raises(ProjectError):
        write_project(name, into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writes_everything_below_one_new_folder(tmp_path: Path):
    project = write_project("my-keeper2", into=tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "my-keeper2"]
    found = {
        path.relative_to(project.folder).as_posix()
        for path in project.folder.rglob("*")
        if path.is_file()
    }
    assert found == set(PLACES.values()) == set(project.files)
    for path in project.folder.rglob("*"):
        assert path.is_dir() or "{{" not in path.read_text()
    assert "npm ci" in project.told() and "pytest" in project.told()


def test_never_writes_over_what_is_there(tmp_path: Path):
    (tmp_path / "keeper").mkdir()
    (tmp_path / "keeper" / "agent.py").write_text("mine")
    (tmp_path / "file").write_text("mine")
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    for name in ("keeper", "file", "link"):
        with pytest.raises(ProjectError, match="does not exist yet"):
            write_project(name, into=tmp_path)
    assert (tmp_path / "keeper" / "agent.py").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_said_to_be_so(tmp_path: Path):
    with pytest.raises(ProjectError):
        write_project("keeper", into=tmp_path / "missing")


def test_what_is_written_is_what_it_says_to_be(tmp_path: Path):
    folder = write_project("my-keeper", into=tmp_path).folder
    assert class_of("my-keeper") == "MyKeeper"
    agent = load_agent_class(f"{folder / 'agent.py'}:MyKeeper")
    assert agent.__name__ == "MyKeeper"
    config = load_config(folder / "agent.toml")
    assert config.agent is not None
    assert config.agent.reference == f"{folder / 'agent.py'}:MyKeeper"
    settings = tomllib.loads((folder / "pyproject.toml").read_text())
    assert settings["project"]["name"] == "my-keeper"
    options = settings["tool"]["pytest"]["ini_options"]
    assert options["affiant_agent"] == "agent.py:MyKeeper"


def test_new_projects_get_the_bytes_that_we_are_tested_with():
    make_lock = neighbour("starter/make_lock.py")
    for name, content in make_lock.files().items():
        assert (FILES / name).read_text() == content, "run tests/starter/make_lock.py"


@pytest.mark.slow
@pytest.mark.anvil
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_fresh_environment_is_green_without_torch(tmp_path: Path):
    """Installs the wheel's base dependencies, pytest and the npm lock, for real."""
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*command: str | Path, status: int = 0) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    folder = tmp_path
    subprocess.run(
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-d",
            tmp_path / "d",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "d").glob("*.whl")
    binaries = environment / "bin"
    run(
        *(binaries / "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--constraint", ROOT / "constraints.txt", wheel, "pytest"),
    )
    run(binaries / "affiant", "new", "my-keeper")
    folder = tmp_path / "my-keeper"
    assert "npm ci" in run(binaries / "pytest", "-q", "-x", status=1)
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
    probe = "import importlib.util as u; assert not u.find_spec('torch')"
    run(binaries / "python", "-c", probe)
    assert "6 passed" in run(binaries / "pytest", "-q")
