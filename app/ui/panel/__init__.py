"""The words of a panel: its head (which model, what it is doing) and its answer (what it said, verbatim)."""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.ui.component import parts

HERE = Path(__file__).parent


class Head(gr.HTML):
    """Takes {"model", "title", "about", "kind", "status", "note"}: strings. `model` is an id, for scripts to read.
    `kind` colours the dot; `status` says the same in words; `note` is how the answer stands to the others; "badge" is
    None or {"kind", "text", "detail"}, the self-test.
    """

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value, **parts(HERE, "head", **rest))


class Answer(gr.HTML):
    """Takes {"said", "problems", "text", "prompt", "facts"}: what stands under the picture, or None."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value, **parts(HERE, "answer", **rest))


class Notice(gr.HTML):
    """Takes {"text", "problem"}: one sentence about the page as a whole, or None."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value, **parts(HERE, "notice", **rest))
