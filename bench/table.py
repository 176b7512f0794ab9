"""One way to report a benchmark: a table on stdout and `bench/out/NAME.json`.

    {"rows": [{"metric", "value", "unit", "goal", "better": "lower" | "higher"}]}

It measures nothing. `goal` is null where none is set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).resolve().parent / "out"
"""Where the JSON goes."""


MATRIX_WIDTH = 150
"""Characters of a line of `matrix`, whatever it is printed to."""


@dataclass(frozen=True)
class Row:
    """One figure."""

    metric: str
    value: float
    unit: str
    goal: float | None = None
    """What it must reach, in the same unit."""
    better: Literal["lower", "higher"] = "lower"


def matrix(
    columns: Sequence[str], lines: Sequence[Sequence[str]], *, title: str
) -> None:
    """Print a table of words; the first column is the lines' names."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for line in lines:
        table.add_row(*line)
    Console(width=MATRIX_WIDTH).print(table)


def publish(name: str, rows: Sequence[Row], *, title: str, show: bool = True) -> None:
    """Write `rows` to `bench/out/<name>.json`, and print them as a table."""
    if show:
        _print(rows, title=title)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2))
    print(f"wrote {path.relative_to(OUT.parent.parent)}")


def _print(rows: Sequence[Row], *, title: str) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for column in ("value", "goal"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:,.6g}"
        table.add_row(row.metric, f"{row.value:,.6g}", goal, row.unit)
    Console().print(table)
