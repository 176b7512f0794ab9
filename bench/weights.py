"""Altered copies of a model: what a node saves by, or changes, when it cheats.

Weights are rounded and written back in their own type ("fake quantisation"): what
matters here is what the rounding does to the logits, not the kernels that would profit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

GROUP = 64
"""Weights that share a scale in `int4`."""
NOISE = 0.01
"""Standard deviation of `noise`, relative to each matrix's own."""


def altered(folder: Path, name: str) -> Path:
    """Return a copy of the model in `folder` whose matrices went through `name`.

    Args:
        folder: a model folder with one shard.
        name: one of `ALTERATIONS`.
    """
    target = folder.parent / f"{folder.name}-{name}"
    if (target / "done").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("early", "done"))
    shard = target / "model.safetensors"
    draw = torch.Generator().manual_seed(0)
    tensors = {
        key: ALTERATIONS[name](value, draw) if value.dim() == 2 else value
        for key, value in sorted(load_file(shard).items())
    }
    save_file(tensors, shard, metadata={"format": "pt"})
    (target / "done").touch()
    return target


def int8(weight: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Round to 8 bits, one scale per output channel."""
    return _rounded(weight, levels=127, dim=1)


def int4(weight: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Round to 4 bits, one scale per 64 weights of an output channel."""
    rows, columns = weight.shape
    if columns % GROUP:
        return _rounded(weight, levels=7, dim=1)
    groups = weight.reshape(rows * (columns // GROUP), GROUP)
    return _rounded(groups, levels=7, dim=1).reshape(rows, columns)


def noise(weight: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Add Gaussian noise of 1 % of the matrix's own spread."""
    random = torch.randn(weight.shape, generator=draw)
    return weight + random * weight.std() * NOISE


def _rounded(weight: torch.Tensor, *, levels: int, dim: int) -> torch.Tensor:
    scale = weight.abs().amax(dim=dim, keepdim=True).clamp(min=1e-12) / levels
    return (weight / scale).round() * scale


ALTERATIONS: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "int8": int8,
    "int4": int4,
    "noise": noise,
}
"""By name."""
