"""What the tray tells: pictures come, are looked at, get a question of their own, and go."""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from app import intake
from app.types import Comparison, Sample
from app.ui import desk as desks
from app.ui.desk import Desk, looked_at, opened
from app.ui.events import AT_ONCE, STREAMED
from app.ui.examples import SOURCE
from app.ui.shown import thumbnail
from app.ui.tray import Tray, TrayHeard, touched
from app.workspace import Workspace


def wire(workspace: Workspace, tray: Tray, memory: gr.BrowserState, task: gr.Dropdown, question: gr.Textbox,
         shown: Callable, in_words: Callable, outputs: list) -> None:
    """`shown(desk, owner, visitor, …)` puts a desk on the page; `in_words` says what goes wrong in a handler."""
    store = workspace.store

    def add(heard: TrayHeard, told: dict, task: str, question: str, visitor: gr.Request):
        """Files came. They join the pictures on the desk, unless only an example lies there."""
        owner, now = desks.read(told)
        now = replace(now.typed(heard.captions), question=question.strip())
        before = opened(store, now, owner)
        old = [] if before is None or heard.replace else [s for s in before.samples if s.source != SOURCE]
        names, seen = [s.images[0].name for s in old], {s.images[0].sha256 for s in old}
        with tempfile.TemporaryDirectory(dir=workspace.scratch) as scratch:
            taken = intake.take(heard.sent, Path(scratch), names, seen=seen, look=thumbnail)
            samples = [*desks.told(old, taken.known), *(each.sample(task, question) for each in taken.taken)]
            if taken.taken or taken.known:
                now = desks.laid(store, owner, now, samples, len(old) if taken.taken else 0)[1]
        alone = len(samples) == 1  # one picture has no caption of its own: its question is the question
        now = replace(now, question=samples[0].query) if alone else now
        theirs = alone and now.question != question.strip()  # else what was typed since the files were sent stays
        yield from shown(now, owner, visitor, everything=theirs, problems=taken.problems)

    def select(event: gr.EventData, heard: TrayHeard, told: dict, visitor: gr.Request):
        owner, now = desks.read(told)
        yield from shown(replace(now.typed(heard.captions), sample=touched(event).key), owner, visitor)

    def caption(event: gr.EventData, heard: TrayHeard, told: dict):
        owner, now = desks.read(told)
        return desks.kept(now.typed(heard.captions | {touched(event).key: touched(event).text}), owner)

    def delete(event: gr.EventData, heard: TrayHeard, told: dict, visitor: gr.Request):
        owner, now = desks.read(told)
        comparison, gone = opened(store, now, owner), touched(event).key
        samples = comparison.samples if comparison else ()
        name = next((sample.images[0].name for sample in samples if sample.id == gone), "") or "A picture"
        rest = [sample for sample in samples if sample.id != gone]
        yield from without(rest, comparison, now.typed(heard.captions), owner, visitor, f"{name} was removed")

    def clear(told: dict, visitor: gr.Request):
        owner, now = desks.read(told)
        yield from without([], opened(store, now, owner), now, owner, visitor, "All pictures were removed")

    def without(rest: Sequence[Sample], comparison: Comparison | None, now: Desk, owner: str, visitor: gr.Request,
                what: str):
        if comparison is None:
            return
        place = comparison.samples.index(looked_at(comparison, now))
        after = desks.laid(store, owner, now, rest, place)[1] if rest else Desk()
        yield from shown(replace(after, before=comparison.id), owner, visitor, removed=what)

    def undo(told: dict, visitor: gr.Request):
        owner, now = desks.read(told)
        yield from shown(desks.brought_back(store, now, owner), owner, visitor)

    tray.upload(in_words(add), [tray, memory, task, question], outputs, **STREAMED)
    tray.select(in_words(select), [tray, memory], outputs, **STREAMED)
    tray.input(caption, [tray, memory], memory, **AT_ONCE)
    tray.delete(in_words(delete), [tray, memory], outputs, **STREAMED)
    tray.clear(in_words(clear), [memory], outputs, **STREAMED)
    tray.undo(in_words(undo), [memory], outputs, **STREAMED)
