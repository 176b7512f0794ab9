"""Every error of the contracts has a test, and is raised in exactly one function."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

INTERFACES = {
    "IDecisionGate": "DecisionGate",
    "INodeRegistry": "NodeRegistry",
    "IModelRegistry": "ModelRegistry",
    "IOwnedAccount": "OwnedAccount",
}


def errors() -> list[tuple[str, str]]:
    """Return (interface, error name) for every error that a deployed contract names."""
    found = []
    for interface, contract in INTERFACES.items():
        artifact = (ROOT / f"onchain/artifacts/{contract}.json").read_text()
        abi = json.loads(artifact)["abi"]
        found += [(interface, item["name"]) for item in abi if item["type"] == "error"]
    return found


@pytest.mark.parametrize(("interface", "name"), errors())
def test_error_has_a_test(interface: str, name: str) -> None:
    tests = "".join(
        path.read_text() for path in (ROOT / "tests/contracts").glob("*.t.sol")
    )
    assert f"{interface}.{name}.selector" in tests


@pytest.mark.parametrize(("interface", "name"), errors())
def test_error_is_raised_in_one_function(interface: str, name: str) -> None:
    raisers = set()
    for path in (ROOT / "contracts").rglob("*.sol"):
        if "devnet" in path.parts:
            continue
        for function in re.split(r"\n    (?=function |constructor)", path.read_text()):
            if re.search(rf"revert\s+(?:{interface}\s*\.\s*)?{name}\(", function):
                raisers.add((path.name, function.partition("(")[0]))
    assert len(raisers) == 1, raisers


@pytest.mark.parametrize(("interface", "name"), errors())
def test_error_is_explained(interface: str, name: str) -> None:
    assert f"| `{name}(" in (ROOT / "docs/errors.md").read_text()
