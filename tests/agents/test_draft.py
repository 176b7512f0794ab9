"""A drafted mandate: the gate takes it, the agent runs under it, and no further."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import affiant_here

from affiant.agents import Borrow, Hold, Swap, Transfer, VerifiedAgent
from affiant.agents.nodes.service import NodeServer
from affiant.agents.programs.draft import DraftTerms, MandateDraftError, draft_mandate
from affiant.encoding import Digest, keccak256, to_hex
from affiant.onchain.book_sections import RecipientsEntry
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.observation import ChainView
from affiant.onchain.recipients import TRANSFER, may_receive
from affiant.onchain.rule_limits import known_rules, rule_limits
from affiant.onchain.worst_case import worst_case

pytestmark = pytest.mark.anvil

VALUE = 10**8
PAYEE = Address("0x000000000000000000000000000000000000bEEF")
RULES = {name: address for address, name in known_rules().items()}
ENDORSERS = tuple(Address("0x" + f"{number:040X}") for number in (0xE2, 0xE1))


class Trader(VerifiedAgent):
    """Swaps only."""

    objective = "Sell some."
    actions = (Swap, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()


class Payer(Trader):
    actions = (Swap, Transfer, Hold)


def terms(world: Any, **changes: Any) -> DraftTerms:
    parts: dict[str, Any] = {
        "account": world.mandate.account,
        "operator": world.mandate.operator,
        "node": Address(world.key.address),
        "limit": 1_000 * VALUE,
        "cadence": 10,
        "expiry": 2**40,
        "salt": Digest(keccak256(b"draft")),
    }
    return DraftTerms(**{**parts, **changes})


def program_of(world: Any, agent: type[VerifiedAgent], *, book: Any = None) -> Any:
    return agent.program(
        book=book or world.book,
        model=world.mandate.model,
        engine=world.mandate.engine,
    )


def drafted(world: Any, agent: Any = Trader, *, book: Any = None, **changes: Any):
    return draft_mandate(
        program_of(world, agent, book=book),
        book=book or world.book,
        terms=terms(world, **changes),
        rules=RULES,
    )


def test_it_allows_exactly_the_calls_of_the_kits(world):
    mandate = drafted(world)
    assert mandate.allow_list == Swap.permissions(world.book)
    assert len(mandate.allow_list) == 1
    # A kit more is a call more, and nothing else.
    both = drafted(world, world.keeper).allow_list
    expected = [p for kit in world.keeper.actions for p in kit.permissions(world.book)]
    assert sorted(both, key=repr) == sorted(expected, key=repr)


def test_it_measures_all_that_its_kits_touch(world):
    tokens = {token.address for token in world.book.tokens.values()}
    assert {entry.token for entry in drafted(world).tracked} == tokens
    lending = {(e.token, e.debt) for e in drafted(world, world.keeper).tracked}
    for token in world.book.tokens.values():
        if token.a_token is not None:
            assert {(token.a_token, False), (token.variable_debt, True)} <= lending


def payable(world: Any) -> Any:
    """The book, with somebody to pay."""
    entry = RecipientsEntry(rule=RULES["RecipientIsListed"], addresses={"payee": PAYEE})
    return replace(world.book, recipients=entry)


def test_what_is_not_tracked_cannot_be_paid_away(world):
    """A transfer moves its token without an allowance: then it must be measured."""
    book = payable(world)
    (name, token), *rest = book.tokens.items()
    paid = drafted(world, Payer, book=book, tokens=(name,), recipients=("payee",))
    targets = {p.target for p in paid.allow_list if p.selector == TRANSFER}
    assert targets == {token.address}
    assert rest
    rule = RULES["RecipientIsListed"]
    assert may_receive(paid, PAYEE, rule=rule, token=token.address)
    assert not may_receive(paid, paid.operator, rule=rule, token=token.address)


@pytest.mark.parametrize(
    ("agent", "changes", "said"),
    [
        (Payer, {}, "recipients"),
        (Payer, {"recipients": ("the operator",)}, "the operator"),
        (Trader, {"tokens": ("WETH", "GOLD")}, "GOLD"),
        (Trader, {"delay": 3600}, "600"),
        (Trader, {"endorsers": ENDORSERS, "node": ENDORSERS[0]}, "node key as well"),
        (Trader, {"cadence": 1}, "cadence"),
    ],
)
def test_what_cannot_be_drafted_is_refused_by_name(world, agent, changes, said):
    with pytest.raises(MandateDraftError, match=said):
        drafted(world, agent, book=payable(world), **changes)


def test_more_tokens_than_the_gate_measures_are_refused(world):
    token = world.book.tokens["WETH"]
    many = {
        f"T{number}": replace(
            token,
            address=Address("0x" + f"{number + 10:040d}"),
            feed=Address("0x" + f"{number + 50:040d}"),
            a_token=None,
            variable_debt=None,
        )
        for number in range(17)
    }
    book = replace(world.book, tokens={**world.book.tokens, **many})
    with pytest.raises(MandateDraftError, match="tracked"):
        drafted(world, Trader, book=book)
    assert drafted(world, Trader, book=book, tokens=("WETH", "USDC"))


def test_a_loan_is_kept_healthy(world):
    class Borrower(Trader):
        actions = (Borrow, Hold)

        def observe(self, view: ChainView) -> None:
            view.balances()
            view.prices()
            view.borrowing()

    targets = [rule.target for rule in drafted(world, Borrower).rules]
    assert targets == [RULES["SpendRate"], RULES["HealthFactorFloor"]]


def test_the_printed_worst_case_is_modest(world):
    for endorsers in ((), ENDORSERS):
        mandate = drafted(world, endorsers=endorsers)
        worst = worst_case(
            mandate,
            block_seconds=12.0,
            rules=rule_limits(mandate, known=known_rules()),
        )
        assert worst.per_decision <= 20 * VALUE
        assert worst.daily <= 2 * 1_000 * VALUE
        assert worst.unendorsed <= 1_000 * VALUE


def test_ladder_and_quorum_rise_with_endorsers_and_delay(world):
    class Patient(Trader):
        validity_seconds = 3 * 3600

    ladder = drafted(world, Patient, endorsers=ENDORSERS, delay=3600).ladder
    assert [(r.limit // VALUE, r.endorsements, r.delay) for r in ladder] == [
        (1_000, 0, 0),
        (10_000, 2, 0),
        (20_000, 2, 3600),
    ]
    assert drafted(world, endorsers=ENDORSERS).quorum == 2


def run_under(world: Any, mandate: Mandate, folder: Path, *, text: str) -> Any:
    """Have the agents' own keeper decide once under `mandate`, on the real gate."""
    world.grant(mandate)
    world.scenario.next_slot(mandate.cadence)
    world.engine.text = text
    with NodeServer(world.node(folder)) as server:
        agent = world.agent(folder, url=server.url, mandate=mandate)
        return agent.run_once()


def test_the_gate_takes_it_and_the_agent_runs_under_it(world, tmp_path):
    result = run_under(
        world,
        drafted(world, world.keeper, limit=6_000 * VALUE),
        tmp_path,
        text=world.swap,
    )
    assert result.outcome == "executed", result.error


def test_above_its_limit_nothing_executes(world, tmp_path):
    before = world.balances()
    mandate = drafted(world, world.keeper)
    result = run_under(world, mandate, tmp_path, text=world.swap)
    # Seen before it costs gas; what was sworn instead changes nothing.
    assert result.outcome == "held"
    assert "Rung" in result.derived.refused or "rung" in result.derived.refused
    assert world.balances() == before


# The command


@pytest.fixture
def said(world: Any, node_url: str, tmp_path: Path) -> Any:
    """Run `mandate draft` for the example agent, with a node's own words or not."""
    book = tmp_path / "book.json"
    book.write_text(json.dumps(world.book.to_json()))

    def run(*arguments: str, out: str = "mandate.json", node: bool = True) -> Any:
        return affiant_here(
            *("mandate", "draft", "examples/rebalancer.py:Rebalancer"),
            *("--account", world.mandate.account, "--book", book),
            *("--operator", world.mandate.operator),
            *(("--node", node_url) if node else ()),
            *("--out", tmp_path / out, *arguments),
        )

    return run


def test_the_command_writes_a_mandate_and_says_what_it_permits(world, said, tmp_path):
    done = said("--limit", "2500")
    assert done.returncode == 0, done.stderr
    written = Mandate.from_json(json.loads((tmp_path / "mandate.json").read_text()))
    assert to_hex(written.id) in done.stdout
    assert written.nodes[0].key == world.key.address
    assert (written.model, written.engine) == (
        world.mandate.model,
        world.mandate.engine,
    )
    assert written.ladder[0].limit == 2_500 * VALUE
    assert "in any 24 hours" in done.stdout and "nobody audits it" in done.stdout
    # Drafted again, it is another one: its salt is.
    assert said("--limit", "2500", out="again.json").returncode == 0
    again = Mandate.from_json(json.loads((tmp_path / "again.json").read_text()))
    assert again.id != written.id
    assert replace(again, salt=written.salt, expiry=written.expiry) == written


def test_the_command_overwrites_nothing(said, tmp_path):
    (tmp_path / "mandate.json").write_text("mine")
    done = said()
    assert done.returncode == 2
    assert "not overwritten" in done.stderr.replace("\n", " ")
    assert (tmp_path / "mandate.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "node", "status"),
    [
        (("--limit", "0"), True, 2),
        (("--limit", "1e400"), True, 2),
        (("--limit", "nan"), True, 2),
        (("--guardian", "0x12"), True, 2),
        (("--key", "0x" + "11" * 20), True, 2),
        ((), False, 2),
        (("--delay", "7200"), True, 1),
        (("--token", "GOLD"), True, 1),
    ],
)
@pytest.mark.slow
def test_what_the_command_refuses_writes_nothing(
    said, tmp_path, arguments, node, status
):
    done = said(*arguments, node=node)
    assert done.returncode == status, done.stderr
    assert not (tmp_path / "mandate.json").exists()
