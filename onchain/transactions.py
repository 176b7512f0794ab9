"""Signing transactions: EIP-1559, and never above the limit; and reading them back.

Pure, but for the key, which is the caller's. It decides only that nothing is signed
that offers more than allowed (whoever computed the fees, this is the last door), and
that bytes from a file are a transaction which a key has already signed.
"""

from __future__ import annotations

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_canonical_address
from hexbytes import HexBytes

from affiant.encoding import to_hex
from affiant.errors import MalformedError
from affiant.onchain.chain_types import CallRequest, Fees
from affiant.onchain.errors import FeeTooHighError
from affiant.onchain.mandate import Address, parse_address


def sign_call(
    account: LocalAccount,
    *,
    call: CallRequest,
    chain_id: int,
    nonce: int,
    gas: int,
    fees: Fees,
    limit: Fees,
) -> bytes:
    """Return the signed bytes of `call` as a transaction.

    Args:
        account: signer; `call.sender` must be None or its address.
        gas: gas limit.
        limit: most that may be offered, wei per gas.

    Raises:
        FeeTooHighError: `fees` are above `limit`.
        ValueError: `call` has another sender.
    """
    if call.sender is not None and call.sender != Address(account.address):
        raise ValueError(f"sender {call.sender}: expected {account.address}")
    for what, got, most in (
        ("priority fee", fees.priority_fee, limit.priority_fee),
        ("max fee", fees.max_fee, limit.max_fee),
    ):
        if got > most:
            raise FeeTooHighError(what, got=got, limit=most)
    signed = account.sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": to_canonical_address(call.target),
            "value": call.value,
            "data": call.data,
            "gas": gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.priority_fee,
        }
    )
    return bytes(signed.raw_transaction)


def signed_call(raw: bytes, *, signer: Address) -> CallRequest:
    """Return the call that `signer` signed as the EIP-1559 transaction `raw`.

    For bytes from a file, before the same call is signed for other fees: whoever edits
    the file must not be able to have another one signed.

    Raises:
        MalformedError: no such transaction, or somebody else's.
    """
    try:
        found = str(Account.recover_transaction(raw))
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    except Exception as error:  # the libraries raise classes of many kinds
        raise MalformedError(
            "transaction", got=to_hex(raw[:40]), expected="a signed transaction"
        ) from error
    if found != signer:
        raise MalformedError("transaction's signer", got=found, expected=signer)
    return CallRequest(
        target=parse_address(to_hex(bytes(fields["to"])), what="transaction.to"),
        data=bytes(fields["data"]),
        sender=signer,
        value=int(fields["value"]),
    )
