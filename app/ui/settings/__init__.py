"""How one model is asked: its prompt, the longest answer, the size of the picture, the temperature, a fixed form.

One component and not seven of Gradio's: there is one for every panel, and Gradio's page walks all its components at
every event (measured: 710 of them took 8 s to open where 330 took 3 s).
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from app.predict import LONGEST_PROMPT
from app.types import Generation
from app.ui.component import parts, printable

HERE = Path(__file__).parent
MEGAPIXELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # what one can give a model to look at
SIZES = (("as the model likes it", 0.0), *((f"up to {size:g} megapixels", size) for size in MEGAPIXELS))
UNTOUCHED = {"tokens": Generation().max_tokens, "pixels": 0.0, "heat": 0, "form": False, "checked": None}


class Settings(gr.HTML):
    """Holds {"prompt", "tokens", "pixels" (millions, 0 for the model's own), "heat", "form"}.

    It takes any of these, and whether the model "writes" and is "formed", what its check came to ("checked", as a
    Notice takes it), and "about": a prompt that comes again about the same thing undoes no typing. What is left out
    stays as it is. Events: `again` and `check`, its buttons.
    """

    def __init__(self, writes: bool, formed: bool, **rest):
        start = {"prompt": "", "writes": writes, "formed": formed, **UNTOUCHED}
        super().__init__(value={}, start=start, sizes=SIZES, longest=LONGEST_PROMPT, **parts(HERE, "settings", **rest))

    def postprocess(self, value: Mapping | None) -> dict:
        told = dict(value or {})
        return told | {"prompt": printable(told["prompt"])} if "prompt" in told else told


def read(told: object) -> tuple[str, Generation]:
    """The prompt that was typed, and how the model is to be asked. The browser may say anything: it is held to the
    limits."""
    told = told if isinstance(told, Mapping) else {}
    prompt = told.get("prompt")
    pixels = round(_number(told, "pixels", 0.0, 50.0) * 1e6)
    return (prompt if isinstance(prompt, str) else "",
            Generation(int(_number(told, "tokens", 1, 4096)), _number(told, "heat", 0.0, 2.0), pixels or None,
                       structure=told.get("form") is True))


def told(generation: Generation) -> dict:
    """An answer's settings, for the component to show."""
    return {"tokens": generation.max_tokens, "heat": generation.temperature, "form": generation.structure,
            "pixels": generation.max_pixels / 1e6 if generation.max_pixels else 0.0}


def _number(told: Mapping, name: str, least: float, most: float) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        value = UNTOUCHED[name]
    return min(max(float(value), least), most)
