"""A recorded observation with some facts changed: what nobody ever read.

Pure. It changes the recorded *returned bytes*, through the same codecs that read them,
so that everything behind the observation runs unchanged on it. It decides which reads a
setting means and whether a value could have been returned at all. The result says the
same block as the recorded one and has another hash: no decision swears it, and
`observation_reread` would find every change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.errors import ObservationError, SettingError
from affiant.onchain.facts import (
    LENDING_PREFIX,
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    READ_TYPES,
    SLOT0,
    Facts,
    planned_reads,
)
from affiant.onchain.mandate import Address
from affiant.onchain.observation import Observation, RecordedRead, facts
from affiant.onchain.pool_price import pool_price, sqrt_price_at, tick_at
from affiant.onchain.reads import (
    LATEST_ROUND_DATA,
    balance_of,
    decode_words,
    encode_words,
)
from affiant.onchain.what_if import Setting, plain

RAY_PERCENT = 10**25
"""One percent of Aave's rates, which are rays (10^27 is 100 %)."""

_BALANCES = ("wallet", "supplied", "debt")


def alter(
    observation: Observation,
    settings: Sequence[Setting],
    *,
    names: Sequence[str],
    book: AddressBook,
) -> Observation:
    """Return `observation` with `settings` in place.

    1. the recorded reads are the planned ones and decode;
    2. nothing is set twice;
    3. feeds, balances and rates;
    4. pools: those that follow a market by the feeds as they are now, those that are
       named by their own price;
    5. what comes out decodes as what was recorded does.

    A feed that serves two tokens changes for both: it is one contract.

    Args:
        names: the program's observation names, in order.

    Raises:
        SettingError: an unknown or unobserved name, a fact set twice, or a value that
            the read could not have returned.
        ObservationError: the recorded reads are not what they should be.
    """
    # 1.
    found = facts(observation, names=names, book=book)
    world = _World(found, book=book, account=observation.account)
    # 2.
    _refuse_repeats(settings)
    try:
        # 3.
        altered = _rewritten(
            observation,
            [_change(item, world=world) for item in settings if item.kind != "pool"],
        )
        # 4.
        moved = facts(altered, names=names, book=book)
        altered = _rewritten(
            altered,
            [
                *_following(settings, world=replace(world, facts=moved)),
                *(_pool(item, world=world) for item in settings if item.kind == "pool"),
            ],
        )
        # 5.
        facts(altered, names=names, book=book)
    except ObservationError as error:
        raise SettingError(
            "settings", got=str(error)[:300], expected="what a read could return"
        ) from error
    return altered


@dataclass(frozen=True)
class _World:
    """What was recorded."""

    facts: Facts
    book: AddressBook
    account: Address

    def token(self, setting: Setting, *, observed: Mapping[str, object]) -> TokenEntry:
        """Return the book's token, if the fact was observed of it."""
        if setting.name not in observed or setting.name not in self.book.tokens:
            raise _refused(setting, expected=f"a name out of {[*observed]}")
        return self.book.tokens[setting.name]


@dataclass(frozen=True)
class _Change:
    """Words of one read that become others."""

    target: Address
    calldata: bytes
    words: Mapping[int, int]
    """Index from 0 to value."""


def _change(setting: Setting, *, world: _World) -> _Change:
    """Return what a setting of anything but a pool changes."""
    if setting.kind in ("price", "market"):
        return _price(setting, world=world)
    if setting.kind == "age":
        return _age(setting, world=world)
    if setting.kind in _BALANCES:
        return _balance(setting, world=world)
    return _rate(setting, world=world)


def _price(setting: Setting, *, world: _World) -> _Change:
    token = world.token(setting, observed=world.facts.prices)
    answer = _amount(
        setting,
        recorded=world.facts.prices[setting.name].answer,
        unit=10**token.feed_decimals,
    )
    if answer <= 0:
        raise _refused(setting, expected="a price above 0")
    return _Change(token.feed, LATEST_ROUND_DATA, {1: answer})


def _age(setting: Setting, *, world: _World) -> _Change:
    token = world.token(setting, observed=world.facts.prices)
    updated = world.facts.timestamp - int(setting.value)
    if updated <= 0:
        raise _refused(setting, expected=f"less than {world.facts.timestamp}")
    return _Change(token.feed, LATEST_ROUND_DATA, {3: updated})


def _balance(setting: Setting, *, world: _World) -> _Change:
    token = world.token(setting, observed=world.facts.balances)
    holders = (token.address, token.a_token, token.variable_debt)
    holder = holders[_BALANCES.index(setting.kind)]
    if holder is None:
        raise _refused(setting, expected="a token that Aave lists")
    amount = _amount(
        setting,
        recorded=getattr(world.facts.balances[setting.name], setting.kind),
        unit=10**token.decimals,
    )
    return _Change(holder, balance_of(world.account), {0: amount})


def _rate(setting: Setting, *, world: _World) -> _Change:
    world.token(setting, observed=world.facts.lending)
    market, supply = world.facts.lending[setting.name], setting.kind == "supply-rate"
    ray = _amount(
        setting,
        recorded=market.supply_rate_ray if supply else market.borrow_rate_ray,
        unit=RAY_PERCENT,
    )
    (read,) = planned_reads(
        [LENDING_PREFIX + setting.name], book=world.book, account=world.account
    )
    return _Change(read.target, read.calldata, {5 if supply else 6: ray})


def _pool(setting: Setting, *, world: _World) -> _Change:
    pool = world.facts.pools.get(setting.name)
    if pool is None:
        raise _refused(setting, expected=f"a name out of {[*world.facts.pools]}")
    price = Fraction(setting.value)
    if setting.relative:
        recorded = pool_price(setting.name, pool.sqrt_price_x96, book=world.book)
        price = recorded * (100 + price) / 100
    return _moved(setting.name, price, said=setting, book=world.book)


def _following(settings: Sequence[Setting], *, world: _World) -> list[_Change]:
    """Return the changes of all pools that follow a market."""
    changes = []
    for setting in settings:
        for name in world.facts.pools if setting.kind == "market" else ():
            base, _, quote = name.partition("/")
            if setting.name not in (base, quote):
                continue
            fair = [world.facts.prices.get(token) for token in (base, quote)]
            if fair[0] is None or fair[1] is None:
                raise _refused(setting, expected=f"observed prices of {name}")
            dollars = [
                Fraction(item.answer, 10**item.decimals) for item in fair if item
            ]
            price = dollars[0] / dollars[1]
            changes.append(_moved(name, price, said=setting, book=world.book))
    return changes


def _moved(name: str, price: Fraction, *, said: Setting, book: AddressBook) -> _Change:
    """Return the change that puts a pool at `price` quote tokens per base token."""
    root = sqrt_price_at(name, price, book=book) if price > 0 else 0
    if not MIN_SQRT_PRICE_X96 <= root < MAX_SQRT_PRICE_X96:
        raise _refused(said, expected="a price that the pool can have")
    return _Change(book.pool_named(name).address, SLOT0, {0: root, 1: tick_at(root)})


def _amount(setting: Setting, *, recorded: int, unit: int) -> int:
    """Return the setting as an integer, where one whole is `unit`.

    Raises:
        SettingError: finer than the unit.
    """
    value = Fraction(setting.value)
    if setting.relative:
        return int(recorded * (100 + value) / 100)
    amount = value * unit
    if amount.denominator != 1 and not setting.rounded:
        raise _refused(setting, expected=f"a multiple of 1/{unit}")
    return round(amount)


def _rewritten(observation: Observation, changes: Sequence[_Change]) -> Observation:
    words: dict[tuple[Address, bytes], dict[int, int]] = {}
    for change in changes:
        words.setdefault((change.target, change.calldata), {}).update(change.words)
    return replace(
        observation,
        reads=tuple(
            _reread(read, words.get((read.target, read.calldata), {}))
            for read in observation.reads
        ),
    )


def _reread(read: RecordedRead, words: Mapping[int, int]) -> RecordedRead:
    if not words:
        return read
    types = READ_TYPES[read.calldata[:4]]
    values = decode_words(read.returndata, types, what=read.target)
    for index, value in words.items():
        values[index] = value
    return replace(read, returndata=encode_words(values, types, what=read.target))


def _refuse_repeats(settings: Sequence[Setting]) -> None:
    seen: set[tuple[str, str]] = set()
    markets = {item.name for item in settings if item.kind == "market"}
    for setting in settings:
        fact = ("price" if setting.kind == "market" else setting.kind, setting.name)
        follows = setting.kind == "pool" and markets & set(setting.name.split("/"))
        if fact in seen or follows:
            raise SettingError(
                ":".join(fact), got="two values", expected="one value of each fact"
            )
        seen.add(fact)


def _refused(setting: Setting, *, expected: str) -> SettingError:
    return SettingError(
        f"{setting.kind}:{setting.name}"[:60],
        got=plain(setting.value)[:40],
        expected=expected[:200],
    )
