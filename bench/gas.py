"""`make bench-gas`: one executed decision over the bare call, on the real contracts.

The bare call is the same Uniswap v3 swap, sent by an account that has allowed
the router before. What the gate adds is everything else: decoding the mandate, the
signature, the registry, prices, the allowance granted and taken back, balances before
and after, head and event. Every case is measured on the second execution of its
mandate, when nothing is written for the first time, and twice, to show that it repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from beside import approval_of, measure_beside, swap_as
from eth_account import Account
from table import Row, publish

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.encoding import keccak256
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.gate import encode_execute
from affiant.onchain.mandate import Address, Mandate, Permission
from affiant.onchain.sending import send
from affiant.onchain.signature import join_signatures

SNAPSHOTS = Path(__file__).resolve().parent.parent / (
    "tests/contracts/snapshots/execute.json"
)
"""What forge measured and holds its tests to."""

UNTRACKED = {
    "hold, nothing tracked: overhead": "a recorded hold, nothing tracked",
    "call, nothing tracked moves: overhead": "a call, nothing but native tracked",
}
"""Cases without tokens and feeds, by the snapshot's name."""

ENDORSER_SECRETS = tuple(keccak256(f"bench endorser {i}".encode()) for i in range(2))
"""Keys of the endorsers whose signatures are counted."""

LISTED = 10
"""Allow-list entries put before the one that is used."""


def bare_swap(lab: Lab) -> int:
    """Return the gas of the same swap sent straight to the router."""
    trader = Account.from_key(DEV_ACCOUNTS[6].key)
    sender = Address(trader.address)
    with lab.undone():
        # Both tokens held before, as the account holds them.
        lab.scenario.fund(sender, {"WETH": Decimal(6), "USDC": Decimal(10_000)})
        receipt = None
        for call in (approval_of(lab), swap_as(lab, sender)):
            receipt = send(lab.chain, replace(call, sender=sender), signer=trader)
        assert receipt is not None
        return receipt.gas_used


def gated_swap(lab: Lab, *, endorsements: int = 0) -> int:
    """Return the gas of the decision that swaps, with so many endorsements."""
    submission = lab.honest
    if endorsements:
        digest = submission.decision.digest(
            chain_id=lab.devnet.chain_id, gate=lab.gate.address
        )
        signatures = [
            bytes(Account.unsafe_sign_hash(digest, secret).signature)
            for secret in ENDORSER_SECRETS[:endorsements]
        ]
        joined = join_signatures(digest, signatures=signatures)
        submission = replace(submission, endorsements=joined)
    costs = set()
    for _ in range(2):
        with lab.undone():
            receipt = lab.gate.execute(submission, operator=lab.operator, blank=True)
            costs.add(receipt.gas_used)
    if len(costs) != 1:
        raise SystemExit("the same execution did not cost the same twice")
    return costs.pop()


def calldata_gas(data: bytes) -> int:
    """Return what calldata costs (EIP-2028: 16 per non-zero byte, 4 per zero byte)."""
    zeros = data.count(0)
    return 4 * zeros + 16 * (len(data) - zeros)


def with_endorsers(mandate: Mandate) -> Mandate:
    """Return the mandate with endorsers, whom its only rung does not ask for."""
    addresses = [Account.from_key(secret).address for secret in ENDORSER_SECRETS]
    endorsers = tuple(Address(a) for a in sorted(addresses, key=str.lower))
    return replace(mandate, endorsers=endorsers, quorum=1)


def with_long_list(mandate: Mandate) -> Mandate:
    """Return the mandate with entries before the one that is used."""
    (entry,) = mandate.allow_list
    others = tuple(
        Permission(entry.target, number.to_bytes(4, "big"))
        for number in range(1, LISTED + 1)
    )
    return replace(mandate, allow_list=(*others, entry))


def parts(two: int) -> Iterator[Row]:
    """Yield what each part costs more than the decision that cost `two`."""
    with scripted_lab(names=("WETH", "USDC"), change=with_endorsers) as lab:
        plain = gated_swap(lab)
        for count in (1, 2):
            more = gated_swap(lab, endorsements=count) - plain
            yield Row(f"{count} endorsement(s), each", more / count, "gas", goal=6_500)
    with scripted_lab(names=("WETH", "USDC", "WBTC")) as lab:
        yield Row("one more tracked asset", gated_swap(lab) - two, "gas")
    with scripted_lab(names=("WETH", "USDC"), change=with_long_list) as lab:
        each = (gated_swap(lab) - two) / LISTED
        yield Row("one more allow-list entry checked", each, "gas")


def main() -> None:
    """Measure and publish."""
    rows = []
    with scripted_lab(names=("WETH", "USDC")) as lab:
        bare, gated = bare_swap(lab), gated_swap(lab)
        data = calldata_gas(encode_execute(lab.honest, blank=True)) - calldata_gas(
            lab.honest.calls[0].data
        )
        rows += [
            Row("bare swap", bare, "gas"),
            Row("a decision, two tracked assets with feeds", gated, "gas"),
            Row("over the bare call", gated - bare, "gas", goal=80_000),
            Row("of which calldata", data, "gas"),
        ]
        rows += [
            Row(f"beside: {name}, over the bare call", gas - bare, "gas")
            for name, gas in measure_beside(lab)
        ]
    rows += parts(gated)
    with scripted_lab(names=("WETH", "USDC"), safe=True) as lab:
        rows.append(
            Row(
                "the same in a Safe, with the rule about its settings",
                gated_swap(lab) - bare,
                "gas",
            )
        )
    with scripted_lab() as lab:
        rows.append(
            Row(
                "the demo's mandate, 9 tracked, over the bare call",
                gated_swap(lab) - bare,
                "gas",
            )
        )
    snapshots = json.loads(SNAPSHOTS.read_text())
    for name, shown in UNTRACKED.items():
        gas = int(snapshots[name])
        rows.append(Row(f"{shown}, over the bare call", gas, "gas", goal=45_000))
    publish("gas", rows, title="One executed decision over the bare call")


if __name__ == "__main__":
    main()
