"""What a verifier lacks to verify a quote, and submitting just that.

`missing` compares what the verifier knows with a quote's certificates and collateral
and returns transactions in the order in which they must be sent; what is known and
fresh costs nothing again. It decides nothing about trust: whatever is submitted, the
contract verifies. It trusts the endpoint to tell what the contract knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

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
        margin: collateral that ends within so many seconds counts as missing.
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


def _missing(
    verifier: TdxVerifierClient,
    collateral: Collateral,
    *,
    machine: bytes | None,
    fmspc: bytes,
    soon: int,
) -> Iterator[Piece]:
    root, signer = certificate_id(collateral.root), certificate_id(collateral.signer)
    authority = certificate_id(collateral.authority)

    def stale(issue: Issue) -> bool:
        return not issue.fresh(soon)

    if not verifier.is_known(root):
        yield Piece(
            "root certificate", encode_call("addRoot(bytes)", [collateral.root])
        )
    if stale(verifier.revocation_list_of(root)):
        yield Piece(
            "root's revocation list",
            encode_call(
                "addRevocationList(bytes,bytes32)", [collateral.root_list, root]
            ),
        )
    for what, der, known in (
        ("certificate of the machines' authority", collateral.authority, authority),
        ("certificate of the collateral's signer", collateral.signer, signer),
    ):
        if not verifier.is_known(known):
            yield Piece(what, encode_call("addAuthority(bytes)", [der]))
    if stale(verifier.revocation_list_of(authority)):
        yield Piece(
            "machines' revocation list",
            encode_call(
                "addRevocationList(bytes,bytes32)",
                [collateral.machine_list, authority],
            ),
        )
    if stale(verifier.tcb_info_of(fmspc)):
        yield Piece(
            "TCB info",
            encode_call(
                "addTcbInfo(bytes,bytes,bytes32)",
                [collateral.tcb_info, collateral.tcb_info_signature, signer],
            ),
        )
    if stale(verifier.qe_identity()):
        yield Piece(
            "identity of the quoting enclave",
            encode_call(
                "addQeIdentity(bytes,bytes,bytes32)",
                [collateral.qe_identity, collateral.qe_identity_signature, signer],
            ),
        )
    if machine is not None and not verifier.is_known(certificate_id(machine)):
        yield Piece(
            "machine's certificate",
            encode_call("addMachine(bytes,bytes32)", [machine, authority]),
        )
