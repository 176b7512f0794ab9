"""`make bench-gas`: one executed decision over the bare call, on the real contracts.

The bare call is the same Uniswap v3 swap, sent by an account that has allowed
the router before. What the gate adds is everything else: decoding the mandate, the
signature, the registry, prices, the allowance granted and taken back, balances before
and after, head and event. Every case is measured on the second execution of its
mandate, when nothing is written for the first time, and twice, to show that it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from eth_account import Account
from table import Row, publish

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.onchain.abi import encode_call
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.gate import encode_execute
from affiant.onchain.mandate import Address
from affiant.onchain.sending import send

CASES: dict[str, Sequence[str] | None] = {
    "2 tracked tokens": ("WETH", "USDC"),
    "the demo's mandate, 9 tracked": None,
}
"""Tokens tracked by each case's mandate."""


def bare_swap(lab: Lab) -> int:
    """Return the gas of the same swap sent straight to the router."""
    trader = Account.from_key(DEV_ACCOUNTS[6].key)
    (call,) = lab.honest.calls
    account, own = (
        bytes(12) + bytes.fromhex(address[2:])
        for address in (lab.mandate.account, trader.address)
    )
    with lab.undone():
        # Both tokens held before, as the account holds them.
        lab.scenario.fund(
            Address(trader.address), {"WETH": Decimal(6), "USDC": Decimal(10_000)}
        )
        approve = encode_call("approve(address,uint256)", [call.target, 2**255])
        sender = Address(trader.address)
        send(lab.chain, CallRequest(call.token, approve, sender), signer=trader)
        data = call.data.replace(account, own)
        receipt = send(lab.chain, CallRequest(call.target, data, sender), signer=trader)
        return receipt.gas_used


def gated_swap(lab: Lab) -> int:
    """Return the gas of the decision that swaps."""
    with lab.undone():
        return lab.gate.execute(lab.honest, operator=lab.operator, blank=True).gas_used


def calldata_gas(data: bytes) -> int:
    """Return what calldata costs (EIP-2028: 16 per non-zero byte, 4 per zero byte)."""
    zeros = data.count(0)
    return 4 * zeros + 16 * (len(data) - zeros)


def main() -> None:
    """Measure and publish."""
    rows = []
    for name, names in CASES.items():
        with scripted_lab(names=names) as lab:
            bare, gated = bare_swap(lab), gated_swap(lab)
            if gated_swap(lab) != gated:
                raise SystemExit("the same execution did not cost the same twice")
            (call,) = lab.honest.calls
            data = calldata_gas(encode_execute(lab.honest, blank=True)) - calldata_gas(
                call.data
            )
            rows += [
                Row(f"bare swap ({name})", bare, "gas"),
                Row(f"executed decision ({name})", gated, "gas"),
                Row(f"over the bare call ({name})", gated - bare, "gas"),
                Row(f"of which calldata ({name})", data, "gas"),
            ]
    publish("gas", rows, title="One executed decision over the bare call")


if __name__ == "__main__":
    main()
