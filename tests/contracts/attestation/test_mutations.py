"""Every single byte of what is signed, flipped: refused, by a named error.

Quotes, signatures, certificates, revocation lists and collateral, byte by byte, twice
(lowest and highest bit); on the development root for everybody, and on what Intel
signed where it is at hand. Behind `make test-long`; `test_refusals.py` has a case of
each kind for every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_root import DevTd
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain import contract_errors as errors
from affiant.onchain.attestation.verifier import certificate_id
from affiant.onchain.reverts import ContractError

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

NOW = 1_763_700_000
BATCH_BYTES = 400_000
"""Calldata sent at once: anvil takes requests of 2 MB."""
NAMED = (errors.TdxError, errors.CertificateError, errors.CollateralError)

Call = tuple[str, Sequence[Any]]


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        for bit in (0x01, 0x80):
            yield data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def mutations(
    quote: TdxQuote, collateral: Collateral, machine: bytes
) -> Iterator[tuple[str, list[Call]]]:
    """Yield (what, calls), each call with one byte changed."""
    root, signer = certificate_id(collateral.root), certificate_id(collateral.signer)
    authority = certificate_id(collateral.authority)
    verify, asked = "verify(bytes,bytes,bytes32)", certificate_id(machine)
    yield (
        "quote",
        [(verify, [flip, quote.signatures, asked]) for flip in flips(quote.signed)],
    )
    yield (
        "signatures",
        [(verify, [quote.signed, flip, asked]) for flip in flips(quote.signatures)],
    )
    yield (
        "machine's certificate",
        [("addMachine(bytes,bytes32)", [flip, authority]) for flip in flips(machine)],
    )
    for what, der in (
        ("authority's certificate", collateral.authority),
        ("signer's certificate", collateral.signer),
    ):
        yield what, [("addAuthority(bytes)", [flip]) for flip in flips(der)]
    for what, made, owner in (
        ("machines' revocation list", collateral.machine_list, authority),
        ("root's revocation list", collateral.root_list, root),
    ):
        yield (
            what,
            [
                ("addRevocationList(bytes,bytes32)", [flip, owner])
                for flip in flips(made)
            ],
        )
    for what, function, text, signature in (
        (
            "TCB info",
            "addTcbInfo(bytes,bytes,bytes32)",
            collateral.tcb_info,
            collateral.tcb_info_signature,
        ),
        (
            "identity of the quoting enclave",
            "addQeIdentity(bytes,bytes,bytes32)",
            collateral.qe_identity,
            collateral.qe_identity_signature,
        ),
    ):
        yield what, [(function, [flip, signature, signer]) for flip in flips(text)]
        yield (
            f"signature of the {what}",
            [(function, [text, flip, signer]) for flip in flips(signature)],
        )


def check(
    bench: Any, quote: TdxQuote, collateral: Collateral, machine: bytes, *, at: int
) -> int:
    """Refuse every mutation; return how many there were."""
    full = bench.setting_up(collateral, machine)
    count = 0
    for what, calls in mutations(quote, collateral, machine):
        # A certificate whose signed part is known is not verified again, whatever its
        # signature looks like: those are told to a verifier that does not know it.
        setup = {
            "machine's certificate": full[:-1],
            "authority's certificate": full[:1],
            "signer's certificate": full[:1],
        }.get(what, full)
        step = BATCH_BYTES // len(calls[0][1][0])
        for start in range(0, len(calls), step):
            batch = calls[start : start + step]
            told = bench.run((at, setup), (at + 1, batch))
            assert not any(isinstance(o, ContractError) for o in told[: len(setup)])
            for index, outcome in enumerate(told[len(setup) :]):
                place = (what, (start + index) // 2)
                assert isinstance(outcome, NAMED), (place, outcome)
                count += 1
    roots = [("addRoot(bytes)", [flip]) for flip in flips(collateral.root)]
    for outcome in bench.run((at, roots)):
        assert isinstance(outcome, NAMED), outcome
    return count + len(roots)


@pytest.mark.parametrize("body", [0, 3, 4])
def test_every_byte_on_the_development_root(lab: Any, body: int) -> None:
    quote = TdxQuote.cut(lab.root.quote(bytes(64), td=DevTd(body=body)))
    collateral = lab.root.collateral(now=NOW)
    count = check(lab.bench, quote, collateral, quote.certificates[0], at=NOW + 60)
    assert count > 10_000


def test_every_byte_of_what_intel_signed(vectors: Any, intel: Any) -> None:
    for vector in vectors:
        issued = json.loads(vector.collateral.qe_identity)["issueDate"]
        at = int(datetime.fromisoformat(issued).timestamp()) + 86_400
        count = check(intel, vector.quote, vector.collateral, vector.machine, at=at)
        assert count > 15_000, vector.name
