"""Sends one transaction, waits for it, and says in our words why it failed.

It decides nothing about what to send. Keys are the caller's. It trusts the endpoint to
tell whether a transaction was mined; a revert before or after sending becomes the
contract's own error class.
"""

from __future__ import annotations

from eth_account.signers.local import LocalAccount

from affiant.encoding import Digest, to_hex
from affiant.errors import UnavailableError
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.contract_errors import decode_revert
from affiant.onchain.errors import CallRevertedError
from affiant.onchain.reverts import ContractError, EmptyRevertError

CONFIRM_SECONDS = 60.0
"""How long a transaction may take to be mined."""


class TransactionUnknownError(UnavailableError):
    """The endpoint does not know a transaction that should be mined."""

    def __init__(self, transaction: Digest) -> None:
        super().__init__(f"transaction {to_hex(transaction)}: got none, expected it")
        self.transaction = transaction


def send(
    chain: Chain,
    call: CallRequest,
    *,
    signer: LocalAccount,
    gas: int | None = None,
    timeout: float = CONFIRM_SECONDS,
) -> TransactionReceipt:
    """Send `call`, signed by `signer`, and return its receipt once it has succeeded.

    Args:
        gas: gas limit; None: estimated, in which case a call that would revert is not
            sent at all.
        timeout: seconds until it must be mined.

    Raises:
        ContractError: it would revert, or was mined and reverted; the subclass is the
            contract's own error.
        ReceiptTimeoutError: not mined in time.
        TransactionRefusedError, ChainUnavailableError: as `Chain` says.
    """
    try:
        transaction = chain.transact(signer, call=call, gas=gas)
    except CallRevertedError as error:
        raise decode_revert(error.data) from error
    receipt = chain.wait_receipt(transaction, timeout=timeout)
    if not receipt.succeeded:
        raise explain_failure(chain, receipt)
    return receipt


def explain_failure(chain: Chain, receipt: TransactionReceipt) -> ContractError:
    """Return why a mined transaction reverted, by running it again on its parent.

    Other transactions before it in its block are not run again: where there are any,
    the reason may differ, and where the call then succeeds, it is an
    `EmptyRevertError` (which is also what a transaction out of gas gives).

    Raises:
        TransactionUnknownError: the endpoint does not have the transaction.
        ChainUnavailableError: as `Chain` says.
    """
    transaction = chain.transaction(receipt.transaction_hash)
    if transaction is None or transaction.target is None:
        raise TransactionUnknownError(receipt.transaction_hash)
    block = chain.block_by_hash(receipt.block_hash)
    outcome = chain.simulate(
        [
            CallRequest(
                transaction.target,
                transaction.data,
                transaction.sender,
                transaction.value,
            )
        ],
        base=chain.block_by_hash(block.parent_hash),
        timestamp=block.timestamp,
    )[0]
    return EmptyRevertError() if outcome.succeeded else decode_revert(outcome.data)
