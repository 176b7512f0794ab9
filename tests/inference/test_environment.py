"""Switches of the environment that change numbers keep an engine from starting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from affiant.inference.environment import numeric_switches
from affiant.inference.errors import EngineUnavailableError
from affiant.inference.transformers_engine import TransformersEngine
from affiant.inference.vllm_engine import VllmEngine

CHANGES_NUMBERS = (
    "VLLM_BATCH_INVARIANT",
    "VLLM_CPU_ATTN_SPLIT_KV",
    "VLLM_DISABLED_KERNELS",
    "VLLM_FLOAT32_MATMUL_PRECISION",
    "VLLM_PLUGINS",
    "VLLM_A_SWITCH_THAT_IS_NOT_KNOWN_YET",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
)
HARMLESS = (
    "PATH",
    "VLLM_LOGGING_LEVEL",
    "VLLM_CACHE_ROOT",
    "VLLM_NO_USAGE_STATS",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_WORKER_MULTIPROC_METHOD",
)


@pytest.mark.parametrize("name", CHANGES_NUMBERS)
@pytest.mark.parametrize("engine", [VllmEngine, TransformersEngine])
def test_no_engine_starts_under_a_switch_that_no_profile_names(
    engine: type[VllmEngine] | type[TransformersEngine],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setenv(name, "0")
    with pytest.raises(EngineUnavailableError, match=f"got {name} in the environment"):
        engine.load(tmp_path)


@pytest.mark.vllm
def test_what_vllm_sets_itself_does_not_keep_the_next_engine_from_starting(
    vllm_engine: VllmEngine,
):
    assert vllm_engine.manifest.engine == "vllm"
    assert numeric_switches(os.environ) == ()


def test_harmless_switches_are_none_of_them():
    assert numeric_switches(dict.fromkeys(HARMLESS, "1")) == ()
    assert numeric_switches({"VLLM_CPU_KVCACHE_SPACE_X": "1"}) != ()
