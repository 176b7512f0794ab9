"""Loading a model into the engine of a name.

It decides nothing. Engines are imported when asked for: each brings a library of its
own that the other does not need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from affiant.inference.engine import Engine

EngineName = Literal["vllm", "transformers"]
"""Which engine runs a model."""

GPU_SHARE = 0.9
"""Share of a GPU's memory for an engine that has it for itself."""


def load_engine(
    folder: Path,
    *,
    name: EngineName,
    dtype: str | None,
    max_context: int | None = None,
    max_batch: int = 32,
    gpu_share: float = GPU_SHARE,
) -> Engine:
    """Load the model in `folder` into the engine `name`.

    Args:
        folder: a model folder.
        name: vLLM, or transformers where vLLM has no wheel.
        dtype: float32, bfloat16 or float16; where `None`, float32 on a CPU, and
            bfloat16 on a GPU, which both engines use where there is one.
        max_context: most tokens of prompt and output (vLLM only); the model's own if
            `None`.
        max_batch: most requests generated at once (vLLM only).
        gpu_share: share of a GPU's memory that may be taken (vLLM only, which takes all
            of it at once).

    Raises:
        EngineUnavailableError: it is not installed or did not start.
    """
    if name == "vllm":
        from affiant.inference.vllm_engine import VllmEngine
        from affiant.inference.vllm_process import VllmSettings

        settings = VllmSettings(
            dtype=dtype,
            max_context=max_context,
            max_batch=max_batch,
            gpu_memory_utilization=gpu_share,
        )
        return VllmEngine.load(folder, settings=settings)
    from affiant.inference.transformers_engine import TransformersEngine

    return TransformersEngine.load(folder, dtype=dtype)
