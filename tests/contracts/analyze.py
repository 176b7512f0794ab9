"""Runs slither over the contracts, and insists that every finding is explained.

    python tests/contracts/analyze.py SLITHER

SLITHER is the program. `slither.json` beside this file explains findings: by detector
and by the function (or contract) that it points at, "*" for all. It ends with 1 where
a finding is not explained, and where an explanation explains nothing any more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / ".cache/forge/analysis"


def main() -> int:
    """Build, analyse, compare; return the exit code."""
    slither = sys.argv[1]
    build = [
        str(ROOT / "contracts/forge"),
        *("build", "--quiet", "--force", "--build-info", "--skip", "tests/**"),
        *("--out", str(BUILT), "--cache-path", str(BUILT / "cache")),
        *("--build-info-path", str(BUILT / "build-info")),
    ]
    # By one compiler: what several compile is dead code where its users are not.
    environment = {**os.environ, "FOUNDRY_PROFILE": "coverage"}
    subprocess.run(build, cwd=ROOT, env=environment, check=True)
    report = BUILT / "slither-report.json"
    report.unlink(missing_ok=True)
    analyse = [
        *(slither, ".", "--ignore-compile", "--fail-none", "--json", str(report)),
        *("--foundry-out-directory", str(BUILT.relative_to(ROOT))),
        # The devnet's contracts are hostile on purpose.
        *("--filter-paths", "node_modules|tests|contracts/devnet"),
    ]
    done = subprocess.run(analyse, cwd=ROOT, capture_output=True, text=True)
    if not report.exists():
        print(done.stderr[-2000:])
        return 1
    results = json.loads(report.read_text())
    if not results["success"]:
        print(results["error"])
        return 1
    findings = {
        (finding["check"], place(finding)): finding["description"].splitlines()[0]
        for finding in results["results"]["detectors"]
    }
    explained = {
        (item["check"], where)
        for item in json.loads((HERE / "slither.json").read_text())
        for where in item["where"]
    }
    unused = set(explained)
    unexplained = []
    for key, description in sorted(findings.items()):
        matches = {key, (key[0], "*")} & explained
        unused -= matches
        if not matches:
            unexplained.append(f"{key[0]}, {key[1]}: {description}")
    for line in unexplained:
        print(f"unexplained: {line}")
    for check, where in sorted(unused):
        print(f"explains nothing any more: {check}, {where}")
    print(f"{len(findings)} findings, {len(unexplained)} of them unexplained")
    return 1 if unexplained or unused else 0


def place(finding: dict[str, object]) -> str:
    """Return what a finding points at: `Contract.function`, or a contract or file."""
    elements = finding["elements"]
    assert isinstance(elements, list)
    if not elements:
        return "everything"
    first = elements[0]
    parent = first.get("type_specific_fields", {}).get("parent", {})
    name = str(first["name"])
    if first["type"] in ("function", "variable", "node") and parent:
        return f"{parent['name']}.{name}"
    return name


if __name__ == "__main__":
    sys.exit(main())
