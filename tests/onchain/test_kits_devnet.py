"""Kits against the real Uniswap v3 and Aave v3: what they compile, the protocols do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from pydantic import BaseModel

from affiant.encoding import JsonValue, digest_from_hex, to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.decision import Call
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.errors import (
    AnswerInvalidError,
    PlanPriceStaleError,
    SimulatedReadError,
    TransactionRefusedError,
)
from affiant.onchain.kits import (
    Compiled,
    SupplyParams,
    SwapParams,
    WithdrawParams,
    compile_plan,
)
from affiant.onchain.mandate import NATIVE, Address, Mandate, Tracked
from affiant.onchain.observation import facts, observation_reread, record
from affiant.onchain.simulate import simulate_execution

pytestmark = pytest.mark.anvil

NAMES = ("balances", "prices", "pool:WETH/USDC", "lending:USDC")
Granting = Callable[[AddressBook, Address], Mandate]


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as started:
        yield started


@pytest.fixture(scope="module")
def chain(devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
    yield connected
    connected.close()


@pytest.fixture(autouse=True)
def untouched(chain: Chain) -> Iterator[None]:
    """Put the chain back after each test."""
    snapshot = chain.request("evm_snapshot")
    yield
    chain.request("evm_revert", snapshot)


@pytest.fixture
def owner(devnet: Devnet, chain: Chain) -> Address:
    """An account with 2 WETH, 3000 USDC and 0.1 WBTC, played by anvil."""
    address = Address("0x00000000000000000000000000000000000A11cE")
    scenario = Scenario(devnet)
    scenario.fund(address, {"WETH": 2, "USDC": 3000, "WBTC": Decimal("0.1"), "ETH": 10})
    scenario.refresh_feeds()
    chain.request("anvil_impersonateAccount", address)
    return address


def send(chain: Chain, call: CallRequest) -> None:
    transaction: dict[str, JsonValue] = {
        "from": call.sender,
        "to": call.target,
        "data": to_hex(call.data),
        "gas": hex(2_000_000),
    }
    digest = chain.request("eth_sendTransaction", transaction)
    receipt = chain.wait_receipt(digest_from_hex(digest, what="hash"), timeout=10)
    assert receipt.succeeded


def approval(owner: Address, call: Call, *, allowance: int) -> CallRequest:
    spender = bytes(12) + bytes.fromhex(call.target[2:])
    data = bytes.fromhex("095ea7b3") + spender + allowance.to_bytes(32, "big")
    return CallRequest(call.token, data, sender=owner)


def balance_reads(owner: Address, mandate: Mandate) -> list[CallRequest]:
    data = bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(owner[2:])
    return [CallRequest(entry.token, data) for entry in mandate.tracked]


def balances(chain: Chain, owner: Address, mandate: Mandate) -> list[int]:
    words = chain.call_many(balance_reads(owner, mandate))
    return [int.from_bytes(word, "big") for word in words]


def compiled_now(
    chain: Chain, book: AddressBook, mandate: Mandate, *actions: BaseModel
) -> Compiled:
    observation = record(
        chain,
        names=NAMES,
        book=book,
        account=mandate.account,
        block=chain.latest_block(),
    )
    assert observation_reread(chain, observation) == ()
    return compile_plan(
        actions,
        facts=facts(observation, names=NAMES, book=book),
        book=book,
        mandate=mandate,
    )


def execute(
    chain: Chain, owner: Address, mandate: Mandate, compiled: Compiled
) -> list[int]:
    """Make the calls as the gate would, and return the change per tracked entry.

    The changes are measured within one block, as the gate measures them: aTokens and
    debts grow between blocks.
    """
    steps: list[CallRequest] = []
    for call in compiled.calls:
        if call.allowance:
            steps.append(approval(owner, call, allowance=call.allowance))
        steps.append(CallRequest(call.target, call.data, sender=owner))
        if call.allowance:
            steps.append(approval(owner, call, allowance=0))
    reads = balance_reads(owner, mandate)
    outcomes = chain.simulate([*reads, *steps, *reads])
    assert all(outcome.succeeded for outcome in outcomes)
    values = [int.from_bytes(outcome.data, "big") for outcome in outcomes]
    before, after = values[: len(reads)], values[-len(reads) :]
    for step in steps:
        send(chain, step)
    return [
        start - end if entry.debt else end - start
        for entry, start, end in zip(mandate.tracked, before, after, strict=True)
    ]


def swap(sell: str, buy: str, share: int, slippage: int = 50) -> SwapParams:
    return SwapParams(
        action="swap", sell=sell, buy=buy, share_bps=share, max_slippage_bps=slippage
    )


def supply(asset: str, share: int) -> SupplyParams:
    return SupplyParams(action="supply", asset=asset, share_bps=share)


def withdraw(asset: str, share: int) -> WithdrawParams:
    return WithdrawParams(action="withdraw", asset=asset, share_bps=share)


PLANS: dict[str, list[list[BaseModel]]] = {
    "sell a quarter of the WETH": [[swap("WETH", "USDC", 2500)]],
    "sell all USDC": [[swap("USDC", "WETH", 10_000)]],
    "sell a little WBTC": [[swap("WBTC", "USDC", 100, 100)]],
    "supply all USDC": [[supply("USDC", 10_000)]],
    "supply an odd share of WETH": [[supply("WETH", 3333)]],
    "supply, then withdraw all": [
        [supply("USDC", 7777)],
        [withdraw("USDC", 10_000)],
    ],
    "supply and withdraw in odd shares": [
        [supply("WBTC", 9999)],
        [withdraw("WBTC", 3331)],
        [withdraw("WBTC", 9973)],
        [withdraw("WBTC", 10_000)],
    ],
    "several at once, each on what the last one left": [
        [supply("USDC", 5000)],
        [
            withdraw("USDC", 10_000),
            swap("USDC", "WETH", 10_000),
            supply("WETH", 10_000),
        ],
    ],
}


@pytest.mark.parametrize("decisions", PLANS.values(), ids=PLANS)
def test_the_protocols_deliver_at_least_the_bounds(
    decisions: list[list[BaseModel]],
    chain: Chain,
    devnet: Devnet,
    owner: Address,
    granting: Granting,
) -> None:
    mandate = granting(devnet.book, owner)
    for actions in decisions:
        compiled = compiled_now(chain, devnet.book, mandate, *actions)
        # Interest accrues between the observation and the execution.
        chain.request("evm_increaseTime", 300)
        chain.request("anvil_mine", "0x1")
        changes = execute(chain, owner, mandate, compiled)
        assert any(changes)
        for entry, change, bound in zip(
            mandate.tracked, changes, compiled.bounds, strict=True
        ):
            assert change >= bound, entry
            # What one action spends is spent exactly; its yield is near the promise.
            if len(actions) == 1 and bound < 0:
                assert change <= bound + 4, entry
            if len(actions) == 1 and bound > 100:
                assert change < bound * 102 // 100, entry


def test_a_pool_off_the_feeds_makes_the_swap_fail(
    chain: Chain, devnet: Devnet, owner: Address, granting: Granting
) -> None:
    mandate = granting(devnet.book, owner)
    scenario = Scenario(devnet)
    price = scenario.price("WETH")
    scenario.move_pool("WETH/USDC", price * Decimal("0.98"))
    compiled = compiled_now(
        chain, devnet.book, mandate, swap("WETH", "USDC", 5000, 100)
    )
    (call,) = compiled.calls
    send(chain, approval(owner, call, allowance=call.allowance))
    outcome = simulate_execution(
        chain,
        sender=owner,
        gate=call.target,
        calldata=call.data,
        account=owner,
        tracked=mandate.tracked,
    )
    assert not outcome.succeeded
    assert b"Too little received" in outcome.revert_data
    assert set(outcome.changes) == {0}


def test_stale_and_broken_feeds_are_refused(
    chain: Chain, devnet: Devnet, owner: Address, granting: Granting
) -> None:
    mandate = granting(devnet.book, owner)
    scenario = Scenario(devnet)
    answer = int(scenario.price("WETH") * 10**8)
    scenario.set_feed("WETH", answer=answer, age=3600)
    with pytest.raises(PlanPriceStaleError):
        compiled_now(chain, devnet.book, mandate, swap("WETH", "USDC", 100))
    assert compiled_now(chain, devnet.book, mandate, supply("WETH", 100)).calls
    scenario.set_feed("WETH", answer=0)
    with pytest.raises(AnswerInvalidError):
        compiled_now(chain, devnet.book, mandate, supply("WETH", 100))


def test_simulation_foretells_the_changes_and_leaves_none(
    chain: Chain, devnet: Devnet, owner: Address, granting: Granting
) -> None:
    mandate = granting(devnet.book, owner)
    native = Tracked(NATIVE, 0, 18, debt=False)
    compiled = compiled_now(chain, devnet.book, mandate, swap("WETH", "USDC", 1000))
    (call,) = compiled.calls
    send(chain, approval(owner, call, allowance=call.allowance))
    head, before = chain.latest_block(), balances(chain, owner, mandate)
    foretold = simulate_execution(
        chain,
        sender=owner,
        gate=call.target,
        calldata=call.data,
        account=owner,
        tracked=[*mandate.tracked, native],
    )
    assert foretold.succeeded and foretold.revert_data == b""
    assert 50_000 < foretold.gas_used < 500_000
    assert (chain.latest_block(), balances(chain, owner, mandate)) == (head, before)
    send(chain, CallRequest(call.target, call.data, sender=owner))
    after = balances(chain, owner, mandate)
    *changes, in_ether = foretold.changes
    assert changes == [end - start for start, end in zip(before, after, strict=True)]
    assert in_ether == 0


def test_simulation_counts_ether_and_runs_in_the_next_block(
    chain: Chain, devnet: Devnet, owner: Address
) -> None:
    weth = devnet.book.tokens["WETH"].address
    withdraw_ether = bytes.fromhex("2e1a7d4d") + (10**17).to_bytes(32, "big")
    outcome = simulate_execution(
        chain,
        sender=owner,
        gate=weth,
        calldata=withdraw_ether,
        account=owner,
        tracked=[Tracked(NATIVE, 0, 18, debt=False), Tracked(weth, 0, 18, debt=True)],
    )
    assert outcome.changes == (10**17, 10**17)
    head = chain.latest_block()
    reader = Address("0x00000000000000000000000000000000000C0dE5")
    # number, timestamp and the hash of the parent, as the next block will see them.
    code = bytes.fromhex("4360005242602052600143034060405260606000f3")
    (seen,) = chain.simulate(
        [CallRequest(reader, b"")], timestamp=head.timestamp + 9, codes={reader: code}
    )
    assert seen.data == b"".join(
        (
            (head.number + 1).to_bytes(32, "big"),
            (head.timestamp + 9).to_bytes(32, "big"),
            head.hash,
        )
    )
    assert chain.code(reader) == b""


def test_simulation_refuses_unreadable_balances_and_poor_senders(
    chain: Chain, devnet: Devnet, owner: Address
) -> None:
    weth = devnet.book.tokens["WETH"].address
    arguments = {"sender": owner, "gate": weth, "calldata": b"", "account": owner}
    for token in (owner, devnet.book.tokens["WETH"].feed):
        with pytest.raises(SimulatedReadError):
            simulate_execution(
                chain, tracked=[Tracked(token, 0, 18, debt=False)], **arguments
            )
    pauper = Address("0x000000000000000000000000000000000000bEeF")
    with pytest.raises(TransactionRefusedError):
        chain.simulate([CallRequest(weth, b"", sender=pauper, value=10**18)])
