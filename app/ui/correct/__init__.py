"""The Correct tab: a queue of pictures, the editor, everything saved as it is done.

Whoever is the operator corrects; a visitor of a public page suggests, which changes nothing until it is accepted. A
sample that a visitor brought and nobody has accepted is theirs to correct, and hidden from other visitors.
"""
from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

import gradio as gr

from app.store.reviewing import Wanted
from app.ui import access, words
from app.ui import desk as desks
from app.ui.correct import examples, opening, queue, saving
from app.ui.correct.queue import Queue, QueueView, sample_of
from app.ui.correct.saving import author_of
from app.ui.editor import Editor, version
from app.ui.events import AT_ONCE, brought, in_words
from app.ui.panel import Notice
from app.workspace import Workspace

HINT = "Choose a picture on the left. Its objects can be drawn, moved and named here."
MANY = AT_ONCE | {"trigger_mode": "multiple"}


class Correct:
    """Lays the tab out inside `tab`, which is being built. `shown` and `outputs` let another tab open a sample here."""

    def __init__(self, workspace: Workspace, memory: gr.BrowserState, tab: gr.Tab):
        self.workspace, self.store, self.memory = workspace, workspace.store, memory
        self.titles = workspace.catalogue.titles
        self.place = gr.BrowserState({}, storage_key="boxloop-correct", secret=workspace.secret)
        self.arrived = gr.State(False)
        self.notice = Notice(elem_id="correct-notice")
        with gr.Row(elem_classes="correcting"):
            with gr.Column(elem_classes="correcting-queue", min_width=220):
                self.queue = Queue(elem_id="queue")
            with gr.Column(elem_classes="correcting-editor", min_width=320):
                self.editor = Editor(elem_id="editor", hint=HINT)
        self.outputs = [self.place, self.arrived, self.notice, self.queue, self.editor]
        self._wire(tab)

    def shown(self, sample: str | None, wanted: Wanted, visitor: gr.Request, owner: str, *, said: str = "",
              problem: bool = False, removed: str = "", was: str = "", open: bool = False) -> dict:
        """The tab with this sample open; `was` is the one before it, whose objects can be copied."""
        author = author_of(self.workspace, visitor, owner)
        operator = access.is_operator(self.workspace, visitor)
        if wanted.status == "suggested" and not operator:
            wanted = replace(wanted, status="unreviewed")
        work = None
        if sample:
            saving.must_see(self.store, sample, author, operator)
            place = f"{self.store.queue.count(wanted)} here"
            before = bool(self.store.queue.page(wanted, before=sample, limit=1))
            mine = operator or self.store.suggestions.is_of(sample, author)
            work = opening.work(self.store, sample, self.titles(), earlier=was or None, place=place, before=before,
                                suggesting=not mine, open=open, author=author, operator=operator,
                                dataset=wanted.dataset)
        return {self.editor: work, self.place: {"sample": sample or "", "wanted": queue.to_json(wanted),
                                                "removed": removed}, self.arrived: True,
                self.queue: self._queue(sample or "", wanted, operator, removed=removed),
                self.notice: words.sentence(said, problem)}

    def _queue(self, sample: str, wanted: Wanted, operator: bool, removed: str = "") -> QueueView:
        titles = self.titles()
        models = tuple((model, titles.get(model, model)) for model in self.store.queue.models(wanted.dataset))
        gone = f"{self.store.datasets.sample(removed).images[0].name or 'A picture'} was taken out" if removed else ""
        return QueueView(tuple(queue.window(self.store, wanted, sample)), sample, wanted,
                         self.store.queue.progress(wanted.dataset), tuple(self.store.datasets.all()),
                         tuple(self.store.queue.labels(wanted.dataset)), models, self.store.queue.count(wanted),
                         gone, operator=operator, waiting=len(self.store.suggestions.waiting()) if operator else 0)

    def _wire(self, tab: gr.Tab) -> None:
        store, told = self.store, [self.place, self.memory]

        def arrive(arrived: bool, place: dict, remembered: dict, visitor: gr.Request):
            """The tab was chosen: what was open is open again. Later only the numbers are brought up to date."""
            wanted, owner = _wanted(place), desks.read(remembered)[0]
            if arrived:
                operator = access.is_operator(self.workspace, visitor)
                return {self.queue: self._queue(_text(place, "sample"), wanted, operator)}
            sample = _text(place, "sample")
            try:
                return self.shown(sample or self._first(wanted), wanted, visitor, owner)
            except ValueError:  # it was deleted, or is somebody else's
                return self.shown(self._first(wanted), wanted, visitor, owner)

        def select(event: gr.EventData, place: dict, remembered: dict, visitor: gr.Request):
            return self.shown(sample_of(event), _wanted(place), visitor, desks.read(remembered)[0],
                              was=_text(place, "sample"), open=True)

        def choose(event: gr.EventData, place: dict, remembered: dict, visitor: gr.Request):
            wanted = queue.wanted(brought(event).get("wanted"))
            return self.shown(self._first(wanted), wanted, visitor, desks.read(remembered)[0])

        def go(event: gr.EventData, place: dict, remembered: dict, visitor: gr.Request):
            here, to = sample_of(event), brought(event).get("to")
            wanted, owner = _wanted(place), desks.read(remembered)[0]
            removed = ""
            if to == "remove":
                access.require(self.workspace, visitor, "take a picture out of a dataset")
                self._remove(here, author_of(self.workspace, visitor, owner))
                removed = here
            if to == "previous":
                found = store.queue.page(wanted, before=here, limit=1)
                said = "" if found else "This is the first one."
            else:
                found = store.queue.page(wanted, after=here, limit=1) or [
                    each for each in store.queue.page(wanted, limit=2) if each.id != here][:1]
                said = "" if found else "All of these are looked at. Choose another status to see them again."
            stays = to == "previous" or (to == "next" and not found)
            sample = found[0].id if found else here if stays else None
            return self.shown(sample, wanted, visitor, owner, said=said, removed=removed, was=here, open=bool(sample))

        def undo(place: dict, remembered: dict, visitor: gr.Request):
            access.require(self.workspace, visitor, "bring a picture back")
            sample, owner = _text(place, "removed"), desks.read(remembered)[0]
            now = store.corrections.now(sample)
            if now.removed:
                store.corrections.restore(sample, now.parent, parent=now.id, key=secrets.token_hex(16),
                                          author=author_of(self.workspace, visitor, owner))
            return self.shown(sample, _wanted(place), visitor, owner)

        def example(remembered: dict, visitor: gr.Request):
            access.require(self.workspace, visitor, "add the example")
            dataset = examples.add(store)
            wanted = Wanted(dataset)
            return self.shown(self._first(wanted), wanted, visitor, desks.read(remembered)[0], open=True,
                              said="Drawn pictures with mistakes in them: move the boxes, name them right, press "
                                   "“Done, next”.")

        def accept(event: gr.EventData, place: dict, remembered: dict, visitor: gr.Request):
            access.require(self.workspace, visitor, "accept what a visitor suggests")
            owner = desks.read(remembered)[0]
            store.suggestions.accept_sample(sample_of(event), author_of(self.workspace, visitor, owner))
            return self.shown(sample_of(event), _wanted(place), visitor, owner, said="It is part of its dataset now.")

        def decline(event: gr.EventData, place: dict, remembered: dict, visitor: gr.Request):
            access.require(self.workspace, visitor, "decline what a visitor suggests")
            owner, wanted = desks.read(remembered)[0], _wanted(place)
            self._remove(sample_of(event), author_of(self.workspace, visitor, owner))
            return self.shown(self._first(wanted), wanted, visitor, owner, removed=sample_of(event))

        def waiting(place: dict, remembered: dict, visitor: gr.Request):
            access.require(self.workspace, visitor, "look at what visitors suggest")
            found = store.suggestions.waiting(limit=1)
            sample = found[0].correction.sample if found else _text(place, "sample")
            return self.shown(sample, _wanted(place), visitor, desks.read(remembered)[0], open=True,
                              said="Somebody suggests another version: it stands in the history, where you can use it.")

        def save(event: gr.EventData, remembered: dict, visitor: gr.Request):
            return saving.save(self.workspace, event._data, visitor, desks.read(remembered)[0], self.titles())

        def older(event: gr.EventData, remembered: dict, visitor: gr.Request):
            author = author_of(self.workspace, visitor, desks.read(remembered)[0])
            operator = access.is_operator(self.workspace, visitor)
            found = saving.older(store, sample_of(event), str(brought(event).get("id") or "")[:100], author, operator)
            if found is None:
                return {self.notice: words.sentence("There is no such version of this picture.", True)}
            return {self.editor: version(found.sample, found.id, opening.when(found.created), found.truth,
                                         found.reviewed, opening.about(found))}

        everything = dict(inputs=told, outputs=self.outputs, **MANY)
        tab.select(in_words(arrive, self.notice), [self.arrived, *told], self.outputs, **MANY)
        self.queue.select(in_words(select, self.notice), **everything)
        self.queue.filter(in_words(choose, self.notice), **everything)
        self.queue.undo(in_words(undo, self.notice), **everything)
        self.queue.accept(in_words(accept, self.notice), **everything)
        self.queue.decline(in_words(decline, self.notice), **everything)
        self.queue.waiting(in_words(waiting, self.notice), **everything)
        self.queue.example(in_words(example, self.notice), [self.memory], self.outputs, **MANY)
        self.editor.go(in_words(go, self.notice), **everything)
        self.editor.save(save, [self.memory], [self.editor], **MANY)
        self.editor.version(older, [self.memory], [self.editor, self.notice], **MANY)

    def _first(self, wanted: Wanted) -> str | None:
        found = self.store.queue.page(wanted, limit=1)
        return found[0].id if found else None

    def _remove(self, sample: str, author: str) -> None:
        now = self.store.corrections.now(sample)
        if not now.removed:
            self.store.corrections.remove(sample, parent=now.id, author=author, key=secrets.token_hex(16))


def _wanted(place: object) -> Wanted:
    """The filters that the browser remembers; what nobody has looked at yet where it remembers none."""
    told = place.get("wanted") if isinstance(place, Mapping) else None
    return queue.wanted(told) if isinstance(told, Mapping) else Wanted()


def _text(place: object, name: str) -> str:
    value = place.get(name) if isinstance(place, Mapping) else None
    return value[:100] if isinstance(value, str) else ""
