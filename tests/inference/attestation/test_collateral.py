"""Collateral as JSON: read as it was written, and refused by the field at fault."""

from __future__ import annotations

import json
from typing import Any

import pytest

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot
from affiant.inference.attestation.quote import read_pem, write_pem
from affiant.inference.attestation.verify import machine_names

NOW = 1_763_700_000
ROOT = DevRoot(bytes(32))
OTHER = DevRoot(b"another".ljust(32))
GOOD = ROOT.collateral(now=NOW)


def parse(said: JsonValue) -> Collateral:
    return Collateral.parse(json.dumps(said).encode())


def test_it_is_read_as_it_was_written() -> None:
    assert Collateral.parse(GOOD.to_bytes()) == GOOD
    assert GOOD.fmspc == Machine().fmspc
    assert GOOD.machine is None


def test_it_may_bring_the_machine_along() -> None:
    der = ROOT.pki.machine_certificate(Machine())
    said: Any = {**GOOD.to_json(), "pck_certificate_chain": write_pem([der]).decode()}
    found = parse(said)
    assert found.machine == der
    assert parse(found.to_json()) == found


@pytest.mark.parametrize("name", GOOD.to_json())
def test_every_field_is_needed_and_is_text(name: str) -> None:
    said: Any = GOOD.to_json()
    for value in (None, 7, [], {}):
        with pytest.raises(MalformedError, match=name):
            parse({**said, name: value})
    del said[name]
    with pytest.raises(MalformedError, match=name):
        parse(said)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root_ca_crl", "no hexadecimal"),
        ("pck_crl", "abc"),
        ("tcb_info_signature", "00" * 63),
        ("tcb_info_signature", "00" * 65),
        ("qe_identity_signature", ""),
        ("tcb_info", "[]"),
        ("tcb_info", "{"),
        ("qe_identity", "7"),
        ("tcb_info_issuer_chain", ""),
        ("pck_crl_issuer_chain", write_pem([GOOD.authority]).decode()),
        ("qe_identity_issuer_chain", write_pem([GOOD.root, GOOD.signer]).decode()),
        (
            "pck_crl_issuer_chain",
            write_pem([GOOD.authority, OTHER.pki.root_certificate]).decode(),
        ),
        ("pck_certificate_chain", "none"),
    ],
)
def test_rejects_fields_of_another_form(name: str, value: str) -> None:
    with pytest.raises(MalformedError, match=name):
        parse({**GOOD.to_json(), name: value})


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff", b'{"a":1,"a":2}'])
def test_rejects_what_is_no_object(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Collateral.parse(data)


@pytest.mark.parametrize("name", [*GOOD.to_json(), "pck_certificate_chain"])
def test_rejects_text_that_is_none(name: str) -> None:
    with pytest.raises(MalformedError, match=name):
        parse({**GOOD.to_json(), name: "\ud800"})


def test_rejects_tcb_info_that_names_no_kind_of_machine() -> None:
    text = GOOD.tcb_info.replace(b'"fmspc":"444556303030"', b'"fmspc":"44"')
    said: Any = {**GOOD.to_json(), "tcb_info": text.decode()}
    with pytest.raises(MalformedError, match="fmspc"):
        _ = parse(said).fmspc


def test_a_machines_certificate_names_the_machine() -> None:
    der = ROOT.pki.machine_certificate(Machine())
    names = machine_names(der)
    assert (names.ppid, names.fmspc) == (Machine().ppid, Machine().fmspc)
    for other in (b"", b"nothing", GOOD.authority, der[:-1]):
        with pytest.raises(MalformedError, match="PCK certificate"):
            machine_names(other)
    assert read_pem(write_pem([der])) == (der,)
