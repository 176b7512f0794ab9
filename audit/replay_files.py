"""`affiant replay`: every inference of evidence files, replayed offline.

It says whether the tokens are the model's, as far as the engine at hand can tell, and
whether a node's inferences drift. It does not look at a chain: who was permitted, what
was observed and what was executed are the audit's to say. Evidence is hostile: nothing
is replayed that is not under the root that its decision swears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affiant.audit.check_chain import same
from affiant.audit.check_evidence import check_manifests
from affiant.audit.check_inference import check_sampling, sworn_inferences
from affiant.audit.evidence_file import read_evidence_file
from affiant.audit.replayer import Replayer
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError, RejectedError
from affiant.inference.drift import Drift, drift_of
from affiant.inference.replay import ReplayVerdict
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.mandate import Address


@dataclass(frozen=True)
class ReplayedFile:
    """What became of one evidence file."""

    path: str
    digest: Digest | None
    """Of the decision; None where the file is not what a decision swears."""
    node: Address | None
    """Who signed it; likewise."""
    slot: int | None
    verdicts: tuple[ReplayVerdict, ...]
    """One per inference; empty where nothing could be replayed."""
    error: AffiantError | None
    """Why not; None where all of them were."""

    @property
    def rejected(self) -> bool:
        """Whether something contradicts."""
        return isinstance(self.error, RejectedError) or any(
            verdict.grade == "inconsistent" for verdict in self.verdicts
        )

    @property
    def undecided(self) -> bool:
        """Whether something could not be told."""
        return self.error is not None or any(
            verdict.grade == "inconclusive" for verdict in self.verdicts
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the finding as JSON."""
        return {
            "digest": None if self.digest is None else to_hex(self.digest),
            "node": self.node,
            "slot": self.slot,
            "inferences": [verdict.to_json() for verdict in self.verdicts],
            "error": None if self.error is None else str(self.error),
        }


@dataclass(frozen=True)
class Replays:
    """What became of all files, and of each node's inferences together."""

    files: tuple[ReplayedFile, ...]
    drifts: tuple[tuple[Address, Drift], ...]
    """Per node, by address; of inferences that rest on a calibration."""

    @property
    def rejected(self) -> bool:
        """Whether something contradicts, or a node drifts."""
        return any(file.rejected for file in self.files) or any(
            drift.alarm is not None for _, drift in self.drifts
        )

    @property
    def undecided(self) -> bool:
        """Whether something could not be told."""
        return any(file.undecided for file in self.files)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the findings as JSON."""
        return {
            "format": "affiant-replay/1",
            "files": [file.to_json() for file in self.files],
            "drift": [
                {
                    "node": node,
                    "inferences": drift.inferences,
                    "highest": f"{drift.highest:.6g}",
                    "alarm": drift.alarm,
                }
                for node, drift in self.drifts
            ],
        }


def replay_files(paths: Sequence[Path], *, replayer: Replayer) -> Replays:
    """Replay every inference of every file, and add up each node's.

    Args:
        paths: evidence files, in any order.
        replayer: the auditor's own model.
    """
    files = tuple(_replay(path, replayer=replayer) for path in paths)
    nodes = sorted({file.node for file in files if file.node is not None})
    drifts = []
    for node in nodes:
        own = sorted(
            (file for file in files if file.node == node),
            key=lambda file: file.slot or 0,
        )
        verdicts = [verdict for file in own for verdict in file.verdicts]
        drift = drift_of(verdicts, profiles=replayer.profiles)
        if drift.inferences:
            drifts.append((node, drift))
    return Replays(files=files, drifts=tuple(drifts))


def _replay(path: Path, *, replayer: Replayer) -> ReplayedFile:
    """Verify one file and replay its inferences.

    1. the file is what its decision swears;
    2. program, engine and model are those of the mandate and of every receipt;
    3. prompts, outputs and seeds are those sworn to;
    4. every token of every inference.
    """
    bundle: EvidenceBundle | None = None
    digest, verdicts = None, []
    try:
        # 1.
        bundle = EvidenceBundle.from_bytes(read_evidence_file(path))
        digest = verify_evidence(bundle)
        # 2.
        mandate = bundle.mandate
        manifests = check_manifests(
            bundle, mandate=mandate, chain_id=bundle.chain_id, gate=bundle.gate
        )
        for receipt in bundle.receipts:
            same("model", got=receipt.model, expected=mandate.model)
            same("engine", got=receipt.engine, expected=mandate.engine)
        # 3.
        seeds, _ = check_sampling(bundle, manifests=manifests, mandate=mandate)
        # 4.
        for item in sworn_inferences(bundle, program=manifests.program, seeds=seeds):
            verdicts.append(replayer.replay(item, manifest=manifests.engine))
        error: AffiantError | None = None
    except AffiantError as failure:
        error = failure
    sound = bundle is not None and digest is not None
    return ReplayedFile(
        path=str(path),
        digest=digest,
        node=bundle.node if bundle is not None and sound else None,
        slot=bundle.decision.slot if bundle is not None and sound else None,
        verdicts=tuple(verdicts),
        error=error,
    )
