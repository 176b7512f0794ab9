"""A mandate that names endorsers, on a real chain and gate, with a scripted model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account import Account

from affiant.audit.desk import Bench, Desk, EndorserLimits
from affiant.audit.endorser import Endorser
from affiant.audit.signed import SignedMemory
from affiant.encoding import keccak256
from affiant.inference.keys import NodeKey
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address


def endorser_key(name: str) -> NodeKey:
    return NodeKey(Account.from_key(keccak256(f"endorser {name}".encode())))


KEYS = {name: endorser_key(name) for name in ("first", "second", "third")}
"""`first` and `second` are the mandate's endorsers; `third` is nobody's."""


@dataclass
class Counting:
    """The scripted replayer, which counts what it was asked to replay."""

    inner: Any
    replays: int = 0
    during: Callable[[], None] | None = None
    """Called while it replays: for what happens meanwhile."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def replay(self, sworn: Any, *, manifest: Any) -> Any:
        self.replays += 1
        if self.during is not None:
            self.during()
        return self.inner.replay(sworn, manifest=manifest)


@dataclass
class EndorserStage:
    """What the endorser's tests play with."""

    world: Any
    folder: Path
    replayer_of: Callable[[Any], Any]
    """A scripted replayer over an engine."""
    opened: list[Any] = field(default_factory=list)
    replayer: Any = None
    """Of the endorser that was made last."""

    @property
    def mandate(self) -> Any:
        return self.world.mandate

    @property
    def slot(self) -> int:
        return self.mandate.slot_of(self.world.chain.block_number())

    @property
    def evidence(self) -> EvidenceStore:
        return EvidenceStore(str(self.folder / "node-evidence"))

    def sworn(self, text: str | None = None, **changes: Any) -> EvidenceBundle:
        """Return a decision of the newest slot, sworn anew by an honest node."""
        from affiant.agents.deciding.answered import AnsweredSlots
        from affiant.agents.deciding.decide import decide

        self.world.engine.text = self.world.swap if text is None else text
        serving = self.world.serving(
            self.folder, **{"answered": AnsweredSlots(None), **changes}
        )
        bundle = decide(
            program=self.world.program(),
            book=self.world.book,
            mandate=self.mandate,
            slot=self.slot,
            serving=serving,
        )
        serving.answered.close()
        return bundle

    def execute(self, bundle: EvidenceBundle) -> Any:
        return self.world.gate.execute(
            Submission.of(bundle), operator=self.world.operator
        )

    def next_slot(self) -> None:
        self.world.scenario.next_slot(self.mandate.cadence)
        self.world.scenario.refresh_feeds()

    def memory(self, key: str = "first", *, name: str = "signed") -> SignedMemory:
        return SignedMemory(
            self.folder / f"{name}-{key}.sqlite",
            chain_id=self.world.book.chain_id,
            gate=self.world.book.gate,
            signer=Address(KEYS[key].address),
        )

    def desk(self, *, key: str = "first", engine: Any = None, **changes: Any) -> Desk:
        engine = engine or self.world.engine
        self.replayer = Counting(self.replayer_of(engine))
        parts: dict[str, Any] = {
            "chain": self.world.chain,
            "gate": self.world.book.gate,
            "key": KEYS[key],
            "store": self.evidence,
            "signed": self.memory(key),
            "benches": (Bench(self.replayer, engine.manifest),),
        }
        return Desk(**{**parts, **changes})

    def endorser(
        self,
        *,
        limits: EndorserLimits | None = None,
        desk: Desk | None = None,
        **changes: Any,
    ) -> Endorser:
        made = Endorser(desk or self.desk(**changes), limits=limits)
        self.opened.append(made)
        return made

    def signed_count(self, key: str = "first") -> int:
        """How many endorsements the memory on disk holds."""
        import sqlite3

        with sqlite3.connect(self.folder / f"signed-{key}.sqlite") as connection:
            (count,) = connection.execute("select count(*) from endorsed").fetchone()
        connection.close()
        return int(count)

    def with_mandate(self, **changes: Any) -> EndorserStage:
        """Return a stage with another mandate of the same account, granted."""
        changes = {"salt": keccak256(repr(changes).encode()), **changes}
        mandate = replace(self.mandate, **changes)
        self.world.grant(mandate)
        world = replace(self.world, mandate=mandate)
        return replace(self, world=world)


def strict(stage: Any, text: str) -> Any:
    """An engine that knows what the model says: `text`, and nothing else."""
    engine = replace(stage.world.engine, text=text)
    right = [*engine.encode(text), 256]

    def prefill(prompt_ids: Any, output_ids: Any) -> Any:
        found = type(engine).prefill(engine, prompt_ids, output_ids)
        found.logits[:] = 0
        for row in range(len(output_ids)):
            found.logits[row, right[min(row, len(right) - 1)]] = 20.0
        return found

    engine.prefill = prefill
    return engine
