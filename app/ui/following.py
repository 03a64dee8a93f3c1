"""Which picture each visitor is looking at: the page follows the newest look, and older ones end by themselves."""
from __future__ import annotations

import threading

import gradio as gr


class Following:
    """A number per visitor's session that grows with every look. Made once per page."""

    def __init__(self):
        self._looks: dict[str, int] = {}
        self._lock = threading.Lock()

    def begin(self, visitor: gr.Request) -> int:
        """A new look, which ends the one before."""
        with self._lock:
            look = self._looks[visitor.session_hash or ""] = self._looks.get(visitor.session_hash or "", 0) + 1
            return look

    def is_newest(self, visitor: gr.Request, look: int) -> bool:
        return self._looks.get(visitor.session_hash or "") == look

    def leave(self, visitor: gr.Request) -> None:
        """The tab was closed."""
        with self._lock:
            self._looks.pop(visitor.session_hash or "", None)
