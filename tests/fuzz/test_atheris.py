"""Coverage-guided fuzzing of every target, each for a while: `make test-long`."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import fuzz_targets
import pytest

HARNESS = Path(__file__).with_name("run_atheris.py")
SECONDS = int(os.environ.get("AFFIANT_FUZZ_SECONDS", "20"))
"""Time for each target."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="NOT FUZZED: no atheris here; it has wheels for Linux and CPython 3.11 "
        "to 3.13 only (extra `fuzz`)",
    ),
]


def run(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HARNESS), name, str(SECONDS), str(folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
        check=False,
    )


@pytest.mark.parametrize("name", [target.name for target in fuzz_targets.targets()])
def test_coverage_guided_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    crashes = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert done.returncode == 0 and not crashes, (
        done.stderr[-4000:] + done.stdout[-2000:]
    )
    executed = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert executed is not None and int(executed[1]) > 50, done.stderr[-2000:]
