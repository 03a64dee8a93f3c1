"""The Compare tab: one picture, one question, several models side by side, their answers drawn as they come."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import gradio as gr

from app import pictures, tasks
from app.catalogue import Entry
from app.predict import Update
from app.types import Generation, Image, Request
from app.ui import words
from app.ui.asking import Asking
from app.ui.examples import Example
from app.ui.overlay import Overlay, View
from app.ui.panel import Answer, Head, Notice
from app.ui.picker import Picked, Picker
from app.ui.shown import displayable
from app.ui.strip import Strip
from app.workspace import Workspace

PAUSE = 0.08  # seconds between two updates of the page: twelve a second look continuous and cost little
HINT = "Choose a picture above, or click an example. The answer is drawn here."
AT_ONCE = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# A second Run while one streams has to get in, and models queue for the device by themselves, visibly.
STREAMED = {"concurrency_limit": None, "trigger_mode": "multiple", "show_progress": "hidden",
            "api_visibility": "private"}


@dataclass(frozen=True)
class Panel:
    """The components of one model's column."""
    entry: Entry
    column: gr.Column
    head: Head
    overlay: Overlay
    answer: Answer


def tab(workspace: Workspace, compare: Callable[..., Iterator[Update | None]], examples: Sequence[Example]) -> None:
    """Lays the tab out inside the current `gr.Blocks`. `compare` is `predict.compare`, or obeys its contract."""
    entries = {entry.spec.id: entry for entry in workspace.catalogue.entries()}
    here = [name for name, entry in entries.items() if entry.state != "to download"]
    away = [name for name in entries if name not in here]
    shipped = [name for name in here if entries[name].state == "shipped"]
    chosen_first = shipped or list(entries)[:1]
    asking = Asking()
    first = examples[0]

    def look(picked: Picked | None, visitor: gr.Request):
        """A picture was chosen: it is on every panel before any question is asked."""
        asking.leave(visitor)
        seen, image = glance(picked)
        return {picker: seen, notice: say(), stop_button: enabled(False), **fresh(panels, seen, image)}

    def ask(picked: Picked | None, task: str, question: str, ticked: list[str], added: list[str], longest: int,
            visitor: gr.Request):
        chosen = [*ticked, *added]
        stop = asking.begin(visitor)
        seen, image = glance(picked)
        try:
            request = understood(seen, image, task, question, chosen)
        except ValueError as problem:
            yield {notice: say(str(problem), problem=True), stop_button: enabled(False)}
            return
        view = View(seen.shown, image.size)
        asked = [entries[name].spec for name in chosen]
        yield {notice: say(), stop_button: enabled(True), **fresh(panels, seen, image)}
        for news in bursts(compare(workspace.models, asked, request, Generation(max_tokens=int(longest)), stop)):
            if not asking.is_newest(visitor, stop):  # a newer question has taken the panels over
                return
            changes = {}
            for update in news.values():
                changes |= told(panels[update.model], update, view, stop.is_set())
            yield changes or {notice: gr.skip()}  # an empty step too: it is how Gradio notices a closed tab
        asking.end(visitor, stop)
        yield {stop_button: enabled(False), notice: say("Stopped." if stop.is_set() else "")}

    def ask_example(event: gr.EventData, ticked: list[str], added: list[str], longest: int, visitor: gr.Request):
        example = examples[int(event._data["index"])]
        seen, _ = glance(Picked(example.path, example.name))
        yield {picker: seen, task_choice: example.task, **worded(example.task, example.question)}
        yield from ask(seen, example.task, example.question, ticked, added, longest, visitor)

    def stop(visitor: gr.Request):
        return {stop_button: enabled(False), notice: say("Stopping…" if asking.stop(visitor) else "")}

    def worded(task: str, text: str | None = None):
        """The question's box and its help in the words of a task; what was typed stays when only the task changes."""
        value = {} if text is None else {"value": text}
        return {question: gr.update(placeholder=tasks.TASKS[task].placeholder, **value),
                helped: say(tasks.TASKS[task].help)}

    def choose(ticked: list[str], added: list[str]):
        return {panel.column: gr.update(visible=name in (*ticked, *added)) for name, panel in panels.items()}

    seen, image = glance(Picked(first.path, first.name))
    with gr.Row(elem_classes="controls"):
        with gr.Column(elem_classes="controls-picture", min_width=220):
            picker = Picker(seen, elem_id="picture")
        with gr.Column(elem_classes="controls-question", min_width=260):
            with gr.Row(elem_classes="controls-ask"):
                task_choice = gr.Dropdown([(task.title, name) for name, task in tasks.TASKS.items()], value=first.task,
                                          label="Task", elem_id="task", scale=1, min_width=130, filterable=False)
                question = gr.Textbox(first.question, label="Question", placeholder=tasks.TASKS[first.task].placeholder,
                                      elem_id="question", scale=4, min_width=180, max_lines=3)
            helped = Notice(say(tasks.TASKS[first.task].help), elem_id="help")
            notice = Notice(elem_id="notice")
            with gr.Accordion("More models and settings", open=not here, elem_classes="controls-more"), gr.Row():
                added = gr.Dropdown([(labelled(entries[name]), name) for name in away], multiselect=True,
                                    value=[name for name in chosen_first if name in away], elem_id="more",
                                    label="Models from the Hub", visible=bool(away))
                longest = gr.Slider(16, 4096, value=Generation().max_tokens, step=16, elem_id="longest",
                                    label="Longest answer, in tokens")
        with gr.Column(elem_classes="controls-models", min_width=220):
            ticked = gr.CheckboxGroup([(labelled(entries[name]), name) for name in here], value=shipped, label="Models",
                                      elem_id="models", visible=bool(here))
        with gr.Column(elem_classes="controls-run", min_width=110):
            run_button = gr.Button("Run", variant="primary", elem_id="run")
            stop_button = gr.Button("Stop", interactive=False, elem_id="stop")
    strip = Strip([(each.path, tasks.TASKS[each.task].title, each.question) for each in examples], elem_id="examples")
    with gr.Row(elem_classes="panels"):
        panels = {name: laid_out(entry, name in chosen_first, seen, image) for name, entry in entries.items()}

    outputs = [picker, task_choice, question, helped, notice, stop_button,
               *(part for panel in panels.values() for part in (panel.head, panel.overlay, panel.answer))]
    models = [ticked, added]
    picker.upload(look, [picker], outputs, **AT_ONCE)
    task_choice.input(worded, [task_choice], [question, helped], **AT_ONCE)
    gr.on([ticked.change, added.change], choose, models, [panel.column for panel in panels.values()], **AT_ONCE)
    gr.on([run_button.click, question.submit], ask, [picker, task_choice, question, *models, longest], outputs,
          **STREAMED)
    strip.select(ask_example, [*models, longest], outputs, **STREAMED)
    stop_button.click(stop, None, [stop_button, notice], **AT_ONCE)


def laid_out(entry: Entry, visible: bool, seen: Picked, image: Image | None) -> Panel:
    """One model's column, with the picture in place."""
    with gr.Column(visible=visible, min_width=280, elem_classes="model", elem_id=f"panel-{entry.spec.id}") as column:
        return Panel(entry, column, Head(head_of(entry, *ready(entry, image))), Overlay(viewed(seen, image), hint=HINT),
                     Answer())


def glance(picked: Picked | None) -> tuple[Picked | None, Image | None]:
    """What can be known of a file without a model: its size and something to show, or the problem in a sentence."""
    if picked is None:
        return None, None
    try:
        image = pictures.read(picked.path)
        shown = displayable(image)
    except pictures.PictureError as problem:
        return replace(picked, problem=str(problem)), None
    return replace(picked, shown=shown, size=image.size, problem=""), image


def understood(seen: Picked | None, image: Image | None, task: str, question: str, chosen: Sequence[str]) -> Request:
    """The question as a request. Raises ValueError with one sentence for the person."""
    if image is None:
        raise ValueError(seen.problem if seen else "There is no picture yet. Choose one, or click an example.")
    if not chosen:
        raise ValueError("No model is chosen. Tick at least one.")
    return tasks.request((image,), task, question)


def bursts(updates: Iterable[Update | None], pause: float = PAUSE) -> Iterator[dict[str, Update]]:
    """The updates that came together, at most one step per `pause`; a heartbeat becomes an empty step.

    While this sleeps, `compare` keeps the newest update of each model and forgets the ones before.
    """
    waiting: dict[str, Update] = {}
    due = 0.0
    for update in updates:
        if update:
            waiting[update.model] = update
            continue
        if waiting:
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + pause
        yield waiting
        waiting = {}
    if waiting:
        yield waiting


def told(panel: Panel, update: Update, view: View, stopped: bool) -> dict:
    """The changes to one panel. Only its own components, and the picture only by its address."""
    changes = {panel.head: head_of(panel.entry, *words.state(update, stopped))}
    if update.prediction:
        changes[panel.overlay] = replace(view, annotations=update.prediction.annotations)
        changes[panel.answer] = words.answer(update, stopped)
    return changes


def fresh(panels: dict[str, Panel], seen: Picked | None, image: Image | None) -> dict:
    """Every panel with the picture and nothing on it."""
    changes = {}
    for panel in panels.values():
        changes |= {panel.head: head_of(panel.entry, *ready(panel.entry, image)),
                    panel.overlay: viewed(seen, image), panel.answer: None}
    return changes


def viewed(seen: Picked | None, image: Image | None) -> View | None:
    return View(seen.shown, image.size) if image else None


def ready(entry: Entry, image: Image | None) -> tuple[str, str]:
    """The state of a panel before its model is asked, as `words.state` gives it afterwards."""
    if image is None:
        return "idle", "no picture yet"
    return "idle", "press Run" if entry.state != "to download" else f"not here yet: {words.needs(entry)}"


def head_of(entry: Entry, kind: str, status: str) -> dict:
    spec = entry.spec
    about = " · ".join(str(part) for part in (spec.id, spec.adapter, spec.needs.get("token")) if part)
    return {"title": spec.title or spec.id, "about": about, "kind": kind, "status": status}


def labelled(entry: Entry) -> str:
    """A model's name, with what it needs before it can be asked."""
    needs = "" if entry.state == "shipped" else words.needs(entry)
    return f"{entry.spec.title or entry.spec.id} ({needs})" if needs else entry.spec.title or entry.spec.id


def say(text: str = "", problem: bool = False) -> dict:
    """A sentence for the person. It begins with a capital, unless it begins with the name of a file."""
    if text.split(" ")[0].isalpha():
        text = text[0].upper() + text[1:]
    return {"text": text, "problem": problem}


def enabled(yes: bool) -> dict:
    return gr.update(interactive=yes)
