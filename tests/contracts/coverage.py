"""Insists that every line and branch of the contracts is tested, or has a reason.

    python tests/contracts/coverage.py LCOV

`coverage.json` beside this file gives reasons, by file and by what the line says. Lines
inside of assembly have one in common: the compiler's intermediate language, without
which the contracts do not compile for coverage, tells no places in assembly. It ends
with 1 where something uncovered has no reason, or a reason is not needed any more.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main() -> int:
    """Read, compare, print; return the exit code."""
    missed, lines, branches = read(Path(sys.argv[1]).read_text())
    reasons = {
        (item["file"], text)
        for item in json.loads((HERE / "coverage.json").read_text())
        for text in item["lines"]
    }
    unused, unexplained, assembly = set(reasons), [], 0
    for file, numbers in sorted(missed.items()):
        source = (ROOT / file).read_text().splitlines()
        inside = in_assembly(source)
        for number in sorted(numbers):
            text = source[number - 1].strip()
            if (file, text) in reasons:
                unused.discard((file, text))
            elif number in inside:
                assembly += 1
            else:
                unexplained.append(f"{file}:{number}: {text}")
    for line in unexplained:
        print(f"not covered: {line}")
    for file, text in sorted(unused):
        print(f"explains nothing any more: {file}: {text}")
    print(
        f"{lines[0]} of {lines[1]} lines and {branches[0]} of {branches[1]} branches "
        f"are covered; {assembly} lines are assembly, {len(reasons)} have a reason of "
        f"their own, {len(unexplained)} have none"
    )
    return 1 if unexplained or unused else 0


def read(text: str) -> tuple[dict[str, set[int]], list[int], list[int]]:
    """Return uncovered lines by file, and (covered, all) lines and branches."""
    missed: dict[str, set[int]] = defaultdict(set)
    lines, branches, file = [0, 0], [0, 0], ""
    for row in text.splitlines():
        kind, _, rest = row.partition(":")
        if kind == "SF":
            file = rest
        if not file.startswith("contracts/") or file.startswith("contracts/devnet/"):
            continue
        if kind in ("DA", "BRDA"):
            fields = rest.split(",")
            hit = fields[-1] not in ("0", "-")
            counted = lines if kind == "DA" else branches
            counted[0] += hit
            counted[1] += 1
            if not hit:
                missed[file].add(int(fields[0]))
    return missed, lines, branches


def in_assembly(source: list[str]) -> set[int]:
    """Return the numbers of the lines of assembly blocks."""
    found, depth = set(), 0
    for number, line in enumerate(source, start=1):
        if depth == 0 and line.strip().startswith("assembly"):
            depth = line.count("{") - line.count("}")
            found.add(number)
        elif depth:
            found.add(number)
            depth += line.count("{") - line.count("}")
    return found


if __name__ == "__main__":
    sys.exit(main())
