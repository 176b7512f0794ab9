"""Writes `contract_errors.py`: one exception class per error of our contracts.

It reads what forge has built (ABI and NatSpec of the interfaces) and decides only how
Solidity names become Python's. Run it after the contracts change:

    python -m affiant.onchain.build_contract_errors           # write
    python -m affiant.onchain.build_contract_errors --check   # exit 1 where it differs
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from affiant.encoding import JsonValue, keccak256

ROOT = Path(__file__).resolve().parent.parent
"""The repository's root; this module is of no use in an installed wheel."""

INTERFACES = (
    ("IDecisionGate", "Gate", "the decision gate"),
    ("IMandateChecks", "Grant", "the checks at a mandate's grant"),
    ("INodeRegistry", "NodeRegistry", "the node registry"),
    ("IModelRegistry", "ModelRegistry", "the model registry"),
    ("IOwnedAccount", "Account", "an owned account"),
    ("EpochDrawdown", "Drawdown", "the rule against losses that add up"),
    ("HealthFactorFloor", "Health", "the health-factor rule"),
    ("OracleAgainstTwap", "Twap", "the rule that holds feeds against a pool"),
    ("RecipientIsAccount", "Recipient", "the rule about recipients"),
    ("RecipientIsListed", "Listed", "the rule about who may be paid"),
    ("SafeSettings", "Safe", "the rule about a Safe's modules and guard"),
    ("SpendRate", "Spend", "the spend-rate rule"),
    ("ITdxAttestation", "TdxAttestation", "a TDX attestation contract"),
    ("ITdxVerifier", "Tdx", "a TDX verifier"),
    ("ICertificateReader", "Certificate", "a reader of certificates"),
    ("ICollateralReader", "Collateral", "a reader of collateral"),
)
"""Interface or rule, prefix of its classes, and what to call the contract."""

HEADER = '''"""One exception class per error of our contracts, and `decode_revert`.

Generated from the contracts' ABI and NatSpec by
`python -m affiant.onchain.build_contract_errors`; do not edit. Pure: it says which
error some revert bytes are, and trusts nobody.

    ContractError
{tree}
"""

from __future__ import annotations

from affiant.onchain.mandate import Address
from affiant.onchain.reverts import ContractError, read_revert

'''
"""Opening of the generated module."""

FOOTER = '''
ERRORS: dict[bytes, type[ContractError]] = {{
    kind.SELECTOR: kind
    for kind in (
{names}
    )
}}
"""Every class by its selector."""


def decode_revert(data: bytes) -> ContractError:
    """Return the error that the revert bytes `data` stand for; it is not raised.

    Errors inside a reason (`CallFailed`) are decoded too, as its `cause`. Bytes of no
    known error become an `UnknownRevertError`, none at all an `EmptyRevertError`.
    """
    return read_revert(data, errors=ERRORS)
'''
"""End of the generated module."""


def main(arguments: Sequence[str]) -> int:
    """Write the module, or compare it; return the exit code."""
    path = ROOT / "onchain/contract_errors.py"
    text = module_text(ROOT / ".cache/forge/out")
    if path.exists() and path.read_text() == text:
        return 0
    if "--check" in arguments:
        print(f"differs: {path.relative_to(ROOT)}")
        return 1
    path.write_text(text)
    print(f"wrote {path.relative_to(ROOT)}")
    return 0


def module_text(forge_out: Path) -> str:
    """Return the formatted module from what forge has built."""
    tree, body, names = [], [], []
    for interface, prefix, title in INTERFACES:
        path = forge_out / f"{interface}.sol" / f"{interface}.json"
        output = json.loads(path.read_text())
        base = f"{prefix}Error"
        tree.append(f"    ├── {base:<22} refused by {title}")
        body.append(f'class {base}(ContractError):\n    """Refused by {title}."""\n')
        for error in output["abi"]:
            if error["type"] == "error":
                names.append(class_name(prefix, error["name"]))
                body.append(_class(error, output, base=base, name=names[-1]))
    tree.append("    └── the errors of `reverts`")
    text = HEADER.format(tree="\n".join(tree)) + "\n\n".join(body)
    text += FOOTER.format(names="\n".join(f"        {name}," for name in names))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-", "--stdin-filename", "x.py"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def class_name(prefix: str, error: str) -> str:
    """Return the name of the class for `error`: GateSlotNotNewestError."""
    return f"{prefix}{error.removesuffix('Error')}Error"


def attribute_name(argument: str) -> str:
    """Return the attribute for a Solidity argument: `validUntil` is `valid_until`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", argument.strip("_")).lower()


def _class(error: JsonValue, output: JsonValue, *, base: str, name: str) -> str:
    types = ",".join(item["type"] for item in error["inputs"])
    signature = f"{error['name']}({types})"
    meaning = _note(output["userdoc"], signature, "notice")
    remedy = _note(output["devdoc"], signature, "details")
    selector = keccak256(signature.encode())[:4]
    fields = [(attribute_name(i["name"]), i["type"]) for i in error["inputs"]]
    lines = [
        f"class {name}({base}):",
        f'    """`{error["name"]}`, selector 0x{selector.hex()}."""',
        "",
        f'    NAME = "{error["name"]}"',
        f"    FIELDS = {tuple(fields)!r}",
        f'    SELECTOR = bytes.fromhex("{selector.hex()}")',
        f"    MEANING = {_text(meaning)}",
        f"    REMEDY = {_text(remedy)}",
        "",
    ]
    lines += [f"    {field}: {_python_type(type_)}" for field, type_ in fields]
    return "\n".join(lines) + "\n"


def _note(documentation: JsonValue, signature: str, kind: str) -> str:
    notes = documentation.get("errors", {}).get(signature, [{}])
    return " ".join(notes[0].get(kind, "").split())


def _text(text: str) -> str:
    """Return a string literal, in pieces that fit the line."""
    if len(text) <= 66:
        return json.dumps(text, ensure_ascii=False)
    pieces, line = [], ""
    for word in re.findall(r"\S+\s*", text):
        if len(line) + len(word) > 70:
            pieces.append(line)
            line = ""
        line += word
    quoted = (json.dumps(piece, ensure_ascii=False) for piece in [*pieces, line])
    return "(" + "\n".join(quoted) + ")"


def _python_type(type_: str) -> str:
    for prefix, python in (("uint", "int"), ("int", "int"), ("bytes", "bytes")):
        if type_.startswith(prefix):
            return python
    return {"address": "Address", "bool": "bool", "string": "str"}[type_]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
