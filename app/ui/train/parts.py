"""The components of the Fine-tune tab: each shows what it is told and says what a person did. Their files are here."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.colours import colour
from app.pictures import PictureError
from app.types import Annotation, Image
from app.ui.component import NEWS, parts, printable
from app.ui.shown import thumbnail
from app.ui.train.choices import Choice, schema

HERE = Path(__file__).parent
MOST_OBJECTS = 100  # drawn on one picture
SIDE = 480  # pixels of a picture beside others: twice what a card shows of it


class Plan(gr.HTML):
    """How thorough, and every setting. Holds {"preset", "changed", "takes": {preset: words}, "closed"}; `input` fires a
    quarter of a second after the last change. What comes with "keep" leaves the choices as they are; what is
    "remembered" does once a person has made one."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value or Choice().to_json(), schema=schema(), **parts(HERE, "plan", **rest))


class Check(gr.HTML):
    """Takes {"headline", "mark", "refusals", "warnings", "facts", "examples"}, see told.check; {} shows nothing."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value or {}, **parts(HERE, "check", **rest))


class Live(gr.HTML):
    """Takes what told.live says, {} for nothing. Events: `tick` (news, please), `stop`, `play` (resume), `retry`, each
    with `_data`: {"id", "seen": what is shown, "log": whether the log is}."""

    def __init__(self, value: dict | None = None, *, seconds: float = 1.5, **rest):
        super().__init__(value=value or {}, seconds=seconds, **parts(HERE, "live", (NEWS, HERE / "chart.js"), **rest))


class Receipt(gr.HTML):
    """Takes what receipts.told says, {} for nothing."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value or {}, **parts(HERE, "receipt", **rest))


class Runs(gr.HTML):
    """Takes what told.runs says. `select` fires with `_data["id"]`, `input` with `_data["ticked"]`: ids."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value or {}, **parts(HERE, "runs", **rest))


class Pane(GradioModel):
    title: str
    note: str = ""
    text: str = ""  # where an answer is words
    shapes: list[dict] = []


class Pair(GradioModel):
    """A picture with the answers about it; the first pane is the base's. `index` is its place in the answers."""
    index: int
    name: str
    note: str
    width: int
    height: int
    image: FileData | None = None
    opens: bool = False
    truth: list[dict] = []
    panes: list[Pane] = []


class PairsData(GradioModel):
    id: str = ""
    title: str = ""
    note: str = ""
    steps: list[str] = []
    rows: list[Pair] = []


class Pairs(gr.HTML):
    """Takes a PairsData. `select` fires with `_data["index"]` where a pair `opens`."""
    data_model = PairsData

    def __init__(self, value: PairsData | None = None, **rest):
        super().__init__(value=value or PairsData(), **parts(HERE, "pairs", **rest))


def shapes(annotations: Sequence[Annotation]) -> list[dict]:
    """What can be drawn, the small ones last."""
    def large(each: Annotation) -> float:
        return (each.box[2] - each.box[0]) * (each.box[3] - each.box[1]) if each.box else 0.0

    found = [each for each in annotations if each.image == 0 and (each.box or each.points)][:MOST_OBJECTS]
    return [{"box": None if each.box is None else [round(value, 1) for value in each.box],
             "points": [[round(point.x, 1), round(point.y, 1)] for point in each.points
                        if point.visibility != "absent"],
             "colour": colour(each.label), "label": printable(each.label)[:80]}
            for each in sorted(found, key=large, reverse=True)]


def picture(image: Image) -> FileData | None:
    """None where it cannot be read any more: its name and the boxes say what they can."""
    try:
        return FileData(path=thumbnail(image, SIDE))
    except (PictureError, OSError):
        return None
