"""The order of an agent's steps, as a LangGraph graph; the only module that imports it.

    decide ─> check ─> simulate ─> submit ─> confirm ─> record
       └────────┴─────────┴──────────┴───────────────────^
                        held, refused, unavailable

It decides only what comes next: a step that ends the run goes straight to `record`.
What the steps do is `affiant.agents.steps`; durability is the journal's, so the graph
has no checkpointer of its own.
"""

from __future__ import annotations

from typing import Protocol, TypedDict

from langgraph.graph import END, START, StateGraph

from affiant.agents.journal import Step
from affiant.agents.progress import Progress

ORDER: tuple[Step, ...] = ("decide", "check", "simulate", "submit", "confirm", "record")
"""The steps in the order in which a run that executes takes them."""


class Steps(Protocol):
    """What the graph runs.

    `take` MUST return instead of raising when an expected error ends the run: with
    `outcome` set. It MUST NOT send anything in a step other than `submit`.
    """

    def take(self, step: Step, progress: Progress) -> Progress:
        """Take one step and return what is known after it."""
        ...


class _State(TypedDict):
    progress: Progress


class AgentGraph:
    """The compiled graph over one set of steps."""

    def __init__(self, steps: Steps) -> None:
        """Compile the graph."""
        graph = StateGraph(_State)
        for name in ORDER:
            graph.add_node(name, _node(steps, name))
        graph.add_edge(START, ORDER[0])
        for name, following in zip(ORDER[:-1], ORDER[1:], strict=True):
            graph.add_conditional_edges(
                name, _choose(following), sorted({following, "record"})
            )
        graph.add_edge(ORDER[-1], END)
        self._compiled = graph.compile()

    def run(self, progress: Progress) -> Progress:
        """Run the steps from the first one and return what became of them."""
        final = self._compiled.invoke({"progress": progress})
        result = final["progress"]
        if not isinstance(result, Progress):
            raise RuntimeError("the graph returned no progress")
        return result


def _node(steps: Steps, name: Step):  # type: ignore[no-untyped-def]
    def take(state: _State) -> _State:
        return {"progress": steps.take(name, state["progress"])}

    return take


def _choose(following: Step):  # type: ignore[no-untyped-def]
    def choose(state: _State) -> str:
        return following if state["progress"].outcome is None else "record"

    return choose
