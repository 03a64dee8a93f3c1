"""Where models run, in a few words, known without importing torch: the page opens before that."""
from __future__ import annotations

import os
from pathlib import Path

GPUS = Path("/proc/driver/nvidia/gpus")  # one folder per GPU, made by the driver


def device() -> str:
    """`2 × NVIDIA A100-SXM4-80GB`, or `CPU · 2 cores`."""
    names = gpus()
    if not names:
        cores = os.cpu_count() or 1
        return f"CPU · {cores} core{'s' if cores > 1 else ''}"
    return names[0] if len(names) == 1 else f"{len(names)} × {names[0]}"


def gpus(folder: Path = GPUS) -> list[str]:
    """The driver's names of the NVIDIA GPUs that this process may use: CUDA_VISIBLE_DEVICES hides all when empty."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1") or not folder.is_dir():
        return []
    names = []
    for information in sorted(folder.glob("*/information")):
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "Model":
                names.append(value.strip())
    return names
