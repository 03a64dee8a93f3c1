"""The form of the Compare tab: pictures, task, question, models, Run and Stop; and what is asked when it is sent."""
from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import gradio as gr

from app import tasks
from app.catalogue import Entry
from app.predict import STOPPED, Ask
from app.types import Comparison, Sample
from app.ui import desk as desks
from app.ui import panels as columns
from app.ui import words
from app.ui.desk import Desk
from app.ui.examples import Example
from app.ui.panel import Notice
from app.ui.picker import Offered, Picker
from app.ui.tray import Tray


@dataclass(frozen=True)
class Form:
    """The components, and the names of the models that are ticked `first`."""
    tray: Tray
    task: gr.Dropdown
    question: gr.Textbox
    helped: Notice
    notice: Notice
    picker: Picker
    run: gr.Button
    run_one: gr.Button
    stop: gr.Button
    first: tuple[str, ...]

    @property
    def outputs(self) -> tuple:
        return (self.tray, self.task, self.question, self.helped, self.notice, self.picker, self.run, self.run_one,
                self.stop)

    @property
    def inputs(self) -> tuple:
        return self.tray, self.task, self.question, self.picker


def form(entries: Mapping[str, Entry], example: Example) -> Form:
    """Lays the form out. `example` is what the first visit finds in it.

    Question and Run rest until the page has arrived: what is typed or run sooner would be lost to what lay on the desk.
    """
    first = tuple(name for name, entry in entries.items() if entry.state == "shipped") or tuple(entries)[:1]
    with gr.Row(elem_classes="controls"):
        with gr.Column(elem_classes="controls-pictures", min_width=220):
            tray = Tray(elem_id="tray")
        with gr.Column(elem_classes="controls-question", min_width=260):
            with gr.Row(elem_classes="controls-ask"):
                task = gr.Dropdown([(task.title, name) for name, task in tasks.TASKS.items()], value=example.task,
                                   label="Task", elem_id="task", scale=1, min_width=130, filterable=False)
                question = gr.Textbox(example.question, label="Question", elem_id="question", scale=4, min_width=180,
                                      placeholder=tasks.TASKS[example.task].placeholder, max_lines=3,
                                      interactive=False)
            helped = Notice(words.sentence(tasks.TASKS[example.task].help), elem_id="help")
            notice = Notice(elem_id="notice")
        with gr.Column(elem_classes="controls-models", min_width=220):
            picker = Picker(Offered(tuple(entries.values()), first), elem_id="models")
        with gr.Column(elem_classes="controls-run", min_width=110):
            run = gr.Button("Run", variant="primary", elem_id="run", interactive=False)
            run_one = gr.Button("Run this one", elem_id="run-one", visible=False)
            stop = gr.Button("Stop", interactive=False, elem_id="stop")
    return Form(tray, task, question, helped, notice, picker, run, run_one, stop, first)


def awake(form: Form) -> dict:
    """The page has arrived, or said why it could not."""
    return {form.question: gr.update(interactive=True), form.run: gr.update(interactive=True)}


def chosen(values: Mapping, form: Form, there: Container[str]) -> list[str]:
    """The models that are ticked, as the browser says, if they are there."""
    return [name for name in values[form.picker].ticked if name in there]


def worded(form: Form, task: str, text: str | None = None) -> dict:
    """The question's box and its help in the words of a task; what was typed stays when only the task changes."""
    value = {} if text is None else {"value": text}
    return {form.question: gr.update(placeholder=tasks.TASKS[task].placeholder, **value),
            form.helped: words.sentence(tasks.TASKS[task].help)}


def run_words(form: Form, comparison: Comparison) -> dict:
    several = len(comparison.samples)
    return {form.run: gr.update(value=f"Run all {several}" if several > 1 else "Run"),
            form.run_one: gr.update(visible=several > 1)}


def asked(comparison: Comparison | None, now: Desk, task: str, question: str, models: Sequence[str]
          ) -> tuple[Sample, ...]:
    """The samples with the questions on the page. Raises ValueError with one sentence for the person."""
    if comparison is None:
        raise ValueError("There is no picture yet. Add one, or click an example.")
    if not models:
        raise ValueError("No model is chosen. Tick at least one.")
    samples = desks.worded(comparison.samples, task, question, now.captions)
    for sample in samples:
        try:
            columns.asked_of(sample)
        except ValueError as problem:
            name = f"{sample.images[0].name}: " if len(samples) > 1 else ""
            raise ValueError(f"{name}{problem}") from problem
    return samples


def missing(comparison: Comparison, asks: Mapping[tuple[str, str], Ask]) -> Mapping[tuple[str, str], Ask]:
    """What Run has to ask: what has no whole answer yet to this very question, with these settings; if nothing is
    missing, everything once more. So Run goes on where a Stop or a restart of the server ended."""
    left = {key: ask for key, ask in asks.items() if not _answers(comparison.answers.get(key), ask)}
    return left or asks


def _answers(prediction, ask: Ask) -> bool:
    if prediction is None or prediction.status == "failed" or prediction.generation != ask.generation:
        return False
    stopped = prediction.problems and prediction.problems[0].startswith(STOPPED)
    return prediction.request.prompt == ask.request.prompt and not stopped
