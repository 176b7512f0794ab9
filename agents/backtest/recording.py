"""Records a price path from a chain: what its feeds said, block after block.

It decides what a feed's past answer may be and how its decimals become a path's. It
trusts the endpoint that its user names, which must keep the state of old blocks (an
archive, or a local chain); reads are made by block hash, so that all prices of a row
are one block's. Nothing is ever sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from affiant.agents.backtest.errors import FeedHistoryError, PricePathError
from affiant.agents.backtest.price_path import (
    MAX_PRICE,
    MAX_ROWS,
    PRICE_DECIMALS,
    PricePath,
)
from affiant.onchain.abi import encode_call
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import Block, CallRequest
from affiant.onchain.errors import CallRevertedError, ReadUndecodableError
from affiant.onchain.mandate import Address
from affiant.onchain.reads import (
    LATEST_ROUND_DATA,
    FeedRound,
    decode_words,
)

MAX_FEED_DECIMALS = 38
"""Most decimals of a feed; 8 and 18 are the ones in use."""

MAX_READS = 200_000
"""Most blocks that are looked at in one recording."""

Watch = Callable[[int, int], None]
"""Told how many blocks of how many were looked at."""


def record_path(
    chain: Chain,
    feeds: Mapping[str, Address],
    *,
    first: int,
    last: int,
    step: int = 1,
    watch: Watch | None = None,
) -> PricePath:
    """Return what `feeds` said from block `first` to `last`, inclusive.

    A row is written for the first block, for each block looked at in which an answer or
    its round is another one, and for the last.

    Args:
        feeds: Chainlink-shaped aggregators by the name that the path gives them; each
            quotes one whole token in dollars.
        step: look at every so many blocks; what a feed said in between is not seen.
        watch: told how far it is.

    Raises:
        FeedHistoryError: a feed has no answer there, or one that no path can hold.
        PricePathError: the range is empty or too long, or one price comes of it.
        HistoryMissingError, BlockUnknownError: the endpoint does not keep that state.
        ChainUnavailableError: it does not answer usefully.
    """
    source = f"chain {chain.chain_id}, blocks {first} to {last}"
    count = (last - first) // step + 1 if step > 0 else 0
    if first < 0 or last <= first or not 2 <= count <= MAX_READS or not feeds:
        raise PricePathError(
            source,
            line=None,
            got=f"every {step} blocks, {len(feeds)} feeds",
            expected=f"2 to {MAX_READS} blocks to look at, and a feed",
        )
    numbers = list(range(first, last + 1, step))
    if numbers[-1] != last:
        numbers.append(last)
    decimals: dict[str, int] = {}
    times: list[int] = []
    rows: list[tuple[int, ...]] = []
    before: tuple[tuple[int, int], ...] | None = None
    for index, number in enumerate(numbers):
        block = chain.block_by_number(number)
        if not decimals:
            decimals = _decimals(chain, feeds, block=block)
        rounds = _rounds(chain, feeds, block=block)
        seen = tuple((item.answer, item.updated_at) for item in rounds.values())
        # Blocks of one second exist; a row's time must be later than the last one's.
        later = not times or block.timestamp > times[-1]
        if later and (seen != before or number == last):
            times.append(block.timestamp)
            rows.append(
                tuple(
                    _price(item.answer, decimals=decimals[name], name=name, block=block)
                    for name, item in rounds.items()
                )
            )
            before = seen
        if len(times) > MAX_ROWS:
            raise PricePathError(
                source, line=None, got=f"over {MAX_ROWS} rows", expected="fewer"
            )
        if watch is not None:
            watch(index + 1, len(numbers))
    if len(times) < 2:
        raise PricePathError(
            source, line=None, got="blocks of one time", expected="at least two"
        )
    return PricePath(tuple(feeds), tuple(times), tuple(rows), source)


def _decimals(
    chain: Chain, feeds: Mapping[str, Address], *, block: Block
) -> dict[str, int]:
    found = {}
    for name, data in _asked(chain, feeds, encode_call("decimals()"), block=block):
        what = f"decimals of {name}"
        try:
            (decimals,) = decode_words(data, ("uint8",), what=what)
        except ReadUndecodableError as error:
            raise _refused(name, block, error.got, "its decimals") from error
        if decimals > MAX_FEED_DECIMALS:
            raise _refused(
                name, block, f"{decimals} decimals", f"at most {MAX_FEED_DECIMALS}"
            )
        found[name] = decimals
    return found


def _rounds(
    chain: Chain, feeds: Mapping[str, Address], *, block: Block
) -> dict[str, FeedRound]:
    found = {}
    for name, data in _asked(chain, feeds, LATEST_ROUND_DATA, block=block):
        try:
            seen = FeedRound.decode(data, what=f"feed {name}")
        except ReadUndecodableError as error:
            raise _refused(name, block, error.got, "a round") from error
        if not 0 < seen.updated_at <= block.timestamp:
            raise _refused(
                name,
                block,
                f"updated at {seen.updated_at}",
                f"a time up to the block's, {block.timestamp}",
            )
        found[name] = seen
    return found


def _asked(
    chain: Chain, feeds: Mapping[str, Address], data: bytes, *, block: Block
) -> list[tuple[str, bytes]]:
    calls = [CallRequest(target=feed, data=data) for feed in feeds.values()]
    answers = chain.try_call_many(calls, block_hash=block.hash)
    found = []
    for name, answer in zip(feeds, answers, strict=True):
        if isinstance(answer, CallRevertedError):
            raise _refused(name, block, "a revert", "an answer") from answer
        found.append((name, answer))
    return found


def _price(answer: int, *, decimals: int, name: str, block: Block) -> int:
    """Return an answer with a path's decimals, rounded down."""
    price: int
    if decimals <= PRICE_DECIMALS:
        price = answer * 10 ** (PRICE_DECIMALS - decimals)
    else:
        price = answer // 10 ** (decimals - PRICE_DECIMALS)
    if not 0 < price <= MAX_PRICE:
        raise _refused(name, block, f"answer {answer}", "a price above 0")
    return price


def _refused(name: str, block: Block, got: str, expected: str) -> FeedHistoryError:
    return FeedHistoryError(name, block=block.number, got=got, expected=expected)
