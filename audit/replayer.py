"""The auditor's own model: a committed folder, its tokenizer, a prefill per inference.

It decides which engine replays: the sworn one, where this machine can run it in the
very same profile, because only there a replay is exact; else transformers, which shares
no model code with vLLM, within what a calibration allows. It says which model the
folder commits to and lets nobody take it for another. It trusts the folder's bytes only
as far as their commitment goes. torch is imported when a token is replayed, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from affiant.audit.errors import AuditUnavailableError
from affiant.encoding import Digest, to_hex
from affiant.errors import AffiantError
from affiant.inference.manifest import EngineManifest

if TYPE_CHECKING:
    from affiant.inference.engine import Engine
    from affiant.inference.profile import Profile
    from affiant.inference.replay import ReplayVerdict, SwornInference
    from affiant.inference.tokenizer import ModelTokenizer

EngineName = Literal["vllm", "transformers"]
"""An engine of ours."""

EngineChoice = Literal["auto", "same", "transformers"]
"""Which engine replays."""

ENGINES: dict[str, EngineChoice] = {
    "auto": "auto",
    "same": "same",
    "transformers": "transformers",
}
"""The choices by their names on a command line."""

MAX_THREADS = 64
"""Most CPU threads that a sworn manifest can make an auditor start."""

Progress = Callable[[str], None]
"""Told in words what is being done."""


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
        progress: Progress | None = None,
    ) -> None:
        """Compute the folder's commitment; nothing is loaded yet.

        Args:
            folder: the auditor's own copy of the model.
            engine: `auto` takes the sworn engine where it runs here in the same
                profile, and transformers otherwise; the others insist.
            profiles: calibrations that the auditor believes.
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
        self._choice = engine
        self._profiles = tuple(profiles)
        self._progress = progress
        self._engines: dict[tuple[str, str, int], Engine] = {}
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
            AuditUnavailableError: the folder is of another model, or no engine loads.
            RejectedError: the inference is not what the receipt swears.
        """
        if sworn.receipt.model != self._root:
            raise AuditUnavailableError(
                "replay",
                reason=f"other model folder: {to_hex(self._root)}, "
                f"sworn {to_hex(sworn.receipt.model)}",
            )
        from affiant.inference.replay import replay

        return replay(
            self.engine_for(manifest),
            sworn,
            model=self._root,
            profiles=self._profiles,
        )

    def prepare(
        self, name: EngineName, *, dtype: str | None = None, threads: int = 2
    ) -> EngineManifest:
        """Load an engine ahead of any replay; return the profile that it replays in.

        Args:
            name: which engine.
            dtype: float32 on a CPU and bfloat16 on a GPU where not given.
            threads: CPU threads.

        Raises:
            AuditUnavailableError: it does not load.
        """
        engine = self._loaded(name, dtype=dtype, threads=threads)
        manifest = engine.manifest
        self._engines[(name, manifest.dtype, manifest.threads)] = engine
        return manifest

    def close(self) -> None:
        """Drop the loaded models."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

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

    def engine_for(self, manifest: EngineManifest) -> Engine:
        """Return the engine that replays what `manifest` generated; loaded once.

        Raises:
            AuditUnavailableError: none loads, or not in the profile that was insisted
                on.
        """
        if self._choice != "transformers":
            try:
                same = self._engine(manifest.engine, manifest=manifest)
                if same.manifest.hash == manifest.hash:
                    return same
                reason = "this machine's profile is another"
            except AuditUnavailableError as error:
                reason = error.reason
            if self._choice == "same":
                raise AuditUnavailableError("replay in the same profile", reason=reason)
        return self._engine("transformers", manifest=manifest)

    def _engine(self, name: str, *, manifest: EngineManifest) -> Engine:
        key = (name, manifest.dtype, manifest.threads)
        if key not in self._engines:
            # On an accelerator the number of threads changes nothing and is stated
            # as 0.
            self._engines[key] = self._loaded(
                name, dtype=manifest.dtype, threads=manifest.threads or 2
            )
        return self._engines[key]

    def _loaded(self, name: str, *, dtype: str | None, threads: int) -> Engine:
        if self._progress is not None:
            numbers = "" if dtype is None else f" ({dtype})"
            self._progress(f"loading the model in {name}{numbers}")
        try:
            return _load(self._folder, name, dtype=dtype, threads=threads)
        except (ImportError, ValueError, AffiantError) as error:
            raise AuditUnavailableError(
                "replay engine", reason=str(error)[:300]
            ) from error


def _load(folder: Path, name: str, *, dtype: str | None, threads: int) -> Engine:
    """Load `folder` into an engine, as near to what is asked as this machine comes."""
    if threads > MAX_THREADS:
        raise ValueError(f"threads: got {threads}, expected at most {MAX_THREADS}")
    if name == "vllm":
        from affiant.inference.vllm_engine import VllmEngine
        from affiant.inference.vllm_process import VllmSettings

        settings = VllmSettings(dtype=dtype, threads=threads)
        return VllmEngine.load(folder, settings=settings)
    from affiant.inference.transformers_engine import TransformersEngine

    return TransformersEngine.load(folder, dtype=dtype or "float32", threads=threads)


def replayer_of(
    folder: str | Path | None,
    *,
    engine: EngineChoice = "auto",
    profiles: Sequence[Profile] = (),
    progress: Progress | None = None,
) -> tuple[FolderReplayer | None, str]:
    """Return a replayer for `folder`, or None, and in words why.

    A folder that cannot be used does not end the audit: what needs it is skipped.
    """
    if folder is None:
        return None, "No model folder was given, so no token was replayed."
    try:
        replayer = FolderReplayer(
            folder, engine=engine, profiles=profiles, progress=progress
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
