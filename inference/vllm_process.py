"""How vLLM is set up: its process, its options, and what its manifest says.

vLLM reads its switches from the environment when it is first imported, so they are set
here just before; nothing else of ours reads or writes them. It imports no vllm itself.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from affiant.inference.device import device_class
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.fingerprint import FINGERPRINT
from affiant.inference.grammar import grammar_manifest
from affiant.inference.manifest import EngineManifest
from affiant.inference.sampler import SAMPLER

DTYPES = ("float32", "bfloat16", "float16")
"""Types of weights and activations that may be asked for."""


@dataclass(frozen=True)
class VllmSettings:
    """How vLLM is set up; what can change a canonical prefill is in the manifest."""

    dtype: str | None = None
    """One of `DTYPES`; float32 on a CPU and bfloat16 on a GPU where not given."""
    max_context: int | None = None
    """Most tokens of prompt and output; the model's own where not given."""
    threads: int = 2
    """CPU threads; part of the profile, as they split sums."""
    kv_cache_gib: int = 1
    """Memory of the key-value cache on a CPU, in GiB."""
    kv_blocks: int | None = None
    """Blocks of the key-value cache, instead of what the memory holds."""
    gpu_memory_utilization: float = 0.9
    """Share of a GPU's memory that vLLM may take."""
    max_batch: int = 32
    """Most requests generated at once."""
    prefix_cache: bool = True
    """Whether generations share the cache of equal prompt beginnings."""
    prefill_chunk: int = 0
    """Most prompt tokens of one generation in a step beside others; 0: no limit."""

    def __post_init__(self) -> None:
        """Refuse an unknown type of numbers; raises `ValueError`."""
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(f"dtype: got {self.dtype!r}, expected one of {DTYPES}")


def prepare_process(settings: VllmSettings) -> int:
    """Set vLLM's switches and the calling thread's number of CPU threads.

    To be called before vllm is imported, in the thread that it will run in. Returns the
    number that holds: once vLLM was started in a process, it allows no other.
    """
    os.environ.update(
        {
            # One process: hooks and the canonical prefill need the model at hand.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            # The V2 runner takes another kind of logits processor.
            "VLLM_USE_V2_MODEL_RUNNER": "0",
            "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(settings.threads),
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
            "VLLM_LOGGING_LEVEL": "ERROR",
        }
    )
    logging.getLogger("vllm").setLevel(logging.ERROR)
    # It walks through torch's deprecated names, now and later.
    warnings.filterwarnings("ignore", category=FutureWarning, module="vllm")
    torch.set_num_threads(settings.threads)
    # Asking also gives a new thread's OpenMP the number that torch was told.
    return int(torch.get_num_threads())


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
        execution="eager" if config.model_config.enforce_eager else "graphs",
        # Its switch is one of those that `affiant.inference.environment` refuses.
        batch_invariant=False,
        grammar=grammar_manifest(),
        sampler=SAMPLER,
        fingerprint=FINGERPRINT,
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


def vllm_options(
    folder: Path, *, context: int, settings: VllmSettings
) -> dict[str, Any]:
    """Return vLLM's options, as the canonical sampler and prefill need them.

    Args:
        folder: a model folder.
        context: most tokens of prompt and output.
        settings: the caller's.
    """
    dtype = settings.dtype or ("bfloat16" if torch.cuda.is_available() else "float32")
    return {
        "model": str(folder),
        "dtype": dtype,
        "seed": 0,
        "enforce_eager": True,
        "enable_prefix_caching": settings.prefix_cache,
        "max_model_len": context,
        # A canonical prefill fits one step, so it is never cut in chunks.
        "max_num_batched_tokens": max(context, settings.max_batch, 16),
        "max_num_seqs": settings.max_batch,
        "enable_chunked_prefill": True,
        "long_prefill_token_threshold": settings.prefill_chunk,
        "num_gpu_blocks_override": settings.kv_blocks,
        "generation_config": "vllm",
        "structured_outputs_config": {
            "backend": "xgrammar",
            "disable_any_whitespace": True,
        },
        "async_scheduling": False,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "trust_remote_code": False,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
    }
