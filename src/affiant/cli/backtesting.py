"""`affiant backtest`: an agent along a path of prices, faster than real time."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from typer.core import TyperGroup

from affiant.cli.console import log, read_file, split_model

if TYPE_CHECKING:
    from affiant.agents.backtest import BacktestResult, Opening, PricePath, SlotRow
    from affiant.agents.backtest.stage import Stage

DEFAULT_SLOTS = 48
"""Slots of a synthetic path unless it is said."""

DEFAULT_EVERY = 3600
"""Seconds per slot of a synthetic path unless it is said."""


class _RunByDefault(TyperGroup):
    """Takes `backtest AGENT …` for `backtest run AGENT …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


backtest_app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Run an agent along recorded or invented prices: backtest AGENT.py:CLASS …",
)


@backtest_app.command("run")
def run(
    agent: Annotated[str, typer.Argument(help="FILE.py:CLASS of the `VerifiedAgent`.")],
    model: Annotated[
        str, typer.Option(help="Who decides: a folder, or OWNER/NAME[@REVISION].")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make; see --force.")],
    path: Annotated[
        Path | None, typer.Option(help="Prices: a CSV file of time and symbols.")
    ] = None,
    synthetic: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead: gbm, reverting, crash or trend, as KIND[:SYMBOL][,name="
            "number …]; may be repeated for several symbols."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of synthetic prices.")] = 1,
    slots: Annotated[
        int | None,
        typer.Option(help="Most slots; the file's rows, or 48 synthetic ones."),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(help="Seconds per slot; a slot per row, or 3600 synthetic ones."),
    ] = None,
    opening: Annotated[
        Path | None,
        typer.Option(help="TOML of balances, positions and the mandate's terms."),
    ] = None,
    balance: Annotated[
        list[str] | None,
        typer.Option(help="NAME=AMOUNT in whole tokens; may be repeated."),
    ] = None,
    max_loss: Annotated[
        str | None, typer.Option(help="Most that one decision may lose, in dollars.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option(help="Outflow that the mandate allows, in dollars.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="vllm, or transformers where vLLM has no wheel.")
    ] = "vllm",
    gas_gwei: Annotated[
        float, typer.Option(help="Price that gas is costed at: an assumption.")
    ] = 1.0,
    max_gap: Annotated[
        int | None, typer.Option(help="Longest gap between two rows, in seconds.")
    ] = None,
    keep_chain: Annotated[
        bool,
        typer.Option(help="Keep the chain, so that `affiant audit OUT` can read it."),
    ] = True,
    audit: Annotated[
        bool, typer.Option("--audit", help="Audit every decision at the end.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier backtest in OUT.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Run an agent along a path of prices on a private local chain, and report."""
    from affiant.agents.backtest import backtest, model_node
    from affiant.agents.backtest.kept import require_free
    from affiant.agents.settings.loading import load_agent_class
    from affiant.audit.backtest.page import render_backtest
    from affiant.audit.backtest.plots import require_plots

    # What would fail at the end fails first.
    require_plots()
    require_free(out.absolute(), force=force)
    agent_class = load_agent_class(agent)
    prices = _prices(
        path, synthetic, seed=seed, slots=slots, every=every, max_gap=max_gap
    )
    if audit:
        _require_auditable(prices, slots=slots, every=every if path else None)
    name, revision = split_model(model)
    if not 0 <= gas_gwei <= 1_000_000:
        raise typer.BadParameter(f"--gas-gwei: got {gas_gwei}")

    def finish(result: BacktestResult, folder: Path, stage: Stage) -> None:
        page = render_backtest(result)
        (folder / "report.html").write_text(page, encoding="utf-8")
        if audit:
            _audit_now(result, folder, stage)

    with _terminated(), _progress() as told:
        result = backtest(
            agent_class,
            prices,
            node=model_node(name, revision=revision, engine=_engine(engine)),
            out=out,
            opening=_opening(opening, balance, max_loss=max_loss, limit=limit),
            slots=slots,
            every=every if path is not None else None,
            gas_price=round(gas_gwei * 10**9),
            keep=keep_chain,
            force=force,
            on_slot=told,
            finish=finish,
        )
    if as_json:
        typer.echo(json.dumps(result.to_json()))
        return
    for line in _summary(result):
        typer.echo(line)
    typer.echo(f"report: {out / 'report.html'}")


@backtest_app.command("record")
def record(
    rpc: Annotated[str, typer.Option(help="An endpoint that keeps old state.")],
    feed: Annotated[
        list[str], typer.Option(help="SYMBOL=0xADDRESS of a feed; may be repeated.")
    ],
    first: Annotated[int, typer.Option("--from", help="First block.")],
    last: Annotated[int, typer.Option("--to", help="Last block, inclusive.")],
    out: Annotated[Path, typer.Option(help="CSV file to write; must not exist.")],
    step: Annotated[int, typer.Option(help="Look at every so many blocks.")] = 1,
    chain_id: Annotated[
        int | None,
        typer.Option(help="Chain id that it must answer with; asked for if not given."),
    ] = None,
) -> None:
    """Record what price feeds said, block after block, as a path."""
    from affiant.agents.backtest.recording import record_path
    from affiant.onchain.chain import Chain
    from affiant.onchain.devnet.fork import chain_id_of

    if out.exists():
        raise typer.BadParameter(f"--out: {out} exists")
    feeds = _feeds(feed)
    known = chain_id_of(rpc) if chain_id is None else chain_id
    with (
        closing(Chain.connect(rpc, expected_chain_id=known)) as chain,
        _bar("looking at blocks") as (bar, task),
    ):
        found = record_path(
            chain,
            feeds,
            first=first,
            last=last,
            step=step,
            watch=lambda done, total: bar.update(task, completed=done, total=total),
        )
    with out.open("xb") as file:
        file.write(found.to_csv())
    typer.echo(f"{len(found.times)} rows of {', '.join(found.symbols)}: {out}")


def _prices(
    path: Path | None,
    synthetic: list[str] | None,
    *,
    seed: int,
    slots: int | None,
    every: int | None,
    max_gap: int | None,
) -> PricePath:
    from affiant.agents.backtest import parse_prices, synthetic_path
    from affiant.agents.backtest.price_path import MAX_FILE_BYTES, MAX_GAP_SECONDS

    if (path is None) == (not synthetic):
        raise typer.BadParameter("expected either --path or --synthetic")
    if path is not None:
        return parse_prices(
            read_file(path, max_bytes=MAX_FILE_BYTES),
            source=path.name,
            max_gap=MAX_GAP_SECONDS if max_gap is None else max_gap,
        )
    return synthetic_path(
        synthetic or [],
        seed=seed,
        rows=DEFAULT_SLOTS if slots is None else slots,
        every=DEFAULT_EVERY if every is None else every,
    )


def _opening(
    file: Path | None,
    balances: list[str] | None,
    *,
    max_loss: str | None,
    limit: str | None,
) -> Opening:
    from dataclasses import replace

    from affiant.agents.backtest import Opening, parse_opening
    from affiant.agents.backtest.opening import parse_value

    opening = Opening()
    if file is not None:
        data = read_file(file, max_bytes=1 << 20)
        opening = parse_opening(data, file=str(file))
    if balances:
        pairs = dict(_pair(text, "--balance NAME=AMOUNT") for text in balances)
        opening = opening.with_balances(pairs)
    if max_loss is not None:
        opening = replace(opening, max_loss=parse_value(max_loss, what="--max-loss"))
    if limit is not None:
        opening = replace(opening, limit=parse_value(limit, what="--limit"))
    return opening


def _feeds(texts: list[str]) -> dict[str, Any]:
    from affiant.agents.backtest.price_path import SYMBOL
    from affiant.onchain.mandate import parse_address

    feeds: dict[str, Any] = {}
    for text in texts:
        name, address = _pair(text, "--feed SYMBOL=0xADDRESS")
        if not SYMBOL.fullmatch(name) or name in feeds:
            raise typer.BadParameter(f"--feed: got {name!r}, expected each symbol once")
        feeds[name] = parse_address(address, what=f"--feed {name}")
    return feeds


def _pair(text: str, expected: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise typer.BadParameter(f"got {text!r}, expected {expected}")
    return name, value


def _engine(name: str) -> Literal["vllm", "transformers"]:
    if name == "vllm":
        return "vllm"
    if name == "transformers":
        return "transformers"
    raise typer.BadParameter(f"got {name}, expected vllm or transformers")


def _require_auditable(
    prices: PricePath, *, slots: int | None, every: int | None
) -> None:
    from affiant.agents.backtest.run import AUDITED_SLOTS

    count = len(prices.sampled(every=every, slots=slots).times)
    if count > AUDITED_SLOTS:
        raise typer.BadParameter(
            f"--audit: got {count} slots, expected at most {AUDITED_SLOTS}"
        )


def _audit_now(result: BacktestResult, folder: Path, stage: Stage) -> None:
    """Audit while the chain still runs; the report goes beside the backtest's."""
    from affiant.audit.backtest.audited import audit_stage

    model = stage.node.model_folder
    status, report = audit_stage(
        result,
        folder=folder,
        chain_url=stage.devnet.url,
        model=None if model is None else str(model),
        html=folder / "audit.html",
        console=log,
        log=log,
    )
    (folder / "audit.json").write_text(json.dumps(report.to_json()), encoding="utf-8")
    log.print(f"audit: {report.headline}", style="green" if status == 0 else "red")


def _summary(result: BacktestResult) -> list[str]:
    agent, hold = result.lines
    counts = ", ".join(f"{count} {name}" for name, count in result.counts.items())
    return [
        f"agent {_percent(agent.return_bps)}, worst fall {_percent(agent.drawdown_bps)}"
        f"; doing nothing {_percent(hold.return_bps)}, {_percent(hold.drawdown_bps)}",
        f"{counts}; {result.trades} trades, turnover {_percent(result.turnover_bps)}",
        f"{result.slots_per_minute:.1f} slots a minute, {result.speed_up:,.0f} times "
        "as fast as the path",
    ]


def _percent(bps: int) -> str:
    return f"{bps / 100:.2f} %"


@contextmanager
def _terminated() -> Iterator[None]:
    """Have SIGTERM end it as an interruption does: chain and node stop too."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _bar(words: str) -> Iterator[tuple[Progress, Any]]:
    with Progress(
        TextColumn(words),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=log,
        transient=True,
    ) as bar:
        yield bar, bar.add_task("", total=None)


@contextmanager
def _progress() -> Iterator[Any]:
    """Show how far a backtest is, and what it did last."""
    with _bar("playing") as (bar, task):

        def told(row: SlotRow, total: int) -> None:
            bar.update(
                task, completed=row.index + 1, total=total, description=row.outcome
            )

        yield told
