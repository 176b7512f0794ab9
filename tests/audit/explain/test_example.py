"""The worked example of the documentation is what the command says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.model


def test_the_documentation_says_what_the_command_says() -> None:
    script = Path(__file__).with_name("write_example.py")
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
