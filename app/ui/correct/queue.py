"""The queue of the Correct tab: filters, how far the review is, and the pictures in their order.

The browser shows a window of the queue around the picture that is open; all else about it is the store's.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.store import Store
from app.store.reviewing import STATUSES, Progress, Queued, Wanted
from app.types import Dataset
from app.ui.component import parts, printable
from app.ui.events import brought
from app.ui.shown import thumbnail
from app.ui.words import counted

HERE = Path(__file__).parent
BEFORE, AFTER = 8, 32  # pictures of the window
ANY = ""  # of a filter
LONGEST = 300
MOST_LABELS = 500  # in the filter's list
NOBODY_LOOKED, NONE_YET = Wanted(), Progress()


@dataclass(frozen=True)
class QueueView:
    """What the queue shows. `removed` is a sentence about what was just taken out, and offers to undo it."""
    items: tuple[Queued, ...] = ()
    selected: str = ""
    wanted: Wanted = NOBODY_LOOKED
    progress: Progress = NONE_YET
    datasets: tuple[Dataset, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    models: tuple[tuple[str, str], ...] = ()  # (id, title)
    matching: int = 0
    removed: str = ""
    operator: bool = True
    waiting: int = 0  # suggestions of visitors to samples that are there


class QueueItem(GradioModel):
    key: str
    thumb: FileData | None = None
    name: str = ""
    asked: str = ""
    status: str = ""
    note: str = ""


class QueueData(GradioModel):
    items: list[QueueItem] = []
    selected: str = ""
    wanted: dict = {}
    progress: dict = {}
    choices: dict = {}
    matching: int = 0
    removed: str = ""
    operator: bool = True
    waiting: int = 0


class Queue(gr.HTML):
    """Takes a QueueView. Events: `select` ({"sample"}), `filter` ({"wanted"}), `undo`, `example`, `accept` and
    `decline` ({"sample"}) for a sample that a visitor brought, `waiting` for what visitors suggest."""
    data_model = QueueData

    def __init__(self, value: QueueView | None = None, **rest):
        super().__init__(value=value or QueueView(), **parts(HERE, "queue", **rest))

    def preprocess(self, payload: QueueData | None) -> None:
        """Nothing: what a browser says is in the data of its events, read by `wanted` and `sample_of`."""

    def postprocess(self, value: QueueView | None) -> QueueData:
        view = value or QueueView()
        counted = view.progress
        choices = {"dataset": [[each.id, f"{printable(each.name)} ({each.samples})"] for each in view.datasets],
                   "label": [[printable(label), f"{printable(label)} ({number})"]
                             for label, number in view.labels[:MOST_LABELS]],
                   "model": [[name, printable(title)] for name, title in view.models]}
        return QueueData(
            items=[_item(each) for each in view.items], selected=view.selected, wanted=to_json(view.wanted),
            progress={"reviewed": counted.reviewed, "skipped": counted.skipped, "total": counted.total,
                      "flagged": counted.flagged, "suggested": counted.suggested},
            choices=choices, matching=view.matching, removed=printable(view.removed),
            operator=view.operator, waiting=view.waiting)


def window(store: Store, wanted: Wanted, selected: str | None) -> list[Queued]:
    """The pictures around the selected one; from the beginning where there is none. Raises NotFound."""
    if not selected:
        return store.queue.page(wanted, limit=BEFORE + AFTER)
    before = store.queue.page(wanted, before=selected, limit=BEFORE)
    after = store.queue.page(wanted, after=selected, limit=AFTER)
    return [*before, store.queue.find(selected), *after]


def wanted(told: object) -> Wanted:
    """Filters as a browser says them: whatever is no filter is none."""
    told = told if isinstance(told, Mapping) else {}

    def text(name: str) -> str | None:
        value = told.get(name)
        return value[:LONGEST] if isinstance(value, str) and value else None

    status = text("status")
    return Wanted(text("dataset"), status if status in STATUSES else None, text("label"), text("model"),
                  True if told.get("flagged") is True else None, told.get("removed") is True)


def to_json(wanted: Wanted) -> dict:
    return {"dataset": wanted.dataset or ANY, "status": wanted.status or ANY, "label": wanted.label or ANY,
            "model": wanted.model or ANY, "flagged": wanted.flagged is True, "removed": wanted.removed}


def sample_of(event: gr.EventData) -> str:
    return str(brought(event).get("sample") or "")[:LONGEST]


def _item(each: Queued) -> QueueItem:
    amount = "" if each.objects is None else "nothing here" if each.objects == 0 else counted(each.objects, "object")
    differ = f"models differ by {round(each.disagreement * 100)} %" if each.disagreement >= .005 else ""
    return QueueItem(key=each.id, thumb=_thumb(each), name=printable(each.image.name or "picture"),
                     asked=printable(each.query[:LONGEST]), status="flagged" if each.flagged else each.status,
                     note=" · ".join(filter(None, (amount, differ))))


def _thumb(each: Queued) -> FileData | None:
    try:
        return FileData(path=thumbnail(each.image))
    except ValueError:  # a picture that was damaged since: its row stays, without one
        return None
