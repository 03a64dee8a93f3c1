"""Choosing among answers: single objects of several models for the editor, and the best answer with the names hidden.

Both live under the panels and find them as the toolbar does, in the nearest element of the class `panels`.
"""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.ui.component import parts, printable

HERE = Path(__file__).parent
ROOM = HERE.parent / "overlay" / "room.js"


class Basket(gr.HTML):
    """The objects that were chosen in the panels with C or Shift and a click. Takes no value.

    Event `take`: {"objects": [ANNOTATION], "model": the panel that most of them are from}.
    """

    def __init__(self, **rest):
        super().__init__(**parts(HERE, "basket", [ROOM], **rest))


class Vote(gr.HTML):
    """Which answer is the best? Takes what is said after a vote: a sentence.

    Event `vote`: {"winner": a model or None, "models": those that one could choose from, "key"}.
    """

    def __init__(self, value: str = "", **rest):
        super().__init__(value=value, **parts(HERE, "vote", [ROOM], **rest))

    def postprocess(self, value: str | None) -> str:
        return printable(value or "")
