"""Simulation before sending: would this execution succeed, and what would it change?

It decides nothing about right or wrong: it runs the very calldata that would be sent,
in one simulated block on top of the newest, with balance reads before and after, and
reports. It trusts the endpoint, as far as a simulation can be trusted: the state may
differ when the transaction is mined, which is why the gate checks bounds itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, CallRequest, Event, SimulatedCall
from affiant.onchain.errors import ReadUndecodableError, SimulatedReadError
from affiant.onchain.mandate import NATIVE, Address, Tracked
from affiant.onchain.reads import balance_of, decode_uint256

BALANCE_READER = Address("0x000000000000000000000000000000000000aFF1")
"""Where the simulation (and only it) finds code that returns a native balance."""

BALANCE_READER_CODE = bytes.fromhex("6000353160005260206000f3")
"""`return(balance(calldataload(0)))`: eth_call has no other way to read it."""


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
    events: tuple[Event, ...]
    """What the execution said, in order; empty on failure."""
    block: Block
    """The parent of the simulated block."""
    endpoint: str = ""
    """Where it was run: scheme, host and port."""


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
    """Simulate `sender` sending `calldata` to `gate` in the next block, at one place.

    Args:
        account: whose balances are compared.
        tracked: the mandate's tracked entries.
        timestamp: unix seconds of the simulated block; None: the newest block's plus 1.

    Raises:
        SimulatedReadError: a tracked balance could not be read.
        TransactionRefusedError: `sender` could not even send it.
        ChainUnavailableError: the endpoint does not answer usefully.
    """
    return chain.steadily(
        lambda one: _simulated(
            one,
            execution=CallRequest(target=gate, data=calldata, sender=sender),
            account=account,
            tracked=tracked,
            timestamp=timestamp,
        )
    )


def _simulated(
    chain: Chain,
    *,
    execution: CallRequest,
    account: Address,
    tracked: Sequence[Tracked],
    timestamp: int | None,
) -> Simulation:
    base = chain.latest_block()
    reads = [balance_read(entry.token, account=account) for entry in tracked]
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
        events=outcome.events,
        block=base,
        endpoint=chain.endpoint,
    )


def balance_read(token: Address, *, account: Address) -> CallRequest:
    """Return the call that reads a balance inside `Chain.simulate`.

    Args:
        token: an ERC-20, or `NATIVE`; the latter only answers where the simulation is
            given `BALANCE_READER_CODE` at `BALANCE_READER`.
        account: whose balance.
    """
    if token == NATIVE:
        return CallRequest(BALANCE_READER, encode(["address"], [account]))
    return CallRequest(token, balance_of(account))


def _balances(
    outcomes: Sequence[SimulatedCall], tracked: Sequence[Tracked]
) -> list[int]:
    balances = []
    for entry, outcome in zip(tracked, outcomes, strict=True):
        what = f"simulated balance of {entry.token}"
        if not outcome.succeeded:
            raise SimulatedReadError(what, got="a revert", expected="one uint256")
        try:
            balances.append(decode_uint256(outcome.data, what=what))
        except ReadUndecodableError as error:
            raise SimulatedReadError(
                what, got=error.got, expected=error.expected
            ) from error
    return balances
