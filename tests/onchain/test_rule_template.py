"""The rule that `docs/rules.md` gives to copy: it compiles, passes and refuses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.encoding import keccak256
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.contract_errors import (
    GateRuleRefusedError,
    GrantRuleUnusableError,
    decode_revert,
)
from affiant.onchain.create2 import PROXY, SALT, create2_address
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address, Mandate, Rule
from affiant.onchain.sending import send

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = "contracts/rules/FewCalls.sol"
"""Where the template's imports expect it to be."""

TOO_MANY = keccak256(b"TooMany(uint256,uint256)")[:4]

pytestmark = pytest.mark.anvil


def template() -> str:
    """Return the one block of Solidity on the page."""
    page = (ROOT / "docs/rules.md").read_text()
    (source,) = re.findall(r"```solidity\n(.*?)```", page, re.DOTALL)
    return str(source)


def with_imports(place: str, source: str) -> dict[str, dict[str, str]]:
    """Return `source` and all that it imports, by path, for the compiler."""
    sources = {place: {"content": source}}
    for path in re.findall(r'^import .* from "(\.[^"]+)";', source, re.MULTILINE):
        imported = (ROOT / place).parent.joinpath(path).resolve()
        name = str(imported.relative_to(ROOT))
        sources |= with_imports(name, imported.read_text())
    return sources


@pytest.fixture(scope="module")
def creation_code() -> bytes:
    """The template, compiled as contracts are here; a warning is an error."""
    asked = {
        "language": "Solidity",
        "sources": with_imports(PLACE, template()),
        "settings": {
            "evmVersion": "cancun",
            "viaIR": True,
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {PLACE: {"FewCalls": ["evm.bytecode.object"]}},
        },
    }
    done = subprocess.run(
        [ROOT / "contracts/solc", "--standard-json"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer: Any = json.loads(done.stdout)
    assert answer.get("errors", []) == []
    code = answer["contracts"][PLACE]["FewCalls"]["evm"]["bytecode"]["object"]
    return bytes.fromhex(code)


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with scripted_lab(names=("WETH", "USDC")) as lab:
        yield lab


@pytest.fixture
def rule(shared: Lab, creation_code: bytes) -> Iterator[Address]:
    """The rule, deployed for one test."""
    with shared.undone() as lab:
        call = CallRequest(PROXY, SALT + creation_code, Address(lab.owner.address))
        send(lab.chain, call, signer=lab.owner)
        yield create2_address(creation_code)


def ruled(lab: Lab, rule: Address, *terms: bytes) -> Mandate:
    rules = tuple(Rule(rule, data=data) for data in terms)
    return replace(lab.mandate, salt=keccak256(b"ruled"), rules=rules)


def sworn(lab: Lab, mandate: Mandate) -> Submission:
    """Grant `mandate`, and swear the honest decision under it."""
    lab.as_owner(lab.gate.address, lab.gate.grant_call(mandate).data)
    slot = mandate.slot_of(lab.chain.block_number())
    return lab.forger.swear(
        lab.honest,
        mandate=mandate,
        previous=lab.gate.head_of(mandate.id),
        slot=slot,
        anchor_hash=lab.chain.block_by_number(mandate.anchor_of(slot)).hash,
    )


def test_it_refuses_terms_that_are_none(shared: Lab, rule: Address) -> None:
    call = shared.gate.grant_call(ruled(shared, rule, b"few"))
    with pytest.raises(CallRevertedError) as refused:
        shared.chain.call(call.target, call.data, sender=shared.mandate.account)
    assert isinstance(decode_revert(refused.value.data), GrantRuleUnusableError)


def test_it_refuses_a_decision_with_more_calls(shared: Lab, rule: Address) -> None:
    submission = sworn(shared, ruled(shared, rule, encode(["uint256"], [0])))
    before = shared.balances(submission.mandate)
    with pytest.raises(GateRuleRefusedError) as refused:
        shared.gate.execute(submission, operator=shared.operator, gas=4_000_000)
    assert refused.value.rule == rule
    assert refused.value.reason == TOO_MANY + encode(["uint256", "uint256"], [1, 0])
    assert shared.balances(submission.mandate) == before
    assert shared.gate.head_of(submission.mandate.id) == submission.mandate.id


def test_two_of_it_count_apart(shared: Lab, rule: Address) -> None:
    # Were there one count for both, the second entry would find two calls.
    terms = [encode(["uint256"], [most]) for most in (2, 1)]
    submission = sworn(shared, ruled(shared, rule, *terms))
    shared.gate.execute(submission, operator=shared.operator)
    assert shared.gate.head_of(submission.mandate.id) != submission.mandate.id


def test_it_lets_a_decision_with_few_calls_pass(shared: Lab, rule: Address) -> None:
    submission = sworn(shared, ruled(shared, rule, encode(["uint256"], [1])))
    shared.gate.execute(submission, operator=shared.operator)
    head = shared.gate.head_of(submission.mandate.id)
    assert head != submission.mandate.id
