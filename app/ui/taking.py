"""What one can take away from a comparison: pictures, a contact sheet, JSON, everything, the command that asks it."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr

from app import downloads, drawing
from app.downloads import file_name
from app.types import Comparison, Prediction, Sample
from app.ui import desk as desks
from app.ui.desk import looked_at, opened
from app.ui.download import Copied, Download, fresh
from app.workspace import Workspace


class Taking:
    """A row of buttons. What they hand over is read from the store when it is wanted."""

    def __init__(self, workspace: Workspace, memory: gr.BrowserState, titles: Mapping[str, str]):
        self.store, self.titles = workspace.store, titles
        with gr.Row(elem_classes="taking"):
            Download("Contact sheet", elem_id="take-sheet").prepares(self.sheet, [memory])
            Download("Answers as JSON", elem_id="take-json").prepares(self.document, [memory])
            Download("Everything as zip", elem_id="take-zip").prepares(self.archive, [memory])
            self.command = Copied("Copy the command", elem_id="take-command")

    def refreshed(self, comparison: Comparison | None) -> dict:
        """The command line that asks the same; none before something was asked."""
        return {self.command: downloads.command(comparison) if comparison and comparison.answers else ""}

    def sheet(self, told: dict) -> Path:
        comparison, sample = self._read(told)
        answers = [comparison.answers[sample.id, model] for model in comparison.models
                   if (sample.id, model) in comparison.answers]
        if not answers:
            raise ValueError("No model has answered about this picture yet. Press Run first.")
        path = fresh(f"{_stem(sample)} - sheet.png")
        downloads.sheet(sample, self.titles, answers).save(path)
        return path

    def document(self, told: dict) -> Path:
        path = fresh("comparison.json")
        path.write_text(json.dumps(downloads.document(self._read(told)[0]), ensure_ascii=False, indent=1), "utf-8")
        return path

    def archive(self, told: dict) -> Path:
        path = fresh("comparison.zip")
        downloads.archive(self._read(told)[0], self.titles, path)
        return path

    def picture(self, sitting: Callable[[], str]):
        """What hands over one panel's picture with its answer drawn on it, in the size of the original."""
        def prepare(told: dict) -> Path:
            comparison, sample = self._read(told)
            model = sitting()
            answer: Prediction | None = comparison.answers.get((sample.id, model))
            if answer is None:
                raise ValueError("This model has not answered about this picture yet. Press Run first.")
            path = fresh(f"{_stem(sample)} - {file_name(self.titles.get(model, model))}.png")
            drawing.annotated(sample.images[0], answer.annotations).save(path)
            return path
        return prepare

    def _read(self, told: dict) -> tuple[Comparison, Sample]:
        owner, now = desks.read(told)
        comparison = opened(self.store, now, owner)
        if comparison is None or not comparison.answers:
            raise ValueError("There are no answers yet. Press Run first.")
        return comparison, looked_at(comparison, now)


def _stem(sample: Sample) -> str:
    return Path(sample.images[0].name or "picture").stem
