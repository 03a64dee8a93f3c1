"""Which question each visitor is waiting for: a new one ends the one before, Stop ends it, and so does leaving."""
from __future__ import annotations

import threading

import gradio as gr


class Asking:
    """One event per visitor's session; setting it stops the models. Made once per page."""

    def __init__(self):
        self._stops: dict[str, threading.Event] = {}

    def begin(self, visitor: gr.Request) -> threading.Event:
        """What stops the new question. The one before is stopped, and is no longer the newest."""
        stop = threading.Event()
        before = self._stops.get(visitor.session_hash or "")
        self._stops[visitor.session_hash or ""] = stop
        if before:
            before.set()
        return stop

    def stop(self, visitor: gr.Request) -> bool:
        """Stop the visitor's question, which still gets to say where it stopped. Whether there was one."""
        stop = self._stops.get(visitor.session_hash or "")
        if stop:
            stop.set()
        return stop is not None

    def leave(self, visitor: gr.Request) -> None:
        """Stop the visitor's question and hear no more of it: the picture changed, or the tab was closed."""
        stop = self._stops.pop(visitor.session_hash or "", None)
        if stop:
            stop.set()

    def is_newest(self, visitor: gr.Request, stop: threading.Event) -> bool:
        return self._stops.get(visitor.session_hash or "") is stop

    def end(self, visitor: gr.Request, stop: threading.Event) -> None:
        if self.is_newest(visitor, stop):
            del self._stops[visitor.session_hash or ""]
