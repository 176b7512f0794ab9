"""The same swap through what others use: a Safe, a Safe's module, an ERC-4337 account.

Real contracts, from npm: Safe 1.4.1 and account-abstraction 0.8.0. It measures; what to
compare with is `gas.py`'s business. None of them checks anything of what the gate
checks: who decided, on what, prices, bounds, loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.demo.lab import Lab
from affiant.onchain.abi import decode_exactly, encode_call
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.create2 import PROXY, SALT, create2_address
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import find_node_modules
from affiant.onchain.devnet.artifacts import read_artifact
from affiant.onchain.devnet.safe import (
    EXECUTE,
    SafeAccount,
    deploy_safe,
    enable_module,
)
from affiant.onchain.mandate import NATIVE, Address, parse_address
from affiant.onchain.sending import send

GAS = 3_000_000
"""Gas limit of what is measured."""

OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
"""ABI type of `PackedUserOperation`."""

_ARTIFACTS = "@account-abstraction/contracts/artifacts"
_FUNDS = {"WETH": Decimal(6), "USDC": Decimal(10_000)}


def measure_beside(lab: Lab) -> Iterator[tuple[str, int]]:
    """Yield the gas of the lab's swap through each of the others, by name."""
    for name, measure in (
        ("Safe 1.4.1, 1 of 1, ECDSA", _safe_transaction),
        ("Safe 1.4.1, a key as its module", _safe_module),
        ("ERC-4337 v0.8, SimpleAccount, one operation", _user_operation),
    ):
        with lab.undone():
            yield name, measure(lab)


def swap_as(lab: Lab, account: Address) -> CallRequest:
    """Return the lab's swap with `account` as whose it is."""
    (call,) = lab.honest.calls
    data = call.data.replace(_word(lab.mandate.account), _word(account))
    return CallRequest(call.target, data)


def approval_of(lab: Lab) -> CallRequest:
    """Return the approval that the swap needs once."""
    (call,) = lab.honest.calls
    data = encode_call("approve(address,uint256)", [call.target, 2**255])
    return CallRequest(call.token, data)


def _safe_transaction(lab: Lab) -> int:
    safe, owner = _safe(lab), lab.owner
    safe.execute(approval_of(lab), owner=owner)
    call = swap_as(lab, safe.address)
    fields = [call.target, 0, call.data, 0, 0, 0, 0, NATIVE, NATIVE]
    nonce = _one(lab, safe.address, "nonce()", [], "uint256")
    digest = _one(
        lab,
        safe.address,
        "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,"
        "address,address,uint256)",
        [*fields, nonce],
        "bytes32",
    )
    signature = bytes(owner.unsafe_sign_hash(digest).signature)
    data = encode_call(EXECUTE, [*fields, signature])
    sender = _somebody()
    sent = CallRequest(safe.address, data, Address(sender.address))
    return _swapped(lab, sent, sender, account=safe.address)


def _safe_module(lab: Lab) -> int:
    safe, module = _safe(lab), _somebody()
    enable_module(safe, Address(module.address), owner=lab.owner)
    safe.execute(approval_of(lab), owner=lab.owner)
    call = swap_as(lab, safe.address)
    data = encode_call(
        "execTransactionFromModule(address,uint256,bytes,uint8)",
        [call.target, 0, call.data, 0],
    )
    sent = CallRequest(safe.address, data, Address(module.address))
    return _swapped(lab, sent, module, account=safe.address)


def _user_operation(lab: Lab) -> int:
    entry = _place(lab, "EntryPoint", b"")
    factory = _place(lab, "SimpleAccountFactory", encode(["address"], [entry]))
    owner, bundler = Address(lab.owner.address), _somebody()
    sender = _one(lab, factory, "getAddress(address,uint256)", [owner, 0], "address")
    place = parse_address(sender, what="account")
    lab.scenario.fund(place, _FUNDS)
    deposit = encode_call("depositTo(address)", [place])
    send(
        lab.chain,
        CallRequest(entry, deposit, Address(bundler.address), 10**18),
        signer=bundler,
    )
    create = bytes.fromhex(factory[2:]) + encode_call(
        "createAccount(address,uint256)", [owner, 0]
    )
    gas = 0
    for init, call in (
        (create, approval_of(lab)),
        (b"", swap_as(lab, place)),
        (b"", swap_as(lab, place)),
    ):
        gas = _operate(lab, entry, place, init, call, bundler)
    return gas


def _operate(
    lab: Lab,
    entry: Address,
    place: Address,
    init: bytes,
    call: CallRequest,
    bundler: LocalAccount,
) -> int:
    nonce = _one(lab, entry, "getNonce(address,uint192)", [place, 0], "uint256")
    operation = [
        place,
        nonce,
        init,
        encode_call("execute(address,uint256,bytes)", [call.target, 0, call.data]),
        (600_000).to_bytes(16, "big") + (400_000).to_bytes(16, "big"),
        50_000,
        (10**9).to_bytes(16, "big") + (10**9).to_bytes(16, "big"),
        b"",
        b"",
    ]
    digest = _one(
        lab, entry, f"getUserOpHash({OPERATION})", [tuple(operation)], "bytes32"
    )
    operation[-1] = bytes(lab.owner.unsafe_sign_hash(digest).signature)
    data = encode_call(
        f"handleOps({OPERATION}[],address)", [[tuple(operation)], bundler.address]
    )
    sent = CallRequest(entry, data, Address(bundler.address))
    if call.target == lab.honest.calls[0].target:
        return _swapped(lab, sent, bundler, account=place)
    return send(lab.chain, sent, signer=bundler, gas=GAS).gas_used


def _swapped(
    lab: Lab, sent: CallRequest, signer: LocalAccount, *, account: Address
) -> int:
    """Send, see that the account has sold, and return the gas.

    With a limit of its own: where a failing call is no failing transaction, an estimate
    is the least gas with which it fails.
    """

    def held() -> int:
        token = lab.honest.calls[0].token
        held: int = _one(lab, token, "balanceOf(address)", [account], "uint256")
        return held

    before = held()
    gas = send(lab.chain, sent, signer=signer, gas=GAS).gas_used
    if held() >= before:
        raise SystemExit("the swap did not happen")
    return gas


def _safe(lab: Lab) -> SafeAccount:
    safe = deploy_safe(lab.chain, lab.owner, owner=Address(lab.owner.address))
    lab.scenario.fund(safe.address, _FUNDS)
    return safe


def _somebody() -> LocalAccount:
    account: LocalAccount = Account.from_key(DEV_ACCOUNTS[6].key)
    return account


def _place(lab: Lab, name: str, arguments: bytes) -> Address:
    path = find_node_modules(None) / _ARTIFACTS / f"{name}.json"
    code = read_artifact(name, path).linked({}) + arguments
    payer = lab.owner
    sent = CallRequest(PROXY, SALT + code, Address(payer.address))
    send(lab.chain, sent, signer=payer)
    return create2_address(code)


def _one(
    lab: Lab, target: Address, signature: str, arguments: list[Any], returns: str
) -> Any:
    returned = lab.chain.call(target, encode_call(signature, arguments))
    return decode_exactly([returns], returned, what=signature)[0]


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
