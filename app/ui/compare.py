"""The Compare tab: pictures, a question, several models side by side, their answers drawn as they come."""
from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps

import gradio as gr

from app import tasks
from app.comparing import Comparing, Running, answered, finished
from app.predict import HEARTBEAT, Update
from app.types import Comparison, Sample
from app.ui import desk as desks
from app.ui import gathering, offering, words
from app.ui import panels as columns
from app.ui.asking import Form, asked, awake, chosen, form, missing, run_words, worded
from app.ui.desk import Desk, looked_at, opened
from app.ui.events import AT_ONCE, STREAMED, Refresh
from app.ui.examples import Example
from app.ui.following import Following
from app.ui.history import History
from app.ui.layers import Layers
from app.ui.panels import Panel
from app.ui.picker import Picked
from app.ui.seats import Seats
from app.ui.strip import Strip
from app.ui.takes import Takes
from app.ui.taking import Taking
from app.workspace import Workspace

PAUSE = 0.08  # seconds between two updates of the page: twelve a second look continuous and cost little


def tab(page: gr.Blocks, workspace: Workspace, compare: Callable[..., Iterator[Update | None]],
        examples: Sequence[Example], memory: gr.BrowserState) -> tuple[Takes, Refresh]:
    """Lays the tab out inside the page that is being built. `compare` is `predict.compare`, or obeys its contract.

    What it gives are the ways from an answer to the Correct tab, to be led there once that is laid out, and what brings
    the models that it offers up to date.
    """
    store = workspace.store
    comparing = Comparing(store, workspace.models, compare, workspace.badges.after)
    following = Following()
    entries = {entry.spec.id: entry for entry in workspace.catalogue.entries()}

    def arrive(told: dict, heard: Picked, visitor: gr.Request):
        """The page was opened or reloaded: what lay on the desk lies there again, or what a link shows."""
        panels.look_again()
        yield {parts.picker: panels.offered(), **panels.shown(heard.ticked), **columns.fitted(panels.later)}
        owner, now = desks.read(told)
        owner = owner or secrets.token_urlsafe(24)
        link = str(visitor.query_params.get("c") or "")
        now = Desk(token=link) if link else Desk() if now.token else now
        problem = ""
        if opened(store, now, owner) is None:
            problem = "This link shows nothing any more: it was revoked, or mistyped." if link else ""
            now = last(owner) or from_example(owner, examples[0])
        arriving = shown(now, owner, visitor, problem, everything=True)
        yield next(arriving)
        yield awake(parts)
        yield from arriving

    def last(owner: str) -> Desk | None:
        kept = store.comparisons(owner, 1)
        return Desk(kept[0].id) if kept else None

    def from_example(owner: str, example: Example) -> Desk:
        return desks.laid(store, owner, Desk(), [example.sample()])[1]

    def shown(now: Desk, owner: str, visitor: gr.Request, problem: str = "", everything: bool = False, **said):
        """The desk as it is, then what is still being said about its picture. `everything`: the question, too."""
        comparison, running = desks.found(store, comparing, now, owner)
        look = following.begin(visitor)
        if comparison is None:
            yield {memory: desks.kept(now, owner), tray: desks.tray(None, now, **said), **columns.empty(panels),
                   notice: words.sentence(problem, bool(problem)), stop_button: enabled(False),
                   **taking.refreshed(None)}
            return
        sample = looked_at(comparison, now)
        now = replace(now, sample=sample.id)
        updates = answered(comparison, running, sample.id)
        question = desks.common(comparison.samples, now)
        changes = {memory: desks.kept(now, owner), notice: words.sentence(problem, bool(problem)),
                   stop_button: enabled(bool(running)),
                   tray: desks.tray(comparison, now, running, question, **said), **run_words(parts, comparison),
                   **columns.drawn(panels, sample, updates), **columns.settings(panels, sample, updates, everything),
                   **taking.refreshed(comparison)}
        if everything:
            changes |= asked_before(comparison, sample, question)
            changes |= history.opened(owner, comparison, now.token)
        yield changes
        if running:
            yield from follow(comparison, running, sample, now, look, owner, visitor)

    def follow(comparison: Comparison, running: Running, sample: Sample, now: Desk, look: int, owner: str,
               visitor: gr.Request):
        """The picture's answers as they come, until all are done or the visitor looks at another one."""
        running.watched = sample.id
        question = desks.common(comparison.samples, now)
        seen: dict[str, Update] = {}
        version, ended = -1, None
        while True:
            over = running.over
            updates = answered(comparison, running, sample.id)
            news = [name for name, update in updates.items() if seen.get(name) != update]
            if any(updates[name].state == "done" for name in news):
                news = list(updates)  # the line that compares an answer with the others changes on all of them
            seen = updates
            changes = columns.drawn(panels, sample, updates, news) if news else {}
            if (count := finished(comparison, running)) != ended:
                ended = count
                changes |= {tray: desks.tray(comparison, now, running, question),
                            notice: words.sentence(progress(comparison, running))}
            if over:
                stopped = running.stopping.is_set()
                yield changes | {stop_button: enabled(False), notice: words.sentence("Stopped." if stopped else ""),
                                 **taking.refreshed(opened(store, now, owner))}
                yield from tested(sample, updates, look, visitor)
                return
            yield changes or {notice: gr.skip()}  # an empty step too: it is how Gradio notices a closed tab
            time.sleep(PAUSE if changes else 0)
            version = running.wait(version, HEARTBEAT)
            if not following.is_newest(visitor, look):
                return

    def tested(sample: Sample, updates: Mapping[str, Update], look: int, visitor: gr.Request):
        """The panels once more whenever a model's coordinates, checked after its first answer, are known."""
        badges, left = workspace.badges, set(updates) & set(panels)
        while left := {name for name in left if badges.testing(panels[name].entry.spec)}:
            badges.wait(HEARTBEAT)
            ended = [name for name in left if not badges.testing(panels[name].entry.spec)]
            yield columns.drawn(panels, sample, updates, ended) if ended else {notice: gr.skip()}
            if not following.is_newest(visitor, look):
                return

    def asked_before(comparison: Comparison, sample: Sample, question: str) -> dict:
        """The form as it was when this comparison was asked."""
        models = [model for model in comparison.models if model in panels]
        told = {parts.task: sample.task, **worded(parts, sample.task, question)}
        return told | {parts.picker: panels.offered(models), **panels.shown(models)} if models else told

    def run(values: dict, visitor: gr.Request):
        yield from ask(values, visitor)

    def run_one(values: dict, visitor: gr.Request):
        yield from ask(values, visitor, only_looked_at=True)

    def ask(values: dict, visitor: gr.Request, only_looked_at: bool = False):
        models = chosen(values, parts, panels)
        owner, now, comparison = prepared(values, models)
        asks = {(sample.id, name): columns.ask(panels[name], sample, values[panels[name].settings])
                for sample in comparison.samples for name in models if not only_looked_at or sample.id == now.sample}
        yield from started(missing(comparison, asks), comparison, now, owner, visitor)

    def again(panel: Panel):
        def ask_again(values: dict, visitor: gr.Request):
            model = panels.sitting(panel)
            owner, now = desks.read(values[memory])
            comparison = opened(store, now, owner)
            if comparison is None or not comparison.models or now.token:
                owner, now, comparison = prepared(values, list(dict.fromkeys([*chosen(values, parts, panels), model])))
            sample = looked_at(comparison, now)
            asked = columns.ask(panels[model], sample, values[panels[model].settings], edited=True)
            yield from started({(sample.id, model): asked}, comparison, now, owner, visitor)
        return in_words(ask_again)

    def prepared(values: dict, models: list[str]) -> tuple[str, Desk, Comparison]:
        """The comparison that is to be asked: the one on the desk if it asks just this, else a new one. Whatever ran
        for the old one is stopped. Raises ValueError with one sentence for the person."""
        owner, now = desks.read(values[memory])
        old = opened(store, now, owner)
        samples = asked(old, now.typed(values[tray].captions), values[parts.task], values[parts.question], models)
        if not now.token:
            comparing.stop(old.id)
        question = values[parts.question].strip()
        if (old.samples, old.models) == (samples, tuple(models)) and not now.token:
            return owner, replace(now, question=question), old
        place = old.samples.index(looked_at(old, now))
        comparison = store.begin(owner, samples, models)
        if not old.models and not now.token:
            store.remove(old.id, owner)
        return owner, Desk(comparison.id, samples[place].id, question=question), comparison

    def started(asks: Mapping, comparison: Comparison, now: Desk, owner: str, visitor: gr.Request):
        sample = looked_at(comparison, now)
        begun = {name: Update(name, "loading") for asked, name in asks if asked == sample.id}
        # Said first: the first question imports torch, which takes seconds.
        yield {notice: words.sentence(), stop_button: enabled(True), **history.refreshed(owner),
               **columns.drawn(panels, sample, begun, list(begun))}
        comparing.ask(comparison, asks)
        yield from shown(now, owner, visitor)

    def stop(told: dict):
        owner, now = desks.read(told)
        stopping = comparing.stop(now.comparison) if opened(store, now, owner) else False
        return {stop_button: enabled(False), notice: words.sentence("Stopping…" if stopping else "")}

    def ask_example(event: gr.EventData, values: dict, visitor: gr.Request):
        example = examples[int(event._data["index"])]
        owner, now = desks.read(values[memory])
        owner = owner or secrets.token_urlsafe(24)  # a quick hand clicks before the page has arrived
        if opened(store, now, owner) and not now.token:
            comparing.stop(now.comparison)
        values = values | {memory: desks.kept(from_example(owner, example), owner), parts.task: example.task,
                           parts.question: example.question}
        yield {parts.task: example.task, **worded(parts, example.task, example.question)}
        yield from ask(values, visitor)

    def look_back(now: Desk, owner: str, visitor: gr.Request):
        yield from shown(now, owner, visitor, everything=True)

    def in_words(handler: Callable[..., Iterator[dict]]):
        """What was written for the person, such as a full disk or a damaged picture, is said on the page."""
        @wraps(handler)
        def told(*heard):
            try:
                yield from handler(*heard)
            except ValueError as problem:
                yield {notice: words.sentence(str(problem), True), **awake(parts)}
        return told

    def ticked(heard: Picked):
        return panels.shown(heard.ticked)

    parts: Form = form(entries, examples[0])
    tray, notice, stop_button = parts.tray, parts.notice, parts.stop
    strip = Strip([(each.path, tasks.TASKS[each.task].title, each.question) for each in examples], elem_id="examples")
    Layers(elem_id="layers")
    with gr.Row(elem_classes="panels"):
        panels = Seats(workspace.catalogue, entries, parts.first, workspace.badges)
    taking = Taking(workspace, memory, panels.titles)
    takes = Takes(workspace, memory, panels)
    history = History(workspace, memory)

    outputs = [memory, *parts.outputs, *history.outputs, taking.command,
               *(part for panel in panels.every for part in (*panel.parts, panel.column))]
    everything = {memory, *parts.inputs, *(panel.settings for panel in panels.every)}
    page.load(in_words(arrive), [memory, parts.picker], outputs, **STREAMED)
    page.unload(following.leave)
    gathering.wire(workspace, tray, memory, parts.task, parts.question, shown, in_words, outputs)
    parts.task.input(partial(worded, parts), [parts.task], [parts.question, parts.helped], **AT_ONCE)
    parts.picker.input(ticked, [parts.picker], [panel.column for panel in panels.every],
                       **AT_ONCE | {"trigger_mode": "always_last"})
    gr.on([parts.run.click, parts.question.submit], in_words(run), everything, outputs, **STREAMED)
    parts.run_one.click(in_words(run_one), everything, outputs, **STREAMED)
    for panel in panels.every:
        panel.settings.again(again(panel), everything, outputs, **STREAMED)
        panel.settings.check(columns.checking(workspace.badges, partial(panels.spec, panel)), None, [panel.settings],
                             **STREAMED)
        panel.out.prepares(taking.picture(partial(panels.sitting, panel)), [memory])
    strip.select(in_words(ask_example), everything, outputs, **STREAMED)
    stop_button.click(stop, [memory], [stop_button, notice], **AT_ONCE)
    history.wire(look_back, in_words, outputs)
    return takes, offering.refresh(store, comparing, memory, parts.picker, panels)


def progress(comparison: Comparison, running: Running) -> str:
    """`3 of 6 pictures are answered`; nothing for one picture, whose panels say it."""
    if len(comparison.samples) == 1 or running.over:
        return ""
    ended = finished(comparison, running)
    whole = sum(count >= len(comparison.models) for count in ended.values())
    return f"{whole} of {len(ended)} pictures are answered; the rest goes on in the background."


def enabled(yes: bool) -> dict:
    return gr.update(interactive=yes)
