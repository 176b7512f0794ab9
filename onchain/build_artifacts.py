"""Builds the contracts and writes what Python needs of them: ABI and bytecode.

It decides nothing and trusts forge and the compiler that `package.json` pins. The
outputs are committed, so that a wheel carries them and nobody needs Node to use
Affiant: `onchain/artifacts/NAME.json` and the table in `docs/errors.md`.

    python -m affiant.onchain.build_artifacts           # write
    python -m affiant.onchain.build_artifacts --check   # exit 1 where they differ
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from affiant.encoding import JsonValue, keccak256, to_hex

ROOT = Path(__file__).resolve().parent.parent
"""The repository's root; this module is of no use in an installed wheel."""

DEPLOYED = (
    "DecisionGate",
    "MandateChecks",
    "NodeRegistry",
    "ModelRegistry",
    "OwnedAccount",
    "EpochDrawdown",
    "HealthFactorFloor",
    "OracleAgainstTwap",
    "RecipientIsAccount",
    "RecipientIsListed",
    "SafeSettings",
    "SpendRate",
    "TdxAttestation",
    "TdxVerifier",
    "CertificateReader",
    "CollateralReader",
    "SettableFeed",
    "Siphon",
    "StickyToken",
    "TokenVault",
)
"""Contracts that somebody deploys; a TDX verifier deploys its readers itself, and the
last four are for a devnet only."""

EXPLAINED = (
    "IDecisionGate",
    "IMandateChecks",
    "IOwnedAccount",
    "INodeRegistry",
    "IModelRegistry",
    "EpochDrawdown",
    "HealthFactorFloor",
    "OracleAgainstTwap",
    "RecipientIsAccount",
    "RecipientIsListed",
    "SafeSettings",
    "SpendRate",
    "ITdxAttestation",
    "ITdxVerifier",
    "ICertificateReader",
    "ICollateralReader",
)
"""Interfaces and rules whose errors `docs/errors.md` explains, in its order."""

ERRORS_HEADER = """# Contract errors

Generated from the contracts' NatSpec by `python -m affiant.onchain.build_artifacts`;
do not edit.
A refusal changes nothing: the transaction reverts, and the head, the unaudited outflow
and every balance are as before.
"""
"""Opening of `docs/errors.md`."""


def main(arguments: Sequence[str]) -> int:
    """Build, then write the outputs, or compare them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args(arguments).check
    subprocess.run(
        [str(ROOT / "contracts/forge"), "build"],
        cwd=ROOT,
        check=True,
        stdout=sys.stderr,
    )
    stale = [
        path
        for path, text in outputs().items()
        if not path.exists() or path.read_text() != text
    ]
    for path in stale:
        print(("differs: " if check else "wrote ") + str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(outputs()[path])
    return 1 if check and stale else 0


def outputs() -> dict[Path, str]:
    """Return the text of every output, by path, from what forge has built."""
    texts = {
        ROOT / f"onchain/artifacts/{name}.json": _artifact_text(_forge_output(name))
        for name in DEPLOYED
    }
    sections = "".join(_errors_section(name) for name in EXPLAINED)
    texts[ROOT / "docs/errors.md"] = ERRORS_HEADER + sections
    return texts


def _forge_output(name: str) -> JsonValue:
    path = ROOT / f".cache/forge/out/{name}.sol/{name}.json"
    return json.loads(path.read_text())


def _artifact_text(output: JsonValue) -> str:
    artifact = {
        "abi": output["abi"],
        "bytecode": output["bytecode"]["object"],
        "deployedBytecode": output["deployedBytecode"]["object"],
    }
    immutables = _immutables(output["deployedBytecode"])
    if immutables:
        artifact["immutableReferences"] = immutables
    return json.dumps(artifact, indent=1) + "\n"


def _immutables(deployed: JsonValue) -> list[JsonValue]:
    """Return where a constructor writes: start and length, in bytes, ascending."""
    places = deployed.get("immutableReferences", {}).values()
    return sorted(
        [place["start"], place["length"]] for group in places for place in group
    )


def _errors_section(name: str) -> str:
    output = _forge_output(name)
    notices = output["userdoc"].get("errors", {})
    remedies = output["devdoc"].get("errors", {})
    rows = ["", f"## {name}", "", "| error | selector | why | what to do |"]
    rows.append("|---|---|---|---|")
    for item in output["abi"]:
        if item["type"] != "error":
            continue
        signature = f"{item['name']}({','.join(i['type'] for i in item['inputs'])})"
        shown = ", ".join(f"{i['type']} {i['name']}" for i in item["inputs"])
        why = " ".join(notices[signature][0]["notice"].split())
        remedy = " ".join(remedies[signature][0]["details"].split())
        selector = to_hex(keccak256(signature.encode())[:4])
        rows.append(f"| `{item['name']}({shown})` | `{selector}` | {why} | {remedy} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
