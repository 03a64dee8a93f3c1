"""How the page's events run: none shows Gradio's own progress or waits for another; what goes wrong is a sentence."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps

import gradio as gr
from gradio.components import Component

from app.ui import words
from app.ui.panel import Notice

# Gradio writes the progress of every event into each of its outputs, hidden or not, and copies whole components for
# that (measured: a third of what opening the page cost). An empty list: into none.
QUIET = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
AT_ONCE = QUIET | {"queue": False}
# A second Run while one streams has to get in, and models queue for the device by themselves, visibly.
STREAMED = QUIET | {"concurrency_limit": None, "trigger_mode": "multiple"}


@dataclass(frozen=True)
class Refresh:
    """A handler with what it reads and changes, for events of other parts of the page to end with. `tick(models)` are
    the changes after which these models, and no others, stand side by side in Compare."""
    handler: Callable
    inputs: Sequence[Component]
    outputs: Sequence[Component]
    tick: Callable[[Sequence[str]], dict]

    def after(self, event: Callable) -> None:
        """`event` is a listener such as `tab.select`, or the `then` of what one returned."""
        event(self.handler, self.inputs, self.outputs, trigger_mode="multiple", **AT_ONCE)


def brought(event: gr.EventData) -> Mapping:
    """What came with an event. The browser may say anything, so each value is still to be read."""
    return event._data if isinstance(event._data, Mapping) else {}


def in_words(handler: Callable, place: Notice) -> Callable:
    """The handler, with what a person can do something about said as a sentence in `place`."""
    if inspect.isgeneratorfunction(handler):
        @wraps(handler)
        def told(*values, **named):
            try:
                yield from handler(*values, **named)
            except ValueError as problem:
                yield {place: words.sentence(str(problem), problem=True)}
    else:
        @wraps(handler)
        def told(*values, **named):
            try:
                return handler(*values, **named)
            except ValueError as problem:
                return {place: words.sentence(str(problem), problem=True)}
    return told
