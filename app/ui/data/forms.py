"""The forms of the Data tab: what is typed and chosen, without what is done with it."""
from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from app import formats, tasks
from app.types import Snapshot
from app.ui import words
from app.ui.data.parts import Report, cut
from app.ui.panel import Head, Notice
from app.ui.words import counted

ANY = {"label": "any label", "task": "any task", "split": "both splits", "size": "any size", "source": "any source"}
SPLITS = {"train": "to train on", "val": "held out"}
NEEDS_A_PLACE = {"hub"}  # formats that are written elsewhere than into a zip


def importing() -> tuple[gr.Dropdown, tuple]:
    """The form that brings data in."""
    with gr.Accordion("Import", open=True, elem_id="import"):
        into = gr.Dropdown([], label="Dataset, new or one that is to grow", allow_custom_value=True, elem_id="into",
                           value="")
        readable = [(each.title, each.name) for each in formats.every() if each.read]
        format_in = gr.Dropdown(readable, label="Format", value="coco", elem_id="format-in")
        hint_in = Notice(words.sentence(formats.find("coco", "read").hint + "."), elem_id="hint-in")
        uploads = gr.File(label="Files: a zip, or a list with its pictures", file_count="multiple", height=150,
                          elem_id="uploads")
        path_box = gr.Textbox(label="Or a path on this machine", placeholder="/data/street/data.yaml", max_length=4000,
                              elem_id="path-in")
        with gr.Accordion("More", open=False, elem_id="import-more"):
            split_in = gr.Dropdown([("as the files say", ""), *((said, split) for split, said in SPLITS.items())],
                                   label="Split", value="", elem_id="split-in")
            pictures_in = gr.Textbox(label="Folder of the pictures, if they are elsewhere", elem_id="pictures-in",
                                     max_length=4000)
            boxes_in = gr.Dropdown([("as the format says", ""), ("corners: x1, y1, x2, y2", "xyxy"),
                                    ("corner and size: x, y, width, height", "xywh")],
                                   label="Boxes are written as", value="", elem_id="boxes-in")
            family_in = gr.Textbox(label="Whose language answers are written in", placeholder="qwen2.5-vl",
                                   elem_id="family-in", max_length=100)
        import_button = gr.Button("Import", variant="primary", elem_id="import-go")
        form_said = Notice(elem_id="import-said")
    return into, (uploads, path_box, format_in, hint_in, split_in, pictures_in, boxes_in, family_in, import_button,
                  form_said)


def browsing(grid) -> tuple:
    """The dataset's head, its filters by name, and the grid."""
    title = Head(elem_id="dataset")
    with gr.Row(elem_classes="data-filters"):
        menus = {name: gr.Dropdown([(said, "")], value="", show_label=False, container=False, elem_id=f"only-{name}",
                                   min_width=120) for name, said in ANY.items()}
    return title, menus, grid(elem_id="grid")


def changing() -> tuple:
    """Classes, versions, export and deletion."""
    with gr.Accordion("Classes: rename or merge", open=False, elem_id="classes"):
        with gr.Row(elem_classes="data-line"):
            old_name = gr.Dropdown([], label="Class", elem_id="old-name", min_width=140)
            new_name = gr.Dropdown([], label="New name; one that is there merges both", allow_custom_value=True,
                                   elem_id="new-name", min_width=140)
            rename_button = gr.Button("Rename", elem_id="rename", size="sm", scale=0, min_width=100)
        undo = gr.Button("Undo", elem_id="undo-rename", size="sm", visible=False)
    with gr.Accordion("Export", open=False, elem_id="export"):
        writable = [(each.title, each.name) for each in formats.every()
                    if each.write and each.name not in NEEDS_A_PLACE]
        with gr.Row(elem_classes="data-line"):
            format_out = gr.Dropdown(writable, label="Format", value="coco", elem_id="format-out", min_width=140)
            split_out = gr.Dropdown([("both splits", ""), *((said, split) for split, said in SPLITS.items())], value="",
                                    label="Split", elem_id="split-out", min_width=120)
            version = gr.Dropdown([("as it is now", "")], value="", label="Version", elem_id="version-out",
                                  min_width=140)
            family_out = gr.Textbox(label="Language, where the format needs one", placeholder="qwen2.5-vl",
                                    elem_id="family-out", min_width=140, max_length=100)
            export_button = gr.Button("Export", elem_id="export-go", size="sm", scale=0, min_width=100)
        hint_out = Notice(words.sentence(formats.find("coco", "write").hint + "."), elem_id="hint-out")
        export_said = Notice(elem_id="export-said")
    with gr.Accordion("Versions", open=False, elem_id="versions"):
        Notice(words.sentence("A version never changes: train or measure on one, and you can say on what."))
        version_button = gr.Button("Keep this version", elem_id="keep-version", size="sm", scale=0)
        versions = Report(elem_id="versions-list")
    with gr.Accordion("Delete", open=False, elem_id="delete"):
        Notice(words.sentence("The dataset is not shown any more, until you bring it back."))
        delete_button = gr.Button("Delete this dataset", elem_id="delete-go", size="sm", variant="stop", scale=0)
    return (old_name, new_name, rename_button, undo, version_button, versions, format_out, hint_out, split_out, version,
            family_out, export_button, export_said, delete_button)


def menu(counts: Sequence[tuple[str, int]], chosen: str | None, name: str) -> dict:
    """What a filter offers, each with its number."""
    return gr.update(choices=[(ANY[name], ""), *named(counts, name)], value=chosen or "")


def named(counts: Sequence[tuple[str, int]], name: str = "label") -> list[tuple[str, str]]:
    says = {"split": lambda value: SPLITS.get(value, value),
            "task": lambda value: tasks.TASKS[value].title if value in tasks.TASKS else value}.get(name, str)
    return [(f"{cut(says(value), 60) or 'unnamed'} ({number:,})", value) for value, number in counts]


def versions(kept: Sequence[Snapshot]) -> dict:
    """A Report of the snapshots, or nothing."""
    if not kept:
        return {}
    rows = [[time.strftime("%-d %B %Y, %H:%M", time.localtime(each.created)), f"{each.samples:,}", each.digest[:16]]
            for each in kept]
    return {"title": counted(len(kept), "version"), "facts": [],
            "tables": [{"title": "All", "columns": ["kept", "samples", "digest"], "rows": rows, "more": ""}]}


def when(kept: Snapshot) -> str:
    return f"{time.strftime('%-d %B, %H:%M', time.localtime(kept.created))} ({counted(kept.samples, 'sample')})"


def linked(file: Path, target: Path) -> Path:
    """The file under another name: a link where both are on one disk, because it may be large."""
    with contextlib.suppress(OSError):
        os.link(file, target)
        return target
    shutil.copyfile(file, target)
    return target
