"""Choosing a picture: click, drop or paste. The file goes to the server as it is; a thumbnail says which it was.

Not `gr.Image`: that opens every upload with Pillow before our code can refuse it, and re-encodes some of them. The
model must get the file that the person chose.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.ui.component import parts, printable


@dataclass(frozen=True)
class Picked:
    """A chosen file. `shown` is what a browser can show of it; `problem` is why it cannot be used, in a sentence."""
    path: str
    name: str
    shown: str | None = None
    size: tuple[int, int] | None = None
    problem: str = ""


class PickerData(GradioModel):
    picture: FileData
    shown: FileData | None = None
    note: str = ""
    problem: str = ""


class Picker(gr.HTML):
    """Takes and gives a Picked, or None. `upload` fires when a person chose a file."""
    data_model = PickerData

    def __init__(self, value: Picked | None = None, **rest):
        super().__init__(value=value, **parts(Path(__file__).parent, "picker"), **rest)

    def postprocess(self, value: Picked | None) -> PickerData | None:
        if value is None:
            return None
        return PickerData(
            picture=FileData(path=value.path, orig_name=printable(value.name)),
            shown=FileData(path=value.shown) if value.shown else None,
            note="{} × {}".format(*value.size) if value.size else "",
            problem=printable(value.problem))

    def preprocess(self, payload: PickerData | None) -> Picked | None:
        """Only the file is believed; Gradio has checked that it was uploaded here. The rest is read from it again."""
        if payload is None:
            return None
        return Picked(payload.picture.path, payload.picture.orig_name or Path(payload.picture.path).name)
