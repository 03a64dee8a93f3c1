"""Where answers come from. A backend loads one checkpoint and writes answers step by step; nothing here is torch.

`load(spec, device)` gives an object with:
    family: Family                      the family that reads its answers
    device: str                         where it answers: "cpu", "cuda:0", the address of a server
    memory: int                         bytes that its weights take there
    revision: str | None                of the weights that were really loaded
    generate(request, generation, stop) → iterator of Step, the last one with `finished` set
and local models besides:
    generate_many(requests, generation, stop) → iterator of finished Steps, in order, several written at once
A module with `needs(spec, device)` → bytes keeps models in this machine's memory; one without (openai.py) does not.
Only local.py, detectors.py, processors.py and memory.py import torch, when they are first used.
"""
from __future__ import annotations

from dataclasses import dataclass

from app.confidence import Token
from app.types import Frame


class ModelError(RuntimeError):
    """A model could not be loaded or could not answer. The text is for the person: what happened, what would help."""


class OutOfMemory(ModelError):
    """It did not fit into memory; with less asked for, or other models gone, it may."""


@dataclass(frozen=True)
class Step:
    """The answer so far. `finished` is None while it is written, then "stop", "length" or "cancelled"."""
    text: str
    tokens: int
    prompt: str
    frame: Frame
    finished: str | None = None
    seconds_to_first: float | None = None
    written: tuple[Token, ...] = ()  # what each token added to the text; () where the backend cannot tell
    seconds: float | None = None  # until it was finished, where others were written at the same time
    revision: str | None = None  # of the model that wrote it, where several models answer together


@dataclass(frozen=True)
class Refused:
    """In place of a Step, where many are asked for: this one could not be answered, and why, for the person."""
    problem: str
