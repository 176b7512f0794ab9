"""What the journal says of transactions whose fate is unknown, nonce by nonce.

Pure. All transactions under one nonce belong together: at most one of them will ever be
mined. It decides nothing about them; `affiant.agents.sending.outbox` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from affiant.agents.durable.journal import Entry
from affiant.encoding import Digest, JsonValue, digest_from_hex, from_hex, to_hex
from affiant.errors import MalformedError
from affiant.onchain.chain_types import Fees
from affiant.onchain.mandate import parse_integer

Kind = Literal["execute", "replace", "cancel"]
"""Why a transaction was signed: to execute a decision; to do so for higher fees; or to
use up the nonce of a decision that can no longer execute."""

Act = Literal["execute", "queue", "release"]
"""What its decision's call does: execute it, let it wait out its rung's delay, or
execute it after that."""

ACTS: tuple[Act, ...] = ("execute", "queue", "release")
"""Every act."""

KINDS: tuple[Kind, ...] = ("execute", "replace", "cancel")
"""Every kind."""


@dataclass(frozen=True)
class Attempt:
    """One signed transaction, written down before it was sent."""

    entry: Entry
    kind: Kind
    nonce: int
    gas: int
    """Gas limit."""
    fees: Fees
    raw: bytes
    """As signed; sending it again is harmless."""
    previous: Digest
    """The head that the decision follows."""
    valid_until: int
    """Unix seconds, inclusive, until which the decision executes."""
    act: Act = "execute"

    @property
    def transaction(self) -> str:
        """Its hash, as the journal writes it."""
        return str(self.entry.transaction)

    @property
    def digest(self) -> Digest:
        """Its hash."""
        return digest_from_hex(self.entry.transaction, what="journal.transaction")

    def detail(self) -> dict[str, JsonValue]:
        """Return what the journal keeps of it."""
        return {
            "kind": self.kind,
            "act": self.act,
            "nonce": self.nonce,
            "gas": self.gas,
            "maxFee": self.fees.max_fee,
            "priorityFee": self.fees.priority_fee,
            "raw": to_hex(self.raw),
            "previous": to_hex(self.previous),
            "validUntil": self.valid_until,
        }

    @classmethod
    def of(cls, entry: Entry) -> Attempt:
        """Read an attempt from its `sending` entry.

        Raises:
            MalformedError: the entry is none of ours.
        """
        told = entry.detail
        if not isinstance(told, dict) or told.get("kind") not in KINDS:
            raise MalformedError(
                "journal `sending` entry",
                got=repr(told)[:120],
                expected=f"an object with a kind of {KINDS}",
            )

        # Journals of before there were delays have none.
        act = told.get("act", "execute")
        if act not in ACTS:
            raise MalformedError(
                "journal.act", got=repr(act)[:120], expected=f"one of {ACTS}"
            )

        def number(name: str, bits: int) -> int:
            what = f"journal.{name}"
            return parse_integer(told.get(name), what=what, bits=bits)

        return cls(
            entry=entry,
            kind=told["kind"],
            nonce=number("nonce", 64),
            gas=number("gas", 64),
            fees=Fees(number("maxFee", 256), number("priorityFee", 256)),
            raw=from_hex(told.get("raw"), what="journal.raw"),
            previous=digest_from_hex(told.get("previous"), what="journal.previous"),
            valid_until=number("validUntil", 64),
            act=act,
        )


@dataclass(frozen=True)
class Pending:
    """Every transaction sent under one nonce, of which none is known to be mined."""

    attempts: tuple[Attempt, ...]
    """Oldest first; at least one."""

    @property
    def nonce(self) -> int:
        """The nonce that they share."""
        return self.attempts[0].nonce

    @property
    def newest(self) -> Attempt:
        """The last that was signed."""
        return self.attempts[-1]

    @property
    def decision(self) -> Entry:
        """The entry of the first attempt: which decision, run and slot it is."""
        return self.attempts[0].entry


def pending_in(unsettled: Sequence[Entry]) -> tuple[Pending, ...]:
    """Return what is pending, by nonce, ascending.

    Args:
        unsettled: the journal's `sending` entries of unknown fate, oldest first.
    """
    by_nonce: dict[int, dict[str, Attempt]] = {}
    for entry in unsettled:
        attempt = Attempt.of(entry)
        # Written twice where a reorganisation took it off the chain again.
        by_nonce.setdefault(attempt.nonce, {})[attempt.transaction] = attempt
    return tuple(Pending(tuple(by_nonce[nonce].values())) for nonce in sorted(by_nonce))
