"""vLLM in this process, sampling by our sampler and prefilling in one canonical shape.

It and the logits processor `vllm_sampler` are the only modules that import vllm. It
judges nothing of its own output: `infer` re-checks it. vLLM lives in one thread of its
own: generation and prefill take turns, so that a canonical prefill is alone in its
batch, and OpenMP, whose number of threads belongs to the calling thread, splits sums
the same way whoever calls.

Logits of a prefill are read from a hook on the model, not from vLLM's prompt logprobs:
those pass every logit through Python objects (35 s for 64 tokens over 320 ids, against
0.1 s here, equal bit for bit).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affiant.encoding import JsonValue
from affiant.inference.engine import (
    GREEDY,
    Sampling,
    check_generation,
    check_prefill,
    check_seed,
)
from affiant.inference.errors import EngineUnavailableError, LogitsInvalidError
from affiant.inference.grammar import schema_text
from affiant.inference.loaded_model import LoadedModel
from affiant.inference.model_folder import model_folder
from affiant.inference.tokenizer import ModelTokenizer
from affiant.inference.vllm_process import (
    model_context,
    prepare_process,
    vllm_manifest,
    vllm_options,
)

DTYPES = ("float32", "bfloat16", "float16")
"""Types of weights and activations that may be asked for."""

_CLOSED = "closed"
_LIVE: list[Any] = []
_RETIRED: list[Any] = []
# Shutting one vLLM down takes down what all of a process share (its communication
# groups), and so does collecting it as garbage: retired ones wait for the last.


class VllmEngine(LoadedModel):
    """One model in one in-process vLLM; see `affiant.inference.engine.Engine`."""

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        revision: str | None = None,
        dtype: str | None = None,
        max_context: int | None = None,
        threads: int = 2,
        kv_cache_gib: int = 1,
        gpu_memory_utilization: float = 0.9,
    ) -> VllmEngine:
        """Start vLLM on `model`.

        Args:
            model: a folder, or a hub id together with `revision`.
            revision: commit of the hub repository.
            dtype: one of `DTYPES`; float32 on a CPU and bfloat16 on a GPU by default.
            max_context: most tokens of prompt and output; the model's own by default.
            threads: CPU threads; part of the profile, as they split sums.
            kv_cache_gib: memory of the key-value cache on a CPU, in GiB.
            gpu_memory_utilization: share of a GPU's memory that vLLM may take.

        Raises:
            ModelFileMissingError: there is no such model.
            EngineUnavailableError: vLLM is not installed or did not start.
        """
        on_gpu = torch.cuda.is_available()
        dtype = dtype or ("bfloat16" if on_gpu else "float32")
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype!r}, expected one of {DTYPES}")
        folder = model_folder(model, revision=revision)
        tokenizer = ModelTokenizer(folder)
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vllm")

        def start() -> VllmEngine:
            threads_set = prepare_process(threads=threads, kv_cache_gib=kv_cache_gib)
            llm = _start(
                vllm_options(
                    folder,
                    dtype=dtype,
                    context=max_context or model_context(folder),
                    gpu_memory_utilization=gpu_memory_utilization,
                )
            )
            return cls(
                llm,
                worker=worker,
                tokenizer=tokenizer,
                threads=0 if on_gpu else threads_set,
            )

        try:
            return worker.submit(start).result()
        except BaseException:
            worker.shutdown(wait=False)
            raise

    def __init__(
        self,
        llm: Any,
        *,
        worker: ThreadPoolExecutor,
        tokenizer: ModelTokenizer,
        threads: int,
    ) -> None:
        """Wrap a vLLM that was started in the one thread of `worker`; use `load`."""
        runner = llm.llm_engine.model_executor.driver_worker.worker.model_runner
        config = llm.llm_engine.vllm_config
        super().__init__(
            manifest=vllm_manifest(config, runner, threads=threads),
            tokenizer=tokenizer,
            vocab_size=int(config.model_config.get_vocab_size()),
            max_context=int(config.model_config.max_model_len),
        )
        self._llm = llm
        _LIVE.append(llm)
        self._model = runner.model
        self._worker = worker
        self._broken: str | None = None

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        schema: JsonValue | None,
        max_tokens: int,
        sampling: Sampling,
        seed: bytes | None,
        prefix: Sequence[int] = (),
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
        if schema is not None:
            self._compiler.compile(schema)  # refused here, by type, before vLLM sees it
        text = None if schema is None else schema_text(schema)
        with self._guarded():
            return self._worker.submit(
                self._run,
                list(prompt_ids),
                schema=text,
                max_tokens=max_tokens,
                sampling=sampling,
                seed=seed,
                prefix=tuple(prefix),
            ).result()

    def prefill(
        self, prompt_ids: Sequence[int], output_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return raw logits before each output token; see `Engine.prefill`."""
        check_prefill(
            prompt_ids,
            output_ids,
            vocab_size=self._vocab_size,
            max_context=self._max_context,
        )
        tokens = [*prompt_ids, *output_ids[:-1]]
        with self._guarded():
            return self._worker.submit(
                self._prefill, tokens, rows=len(output_ids)
            ).result()

    def close(self) -> None:
        """Shut vLLM down; the engine must not be used afterwards."""
        if self._broken == _CLOSED:
            return
        self._broken = _CLOSED
        self._worker.submit(_shut_down, self._llm).result()
        self._worker.shutdown()
        self._llm = None
        self._model = None

    def _prefill(self, tokens: list[int], *, rows: int) -> NDArray[np.float32]:
        seen: list[torch.Tensor] = []

        def keep(module: Any, args: Any, hidden: torch.Tensor) -> None:
            seen.append(hidden)

        hook = self._model.register_forward_hook(keep)
        try:
            self._run(
                tokens,
                schema=None,
                max_tokens=1,
                sampling=GREEDY,
                seed=None,
                prefix=(),
            )
        finally:
            hook.remove()
        if len(seen) != 1 or len(seen[0]) < len(tokens):
            raise RuntimeError(
                f"prefill ran in {len(seen)} pieces, expected one of {len(tokens)}"
            )
        with torch.inference_mode():
            hidden = seen[0][len(tokens) - rows : len(tokens)]
            logits = self._model.compute_logits(hidden).to(torch.float32)
        values: NDArray[np.float32] = logits.cpu().numpy()
        return values

    def _run(
        self,
        prompt: list[int],
        *,
        schema: str | None,
        max_tokens: int,
        sampling: Sampling,
        seed: bytes | None,
        prefix: tuple[int, ...],
    ) -> tuple[int, ...]:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        from affiant.inference.vllm_sampler import RequestSampling

        request = RequestSampling(sampling=sampling, seed=seed, prefix=prefix)
        params = SamplingParams(
            temperature=0.0,
            max_tokens=max_tokens,
            detokenize=False,
            stop_token_ids=sorted(self.stop_ids),
            structured_outputs=(
                None if schema is None else StructuredOutputsParams(json=schema)
            ),
            extra_args=request.to_extra_args(),
        )
        answers = self._llm.generate(
            {"prompt_token_ids": prompt}, params, use_tqdm=False
        )
        return tuple(int(token) for token in answers[0].outputs[0].token_ids)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn a breakdown into a typed error and refuse to go on after one."""
        if self._broken is not None:
            raise EngineUnavailableError(
                "vllm", got=self._broken, expected="a running engine"
            )
        try:
            yield
        except LogitsInvalidError:
            # Raised inside a step: vLLM's own bookkeeping is no longer consistent.
            self._broken = "broken down on invalid logits"
            raise
        except Exception as error:  # vLLM raises whatever its parts raise
            self._broken = f"broken down: {error}"[:500]
            raise EngineUnavailableError(
                "vllm", got=self._broken, expected="a running engine"
            ) from error


def _start(options: dict[str, Any]) -> Any:
    try:
        from vllm import LLM

        from affiant.inference.vllm_sampler import CanonicalLogitsProcessor
    except ImportError as error:
        raise EngineUnavailableError(
            "vllm", got=str(error)[:200], expected="an installed vLLM"
        ) from error
    try:
        return LLM(**options, logits_processors=[CanonicalLogitsProcessor])
    except Exception as error:  # vLLM raises whatever its parts raise
        raise EngineUnavailableError(
            "vllm", got=str(error)[:500], expected="the model to load"
        ) from error


def _shut_down(llm: Any) -> None:
    _LIVE.remove(llm)
    _RETIRED.append(llm)
    while _RETIRED and not _LIVE:
        _RETIRED.pop().llm_engine.engine_core.shutdown()
