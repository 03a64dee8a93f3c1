"""How much memory models may take on each device, and how it is given back. Only this page asks torch about it."""
from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path

import psutil
import torch

GB = 10**9
SPARED = 2 * GB  # of a GPU: the answer's cache and the picture, which come on top of the weights
PART_OF_RAM = 0.6  # the rest is for the page, the pictures and whatever else runs here
CGROUP = Path("/sys/fs/cgroup/memory.max")  # a container may have less than the machine


def budgets(chosen: Mapping[str, float]) -> dict[str, int]:
    """Bytes of weights by device: every GPU, or the CPU where there is none.

    `chosen` may name "gpu_gb" (of each GPU) and "ram_gb"; what it does not name is most of what there is.
    """
    if not torch.cuda.is_available():
        return {"cpu": int(chosen["ram_gb"] * GB) if "ram_gb" in chosen else int(_ram() * PART_OF_RAM)}
    every = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if "gpu_gb" in chosen:
        return dict.fromkeys(every, int(chosen["gpu_gb"] * GB))
    return {device: max(0, torch.cuda.mem_get_info(device)[1] - SPARED) for device in every}


def released() -> None:
    """What nobody holds any more goes back to the device: models hold themselves in circles, and torch keeps blocks."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _ram() -> int:
    limit = CGROUP.read_text().strip() if CGROUP.is_file() else "max"
    return min(psutil.virtual_memory().total, int(limit) if limit.isdigit() else 1 << 62)
