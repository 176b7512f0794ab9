"""Reports what the adversaries of `Adversaries.t.sol` took, beside what was printed.

    python tests/contracts/adversaries.py .cache/forge/adversaries/thefts.txt

It reads one line per adversary (theft, bound, decisions executed; values with 8
decimals), prints the best theft as a share of its bound, and exits with 1 where it is
more than all of it, or where there are fewer adversaries than were asked for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Read, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--least", type=int, default=10_000, help="adversaries needed")
    arguments = parser.parse_args()
    rows = [
        [int(word) for word in line.split()]
        for line in arguments.file.read_text().splitlines()
    ]
    shares = sorted(theft / bound for theft, bound, _ in rows if bound)
    executed = sum(row[2] for row in rows)
    if len(shares) < arguments.least:
        print(f"{len(shares)} adversaries, expected {arguments.least}")
        return 1
    middle, best = shares[len(shares) // 2], shares[-1]
    print(
        f"{len(shares):,} adversaries had {executed:,} decisions executed; the best "
        f"took {best:.4f} of the bound that was printed, "
        f"half of them at most {middle:.4f}."
    )
    return 0 if best <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
