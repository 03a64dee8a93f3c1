"""Earlier comparisons, and the link that shows one of them to others."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from app import tasks
from app.types import Comparison
from app.ui import desk as desks
from app.ui import words
from app.ui.desk import Desk, opened
from app.ui.events import AT_ONCE, STREAMED, brought
from app.ui.panel import Notice
from app.ui.shown import thumbnail
from app.ui.strip import Strip
from app.workspace import Workspace

SHOWN = 40


class History:
    """A drawer under the panels. `refreshed` and `wire` are what the tab calls."""

    def __init__(self, workspace: Workspace, memory: gr.BrowserState):
        self.store, self.memory = workspace.store, memory
        with gr.Row(elem_classes="keeping"):
            self.share = gr.Button("Link to this comparison", size="sm", elem_id="share", scale=0)
            self.revoke = gr.Button("Revoke the link", size="sm", elem_id="revoke", scale=0, visible=False)
            self.remove = gr.Button("Remove from history", size="sm", elem_id="remove", scale=0)
        self.link = gr.Textbox(label="Whoever has this link sees this comparison, and nothing else of yours",
                               visible=False, elem_id="link", buttons=["copy"], interactive=False)
        self.said = Notice(elem_id="history-said")
        with gr.Accordion("History", open=False, elem_id="history") as self.drawer:
            self.strip = Strip([], elem_id="history-strip")
            self.none = Notice({"text": "Comparisons that you run are kept here.", "problem": False})
        self.ids = gr.State(())

    @property
    def outputs(self) -> tuple:
        return self.strip, self.ids, self.none, self.link, self.revoke, self.said

    def refreshed(self, owner: str) -> dict:
        """The list of what the visitor ran, newest first."""
        ran = [comparison for comparison in self.store.comparisons(owner, SHOWN) if comparison.models]
        items = [(thumbnail(each.samples[0].images[0]), headline(each), when(each.created)) for each in ran]
        return {self.strip: items, self.ids: tuple(each.id for each in ran),
                self.none: {"text": "" if ran else "Comparisons that you run are kept here.", "problem": False}}

    def opened(self, owner: str, comparison: Comparison, token: str) -> dict:
        """The drawer for a comparison that came onto the desk; a link's own text is known only when it is made."""
        mine = not token
        return self.refreshed(owner) | {self.link: gr.update(value="", visible=False), self.said: words.sentence(),
                                        self.revoke: gr.update(visible=mine and comparison.shared)}

    def wire(self, look_back: Callable, in_words: Callable, outputs: list) -> None:
        """`look_back(desk, owner, visitor)` puts a comparison on the page."""

        def select(event: gr.EventData, ids: tuple, told: dict, visitor: gr.Request):
            index = brought(event).get("index")
            if type(index) is int and 0 <= index < len(ids):
                yield from look_back(Desk(ids[index]), desks.read(told)[0], visitor)

        def remove(told: dict, visitor: gr.Request):
            owner, now = desks.read(told)
            comparison = opened(self.store, now, owner)
            if comparison is None or now.token:
                yield {self.said: words.sentence("There is no comparison of yours to remove.", True)}
                return
            self.store.remove(comparison.id, owner)
            left = self.store.comparisons(owner, 1)
            after = Desk(left[0].id) if left else Desk()
            yield from look_back(replace(after, before=comparison.id), owner, visitor)
            yield {self.said: words.sentence("Removed. “Undo” in the row of pictures brings it back.")}

        def share(told: dict, visitor: gr.Request):
            owner, now = desks.read(told)
            comparison = opened(self.store, now, owner)
            if comparison is None or now.token or not comparison.models:
                return {self.said: words.sentence("Run something first: a link shows a comparison of yours.", True)}
            token = self.store.share(comparison.id, owner)
            return {self.link: gr.update(value=f"{address(visitor)}?c={token}", visible=True),
                    self.revoke: gr.update(visible=True), self.said: words.sentence()}

        def revoke(told: dict):
            owner, now = desks.read(told)
            self.store.revoke(now.comparison, owner)
            return {self.link: gr.update(value="", visible=False), self.revoke: gr.update(visible=False),
                    self.said: words.sentence("The link shows nothing any more.")}

        def look(told: dict):
            return self.refreshed(desks.read(told)[0])

        # What is closed is not on the page, and forgets what it was told: the list comes when it is opened.
        self.drawer.expand(look, [self.memory], [self.strip, self.ids, self.none], **AT_ONCE)
        self.strip.select(in_words(select), [self.ids, self.memory], outputs, **STREAMED)
        self.remove.click(in_words(remove), [self.memory], outputs, **STREAMED)
        self.share.click(share, [self.memory], list(self.outputs), **AT_ONCE)
        self.revoke.click(revoke, [self.memory], list(self.outputs), **AT_ONCE)


def headline(comparison: Comparison) -> str:
    """`Detect · 3 pictures · 2 models`."""
    told = [tasks.TASKS[comparison.samples[0].task].title]
    told += [f"{len(comparison.samples)} pictures"] if len(comparison.samples) > 1 else []
    return " · ".join([*told, desks.common(comparison.samples, Desk())])


def when(created: float) -> str:
    return time.strftime("%-d %B, %H:%M", time.localtime(created))


def address(visitor: gr.Request) -> str:
    """The page's own address as the visitor's browser has it, without what follows."""
    return str(visitor.headers.get("referer") or visitor.request.base_url).split("?")[0].split("#")[0]
