"""Pictures of an evaluation, each with what became of it: a click shows all answers, another opens it in the editor."""
from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.ui.component import parts, printable


class Shot(GradioModel):
    """`note` stands under the picture; `name` is the file's."""
    image: FileData
    name: str
    note: str


class GalleryData(GradioModel):
    shots: list[Shot] = []
    open: int = -1
    editable: bool = False


class Gallery(gr.HTML):
    """Takes ([(thumbnail path, name, note)], place of the open one, whether an editor is there).

    `select` fires with `_data["index"]` for a picture, `correct` for its button.
    """
    data_model = GalleryData
    EVENTS = [*gr.HTML.EVENTS, "correct"]

    def __init__(self, value: tuple | None = None, **rest):
        super().__init__(value=value or ([], -1, False), **parts(Path(__file__).parent, "gallery", **rest))

    def postprocess(self, value: tuple) -> GalleryData:
        shots, at, editable = value
        return GalleryData(shots=[Shot(image=FileData(path=path), name=printable(name), note=printable(note))
                                  for path, name, note in shots], open=at, editable=editable)
