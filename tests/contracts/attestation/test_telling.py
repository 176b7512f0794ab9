"""A verifier tells what it was told and until when that holds; else nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from eth_abi.abi import decode

from affiant.inference.attestation.dev_pki import Machine
from affiant.onchain.attestation.verifier import certificate_id

pytestmark = pytest.mark.anvil

NOW = 1_763_700_000
NOBODY = bytes(32)
DATES = ["uint64", "uint64", "uint16"]

Question = tuple[str, list[object], list[str]]
"""A view's signature, its arguments, the types of its answer."""


def questions(lab: Any) -> list[Question]:
    """Return one of each view, about what `setting_up` tells."""
    pki = lab.root.pki
    machine = certificate_id(pki.machine_certificate(Machine()))
    authority = certificate_id(pki.authority_certificate)
    return [
        ("isKnown(bytes32)", [machine], ["bool"]),
        ("isKnown(bytes32)", [authority], ["bool"]),
        ("isKnown(bytes32)", [NOBODY], ["bool"]),
        ("ppidOf(bytes32)", [machine], ["bytes16"]),
        ("pulse(bytes32)", [machine], ["uint64", "uint64"]),
        ("revocationListOf(bytes32)", [authority], ["uint64", "uint64"]),
        ("tcbInfoOf(bytes6)", [Machine().fmspc], DATES),
        ("qeIdentity()", [], DATES),
    ]


def answers(lab: Any, before: Sequence[Any]) -> list[tuple[Any, ...]]:
    asked = questions(lab)
    said = lab.bench.run((NOW, [*before, *((name, args) for name, args, _ in asked)]))
    assert all(isinstance(answer, bytes) for answer in said)
    last = said[len(before) :]
    return [
        decode(kinds, answer) for (*_, kinds), answer in zip(asked, last, strict=True)
    ]


def test_tells_what_it_was_told(lab: Any) -> None:
    machine = lab.root.pki.machine_certificate(Machine())
    collateral = lab.root.collateral(now=NOW)
    known, authority, nobody, ppid, pulse, listed, tcb, enclave = answers(
        lab, lab.bench.setting_up(collateral, machine)
    )
    assert (known, authority, nobody) == ((True,), (True,), (False,))
    assert ppid == (Machine().ppid,)
    assert pulse[1] == 0
    for issued, until, *_ in (listed, tcb, enclave):
        assert issued <= NOW < until
    assert tcb[2] == enclave[2] != 0


def test_tells_since_when_a_machine_is_revoked(lab: Any) -> None:
    pki = lab.root.pki
    made = pki.revocation_list(
        pki.authority,
        issued_at=NOW + 10,
        next_update=NOW + 86_400,
        serials=[Machine().serial_number],
    )
    collateral = lab.root.collateral(now=NOW)
    before = lab.bench.setting_up(collateral, pki.machine_certificate(Machine()))
    machine = certificate_id(pki.machine_certificate(Machine()))
    *_, answer = lab.bench.run(
        (NOW, before),
        (
            NOW + 60,
            [
                (
                    "addRevocationList(bytes,bytes32)",
                    [made, certificate_id(pki.authority_certificate)],
                ),
                ("pulse(bytes32)", [machine]),
            ],
        ),
    )
    assert decode(["uint64", "uint64"], answer)[1] == NOW + 60


def test_a_fresh_verifier_knows_nothing(lab: Any) -> None:
    for answer in answers(lab, []):
        assert not any(
            value.strip(b"\0") if isinstance(value, bytes) else value
            for value in answer
        )
