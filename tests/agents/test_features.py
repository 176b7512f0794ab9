"""Features: what may be one, what it comes to, and that its source is never run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiant.agents import Feature, Hold, Program, VerifiedAgent, feature
from affiant.agents.errors import ProgramDefinitionError
from affiant.agents.programs.feature_language import MAX_BITS, MAX_SOURCE_CHARS
from affiant.agents.programs.features import LANGUAGE, parse_features
from affiant.agents.programs.plan_errors import RequestError
from affiant.agents.programs.prompt import render_prompt
from affiant.agents.programs.request import build_request
from affiant.agents.programs.request_fields import shown_fields
from affiant.encoding import Digest, canonical_json, keccak256, parse_json
from affiant.errors import MalformedError, RejectedError
from affiant.onchain.address_book import AddressBook, TokenEntry
from affiant.onchain.facts import Facts, PriceFact, TokenBalance
from affiant.onchain.mandate import Address
from affiant.onchain.observation import ChainView

MODEL, ENGINE = keccak256(b"model"), keccak256(b"engine")
MANDATE = Digest(b"\x11" * 32)


PLAIN_HASH = "adb2302ddaef9d33f9705d72ad4508c06f502bacaec37aa8ec0c1a0da531a337"
"""Of `Plain`, as it was before programs could have features."""


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


BOOK = AddressBook(
    chain_id=31337,
    gate=address(100),
    node_registry=address(101),
    model_registry=address(102),
    tokens={
        "WETH": TokenEntry(address(1), 18, address(11), 8, 3600),
        "USDC": TokenEntry(address(2), 6, address(12), 8, 3600),
    },
)


def facts(*, weth: int = 3 * 10**18, price: int = 2500 * 10**8) -> Facts:
    return Facts(
        block_number=100,
        timestamp=1_750_000_000,
        balances={"WETH": TokenBalance(weth), "USDC": TokenBalance(5 * 10**6, 7, 9)},
        prices={"WETH": PriceFact(price, 8, 1_749_999_990)},
        pools={},
        lending={},
    )


@feature(decimals=2)
def weth_worth(facts: Facts) -> int:
    """WETH in the wallet at the feed's price."""
    price = facts.prices["WETH"]  # a comment is source as well
    units = facts.balances["WETH"].wallet * price.answer
    if units == 0:
        return 0
    return units * 100 // 10 ** (18 + price.decimals)


@feature()
def price_age(facts: Facts) -> int:
    return facts.timestamp - facts.prices["WETH"].updated_at


class Plain(VerifiedAgent):
    objective = "Keep WETH between 55 % and 65 %."
    actions = (Hold,)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()


class Computing(Plain):
    features = (weth_worth, price_age)


def program_of(cls: type[VerifiedAgent]) -> Program:
    return cls.program(book=BOOK, model=MODEL, engine=ENGINE)


def request_of(program: Program, found: Facts | None = None) -> dict[str, Any]:
    return build_request(
        program.to_manifest(),
        facts=facts() if found is None else found,
        book=BOOK,
        mandate_id=MANDATE,
        slot=1,
        previous=None,
    )


def test_a_feature_is_its_functions_source():
    assert weth_worth.name == "weth_worth"
    assert weth_worth.source.startswith("def weth_worth(facts: Facts) -> int:\n")
    assert "# a comment" in weth_worth.source
    assert weth_worth.of(facts()) == 750_000
    assert price_age.of(facts()) == 10


def test_requests_hold_features_as_exact_decimals():
    request = request_of(program_of(Computing))
    assert request["features"] == [
        {"feature": "weth_worth", "value": "7500"},
        {"feature": "price_age", "value": "10"},
    ]
    assert "\nFeature weth_worth: 7500\nFeature price_age: 10\nLast: none" in (
        render_prompt(request)
    )
    assert {"features.weth_worth.value", "features.price_age.value"} <= shown_fields(
        request
    )


def test_the_same_facts_give_the_same_bytes():
    program = program_of(Computing)
    again = Program.from_manifest(
        parse_json(canonical_json(program.to_manifest()), what="m", max_bytes=10**6)
    )
    assert again == program and again.hash == program.hash
    assert canonical_json(request_of(again)) == canonical_json(request_of(program))


def test_programs_without_features_are_what_they_were():
    program = program_of(Plain)
    assert "features" not in program.to_manifest()
    assert "features" not in request_of(program)
    assert program.hash.hex() == PLAIN_HASH


@pytest.mark.parametrize(
    "changed",
    (
        Feature("weth_worth", 3, weth_worth.source),
        Feature("weth_worth", 2, weth_worth.source + "  # 2"),
        Feature("weth_worth", 2, weth_worth.source.replace("100", "101")),
    ),
    ids=("decimals", "comment", "number"),
)
def test_the_hash_covers_all_of_a_feature(changed: Feature):
    other = type("Other", (Plain,), {"features": (changed, price_age)})
    assert program_of(other).hash != program_of(Computing).hash


def test_the_order_of_features_counts():
    other = type("Other", (Plain,), {"features": (price_age, weth_worth)})
    assert program_of(other).hash != program_of(Computing).hash


REFUSED_SOURCES = {
    "an import": "def f(facts):\n    import os\n    return 1",
    "a builtin": "def f(facts):\n    return __import__('os').system('true')",
    "a call of facts": "def f(facts):\n    return facts.balances.get('WETH')",
    "a class's way out": "def f(facts):\n    return facts.__class__.__mro__[1]",
    "a loop": "def f(facts):\n    while True:\n        pass",
    "a comprehension": "def f(facts):\n    return [1 for _ in (1,)][0]",
    "a lambda": "def f(facts):\n    return (lambda: 1)()",
    "a walrus": "def f(facts):\n    return (a := 1)",
    "a fraction": "def f(facts):\n    return 1.5",
    "a division": "def f(facts):\n    return 1 / 2",
    "text": "def f(facts):\n    return 'x' * 2",
    "a computed name": "def f(facts):\n    return facts.balances['WE' + 'TH'].wallet",
    "a formatted text": "def f(facts):\n    return f'{1}'",
    "a shift": "def f(facts):\n    return 1 << 10**9",
    "a matrix product": "def f(facts):\n    return 1 @ 1",
    "a decorator": "@staticmethod\ndef f(facts):\n    return 1",
    "a default": "def f(facts, x=[]):\n    return 1",
    "a star": "def f(*facts):\n    return 1",
    "another argument": "def f(view):\n    return 1",
    "a type parameter": "def f[T](facts):\n    return 1",
    "a coroutine": "async def f(facts):\n    return 1",
    "two functions": "def f(facts):\n    return 1\ndef g(facts):\n    return 1",
    "no function": "f = 1",
    "no return": "def f(facts):\n    x = 1",
    "nothing returned": "def f(facts):\n    return",
    "a global": "def f(facts):\n    global x\n    return 1",
    "an own min": "def f(facts):\n    min = 1\n    return min",
    "own facts": "def f(facts):\n    facts = 1\n    return facts",
    "a delete": "def f(facts):\n    del facts\n    return 1",
    "a raise": "def f(facts):\n    raise ValueError",
    "a keyword": "def f(facts):\n    return max(1, 2, key=abs)",
    "spread arguments": "def f(facts):\n    return max(*facts.balances)",
    "no Python": "def f(facts):\n    return (",
    "a backslash": "def f(facts):\n    return 1 + \\\n 1",
    "other letters": "def f(facts):\n    größe = 1\n    return größe",
    "a zero byte": "def f(facts):\n    return 1\0",
    "too long": "def f(facts):\n    return 1" + " " * MAX_SOURCE_CHARS,
    "too deep": "def f(facts):\n    return " + "-" * 300 + "1",
    "too many nodes": "def f(facts):\n    return " + "+".join("1" * 300),
    "parentheses": "def f(facts):\n    return " + "(" * 900 + "1" + ")" * 900,
    "another name": "def g(facts):\n    return 1",
}


@pytest.mark.parametrize("source", REFUSED_SOURCES.values(), ids=REFUSED_SOURCES)
def test_refuses_sources_that_are_more_than_a_feature(source: str):
    with pytest.raises(MalformedError):
        Feature("f", 0, source)


UNCOMPUTABLE = {
    "division by zero": "1 // (facts.timestamp - facts.timestamp)",
    "remainder of zero": "1 % 0",
    "a number too large": f"2 ** {MAX_BITS - 1} * 4",
    "a power too large": "10 ** 10 ** 10",
    "a negative power": "10 ** -1",
    "an unknown token": "facts.balances['DAI'].wallet",
    "what was not observed": "facts.prices['USDC'].answer",
    "an unknown field": "facts.balances['WETH'].owner",
    "a field of a number": "facts.timestamp.real",
    "a mapping's method": "facts.balances.keys",
    "a private field": "facts.__dict__",
    "a truth value": "1 < 2",
    "all facts": "facts",
    "a number as a test": "1 if facts.timestamp else 2",
    "a test as a number": "1 + (1 < 2)",
    "a name without a value": "x",
    "min of one": "min(1)",
    "abs of two": "abs(1, 2)",
}


@pytest.mark.parametrize("expression", UNCOMPUTABLE.values(), ids=UNCOMPUTABLE)
def test_refuses_to_ask_where_a_feature_cannot_be_computed(expression: str):
    source = f"def f(facts):\n    return {expression}"
    with pytest.raises(RequestError):
        Feature("f", 0, source).of(facts())


def test_a_request_without_its_feature_is_no_request():
    program = program_of(Computing)
    missing = Facts(1, 2, {"WETH": TokenBalance(1)}, {}, {}, {})
    with pytest.raises(RejectedError):
        request_of(program, missing)


AS_PYTHON = (
    "    return facts.timestamp % 7 - 10 // 3 * -2",
    "    return -7 // 2 + -7 % 3 + abs(-5) + min(3, 1, 2) + max(1, facts.block_number)",
    "    a = facts.balances['WETH'].wallet\n    a += 5\n    a -= 2\n    return a",
    "    if 1 < facts.block_number <= 50 or not facts.timestamp == 3:\n"
    "        return 1\n    elif facts.block_number > 70:\n        return 2\n"
    "    else:\n        x: int = 3\n    return x",
    "    return (1 if facts.block_number > 50 and 1 != 2 else 2) ** 3",
    "    u = facts.balances['USDC']\n    return u.wallet - u.supplied * 10 ** u.debt",
)


@pytest.mark.parametrize("body", AS_PYTHON)
@given(weth=st.integers(0, 2**200), block=st.integers(0, 100))
def test_means_what_python_means(body: str, weth: int, block: int):
    source = f"def f(facts):\n{body}"
    names: dict[str, Any] = {}
    exec(source, names)  # our own source, of this test
    found = Facts(
        block,
        1_750_000_000,
        {"WETH": TokenBalance(weth), "USDC": TokenBalance(5, 7, 9)},
        {},
        {},
        {},
    )
    assert Feature("f", 0, source).of(found) == names["f"](found)


@pytest.mark.parametrize(
    "value",
    (
        [],
        {},
        [weth_worth.to_json()] * 2,
        [price_age.to_json() | {"name": f"a{n}"} for n in range(17)],
        [weth_worth.to_json() | {"language": "affiant-feature/2"}],
        [weth_worth.to_json() | {"decimals": True}],
        [weth_worth.to_json() | {"decimals": 19}],
        [weth_worth.to_json() | {"decimals": "2"}],
        [weth_worth.to_json() | {"name": "Weth"}],
        [weth_worth.to_json() | {"name": "price_age"}],
        [weth_worth.to_json() | {"source": 1}],
        [weth_worth.to_json() | {"source": ["x"]}],
        [weth_worth.to_json() | {"more": 1}],
        [{"name": "weth_worth", "language": LANGUAGE, "decimals": 2}],
    ),
)
def test_refuses_manifests_whose_features_are_none(value):
    manifest = program_of(Computing).to_manifest() | {"features": value}
    with pytest.raises(MalformedError):
        Program.from_manifest(manifest)
    with pytest.raises(MalformedError):
        parse_features(value)


@feature()
def dai(facts: Facts) -> int:
    return facts.balances["DAI"].wallet


@feature()
def pool(facts: Facts) -> int:
    return facts.pools["WETH/USDC"].tick


@pytest.mark.parametrize("unobserved", (dai, pool))
def test_a_program_observes_what_its_features_ask_for(unobserved: Feature):
    other = type("Other", (Plain,), {"features": (unobserved,)})
    with pytest.raises(ProgramDefinitionError, match="facts"):
        program_of(other)


def test_a_function_without_a_source_is_no_feature():
    names: dict[str, Any] = {}
    exec("def f(facts):\n    return 1", names)
    with pytest.raises(MalformedError, match="source"):
        feature()(names["f"])
