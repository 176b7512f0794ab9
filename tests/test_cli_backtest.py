"""`affiant backtest` as it is called wrongly: refused before anything is started."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from affiant.agents.backtest.errors import OutputFolderError, PricePathError
from affiant.audit.backtest import plots
from affiant.audit.backtest.plots import PlotsMissingError
from affiant.cli.backtesting import _terminated
from affiant.cli.main import app
from affiant.errors import RejectedError

ROOT = Path(__file__).resolve().parents[1]
AGENT = f"{ROOT / 'examples' / 'rebalancer.py'}:Rebalancer"


def call(tmp_path: Path, *arguments: str, out: str = "out"):
    return CliRunner().invoke(
        app,
        [
            *(
                "backtest",
                AGENT,
                "--model",
                str(tmp_path),
                "--out",
                str(tmp_path / out),
            ),
            *arguments,
        ],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--synthetic", "gbm", "--path", "prices.csv"),
        ("--synthetic", "gbm", "--balance", "WETH"),
        ("--synthetic", "gbm", "--engine", "abacus"),
        ("--synthetic", "gbm", "--gas-gwei", "-1"),
        ("--synthetic", "gbm", "--slots", "2000", "--audit", "--no-keep-chain"),
    ],
    ids=["no prices", "two kinds", "balance", "engine", "gas", "too many to audit"],
)
def test_misuse_is_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(tmp_path, *arguments)
    assert done.exit_code == 2, (done.output, done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--synthetic", "walk"), PricePathError),
        (("--synthetic", "gbm", "--slots", "1"), PricePathError),
        (("--synthetic", "gbm", "--slots", "301"), PricePathError),
        (("--synthetic", "gbm", "--every", "59"), PricePathError),
        (("--synthetic", "gbm", "--balance", "WETH=all"), RejectedError),
        (("--synthetic", "gbm", "--limit", "many"), RejectedError),
        (("--path", "there-is-none.csv"), RejectedError),
    ],
    ids="kind short long-for-a-kept-chain dense balance limit file".split(),
)
def test_what_cannot_be_played_is_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    done = call(tmp_path, *arguments)
    assert isinstance(done.exception, error), (done.output, done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes").write_text("mine")
    done = call(tmp_path, "--synthetic", "gbm", "--force")
    assert isinstance(done.exception, OutputFolderError)
    assert (tmp_path / "out" / "notes").read_text() == "mine"


def test_missing_plots_are_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise PlotsMissingError

    monkeypatch.setattr(plots, "_matplotlib", missing)
    done = call(tmp_path, "--synthetic", "gbm")
    assert isinstance(done.exception, PlotsMissingError)
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_it_like_an_interruption() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), _terminated():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([], 5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_that_is_no_backtest_is_not_audited(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["audit", str(tmp_path)])
    assert isinstance(done.exception, OutputFolderError)
    (tmp_path / "report.json").write_text('{"format":"affiant-backtest/9"}')
    done = CliRunner().invoke(app, ["audit", str(tmp_path)])
    assert isinstance(done.exception, OutputFolderError)
