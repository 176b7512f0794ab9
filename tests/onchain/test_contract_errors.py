"""Revert bytes become the contract's own error, or are said to be unreadable."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from affiant.encoding import keccak256
from affiant.errors import RejectedError
from affiant.onchain import contract_errors as errors
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.build_contract_errors import attribute_name, class_name
from affiant.onchain.contract_errors import ERRORS, decode_revert
from affiant.onchain.reverts import (
    MAX_NESTING,
    ContractError,
    EmptyRevertError,
    PanicRevertError,
    ReasonRevertError,
    UnknownRevertError,
)

CONTRACTS = {
    "DecisionGate": "Gate",
    "MandateChecks": "Grant",
    "NodeRegistry": "NodeRegistry",
    "ModelRegistry": "ModelRegistry",
    "OwnedAccount": "Account",
    "EpochDrawdown": "Drawdown",
    "HealthFactorFloor": "Health",
    "OracleAgainstTwap": "Twap",
    "RecipientIsAccount": "Recipient",
    "RecipientIsListed": "Listed",
    "SafeSettings": "Safe",
    "SpendRate": "Spend",
    "TdxAttestation": "TdxAttestation",
    "TdxVerifier": "Tdx",
    "CertificateReader": "Certificate",
    "CollateralReader": "Collateral",
}
SAMPLES: dict[str, object] = {
    "address": "0x" + "11" * 20,
    "bool": True,
    "bytes": b"\x01\x02",
    **{f"bytes{size}": b"\x22" * size for size in (2, 4, 6, 8, 16, 20, 32)},
    "int256": -5,
    "string": "a list",
    "uint104": 6,
    "uint128": 11,
    "uint16": 12,
    "uint256": 7,
    "uint32": 8,
    "uint64": 9,
    "uint8": 3,
}
ABI_ERRORS = [
    (contract, item)
    for contract in CONTRACTS
    for item in load_artifact(contract).abi
    if item["type"] == "error"
]


def revert_bytes(signature: str, types: list[str], values: list[object]) -> bytes:
    return keccak256(signature.encode())[:4] + encode(types, values)


@pytest.mark.parametrize(
    ("contract", "item"), ABI_ERRORS, ids=[f"{c}.{i['name']}" for c, i in ABI_ERRORS]
)
def test_every_error_of_the_abi_has_its_class(contract: str, item: Any) -> None:
    types = [argument["type"] for argument in item["inputs"]]
    values = [SAMPLES[type_] for type_ in types]
    data = revert_bytes(f"{item['name']}({','.join(types)})", types, values)
    error = decode_revert(data)
    name = class_name(CONTRACTS[contract], item["name"])
    assert type(error) is getattr(errors, name)
    assert isinstance(error, RejectedError)
    for argument, type_, value in zip(item["inputs"], types, values, strict=True):
        got = getattr(error, attribute_name(argument["name"]))
        assert got == value or (type_ == "address" and got.lower() == value)
    assert error.NAME == item["name"]
    assert item["name"] in str(error)
    assert error.MEANING and error.REMEDY
    assert error.revert_data == data


def test_there_are_no_classes_without_an_error() -> None:
    wanted = {
        keccak256(f"{i['name']}({','.join(a['type'] for a in i['inputs'])})".encode())[
            :4
        ]
        for _, i in ABI_ERRORS
    }
    assert set(ERRORS) == wanted
    reserved = set(dir(ContractError()))
    for kind in ERRORS.values():
        assert not {name for name, _ in kind.FIELDS} & reserved


def test_decodes_the_compilers_own_errors() -> None:
    reason = decode_revert(revert_bytes("Error(string)", ["string"], ["STF\n"]))
    assert isinstance(reason, ReasonRevertError)
    assert reason.reason == "STF\N{REPLACEMENT CHARACTER}"
    panic = decode_revert(revert_bytes("Panic(uint256)", ["uint256"], [0x11]))
    assert isinstance(panic, PanicRevertError)
    assert panic.code == 0x11
    assert "overflow" in str(panic)
    odd = decode_revert(revert_bytes("Panic(uint256)", ["uint256"], [0x99]))
    assert "unknown" in str(odd)


def test_decodes_reasons_inside_reasons() -> None:
    inner = revert_bytes("Error(string)", ["string"], ["Too little received"])
    data = revert_bytes("CallFailed(uint256,bytes)", ["uint256", "bytes"], [2, inner])
    outer = revert_bytes(
        "OwnerCallFailed(uint256,bytes)", ["uint256", "bytes"], [0, data]
    )
    error = decode_revert(outer)
    assert isinstance(error, errors.AccountOwnerCallFailedError)
    assert isinstance(error.cause, errors.GateCallFailedError)
    assert error.cause.index == 2
    assert isinstance(error.cause.cause, ReasonRevertError)
    assert "Too little received" in str(error)


def test_nesting_ends() -> None:
    data = b""
    for _ in range(50):
        data = revert_bytes(
            "CallFailed(uint256,bytes)", ["uint256", "bytes"], [0, data]
        )
    error: ContractError | None = decode_revert(data)
    depth = 0
    while error is not None:
        error, depth = error.cause, depth + 1
    assert depth == MAX_NESTING + 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", EmptyRevertError),
        (b"\x01", UnknownRevertError),
        (b"\xde\xad\xbe\xef" + bytes(64), UnknownRevertError),
        # A known selector with cut-off, overlong or misplaced arguments.
        (
            revert_bytes("Error(string)", ["string"], ["x" * 90])[:-40],
            UnknownRevertError,
        ),
        (revert_bytes("Error(string)", ["string"], ["x"]) + b"\0", UnknownRevertError),
        (keccak256(b"Error(string)")[:4] + b"\xff" * 64, UnknownRevertError),
        (keccak256(b"NoReceipt()")[:4] + b"\0", UnknownRevertError),
        (
            keccak256(b"NodeNotPermitted(address)")[:4] + b"\xff" * 32,
            UnknownRevertError,
        ),
    ],
)
def test_says_what_it_cannot_read(data: bytes, kind: type[ContractError]) -> None:
    error = decode_revert(data)
    assert type(error) is kind
    assert str(error)


def test_long_texts_of_contracts_are_cut() -> None:
    data = revert_bytes("Error(string)", ["string"], ["a" * 100_000])
    assert len(str(decode_revert(data))) < 500


@given(st.sampled_from([*ERRORS, b"", b"\x08\xc3\x79\xa0"]), st.binary(max_size=300))
def test_any_bytes_become_an_error(selector: bytes, body: bytes) -> None:
    error = decode_revert(selector + body)
    assert isinstance(error, ContractError)
    assert str(error)
