"""One thread that owns vLLM: batches for whoever asks, canonical prefills alone.

Requests that arrive together are generated together, step by step (vLLM's continuous
batching). A canonical prefill waits for the end of a step, runs in a step of its own
while the others sit it out, and lets them go on. vLLM must be started and driven by one
thread: OpenMP, whose number of threads belongs to the calling thread, then splits sums
the same way whoever asks. Nothing here judges what comes out.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from affiant.inference.errors import AbandonedError

LOGIT_ROWS = 1024
"""Rows whose logits are computed at once; part of the canonical shape."""


class RequestRefusedError(Exception):
    """vLLM did not take a request, and goes on without it."""


@dataclass
class _Generation:
    prompt: list[int]
    params: Any
    future: Future[tuple[int, ...]]
    wanted: Callable[[], bool] | None


@dataclass
class _Prefills:
    tokens: list[list[int]]
    rows: list[int]
    params: Any
    """How each is put to vLLM: one token, no reading of the prefix cache."""
    future: Future[list[Computed]]
    waiting: dict[str, int] = field(default_factory=dict)
    """Index by vLLM's request id, of those that are not computed yet."""
    names: list[str] = field(default_factory=list)
    """vLLM's request ids of those that are."""
    done: dict[int, Computed] = field(default_factory=dict)


@dataclass(frozen=True)
class Computed:
    """What one prefill computed, for the last rows asked for."""

    logits: torch.Tensor
    """(rows, vocab) float32 on the CPU."""
    hidden: torch.Tensor
    """(rows, hidden) float32 on the CPU: states after the final norm."""


class VllmLoop:
    """A started vLLM in a thread of its own."""

    def __init__(self, start: Callable[[], Any]) -> None:
        """Run `start` in the new thread and keep the `LLMEngine` that it returns.

        Raises:
            Exception: whatever `start` raises.
        """
        self._inbox: deque[_Generation | _Prefills] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._names = itertools.count()
        self._generations: dict[str, _Generation] = {}
        self._prefills: deque[_Prefills] = deque()
        self._thread = threading.Thread(
            target=self._run, args=(start,), name="vllm", daemon=True
        )
        self._ready: Future[Any] = Future()
        self._thread.start()
        self.vllm = self._ready.result()
        """vLLM's `LLMEngine`; to be read, and driven by nobody else."""
        core = self.vllm.engine_core.engine_core
        self.runner = core.model_executor.driver_worker.worker.model_runner
        """vLLM's model runner; likewise."""

    def generate(
        self,
        prompt: list[int],
        params: Any,
        *,
        wanted: Callable[[], bool] | None = None,
    ) -> Future[tuple[int, ...]]:
        """Queue a generation; it joins the batch at the next step.

        Args:
            prompt: token ids.
            params: vLLM's parameters of the request.
            wanted: asked before each step; once it says no, the generation leaves the
                batch with an `AbandonedError`.
        """
        future: Future[tuple[int, ...]] = Future()
        self._put(_Generation(prompt, params, future, wanted))
        return future

    def prefill(
        self, tokens: Sequence[list[int]], rows: Sequence[int], params: Any
    ) -> Future[list[Computed]]:
        """Queue prefills that share steps with one another and with nobody else.

        Args:
            tokens: ids of each; together they must fit one step of vLLM.
            rows: for how many of its last ids each is wanted.
            params: a request for one token that reads no prefix cache.
        """
        future: Future[list[Computed]] = Future()
        self._put(_Prefills(list(tokens), list(rows), params, future))
        return future

    def close(self, last: Callable[[Any], None]) -> None:
        """Finish what is queued, run `last` on vLLM in its thread, end the thread."""
        with self._changed:
            self._closed = True
            self._last = last
            self._changed.notify()
        self._thread.join()

    def _put(self, job: _Generation | _Prefills) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("the loop is closed")
            self._inbox.append(job)
            self._changed.notify()

    # Everything below runs in the loop's thread.

    def _run(self, start: Callable[[], Any]) -> None:
        try:
            vllm = start()
        except BaseException as error:  # handed to whoever started the loop
            self._ready.set_exception(error)
            return
        core = vllm.engine_core.engine_core
        self._scheduler = core.scheduler
        self._runner = core.model_executor.driver_worker.worker.model_runner
        self._engine = vllm
        hook = self._runner.model.register_forward_hook(self._see)
        self._ready.set_result(vllm)
        while self._take():
            try:
                self._advance()
            except Exception as error:  # vLLM's bookkeeping is no longer consistent
                self._fail(error)
        hook.remove()
        self._last(vllm)

    def _take(self) -> bool:
        """Move what arrived into vLLM; wait if there is nothing to do."""
        with self._changed:
            while not (
                self._inbox or self._generations or self._prefills or self._closed
            ):
                self._changed.wait()
            arrived = list(self._inbox)
            self._inbox.clear()
            finished = self._closed
        for job in arrived:
            try:
                self._admit(job)
            except Exception as error:  # whatever vLLM's checks raise
                refused = RequestRefusedError(str(error)[:500])
                refused.__cause__ = error
                job.future.set_exception(refused)
        return bool(self._generations or self._prefills or not finished)

    def _admit(self, job: _Generation | _Prefills) -> None:
        if isinstance(job, _Generation):
            name = str(next(self._names))
            self._engine.add_request(name, {"prompt_token_ids": job.prompt}, job.params)
            self._generations[name] = job
            return
        for index, tokens in enumerate(job.tokens):
            # The scheduler knows a request by a longer name than its outputs do.
            inner = self._engine.add_request(
                str(next(self._names)), {"prompt_token_ids": tokens}, job.params
            )
            self._scheduler.held.add(inner)
            job.waiting[inner] = index
        self._prefills.append(job)

    def _advance(self) -> None:
        """One step for the first prefills in line, and one for all generations."""
        if self._prefills:
            job = self._prefills[0]
            self._scheduler.called = frozenset(job.waiting)
            self._step()
            self._scheduler.called = frozenset()
            if not job.waiting:
                self._prefills.popleft()
                self._scheduler.held.difference_update(job.names)
                job.future.set_result(
                    [job.done[index] for index in range(len(job.tokens))]
                )
            elif not self._scheduler.scheduled and not self._generations:
                raise RuntimeError("a prefill does not fit the key-value cache")
        self._drop_unwanted()
        if self._generations:
            self._step()

    def _drop_unwanted(self) -> None:
        for name, job in list(self._generations.items()):
            if job.wanted is not None and not job.wanted():
                self._engine.abort_request([name])
                del self._generations[name]
                job.future.set_exception(AbandonedError())

    def _step(self) -> None:
        for output in self._engine.step():
            if not output.finished:
                continue
            generation = self._generations.pop(output.request_id, None)
            if generation is not None:
                tokens = output.outputs[0].token_ids
                generation.future.set_result(tuple(int(token) for token in tokens))

    def _see(self, module: Any, args: Any, hidden: torch.Tensor) -> None:
        """Keep the hidden states of called prefills, as the model computes them."""
        if not self._scheduler.called:
            return
        job, offset = self._prefills[0], 0
        for name in self._runner.input_batch.req_ids:
            length = self._scheduler.scheduled[name]
            index = job.waiting.pop(name)
            job.names.append(name)
            if length != len(job.tokens[index]):
                raise RuntimeError(
                    f"prefill ran {length} tokens at once, expected "
                    f"{len(job.tokens[index])}"
                )
            end = offset + length
            job.done[index] = self._compute(hidden[end - job.rows[index] : end])
            offset = end

    def _compute(self, hidden: torch.Tensor) -> Computed:
        with torch.inference_mode():
            logits = [
                self._runner.model.compute_logits(part).to(torch.float32).cpu()
                for part in hidden.split(LOGIT_ROWS)
            ]
        return Computed(
            # One piece is not copied once more.
            logits=logits[0].contiguous() if len(logits) == 1 else torch.cat(logits),
            hidden=hidden.to(torch.float32).cpu().clone(),
        )

    def _fail(self, error: Exception) -> None:
        futures: list[Future[Any]] = [
            *(job.future for job in self._generations.values()),
            *(job.future for job in self._prefills),
        ]
        self._generations.clear()
        self._prefills.clear()
        for future in futures:
            future.set_exception(error)
