"""The request: what a program asks its model in one slot, as one JSON object.

It decides how facts become numbers that a model can read: exact decimal strings, whole
percents, basis points. Pure integer arithmetic, so that node, graph and auditor build
the same bytes. It does not read a chain, does not word the prompt (`prompt.py` does)
and does not judge the facts; it trusts them, because they come from an anchored
observation. The objective is the owner's text and stays data.

    receipt.request = keccak256(canonical_json(build_request(...)))

Shares are whole percents of the *gross* portfolio (wallets and deposits, debts not
subtracted), rounded half up, so they stay between 0 and 100 whatever is owed; debt has
its own share of the same total. Values are in the feeds' quote currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from affiant.agents.programs.features import parse_features
from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.refused_plan import FIELD, stated_refusal
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.onchain.facts import TokenBalance
from affiant.onchain.mandate import VALUE_DECIMALS

if TYPE_CHECKING:
    from affiant.agents.programs.plan import Plan
    from affiant.onchain.address_book import AddressBook
    from affiant.onchain.facts import Facts, LendingFact, PoolFact

Fact = TypeVar("Fact")

REQUEST_FORMAT = "affiant-request/2"
"""Version tag of the request. Another rounding or another field is another version."""

MAX_OBJECTIVE_CHARS = 1000
"""Longest objective accepted, in characters."""

MAX_DEVIATION_BPS = 1_000_000
"""A pool further than this from its feeds is reported as this far, in basis points."""

_VALUE_SCALE = 18
"""Decimals in which values are summed before they are rounded for display."""

_POOL_PRICE_DECIMALS = 8
"""Decimals of a pool's price, rounded half up."""

_VALUE_DECIMALS = 2
"""Decimals of a value in the quote currency, rounded half up."""

_RAY_PER_BPS = 10**23
"""Aave's rates are rays (10^27 is 100 %); one basis point is 10^23 of them."""


@dataclass(frozen=True)
class PreviousSummary:
    """What the request says about the decision before: when, and which actions.

    The reason (`why`) stays out on purpose: it is model text, and feeding it back would
    let one strange plan talk to the next. Why a plan was refused is no model's text: it
    is found again by compiling it.
    """

    slot: int
    """Slot of that decision."""
    actions: tuple[str, ...]
    """Its action names, in order."""
    refused: str = ""
    """Why its plan was not carried out (`refused_plan`); empty where it was."""

    @classmethod
    def of(cls, plan: Plan, *, slot: int, refused: str = "") -> PreviousSummary:
        """Summarise `plan`, which was decided in `slot`."""
        return cls(slot=slot, actions=plan.action_names, refused=refused)

    def to_json(self) -> dict[str, JsonValue]:
        """Return what a request says; `refused` only where there is a refusal."""
        said: dict[str, JsonValue] = {"slot": self.slot, "actions": list(self.actions)}
        return {**said, FIELD: self.refused} if self.refused else said

    @classmethod
    def stated(cls, request: JsonValue) -> PreviousSummary | None:
        """Return what a request says about the decision before it.

        It is hostile until a request rebuilt with it hashes to what was sworn; whether
        that decision was so, only its own evidence shows.

        Raises:
            RequestError: the request does not say.
            MalformedError: it says a refusal that is none of ours.
        """
        said = request.get("previous", ()) if isinstance(request, Mapping) else ()
        if said is None:
            return None
        if (
            not isinstance(said, Mapping)
            or set(said) - {FIELD} != {"slot", "actions"}
            or type(said["slot"]) is not int
            or not isinstance(said["actions"], list)
            or not all(isinstance(name, str) for name in said["actions"])
        ):
            raise RequestError(
                "request.previous",
                got=repr(said)[:80],
                expected="null, or a slot and its actions",
            )
        return cls(
            slot=said["slot"],
            actions=tuple(said["actions"]),
            refused=stated_refusal(said),
        )


@dataclass(frozen=True)
class Answer:
    """What the model said to an earlier question of the same slot."""

    question: str
    answer: str
    """As `affiant.agents.programs.questions.answer_of` gives it."""


def build_request(
    program_manifest: Mapping[str, JsonValue],
    *,
    facts: Facts,
    book: AddressBook,
    mandate_id: Digest,
    slot: int,
    previous: PreviousSummary | None,
    question: str | None = None,
    answers: Sequence[Answer] = (),
) -> dict[str, JsonValue]:
    """Return a request of one slot. The same arguments give the same bytes.

    Args:
        program_manifest: the program's JSON; its `objective` and `actions` are used,
            and its `features` where it has some.
        facts: what the observation says, all at the anchor block.
        book: names and decimals; its order is the order of the portfolio.
        mandate_id: 32 bytes.
        slot: the slot decided on.
        previous: the decision that the mandate's head names; None for the first.
        question: what is asked; None asks for the plan.
        answers: what was asked before in this slot, in order.

    Returns:
        Strings, integers, lists and objects only; no fraction is a JSON number.

    Raises:
        RequestError: the manifest lacks a field, the objective is empty or too long,
            the facts name something that the book does not, or a feature cannot be
            computed from them.
        MalformedError: the manifest's features are none.
    """
    objective = program_manifest.get("objective")
    if not isinstance(objective, str) or not objective.strip():
        raise RequestError("objective", got=repr(objective)[:80], expected="text")
    if len(objective) > MAX_OBJECTIVE_CHARS:
        raise RequestError(
            "objective",
            got=f"{len(objective)} characters",
            expected=f"at most {MAX_OBJECTIVE_CHARS}",
        )
    return {
        "format": REQUEST_FORMAT,
        "mandate": to_hex(mandate_id),
        "slot": slot,
        "block": facts.block_number,
        "objective": objective,
        "actions": _action_names(program_manifest.get("actions")),
        "portfolio": _portfolio(facts, book),
        **_standing(facts, book),
        "pools": [
            _pool(name, fact, facts=facts, book=book)
            for name, fact in _in_order(facts.pools, _pool_names(book), what="pool")
        ],
        "lending": [
            _lending(name, fact)
            for name, fact in _in_order(
                facts.lending, tuple(book.tokens), what="lending market"
            )
        ],
        "previous": None if previous is None else previous.to_json(),
        "question": question,
        "answers": [
            {"question": item.question, "answer": item.answer} for item in answers
        ],
        **_features(program_manifest, facts),
    }


def _features(
    manifest: Mapping[str, JsonValue], facts: Facts
) -> dict[str, list[JsonValue]]:
    """Return the field `features`; nothing for a program that computes none."""
    if "features" not in manifest:
        return {}
    found = parse_features(manifest["features"])
    return {
        "features": [
            {"feature": item.name, "value": _decimal(item.of(facts), item.decimals)}
            for item in found
        ]
    }


def _standing(facts: Facts, book: AddressBook) -> dict[str, JsonValue]:
    """Return what only some programs observe; left out where they do not."""
    standing: dict[str, JsonValue] = {}
    if facts.borrowing is not None:
        fact = facts.borrowing
        standing["borrowing"] = {
            "available": _decimal(fact.available, VALUE_DECIMALS),
            "healthBps": None
            if fact.debt == 0
            else min(
                fact.collateral * fact.threshold_bps // fact.debt, MAX_DEVIATION_BPS
            ),
        }
    if facts.vaults:
        standing["vaults"] = [
            {
                "vault": name,
                "asset": book.vault_named(name).asset_name,
                "assetsPerShare": _decimal(
                    fact.assets_per_share, book.vault_named(name).asset.decimals
                ),
            }
            for name, fact in _in_order(facts.vaults, tuple(book.vaults), what="vault")
        ]
    return standing


def _action_names(actions: JsonValue) -> list[str]:
    names = (
        [item.get("name") if isinstance(item, Mapping) else None for item in actions]
        if isinstance(actions, (list, tuple))
        else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise RequestError(
            "program actions", got=repr(actions)[:80], expected="a list of named kits"
        )
    return [str(name) for name in names]


def _pool_names(book: AddressBook) -> tuple[str, ...]:
    return () if book.uniswap is None else tuple(book.uniswap.pools)


def _in_order(
    facts: Mapping[str, Fact], names: tuple[str, ...], *, what: str
) -> list[tuple[str, Fact]]:
    """Return the facts in the book's order; refuse one that the book does not name."""
    unknown = sorted(set(facts) - set(names))
    if unknown:
        raise RequestError(what, got=repr(unknown)[:80], expected=f"one of {[*names]}")
    return [(name, facts[name]) for name in names if name in facts]


def _portfolio(facts: Facts, book: AddressBook) -> dict[str, JsonValue]:
    balances = _in_order(facts.balances, tuple(book.tokens), what="balance")
    if facts.native is not None:
        # Shown like a token that nobody lends.
        native = book.native_entry().name
        balances.append((native, TokenBalance(facts.native)))
    worth = {
        name: tuple(
            _value(amount, _priced_as(name, book), facts=facts, book=book)
            for amount in (balance.wallet, balance.supplied, balance.debt)
        )
        for name, balance in balances
    }
    total = sum(wallet + supplied for wallet, supplied, _ in worth.values())
    owed = sum(debt for _, _, debt in worth.values())
    return {
        "total": _rounded(total, 10**_VALUE_SCALE, decimals=_VALUE_DECIMALS),
        "debt": _rounded(owed, 10**_VALUE_SCALE, decimals=_VALUE_DECIMALS),
        "tokens": [
            {
                "token": name,
                "wallet": _decimal(balance.wallet, _decimals(name, book)),
                "supplied": _decimal(balance.supplied, _decimals(name, book)),
                "debt": _decimal(balance.debt, _decimals(name, book)),
                "price": _price(_priced_as(name, book), facts),
                "share": {
                    "total": _percent(worth[name][0] + worth[name][1], total),
                    "wallet": _percent(worth[name][0], total),
                    "supplied": _percent(worth[name][1], total),
                    "debt": _percent(worth[name][2], total),
                },
            }
            for name, balance in balances
        ],
    }


def _priced_as(name: str, book: AddressBook) -> str:
    """Return whose feed prices `name`: the native currency has its wrapper's."""
    native = book.native
    return native.wrapped if native is not None and name == native.name else name


def _decimals(name: str, book: AddressBook) -> int:
    return book.tokens[_priced_as(name, book)].decimals


def _value(amount: int, name: str, *, facts: Facts, book: AddressBook) -> int:
    """Return the worth of base units at the feed's price, scaled by 10^18, floored."""
    price = facts.prices.get(name)
    if price is None:
        return 0
    scale: int = 10 ** (book.tokens[name].decimals + price.decimals)
    worth: int = amount * price.answer * 10**_VALUE_SCALE // scale
    return worth


def _price(name: str, facts: Facts) -> str | None:
    price = facts.prices.get(name)
    return None if price is None else _decimal(price.answer, price.decimals)


def _pool(
    name: str, fact: PoolFact, *, facts: Facts, book: AddressBook
) -> dict[str, JsonValue]:
    """Price the base token of a pool in its quote token, and compare with the feeds.

    Uniswap v3 states sqrt(token1 / token0) in base units, as a Q64.96 number
    (Uniswap v3 whitepaper, section 6.1).
    """
    base, _, quote = name.partition("/")
    entry = book.pool_named(name)
    numerator, denominator = fact.sqrt_price_x96**2, 1 << 192
    if book.tokens[base].address != entry.token0:
        numerator, denominator = denominator, numerator
    numerator *= 10 ** book.tokens[base].decimals
    denominator *= 10 ** book.tokens[quote].decimals
    return {
        "pool": name,
        "price": None
        if denominator == 0
        else _rounded(numerator, denominator, decimals=_POOL_PRICE_DECIMALS),
        "feeBps": _rounded(fact.fee, 100, decimals=2),
        "deviationBps": _deviation(numerator, denominator, base, quote, facts=facts),
    }


def _deviation(
    numerator: int, denominator: int, base: str, quote: str, *, facts: Facts
) -> int | None:
    """Return pool price over feed price, minus one, in basis points; None without."""
    priced = facts.prices.get(base), facts.prices.get(quote)
    if priced[0] is None or priced[1] is None or denominator == 0:
        return None
    fair = priced[0].answer * 10 ** priced[1].decimals
    unit = priced[1].answer * 10 ** priced[0].decimals
    if fair <= 0 or unit <= 0:
        return None
    pool_side, feed_side = numerator * unit, denominator * fair
    bps = _half_up(10_000 * (pool_side - feed_side), feed_side)
    return max(-MAX_DEVIATION_BPS, min(MAX_DEVIATION_BPS, bps))


def _lending(name: str, fact: LendingFact) -> dict[str, JsonValue]:
    return {
        "token": name,
        "supplyBps": _bps(fact.supply_rate_ray),
        "borrowBps": _bps(fact.borrow_rate_ray),
    }


def _bps(ray: int) -> int:
    return min(_half_up(ray, _RAY_PER_BPS), MAX_DEVIATION_BPS)


def _percent(part: int, total: int) -> int:
    return 0 if total <= 0 else _half_up(100 * part, total)


def _half_up(numerator: int, denominator: int) -> int:
    """Return numerator / denominator to the nearest integer, halves towards +inf."""
    return (2 * numerator + denominator) // (2 * denominator)


def _rounded(numerator: int, denominator: int, *, decimals: int) -> str:
    return _decimal(_half_up(numerator * 10**decimals, denominator), decimals)


def _decimal(units: int, decimals: int) -> str:
    """Write `units` / 10^decimals exactly, without trailing zeros or an exponent."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
