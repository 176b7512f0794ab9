"""transformers as the second engine: independent kernels, the same rules.

It generates by the canonical sampler token by token, and prefills all positions in one
forward pass without a cache. It shares the tokenizer and the grammar backend with the
first engine, and no model code. It runs on a GPU where there is one.

The number of CPU threads is part of the profile, and torch's is the process's: each
prefill sets its own, and engines on a CPU take turns, whatever others were loaded with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affiant.encoding import JsonValue
from affiant.errors import AffiantError, MalformedError
from affiant.inference.device import device_class
from affiant.inference.engine import (
    Prefill,
    PrefillJob,
    check_generation,
    check_prefill,
)
from affiant.inference.environment import require_plain_environment
from affiant.inference.errors import AbandonedError, EngineUnavailableError
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.grammar import grammar_manifest
from affiant.inference.loaded_model import LoadedModel
from affiant.inference.manifest import EngineManifest
from affiant.inference.model_folder import model_folder
from affiant.inference.sampler import SAMPLER, Draw, choose_tokens
from affiant.inference.sampling import Sampling, check_seed
from affiant.inference.tokenizer import ModelTokenizer

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Types of weights and activations that may be asked for."""

ATTENTION = "sdpa"
"""Attention implementation that is asked for."""

BATCH_TOKENS = 8192
"""Most tokens, padding included, of one batch of prefills."""

_CPU = threading.Lock()
# One at a time: the number of threads belongs to the process.


class TransformersEngine(LoadedModel):
    """One model in transformers; see `affiant.inference.engine.Engine`."""

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        revision: str | None = None,
        dtype: str | None = None,
        gpu: bool | None = None,
        threads: int = 2,
    ) -> TransformersEngine:
        """Load `model`.

        Args:
            model: a folder, or a hub id together with `revision`.
            revision: commit of the hub repository.
            dtype: one of `DTYPES`; float32 on a CPU and bfloat16 on a GPU where not
                given.
            gpu: run on the first GPU; by default if there is one.
            threads: CPU threads; part of the profile, as they split sums.

        Raises:
            ModelFileMissingError: there is no such model.
            EngineUnavailableError: transformers did not load it, or the environment
                holds a switch that changes its numbers.
        """
        gpu = torch.cuda.is_available() if gpu is None else gpu
        dtype = dtype or ("bfloat16" if gpu else "float32")
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype!r}, expected one of {sorted(DTYPES)}")
        require_plain_environment("transformers")
        folder = model_folder(model, revision=revision)
        tokenizer = ModelTokenizer(folder)
        with _CPU:
            torch.set_num_threads(threads)
            # vLLM, once started in this process, allows no other number.
            allowed = torch.get_num_threads()
        # Imported late: the class tree of transformers takes seconds.
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            loaded = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=DTYPES[dtype],
                attn_implementation=ATTENTION,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
            loaded = loaded.to("cuda" if gpu else "cpu").eval()
        except Exception as error:  # transformers raises whatever its parts raise
            raise EngineUnavailableError(
                "transformers", got=str(error)[:500], expected=f"`{folder}` to load"
            ) from error
        return cls(
            loaded,
            tokenizer=tokenizer,
            manifest=EngineManifest(
                engine="transformers",
                engine_version=f"transformers {version('transformers')}",
                torch_version=str(torch.__version__),
                dtype=dtype,
                kv_dtype="none",
                attention=ATTENTION,
                tensor_parallel=1,
                pipeline_parallel=1,
                threads=0 if gpu else allowed,
                execution="eager",
                batch_invariant=False,
                grammar=grammar_manifest(),
                sampler=SAMPLER,
                fingerprint=FINGERPRINT,
                device=device_class(gpu=gpu),
            ),
        )

    def __init__(
        self, model: Any, *, tokenizer: ModelTokenizer, manifest: EngineManifest
    ) -> None:
        """Wrap a loaded model; use `load`."""
        config = model.config.get_text_config()
        super().__init__(
            manifest=manifest,
            tokenizer=tokenizer,
            vocab_size=int(config.vocab_size),
            max_context=int(config.max_position_embeddings),
        )
        self._model = model
        # On an accelerator threads change nothing, and are stated as 0.
        self._lock = _CPU if manifest.threads else threading.Lock()

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        schema: JsonValue | None,
        max_tokens: int,
        sampling: Sampling,
        seed: bytes | None,
        prefix: Sequence[int] = (),
        wanted: Callable[[], bool] | None = None,
    ) -> tuple[int, ...]:
        """Return output ids; see `Engine.generate`."""
        check_generation(
            prompt_ids,
            prefix=prefix,
            max_tokens=max_tokens,
            vocab_size=self._vocab_size,
            max_context=self._max_context,
        )
        check_seed(seed, sampling=sampling)
        cursor = None if schema is None else self._compiler.compile(schema).cursor()
        output: list[int] = []
        with self._running():
            pending, cache = list(prompt_ids), None
            while len(output) < max_tokens:
                if wanted is not None and not wanted():
                    raise AbandonedError
                if len(output) < len(prefix):
                    token = prefix[len(output)]
                else:
                    answer = self._model(
                        input_ids=self._tensor(pending),
                        past_key_values=cache,
                        use_cache=True,
                        logits_to_keep=1,
                    )
                    pending, cache = [], answer.past_key_values
                    mask = None if cursor is None else cursor.allowed()[None, :]
                    (chosen,) = choose_tokens(
                        _array(answer.logits[0]),
                        [Draw(sampling, seed=seed, position=len(output))],
                        allowed=mask,
                    )
                    token = int(chosen)
                if cursor is not None and not cursor.accept(token):
                    raise MalformedError(
                        f"prefix[{len(output)}]",
                        got=str(token),
                        expected="a token that the grammar allows",
                    )
                output.append(token)
                pending.append(token)
                if token in self.stop_ids:
                    break
        return tuple(output)

    def prefill(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Prefill:
        """Return what the model computes before each output token; canonical."""
        (found,) = self._prefill([PrefillJob(tuple(prompt_ids), tuple(output_ids))])
        return found

    def prefill_many(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        """Return the same for several, in padded batches; not canonical."""
        found: dict[int, Prefill] = {}
        # Of like length together, so that little is padded.
        order = sorted(range(len(jobs)), key=lambda at: jobs[at].length)
        while order:
            longest = jobs[order[-1]].length
            batch = order[-max(BATCH_TOKENS // longest, 1) :]
            del order[-len(batch) :]
            done = self._prefill([jobs[at] for at in batch])
            found.update(zip(batch, done, strict=True))
        return [found[index] for index in range(len(jobs))]

    def close(self) -> None:
        """Drop the model; the engine must not be used afterwards."""
        with self._lock:
            self._model = None

    def _prefill(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        for job in jobs:
            check_prefill(
                job.prompt_ids,
                job.output_ids,
                vocab_size=self._vocab_size,
                max_context=self._max_context,
            )
        rows = max(len(job.output_ids) for job in jobs)
        seen: list[torch.Tensor] = []

        def keep(module: Any, args: tuple[torch.Tensor]) -> None:
            seen.append(args[0])

        with self._running():
            head = self._model.get_output_embeddings()
            hook = head.register_forward_pre_hook(keep)
            try:
                answer = self._model(
                    **self._batch([job.tokens for job in jobs]),
                    use_cache=False,
                    logits_to_keep=rows,
                )
            finally:
                hook.remove()
            (hidden,) = seen
            return [
                Prefill(
                    logits=_array(answer.logits[at, rows - len(job.output_ids) :]),
                    hidden=_array(hidden[at, rows - len(job.output_ids) :]),
                )
                for at, job in enumerate(jobs)
            ]

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Hold the model, in the threads of its profile; type whatever breaks down.

        Raises:
            EngineUnavailableError: it broke down, was closed, or cannot have them.
        """
        with self._lock:
            if self._model is None:
                raise _unavailable("closed")
            threads = self._manifest.threads
            if threads:
                torch.set_num_threads(threads)
                if torch.get_num_threads() != threads:
                    # vLLM, once started in this process, allows no other number.
                    raise _unavailable(
                        f"{torch.get_num_threads()} threads, not {threads}"
                    )
            try:
                with torch.inference_mode():
                    yield
            except AffiantError:
                raise
            except Exception as error:  # torch raises whatever its parts raise
                raise _unavailable(f"broken down: {error}") from error

    def _batch(self, tokens: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Return the model's inputs: one row as it is, several padded on the left."""
        if len(tokens) == 1:
            return {"input_ids": self._tensor(tokens[0])}
        width = max(len(ids) for ids in tokens)
        padded = [[0] * (width - len(ids)) + list(ids) for ids in tokens]
        mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in tokens]
        attention = torch.tensor(mask, device=self._model.device)
        return {
            "input_ids": torch.tensor(padded, device=self._model.device),
            "attention_mask": attention,
            "position_ids": (attention.cumsum(1) - 1).clamp(min=0),
        }

    def _tensor(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor([list(ids)], dtype=torch.int64, device=self._model.device)


def _unavailable(got: str) -> EngineUnavailableError:
    return EngineUnavailableError(
        "transformers", got=got[:500], expected="a running engine"
    )


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = values.to(torch.float32).cpu().numpy()
    return found
