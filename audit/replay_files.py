"""`affiant replay`: every inference of evidence files, replayed offline.

A file is a decision's evidence, or a kept chat answer. It says whether the tokens are
the model's, as far as the engine at hand can tell, and whether a node's inferences
drift. It does not look at a chain: who was permitted, what was observed and what was
executed are the audit's to say. Evidence is hostile: nothing is replayed that is not
under the root that its decision swears, or under its completion's signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affiant.audit.check_chain import same
from affiant.audit.check_evidence import check_manifests
from affiant.audit.check_inference import check_sampling, sworn_inferences
from affiant.audit.evidence_file import read_evidence_file
from affiant.audit.replay_answers import check_words, sworn_answer
from affiant.audit.replayer import Replayer, ReplayJob, replay_jobs
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError, RejectedError
from affiant.inference.chat.completion import Completion
from affiant.inference.chat.kept import MAX_KEPT_BYTES, KeptAnswer, kept_answer
from affiant.inference.drift import Drift, drift_of
from affiant.inference.replay import ReplayVerdict, without_frames
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.mandate import Address

MAX_FILES = 32
"""Most files whose inferences are held, to be replayed together."""
MAX_HELD_BYTES = 2**24
"""Evidence at hand, in bytes, at which no further file is opened before it is replayed.
"""
_BYTES_PER_TOKEN = 128


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

    Several files are held at once, and replayed together where the replayer can.

    Args:
        paths: evidence files, in any order.
        replayer: the auditor's own model.
    """
    found: list[ReplayedFile] = []
    waiting: list[_Opened] = []
    for path in paths:
        waiting.append(_open(path))
        held = sum(opened.held for opened in waiting)
        if len(waiting) == MAX_FILES or held >= MAX_HELD_BYTES:
            found += _replay(waiting, replayer=replayer)
            waiting = []
    files = (*found, *_replay(waiting, replayer=replayer))
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


@dataclass(frozen=True)
class _Opened:
    """A file that was read and verified, to be replayed."""

    path: Path
    error: AffiantError | None = None
    """Why nothing of it can be."""
    digest: Digest | None = None
    node: Address | None = None
    slot: int | None = None
    answer: Completion | None = None
    kept: KeptAnswer | None = None
    """What the answer belongs to."""
    jobs: tuple[ReplayJob, ...] = ()
    held: int = 0
    """Bytes of evidence that are kept for it, roughly."""


def _open(path: Path) -> _Opened:
    try:
        data = read_evidence_file(path)
        # Frames of evidence begin with Zstandard's magic number.
        is_answer = data[:64].lstrip().startswith(b"{")
        if is_answer:
            data = read_evidence_file(path, max_bytes=MAX_KEPT_BYTES)
    except AffiantError as failure:
        return _Opened(path, without_frames(failure))
    return _open_answer(path, data) if is_answer else _open_evidence(path, data)


def _replay(waiting: Sequence[_Opened], *, replayer: Replayer) -> list[ReplayedFile]:
    """Replay what several files hold."""
    jobs = [job for opened in waiting for job in opened.jobs]
    outcomes = replay_jobs(replayer, jobs) if jobs else iter(())
    return [
        _judged(opened, [next(outcomes) for _ in opened.jobs], replayer=replayer)
        for opened in waiting
    ]


def _judged(
    opened: _Opened,
    outcomes: Sequence[ReplayVerdict | AffiantError],
    *,
    replayer: Replayer,
) -> ReplayedFile:
    """Return what became of a file."""
    verdicts = [item for item in outcomes if not isinstance(item, AffiantError)]
    errors = [item for item in outcomes if isinstance(item, AffiantError)]
    # A lie is not hidden behind what could not be looked at.
    errors.sort(key=lambda item: not isinstance(item, RejectedError))
    error = opened.error or next(iter(errors), None)
    if error is None and opened.answer is not None and opened.kept is not None:
        # 3. of an answer. With another model's tokenizer the innocent are accused: that
        # there is a verdict says that this one is the sworn model's.
        try:
            check_words(opened.kept, completion=opened.answer, replayer=replayer)
        except AffiantError as failure:
            error = without_frames(failure)
    return ReplayedFile(
        path=str(opened.path),
        digest=opened.digest,
        node=opened.node,
        slot=opened.slot,
        answer=opened.answer,
        verdicts=tuple(verdicts),
        error=error,
    )


def _open_answer(path: Path, data: bytes) -> _Opened:
    """Verify one kept answer, to replay it.

    1. the file is what its completion swears;
    2. every token, on a folder of the sworn model and no other (`_replay`);
    3. the prompt follows from the messages, and the text from the tokens (`_judged`).
    """
    try:
        # 1.
        kept = kept_answer(data)
        completion = sworn_answer(kept)
    except AffiantError as failure:
        return _Opened(path, without_frames(failure))
    return _Opened(
        path,
        digest=completion.digest,
        node=completion.key,
        answer=completion,
        kept=kept,
        jobs=(ReplayJob(completion.sworn, completion.manifest),),
        held=len(data),
    )


def _open_evidence(path: Path, data: bytes) -> _Opened:
    """Verify one decision's evidence, to replay its inferences.

    1. the file is what its decision swears;
    2. program, engine and model are those of the mandate and of every receipt;
    3. prompts, outputs and seeds are those sworn to;
    4. every token of every inference (`_replay`).
    """
    opened = _Opened(path)
    try:
        # 1.
        bundle = EvidenceBundle.from_bytes(data)
        opened = replace(opened, digest=verify_evidence(bundle))
        opened = replace(opened, node=bundle.node, slot=bundle.decision.slot)
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
        sworn = sworn_inferences(bundle, program=manifests.program, seeds=seeds)
    except AffiantError as failure:
        return replace(opened, error=without_frames(failure))
    # 4.
    jobs = tuple(ReplayJob(item, manifests.engine) for item in sworn)
    tokens = sum(len(item.prompt_ids) + len(item.output_ids) for item in sworn)
    return replace(opened, jobs=jobs, held=tokens * _BYTES_PER_TOKEN)
