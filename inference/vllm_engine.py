"""vLLM in this process, sampling by our sampler and prefilling in one canonical shape.

With `vllm_loop`, `vllm_scheduler` and the logits processor `vllm_sampler` it is all
that imports or drives vllm. It judges nothing of its own output: `infer` re-checks it.
Whoever asks at the same time is generated in one batch; a canonical prefill is alone.

Logits of a prefill are read from a hook on the model, not from vLLM's prompt logprobs:
those pass every logit through Python objects (35 s for 64 tokens over 320 ids, against
0.1 s here, equal bit for bit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from affiant.encoding import JsonValue
from affiant.errors import MalformedError
from affiant.inference.engine import (
    Prefill,
    PrefillJob,
    check_generation,
    check_prefill,
)
from affiant.inference.environment import require_plain_environment
from affiant.inference.errors import (
    AbandonedError,
    EngineUnavailableError,
    LogitsInvalidError,
)
from affiant.inference.grammar import schema_text
from affiant.inference.loaded_model import LoadedModel
from affiant.inference.model_folder import model_folder
from affiant.inference.sampling import GREEDY, Sampling, check_seed
from affiant.inference.tokenizer import ModelTokenizer
from affiant.inference.vllm_loop import RequestRefusedError, VllmLoop
from affiant.inference.vllm_process import (
    VllmSettings,
    model_context,
    prepare_process,
    vllm_manifest,
    vllm_options,
)
from affiant.inference.vllm_release import release

_CLOSED = "closed"
_LIVE: list[Any] = []
_RETIRED: list[Any] = []
# Shutting one vLLM down takes down what all of a process share (its communication
# groups), and so does collecting it as garbage: retired ones wait for the last, with
# nothing of their weights and caches left.


class VllmEngine(LoadedModel):
    """One model in one in-process vLLM; see `affiant.inference.engine.Engine`."""

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        revision: str | None = None,
        settings: VllmSettings | None = None,
    ) -> VllmEngine:
        """Start vLLM on `model`.

        Args:
            model: a folder, or a hub id together with `revision`.
            revision: commit of the hub repository.
            settings: how vLLM is set up.

        Raises:
            ModelFileMissingError: there is no such model.
            EngineUnavailableError: vLLM is not installed or did not start, or the
                environment holds a switch that changes its numbers.
        """
        require_plain_environment("vllm")
        settings = settings or VllmSettings()
        folder = model_folder(model, revision=revision)
        tokenizer = ModelTokenizer(folder)
        context = settings.max_context or model_context(folder)
        threads = [0]

        def start() -> Any:
            threads[0] = prepare_process(settings)
            return _start(vllm_options(folder, context=context, settings=settings))

        loop = VllmLoop(start)
        on_gpu = torch.cuda.is_available()
        return cls(loop, tokenizer=tokenizer, threads=0 if on_gpu else threads[0])

    def __init__(
        self, loop: VllmLoop, *, tokenizer: ModelTokenizer, threads: int
    ) -> None:
        """Wrap a vLLM that runs in `loop`; use `load`."""
        config = loop.vllm.vllm_config
        super().__init__(
            manifest=vllm_manifest(config, loop.runner, threads=threads),
            tokenizer=tokenizer,
            vocab_size=int(config.model_config.get_vocab_size()),
            max_context=int(config.model_config.max_model_len),
        )
        self._loop = loop
        self._step_tokens = int(config.scheduler_config.max_num_batched_tokens)
        self._step_requests = int(config.scheduler_config.max_num_seqs)
        self._broken: str | None = None
        _LIVE.append(loop.vllm)

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
        """Return output ids; see `Engine.generate`.

        Calls from several threads at the same time share vLLM's batch.
        """
        check_generation(
            prompt_ids,
            prefix=prefix,
            max_tokens=max_tokens,
            vocab_size=self._vocab_size,
            max_context=self._max_context,
        )
        check_seed(seed, sampling=sampling)
        given: tuple[int, ...] = ()
        if schema is None:
            # Read at once; under a grammar, vLLM must be led through it token by token.
            given, prefix = tuple(prefix), ()
        else:
            self._compiler.compile(schema)  # refused here, by type, before vLLM sees it
        with self._guarded():
            params = _params(
                sampling,
                seed=seed,
                prefix=tuple(prefix),
                start=len(given),
                max_tokens=max_tokens - len(given),
                stop_ids=self.stop_ids,
                schema=schema,
            )
            tokens = self._loop.generate(
                [*prompt_ids, *given], params, wanted=wanted
            ).result()
        return given + tokens

    def prefill(self, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> Prefill:
        """Return what the model computes before each output token; canonical."""
        (found,) = self._prefill([PrefillJob(tuple(prompt_ids), tuple(output_ids))])
        return found

    def prefill_many(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        """Return the same for several, in shared batches; not canonical."""
        found: list[Prefill] = []
        batch: list[PrefillJob] = []
        room = self._step_tokens
        for job in jobs:
            if batch and (job.length > room or len(batch) == self._step_requests):
                found += self._prefill(batch)
                batch, room = [], self._step_tokens
            batch.append(job)
            room -= job.length
        return found + (self._prefill(batch) if batch else [])

    def close(self) -> None:
        """Shut vLLM down; the engine must not be used afterwards."""
        if self._broken == _CLOSED:
            return
        self._broken = _CLOSED
        self._loop.close(_shut_down)

    def _prefill(self, jobs: Sequence[PrefillJob]) -> list[Prefill]:
        for job in jobs:
            check_prefill(
                job.prompt_ids,
                job.output_ids,
                vocab_size=self._vocab_size,
                max_context=self._max_context,
            )
        with self._guarded():
            # The token that vLLM wants to sample is given, and not looked at.
            params = _params(
                GREEDY,
                seed=None,
                prefix=(0,),
                start=0,
                max_tokens=1,
                stop_ids=frozenset(),
                schema=None,
                skip_reading_prefix_cache=True,
            )
            computed = self._loop.prefill(
                [list(job.tokens) for job in jobs],
                [len(job.output_ids) for job in jobs],
                params,
            ).result()
            return [
                Prefill(logits=item.logits.numpy(), hidden=item.hidden.numpy())
                for item in computed
            ]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn a breakdown into a typed error and refuse to go on after one."""
        if self._broken is not None:
            raise EngineUnavailableError(
                "vllm", got=self._broken, expected="a running engine"
            )
        try:
            yield
        except RequestRefusedError as error:
            raise MalformedError(
                "request", got=str(error), expected="one that vLLM takes"
            ) from error
        except AbandonedError:
            raise
        except LogitsInvalidError:
            # Raised inside a step: vLLM's own bookkeeping is no longer consistent.
            self._broken = "broken down on invalid logits"
            raise
        except Exception as error:  # vLLM raises whatever its parts raise
            self._broken = f"broken down: {error}"[:500]
            raise EngineUnavailableError(
                "vllm", got=self._broken, expected="a running engine"
            ) from error


def _params(
    sampling: Sampling,
    *,
    seed: bytes | None,
    prefix: tuple[int, ...],
    start: int,
    max_tokens: int,
    stop_ids: frozenset[int],
    schema: JsonValue | None,
    **more: Any,
) -> Any:
    """Return vLLM's parameters of a request; vLLM itself samples nothing."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    from affiant.inference.vllm_sampler import RequestSampling

    request = RequestSampling(sampling, seed=seed, prefix=prefix, start=start)
    return SamplingParams(
        temperature=0.0,
        max_tokens=max_tokens,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        stop_token_ids=sorted(stop_ids),
        structured_outputs=(
            None
            if schema is None
            else StructuredOutputsParams(json=schema_text(schema))
        ),
        extra_args=request.to_extra_args(),
        **more,
    )


def _start(options: dict[str, Any]) -> Any:
    try:
        from vllm import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        from affiant.inference.vllm_sampler import CanonicalLogitsProcessor
        from affiant.inference.vllm_scheduler import CanonicalScheduler
    except ImportError as error:
        raise EngineUnavailableError(
            "vllm", got=str(error)[:200], expected="an installed vLLM"
        ) from error
    try:
        return LLMEngine.from_engine_args(
            EngineArgs(
                **options,
                logits_processors=[CanonicalLogitsProcessor],
                scheduler_cls=CanonicalScheduler,
            )
        )
    except Exception as error:  # vLLM raises whatever its parts raise
        raise EngineUnavailableError(
            "vllm", got=str(error)[:500], expected="the model to load"
        ) from error


def _shut_down(vllm: Any) -> None:
    _LIVE.remove(vllm)
    _RETIRED.append(vllm)
    release(vllm)
    while _RETIRED and not _LIVE:
        _RETIRED.pop().engine_core.shutdown()
