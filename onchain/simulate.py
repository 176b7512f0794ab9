"""Simulation before sending: would this execution succeed, and what would it change?

It decides nothing about right or wrong: it runs the very calldata that would be sent,
in one simulated block on top of the newest, with balance reads before and after, and
reports. It trusts the endpoint, as far as a simulation can be trusted: the state may
differ when the transaction is mined, which is why the gate checks bounds itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import keccak256
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, CallRequest, SimulatedCall
from affiant.onchain.errors import SimulatedReadError
from affiant.onchain.mandate import NATIVE, Address, Tracked

BALANCE_READER = Address("0x000000000000000000000000000000000000aFF1")
"""Where the simulation (and only it) finds code that returns a native balance."""

BALANCE_READER_CODE = bytes.fromhex("6000353160005260206000f3")
"""`return(balance(calldataload(0)))`: eth_call has no other way to read it."""

_BALANCE_OF = keccak256(b"balanceOf(address)")[:4]


@dataclass(frozen=True)
class Simulation:
    """What a simulated execution did."""

    succeeded: bool
    revert_data: bytes
    """The gate's revert bytes; empty on success."""
    message: str
    """The endpoint's own words about a failure; empty on success."""
    gas_used: int
    changes: tuple[int, ...]
    """Per tracked entry, in order: the signed change in base units, a debt's negated,
    as in bounds and in the gate's event. All 0 on failure."""
    block: Block
    """The parent of the simulated block."""


def simulate_execution(
    chain: Chain,
    *,
    sender: Address,
    gate: Address,
    calldata: bytes,
    account: Address,
    tracked: Sequence[Tracked],
    timestamp: int | None = None,
) -> Simulation:
    """Simulate `sender` sending `calldata` to `gate` in the next block.

    Args:
        account: whose balances are compared.
        tracked: the mandate's tracked entries.
        timestamp: unix seconds of the simulated block; None: the newest block's plus 1.

    Raises:
        SimulatedReadError: a tracked balance could not be read.
        TransactionRefusedError: `sender` could not even send it.
        ChainUnavailableError: the endpoint does not answer usefully.
    """
    base = chain.latest_block()
    reads = [_balance_read(entry.token, account) for entry in tracked]
    execution = CallRequest(target=gate, data=calldata, sender=sender)
    codes = (
        {BALANCE_READER: BALANCE_READER_CODE}
        if any(entry.token == NATIVE for entry in tracked)
        else {}
    )
    outcomes = chain.simulate(
        [*reads, execution, *reads], base=base, timestamp=timestamp, codes=codes
    )
    count = len(reads)
    outcome = outcomes[count]
    before = _balances(outcomes[:count], tracked)
    after = _balances(outcomes[count + 1 :], tracked)
    return Simulation(
        succeeded=outcome.succeeded,
        revert_data=b"" if outcome.succeeded else outcome.data,
        message=outcome.message,
        gas_used=outcome.gas_used,
        changes=tuple(
            start - end if entry.debt else end - start
            for entry, start, end in zip(tracked, before, after, strict=True)
        ),
        block=base,
    )


def _balance_read(token: Address, account: Address) -> CallRequest:
    word = bytes(12) + bytes.fromhex(account[2:])
    if token == NATIVE:
        return CallRequest(target=BALANCE_READER, data=word)
    return CallRequest(target=token, data=_BALANCE_OF + word)


def _balances(
    outcomes: Sequence[SimulatedCall], tracked: Sequence[Tracked]
) -> list[int]:
    balances = []
    for entry, outcome in zip(tracked, outcomes, strict=True):
        if not outcome.succeeded or len(outcome.data) != 32:
            raise SimulatedReadError(
                f"simulated balance of {entry.token}",
                got=f"{len(outcome.data)} bytes, succeeded: {outcome.succeeded}",
                expected="one uint256",
            )
        balances.append(int.from_bytes(outcome.data, "big"))
    return balances
