"""The owner's side of an account: calls that need nobody but the owner.

`AccountClient` covers our own `OwnedAccount`. A Safe takes the same path through the
gate (as its module); its owners act through their own Safe tools, and on a local chain
through `devnet/safe.py`. It decides nothing; keys are the caller's, and it trusts the
endpoint behind `chain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from eth_account.signers.local import LocalAccount

from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.mandate import Address, parse_address
from affiant.onchain.sending import CONFIRM_SECONDS, send


class OwnerAccount(Protocol):
    """An account whose owner acts alone, of whatever kind."""

    @property
    def address(self) -> Address:
        """Where it is."""
        ...

    def execute(self, call: CallRequest, *, owner: LocalAccount) -> TransactionReceipt:
        """Make the account make `call`.

        MUST raise `ContractError` where the call fails, and leave nothing of it.
        """
        ...

    def seen_by(self, chain: Chain) -> Self:
        """Return the same account behind another endpoint."""
        ...


class AccountClient:
    """One `OwnedAccount` on one chain."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the account at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def seen_by(self, chain: Chain) -> AccountClient:
        """Return the same account behind another endpoint."""
        return AccountClient(chain, self.address)

    def owner(self) -> Address:
        """Return who owns the account."""
        return self._address("owner()")

    def gate(self) -> Address:
        """Return the gate that may act under the owner's mandates."""
        return self._address("gate()")

    def execute_call(self, call: CallRequest, *, owner: Address) -> CallRequest:
        """Return the owner's call that makes the account make `call`."""
        data = encode_call(
            "execute(address,uint256,bytes)", [call.target, call.value, call.data]
        )
        return CallRequest(target=self.address, data=data, sender=owner)

    def execute(
        self,
        call: CallRequest,
        *,
        owner: LocalAccount,
        gas: int | None = None,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Make the account make `call`.

        Raises:
            AccountNotOwnerError: `owner` does not own it.
            AccountOwnerCallFailedError: the call failed; `cause` says why.
            ReceiptTimeoutError, TransactionRefusedError, ChainUnavailableError.
        """
        return send(
            self.chain,
            self.execute_call(call, owner=Address(owner.address)),
            signer=owner,
            gas=gas,
            timeout=timeout,
        )

    def execute_batch(
        self,
        calls: Sequence[CallRequest],
        *,
        owner: LocalAccount,
        gas: int | None = None,
        timeout: float = CONFIRM_SECONDS,
    ) -> TransactionReceipt:
        """Make the account make several calls, all or none.

        Raises:
            As `execute`; `index` of the error names the call.
        """
        data = encode_call(
            "executeBatch((address,uint256,bytes)[])",
            [[(call.target, call.value, call.data) for call in calls]],
        )
        return send(
            self.chain,
            CallRequest(self.address, data, Address(owner.address)),
            signer=owner,
            gas=gas,
            timeout=timeout,
        )

    def _address(self, signature: str) -> Address:
        returned = self.chain.call(self.address, encode_call(signature))
        values: Any = decode_exactly(["address"], returned, what=signature)
        return parse_address(values[0], what=signature)
