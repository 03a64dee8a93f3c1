"""The forms of the Fine-tune tab: what is chosen and pressed, without what is done with it."""
from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from app.ui import words
from app.ui.component import classes
from app.ui.download import Copied, Download
from app.ui.jobs import JobList
from app.ui.overlay import Overlay
from app.ui.panel import Head, Notice
from app.ui.train.parts import Plan

ACTING = "train-acting"  # the class of what is there only when a run allows it


@dataclass(frozen=True)
class Choosing:
    dataset: gr.Dropdown
    split: Notice
    model: gr.Dropdown
    plan: Plan
    start: gr.Button
    check: gr.Button
    said: Notice
    command: Copied
    save: Download
    load: gr.UploadButton


@dataclass(frozen=True)
class Acting:
    """What can be done with a tuned model, and with a run."""
    done: gr.Column
    compare: gr.Button
    download: Download
    merge: gr.Button
    repo: gr.Textbox
    push: gr.Button
    leaving: JobList
    ended: gr.Column
    delete: gr.Button
    said: Notice


def choosing() -> Choosing:
    dataset = gr.Dropdown([], label="Learn from", elem_id="train-dataset")
    split = Notice(elem_id="train-split")
    model = gr.Dropdown([], label="Base model", elem_id="train-model")
    plan = Plan(elem_id="train-plan")
    with gr.Row(elem_classes="train-line"):
        start = gr.Button("Start training", variant="primary", elem_id="train-start", min_width=150)
        check = gr.Button("Check first", elem_id="train-check", min_width=100)
    said = Notice(elem_id="train-said")
    with gr.Row(elem_classes="taking"):
        command = Copied("Copy command", elem_id="train-command")
        save = Download("Save spec", elem_id="train-save")
        load = gr.UploadButton("Load spec", file_types=[".json"], elem_id="train-load", size="sm")
    return Choosing(dataset, split, model, plan, start, check, said, command, save, load)


def acting() -> Acting:
    with gr.Column(elem_classes=classes(False, ACTING)) as done:
        with gr.Row(elem_classes="taking train-buttons"):
            compare = gr.Button("Compare base and tuned", variant="primary", elem_id="train-compare", size="sm")
            download = Download("Download as zip", elem_id="train-zip")
        with gr.Accordion("Merge, or publish on the Hub", open=False, elem_id="train-publish"):
            Notice(words.sentence("Merged, the adapter's weights are in the base's: larger, and any engine loads it. "
                                  "On the Hub it is private at first, with a model card that carries this receipt."))
            with gr.Row(elem_classes="train-line"):
                merge = gr.Button("Merge", elem_id="train-merge", size="sm", scale=0, min_width=90)
                repo = gr.Textbox(label="Name on the Hub", placeholder="you/cells", elem_id="train-repo", max_lines=1,
                                  max_length=200, min_width=160)
                push = gr.Button("Push", elem_id="train-push", size="sm", scale=0, min_width=90)
            leaving = JobList(empty="", elem_id="train-leaving")
    with (gr.Column(elem_classes=classes(False, ACTING)) as ended,
          gr.Accordion("Delete", open=False, elem_id="train-delete")):
        Notice(words.sentence("The run goes with its curve, its receipt and the tuned model. There is no undo."))
        delete = gr.Button("Delete this run and its model", elem_id="train-delete-go", size="sm", variant="stop",
                           scale=0)
    return Acting(done, compare, download, merge, repo, push, leaving, ended, delete, Notice(elem_id="train-acted"))


def looking_closer() -> tuple[Notice, list[tuple[Head, Overlay]], gr.Button]:
    """What is true, the base's answer and the tuned one's, large and looked at together. Hidden by the style while
    there is no picture."""
    with gr.Column(elem_id="train-closer"):
        question = Notice(elem_id="train-question")
        with gr.Row(elem_classes="panels", elem_id="train-look"):
            columns = []
            for n in range(3):
                with gr.Column(min_width=240, elem_classes="model"):
                    columns.append((Head(elem_id=f"train-head-{n}"), Overlay(elem_id=f"train-overlay-{n}")))
        close = gr.Button("Close", size="sm", elem_id="train-close", scale=0)
    return question, columns, close

