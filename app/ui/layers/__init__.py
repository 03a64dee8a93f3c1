"""The bar above the panels: which layers they show, how sure an answer must be, and how close they look.

It lives in the browser alone, and finds the overlays in the nearest element of the class `panels`; put it just above
that. What is chosen is kept in the browser, and the same keys work on a picture that has the focus: L, B, P, T, + −
and 0.
"""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.ui.component import parts

HERE = Path(__file__).parent


class Layers(gr.HTML):
    """Takes no value, and sends none."""

    def __init__(self, **rest):
        super().__init__(**parts(HERE, "layers", [HERE.parent / "overlay" / "room.js"], **rest))
