"""A mandate's words say every danger aloud and promise nothing that does not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from affiant.encoding import keccak256, to_hex
from affiant.onchain.abi import selector
from affiant.onchain.address_book import (
    AaveEntry,
    AddressBook,
    PoolEntry,
    TokenEntry,
    UniswapEntry,
)
from affiant.onchain.artifacts import load_artifact
from affiant.onchain.known_functions import KNOWN_FUNCTIONS
from affiant.onchain.mandate import (
    NATIVE,
    Address,
    Feed,
    Mandate,
    NodePermit,
    Permission,
    Rule,
    Rung,
    Tracked,
    Workload,
    parse_address,
)
from affiant.onchain.words import DEV_KEY, dollars, duration, mandate_in_words


def at(number: int) -> Address:
    return parse_address(f"0x{number:040x}", what="test")


BOOK = AddressBook(
    chain_id=31337,
    gate=at(1),
    node_registry=at(2),
    model_registry=at(3),
    tokens={
        "WETH": TokenEntry(at(16), 18, at(32), 8, 3600, at(48), at(49)),
        "USDC": TokenEntry(at(17), 6, at(33), 8, 86400, at(50), at(51)),
    },
    uniswap=UniswapEntry(
        at(64),
        at(65),
        at(66),
        at(67),
        {"WETH/USDC": PoolEntry(at(68), 500, at(16), at(17))},
    ),
    aave=AaveEntry(at(80), at(81), at(82)),
)
SWAP = selector(
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
)
SUPPLY = selector("supply(address,uint256,address,uint16)")
BORROW = selector("borrow(address,uint256,uint256,uint16,address)")
MANDATE = Mandate(
    account=at(100),
    operator=at(101),
    guardian=at(102),
    program=keccak256(b"program"),
    model=keccak256(b"model"),
    engine=keccak256(b"engine"),
    cadence=64,
    expiry=1_800_000_000,
    max_loss=50 * 10**8,
    record_holds=False,
    quorum=0,
    salt=keccak256(b"salt"),
    nodes=(NodePermit(at(103), 0),),
    workloads=(),
    endorsers=(),
    ladder=(Rung(20_000 * 10**8, 0, 0, 0),),
    allow_list=(Permission(at(65), SWAP), Permission(at(80), SUPPLY)),
    feeds=(Feed(at(32), 8, 3600), Feed(at(33), 8, 86400)),
    tracked=(Tracked(at(16), 0, 18, False), Tracked(at(17), 1, 6, False)),
    rules=(),
)


def words(**changes: Any) -> str:
    return "\n".join(mandate_in_words(replace(MANDATE, **changes), BOOK))


def test_says_who_what_how_often_and_how_much() -> None:
    text = words()
    for piece in (
        to_hex(MANDATE.id),
        f"Only {at(101)} may submit",
        f"node key {at(103)}: tier 0, {DEV_KEY}",
        f"`exactInputSingle` of the Uniswap router ({at(65)})",
        f"`supply` of the Aave pool ({at(80)})",
        "once per 64 blocks (about 12.8 minutes at 12 seconds per block)",
        "at most 113 times a day",
        "at most $50.00 per decision",
        "Up to $20,000.00 at risk and not audited yet, a decision needs the signature "
        "of any permitted key.",
        "Above $20,000.00 nothing executes",
        "together can take at most $5,700.00 in any 24 hours, held by the loss limit "
        "and the pace",
        "$20,000.00 is also the most that its decisions can lose over its whole life",
        "no endorsers: nobody checks a decision before it executes",
        "15 January 2027, 08:00:00 UTC",
        f"the balance of WETH ({at(16)})",
        f"priced by the WETH price feed ({at(32)})",
        "about 1 hour old or older",
        "The guardian",
        "It can never borrow.",
        "It can never keep you from revoking it",
        "A stolen node key could send proceeds to somebody else",
    ):
        assert piece in text
    for piece in ("UNKNOWN", "REFUSE", "WRONG", "NOTHING", "send anything to somebody"):
        assert piece not in text


@dataclass(frozen=True)
class Case:
    """A change of the mandate and what must be said about it."""

    id: str
    changes: dict[str, Any]
    said: str
    not_said: str = "\0"


CASES = [
    Case("anyone", {"operator": NATIVE}, "Anyone may submit", "Only 0x"),
    Case("no guardian", {"guardian": NATIVE}, "Nobody but you can stop it"),
    Case(
        "tier 1",
        {"nodes": (NodePermit(at(103), 1),)},
        "tier 1, named by you",
        DEV_KEY,
    ),
    Case("tier 2", {"nodes": (NodePermit(at(103), 2),)}, "WILL REFUSE"),
    Case(
        "no nodes",
        {"nodes": ()},
        "WILL REFUSE THIS MANDATE: it has no node key and no workload",
    ),
    Case("rules", {"rules": (Rule(at(5), b""),)}, f"UNKNOWN RULE {at(5)}"),
    Case("no quorum", {"endorsers": (at(5),)}, "quorum is 0, and must be 1 to 1"),
    Case(
        "endorsers",
        {"endorsers": (at(5), at(6)), "quorum": 2},
        f"{at(5)}, {at(6)}. Each of them can cancel",
        "WILL REFUSE",
    ),
    Case(
        "endorsers against a model",
        {"endorsers": (at(5), at(6)), "quorum": 2},
        "they stop a lying node, and not a model",
        "over its whole life",
    ),
    Case(
        "nothing without endorsers",
        {
            "endorsers": (at(5), at(6)),
            "quorum": 2,
            "ladder": (Rung(10**8, 0, 2, 0),),
        },
        "Without an endorser's signature nothing executes",
    ),
    Case(
        "a rung of everything",
        {
            "endorsers": (at(5), at(6)),
            "quorum": 2,
            "workloads": (Workload(at(7), keccak256(b"m")),),
            "ladder": (Rung(10**8, 2, 2, 7200),),
        },
        "needs the signature of a key attested by TDX hardware and 2 endorsers and a "
        "wait of about 2 hours in which it can be cancelled",
        "WILL REFUSE",
    ),
    Case(
        "unsorted endorsers",
        {"endorsers": (at(6), at(5)), "quorum": 1},
        "its endorsers are not ascending",
    ),
    Case(
        "an endorser who decides",
        {"endorsers": (at(103),), "quorum": 1},
        "an endorser is a node key as well",
    ),
    Case(
        "workloads",
        {"workloads": (Workload(at(7), keccak256(b"m")),)},
        f"UNKNOWN ATTESTATION CONTRACT ({at(7)})",
        "WILL REFUSE",
    ),
    Case("no ladder", {"ladder": ()}, "its ladder has no rung"),
    Case("short delay", {"ladder": (Rung(1, 0, 0, 60),)}, "delay of rung 0"),
    Case(
        "a falling ladder",
        {"ladder": (Rung(5, 0, 0, 7200), Rung(6, 0, 0, 0))},
        "rung 1 is not above the one before, or asks for less proof",
    ),
    Case(
        "a tier that nobody has",
        {"ladder": (Rung(5, 2, 0, 0),)},
        "rung 0 asks for tier 2, and no key has above 0",
    ),
    Case(
        "endorsements of nobody",
        {"ladder": (Rung(5, 0, 1, 0),)},
        "rung 0 asks for 1 endorsements, and there are 0 endorsers",
    ),
    Case("a limit too large", {"ladder": (Rung(2**80, 0, 0, 0),)}, "does not fit"),
    Case(
        "unknown function",
        {"allow_list": (Permission(at(65), b"\xde\xad\xbe\xef"),)},
        "UNKNOWN FUNCTION 0xdeadbeef of the Uniswap router",
        "never borrow",
    ),
    Case(
        "unknown contract",
        {"allow_list": (Permission(at(999), SWAP),)},
        f"UNKNOWN CONTRACT {at(999)}",
        "never borrow",
    ),
    Case(
        "nothing listed",
        {"allow_list": ()},
        "It may call nothing at all",
        "stolen node key could send",
    ),
    Case(
        "transfer",
        {"allow_list": (Permission(at(16), selector("transfer(address,uint256)")),)},
        "MOVES MONEY OUT",
        "never send anything",
    ),
    Case(
        "borrow",
        {"allow_list": (Permission(at(80), BORROW),)},
        "It may BORROW",
        "never borrow",
    ),
    Case(
        "unknown feed",
        {"feeds": (Feed(at(777), 8, 60), Feed(at(33), 8, 60))},
        f"UNKNOWN FEED {at(777)}",
    ),
    Case(
        "swapped feeds",
        {"feeds": (Feed(at(33), 8, 60), Feed(at(32), 8, 60))},
        "WRONG PRICE",
    ),
    Case(
        "feed out of range",
        {"tracked": (Tracked(at(16), 5, 18, False),)},
        "FEED NUMBER 5",
    ),
    Case(
        "a stale feed stops what it prices, and nothing else",
        {},
        "is refused; other decisions go on",
        "old or older, nothing executes",
    ),
    Case("nothing tracked", {"tracked": ()}, "NOTHING IS TRACKED"),
    Case(
        "one not tracked",
        {"tracked": (Tracked(at(16), 0, 18, False),)},
        f"Not measured: USDC ({at(17)})",
    ),
    Case(
        "unknown token",
        {"tracked": (Tracked(at(555), 0, 18, False),)},
        f"UNKNOWN TOKEN {at(555)}",
    ),
    Case(
        "native",
        {"tracked": (Tracked(NATIVE, 0, 18, False),)},
        "the balance of the native currency",
    ),
    Case(
        "debt",
        {"tracked": (Tracked(at(49), 0, 18, True),)},
        "measures the debt WETH owed to Aave",
    ),
    Case("no limit", {"max_loss": 2**256 - 1}, "NO REAL LIMIT per decision"),
    Case(
        "daily within the rung",
        {"ladder": (Rung(100 * 10**8, 0, 0, 0),)},
        "at most $100.00 in any 24 hours, held by the ladder",
    ),
    Case("forever", {"expiry": 2**64 - 1}, "It ends: never"),
    Case("holds", {"record_holds": True}, "Decisions to hold are recorded on chain"),
    Case("cadence zero", {"cadence": 0}, "once per 0 blocks"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_says_every_danger(case: Case) -> None:
    text = words(**case.changes)
    assert case.said in text
    assert case.not_said not in text


def test_block_time_changes_the_pace() -> None:
    text = "\n".join(mandate_in_words(MANDATE, BOOK, block_seconds=0.5))
    assert "about 32 seconds" in text or "32 seconds at 0.5" in text
    assert "at most 2,700 times a day" in text
    with pytest.raises(ValueError, match="block_seconds"):
        mandate_in_words(MANDATE, BOOK, block_seconds=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0.00"),
        (1, "$0.00000001"),
        (10**8, "$1.00"),
        (123_456 * 10**6, "$1,234.56"),
        (2**256 - 1, "NO REAL LIMIT"),
    ],
)
def test_dollars(value: int, text: str) -> None:
    assert dollars(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "about 1 minute"),
        (768, "about 12.8 minutes"),
        (7200, "about 2 hours"),
        (86400 * 3, "about 3 days"),
    ],
)
def test_duration(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_known_functions_are_named_by_their_selector() -> None:
    assert KNOWN_FUNCTIONS[bytes.fromhex("414bf389")].name == "exactInputSingle"
    assert KNOWN_FUNCTIONS[bytes.fromhex("04e45aaf")].name == "exactInputSingle"
    assert KNOWN_FUNCTIONS[bytes.fromhex("617ba037")].name == "supply"
    assert KNOWN_FUNCTIONS[bytes.fromhex("69328dec")].name == "withdraw"
    assert KNOWN_FUNCTIONS[bytes.fromhex("a9059cbb")].name == "transfer"
    functions = {
        item["name"]
        for item in load_artifact("DecisionGate").abi
        if item["type"] == "function"
    }
    assert not functions & {known.name for known in KNOWN_FUNCTIONS.values()}
