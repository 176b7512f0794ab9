"""Backtests on the real chain, gate and protocols; what the model says is scripted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from affiant.agents import ChainView, Deposit, Hold, Supply, Swap, VerifiedAgent
from affiant.agents.backtest import (
    BacktestResult,
    Opening,
    Position,
    PricePath,
    backtest,
    synthetic_path,
)
from affiant.agents.backtest.errors import (
    BacktestStoppedError,
    OpeningError,
    OutputFolderError,
    PricePathError,
)
from affiant.agents.backtest.kept import is_backtest
from affiant.agents.backtest.run import MAX_UNAVAILABLE
from affiant.agents.backtest.serving import Place, ServingNode
from affiant.agents.backtest.stage import OpenedAccount
from affiant.audit.evidence_file import audit_evidence_file
from affiant.encoding import to_hex
from affiant.inference.manifest import TEST_DOUBLE
from affiant.onchain.evidence_store import EvidenceStore
from affiant.testing.stage import scripted_source

pytestmark = pytest.mark.anvil

HOUR = 3600
HOLD = {"actions": [{"action": "hold"}], "why": "ok"}
LEND = {
    "actions": [{"action": "supply", "asset": "USDC", "share_bps": 5000}],
    "why": "idle",
}
SELL = {
    "actions": [
        {
            "action": "swap",
            "sell": "WETH",
            "buy": "USDC",
            "share_bps": 5000,
            "max_slippage_bps": 100,
        }
    ],
    "why": "<script>alert(1)</script>",
}
DOLLAR = 10**8


class Seller(VerifiedAgent):
    """Swaps and lends."""

    objective = "Sell when told to."
    actions = (Swap, Supply, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.pool("WETH/USDC")
        view.lending("USDC")


class Saver(VerifiedAgent):
    """Keeps its money in a vault."""

    objective = "Keep USDC in the vault."
    actions = (Deposit, Hold)

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()
        view.vault("vUSDC")


def path_of(*weth: int, every: int = HOUR, **others: list[str]) -> PricePath:
    rows = tuple((price * DOLLAR,) for price in weth)
    times = tuple(1_700_000_000 + every * index for index in range(len(weth)))
    return PricePath(("WETH",), times, rows, "a test's prices")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtests")


@pytest.fixture(scope="module")
def sold(folder: Path) -> BacktestResult:
    """Sells half before a fall, lends, and waits; 30 days between the slots."""
    return backtest(
        Seller,
        path_of(2500, 2000, 2000, 3000, every=30 * 24 * HOUR),
        node=scripted_source(SELL, LEND, HOLD),
        out=folder / "sold",
        keep=True,
    )


def test_decides_and_executes_in_every_slot(sold: BacktestResult) -> None:
    assert [row.outcome for row in sold.rows] == [
        "executed",
        "executed",
        "held",
        "held",
    ]
    assert sold.counts == {"executed": 2, "held": 2, "refused": 0, "unavailable": 0}
    assert sold.trades == 1
    assert [row.slot for row in sold.rows] == list(
        range(sold.rows[0].slot, sold.rows[0].slot + 4)
    )


def test_prices_are_the_paths(sold: BacktestResult) -> None:
    assert [row.prices["WETH"] // DOLLAR for row in sold.rows] == [
        2500,
        2000,
        2000,
        3000,
    ]
    assert all(row.prices["USDC"] == DOLLAR for row in sold.rows)


def test_a_swap_pays_the_pools_fee_and_slippage(sold: BacktestResult) -> None:
    row = sold.rows[0]
    assert row.swapped == 7_500 * DOLLAR
    # The pool of 0.05 %; the path's price, less fee and a slippage of a basis point.
    assert row.pool_fees == 375 * DOLLAR // 100
    assert row.pool_fees < row.before - row.after < 3 * row.pool_fees
    assert row.gas > 100_000 and row.gas_cost > 0


def test_holding_is_another_account_left_alone(sold: BacktestResult) -> None:
    agent, hold = sold.lines
    assert hold.values[:3] == (25_000 * DOLLAR, 25_000 * DOLLAR, 22_000 * DOLLAR)
    assert hold.values[-1] == 28_000 * DOLLAR
    assert hold.drawdown_bps == 1200
    # The agent sold half of it at 2500: it lost and won half as much.
    assert 23_490 * DOLLAR < sold.rows[1].after < 23_500 * DOLLAR
    assert agent.return_bps < hold.return_bps
    assert agent.drawdown_bps < hold.drawdown_bps


def test_interest_accrues_by_the_paths_seconds(sold: BacktestResult) -> None:
    """Lent for 30 days at one price: worth more, by interest alone."""
    earned = sold.rows[2].before - sold.rows[1].after
    lent = 8_750 * DOLLAR
    assert sold.rows[2].prices == sold.rows[1].prices
    # Between 1 and 12 % a year, for a month.
    assert lent // 1200 < earned < lent // 100


def test_every_decision_is_sworn_and_its_evidence_kept(
    sold: BacktestResult, folder: Path
) -> None:
    store = EvidenceStore(str(folder / "sold" / "evidence"))
    digests = {row.digest for row in sold.rows}
    assert digests == set(store.digests()) and len(digests) == 4
    for digest in store.digests():
        found = audit_evidence_file(
            folder / "sold" / "evidence" / f"{digest.hex()}.json.zst"
        )
        assert found.intact
        # Of a double, and it says so wherever it is looked at.
        engine = store.get(digest).content("manifests")["engine"]
        assert engine["engine"]["name"] == TEST_DOUBLE


def test_writes_what_it_found(sold: BacktestResult, folder: Path) -> None:
    place = folder / "sold"
    told = json.loads((place / "report.json").read_bytes())
    assert told["format"] == "affiant-backtest/1"
    assert told["slots"][0]["digest"] == to_hex(sold.rows[0].digest or b"")
    assert told["portfolios"][1]["worstDrawdownBps"] == 1200
    lines = (place / "values.csv").read_text().splitlines()
    assert lines[0] == "time,slot,outcome,agent,hold,USDC,WBTC,WETH"
    assert len(lines) == 5 and ",executed," in lines[1]
    assert sold.chain_kept and is_backtest(place)
    assert not (place / "node").exists()
    assert [item.name for item in folder.iterdir()] == ["sold"]


def test_the_kept_chain_is_audited_from_the_folder(folder: Path) -> None:
    """The auditor finds every decision, and refuses the double by name."""
    from rich.console import Console

    from affiant.audit.backtest.audited import audit_backtest

    with open(os.devnull, "w") as nowhere:
        quiet = Console(file=nowhere)
        told = Console(record=True, width=200, file=nowhere)
        status = audit_backtest(
            folder / "sold",
            model=None,
            html=None,
            as_json=False,
            required="signed",
            console=told,
            log=quiet,
        )
    said = told.export_text()
    assert "4 slots: 2 executed" in said
    assert status == 1 and TEST_DOUBLE in said


def test_refuses_a_folder_of_somebody_else(tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(OutputFolderError, match="somebody else"):
            run_short(place, force=force)
    assert (place / "thesis.tex").read_text() == "years of work"


def test_refuses_a_link_to_a_folder(tmp_path: Path, sold: BacktestResult) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with pytest.raises(OutputFolderError):
        run_short(tmp_path / "out", force=True)


def test_refuses_an_earlier_backtest_unless_told(
    folder: Path, sold: BacktestResult, tmp_path: Path
) -> None:
    before = (folder / "sold" / "report.json").read_bytes()
    with pytest.raises(OutputFolderError, match="an earlier backtest"):
        run_short(folder / "sold")
    assert (folder / "sold" / "report.json").read_bytes() == before


@pytest.mark.parametrize("interrupted", [KeyboardInterrupt, ValueError])
def test_what_ends_early_leaves_nothing(
    tmp_path: Path, interrupted: type[BaseException]
) -> None:
    """An interruption in the middle: no folder, no chain, no node."""
    places: list[Place] = []

    def stop(row: Any, _total: int) -> None:
        if row.index == 1:
            raise interrupted

    with pytest.raises(interrupted):
        backtest(
            Seller,
            path_of(2500, 2600, 2700),
            node=remembered(scripted_source(HOLD), places),
            out=tmp_path / "out",
            on_slot=stop,
        )
    assert list(tmp_path.iterdir()) == []
    assert not answers(places[0].chain_url)


def test_stops_when_the_node_is_gone(tmp_path: Path) -> None:
    @contextmanager
    def dying(place: Place) -> Iterator[ServingNode]:
        with scripted_source(HOLD)(place) as node:
            alive = node
        yield alive

    with pytest.raises(BacktestStoppedError) as caught:
        backtest(Seller, path_of(*[2500] * 6), node=dying, out=tmp_path / "out")
    assert caught.value.slots == MAX_UNAVAILABLE
    assert list(tmp_path.iterdir()) == []


def test_a_finish_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        run_short(tmp_path / "out", finish=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_mandate_that_allows_less_refuses(tmp_path: Path) -> None:
    """The loss limit is the gate's: what it refuses is counted as its refusal."""
    result = backtest(
        Seller,
        path_of(2500, 2500),
        node=scripted_source(SELL),
        out=tmp_path / "out",
        opening=Opening(max_loss=DOLLAR),
    )
    assert [row.outcome for row in result.rows] == ["refused"] * 2
    assert result.refused_on_chain == 2
    (name,) = result.refusals
    assert name.startswith("Gate") and "Loss" in name
    assert result.lines[0].gain == 0


def test_a_plan_that_cannot_be_carried_out_is_held_and_says_why(
    tmp_path: Path,
) -> None:
    result = backtest(
        Seller,
        path_of(2500, 2500),
        node=scripted_source(LEND),
        out=tmp_path / "out",
        opening=Opening({"WETH": Decimal(1)}),
    )
    assert [row.outcome for row in result.rows] == ["held"] * 2
    assert result.plans_refused == 2
    assert result.rows[0].plan_refused.startswith("PlanAmountZeroError")


def test_begins_with_a_loan_and_a_hook(tmp_path: Path) -> None:
    """Both accounts begin alike: lent, owing, and with what the hook did."""
    seen: list[str] = []

    def hook(opened: OpenedAccount) -> None:
        seen.append(opened.account.address)
        opened.call(
            opened.book.tokens["USDC"].address,
            "transfer(address,uint256)",
            "0x000000000000000000000000000000000000dEaD",
            1_000 * 10**6,
        )

    result = backtest(
        Seller,
        path_of(2500, 2000),
        node=scripted_source(HOLD),
        out=tmp_path / "out",
        opening=Opening(
            {"WETH": Decimal(4)},
            positions=(
                Position("supply", "WETH", Decimal(4)),
                Position("borrow", "USDC", Decimal(5000)),
            ),
            hook=hook,
        ),
    )
    assert len(set(seen)) == 2
    # 4 WETH lent, 5000 USDC owed, 4000 of them still there.
    began = 9_000 * DOLLAR
    assert abs(result.opened - began) < DOLLAR
    assert abs(result.lines[1].values[0] - began) < DOLLAR
    assert abs(result.rows[1].after - 7_000 * DOLLAR) < 5 * DOLLAR
    # 10,000 dollars of WETH count for 82.5 % against 5,000 owed; then 8,000.
    assert [round(row.health_bps or 0, -2) for row in result.rows] == [16_500, 13_200]
    assert result.lowest_health_bps[0] == result.rows[1].health_bps
    assert abs((result.lowest_health_bps[1] or 0) - 13_200) < 100


@pytest.mark.parametrize(
    "opening",
    [
        Opening({"DOGE": Decimal(1)}),
        Opening({"WETH": Decimal(10**9)}),
        Opening({"USDC": Decimal("0.0000001")}),
        Opening(positions=(Position("borrow", "USDC", Decimal(5000)),)),
        Opening(positions=(Position("deposit", "USDC", Decimal(1)),)),
    ],
    ids=["unknown", "too much", "too fine", "no collateral", "no vault"],
)
def test_refuses_an_opening_that_cannot_be_had(
    tmp_path: Path, opening: Opening
) -> None:
    with pytest.raises(OpeningError):
        run_short(tmp_path / "out", opening=opening)
    assert list(tmp_path.iterdir()) == []


def test_a_vaults_share_follows_its_path(tmp_path: Path) -> None:
    """Up and down: the vault's own rate moves, not only the feed."""
    deposit = {
        "actions": [
            {
                "action": "deposit",
                "vault": "vUSDC",
                "share_bps": 10000,
                "max_slippage_bps": 50,
            }
        ],
        "why": "save",
    }
    path = PricePath(
        ("vUSDC", "WETH"),
        (0, HOUR, 2 * HOUR),
        (
            (105_000_000, 2500 * DOLLAR),
            (110_000_000, 2600 * DOLLAR),
            (99_000_000, 2600 * DOLLAR),
        ),
        "a vault that earns, then loses",
    )
    result = backtest(
        Saver,
        path,
        node=scripted_source(deposit, HOLD),
        out=tmp_path / "out",
        opening=Opening({"USDC": Decimal(10_500)}, vault=True),
    )
    assert [row.outcome for row in result.rows] == ["executed", "held", "held"], [
        row.reason for row in result.rows
    ]
    values = [row.after / DOLLAR for row in result.rows]
    assert values == pytest.approx([10_500, 11_000, 9_900], rel=1e-4)
    assert result.lines[1].gain == 0


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (path_of(2500, 2600, every=59), "slots 59 s apart"),
        (path_of(2500), "1 slots"),
        (
            PricePath(("DOGE",), (0, 100), ((1,), (2,)), "no such token"),
            "prices of DOGE",
        ),
        (path_of(2500, 10**11), "that the pool can follow"),
    ],
    ids=["too dense", "too short", "unknown token", "beyond the pool"],
)
def test_refuses_a_path_that_cannot_be_played(
    tmp_path: Path, path: PricePath, words: str
) -> None:
    with pytest.raises(PricePathError, match=words):
        backtest(Seller, path, node=scripted_source(HOLD), out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_seed_gives_the_same_values_again(tmp_path: Path) -> None:
    path = synthetic_path(["crash:WETH"], seed=4, rows=3, every=HOUR)
    one, two = (
        backtest(Seller, path, node=scripted_source(SELL, HOLD), out=tmp_path / name)
        for name in ("one", "two")
    )
    assert one.lines == two.lines
    assert one.path_hash == two.path_hash == path.hash


def run_short(place: Path, **changes: Any) -> BacktestResult:
    arguments: dict[str, Any] = {"node": scripted_source(HOLD), **changes}
    return backtest(Seller, path_of(2500, 2600), out=place, **arguments)


def remembered(source: Any, places: list[Place]) -> Any:
    def serve(place: Place) -> Any:
        places.append(place)
        return source(place)

    return serve


def answers(url: str) -> bool:
    import socket

    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
