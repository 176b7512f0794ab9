"""Writes the npm files of new projects: what the local chain needs, out of ours.

    python tests/starter/make_lock.py

The versions and the hashes of their contents are the repository's own, so a new project
gets the very bytes that Affiant is tested with. A test fails on a difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "src" / "affiant" / "starter" / "files"
WANTED = (
    "@aave/core-v3",
    "@foundry-rs/anvil",
    "@uniswap/v3-core",
    "@uniswap/v3-periphery",
    "canonical-weth",
)
"""Packages that the local chain is made of."""

NAME = "affiant-local-chain"


def files() -> dict[str, str]:
    """Return the content of package.json and package-lock.json."""
    package = json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())
    versions = {name: package["devDependencies"][name] for name in WANTED}
    own = {
        "name": NAME,
        "private": True,
        "description": "anvil, and the protocols that the tests' local chain deploys",
        "devDependencies": versions,
    }
    kept: dict[str, Any] = {"": {"name": NAME, "devDependencies": versions}}
    waiting = [f"node_modules/{name}" for name in WANTED]
    while waiting:
        place = waiting.pop()
        if place in kept:
            continue
        kept[place] = entry = lock["packages"][place]
        for name in {
            **entry.get("dependencies", {}),
            **entry.get("optionalDependencies", {}),
        }:
            nested = f"{place}/node_modules/{name}"
            waiting.append(nested if nested in lock["packages"] else _above(name))
    locked = {
        "name": NAME,
        "lockfileVersion": lock["lockfileVersion"],
        "requires": True,
        "packages": {place: kept[place] for place in sorted(kept)},
    }
    return {
        "package.json.txt": json.dumps(own, indent=2) + "\n",
        "package-lock.json.txt": json.dumps(locked, indent=2) + "\n",
    }


def _above(name: str) -> str:
    return f"node_modules/{name}"


if __name__ == "__main__":
    for name, content in files().items():
        (FILES / name).write_text(content)
