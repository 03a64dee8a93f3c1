"""Where answers come from. A backend loads one checkpoint and writes answers step by step; nothing here is torch.

`load(spec)` gives an object with:
    family: Family                      the family that reads its answers
    revision: str | None                of the weights that were really loaded
    generate(request, generation, stop) → iterator of Step, the last one with `finished` set
and only `backends/local.py` and `backends/detectors.py` import torch, when they are first used.
"""
from __future__ import annotations

from dataclasses import dataclass

from app.types import Frame


class ModelError(RuntimeError):
    """A model could not be loaded or could not answer. The text is for the person: what happened, what would help."""


@dataclass(frozen=True)
class Step:
    """The answer so far. `finished` is None while it is written, then "stop", "length" or "cancelled"."""
    text: str
    tokens: int
    prompt: str
    frame: Frame
    finished: str | None = None
    seconds_to_first: float | None = None
