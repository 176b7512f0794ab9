"""Points at which an agent may die: before and after everything that outlives it.

The parts are real; around each write to disk, and around the sending, is a place where
`Death.meet` is called with the point's name. A test raises there; the chaos run sends
its own process SIGKILL.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from affiant.agents.durable.journal import Entry, Journal
from affiant.onchain.chain import Chain
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore


class Killed(BaseException):
    """What a test's process dies of; nothing that runs expects it."""


def raise_killed() -> None:
    """Die as far as a test can."""
    raise Killed


def kill_myself() -> None:
    """Die as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Death:
    """Where to die, and how. Once dead, nothing is done any more."""

    at: str | None = None
    """Name of the point; None: nowhere. With " (2)" after it: where it is met again."""
    how: Callable[[], None] = raise_killed
    met: list[str] = field(default_factory=list)
    """Names of the points met so far."""
    dead: bool = False
    _counted: Counter[str] = field(default_factory=Counter)

    def meet(self, name: str) -> None:
        """Die here, if this is the place."""
        again = self.met.count(name) + self.met.count(f"{name} (2)")
        name = f"{name} (2)" if again else name
        self.met.append(name)
        if self.dead or name == self.at:
            self.dead = True
            self.how()

    def around(self, name: str, work: Callable[[], Any], *, numbered: bool) -> Any:
        """Do `work` between two points."""
        if numbered:
            self._counted[name] += 1
            name = f"{name} {self._counted[name]}"
        self.meet(f"before {name}")
        done = work()
        self.meet(f"after {name}")
        return done


class DyingJournal(Journal):
    """A journal with a point around every row."""

    def __init__(self, url: str, death: Death) -> None:
        super().__init__(url)
        self._death = death

    def append(self, entry: Entry) -> None:
        name = f"journal {entry.step}/{entry.status}"
        self._death.around(
            name, lambda: super(DyingJournal, self).append(entry), numbered=False
        )


class DyingStore(EvidenceStore):
    """An evidence store with a point around every file."""

    def __init__(self, url: str, death: Death) -> None:
        super().__init__(url)
        self._death = death

    def put(self, bundle: EvidenceBundle) -> str:
        return str(
            self._death.around(
                "evidence", lambda: super(DyingStore, self).put(bundle), numbered=False
            )
        )


class DyingChain:
    """A chain with a point around every transaction that leaves."""

    SENDS = ("send_raw", "broadcast")
    """What a chain may call it."""

    def __init__(self, chain: Chain, death: Death) -> None:
        self._chain, self._death = chain, death

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._chain, name)
        if name not in self.SENDS:
            return inner
        return lambda raw: self._death.around(
            "sending", lambda: inner(raw), numbered=False
        )


def watch_checkpoints(agent: Any, death: Death) -> None:
    """Put a point around everything that LangGraph writes for `agent`."""
    saver = agent._runs._checkpoints.saver
    for method in ("put", "put_writes", "delete_thread"):
        setattr(saver, method, _dying(getattr(saver, method), method, death))


def _dying(work: Callable[..., Any], method: str, death: Death) -> Callable[..., Any]:
    name = {"put": "checkpoint", "put_writes": "writes", "delete_thread": "pruning"}

    def call(*arguments: Any, **named: Any) -> Any:
        return death.around(
            name[method], lambda: work(*arguments, **named), numbered=True
        )

    return call
