"""What a verifier lacks to verify a quote, and submitting just that.

`missing` compares what the verifier knows with a quote's certificates and collateral
and returns transactions in the order in which they must be sent; what is known and
fresh costs nothing again. It decides nothing about trust: whatever is submitted, the
contract verifies. It trusts the endpoint to tell what the contract knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from eth_account.signers.local import LocalAccount

from affiant.errors import MalformedError
from affiant.inference.attestation.collateral import Collateral
from affiant.onchain.abi import encode_call
from affiant.onchain.attestation.verifier import (
    Issue,
    TdxVerifierClient,
    certificate_id,
)
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.mandate import Address
from affiant.onchain.sending import CONFIRM_SECONDS, send

REFRESH_SECONDS = 7 * 86_400
"""Collateral that ends sooner than this is refreshed where newer is at hand."""


@dataclass(frozen=True)
class Piece:
    """One transaction that tells a verifier something."""

    what: str
    """In words, for whoever pays."""
    data: bytes
    """Calldata."""


@dataclass(frozen=True)
class Offer:
    """A part of collateral, and until when it lasts."""

    piece: Piece
    until: int
    """Unix seconds, exclusive."""
    evaluation_number: int = 0
    """TCB recovery event; 0 of revocation lists."""


def missing(
    verifier: TdxVerifierClient,
    collateral: Collateral,
    *,
    machine: bytes | None,
    fmspc: bytes,
    now: int,
    margin: int = REFRESH_SECONDS,
) -> tuple[Piece, ...]:
    """Return what `verifier` has to be told, in order.

    Args:
        machine: DER of the PCK certificate; None: collateral alone.
        fmspc: kind of machine, 6 bytes, that the TCB info is for.
        now: unix seconds.
        margin: collateral that ends within so many seconds counts as missing, where
            what is at hand lasts longer.
    """
    return tuple(
        _missing(
            verifier,
            collateral,
            machine=machine,
            fmspc=fmspc,
            soon=now + margin,
        )
    )


def submit(
    verifier: TdxVerifierClient,
    pieces: Sequence[Piece],
    *,
    payer: LocalAccount,
    timeout: float = CONFIRM_SECONDS,
) -> tuple[TransactionReceipt, ...]:
    """Send `pieces` in their order; return their receipts.

    Raises:
        TdxError, CertificateError, CollateralError: the contract refuses one.
        ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
    """
    sender = Address(payer.address)
    return tuple(
        send(
            verifier.chain,
            CallRequest(verifier.address, piece.data, sender),
            signer=payer,
            timeout=timeout,
        )
        for piece in pieces
    )


def collateral_pieces(collateral: Collateral) -> tuple[Offer, ...]:
    """Return the four parts of collateral that Intel issues monthly, in order.

    Raises:
        MalformedError: one of them does not tell its dates.
    """
    root, signer = certificate_id(collateral.root), certificate_id(collateral.signer)
    authority = certificate_id(collateral.authority)
    lists = (
        ("root's revocation list", collateral.root_list, root),
        ("machines' revocation list", collateral.machine_list, authority),
    )
    texts = (
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
    )
    return (
        *(
            Offer(
                Piece(
                    what,
                    encode_call("addRevocationList(bytes,bytes32)", [der, owner]),
                ),
                until=_list_until(der),
            )
            for what, der, owner in lists
        ),
        *(
            Offer(
                Piece(what, encode_call(function, [text, signature, signer])),
                **_dates(text),
            )
            for what, function, text, signature in texts
        ),
    )


def _missing(
    verifier: TdxVerifierClient,
    collateral: Collateral,
    *,
    machine: bytes | None,
    fmspc: bytes,
    soon: int,
) -> Iterator[Piece]:
    root, authority = (
        certificate_id(collateral.root),
        certificate_id(collateral.authority),
    )
    offers = collateral_pieces(collateral)
    root_list, machine_list, tcb_info, identity = offers

    def better(offer: Offer, known: Issue) -> Iterator[Piece]:
        # A recovery counts at once. Otherwise, what ends no later than what is known
        # would be paid for in vain.
        recovery = offer.evaluation_number > known.evaluation_number
        later = not known.fresh(soon) and offer.until > known.valid_until
        if recovery or later:
            yield offer.piece

    if not verifier.is_known(root):
        yield Piece(
            "root certificate", encode_call("addRoot(bytes)", [collateral.root])
        )
    yield from better(root_list, verifier.revocation_list_of(root))
    for what, der in (
        ("certificate of the machines' authority", collateral.authority),
        ("certificate of the collateral's signer", collateral.signer),
    ):
        if not verifier.is_known(certificate_id(der)):
            yield Piece(what, encode_call("addAuthority(bytes)", [der]))
    yield from better(machine_list, verifier.revocation_list_of(authority))
    yield from better(tcb_info, verifier.tcb_info_of(fmspc))
    yield from better(identity, verifier.qe_identity())
    if machine is not None and not verifier.is_known(certificate_id(machine)):
        yield Piece(
            "machine's certificate",
            encode_call("addMachine(bytes,bytes32)", [machine, authority]),
        )


def _list_until(der: bytes) -> int:
    """Return when a revocation list ends, unix seconds."""
    try:
        until = x509.load_der_x509_crl(der).next_update_utc
    except ValueError as error:
        raise MalformedError(
            "revocation list", got=str(error)[:80], expected="DER"
        ) from error
    if until is None:
        raise MalformedError("revocation list", got="no end", expected="nextUpdate")
    return int(until.timestamp())


def _dates(text: bytes) -> dict[str, int]:
    """Return end and recovery event of TCB info or enclave identity.

    The second of `nextUpdate` still counts.
    """
    said = json.loads(text)
    until, number = said.get("nextUpdate"), said.get("tcbEvaluationDataNumber")
    try:
        return {
            "until": int(datetime.fromisoformat(until).timestamp()) + 1,
            "evaluation_number": int(number),
        }
    except (TypeError, ValueError) as error:
        raise MalformedError(
            "collateral", got=repr((until, number))[:80], expected="a date, a number"
        ) from error
