"""The observation: chain reads, recorded exactly, all on one block's state.

It decides which reads a program's observation names stand for, records them by block
hash, and decides whether recorded reads are exactly the planned ones and decode. It
does not decide what to do about them. An observation from outside is hostile text:
`facts` refuses it unless every target and calldata is what this code would have read;
whether the returned bytes are the chain's is known only after `observation_reread` on
an endpoint that the checker trusts.

    observation hash = keccak256(canonical JSON of to_json())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affiant.encoding import (
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, CallRequest
from affiant.onchain.errors import (
    BlockUnknownError,
    CallRevertedError,
    ObservationContextError,
    ReadsNotPlannedError,
)
from affiant.onchain.facts import (
    BALANCES,
    BORROWING,
    LENDING_PREFIX,
    NATIVE_BALANCE,
    POOL_PREFIX,
    PRICES,
    VAULT_PREFIX,
    Facts,
    LendingFact,
    PlannedRead,
    PoolFact,
    PriceFact,
    TokenBalance,
    decode_facts,
    planned_reads,
)
from affiant.onchain.mandate import (
    Address,
    object_fields,
    parse_address,
    parse_integer,
)

__all__ = [
    "ChainView",
    "Facts",
    "LendingFact",
    "Observation",
    "PlannedRead",
    "PoolFact",
    "PriceFact",
    "ReadMismatch",
    "RecordedRead",
    "TokenBalance",
    "facts",
    "observation_reread",
    "planned_reads",
    "record",
]

MAX_READS = 1024
"""Most reads accepted in an observation from outside."""

MAX_CALLDATA = 1024
"""Longest calldata of a read accepted, in bytes."""

MAX_RETURNDATA = 4096
"""Longest returned value accepted, in bytes; ours are under 400."""


@dataclass(frozen=True)
class RecordedRead:
    """One call and what it returned."""

    target: Address
    calldata: bytes
    returndata: bytes

    def to_json(self) -> dict[str, JsonValue]:
        """Return the read as JSON."""
        return {
            "target": self.target,
            "calldata": to_hex(self.calldata),
            "returndata": to_hex(self.returndata),
        }


@dataclass(frozen=True)
class Observation:
    """Reads of one account's surroundings, all on the state after one block."""

    chain_id: int
    block_number: int
    block_hash: Digest
    timestamp: int
    """Unix seconds of the block."""
    account: Address
    """Whose balances were read."""
    reads: tuple[RecordedRead, ...]

    @property
    def hash(self) -> Digest:
        """keccak256 of the canonical JSON form; what a decision binds."""
        return keccak256(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the observation as JSON."""
        return {
            "chainId": self.chain_id,
            "blockNumber": self.block_number,
            "blockHash": to_hex(self.block_hash),
            "timestamp": self.timestamp,
            "account": self.account,
            "reads": [read.to_json() for read in self.reads],
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Observation:
        """Parse an observation from hostile JSON.

        Raises:
            MalformedError: a field is missing, unknown, mistyped or out of range.
        """
        item = object_fields(
            value,
            what="observation",
            names="chainId blockNumber blockHash timestamp account reads".split(),
        )
        reads = item["reads"]
        if not isinstance(reads, list) or len(reads) > MAX_READS:
            got = f"{len(reads)} entries" if isinstance(reads, list) else repr(reads)
            raise MalformedError(
                "observation.reads",
                got=got[:80],
                expected=f"a list of at most {MAX_READS} reads",
            )
        return cls(
            chain_id=parse_integer(
                item["chainId"], what="observation.chainId", bits=53
            ),
            block_number=parse_integer(
                item["blockNumber"], what="observation.blockNumber", bits=53
            ),
            block_hash=digest_from_hex(item["blockHash"], what="observation.blockHash"),
            timestamp=parse_integer(
                item["timestamp"], what="observation.timestamp", bits=53
            ),
            account=parse_address(item["account"], what="observation.account"),
            reads=tuple(_read(read) for read in reads),
        )

    def require(
        self, *, account: Address, block_number: int, block_hash: Digest
    ) -> None:
        """Refuse an observation of another account or block than asked for.

        Raises:
            ObservationContextError: it is of another one.
        """
        for what, got, expected in (
            ("account", self.account, account),
            ("block number", str(self.block_number), str(block_number)),
            ("block hash", to_hex(self.block_hash), to_hex(block_hash)),
        ):
            if got != expected:
                raise ObservationContextError(
                    f"observation's {what}", got=got, expected=expected
                )


@dataclass(frozen=True)
class ReadMismatch:
    """A recorded read that an endpoint answers differently."""

    index: int
    """Position among the observation's reads, from 0."""
    target: Address
    calldata: bytes
    recorded: bytes
    actual: bytes | None
    """None: the call reverts."""


class ChainView:
    """What `observe(view)` is given: it notes names and returns no data.

    A program's observation is fixed when it is defined, so that nothing read can decide
    what is read next.
    """

    def __init__(self) -> None:
        """Start with nothing noted."""
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names noted so far, each once, in order."""
        return tuple(self._names)

    def balances(self) -> None:
        """Observe what the account holds and owes of every token of the book."""
        self._names[BALANCES] = None

    def prices(self) -> None:
        """Observe the price feed of every token of the book."""
        self._names[PRICES] = None

    def pool(self, name: str) -> None:
        """Observe the Uniswap pool `name`, as "WETH/USDC"."""
        self._names[POOL_PREFIX + name] = None

    def lending(self, name: str) -> None:
        """Observe the Aave rates of the token `name`."""
        self._names[LENDING_PREFIX + name] = None

    def borrowing(self) -> None:
        """Observe what the account's deposits at Aave back, and what it owes."""
        self._names[BORROWING] = None

    def native(self) -> None:
        """Observe the account's balance of the native currency."""
        self._names[NATIVE_BALANCE] = None

    def vault(self, name: str) -> None:
        """Observe the rate of the ERC-4626 vault with the share token `name`."""
        self._names[VAULT_PREFIX + name] = None


def record(
    chain: Chain,
    *,
    names: Sequence[str],
    book: AddressBook,
    account: Address,
    block: Block,
) -> Observation:
    """Make the planned reads on the state after `block`, in one round trip, at one
    endpoint.

    Args:
        names: observation names, in the program's order.
        account: whose balances are read.
        block: the anchor.

    Raises:
        MalformedError: a name is unknown.
        ObservationContextError: `chain` is not the book's.
        AnchorReorgedError: `block` is not, or no longer, the chain's.
        CallRevertedError: a read reverts.
        ChainUnavailableError: the endpoint does not answer usefully.
    """
    _require_chain(chain.chain_id, book)
    planned = planned_reads(names, book=book, account=account)
    calls = [CallRequest(target=read.target, data=read.calldata) for read in planned]
    returned = chain.steadily(lambda one: _returned(one, calls, block=block))
    return Observation(
        chain_id=chain.chain_id,
        block_number=block.number,
        block_hash=block.hash,
        timestamp=block.timestamp,
        account=account,
        reads=tuple(
            RecordedRead(read.target, read.calldata, data)
            for read, data in zip(planned, returned, strict=True)
        ),
    )


def _returned(
    chain: Chain, calls: Sequence[CallRequest], *, block: Block
) -> tuple[bytes, ...]:
    try:
        returned = chain.call_many(calls, block_hash=block.hash)
    except BlockUnknownError:
        # An endpoint says the same of a block it lacks and of one it dropped.
        chain.verify_canonical(number=block.number, block_hash=block.hash)
        raise
    # Endpoints that ignore `requireCanonical` would answer for a dropped block.
    chain.verify_canonical(number=block.number, block_hash=block.hash)
    return returned


def facts(
    observation: Observation, *, names: Sequence[str], book: AddressBook
) -> Facts:
    """Return what `observation` says, if its reads are exactly the planned ones.

    Whether it is of the right account and block is asked with `Observation.require`.

    Raises:
        MalformedError: a name is unknown.
        ObservationContextError: it is of another chain than the book.
        ReadsNotPlannedError: a read is missing, added, moved or changed.
        ReadUndecodableError: a returned value does not decode strictly.
        AnswerInvalidError: a returned value is implausible.
    """
    _require_chain(observation.chain_id, book)
    planned = planned_reads(names, book=book, account=observation.account)
    if len(observation.reads) != len(planned):
        raise ReadsNotPlannedError(
            "observation",
            got=f"{len(observation.reads)} reads",
            expected=f"{len(planned)}",
        )
    for index, (read, plan) in enumerate(zip(observation.reads, planned, strict=True)):
        if (read.target, read.calldata) != (plan.target, plan.calldata):
            raise ReadsNotPlannedError(
                f"read {index}",
                got=f"{read.target} {to_hex(read.calldata[:36])}",
                expected=f"{plan.target} {to_hex(plan.calldata)}",
            )
    return decode_facts(
        names,
        [read.returndata for read in observation.reads],
        book=book,
        block_number=observation.block_number,
        timestamp=observation.timestamp,
    )


def observation_reread(
    chain: Chain, observation: Observation
) -> tuple[ReadMismatch, ...]:
    """Re-read every recorded read at its block, at one endpoint; return what differs.

    Raises:
        ObservationContextError: another chain, or the block's timestamp differs.
        AnchorReorgedError: the block is not the chain's.
        ChainUnavailableError: the endpoint does not answer usefully;
            `HistoryMissingError` where it no longer keeps the block's state.
    """
    if chain.chain_id != observation.chain_id:
        raise ObservationContextError(
            "observation's chain",
            got=str(observation.chain_id),
            expected=str(chain.chain_id),
        )
    return chain.steadily(lambda one: _reread(one, observation))


def _reread(chain: Chain, observation: Observation) -> tuple[ReadMismatch, ...]:
    block = chain.verify_canonical(
        number=observation.block_number, block_hash=observation.block_hash
    )
    if block.timestamp != observation.timestamp:
        raise ObservationContextError(
            "observation's timestamp",
            got=str(observation.timestamp),
            expected=str(block.timestamp),
        )
    outcomes = chain.try_call_many(
        [CallRequest(read.target, read.calldata) for read in observation.reads],
        block_hash=block.hash,
    )
    mismatches = []
    for index, (read, outcome) in enumerate(
        zip(observation.reads, outcomes, strict=True)
    ):
        actual = None if isinstance(outcome, CallRevertedError) else outcome
        if actual != read.returndata:
            mismatches.append(
                ReadMismatch(index, read.target, read.calldata, read.returndata, actual)
            )
    return tuple(mismatches)


def _require_chain(chain_id: int, book: AddressBook) -> None:
    if chain_id != book.chain_id:
        raise ObservationContextError(
            "observation's chain", got=str(chain_id), expected=str(book.chain_id)
        )


def _read(value: JsonValue) -> RecordedRead:
    item = object_fields(
        value, what="observation.reads", names=["target", "calldata", "returndata"]
    )
    return RecordedRead(
        target=parse_address(item["target"], what="read.target"),
        calldata=_bytes(item["calldata"], what="read.calldata", limit=MAX_CALLDATA),
        returndata=_bytes(
            item["returndata"], what="read.returndata", limit=MAX_RETURNDATA
        ),
    )


def _bytes(value: JsonValue, *, what: str, limit: int) -> bytes:
    if isinstance(value, str) and len(value) > 2 + 2 * limit:
        raise MalformedError(
            what, got=f"{len(value)} characters", expected=f"at most {limit} bytes"
        )
    return from_hex(value, what=what)
