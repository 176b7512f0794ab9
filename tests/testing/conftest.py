"""New projects, and their tests run in a process of their own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from affiant.starter.project import write_project

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "vllm", "xgrammar", "fastapi", "uvicorn")
"""What a project's tests must do without."""


def plugin_arguments() -> list[str]:
    """Name the plug-in where the installed package does not do so yet."""
    known = {point.name for point in entry_points(group="pytest11")}
    return [] if "affiant" in known else ["-p", "affiant.testing.plugin"]


def _children_seconds() -> float:
    """Return the CPU seconds of all processes that this one has waited for.

    What is promised is a minute on a machine of one's own; here others run as well.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture
def child_seconds() -> Callable[[], float]:
    """CPU seconds of the processes that a test has waited for so far."""
    before = _children_seconds()
    return lambda: _children_seconds() - before


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project."""
    return write_project("my-keeper", into=tmp_path).folder


@pytest.fixture
def run_pytest(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a project's tests in a process that can import nothing heavy."""
    blocked = tmp_path / "blocked"
    for name in HEAVY:
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(
            f"raise ImportError('{name} is not there')\n"
        )

    def run(
        folder: Path, *arguments: str, heavy: bool = False, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        paths = [ROOT / "src"] if heavy else [blocked, ROOT / "src"]
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *plugin_arguments(),
                *arguments,
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    return run
