"""What the Data tab shows: the shelf of datasets, a page of samples, and what came of an import or export."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.colours import colour
from app.pictures import PictureError
from app.types import Dataset, Sample
from app.ui.component import parts, printable
from app.ui.shown import thumbnail
from app.ui.words import counted

HERE = Path(__file__).parent
THUMBS = 4  # of a dataset
MOST_BOXES = 200  # drawn on one thumbnail
LONGEST = 200  # characters of a name or a label


class ShelfItem(GradioModel):
    id: str
    name: str
    note: str
    thumbs: list[FileData] = []


class ShelfData(GradioModel):
    items: list[ShelfItem] = []
    selected: str = ""


class Shelf(gr.HTML):
    """Takes ([(Dataset, its first samples)], the id of the selected one). `select` fires with `_data["id"]`."""
    data_model = ShelfData

    def __init__(self, value=None, **rest):
        super().__init__(value=value or ([], ""), **parts(HERE, "shelf", **rest))

    def postprocess(self, value: tuple[Sequence[tuple[Dataset, Sequence[Sample]]], str]) -> ShelfData:
        listed, selected = value
        return ShelfData(selected=selected, items=[
            ShelfItem(id=dataset.id, name=cut(dataset.name), note=counted(dataset.samples, "sample"),
                      thumbs=[file for sample in first[:THUMBS] if (file := thumb(sample))])
            for dataset, first in listed])


@dataclass(frozen=True)
class Page:
    """Samples to look at. `earlier` and `later` say whether there are more; `selected` is a sample's id."""
    samples: tuple[Sample, ...] = ()
    said: str = ""
    earlier: bool = False
    later: bool = False
    selected: str = ""


class Cell(GradioModel):
    id: str
    name: str
    note: str
    width: int
    height: int
    boxes: list[dict] = []
    thumb: FileData | None = None


class GridData(GradioModel):
    cells: list[Cell] = []
    said: str = ""
    earlier: bool = False
    later: bool = False
    selected: str = ""


class Grid(gr.HTML):
    """Takes a Page. Events: `select` (`_data["id"]`) and `input` (`_data["step"]`, 1 or -1: another page)."""
    data_model = GridData

    def __init__(self, value: Page | None = None, **rest):
        super().__init__(value=value or Page(), **parts(HERE, "grid", **rest))

    def postprocess(self, value: Page) -> GridData:
        return GridData(cells=[_cell(sample) for sample in value.samples], said=value.said, earlier=value.earlier,
                        later=value.later, selected=value.selected)


class Report(gr.HTML):
    """Takes {"title", "facts": [sentence], "tables": [{"title", "columns", "rows", "more"}]}, or {} for nothing."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value or {}, **parts(HERE, "report", **rest))


def thumb(sample: Sample) -> FileData | None:
    """None where the picture cannot be read any more: its cell says the name all the same."""
    try:
        return FileData(path=thumbnail(sample.images[0]))
    except (PictureError, OSError):
        return None


def cut(text: str, most: int = LONGEST) -> str:
    plain = printable(text)
    return plain if len(plain) <= most else plain[:most] + "…"


def about(sample: Sample) -> str:
    """What is true of it, in a few words."""
    if sample.answer is not None:
        return cut(f"{sample.query} — {sample.answer}", 120)
    if sample.truth is None:
        return "nobody has looked"
    if not sample.truth:
        return "nothing is there"
    labels: dict[str, int] = {}
    for each in sample.truth:
        labels[each.label] = labels.get(each.label, 0) + 1
    return cut(", ".join(f"{number} × {label}" if number > 1 else label for label, number in labels.items()), 120)


def _cell(sample: Sample) -> Cell:
    image = sample.images[0]
    boxes = [{"box": [round(value, 1) for value in each.box], "colour": colour(each.label)}
             for each in (sample.truth or ())[:MOST_BOXES] if each.box is not None and each.image == 0]
    points = [{"point": [round(point.x, 1), round(point.y, 1)], "colour": colour(each.label)}
              for each in (sample.truth or ())[:MOST_BOXES] if each.image == 0
              for point in each.points if point.visibility != "absent"][:MOST_BOXES]
    return Cell(id=sample.id, name=cut(image.name), note=about(sample), width=image.size[0], height=image.size[1],
                boxes=boxes + points, thumb=thumb(sample))
