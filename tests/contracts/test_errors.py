"""Every error of the contracts has a test, and is raised in exactly one function."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from affiant.onchain.build_contract_errors import INTERFACES as GENERATED
from affiant.onchain.build_contract_errors import class_name

ROOT = Path(__file__).resolve().parents[2]

INTERFACES = (
    "IDecisionGate",
    "INodeRegistry",
    "IModelRegistry",
    "IOwnedAccount",
    "ITdxAttestation",
    "ITdxVerifier",
    "ICertificateReader",
    "ICollateralReader",
)
PREFIXES = {interface: prefix for interface, prefix, _ in GENERATED}


def errors() -> list[tuple[str, str]]:
    """Return (interface, error name) for every error that an interface names."""
    sources = {path.stem: path for path in (ROOT / "contracts").rglob("I*.sol")}
    return [
        (interface, name)
        for interface in INTERFACES
        for name in re.findall(r"\n    error (\w+)\(", sources[interface].read_text())
    ]


@pytest.mark.parametrize(("interface", "name"), errors())
def test_error_has_a_test(interface: str, name: str) -> None:
    """In Solidity by its selector, or in Python by its class."""
    folder = ROOT / "tests/contracts"
    solidity = "".join(path.read_text() for path in folder.rglob("*.t.sol"))
    python = "".join(path.read_text() for path in folder.glob("*/test_*.py"))
    by_class = re.search(rf"\b{class_name(PREFIXES[interface], name)}\b", python)
    assert f"{interface}.{name}.selector" in solidity or by_class


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
