"""A backtest: the user's own agent over a path of prices, on a private local chain.

    chain ─> accounts, node, mandate ─> per slot: prices and anchor ─> run ─> values

Every decision is a real sworn decision of that chain: the node observes, asks its
model, derives and signs; the agent checks, simulates and sends; the gate executes or
refuses. Time is the path's: blocks carry its seconds, so that interest accrues as it
would, and slots follow each other as fast as the node decides. It decides nothing
about the agent; it moves the world and writes down what became of it.

A folder appears whole or not at all. What ends early, by an error or by an
interruption, leaves nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from affiant.agents.agent import VerifiedAgent
from affiant.agents.backtest.errors import BacktestStoppedError, PricePathError
from affiant.agents.backtest.kept import keep_chain, moved_into_place, require_free
from affiant.agents.backtest.opening import Opening
from affiant.agents.backtest.price_path import PRICE_DECIMALS, PricePath
from affiant.agents.backtest.result import BacktestResult, SlotRow
from affiant.agents.backtest.rows import read_stage, row_of
from affiant.agents.backtest.serving import NodeSource
from affiant.agents.backtest.stage import CADENCE, Stage, backtest_stage
from affiant.encoding import canonical_json
from affiant.onchain.devnet.devnet import BLOCK_SECONDS

MIN_SLOT_SECONDS = (CADENCE + 1) * BLOCK_SECONDS
"""Fewest seconds between two rows: a slot's own blocks must fit between them."""

MAX_UNAVAILABLE = 3
"""Slots in a row without an answer after which nothing is shown by going on."""

MAX_SLOTS = 20_000
"""Most slots of one backtest."""

HISTORY_BLOCKS = 6_000
"""Most blocks whose state anvil keeps, about a third of a megabyte each."""

AUDITED_SLOTS = (HISTORY_BLOCKS - 64) // CADENCE - 2
"""Most slots that can be audited while the chain still runs."""

KEPT_SLOTS = 300
"""Most slots whose whole chain can be kept: it is handed over in one piece."""

GAS_PRICE = 10**9
"""Wei per gas that gas is costed at unless it is said: one gwei."""

_POOL_OFF_BPS = 100

OnSlot = Callable[[SlotRow, int], None]
"""Told of every slot, and of how many there are."""

Finish = Callable[[BacktestResult, Path, Stage], None]
"""Given the result, the folder that is not yet in its place, and the chain, which still
runs: for reports and audits. What it raises leaves nothing."""


def backtest(
    agent_class: type[VerifiedAgent],
    path: PricePath,
    *,
    node: NodeSource,
    out: str | Path,
    opening: Opening | None = None,
    slots: int | None = None,
    every: int | None = None,
    gas_price: int = GAS_PRICE,
    keep: bool = False,
    force: bool = False,
    on_slot: OnSlot | None = None,
    finish: Finish | None = None,
    node_modules: Path | None = None,
) -> BacktestResult:
    """Run `agent_class` along `path` and return what became of it.

    Args:
        agent_class: the very class that would run for real.
        path: prices by the address book's names; others stay as they are.
        node: who decides; `model_node(folder)` for a real model.
        out: folder for evidence, journal, `report.json` and `values.csv`.
        opening: what the account begins with; 6 WETH and 10,000 USDC if None.
        slots: most slots; None: as many as the path has.
        every: seconds of the path per slot; None: a slot per row.
        gas_price: wei per gas that gas is costed at.
        keep: also keep the chain, so that `affiant audit` can read it later.
        force: replace what an earlier backtest left in `out`.
        on_slot: told of every slot.
        finish: adds to the folder before it is in its place.
        node_modules: where npm put anvil and the protocols.

    Raises:
        OutputFolderError: `out` is taken.
        PricePathError: the path cannot be played: too short, too dense, or about a
            token that the chain does not have.
        OpeningError: what the account is to begin with cannot be had.
        BacktestStoppedError: node or chain went away.
        RejectedError, UnavailableError: a part refused, or is not to be had.
    """
    opening = Opening() if opening is None else opening
    place = Path(out).absolute()
    require_free(place, force=force)
    played = path.sampled(every=every, slots=slots)
    _require_playable(played, keep=keep)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        with backtest_stage(
            agent_class,
            opening=opening,
            source=node,
            folder=folder,
            seconds=played.seconds,
            history=min((len(played.times) + 2) * CADENCE + 64, HISTORY_BLOCKS),
            node_modules=node_modules,
        ) as stage:
            result = _played(
                stage, played, opening=opening, gas_price=gas_price, on_slot=on_slot
            )
            if keep:
                keep_chain(stage.devnet, folder / "chain")
                result = replace(result, chain_kept=True)
            (folder / "report.json").write_bytes(canonical_json(result.to_json()))
            (folder / "values.csv").write_bytes(result.values_csv())
            (folder / "prices.csv").write_bytes(played.to_csv())
            if finish is not None:
                finish(result, folder, stage)
        # The node's own files: its key is everybody's, its log is for the curious.
        shutil.rmtree(folder / "node", ignore_errors=True)
        moved_into_place(folder, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _require_playable(path: PricePath, *, keep: bool) -> None:
    """Refuse, before anything is started, a path that no chain can follow."""
    times = path.times
    least = min(later - time_ for time_, later in zip(times, times[1:], strict=False))
    if least < MIN_SLOT_SECONDS:
        raise PricePathError(
            path.source,
            line=None,
            got=f"slots {least} s apart",
            expected=f"at least {MIN_SLOT_SECONDS} s, or `every` that many",
        )
    most = KEPT_SLOTS if keep else MAX_SLOTS
    if len(times) > most:
        raise PricePathError(
            path.source,
            line=None,
            got=f"{len(times)} slots",
            expected=f"at most {most}" + (" where the chain is kept" if keep else ""),
        )


def _played(
    stage: Stage,
    path: PricePath,
    *,
    opening: Opening,
    gas_price: int,
    on_slot: OnSlot | None,
) -> BacktestResult:
    for symbol in path.symbols:
        if symbol not in stage.book.tokens:
            raise PricePathError(
                path.source,
                line=None,
                got=f"prices of {symbol}",
                expected=f"of tokens that the chain has: {[*stage.book.tokens]}",
            )
    first_block = stage.chain.block_number()
    # The chain's clock and the path's run alike, a constant apart.
    offset = stage.chain.latest_block().timestamp + BLOCK_SECONDS * CADENCE * 2
    offset -= path.times[0]
    rows: list[SlotRow] = []
    opened: tuple[int, int] | None = None
    lost, began = 0, time.monotonic()
    for index, moment in enumerate(path.times):
        _open_slot(stage, path.at(moment), at=moment + offset, source=path.source)
        before = read_stage(stage, stage.account.address)
        if opened is None:
            opened = before.value, read_stage(stage, stage.held.address).value
        ended = stage.agent.run_once()
        row = row_of(
            stage,
            ended,
            index=index,
            moment=moment,
            before=before,
            gas_price=gas_price,
        )
        rows.append(row)
        lost = lost + 1 if row.outcome == "unavailable" else 0
        if lost == MAX_UNAVAILABLE:
            raise BacktestStoppedError(slots=lost, reason=row.reason) from ended.error
        if on_slot is not None:
            on_slot(row, len(path.times))
    wall = time.monotonic() - began
    # Past the last slot, so that it is over and can be accounted for.
    number = stage.chain.block_number()
    stage.scenario.mine_to((number // CADENCE + 1) * CADENCE)
    if opened is None:
        raise RuntimeError("a path without rows")
    return BacktestResult(
        agent=type(stage.agent).__name__,
        objective=stage.agent.objective,
        source=path.source,
        symbols=path.symbols,
        path_hash=path.hash,
        slot_seconds=path.seconds // (len(path.times) - 1),
        rows=tuple(rows),
        opening=_in_words(opening),
        opened=opened[0],
        held_opened=opened[1],
        chain_id=stage.devnet.chain_id,
        gate=stage.book.gate,
        account=stage.account.address,
        mandate=stage.mandate.id,
        program=stage.mandate.program,
        model=stage.mandate.model,
        engine=stage.mandate.engine,
        device=stage.node.device,
        blocks=(first_block, stage.chain.block_number()),
        gas_price=gas_price,
        wall_seconds=wall,
    )


def _open_slot(
    stage: Stage, prices: Mapping[str, int], *, at: int, source: str
) -> None:
    """Have the world move in the slot's first block, which is its anchor."""
    moved = {
        name: Decimal(price).scaleb(-PRICE_DECIMALS) for name, price in prices.items()
    }
    anchor = (stage.chain.block_number() // CADENCE + 1) * CADENCE
    stage.scenario.mine_to(anchor - 1)
    stage.scenario.set_prices(moved, at=at)
    # A simulation on the newest block must see the anchor's hash.
    stage.scenario.mine()
    uniswap = stage.book.uniswap
    for pool in () if uniswap is None else uniswap.pools:
        base, quote = pool.split("/")
        if not {base, quote} & set(moved):
            continue
        fair = stage.scenario.price(base) / stage.scenario.price(quote)
        got = stage.scenario.pool_price(pool)
        if abs(got - fair) * 10_000 > fair * _POOL_OFF_BPS:
            raise PricePathError(
                source,
                line=None,
                got=f"{pool} at {got:.6g}, moved towards {fair:.6g}",
                expected="prices that the pool can follow",
            )


def _in_words(opening: Opening) -> tuple[str, ...]:
    held = tuple(f"{amount} {name}" for name, amount in opening.balances.items())
    taken = tuple(
        f"{item.action} {item.amount} {item.asset}" for item in opening.positions
    )
    hook = () if opening.hook is None else ("and what a hook of its author did",)
    limits = (
        f"at most {_grouped(opening.max_loss)} dollars lost by one decision",
        f"at most {_grouped(opening.limit)} dollars of outflow",
    )
    return (*held, *taken, *hook, *limits)


def _grouped(value: int) -> str:
    return f"{Decimal(value).scaleb(-PRICE_DECIMALS).normalize():,f}"
