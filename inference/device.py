"""Naming the device class that an engine runs on, for the engine manifest."""

from __future__ import annotations

import platform

import torch


def device_class(*, gpu: bool | None = None) -> str:
    """Return `cpu-<machine>-<vector unit>` or `cuda-sm<capability>-<name>`.

    Args:
        gpu: whether the engine runs on the first GPU; by default if there is one.
    """
    if torch.cuda.is_available() if gpu is None else gpu:
        major, minor = torch.cuda.get_device_capability(0)
        name = torch.cuda.get_device_name(0).lower().replace(" ", "-")
        return f"cuda-sm{major}{minor}-{name}"
    unit = torch.backends.cpu.get_cpu_capability().lower()
    return f"cpu-{platform.machine().lower()}-{unit}"
