"""The order of an agent's steps, as a LangGraph graph.

    decide ─> check ─> simulate ─> approve ─> submit ─> confirm ─> record
       └────────┴─────────┴──────────┴──────────┴──────────────────^
                        held, refused, unavailable

It decides only what comes next: a step that ends the run goes straight to `record`.
What the steps do is `affiant.agents.running.steps`. After every step a checkpoint says
which one is next; a step that waits (for a person, or because the agent is stopped) is
a LangGraph interrupt, and is taken again from its beginning when the run goes on.
Between two processes nothing but the checkpoint is carried over, and it is not
believed: the steps restore the run from journal, evidence and chain.
"""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from affiant.agents.durable.checkpoints import CheckpointRefusedError, Checkpoints
from affiant.agents.durable.journal import Step
from affiant.agents.running.progress import Progress, Saved
from affiant.encoding import JsonValue
from affiant.errors import MalformedError

ORDER: tuple[Step, ...] = (
    "decide",
    "check",
    "simulate",
    "approve",
    "submit",
    "confirm",
    "record",
)
"""The steps in the order in which a run that executes takes them."""


class Steps(Protocol):
    """What the graph runs.

    `take` MUST return instead of raising when an expected error ends the run: with
    `outcome` set. It MUST NOT send anything in a step other than `submit`. It may
    return with `waits_for` set, having done nothing: then it is called again.
    """

    def take(self, step: Step, progress: Progress) -> Progress:
        """Take one step and return what is known after it."""
        ...

    def restore(self, saved: Saved, *, step: Step) -> Progress:
        """Return what is known before `step` of a run that another process began."""
        ...

    def stopping(self) -> bool:
        """Return whether no further step is to be begun."""
        ...


class _State(TypedDict):
    saved: JsonValue


class AgentGraph:
    """The compiled graph over one set of steps."""

    def __init__(self, steps: Steps, *, checkpoints: Checkpoints | None = None) -> None:
        """Compile the graph.

        Args:
            checkpoints: where runs are kept; None: nowhere, and nothing may wait.
        """
        self._steps = steps
        self._checkpoints = checkpoints
        self._live: Progress | None = None
        graph = StateGraph(_State)
        for name in ORDER:
            graph.add_node(name, self._node(name))
        graph.add_edge(START, ORDER[0])
        for name, following in zip(ORDER[:-1], ORDER[1:], strict=True):
            graph.add_conditional_edges(
                name, _choose(following), sorted({following, "record"})
            )
        graph.add_edge(ORDER[-1], END)
        self._compiled = graph.compile(
            checkpointer=None if checkpoints is None else checkpoints.saver
        )

    def run(self, progress: Progress, *, thread: str = "") -> Progress:
        """Run the steps from the first one and return what became of them.

        Args:
            thread: where the run is kept, under `checkpoints`.

        Raises:
            CheckpointError: a checkpoint could not be written; the run can go on later.
        """
        self._live = progress
        return self._invoke({"saved": progress.saved().to_json()}, thread)

    def resume(self, thread: str) -> Progress:
        """Go on with a run where its checkpoint says that it is.

        Raises:
            CheckpointError, CheckpointRefusedError: there is none that can be used.
        """
        self._live = None
        return self._invoke(
            Command(resume=True) if self._interrupts(thread) else None, thread
        )

    def unfinished(self, thread: str) -> Saved | None:
        """Return what a checkpoint says of a run that has not ended; None: no run.

        Raises:
            CheckpointError: it cannot be read.
            CheckpointRefusedError: it is not what we write.
        """
        if self._checkpoints is None:
            return None
        with self._checkpoints.converted():
            state = self._state(thread)
        if not state.next or "saved" not in state.values:
            return None
        try:
            return Saved.parse(state.values["saved"])
        except MalformedError as error:
            raise CheckpointRefusedError(
                error.what, got=error.got, expected=error.expected
            ) from error

    def waits_for(self, thread: str) -> str | None:
        """Return what the run in `thread` waits for, as its checkpoint tells it."""
        told = self._interrupts(thread)
        return None if not told else str(told[0])

    def _invoke(self, given: Any, thread: str) -> Progress:
        if self._checkpoints is None:
            self._compiled.invoke(given)
        else:
            with self._checkpoints.converted():
                self._compiled.invoke(given, _config(thread), durability="sync")
        live, self._live = self._live, None
        if live is None:
            raise RuntimeError("the graph took no step")
        return live

    def _interrupts(self, thread: str) -> list[Any]:
        if self._checkpoints is None:
            return []
        with self._checkpoints.converted():
            return [item.value for item in self._state(thread).interrupts]

    def _state(self, thread: str) -> Any:
        try:
            return self._compiled.get_state(_config(thread))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Valid JSON that LangGraph takes for a checkpoint and cannot use.
            raise CheckpointRefusedError(
                "state", got=f"{type(error).__name__}: {error}", expected="a checkpoint"
            ) from error

    def _node(self, name: Step):  # type: ignore[no-untyped-def]
        def take(state: _State) -> _State:
            while name != "record" and self._steps.stopping():
                self._wait("stop", state)
            progress = self._live
            if progress is None:
                progress = self._steps.restore(Saved.parse(state["saved"]), step=name)
            after = progress
            if progress.outcome is None or name == "record":
                after = self._steps.take(name, progress)
            while after.waits_for is not None:
                self._live = after
                interrupt(after.waits_for)
                after = self._steps.take(name, progress)
            self._live = after
            return {"saved": after.saved().to_json()}

        return take

    def _wait(self, reason: str, state: _State) -> None:
        """Leave the run where it is."""
        live = self._live
        if live is None:
            saved = Saved.parse(state["saved"])
            live = Progress(run=saved.run, slot=saved.slot)
        self._live = live.waiting(reason)
        interrupt(reason)


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}


def _choose(following: Step):  # type: ignore[no-untyped-def]
    def choose(state: _State) -> str:
        return following if Saved.parse(state["saved"]).outcome is None else "record"

    return choose
