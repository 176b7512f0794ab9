"""Options of every command that replays: what its user gives a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from affiant.audit.replay_engines import ReplayLimits

MaxContext = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Most tokens of prompt and output; the model's own if not given. What is "
        "longer is not replayed.",
    ),
]
"""Longest context that an engine is loaded with."""

MemoryGib = Annotated[
    float,
    typer.Option(min=0.1, help="Memory for the logits of what is replayed at once."),
]
"""Gibibytes."""

MEMORY_GIB = 8.0
"""`affiant.inference.replay_memory.MAX_REPLAY_BYTES`."""


def replay_limits(
    *, max_context: int | None, memory_gib: float = MEMORY_GIB
) -> ReplayLimits:
    """Return what the options say."""
    from affiant.audit.replay_engines import ReplayLimits

    return ReplayLimits(max_context=max_context, memory_bytes=int(memory_gib * 2**30))
