"""The test of forbidden selectors names every selector of the library, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from affiant.encoding import keccak256

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = (ROOT / "contracts/ForbiddenSelectors.sol").read_text()
TESTS = (ROOT / "tests/contracts/DecisionGate.grant.t.sol").read_text()


def selectors_of_library(*functions: str) -> set[str]:
    """Return the selectors that these functions of the library compare with."""
    bodies = re.split(r"\n    function ", LIBRARY)
    body = "".join(b for b in bodies if b.partition("(")[0] in functions)
    found = {
        keccak256(signature.encode())[:4].hex()
        for signature in re.findall(r'keccak256\(\s*"([^"]+)"', body)
    }
    return found | _of_the_gate(body)


def selectors_of_test(name: str) -> set[str]:
    """Return the selectors that the test whose name begins like this lists."""
    body = TESTS.partition(f"function {name}(")[2].partition("\n    }")[0]
    return set(re.findall(r"0x([0-9a-f]{8})\b", body)) | _of_the_gate(body)


def test_every_forbidden_selector_is_tested() -> None:
    functions = re.findall(r"function (_\w+)\(bytes4", LIBRARY)
    library = selectors_of_library(*functions)
    assert len(library) > 80
    assert selectors_of_test("test_grant_reverts_whenSelectorForbidden") == library


def test_every_transfer_is_tested() -> None:
    library = selectors_of_library("moves")
    assert len(library) > 10
    assert selectors_of_test("test_grant_reverts_whenATransferIsUntracked") == library


def _of_the_gate(body: str) -> set[str]:
    artifact = (ROOT / "onchain/artifacts/DecisionGate.json").read_text()
    return {
        keccak256(_signature(item).encode())[:4].hex()
        for item in json.loads(artifact)["abi"]
        if f"IDecisionGate.{item.get('name')}.selector" in body
    }


def _signature(item: dict) -> str:
    return f"{item['name']}({','.join(_type(i) for i in item['inputs'])})"


def _type(value: dict) -> str:
    if not value["type"].startswith("tuple"):
        return value["type"]
    inner = ",".join(_type(part) for part in value["components"])
    return f"({inner}){value['type'][len('tuple') :]}"
