"""Made-up slots of the four ready agents, for the planner to train and be measured on.

Every scenario is a pure function of a split's name and an index, so that the data are
the same on every machine. It is drawn so that each class of each agent's plans is about
as frequent, many of them right at a limit. It goes through the real features, request
and prompt of its agent.

`HELD_OUT` scenarios are never trained on, nor is a training scenario kept whose numbers
(the whole reading of its agent's rule) are those of a held-out one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import averaging
import guarding
import rebalancing
import rotating
from made_up import BOOK as BOOK
from made_up import WIDE_BOOK, Shares, before, made_facts, make_request
from phrases import TRAINED, Parts, worded
from teacher import agent_of, branch, read, teach

from affiant.agents import (
    DollarCostAverager,
    LoanGuardian,
    Rebalancer,
    VerifiedAgent,
    YieldRotator,
)
from affiant.agents.programs.features import Feature
from affiant.onchain.address_book import AddressBook
from affiant.onchain.facts import BorrowingFact, Facts, VaultFact

TRAINING, HELD_OUT = "training", "held-out"
"""Names of the splits; they seed the draws."""

OWN_WORDS = 0.45
"""Share of training prompts in the agent's own words."""

AGENTS = (
    *("rebalancer",) * 7,
    *("yield rotator",) * 6,
    *("loan guardian",) * 4,
    *("dollar-cost averager",) * 3,
)
"""How often each agent is drawn; the one with more to learn more often."""

_START = 1_735_689_600
_DAY = 86_400


@dataclass(frozen=True)
class Scenario:
    """One slot of one agent."""

    agent: str
    request: dict[str, Any]
    """In the agent's own words, which the teacher reads."""
    numbers: dict[str, int]
    """The numbers of its objective."""
    book: AddressBook
    """What its grammar is made from."""
    seed: str

    def reworded(self, among: Mapping[str, Parts]) -> dict[str, Any]:
        """Return the request with its objective in other words."""
        lends = "supply" in self.request["actions"]
        name = "swapper" if self.agent == "rebalancer" and not lends else self.agent
        text = worded(name, self.numbers, among=among, seed=self.seed)
        return {**self.request, "objective": text}


def draw(split: str, index: int) -> Scenario:
    """Return scenario number `index` of `split`."""
    seed = f"{split} {index}"
    rng = random.Random(f"affiant planner {seed}")
    agent = rng.choice(AGENTS)
    return _DRAWN[agent](rng, seed)


def training_scenarios(count: int, held_out: int) -> Iterator[Scenario]:
    """Yield `count` scenarios, none with the numbers of a held-out one."""
    kept_back = {read(draw(HELD_OUT, index).request) for index in range(held_out)}
    index = 0
    while count > 0:
        scenario = draw(TRAINING, index)
        index += 1
        if read(scenario.request) not in kept_back:
            count -= 1
            yield scenario


def training_examples(
    count: int, held_out: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield `count` prompts' requests, own and other words mixed, with their plans."""
    for scenario in training_scenarios(count, held_out):
        # Counted from one.
        number = int(scenario.seed.rpartition(" ")[2]) + 1
        own = random.Random(f"affiant wording {number}").random() < OWN_WORDS
        shown = scenario.request if own else scenario.reworded(TRAINED)
        yield shown, teach(scenario.request)


def _made(
    rng: random.Random,
    seed: str,
    *,
    words: str,
    numbers: dict[str, int],
    actions: tuple[str, ...],
    facts: Facts,
    features: tuple[Feature, ...] = (),
) -> Scenario:
    book = WIDE_BOOK if "vUSDC" in facts.balances else BOOK
    request = make_request(
        objective=words.format(**numbers),
        actions=actions,
        facts=facts,
        slot=0,
        previous=before(rng, actions),
        book=book,
        features=features,
    )
    return Scenario(agent_of(request), request, numbers, book, seed)


def _others(rng: random.Random, other: int) -> Shares:
    """Return what else the portfolio may hold: bitcoin, or shares of a vault."""
    kind = rng.random()
    if kind < 0.2:
        return {"WBTC": (0, 0, 0), "vUSDC": (other, 0, 0)}
    return {} if kind < 0.35 and other == 0 else {"WBTC": (other, 0, 0)}


def _rebalancer(rng: random.Random, seed: str) -> Scenario:
    lends = rng.random() < 0.85
    while True:
        low, limit = 5 * rng.randint(4, 14), 5 * rng.randint(1, 6)
        high = low + rng.choice((10, 20))
        shares = rebalancing.draw_shares(rng, low, high, limit, lends=lends)
        if shares is not None:
            break
    weth, idle, lent, other = shares
    return _made(
        rng,
        seed,
        words=rebalancing.LENDING_WORDS if lends else rebalancing.SWAP_WORDS,
        numbers={"low": low, "high": high, "idle": limit},
        actions=rebalancing.ACTIONS if lends else rebalancing.SWAP_ACTIONS,
        facts=made_facts(
            rng,
            {
                "WETH": (weth, 0, 0),
                "USDC": (idle, lent, 0),
                **_others(rng, other),
            },
            pool=True,
            lending=lends,
        ),
    )


def _rotator(rng: random.Random, seed: str) -> Scenario:
    wanted = rng.choice(rotating.BRANCHES)
    while True:
        margin = rng.choice((5 * rng.randint(1, 18), rng.randint(1, 90)))
        most, limit = 5 * rng.randint(6, 20), rng.randint(1, 20)
        lead = rng.choice(
            (
                rng.randint(-100, 100),
                rng.choice((-1, 1)) * (margin + rng.randint(-3, 10)),
            )
        )
        other = rng.choice((0, 0, rng.randint(1, 60)))
        vault = rng.choice(
            (0, rng.randint(0, 100), most + rng.randint(-3, 3), rng.randint(0, limit))
        )
        idle = rng.choice(
            (0, rng.randint(0, 100), limit + rng.randint(-2, 3), rng.randint(0, 20))
        )
        lent = 100 - other - vault - idle
        if min(vault, idle, lent) < 0 or abs(lead) > 100:
            continue
        seen = rotating.Reading(margin, most, limit, lead, idle, lent, vault)
        if branch(rotating.decide(seen)) == wanted:
            break
    days, supply = rng.randint(1, 60), rng.randint(100, 900)
    start = 10**4 * rng.randint(100, 150)
    # What a share is worth now, so that it leads by so much; at the edges by more.
    earned = supply + lead + (lead == 100) * 50 - (lead == -100) * 50
    seconds = days * _DAY
    now = -(-start * (earned * seconds + 10**4 * 365 * _DAY) // (10**4 * 365 * _DAY))
    facts = made_facts(
        rng,
        {
            "WETH": (other, 0, 0),
            "USDC": (idle, lent, 0),
            "WBTC": (0, 0, 0),
            "vUSDC": (vault, 0, 0),
        },
        lending=True,
        timestamp=_START + seconds,
        supply_bps=supply,
    )
    own: Any = type("Own", (YieldRotator,), {"since": _START, "rate": start})
    return _made(
        rng,
        seed,
        words=rotating.WORDS,
        numbers={"margin": margin, "most": most, "idle": limit},
        actions=rotating.ACTIONS,
        facts=_with(facts, vaults={"vUSDC": VaultFact(now)}),
        features=own.features,
    )


def _guardian(rng: random.Random, seed: str) -> Scenario:
    wanted = rng.choice(guarding.BRANCHES)
    while True:
        limit = rng.choice((5 * rng.randint(8, 18), rng.randint(40, 95)))
        aim = max(5, limit - rng.choice((5, 10, 15, 20, 25, rng.randint(1, 30))))
        owed = rng.choice(
            (0, rng.randint(1, 100), limit + rng.randint(-3, 4), rng.randint(40, 100))
        )
        owed = min(100, owed)
        payable = rng.choice((0, rng.randint(0, 100), rng.randint(1, 40)))
        weth = rng.choice((0, rng.randint(1, 40)))
        if rng.random() < 0.3:
            payable = 0
        seen = guarding.Reading(limit, aim, owed, payable, weth)
        if branch(guarding.decide(seen)) == wanted:
            break
    threshold = rng.choice((8000, 8250, 8300, 7800))
    lent = rng.randint(30, 95)
    debt = lent * threshold * owed // 10**6
    wallet = debt * payable // 100
    shares = {
        "WETH": (min(weth, 100 - lent), lent, 0),
        "USDC": (wallet, rng.choice((0, 0, rng.randint(0, 10))), debt),
        **_others(rng, 0),
    }
    facts = made_facts(rng, shares)
    held = facts.balances["USDC"]
    owes = 0 if owed == 0 else max(1, held.debt)
    # Exact to the percent that was drawn, whatever the shares were rounded to.
    exact = owes * payable // 100 + (1 if payable else 0)
    balance = {"USDC": type(held)(exact, held.supplied, owes)}
    collateral = 10**4 * owes * 100 * 100 // (threshold * owed) if owed else 10**12
    facts = _with(
        facts,
        balances={**facts.balances, **balance},
        borrowing=BorrowingFact(
            collateral=collateral + (1 if owed else 0),
            debt=100 * owes,
            available=max(0, collateral * 8 // 10 - 100 * owes),
            threshold_bps=threshold,
        ),
    )
    return _made(
        rng,
        seed,
        words=guarding.WORDS,
        numbers={"limit": limit, "aim": aim},
        actions=guarding.ACTIONS,
        facts=facts,
        features=LoanGuardian.features,
    )


def _averager(rng: random.Random, seed: str) -> Scenario:
    limit = rng.choice((5 * rng.randint(1, 19), rng.randint(1, 95)))
    due = rng.choice((0, 1, 1, 1, 2, 3, rng.randint(1, 20)))
    off = rng.choice(
        (rng.randint(0, 9), rng.randint(0, limit), rng.randint(0, limit))
        if rng.random() < 0.65
        else (limit + rng.randint(0, 5), limit + rng.randint(1, 60), 100)
    )
    weth = rng.randint(0, 80)
    facts = made_facts(
        rng,
        {"WETH": (weth, 0, 0), "USDC": (100 - weth, 0, 0), **_others(rng, 0)},
        pool=True,
        timestamp=_START + 200 * _DAY,
        off_bps=rng.choice((-1, 1)) * off,
    )
    # The budget and the amount that make so many buys due, of so large a portion.
    left = max(1, facts.balances["USDC"].wallet // 10**6)
    portion = rng.choice((100, rng.randint(1, 99), rng.randint(2, 25)))
    amount = max(1, left * portion // 100)
    made = rng.randint(0, 30)
    budget = left + made * amount
    every = 200 * _DAY // max(1, made + due - 1) + (0 if made + due > 1 else _DAY)
    facts = _with(
        facts,
        balances={
            **facts.balances,
            "USDC": type(facts.balances["USDC"])(left * 10**6),
        },
    )
    own: Any = type(
        "Own",
        (DollarCostAverager,),
        {"since": _START, "every": every, "amount": amount, "budget": budget},
    )
    return _made(
        rng,
        seed,
        words=averaging.WORDS,
        numbers={"limit": limit},
        actions=averaging.ACTIONS,
        facts=facts,
        features=own.features,
    )


def _with(facts: Facts, **changes: Any) -> Facts:
    fields = {name: getattr(facts, name) for name in facts.__dataclass_fields__}
    return Facts(**{**fields, **changes})


_DRAWN: dict[str, Callable[[random.Random, str], Scenario]] = {
    "rebalancer": _rebalancer,
    "yield rotator": _rotator,
    "loan guardian": _guardian,
    "dollar-cost averager": _averager,
}

CLASSES: dict[str, type[VerifiedAgent]] = {
    "rebalancer": Rebalancer,
    "yield rotator": YieldRotator,
    "loan guardian": LoanGuardian,
    "dollar-cost averager": DollarCostAverager,
}
"""The agents' classes."""
