"""The contract's reader of collateral: one template, and nothing beside it.

Every error of `ICollateralReader`, and that what is read is what JSON's own parser
reads.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode

from affiant.encoding import keccak256
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import (
    DevStatement,
    Level,
    qe_identity_text,
    tcb_info_text,
)
from affiant.onchain import contract_errors as errors
from affiant.onchain.attestation.verifier import STATUS_NAMES
from affiant.onchain.reverts import ContractError

pytestmark = pytest.mark.anvil

ROOT = Path(__file__).resolve().parents[3]
NOW = 1_763_700_000

READ_TCB, READ_QE = "readTcbInfo(bytes)", "readQeIdentity(bytes)"
TCB_ABI = "(bytes6,bytes2,uint16,(bytes32,uint16,uint8)[],(uint8,uint8,uint8)[])"
QE_ABI = "(uint16,bytes4,bytes4,bytes16,bytes16,bytes32,uint16,(uint16,uint8)[])"
ISSUE_ABI = "(bytes32,uint64,uint64)"

SAID = DevStatement(
    levels=(
        Level("UpToDate", tdx=bytes([255, 0, 100]) + bytes(13)),
        Level("SWHardeningNeeded", pce_svn=7, advisories=("INTEL-SA-00001",)),
        Level("ConfigurationNeeded", pce_svn=6),
        Level("ConfigurationAndSWHardeningNeeded", pce_svn=5),
        Level("OutOfDate", pce_svn=4, advisories=("INTEL-SA-00001", "INTEL-SA-00002")),
        Level("OutOfDateConfigurationNeeded", pce_svn=3),
        Level("Revoked", pce_svn=0),
    ),
    enclaves=((9, "UpToDate"), (8, "ConfigurationNeeded"), (0, "Revoked")),
    evaluation_number=65_535,
)


@dataclass
class Reader:
    bench: Any

    def read(self, *texts: bytes, signature: str = READ_TCB) -> list[Any]:
        return self.bench.run_readers(
            [(signature, [text]) for text in texts], reader="collateral"
        )

    def one(self, text: bytes, *, signature: str = READ_TCB) -> Any:
        return self.read(text, signature=signature)[0]


@pytest.fixture
def reader(lab: Any) -> Reader:
    return Reader(lab.bench)


def tcb(said: DevStatement = SAID) -> bytes:
    return tcb_info_text(said, machine=Machine(), now=NOW)


def qe(said: DevStatement = SAID) -> bytes:
    return qe_identity_text(said, now=NOW)


# Read.


def check_tcb_info(outcome: bytes, text: bytes) -> None:
    """Hold what was read against what JSON's parser says."""
    (read,) = decode([TCB_ABI], outcome)
    said = json.loads(text)
    assert read[0].hex() == said["fmspc"].lower()
    assert read[1].hex() == said["pceId"].lower()
    assert read[2] == said["tcbEvaluationDataNumber"]
    assert [
        (
            bytes(c["svn"] for c in level["tcb"]["sgxtcbcomponents"])
            + bytes(c["svn"] for c in level["tcb"]["tdxtcbcomponents"]),
            level["tcb"]["pcesvn"],
            level["tcbStatus"],
        )
        for level in said["tcbLevels"]
    ] == [(c, pce, STATUS_NAMES[status]) for c, pce, status in read[3]]
    assert [
        (int(module["id"][4:], 16), level["tcb"]["isvsvn"], level["tcbStatus"])
        for module in said.get("tdxModuleIdentities", [])
        for level in module["tcbLevels"]
    ] == [(version, svn, STATUS_NAMES[status]) for version, svn, status in read[4]]


def check_qe_identity(outcome: bytes, text: bytes) -> None:
    (read,) = decode([QE_ABI], outcome)
    said = json.loads(text)
    assert read[0] == said["tcbEvaluationDataNumber"]
    for value, name in zip(
        read[1:6],
        ("miscselect", "miscselectMask", "attributes", "attributesMask", "mrsigner"),
        strict=True,
    ):
        assert value.hex() == said[name].lower()
    assert read[6] == said["isvprodid"]
    assert [(le["tcb"]["isvsvn"], le["tcbStatus"]) for le in said["tcbLevels"]] == [
        (svn, STATUS_NAMES[status]) for svn, status in read[7]
    ]


def test_reads_what_the_text_says(reader: Reader) -> None:
    for said in (SAID, DevStatement(), replace(SAID, modules=())):
        text = tcb(said)
        check_tcb_info(reader.one(text), text)
        check_qe_identity(reader.one(qe(said), signature=READ_QE), qe(said))
    third = qe().replace(b'"version":2', b'"version":3')
    check_qe_identity(reader.one(third, signature=READ_QE), third)


def test_reads_lower_case_digits(reader: Reader) -> None:
    machine = replace(Machine(), fmspc=bytes.fromhex("abcdef012345"))
    text = tcb_info_text(SAID, machine=machine, now=NOW)
    lower = text.replace(b"ABCDEF012345", b"abcdef012345")
    assert reader.one(lower) == reader.one(text)


def test_content_is_everything_but_the_dates(reader: Reader) -> None:
    later = tcb_info_text(SAID, machine=Machine(), now=NOW + 86_400)
    types = [ISSUE_ABI, "bytes6"]
    first, second = (
        decode(types, outcome)
        for outcome in reader.read(tcb(), later, signature="readTcbInfoIssue(bytes)")
    )
    assert first[0][0] == second[0][0] == keccak256(tcb()[tcb().index(b'","fmspc"') :])
    assert (first[0][1], first[0][2]) == (NOW, NOW + 30 * 86_400 + 1)
    assert second[0][1] == NOW + 86_400
    assert first[1] == b"DEV000"
    (issue,) = decode(
        [ISSUE_ABI], reader.one(qe(), signature="readQeIdentityIssue(bytes)")
    )
    assert issue[0] == keccak256(qe()[qe().index(b'","tcbEvaluation') :])


def test_reads_what_intel_signed(reader: Reader, vectors) -> None:
    for vector in vectors:
        text, identity = vector.collateral.tcb_info, vector.collateral.qe_identity
        check_tcb_info(reader.one(text), text)
        check_qe_identity(reader.one(identity, signature=READ_QE), identity)


# Refused.


def swapped(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text, old
    return text.replace(old.encode(), new.encode(), 1)


TABLE: list[tuple[str, str, str, type[ContractError]]] = [
    ("another kind", '"id":"TDX"', '"id":"SGX"', errors.CollateralJsonMismatchError),
    (
        "another version",
        '"version":3',
        '"version":4',
        errors.CollateralJsonMismatchError,
    ),
    ("a space", '{"id"', '{ "id"', errors.CollateralJsonMismatchError),
    ("keys exchanged", '"pceId"', '"tcbType"', errors.CollateralJsonMismatchError),
    (
        "components not as CPUSVN",
        '"tcbType":0',
        '"tcbType":1',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a module that is not Intel's",
        '"tdxModule":{"mrsigner":"00',
        '"tdxModule":{"mrsigner":"01',
        errors.CollateralJsonMismatchError,
    ),
    (
        "attributes of a module",
        '"attributes":"0000000000000000"',
        '"attributes":"0000000000000001"',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a mask that lets attributes pass",
        '"attributesMask":"FFFFFFFFFFFFFFFF"',
        '"attributesMask":"FFFFFFFFFFFFFFFE"',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a date in words",
        '"issueDate":"2025-11-',
        '"issueDate":"2025-no-',
        errors.CollateralJsonDateError,
    ),
    (
        "the 30th of February",
        '"issueDate":"2025-11-2',
        '"issueDate":"2025-02-3',
        errors.CollateralJsonDateError,
    ),
    (
        "local time",
        'Z","nextUpdate"',
        '+","nextUpdate"',
        errors.CollateralJsonDateError,
    ),
    (
        "an hour too many",
        'T04:40:00Z","nextUpdate"',
        'T24:40:00Z","nextUpdate"',
        errors.CollateralJsonDateError,
    ),
    (
        "a level's date in words",
        '"tcbDate":"2025-01-01',
        '"tcbDate":"2025-01-0x',
        errors.CollateralJsonDateError,
    ),
    (
        "a letter that is no digit",
        '"fmspc":"444556',
        '"fmspc":"44455g',
        errors.CollateralJsonHexError,
    ),
    (
        "a digit too few",
        '"fmspc":"444556303030"',
        '"fmspc":"44455630303"',
        errors.CollateralJsonHexError,
    ),
    (
        "a character before the digits",
        '"pceId":"0000"',
        '"pceId":"/000"',
        errors.CollateralJsonHexError,
    ),
    (
        "a character behind the digits",
        '"pceId":"0000"',
        '"pceId":"00:0"',
        errors.CollateralJsonHexError,
    ),
    (
        "a character before the letters",
        '"pceId":"0000"',
        '"pceId":"00@0"',
        errors.CollateralJsonHexError,
    ),
    (
        "a number with a zero before it",
        '"pcesvn":11',
        '"pcesvn":011',
        errors.CollateralJsonNumberError,
    ),
    ("no number", '"pcesvn":11', '"pcesvn":', errors.CollateralJsonNumberError),
    (
        "a negative number",
        '"pcesvn":11',
        '"pcesvn":-1',
        errors.CollateralJsonNumberError,
    ),
    (
        "a number too large",
        '"pcesvn":11',
        '"pcesvn":65536',
        errors.CollateralJsonNumberError,
    ),
    (
        "a number beyond every type",
        '"pcesvn":11',
        '"pcesvn":' + "9" * 40,
        errors.CollateralJsonNumberError,
    ),
    ("a fraction", '"pcesvn":11', '"pcesvn":11.0', errors.CollateralJsonMismatchError),
    ("an exponent", '"pcesvn":11', '"pcesvn":1e1', errors.CollateralJsonMismatchError),
    (
        "a component over 255",
        '{"svn":255',
        '{"svn":256',
        errors.CollateralJsonNumberError,
    ),
    (
        "an event number too large",
        '"tcbEvaluationDataNumber":65535',
        '"tcbEvaluationDataNumber":65536',
        errors.CollateralJsonNumberError,
    ),
    (
        "an escape",
        '"category":"BIOS"',
        '"category":"BI\\\\S"',
        errors.CollateralJsonTextError,
    ),
    (
        "an escaped quotation mark",
        '"category":"BIOS"',
        '"category":"BI\\"S"',
        errors.CollateralJsonTextError,
    ),
    (
        "a control character",
        '"category":"BIOS"',
        '"category":"BI\nS"',
        errors.CollateralJsonTextError,
    ),
    (
        "what is not ASCII",
        '"category":"BIOS"',
        '"category":"BIÖS"',
        errors.CollateralJsonTextError,
    ),
    (
        "DEL",
        '"category":"BIOS"',
        '"category":"BI\x7fS"',
        errors.CollateralJsonTextError,
    ),
    (
        "an unknown status",
        '"tcbStatus":"Revoked"',
        '"tcbStatus":"Fine"',
        errors.CollateralJsonStatusError,
    ),
    (
        "a status of a quote",
        '"tcbStatus":"Revoked"',
        '"tcbStatus":"TDRelaunchAdvised"',
        errors.CollateralJsonStatusError,
    ),
    (
        "a machine's status for a module",
        '{"isvsvn":3},"tcbDate":"2025-01-01T00:00:00Z","tcbStatus":"UpToDate"',
        '{"isvsvn":3},"tcbDate":"2025-01-01T00:00:00Z","tcbStatus":"SWHardeningNeeded"',
        errors.CollateralJsonStatusError,
    ),
    (
        "a 17th component",
        '}],"pcesvn"',
        '},{"svn":0}],"pcesvn"',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a 15th component as the last",
        ',{"svn":0}],"pcesvn"',
        '],"pcesvn"',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a module twice",
        '"id":"TDX_01"',
        '"id":"TDX_03"',
        errors.CollateralLevelOrderError,
    ),
    (
        "a module without version",
        '"id":"TDX_01"',
        '"id":"TDX_00"',
        errors.CollateralLevelOrderError,
    ),
    (
        "module levels upside down",
        '{"isvsvn":2}',
        '{"isvsvn":4}',
        errors.CollateralLevelOrderError,
    ),
    (
        "levels upside down",
        '"pcesvn":6',
        '"pcesvn":8',
        errors.CollateralLevelOrderError,
    ),
    ("two equal levels", '"pcesvn":6', '"pcesvn":7', errors.CollateralLevelOrderError),
    (
        "no levels",
        '"tcbLevels":[{"tcb":{"sgx',
        '"tcbLevels":[],"x":[{"tcb":{"sgx',
        errors.CollateralJsonMismatchError,
    ),
    (
        "a module svn over 255",
        '{"isvsvn":4}',
        '{"isvsvn":256}',
        errors.CollateralJsonNumberError,
    ),
]


def test_rejects_what_differs_from_the_template(reader: Reader) -> None:
    texts = [swapped(tcb(), old, new) for _, old, new, _ in TABLE]
    for (what, _, _, error), outcome in zip(TABLE, reader.read(*texts), strict=True):
        assert type(outcome) is error, (what, outcome)


def test_rejects_text_behind_the_end(reader: Reader) -> None:
    for signature, text in ((READ_TCB, tcb()), (READ_QE, qe())):
        for more in (b"\n", b" ", b"{}", b"\0"):
            refused = reader.one(text + more, signature=signature)
            assert isinstance(refused, errors.CollateralJsonTrailingError)
            assert refused.length == len(text) + len(more)


def test_rejects_every_beginning(reader: Reader) -> None:
    """Text that is cut off anywhere is refused by name, never read as shorter."""
    for signature, text in ((READ_TCB, tcb(DevStatement())), (READ_QE, qe())):
        cuts = [text[:end] for end in range(0, len(text), 7)]
        for start in range(0, len(cuts), 100):
            for outcome in reader.read(*cuts[start : start + 100], signature=signature):
                assert isinstance(outcome, errors.CollateralError), outcome


def test_rejects_more_levels_than_there_is_room_for(reader: Reader) -> None:
    levels = [Level("OutOfDate", pce_svn=40 - i) for i in range(16)]
    many = replace(DevStatement(), levels=levels)
    refused = reader.one(tcb(many))
    assert isinstance(refused, errors.CollateralLevelCountError)
    assert refused.limit == 15
    assert isinstance(reader.one(tcb(replace(many, levels=levels[:15]))), bytes)
    modules = [
        (version, tuple((20 - i, "UpToDate") for i in range(7)))
        for version in (1, 2, 3)
    ]
    refused = reader.one(tcb(replace(DevStatement(), modules=modules)))
    assert isinstance(refused, errors.CollateralLevelCountError)
    assert refused.limit == 20
    enclaves = tuple((20 - i, "UpToDate") for i in range(11))
    refused = reader.one(qe(replace(SAID, enclaves=enclaves)), signature=READ_QE)
    assert isinstance(refused, errors.CollateralLevelCountError)
    assert refused.limit == 10


def test_rejects_identities_of_other_enclaves(reader: Reader) -> None:
    for old, new in (
        ('"id":"TD_QE"', '"id":"QE"'),
        ('"version":2', '"version":1'),
        ('"version":2', '"version":22'),
    ):
        refused = reader.one(swapped(qe(), old, new), signature=READ_QE)
        assert isinstance(refused, errors.CollateralJsonMismatchError)


def test_template_literals_state_their_own_length() -> None:
    """A length below a literal's would let its end pass unread."""
    source = (ROOT / "contracts/attestation/CollateralReader.sol").read_text()
    pattern = re.compile(
        r"(?:literal|follows|_field)\(\s*text,\s*[^'\"]*?('[^']*'|\"[^\"]*\")\s*,\s*(\d+)"
    )
    found = pattern.findall(source)
    assert len(found) > 45
    for text, length in found:
        assert len(text) - 2 == int(length), text
    # Nothing else that looks like a literal escapes the pattern.
    assert len(found) == len(
        re.findall(r"(?:Json\.(?:literal|follows)|_field)\([^;]*?['\"]", source)
    )
