"""The auditor's own model: a committed folder, its tokenizer, one prefill per decision.

It decides which engine replays: transformers, on purpose not the engine that serves
(vLLM), in the type of numbers that the sworn engine manifest names. It says which model
the folder commits to and lets nobody take it for another. It trusts the folder's bytes
only as far as their commitment goes. torch is imported when a token is replayed, not
before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from affiant.audit.errors import AuditUnavailableError
from affiant.encoding import Digest, JsonValue, to_hex
from affiant.errors import AffiantError
from affiant.inference.engine import Sampling
from affiant.inference.manifest import EngineManifest
from affiant.inference.receipt import InferenceReceipt
from affiant.inference.trace import Trace

if TYPE_CHECKING:
    from affiant.inference.replay import ReplayVerdict
    from affiant.inference.tokenizer import ModelTokenizer
    from affiant.inference.transformers_engine import TransformersEngine

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
        self,
        *,
        manifest: EngineManifest,
        receipt: InferenceReceipt,
        prompt_ids: Sequence[int],
        output_ids: Sequence[int],
        trace: Trace,
        schema: JsonValue,
        sampling: Sampling,
        seed: bytes | None,
        max_tokens: int,
    ) -> ReplayVerdict:
        """Replay every token from one prefill and return the verdict."""
        ...


class FolderReplayer:
    """A model folder, replayed with transformers."""

    def __init__(self, folder: str | Path, *, progress: Progress | None = None) -> None:
        """Compute the folder's commitment; nothing is loaded yet.

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
        self._progress = progress
        self._engines: dict[str, TransformersEngine] = {}
        self._tokenizer: ModelTokenizer | None = None

    @property
    def root(self) -> Digest:
        """Root of the folder's commitment."""
        return self._root

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
        self,
        *,
        manifest: EngineManifest,
        receipt: InferenceReceipt,
        prompt_ids: Sequence[int],
        output_ids: Sequence[int],
        trace: Trace,
        schema: JsonValue,
        sampling: Sampling,
        seed: bytes | None,
        max_tokens: int,
    ) -> ReplayVerdict:
        """Replay with transformers in the manifest's type of numbers.

        Raises:
            AuditUnavailableError: the folder is of another model, or does not load.
            RejectedError: the inference is not what the receipt swears.
        """
        if receipt.model != self._root:
            raise AuditUnavailableError(
                "replay",
                reason=f"other model folder: {to_hex(self._root)}, "
                f"sworn {to_hex(receipt.model)}",
            )
        from affiant.inference.replay import replay

        return replay(
            self._engine(manifest.dtype),
            receipt=receipt,
            prompt_ids=prompt_ids,
            output_ids=output_ids,
            trace=trace,
            schema=schema,
            sampling=sampling,
            seed=seed,
            max_tokens=max_tokens,
            model=self._root,
        )

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

    def _engine(self, dtype: str) -> TransformersEngine:
        if dtype not in self._engines:
            if self._progress is not None:
                self._progress(f"loading the model in transformers ({dtype})")
            try:
                from affiant.inference.transformers_engine import TransformersEngine

                self._engines[dtype] = TransformersEngine.load(
                    self._folder, dtype=dtype
                )
            except (ImportError, ValueError, AffiantError) as error:
                raise AuditUnavailableError(
                    "replay engine", reason=str(error)[:300]
                ) from error
        return self._engines[dtype]


def replayer_of(
    folder: str | Path | None, *, progress: Progress | None = None
) -> tuple[FolderReplayer | None, str]:
    """Return a replayer for `folder`, or None, and in words why.

    A folder that cannot be used does not end the audit: what needs it is skipped.
    """
    if folder is None:
        return None, "No model folder was given, so no token was replayed."
    try:
        replayer = FolderReplayer(folder, progress=progress)
    except AuditUnavailableError as error:
        return None, f"The model folder cannot be used: {error.reason}."
    return replayer, (
        "Tokens were replayed with transformers on a model folder whose commitment is "
        f"{to_hex(replayer.root)}."
    )
