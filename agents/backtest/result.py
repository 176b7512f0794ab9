"""What a backtest found, as values that a test can assert on and a file can hold.

Pure. Nothing is decided here: it counts, and writes numbers down.

    report.json    canonical JSON of `to_json`, format `affiant-backtest/1`
    values.csv     one line per slot
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from affiant.agents.backtest.price_path import plain_price
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.onchain.mandate import Address

FORMAT = "affiant-backtest/1"
"""Name and version of `report.json`."""

Outcome = Literal["executed", "held", "refused", "unavailable"]
"""How a slot ended. `refused`: the gate, the mandate or the agent's own check said no;
`unavailable`: something did not answer."""

OUTCOMES: tuple[Outcome, ...] = ("executed", "held", "refused", "unavailable")


@dataclass(frozen=True)
class SlotRow:
    """One slot."""

    index: int
    """From 0."""
    slot: int
    """The chain's own number of it."""
    time: int
    """Unix seconds of the path."""
    prices: Mapping[str, int]
    """What the feeds said, 8 decimals; of every token."""
    outcome: Outcome
    actions: tuple[Mapping[str, JsonValue], ...]
    """The plan as the model put it; hostile text was parsed, but names nothing safe."""
    why: str
    """The model's reason; hostile text."""
    plan_refused: str
    """Why the plan was not carried out; empty where it was. Then the outcome is held,
    and the refusal is sworn to."""
    error: str
    """The error's class, where the outcome is refused or unavailable; else empty."""
    reason: str
    """Its words; may carry hostile text."""
    step: str
    """The step that ended the run, where it was not meant to; else empty."""
    digest: Digest | None
    """The decision's, where there is one."""
    before: int
    """What the account was worth at the anchor, a value of 8 decimals."""
    after: int
    """And once the run had ended, at the same prices."""
    held: int
    """What the account that does nothing was worth then."""
    health_bps: int | None
    """Health of the agent's loans at the slot's prices, before it acted, in basis
    points; below 10,000 anybody could have liquidated. None where nothing is owed."""
    held_health_bps: int | None
    """The same of the account that does nothing."""
    at_risk: int
    """What the decision put at risk, as the gate measured it; 0 unless executed."""
    swapped: int
    """What it sold in pools, at feed prices."""
    pool_fees: int
    """What the pools kept of that."""
    gas: int
    """Gas used."""
    gas_cost: int
    """The same in dollars, at the price that was assumed; a value."""
    seconds: Mapping[str, float]
    """Wall time per step."""


@dataclass(frozen=True)
class Line:
    """One of the portfolios that are compared."""

    name: str
    values: tuple[int, ...]
    """Per slot, at its end; the first is what it began with."""

    @property
    def gain(self) -> int:
        """Value at the end less value at the beginning."""
        return self.values[-1] - self.values[0]

    @property
    def return_bps(self) -> int:
        """The gain as basis points of the beginning; 0 where that is not positive."""
        first = self.values[0]
        return 0 if first <= 0 else _rounded(self.gain * 10_000, first)

    @property
    def drawdown_bps(self) -> int:
        """The worst fall from a high, as basis points of that high."""
        high = worst = 0
        for value in self.values:
            high = max(high, value)
            if high > 0:
                worst = max(worst, _rounded((high - value) * 10_000, high))
        return worst


@dataclass(frozen=True)
class BacktestResult:
    """What became of one backtest."""

    agent: str
    """Name of the class."""
    objective: str
    source: str
    """Where the prices are from."""
    symbols: tuple[str, ...]
    path_hash: Digest
    """keccak256 of the prices that were played, as CSV."""
    slot_seconds: int
    """Seconds of the path per slot; of an uneven path, the average."""
    rows: tuple[SlotRow, ...]
    opening: tuple[str, ...]
    """What the account began with, in words."""
    opened: int
    """What it was worth before the first slot, at the first slot's prices."""
    held_opened: int
    chain_id: int
    gate: Address
    account: Address
    mandate: Digest
    program: Digest
    model: Digest
    engine: Digest
    device: str
    blocks: tuple[int, int]
    """From the grant to the end."""
    gas_price: int
    """Wei per gas that gas is costed at: an assumption, not the local chain's."""
    wall_seconds: float
    """How long the slots took, without setting the stage."""
    chain_kept: bool = False
    """Whether the chain itself is beside the report, so that all of it can be audited
    later."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The agent's portfolio, and the one that was left alone."""
        return (
            Line("agent", (self.opened, *(row.after for row in self.rows))),
            Line("hold", (self.held_opened, *(row.held for row in self.rows))),
        )

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """Slots per outcome."""
        found = Counter(row.outcome for row in self.rows)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def plans_refused(self) -> int:
        """Slots held because the plan could not be carried out."""
        return sum(1 for row in self.rows if row.plan_refused)

    @property
    def refusals(self) -> Mapping[str, int]:
        """What refused, by the error's class, most first."""
        found = Counter(row.error for row in self.rows if row.outcome == "refused")
        return dict(found.most_common())

    @property
    def refused_on_chain(self) -> int:
        """How often the gate (bounds, mandate, rules) refused what the node swore."""
        return sum(
            1
            for row in self.rows
            if row.outcome == "refused" and row.error.startswith("Gate")
        )

    @property
    def lowest_health_bps(self) -> tuple[int | None, int | None]:
        """Lowest health of the agent's loans, and of the other account's."""
        agent = [row.health_bps for row in self.rows if row.health_bps is not None]
        held = [
            row.held_health_bps for row in self.rows if row.held_health_bps is not None
        ]
        return min(agent, default=None), min(held, default=None)

    @property
    def trades(self) -> int:
        """Executions that swapped something."""
        return sum(1 for row in self.rows if row.swapped)

    @property
    def turnover_bps(self) -> int:
        """What was swapped in all, as basis points of the average portfolio."""
        values = self.lines[0].values
        average = sum(values) // len(values)
        swapped = sum(row.swapped for row in self.rows)
        return 0 if average <= 0 else _rounded(swapped * 10_000, average)

    @property
    def gas_cost(self) -> int:
        """What all gas cost, at the price that was assumed; not taken off the values,
        because the operator pays it."""
        return sum(row.gas_cost for row in self.rows)

    @property
    def pool_fees(self) -> int:
        """What pools kept in all; the values have it taken off."""
        return sum(row.pool_fees for row in self.rows)

    @property
    def path_seconds(self) -> int:
        """How much time was played."""
        return self.slot_seconds * len(self.rows)

    @property
    def slots_per_minute(self) -> float:
        """Slots in a minute of wall time."""
        return 60 * len(self.rows) / max(self.wall_seconds, 1e-9)

    @property
    def speed_up(self) -> float:
        """Seconds of the path in a second of wall time."""
        return self.path_seconds / max(self.wall_seconds, 1e-9)

    @property
    def seconds_by_step(self) -> Mapping[str, float]:
        """Wall time per step in all, the longest first; a node's phases as it tells
        them."""
        total: Counter[str] = Counter()
        for row in self.rows:
            for name, seconds in row.seconds.items():
                total[name] += seconds  # type: ignore[assignment]
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    def to_json(self) -> dict[str, JsonValue]:
        """Return `report.json`; values are integers of 8 decimals, as text."""
        return {
            "format": FORMAT,
            "agent": self.agent,
            "objective": self.objective,
            "path": {
                "source": self.source,
                "symbols": list(self.symbols),
                "hash": to_hex(self.path_hash),
                "slotSeconds": self.slot_seconds,
            },
            "opening": list(self.opening),
            "chain": {
                "id": self.chain_id,
                "gate": self.gate,
                "account": self.account,
                "firstBlock": self.blocks[0],
                "lastBlock": self.blocks[1],
                "kept": self.chain_kept,
            },
            "mandate": to_hex(self.mandate),
            "program": to_hex(self.program),
            "model": to_hex(self.model),
            "engine": to_hex(self.engine),
            "device": self.device,
            "gasPriceWei": str(self.gas_price),
            "portfolios": [
                {
                    "name": line.name,
                    "first": str(line.values[0]),
                    "last": str(line.values[-1]),
                    "returnBps": line.return_bps,
                    "worstDrawdownBps": line.drawdown_bps,
                    "lowestHealthBps": health,
                }
                for line, health in zip(self.lines, self.lowest_health_bps, strict=True)
            ],
            "counts": dict(self.counts),
            "plansRefused": self.plans_refused,
            "refusals": dict(self.refusals),
            "refusedByGate": self.refused_on_chain,
            "trades": self.trades,
            "turnoverBps": self.turnover_bps,
            "poolFees": str(self.pool_fees),
            "gasCost": str(self.gas_cost),
            "wallMilliseconds": round(self.wall_seconds * 1000),
            "slots": [_row_json(row) for row in self.rows],
        }

    def values_csv(self) -> bytes:
        """Return `values.csv`: per slot, prices and what the portfolios were worth."""
        names = list(self.rows[0].prices)
        lines = [",".join(["time", "slot", "outcome", "agent", "hold", *names])]
        for row in self.rows:
            numbers = [row.after, row.held, *(row.prices[name] for name in names)]
            told = [str(row.time), str(row.slot), row.outcome]
            lines.append(",".join([*told, *map(signed_price, numbers)]))
        return ("\n".join(lines) + "\n").encode("ascii")


def signed_price(value: int) -> str:
    """Return a value, which may be negative, as plain digits."""
    return ("-" if value < 0 else "") + plain_price(abs(value))


def _row_json(row: SlotRow) -> dict[str, JsonValue]:
    return {
        "index": row.index,
        "slot": row.slot,
        "time": row.time,
        "prices": {name: str(price) for name, price in row.prices.items()},
        "outcome": row.outcome,
        "actions": [dict(action) for action in row.actions],
        "why": row.why,
        "planRefused": row.plan_refused,
        "error": row.error,
        "reason": row.reason,
        "step": row.step,
        "digest": None if row.digest is None else to_hex(row.digest),
        "before": str(row.before),
        "after": str(row.after),
        "hold": str(row.held),
        "healthBps": row.health_bps,
        "holdHealthBps": row.held_health_bps,
        "valueAtRisk": str(row.at_risk),
        "swapped": str(row.swapped),
        "poolFees": str(row.pool_fees),
        "gas": row.gas,
        "gasCost": str(row.gas_cost),
        "milliseconds": {
            name: round(seconds * 1000) for name, seconds in row.seconds.items()
        },
    }


def _rounded(part: int, whole: int) -> int:
    """Return `part / whole`, rounded half away from 0; `whole` is positive."""
    rounded = (2 * abs(part) + whole) // (2 * whole)
    return -rounded if part < 0 else rounded
