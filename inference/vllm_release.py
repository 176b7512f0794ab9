"""Giving back what a retired vLLM holds, while others of the same process run on.

vLLM's own shutdown takes down what all of a process share, so a retired one waits for
the last; until then it would keep its weights and its key-value cache, which is nearly
all that it takes. Those belong to it alone, and are given back here. It touches nothing
that engines share: communication groups, tables of rotary embeddings, workspaces.
"""

from __future__ import annotations

from typing import Any

import torch


def release(vllm: Any) -> None:
    """Give back the memory of weights and key-value cache.

    Whoever still refers to one of these tensors finds it empty, so that no reference
    inside of vLLM keeps the memory. The engine can be shut down afterwards, and nothing
    else.

    Args:
        vllm: an `LLMEngine` that computes nothing any more.
    """
    worker = vllm.engine_core.engine_core.model_executor.driver_worker.worker
    runner = worker.model_runner
    for cache in _tensors(runner.kv_caches):
        _empty(cache)
    for module in runner.model.modules():
        for cache in _tensors(getattr(module, "kv_cache", None)):
            _empty(cache)
        # Repacked weights, in a closure.
        module.__dict__.pop("cpu_linear", None)
    for weight in runner.model.parameters():
        _empty(weight.data)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [part for item in value or () for part in _tensors(item)]


def _empty(tensor: torch.Tensor) -> None:
    storage = tensor.untyped_storage()
    if storage.resizable():
        storage.resize_(0)
