"""A laboratory without a model: real chain, gate and protocols, a scripted plan.

A double for tests and for measuring gas; it shows nothing about inference. The receipt
in its decisions is invented, which the gate cannot know: that is what audits are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from eth_account import Account

from affiant.agents import Program, VerifiedAgent
from affiant.demo.forger import Forger, invented
from affiant.demo.lab import Lab
from affiant.demo.stage import make_mandate, make_safe, safe_rule
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import InferenceReceipt
from affiant.onchain.account import OwnerAccount
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.decision import Decision
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.accounts import NODE, OPERATOR, OWNER
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.kits import (
    Hold,
    Supply,
    Swap,
    SwapParams,
    Withdraw,
    compile_plan,
)
from affiant.onchain.mandate import Feed, Mandate, Tracked
from affiant.onchain.observation import ChainView, facts, record
from affiant.onchain.registry import NodeRegistryClient

SHARE_BPS = 1000
"""Share of the WETH that each scripted swap sells."""


class ScriptedTrader(VerifiedAgent):
    """An agent whose model is never asked."""

    objective = "Trade."
    actions = (Swap, Supply, Withdraw, Hold)

    def observe(self, view: ChainView) -> None:
        """Read what a swap needs."""
        view.balances()
        view.prices()


def sworn_swap(
    chain: Chain,
    *,
    forger: Forger,
    gate: GateClient,
    mandate: Mandate,
    book: AddressBook,
) -> Submission:
    """Return what a node with a scripted plan would swear in the newest slot."""
    slot = mandate.slot_of(chain.block_number())
    anchor = chain.block_by_number(mandate.anchor_of(slot))
    names = ("balances", "prices")
    observation = record(
        chain, names=names, book=book, account=mandate.account, block=anchor
    )
    plan = SwapParams(
        action="swap",
        sell="WETH",
        buy="USDC",
        share_bps=SHARE_BPS,
        max_slippage_bps=100,
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
        receipts=invented("filled in by the forger"),
        calls=invented("filled in by the forger"),
        bounds=invented("filled in by the forger"),
        evidence=invented(f"evidence {slot}"),
        valid_until=anchor.timestamp + 600,
    )
    return forger.swear(
        Submission(
            mandate=mandate,
            decision=decision,
            receipts=(receipt,),
            calls=compiled.calls,
            bounds=compiled.bounds,
            node=NODE.address,
            signature=bytes(65),
        )
    )


@contextmanager
def scripted_lab(
    *,
    names: Sequence[str] | None = None,
    change: Callable[[Mandate], Mandate] | None = None,
    safe: bool = False,
) -> Iterator[Lab]:
    """Hand over a laboratory where one decision was executed and the next one waits.

    Args:
        names: tokens whose wallet balances alone are tracked; None: every token of the
            book with its deposits and debts.
        change: changes the mandate before it is granted.
        safe: the money is in a Safe, and a rule looks at the Safe's settings; otherwise
            in an account of our own.
    """
    with Devnet.start() as devnet:
        chain = Chain.connect(devnet.url, expected_chain_id=devnet.chain_id)
        scenario, book = Scenario(devnet), devnet.book
        owner, operator, thief = (
            Account.from_key(account.key) for account in (OWNER, OPERATOR, NODE)
        )
        account: OwnerAccount = (
            make_safe(chain, owner, gate=book.gate)
            if safe
            else deploy_account(chain, owner, owner=OWNER.address, gate=book.gate)
        )
        scenario.fund(account.address, {"WETH": Decimal(6), "USDC": Decimal(10_000)})
        model, engine = invented("model"), invented("engine")
        program: Program = ScriptedTrader.program(book=book, model=model, engine=engine)
        now = chain.latest_block().timestamp
        NodeRegistryClient(chain, book.node_registry).announce(
            thief, model=model, engine=engine, valid_until=now + 48 * 3600
        )
        mandate = make_mandate(
            program,
            account=account,
            book=book,
            now=now,
            rules=(safe_rule(),) if safe else (),
        )
        if names is not None:
            mandate = _narrowed(mandate, book=book, names=names)
        if change is not None:
            mandate = change(mandate)
        gate = GateClient(chain, book.gate)
        account.execute(gate.grant_call(mandate), owner=owner)
        forger = Forger(NodeKey(thief), devnet.chain_id, gate.address)
        scenario.next_slot(mandate.cadence)
        earlier = sworn_swap(
            chain, forger=forger, gate=gate, mandate=mandate, book=book
        )
        gate.execute(earlier, operator=operator)
        scenario.refresh_feeds()
        scenario.next_slot(mandate.cadence)
        yield Lab(
            devnet=devnet,
            scenario=scenario,
            chain=chain,
            gate=gate,
            mandate=mandate,
            honest=sworn_swap(
                chain, forger=forger, gate=gate, mandate=mandate, book=book
            ),
            earlier=earlier,
            thief=thief,
            account=account,
            operator=operator,
            owner=owner,
        )
        chain.close()


def _narrowed(mandate: Mandate, *, book: AddressBook, names: Sequence[str]) -> Mandate:
    """Track `names` only, and allow swaps only."""
    tokens = [book.tokens[name] for name in names]
    return replace(
        mandate,
        allow_list=Swap.permissions(book),
        feeds=tuple(Feed(t.feed, t.feed_decimals, t.max_age) for t in tokens),
        tracked=tuple(
            Tracked(token.address, index, token.decimals, debt=False)
            for index, token in enumerate(tokens)
        ),
    )
