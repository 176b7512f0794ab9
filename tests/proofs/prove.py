"""Runs halmos over the proofs, and insists that each went to its end.

    python tests/proofs/prove.py HALMOS [NAME]

HALMOS is the program; NAME restricts to functions that begin so. Every `check_` must
hold for all arguments, with no loop cut off. It ends with 1 where one does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

SOLVER = ("--solver", "yices", "--solver-timeout-assertion", "600s")
"""yices comes with halmos; no query may take it longer than ten minutes."""

BRANCHING = ("--solver-timeout-branching", "100ms")
"""What may be spent on seeing that a path cannot be; where that is unclear it is
walked, and its assertions decide."""

LOOPS = ("--loop", "8")
"""Rounds of a loop whose end is unknown; a proof that needs more counts as none."""

PROVEN = 0
"""halmos' exit code of a function that holds."""

WORDS = {
    0: "proven",
    1: "counterexample",
    2: "timeout",
    3: "stuck",
    4: "reverts always",
    5: "error",
}
"""halmos' exit codes of one function."""


def main() -> int:
    """Run, compare, print; return the exit code."""
    halmos, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "check_"
    wrong = 0
    found = run(halmos, name)
    if not found:
        print(f"halmos found no function that begins with {name}")
        return 1
    for place, result in found:
        code, cut = result["exitcode"], result["num_bounded_loops"] or 0
        right = code == PROVEN and cut == 0
        wrong += not right
        seconds = (result["time"] or [0])[0]
        paths = (result["num_paths"] or [0])[0]
        mark = "" if right else "WRONG: "
        loops = f", {cut} loops cut off" if cut else ""
        print(
            f"{mark}{place} {result['name']}: {WORDS.get(code, code)}{loops} "
            f"({paths} paths, {seconds:.0f} s)"
        )
    return 1 if wrong else 0


def run(halmos: str, function: str) -> list[tuple[str, dict[str, Any]]]:
    """Run halmos on all functions that begin with `function`; return what it found."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(halmos, "--root", str(ROOT), "--forge-build-out", ".cache/forge/proofs"),
            *("--function", function, "--json-output", str(report), "--no-status"),
            *(*SOLVER, *BRANCHING, *LOOPS),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if not report.exists():
            print(done.stdout[-3000:], done.stderr[-3000:])
            return []
        results = json.loads(report.read_text())["test_results"]
    return [
        (place.rpartition(":")[2], result)
        for place, listed in results.items()
        for result in listed
    ]


if __name__ == "__main__":
    sys.exit(main())
