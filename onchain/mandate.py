"""The mandate: an account owner's on-chain grant, identified by its hash.

Pure. The Solidity twin is `contracts/types/Mandate.sol`; `MANDATE_ABI` below is its
exact ABI type, and `tests/vectors/mandate.json` is read by both languages. What the
rules mean is the gate's business; this module only carries and hashes them.

    mandate id = keccak256(MANDATE_PREFIX ‖ abi.encode(Mandate))

The id is the hash of the init code that keeps the mandate as a contract's code, so
that the gate finds it by its id alone (ADR 22).

A *value* is an amount of money in the feeds' common quote currency with 8 decimals
(1 US dollar = 100_000_000 for dollar feeds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

from eth_abi.abi import encode

from affiant.encoding import (
    Digest,
    JsonValue,
    digest_from_hex,
    from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.signature import Address as Address
from affiant.signature import parse_address as parse_address

Item = TypeVar("Item")

VALUE_DECIMALS = 8
"""Decimals of every value, limit and loss."""

NATIVE = Address("0x" + "00" * 20)
"""The zero address stands for the chain's native currency among tracked tokens."""

MAX_LIST = 64
"""Most entries accepted in any list of a mandate read from JSON."""

MANDATE_ABI = (
    "(address,address,address,bytes32,bytes32,bytes32,uint32,uint64,uint256,bool,uint8,"
    "bytes32,(address,uint8)[],(address,bytes32)[],address[],"
    "(uint256,uint8,uint8,uint32)[],"
    "(address,bytes4)[],(address,uint8,uint32)[],(address,uint8,uint8,bool)[],"
    "(address,bytes)[])"
)
"""ABI type of the Solidity struct `Mandate`, fields in declaration order."""

MANDATE_PREFIX = bytes.fromhex("600b380380600b5f395ff3")
"""Init code that copies all that follows it, and returns it."""


@dataclass(frozen=True)
class NodePermit:
    """A node key permitted by name."""

    key: Address
    """Address of the node's signing key."""
    tier: int
    """Tier at which the owner permits it: 0 dev, 1 named by the owner."""


@dataclass(frozen=True)
class Workload:
    """A measured program whose keys are permitted, and who is believed about it."""

    attestation: Address
    """Contract that implements `IAttestation`."""
    measurement: Digest
    """Hash of what must be measured, as that contract defines it."""


@dataclass(frozen=True)
class Rung:
    """What proof a decision needs while the unaudited outflow is at most `limit`."""

    limit: int
    """Value, inclusive: unaudited outflow plus the decision's own value at risk."""
    tier: int
    """Least tier of the node's key."""
    endorsements: int
    """Distinct endorsers needed."""
    delay: int
    """Seconds between queueing and execution."""


@dataclass(frozen=True)
class Permission:
    """One (target, selector) that calls may use."""

    target: Address
    selector: bytes
    """4 bytes."""


@dataclass(frozen=True)
class Feed:
    """A Chainlink-shaped price feed."""

    aggregator: Address
    decimals: int
    """Decimals of its answers; the gate compares them with the feed's own at grant."""
    max_age: int
    """Seconds after `updatedAt` at which an answer is stale (exclusive)."""


@dataclass(frozen=True)
class Tracked:
    """A token whose balance is measured before and after."""

    token: Address
    """ERC-20 address, or the zero address for the native currency."""
    feed: int
    """Index into the mandate's feeds."""
    decimals: int
    """Decimals of the token; compared with the token's own at grant."""
    debt: bool
    """True for a debt token: its rise is a loss."""


@dataclass(frozen=True)
class Rule:
    """An optional extra check before and after the calls."""

    target: Address
    data: bytes


@dataclass(frozen=True)
class Mandate:
    """An account owner's grant. Field order is the ABI's."""

    account: Address
    """The account whose money it is; must implement the Safe's module interface."""
    operator: Address
    """Only this address may submit; zero: anyone may."""
    guardian: Address
    """May stop the mandate for a time; zero: nobody."""
    program: Digest
    """Hash of the program manifest."""
    model: Digest
    """Root of the model commitment."""
    engine: Digest
    """Hash of the engine manifest."""
    cadence: int
    """Blocks per slot, at least 2."""
    expiry: int
    """Unix seconds, exclusive: from this second on nothing executes."""
    max_loss: int
    """Value: most that one decision may lose at feed prices."""
    record_holds: bool
    """True: a HOLD is sent to the chain as well."""
    quorum: int
    """How many endorsers a checkpoint or a verdict takes; 0 where there are none."""
    salt: Digest
    """Makes two otherwise equal grants different."""
    nodes: tuple[NodePermit, ...]
    workloads: tuple[Workload, ...]
    """Measured programs whose keys are permitted."""
    endorsers: tuple[Address, ...]
    """Who may endorse, audit and cancel; ascending."""
    ladder: tuple[Rung, ...]
    allow_list: tuple[Permission, ...]
    feeds: tuple[Feed, ...]
    tracked: tuple[Tracked, ...]
    rules: tuple[Rule, ...]

    def abi_values(self) -> tuple[object, ...]:
        """Return the fields as `eth_abi` takes them for `MANDATE_ABI`."""
        return (
            self.account,
            self.operator,
            self.guardian,
            self.program,
            self.model,
            self.engine,
            self.cadence,
            self.expiry,
            self.max_loss,
            self.record_holds,
            self.quorum,
            self.salt,
            [(node.key, node.tier) for node in self.nodes],
            [(w.attestation, w.measurement) for w in self.workloads],
            list(self.endorsers),
            [(r.limit, r.tier, r.endorsements, r.delay) for r in self.ladder],
            [(p.target, p.selector) for p in self.allow_list],
            [(f.aggregator, f.decimals, f.max_age) for f in self.feeds],
            [(t.token, t.feed, t.decimals, t.debt) for t in self.tracked],
            [(rule.target, rule.data) for rule in self.rules],
        )

    @cached_property
    def id(self) -> Digest:
        """The mandate's hash, by which the gate knows it."""
        return _id_of(self)

    def slot_of(self, block_number: int) -> int:
        """Return the slot that `block_number` lies in."""
        return block_number // self.cadence

    def anchor_of(self, slot: int) -> int:
        """Return the first block of `slot`, at which its observation is made."""
        return slot * self.cadence

    def to_json(self) -> dict[str, JsonValue]:
        """Return the mandate as JSON; integers over 2^53 and all values as strings."""
        return {
            "account": self.account,
            "operator": self.operator,
            "guardian": self.guardian,
            "program": to_hex(self.program),
            "model": to_hex(self.model),
            "engine": to_hex(self.engine),
            "cadence": self.cadence,
            "expiry": self.expiry,
            "maxLoss": str(self.max_loss),
            "recordHolds": self.record_holds,
            "quorum": self.quorum,
            "salt": to_hex(self.salt),
            "nodes": [{"key": n.key, "tier": n.tier} for n in self.nodes],
            "workloads": [
                {"attestation": w.attestation, "measurement": to_hex(w.measurement)}
                for w in self.workloads
            ],
            "endorsers": list(self.endorsers),
            "ladder": [
                {
                    "limit": str(r.limit),
                    "tier": r.tier,
                    "endorsements": r.endorsements,
                    "delay": r.delay,
                }
                for r in self.ladder
            ],
            "allowList": [
                {"target": p.target, "selector": to_hex(p.selector)}
                for p in self.allow_list
            ],
            "feeds": [
                {
                    "aggregator": f.aggregator,
                    "decimals": f.decimals,
                    "maxAge": f.max_age,
                }
                for f in self.feeds
            ],
            "tracked": [
                {
                    "token": t.token,
                    "feed": t.feed,
                    "decimals": t.decimals,
                    "debt": t.debt,
                }
                for t in self.tracked
            ],
            "rules": [
                {"target": rule.target, "data": to_hex(rule.data)}
                for rule in self.rules
            ],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Mandate:
        """Parse a mandate from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        fields = object_fields(
            value,
            what="mandate",
            names=(
                "account operator guardian program model engine cadence expiry maxLoss "
                "recordHolds quorum salt nodes workloads endorsers ladder allowList "
                "feeds tracked rules"
            ).split(),
        )
        return cls(
            account=parse_address(fields["account"], what="mandate.account"),
            operator=parse_address(fields["operator"], what="mandate.operator"),
            guardian=parse_address(fields["guardian"], what="mandate.guardian"),
            program=digest_from_hex(fields["program"], what="mandate.program"),
            model=digest_from_hex(fields["model"], what="mandate.model"),
            engine=digest_from_hex(fields["engine"], what="mandate.engine"),
            cadence=parse_integer(fields["cadence"], what="mandate.cadence", bits=32),
            expiry=parse_integer(fields["expiry"], what="mandate.expiry", bits=64),
            max_loss=parse_integer(fields["maxLoss"], what="mandate.maxLoss", bits=256),
            record_holds=_parse_bool(fields["recordHolds"], what="mandate.recordHolds"),
            quorum=parse_integer(fields["quorum"], what="mandate.quorum", bits=8),
            salt=digest_from_hex(fields["salt"], what="mandate.salt"),
            nodes=_parse_list(fields["nodes"], _node, what="mandate.nodes"),
            workloads=_parse_list(
                fields["workloads"], _workload, what="mandate.workloads"
            ),
            endorsers=_parse_list(
                fields["endorsers"],
                lambda item: parse_address(item, what="mandate.endorsers"),
                what="mandate.endorsers",
            ),
            ladder=_parse_list(fields["ladder"], _rung, what="mandate.ladder"),
            allow_list=_parse_list(
                fields["allowList"], _permission, what="mandate.allowList"
            ),
            feeds=_parse_list(fields["feeds"], _feed, what="mandate.feeds"),
            tracked=_parse_list(fields["tracked"], _tracked, what="mandate.tracked"),
            rules=_parse_list(fields["rules"], _rule, what="mandate.rules"),
        )


def object_fields(
    value: JsonValue, *, what: str, names: list[str]
) -> dict[str, JsonValue]:
    """Return `value` if it is an object with exactly the fields `names`.

    Raises:
        MalformedError: it is not.
    """
    if not isinstance(value, dict) or set(value) != set(names):
        got = (
            sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        )
        raise MalformedError(
            what, got=f"{got}"[:300], expected=f"fields {sorted(names)}"
        )
    return value


def parse_integer(value: JsonValue, *, what: str, bits: int) -> int:
    """Return an unsigned integer of at most `bits` bits, given as a number or a string.

    Raises:
        MalformedError: it is not one.
    """
    text = value if isinstance(value, str) else None
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 78:
        number = int(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise MalformedError(what, got=repr(value)[:80], expected="an unsigned integer")
    if not 0 <= number < 2**bits:
        raise MalformedError(what, got=str(number)[:90], expected=f"uint{bits}")
    return number


def _parse_bool(value: JsonValue, *, what: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedError(what, got=repr(value)[:80], expected="true or false")
    return value


def _parse_list(
    value: JsonValue, parse: Callable[[JsonValue], Item], *, what: str
) -> tuple[Item, ...]:
    if not isinstance(value, list) or len(value) > MAX_LIST:
        got = f"{len(value)} entries" if isinstance(value, list) else repr(value)[:80]
        raise MalformedError(
            what, got=got, expected=f"a list of at most {MAX_LIST} entries"
        )
    return tuple(parse(item) for item in value)


def _node(value: JsonValue) -> NodePermit:
    item = object_fields(value, what="mandate.nodes", names=["key", "tier"])
    return NodePermit(
        key=parse_address(item["key"], what="node.key"),
        tier=parse_integer(item["tier"], what="node.tier", bits=8),
    )


def _workload(value: JsonValue) -> Workload:
    item = object_fields(
        value, what="mandate.workloads", names=["attestation", "measurement"]
    )
    return Workload(
        attestation=parse_address(item["attestation"], what="workload.attestation"),
        measurement=digest_from_hex(item["measurement"], what="workload.measurement"),
    )


def _rung(value: JsonValue) -> Rung:
    item = object_fields(
        value, what="mandate.ladder", names=["limit", "tier", "endorsements", "delay"]
    )
    return Rung(
        limit=parse_integer(item["limit"], what="rung.limit", bits=256),
        tier=parse_integer(item["tier"], what="rung.tier", bits=8),
        endorsements=parse_integer(
            item["endorsements"], what="rung.endorsements", bits=8
        ),
        delay=parse_integer(item["delay"], what="rung.delay", bits=32),
    )


def _permission(value: JsonValue) -> Permission:
    item = object_fields(value, what="mandate.allowList", names=["target", "selector"])
    selector = from_hex(item["selector"], what="permission.selector")
    if len(selector) != 4:
        raise MalformedError(
            "permission.selector", got=f"{len(selector)} bytes", expected="4 bytes"
        )
    return Permission(
        target=parse_address(item["target"], what="permission.target"),
        selector=selector,
    )


def _feed(value: JsonValue) -> Feed:
    item = object_fields(
        value, what="mandate.feeds", names=["aggregator", "decimals", "maxAge"]
    )
    return Feed(
        aggregator=parse_address(item["aggregator"], what="feed.aggregator"),
        decimals=parse_integer(item["decimals"], what="feed.decimals", bits=8),
        max_age=parse_integer(item["maxAge"], what="feed.maxAge", bits=32),
    )


def _tracked(value: JsonValue) -> Tracked:
    item = object_fields(
        value, what="mandate.tracked", names=["token", "feed", "decimals", "debt"]
    )
    return Tracked(
        token=parse_address(item["token"], what="tracked.token"),
        feed=parse_integer(item["feed"], what="tracked.feed", bits=8),
        decimals=parse_integer(item["decimals"], what="tracked.decimals", bits=8),
        debt=_parse_bool(item["debt"], what="tracked.debt"),
    )


def _rule(value: JsonValue) -> Rule:
    item = object_fields(value, what="mandate.rules", names=["target", "data"])
    return Rule(
        target=parse_address(item["target"], what="rule.target"),
        data=from_hex(item["data"], what="rule.data"),
    )


@lru_cache(maxsize=64)
def _id_of(mandate: Mandate) -> Digest:
    """Hash `mandate`; the same one is parsed from every bundle, and never changes."""
    return keccak256(MANDATE_PREFIX + encode([MANDATE_ABI], [mandate.abi_values()]))
