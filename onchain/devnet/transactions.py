"""Sends many transactions at once to a local chain, and insists that all succeed.

The senders are unlocked accounts of anvil; nonces are explicit, so that addresses of
contracts are known before anything is sent and everything fits into one block. Order
among senders is kept where anvil runs with `--order fifo`, as it does to deploy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from affiant.encoding import JsonValue, keccak256, to_hex
from affiant.onchain.devnet.artifacts import Artifacts
from affiant.onchain.devnet.errors import DeploymentFailedError, DevnetRpcError
from affiant.onchain.devnet.rpc import DevnetRpc, calldata
from affiant.onchain.mandate import Address

DEPLOYMENT_GAS = 16_000_000
"""Gas given to each transaction of a deployment; under EIP-7825's cap (2^24)."""


def created_address(sender: Address, nonce: int) -> Address:
    """Return the address of the contract that `sender` creates with `nonce`."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    # RLP: a byte under 0x80 stands for itself, other short strings follow their length.
    packed = number if number and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + bytes.fromhex(sender[2:]) + packed
    digest = keccak256(bytes([0xC0 + len(body)]) + body)
    return Address(str(to_checksum_address(digest[12:])))


@dataclass(frozen=True)
class _Pending:
    label: str
    fields: Mapping[str, JsonValue]


class Transactions:
    """A list of transactions that is sent into one block."""

    def __init__(self, rpc: DevnetRpc, *, gas: int = DEPLOYMENT_GAS) -> None:
        """Start an empty list for the chain at `rpc`, `gas` for each transaction."""
        self.rpc = rpc
        self._gas = gas
        self._pending: list[_Pending] = []
        self._nonces: dict[Address, int] = {}

    def create(
        self,
        code: bytes,
        types: Sequence[str] = (),
        arguments: Sequence[object] = (),
        *,
        label: str,
        sender: Address,
    ) -> Address:
        """Add a contract's creation and return its address to be.

        Args:
            code: linked creation code.
            types: ABI types of the constructor's arguments.
            arguments: the arguments.
            label: name for error messages.
            sender: an unlocked account.
        """
        data = code + encode(list(types), list(arguments))
        nonce = self._add(label, sender=sender, data=data)
        return created_address(sender, nonce)

    def send(
        self,
        to: Address,
        signature: str,
        arguments: Sequence[object] = (),
        *,
        sender: Address,
        value: int = 0,
    ) -> None:
        """Add a call of `signature` ("transfer(address,uint256)") with `value` wei."""
        data = calldata(signature, arguments)
        self._add(signature, sender=sender, data=data, to=to, value=value)

    def _add(
        self,
        label: str,
        *,
        sender: Address,
        data: bytes,
        to: Address | None = None,
        value: int = 0,
    ) -> int:
        if sender not in self._nonces:
            count = self.rpc.request("eth_getTransactionCount", sender, "pending")
            self._nonces[sender] = int(count, 16)
        nonce = self._nonces[sender]
        self._nonces[sender] = nonce + 1
        fields = {
            "from": sender,
            "nonce": hex(nonce),
            "gas": hex(self._gas),
            "value": hex(value),
            "data": to_hex(data),
        }
        self._pending.append(_Pending(label, fields | ({"to": to} if to else {})))
        return nonce

    def mine(self) -> None:
        """Send everything that was added into one block.

        Automatic mining is off meanwhile and on afterwards.

        Raises:
            DeploymentFailedError: a transaction reverted.
            DevnetRpcError: the chain did not take one, or did not mine them all.
        """
        pending, self._pending, self._nonces = self._pending, [], {}
        self.rpc.request("evm_setAutomine", False)
        try:
            hashes = self.rpc.batch(
                [("eth_sendTransaction", [item.fields]) for item in pending]
            )
            self.rpc.request("evm_mine")
        finally:
            self.rpc.request("evm_setAutomine", True)
        receipts = self.rpc.batch([("eth_getTransactionReceipt", [h]) for h in hashes])
        for item, transaction, receipt in zip(pending, hashes, receipts, strict=True):
            if receipt is None:
                raise DevnetRpcError("evm_mine", got=f"{item.label} was left out")
            if int(receipt["status"], 16) != 1:
                raise DeploymentFailedError(
                    item.label,
                    transaction=str(transaction),
                    reason=self._reason(item, block=receipt["blockNumber"]),
                )

    def _reason(self, item: _Pending, *, block: JsonValue) -> str:
        try:
            self.rpc.request("eth_call", dict(item.fields), block)
        except DevnetRpcError as error:
            return error.got
        return "no reason found"


class Deployment:
    """Creates contracts by their artifacts' names, for one deployer."""

    def __init__(
        self, transactions: Transactions, *, artifacts: Artifacts, deployer: Address
    ) -> None:
        """Deploy into `transactions` out of `artifacts`, in the name of `deployer`."""
        self.transactions = transactions
        self.artifacts = artifacts
        self.deployer = deployer
        self._libraries: dict[str, Address] = {}

    def create(
        self, name: str, types: Sequence[str] = (), arguments: Sequence[object] = ()
    ) -> Address:
        """Add the creation of contract `name` and return its address to be."""
        code = self.artifacts.contracts[name].linked(self._libraries)
        return self.transactions.create(
            code, types, arguments, label=name, sender=self.deployer
        )

    def library(self, name: str) -> None:
        """Add the creation of library `name`, for contracts created after it."""
        self._libraries[name] = self.create(name)

    def send(
        self, to: Address, signature: str, arguments: Sequence[object] = ()
    ) -> None:
        """Add a call by the deployer."""
        self.transactions.send(to, signature, arguments, sender=self.deployer)
