"""Background jobs on the page: a chip in the head that says what runs, and a list that opens under it.

Both ask for news by themselves (`tick`), and only while they can be seen: a closed drawer, another tab of the page or
of the browser asks nothing. Everything goes in through textContent.
"""
from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.ui.component import NEWS, parts

HERE = Path(__file__).parent


class JobList(gr.HTML):
    """Takes {"cards": [CARD], "said": sentence, "open": the id of the card to open}, see app.ui.jobs.cards.

    Events: `tick` (news, please), `stop` (cancel), `play` (resume), `retry`, `select` (a card was opened or closed),
    `end` (a job ended while it was shown: `_data["ended"]` is its id).
    Each has `_data`: {"id", "open": the id of the card whose log is shown, "seen": the version that is shown}.
    `seconds` lie between two ticks (Gradio has an `every` and a `pause` of its own).
    """

    def __init__(self, value: dict | None = None, *, empty: str, seconds: float = 1.5, **rest):
        super().__init__(value=value or {}, empty=empty, seconds=seconds, **parts(HERE, "list", (NEWS,), **rest))


class Chip(gr.HTML):
    """Takes {"text", "busy"}. A click opens or closes the element with the id `opens`.

    Events: `tick` (news, please), `end` (what runs now is not what ran before: something may have ended).
    """

    def __init__(self, value: dict | None = None, *, opens: str, seconds: float = 4.0, **rest):
        super().__init__(value=value or {}, opens=opens, seconds=seconds, **parts(HERE, "chip", **rest))
