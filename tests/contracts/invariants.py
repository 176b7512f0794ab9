"""Walks the gate's invariants in shards, each with a seed of its own, and adds them up.

    python tests/contracts/invariants.py [--runs 10000] [--depth 100] [--shard 500]

forge walks one after the other and says nothing before the end. A shard that is done
is remembered under `.cache/forge/invariants`, by the hash of what it walked: a walk
that was interrupted goes on where it was. It ends with 1 at the first shard that
fails, and shows what forge said of it: the seed repeats it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DONE = ROOT / ".cache/forge/invariants"
CONTRACT = "GateInvariants"
"""What is walked: `fail_on_revert`, as every profile has it."""

SAID = re.compile(r"\[PASS\] (\w+)\(.*\(runs: (\d+), calls: (\d+), reverts: (\d+)")
"""forge's word for an invariant that held."""


def main() -> int:
    """Walk every shard that is not done; print; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--shard", type=int, default=500)
    asked = parser.parse_args()
    sources, began = what_is_walked(), time.monotonic()
    totals = {"runs": 0, "calls": 0, "reverts": 0}
    for number, first in enumerate(range(0, asked.runs, asked.shard)):
        runs = min(asked.shard, asked.runs - first)
        seed = hashlib.sha256(f"walk {number}".encode()).hexdigest()
        name = f"{sources[:16]}-{runs}x{asked.depth}-{number}.json"
        held = walk(DONE / name, runs=runs, depth=asked.depth, seed=f"0x{seed}")
        if held is None:
            return 1
        for key in totals:
            totals[key] += held[key]
        print(
            f"shard {number}: {held['runs']} walks, {held['calls']} calls, "
            f"{held['seconds']:.0f} s",
            flush=True,
        )
    print(
        f"{totals['runs']} walks of {asked.depth} steps, {totals['calls']} calls, "
        f"{totals['reverts']} reverts: every invariant held "
        f"({time.monotonic() - began:.0f} s now)"
    )
    return 0


def walk(place: Path, *, runs: int, depth: int, seed: str) -> dict[str, int] | None:
    """Walk one shard, or return what it gave before; None where it failed."""
    if place.exists():
        return json.loads(place.read_text())  # type: ignore[no-any-return]
    began = time.monotonic()
    done = subprocess.run(
        [ROOT / "contracts/forge", "test", "--match-contract", f"^{CONTRACT}$"],
        cwd=ROOT,
        env={
            **os.environ,
            "FOUNDRY_PROFILE": "long",
            "FOUNDRY_INVARIANT_RUNS": str(runs),
            "FOUNDRY_INVARIANT_DEPTH": str(depth),
            "FOUNDRY_FUZZ_SEED": seed,
        },
        capture_output=True,
        text=True,
    )
    held = SAID.findall(done.stdout)
    if done.returncode or not held or any(int(walked[1]) != runs for walked in held):
        print(done.stdout[-6000:], done.stderr[-2000:])
        print(f"the seed was {seed}, {runs} walks of {depth} steps")
        return None
    counts = {
        "runs": runs,
        "calls": sum(int(walked[2]) for walked in held),
        "reverts": sum(int(walked[3]) for walked in held),
        "seconds": round(time.monotonic() - began),
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(counts))
    return counts


def what_is_walked() -> str:
    """Return a hash of contracts, walk and settings."""
    digest = hashlib.sha256()
    files = [
        *sorted((ROOT / "contracts").rglob("*.sol")),
        *sorted((ROOT / "tests/contracts").glob("*.sol")),
        *sorted((ROOT / "tests/contracts/mocks").glob("*.sol")),
        ROOT / "foundry.toml",
    ]
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT)} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
