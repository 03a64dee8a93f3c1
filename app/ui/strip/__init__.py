"""A row of examples: a thumbnail, the task and the question under it; a click runs it."""
from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.ui.component import parts


class StripItem(GradioModel):
    image: FileData
    task: str
    question: str


class StripData(GradioModel):
    items: list[StripItem] = []


class Strip(gr.HTML):
    """Takes [(thumbnail path, task title, question)]. `select` fires with `_data["index"]`."""
    data_model = StripData

    def __init__(self, value: list[tuple[str, str, str]] | None = None, **rest):
        super().__init__(value=value or [], **parts(Path(__file__).parent, "strip", **rest))

    def postprocess(self, value: list[tuple[str, str, str]]) -> StripData:
        return StripData(items=[StripItem(image=FileData(path=path), task=task, question=question)
                                for path, task, question in value])
