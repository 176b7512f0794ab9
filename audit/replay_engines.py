"""The auditor's engine: one at a time, in ways that are the auditor's to choose.

It decides which engine replays what a manifest claims, and keeps no second one: a
manifest is free text of whoever signed it, and every further engine is a model in
memory. Of what it says only an engine and a type of numbers that we know are believed.
How many threads, how much memory and how long a context are the auditor's own: threads
are the process's, so that a stranger's number would change how all others are replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from affiant.audit.errors import AuditUnavailableError
from affiant.errors import AffiantError
from affiant.inference.load import GPU_SHARE, EngineName
from affiant.inference.manifest import EngineManifest
from affiant.inference.replay_memory import MAX_REPLAY_BYTES

if TYPE_CHECKING:
    from affiant.inference.engine import Engine

EngineChoice = Literal["auto", "same", "transformers"]
"""Which engine replays."""

ENGINES: dict[str, EngineChoice] = {
    "auto": "auto",
    "same": "same",
    "transformers": "transformers",
}
"""The choices by their names on a command line."""

THREADS = 2
"""CPU threads, as every command that serves or calibrates has them."""

_NAMES: dict[str, EngineName] = {"vllm": "vllm", "transformers": "transformers"}
_DTYPES = ("float32", "bfloat16", "float16")
_ANOTHER = "this machine's profile is another"

Progress = Callable[[str], None]
"""Told in words what is being done."""


@dataclass(frozen=True)
class ReplayLimits:
    """What an auditor gives a replay; nothing that evidence says changes it."""

    max_context: int | None = None
    """Most tokens of prompt and output; the model's own where not given."""
    memory_bytes: int = MAX_REPLAY_BYTES
    """Memory for logits and masks of what is replayed at once."""
    gpu_share: float = GPU_SHARE
    """Share of a GPU's memory that vLLM may take."""

    def require_room(self, tokens: int) -> None:
        """Refuse what is longer than the auditor's own context.

        It may well fit the node's: nothing is said against it.

        Args:
            tokens: of prompt and output together.

        Raises:
            AuditUnavailableError: it is.
        """
        if self.max_context is not None and tokens > self.max_context:
            raise AuditUnavailableError(
                "replay",
                reason=f"{tokens} tokens, with a context of {self.max_context} here",
            )


@dataclass(frozen=True)
class _Way:
    """A way to run the model."""

    name: EngineName
    dtype: str | None
    """None: float32 on a CPU and bfloat16 on a GPU."""


class ReplayEngines:
    """A model folder's engine, and how to get the right one."""

    def __init__(
        self,
        folder: Path,
        *,
        choice: EngineChoice = "auto",
        limits: ReplayLimits | None = None,
        threads: int = THREADS,
        progress: Progress | None = None,
    ) -> None:
        """Load nothing yet.

        Args:
            folder: of the model.
            choice: `auto` takes the sworn engine where it runs here in the same
                profile, and transformers otherwise; the others insist.
            limits: what the auditor gives a replay.
            threads: CPU threads of every engine.
            progress: told what is being loaded.
        """
        self._folder = folder
        self._choice = choice
        self._limits = limits or ReplayLimits()
        self._threads = threads
        self._progress = progress
        self._way: _Way | None = None
        self._engine: Engine | None = None
        self._profiles: dict[_Way, EngineManifest] = {}
        self._failures: dict[_Way, str] = {}

    @property
    def live(self) -> Engine | None:
        """The one that is loaded."""
        return self._engine

    def prepare(self, name: EngineName, *, dtype: str | None = None) -> EngineManifest:
        """Load an engine ahead of any replay; return the profile that it replays in.

        Raises:
            AuditUnavailableError: it does not load.
        """
        engine = self._loaded(_Way(name, dtype))
        self._way = _Way(name, engine.manifest.dtype)
        self._profiles[self._way] = engine.manifest
        return engine.manifest

    def engine_for(self, manifest: EngineManifest) -> Engine:
        """Return the engine that replays what `manifest` generated.

        The one returned before is closed, if it is another.

        Args:
            manifest: hostile.

        Raises:
            AuditUnavailableError: none loads, or not in the profile that was insisted
                on.
        """
        if self._choice != "transformers":
            try:
                return self._same(manifest)
            except AuditUnavailableError as error:
                if self._choice == "same":
                    raise AuditUnavailableError(
                        "replay in the same profile", reason=error.reason
                    ) from error
        return self._loaded(_Way("transformers", _known_dtype(manifest)))

    def drop(self) -> None:
        """Close the engine; the next replay loads it again."""
        engine, self._engine, self._way = self._engine, None, None
        if engine is not None:
            engine.close()

    def _same(self, manifest: EngineManifest) -> Engine:
        """Return an engine of the very profile.

        What can be told without loading is: the engine that is loaded stays.

        Raises:
            AuditUnavailableError: there is none here.
        """
        name = _NAMES.get(manifest.engine)
        if name is None:
            raise AuditUnavailableError("engine", reason=f"none of {sorted(_NAMES)}")
        if manifest.threads not in (0, self._threads):
            raise AuditUnavailableError(
                "engine",
                reason=f"threads: got {manifest.threads}, expected {self._threads}",
            )
        way = _Way(name, _known_dtype(manifest))
        known = self._profiles.get(way)
        if known is None:
            known = self._loaded(way).manifest
        if known.hash != manifest.hash:
            raise AuditUnavailableError("engine", reason=_ANOTHER)
        return self._loaded(way)

    def _loaded(self, way: _Way) -> Engine:
        """Return the engine of one way, in place of any other.

        Raises:
            AuditUnavailableError: it does not load; one that never did is not tried
                again.
        """
        if self._engine is not None and self._way == way:
            return self._engine
        if way in self._failures:
            raise AuditUnavailableError("replay engine", reason=self._failures[way])
        self.drop()
        if self._progress is not None:
            numbers = "" if way.dtype is None else f" ({way.dtype})"
            self._progress(f"loading the model in {way.name}{numbers}")
        try:
            self._engine = self._load(way)
        except (ImportError, ValueError, AffiantError) as error:
            reason = str(error)[:300]
            if way not in self._profiles:
                self._failures[way] = reason
            raise AuditUnavailableError("replay engine", reason=reason) from error
        self._way = way
        self._profiles[way] = self._engine.manifest
        return self._engine

    def _load(self, way: _Way) -> Engine:
        if way.name == "vllm":
            from affiant.inference.vllm_engine import VllmEngine
            from affiant.inference.vllm_process import VllmSettings

            settings = VllmSettings(
                dtype=way.dtype,
                threads=self._threads,
                max_context=self._limits.max_context,
                gpu_memory_utilization=self._limits.gpu_share,
            )
            return VllmEngine.load(self._folder, settings=settings)
        from affiant.inference.transformers_engine import TransformersEngine

        return TransformersEngine.load(
            self._folder, dtype=way.dtype, threads=self._threads
        )


def _known_dtype(manifest: EngineManifest) -> str:
    """Return the type of numbers that a manifest names.

    Raises:
        AuditUnavailableError: we know no such type.
    """
    if manifest.dtype not in _DTYPES:
        raise AuditUnavailableError("engine", reason=f"dtype: none of {_DTYPES}")
    return manifest.dtype
