"""The command line in this process, without the seconds that a new one takes.

For what ends early. What loads an engine, listens or waits is a process in its tests.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from affiant.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def affiant_here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command from the repository's root; return status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    line = ["affiant", *map(str, arguments)]
    with (
        contextlib.chdir(ROOT),
        mock.patch.object(sys, "argv", line),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int), status
    return subprocess.CompletedProcess(line, status, out.getvalue(), err.getvalue())
