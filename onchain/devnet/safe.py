"""Deploys a real Safe 1.4.1 on a local chain, from the bytecode that Safe published.

One owner, threshold 1, the gate enabled as its module. Nothing is copied: the bytecode
stays where npm put it (LGPL-3.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

from affiant.encoding import keccak256
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest, TransactionReceipt
from affiant.onchain.create2 import PROXY, SALT, create2_address
from affiant.onchain.devnet.anvil import find_node_modules
from affiant.onchain.devnet.artifacts import read_artifact
from affiant.onchain.mandate import NATIVE, Address
from affiant.onchain.sending import send

_FOLDER = "@safe-global/safe-contracts/build/artifacts/contracts"

SAFE_PATHS = {
    "Safe": f"{_FOLDER}/Safe.sol/Safe.json",
    "SafeProxyFactory": f"{_FOLDER}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json",
    "CompatibilityFallbackHandler": (
        f"{_FOLDER}/handler/CompatibilityFallbackHandler.sol/"
        "CompatibilityFallbackHandler.json"
    ),
}
"""Where each of Safe's contracts lies under `node_modules`."""

EXECUTE = (
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,"
    "address,address,bytes)"
)
"""A Safe's own transaction."""

SETUP = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
"""A Safe's beginning."""


class SafeAccount:
    """A Safe with one owner, who signs alone."""

    def __init__(self, chain: Chain, address: Address) -> None:
        """Wrap the Safe at `address` without asking it anything."""
        self.chain = chain
        self.address = address

    def seen_by(self, chain: Chain) -> SafeAccount:
        """Return the same Safe behind another endpoint."""
        return SafeAccount(chain, self.address)

    def execute_call(self, call: CallRequest, *, owner: Address) -> CallRequest:
        """Return the Safe transaction that makes `call`; `owner` must send it."""
        # Approved by whoever sends it: r is the owner, v is 1.
        signature = bytes(12) + bytes.fromhex(owner[2:]) + bytes(32) + b"\x01"
        data = encode_call(
            EXECUTE,
            [call.target, call.value, call.data, 0, 0, 0, 0, NATIVE, NATIVE, signature],
        )
        return CallRequest(self.address, data, owner)

    def execute(self, call: CallRequest, *, owner: LocalAccount) -> TransactionReceipt:
        """Let the Safe make `call`.

        Raises:
            ContractError, UnavailableError: as `send` says.
        """
        sent = self.execute_call(call, owner=Address(owner.address))
        return send(self.chain, sent, signer=owner)


def deploy_safe(
    chain: Chain,
    payer: LocalAccount,
    *,
    owner: Address,
    nonce: int = 0,
    node_modules: Path | None = None,
) -> SafeAccount:
    """Deploy Safe's contracts where they are missing, and a Safe of `owner`'s.

    Raises:
        ToolMissingError: the package is not installed.
        ContractError, UnavailableError: as `send` says.
    """
    modules = find_node_modules(node_modules)
    places = {
        name: _place(chain, payer, name=name, path=modules / path)
        for name, path in SAFE_PATHS.items()
    }
    setup = encode_call(
        SETUP,
        [
            *([owner], 1, NATIVE, b"", places["CompatibilityFallbackHandler"]),
            *(NATIVE, 0, NATIVE),
        ],
    )
    data = encode_call(
        "createProxyWithNonce(address,bytes,uint256)", [places["Safe"], setup, nonce]
    )
    factory = places["SafeProxyFactory"]
    code = _creation_code(chain, factory)
    salt = keccak256(keccak256(setup) + encode(["uint256"], [nonce]))
    address = create2_address(
        code + encode(["address"], [places["Safe"]]), salt=salt, creator=factory
    )
    send(chain, CallRequest(factory, data, Address(payer.address)), signer=payer)
    return SafeAccount(chain, address)


def enable_module(
    safe: SafeAccount, module: Address, *, owner: LocalAccount
) -> TransactionReceipt:
    """Let the Safe enable `module`."""
    data = encode_call("enableModule(address)", [module])
    return safe.execute(CallRequest(safe.address, data), owner=owner)


def _place(chain: Chain, payer: LocalAccount, *, name: str, path: Path) -> Address:
    code = read_artifact(name, path).linked({})
    address = create2_address(code)
    if not chain.code(address):
        call = CallRequest(PROXY, SALT + code, Address(payer.address))
        send(chain, call, signer=payer)
    return address


def _creation_code(chain: Chain, factory: Address) -> bytes:
    signature = "proxyCreationCode()"
    returned = chain.call(factory, encode_call(signature))
    values: Any = decode_exactly(["bytes"], returned, what=signature)
    return bytes(values[0])
