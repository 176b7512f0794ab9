"""A stage without a model: the real chain, gate and protocols, and a scripted plan."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from eth_account import Account

from affiant.agents import Program, VerifiedAgent
from affiant.demo.attacks import Lab
from affiant.demo.forger import Forger, invented
from affiant.demo.stage import NODE, OPERATOR, OWNER, make_mandate
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import InferenceReceipt, receipts_hash
from affiant.onchain.account import AccountClient
from affiant.onchain.chain import Chain
from affiant.onchain.decision import Decision, bounds_hash, calls_hash
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.kits import (
    Hold,
    Supply,
    Swap,
    SwapParams,
    Withdraw,
    compile_plan,
)
from affiant.onchain.mandate import Mandate
from affiant.onchain.observation import ChainView, facts, record
from affiant.onchain.registry import NodeRegistryClient


class Trader(VerifiedAgent):
    """An agent whose model is never asked here."""

    objective = "Trade."
    actions = (Swap, Supply, Withdraw, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()


def sworn_swap(
    chain: Chain, *, mandate: Mandate, program: Program, gate: GateClient, book: object
) -> Submission:
    """Return what a node with a scripted plan swears in the newest slot."""
    slot = mandate.slot_of(chain.block_number())
    anchor = chain.block_by_number(mandate.anchor_of(slot))
    names = program.observes
    observation = record(
        chain, names=names, book=book, account=mandate.account, block=anchor
    )
    plan = SwapParams(
        action="swap", sell="WETH", buy="USDC", share_bps=1000, max_slippage_bps=100
    )
    compiled = compile_plan(
        [plan],
        facts=facts(observation, names=names, book=book),
        book=book,
        mandate=mandate,
    )
    receipt = InferenceReceipt(
        model=mandate.model,
        engine=mandate.engine,
        request=invented("request"),
        prompt=invented("prompt"),
        output=invented(f"output {slot}"),
        trace=invented("trace"),
    )
    decision = Decision(
        mandate=mandate.id,
        program=mandate.program,
        slot=slot,
        anchor_hash=anchor.hash,
        previous=gate.head_of(mandate.id),
        observation=observation.hash,
        receipts=receipts_hash([receipt]),
        calls=calls_hash(compiled.calls),
        bounds=bounds_hash(compiled.bounds),
        evidence=invented(f"evidence {slot}"),
        valid_until=anchor.timestamp + 600,
    )
    unsigned = Submission(
        mandate=mandate,
        decision=decision,
        receipts=(receipt,),
        calls=compiled.calls,
        bounds=compiled.bounds,
        node=NODE.address,
        signature=bytes(65),
    )
    forger = Forger(NodeKey(Account.from_key(NODE.key)), chain.chain_id, gate.address)
    return forger.swear(unsigned)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A laboratory in which one decision was executed and the next one waits."""
    with Devnet.start() as devnet:
        chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
        scenario, book = Scenario(devnet), devnet.book
        owner, operator, thief = (
            Account.from_key(account.key) for account in (OWNER, OPERATOR, NODE)
        )
        account: AccountClient = deploy_account(
            chain, owner, owner=OWNER.address, gate=book.gate
        )
        scenario.fund(account.address, {"WETH": Decimal(6), "USDC": Decimal(10_000)})
        model, engine = invented("model"), invented("engine")
        program = Trader.program(book=book, model=model, engine=engine)
        now = chain.latest_block().timestamp
        NodeRegistryClient(chain, book.node_registry).announce(
            thief, model=model, engine=engine, valid_until=now + 48 * 3600
        )
        mandate = make_mandate(program, account=account, book=book, now=now)
        gate = GateClient(chain, book.gate)
        account.execute(gate.grant_call(mandate), owner=owner)
        sworn = []
        for _ in range(2):
            scenario.refresh_feeds()
            scenario.next_slot(mandate.cadence)
            sworn.append(
                sworn_swap(
                    chain, mandate=mandate, program=program, gate=gate, book=book
                )
            )
            if len(sworn) == 1:
                gate.execute(sworn[0], operator=operator)
        yield Lab(
            devnet=devnet,
            scenario=scenario,
            chain=chain,
            gate=gate,
            mandate=mandate,
            honest=sworn[1],
            earlier=sworn[0],
            thief=thief,
            account=account,
            operator=operator,
            owner=owner,
        )
