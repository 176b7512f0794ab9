"""The auditor's own model: a committed folder, its tokenizer, a prefill per inference.

It decides which engine replays (`replay_engines`): the sworn one, where this machine
can run it in the very same profile, because only there a replay is exact; else
transformers, which shares no model code with vLLM, within what a calibration allows.
It says which model the folder commits to and lets nobody take it for another. It trusts
the folder's bytes only as far as their commitment goes. torch is imported when a token
is replayed, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replay_engines import (
    THREADS,
    EngineChoice,
    Progress,
    ReplayEngines,
    ReplayLimits,
)
from affiant.encoding import Digest, to_hex
from affiant.errors import AffiantError
from affiant.inference.load import EngineName
from affiant.inference.manifest import EngineManifest

if TYPE_CHECKING:
    from affiant.inference.engine import Engine
    from affiant.inference.profile import Profile
    from affiant.inference.replay import ReplayVerdict, SwornInference
    from affiant.inference.tokenizer import ModelTokenizer


@dataclass(frozen=True)
class ReplayJob:
    """One inference to be replayed."""

    sworn: SwornInference
    """Hostile."""
    manifest: EngineManifest
    """What its receipt's engine hash stands for; hostile as well."""


class Replayer(Protocol):
    """One model of the auditor's, to tokenise with and to replay on.

    `root` MUST be computed from the bytes that `encode` and `replay` use.
    """

    @property
    def root(self) -> Digest:
        """Root of the folder's commitment."""
        ...

    @property
    def profiles(self) -> Sequence[Profile]:
        """Calibrations that its verdicts may rest on."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        ...

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return the ids of chat messages; None without a chat template."""
        ...

    def replay(
        self, sworn: SwornInference, *, manifest: EngineManifest
    ) -> ReplayVerdict:
        """Replay every token from one prefill and return the verdict."""
        ...


class FolderReplayer:
    """A model folder, replayed with the sworn engine or with transformers."""

    def __init__(
        self,
        folder: str | Path,
        *,
        engine: EngineChoice = "auto",
        profiles: Sequence[Profile] = (),
        limits: ReplayLimits | None = None,
        threads: int = THREADS,
        progress: Progress | None = None,
    ) -> None:
        """Compute the folder's commitment; nothing is loaded yet.

        Args:
            folder: the auditor's own copy of the model.
            engine: `auto` takes the sworn engine where it runs here in the same
                profile, and transformers otherwise; the others insist.
            profiles: calibrations that the auditor believes.
            limits: what the auditor gives a replay.
            threads: CPU threads of every engine.
            progress: told what is being done.

        Raises:
            AuditUnavailableError: the folder cannot be committed to, or this
                installation has no torch (extra `audit`).
        """
        try:
            from affiant.inference.commitment import commit_model

            if progress is not None:
                progress(f"committing to the model in {folder}")
            self._root = commit_model(Path(folder)).root
        except ImportError as error:
            raise AuditUnavailableError(
                "model folder", reason=f"install affiant[audit]: {error}"
            ) from error
        except AffiantError as error:
            raise AuditUnavailableError("model folder", reason=str(error)) from error
        self._folder = Path(folder).resolve()
        self._profiles = tuple(profiles)
        self.limits = limits or ReplayLimits()
        self.engines = ReplayEngines(
            self._folder,
            choice=engine,
            limits=self.limits,
            threads=threads,
            progress=progress,
        )
        self._tokenizer: ModelTokenizer | None = None

    @property
    def root(self) -> Digest:
        """Root of the folder's commitment."""
        return self._root

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Calibrations that the auditor believes."""
        return self._profiles

    def encode(self, text: str) -> list[int]:
        """Return the token ids of `text`."""
        return self._words().encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special tokens left out."""
        return self._words().decode(ids)

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int] | None:
        """Return the ids of chat messages; None without a chat template."""
        return self._words().chat(messages)

    def replay(
        self, sworn: SwornInference, *, manifest: EngineManifest
    ) -> ReplayVerdict:
        """Replay in the sworn profile where it can be had here, else elsewhere.

        Args:
            sworn: hostile evidence.
            manifest: what the receipt's engine hash stands for.

        Raises:
            AuditUnavailableError: the folder is of another model, it is longer than the
                auditor's context, or no engine loads.
            EngineUnavailableError, ReplayMemoryError: it cannot be replayed here.
            RejectedError: the inference is not what the receipt swears.
        """
        (found,) = self.replay_each([ReplayJob(sworn, manifest)])
        if isinstance(found, AffiantError):
            raise found
        return found

    def replay_each(
        self, jobs: Sequence[ReplayJob]
    ) -> list[ReplayVerdict | AffiantError]:
        """Replay several, and return for each what `replay` returns or raises.

        Those of one profile are replayed together where that need not be exact.
        """
        from affiant.inference.replay import without_frames

        found: dict[int, ReplayVerdict | AffiantError] = {}
        groups: dict[Digest, list[int]] = {}
        for at, job in enumerate(jobs):
            try:
                self._require_own(job.sworn)
                groups.setdefault(job.manifest.hash, []).append(at)
            except AffiantError as error:
                found[at] = without_frames(error)
        for places in groups.values():
            done = self._replay_group([jobs[at] for at in places])
            found.update(zip(places, done, strict=True))
        return [found[at] for at in range(len(jobs))]

    def _replay_group(
        self, jobs: Sequence[ReplayJob]
    ) -> list[ReplayVerdict | AffiantError]:
        """Replay what one engine generated."""
        from affiant.inference.errors import EngineUnavailableError
        from affiant.inference.replay import replay_each, without_frames

        try:
            engine = self.engine_for(jobs[0].manifest)
        except AffiantError as error:
            return [without_frames(error)] * len(jobs)
        found = replay_each(
            engine,
            [job.sworn for job in jobs],
            model=self._root,
            profiles=self._profiles,
            most_bytes=self.limits.memory_bytes,
        )
        broken = [isinstance(item, EngineUnavailableError) for item in found]
        if any(broken):
            # What breaks an engine must not cost others their replay.
            self.engines.drop()
        if len(jobs) == 1:
            return found
        return [
            self._replay_group([job])[0] if failed else item
            for job, item, failed in zip(jobs, found, broken, strict=True)
        ]

    def _require_own(self, sworn: SwornInference) -> None:
        if sworn.receipt.model != self._root:
            raise AuditUnavailableError(
                "replay",
                reason=f"other model folder: {to_hex(self._root)}, "
                f"sworn {to_hex(sworn.receipt.model)}",
            )
        self.limits.require_room(len(sworn.prompt_ids) + len(sworn.output_ids))

    def prepare(self, name: EngineName, *, dtype: str | None = None) -> EngineManifest:
        """Load an engine ahead of any replay; return the profile that it replays in.

        Args:
            name: which engine.
            dtype: float32 on a CPU and bfloat16 on a GPU where not given.

        Raises:
            AuditUnavailableError: it does not load.
        """
        return self.engines.prepare(name, dtype=dtype)

    def engine_for(self, manifest: EngineManifest) -> Engine:
        """Return the engine that replays what `manifest` generated.

        Raises:
            AuditUnavailableError: none loads, or not in the profile that was insisted
                on.
        """
        return self.engines.engine_for(manifest)

    def close(self) -> None:
        """Drop the loaded model."""
        self.engines.drop()

    def _words(self) -> ModelTokenizer:
        if self._tokenizer is None:
            try:
                from affiant.inference.tokenizer import ModelTokenizer

                self._tokenizer = ModelTokenizer(self._folder)
            except (ImportError, AffiantError) as error:
                raise AuditUnavailableError(
                    "tokenizer", reason=str(error)[:300]
                ) from error
        return self._tokenizer


def replay_jobs(
    replayer: Replayer, jobs: Sequence[ReplayJob]
) -> Iterator[ReplayVerdict | AffiantError]:
    """Replay several: together where the replayer can, else one after another.

    Yields for each, in order, what `Replayer.replay` returns or raises. Whoever stops
    asking at the first that fails spares a replayer that takes one at a time the rest.
    """
    if isinstance(replayer, FolderReplayer):
        yield from replayer.replay_each(jobs)
        return
    for job in jobs:
        try:
            verdict = replayer.replay(job.sworn, manifest=job.manifest)
        except AffiantError as error:
            yield error
        else:
            yield verdict


def replayer_of(
    folder: str | Path | None,
    *,
    engine: EngineChoice = "auto",
    profiles: Sequence[Profile] = (),
    limits: ReplayLimits | None = None,
    progress: Progress | None = None,
) -> tuple[FolderReplayer | None, str]:
    """Return a replayer for `folder`, or None, and in words why.

    A folder that cannot be used does not end the audit: what needs it is skipped.
    """
    if folder is None:
        return None, "No model folder was given, so no token was replayed."
    try:
        replayer = FolderReplayer(
            folder, engine=engine, profiles=profiles, limits=limits, progress=progress
        )
    except AuditUnavailableError as error:
        return None, f"The model folder cannot be used: {error.reason}."
    return replayer, (
        "Tokens were replayed on a model folder whose commitment is "
        f"{to_hex(replayer.root)}: {_ENGINE_WORDS[engine]}."
    )


_ENGINE_WORDS = {
    "auto": "with the sworn engine where it ran in the same profile, else transformers",
    "same": "with the sworn engine in the same profile",
    "transformers": "with transformers",
}
