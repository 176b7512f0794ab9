"""`affiant replay`: every inference of evidence files, replayed offline.

A file is a decision's evidence, or a kept chat answer. It says whether the tokens are
the model's, as far as the engine at hand can tell, and whether a node's inferences
drift. It does not look at a chain: who was permitted, what was observed and what was
executed are the audit's to say. Evidence is hostile: nothing is replayed that is not
under the root that its decision swears, or under its completion's signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affiant.audit.check_chain import same
from affiant.audit.check_evidence import check_manifests
from affiant.audit.check_inference import check_sampling, sworn_inferences
from affiant.audit.evidence_file import read_evidence_file
from affiant.audit.replay_answers import check_words, sworn_answer
from affiant.audit.replayer import Replayer
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError, RejectedError
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.kept import MAX_KEPT_BYTES, kept_answer
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
    """Of the decision or completion; None where the file is not what one swears."""
    node: Address | None
    """Who signed it; likewise."""
    slot: int | None
    answer: Completion | None
    """A chat answer's completion; None where the file is a decision's evidence."""
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
            "answer": None if self.answer is None else self.answer.name,
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
            key=lambda file: (
                file.slot or 0,
                0 if file.answer is None else file.answer.created,
                b"" if file.answer is None else file.answer.id,
            ),
        )
        verdicts = [verdict for file in own for verdict in file.verdicts]
        drift = drift_of(verdicts, profiles=replayer.profiles)
        if drift.inferences:
            drifts.append((node, drift))
    return Replays(files=files, drifts=tuple(drifts))


def _replay(path: Path, *, replayer: Replayer) -> ReplayedFile:
    try:
        data = read_evidence_file(path)
        # Frames of evidence begin with Zstandard's magic number.
        is_answer = data[:64].lstrip().startswith(b"{")
        if is_answer:
            data = read_evidence_file(path, max_bytes=MAX_KEPT_BYTES)
    except AffiantError as failure:
        return _file(path, error=failure)
    if is_answer:
        return _replay_answer(path, data, replayer=replayer)
    return _replay_evidence(path, data, replayer=replayer)


def _file(
    path: Path,
    *,
    digest: Digest | None = None,
    node: Address | None = None,
    slot: int | None = None,
    answer: Completion | None = None,
    verdicts: Sequence[ReplayVerdict] = (),
    error: AffiantError | None,
) -> ReplayedFile:
    return ReplayedFile(
        path=str(path),
        digest=digest,
        node=node,
        slot=slot,
        answer=answer,
        verdicts=tuple(verdicts),
        error=error,
    )


def _replay_answer(path: Path, data: bytes, *, replayer: Replayer) -> ReplayedFile:
    """Verify one kept answer and replay it.

    1. the file is what its completion swears;
    2. every token, on a folder of the sworn model and no other;
    3. the prompt follows from the messages, and the text from the tokens.
    """
    completion: Completion | None = None
    verdicts: list[ReplayVerdict] = []
    error: AffiantError | None = None
    try:
        # 1.
        kept = kept_answer(data)
        completion = sworn_answer(kept)
        # 2. Refuses a folder of another model, whose tokenizer 3 must not use.
        verdicts.append(replayer.replay(completion.sworn, manifest=completion.manifest))
        # 3.
        check_words(kept, completion=completion, replayer=replayer)
    except AffiantError as failure:
        error = failure
    return _file(
        path,
        digest=None if completion is None else completion.digest,
        node=None if completion is None else completion.key,
        answer=completion,
        verdicts=verdicts,
        error=error,
    )


def _replay_evidence(path: Path, data: bytes, *, replayer: Replayer) -> ReplayedFile:
    """Verify one decision's evidence and replay its inferences.

    1. the file is what its decision swears;
    2. program, engine and model are those of the mandate and of every receipt;
    3. prompts, outputs and seeds are those sworn to;
    4. every token of every inference.
    """
    bundle: EvidenceBundle | None = None
    digest, verdicts = None, []
    try:
        # 1.
        bundle = EvidenceBundle.from_bytes(data)
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
    return _file(
        path,
        digest=digest,
        node=bundle.node if bundle is not None and sound else None,
        slot=bundle.decision.slot if bundle is not None and sound else None,
        verdicts=verdicts,
        error=error,
    )
