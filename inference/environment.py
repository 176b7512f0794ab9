"""What the environment may say to an engine: nothing that changes its numbers.

The profile of an engine is its manifest, and switches of the environment are not in it:
with one of them two nodes of one profile differ, and an honest one looks like a cheat.
So an engine does not start while one is set. It decides that, from names alone; it
trusts whoever set up the process to have installed what the manifest names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from affiant.inference.errors import EngineUnavailableError

_HARMLESS = re.compile(
    "VLLM_(?:"
    # what it prints, keeps on disk and tells its makers
    "LOGGING_.+|LOG_.+|CONFIGURE_LOGGING|DISABLE_LOG_LOGO|DEBUG_LOG_.+|CACHE_ROOT|"
    "CONFIG_ROOT|ASSETS_CACHE|NO_USAGE_STATS|DO_NOT_TRACK|USAGE_.+|"
    # where it listens, and how long it waits
    "HOST_IP|LOOPBACK_IP|PORT|RPC_BASE_PATH|API_KEY|ENGINE_READY_TIMEOUT_S|"
    "WORKER_MULTIPROC_METHOD|WORKER_SHUTDOWN_TIMEOUT_SECONDS|PROCESS_NAME_PREFIX|"
    # how it was built and packed
    "BUILD_.+|IMAGE_TAG|TARGET_DEVICE|MAIN_CUDA_VERSION|ENABLE_CUDA_COMPATIBILITY|"
    "XGRAMMAR_CACHE_MB|"
    # what we set ourselves, whatever was there
    "ENABLE_V1_MULTIPROCESSING|USE_V2_MODEL_RUNNER|CPU_KVCACHE_SPACE|"
    "CPU_OMP_THREADS_BIND|"
    # what it sets itself, for later engines and child processes to find: streams of
    # experts, where a state lies in memory, names of processes and buffers
    "DISABLE_SHARED_EXPERTS_STREAM|SSM_CONV_STATE_LAYOUT|DIST_IDENT|"
    "OBJECT_STORAGE_SHM_BUFFER_NAME"
    ")"
)
_NUMERIC = re.compile(
    # PyTorch, its kernels and the libraries under them
    "ATEN_CPU_CAPABILITY|NVIDIA_TF32_OVERRIDE|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|"
    "CUBLAS_WORKSPACE_CONFIG|CUBLAS.*EMULATION.*|"
    "(?:ONEDNN|DNNL)_(?:MAX_CPU_ISA|CPU_ISA_HINTS|DEFAULT_FPMATH_MODE)|"
    "MKL_(?:CBWR|ENABLE_INSTRUCTIONS|DEBUG_CPU_TYPE|DYNAMIC)|"
    "OPENBLAS_CORETYPE|FLASHINFER_.*|FLASH_ATTENTION_.*"
)


def numeric_switches(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in `environment` that may change what an engine computes.

    Every switch of vLLM counts that is not known to be harmless.
    """
    return tuple(
        sorted(
            name
            for name in environment
            if _NUMERIC.fullmatch(name)
            or (name.startswith("VLLM_") and not _HARMLESS.fullmatch(name))
        )
    )


def require_plain_environment(engine: str) -> None:
    """Refuse to start `engine` under switches that its manifest does not name.

    Raises:
        EngineUnavailableError: names them.
    """
    if found := numeric_switches(os.environ):
        raise EngineUnavailableError(
            engine,
            got=f"{', '.join(found)} in the environment",
            expected="none of them: they change numbers, and no profile names them",
        )
