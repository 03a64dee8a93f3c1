"""The person's pictures in a row: choose, drop, paste or photograph several, and give each its own question.

Files go to the server as they are and come back as small thumbnails, never as 12-megapixel originals. Python holds the
pictures; the browser holds only what is being typed. So everything that a browser says here is a file that Gradio has
checked to be uploaded, a number or a bounded text.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.tasks import LONGEST_QUERY
from app.ui.component import parts, printable
from app.ui.events import brought

BIGGEST_FILE = 100 * 1024 * 1024  # bytes; the server refuses more, and the browser says so before it sends them
MOST_FILES = 2_000  # in one drop: pictures, lists and zips together
LONGEST_NAME = 1_000  # characters of a path in a dropped folder
LONGEST_KEY = 100
HERE = Path(__file__).parent
SCRIPTS = tuple(HERE / name for name in ("rows.js", "sending.js", "camera.js"))


@dataclass(frozen=True)
class TrayItem:
    """One picture. `key` is what events carry back; `caption` is its own question, empty where it has none.

    `note` stands under the name ("1280 × 720"), `status` is a few words ("answered", "2 of 3", "waiting"), and
    `problem` is a sentence that says why the picture cannot be used.
    """
    key: str
    name: str
    thumb: str | None = None  # a path, from `shown.thumbnail`
    note: str = ""
    caption: str = ""
    status: str = ""
    problem: str = ""


@dataclass(frozen=True)
class TrayView:
    """What the tray shows. `question` is the common one, which stands for every empty caption.

    `problems` are sentences about files that were refused; `removed` says what was just taken away ("a.jpg was
    removed") and offers to undo it; `busy` says what the server is doing with new files ("looking at 3 of 12…").
    """
    items: tuple[TrayItem, ...] = ()
    selected: int = 0
    problems: tuple[str, ...] = ()
    question: str = ""
    removed: str = ""
    busy: str = ""


@dataclass(frozen=True)
class TrayHeard:
    """What came from the browser. `captions` are by key, and newer than what the last `input` event told."""
    sent: tuple[tuple[Path, str], ...] = ()  # (path here, name there), as `intake.take` wants them
    replace: bool = False  # the new files take the place of the one picture
    selected: int = 0
    captions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Touched:
    """The picture that an event is about, and what was typed. `index` is -1 where the browser sent nonsense."""
    index: int
    key: str
    text: str = ""


class Row(GradioModel):
    key: str
    name: str
    thumb: FileData | None = None
    note: str = ""
    caption: str = ""
    status: str = ""
    problem: str = ""


class TrayData(GradioModel):
    items: list[Row] = []
    selected: int = 0
    problems: list[str] = []
    question: str = ""
    removed: str = ""
    busy: str = ""
    sent: list[FileData] = []
    replace: bool = False


class Tray(gr.HTML):
    """Takes a TrayView (or None, an empty one), gives a TrayHeard.

    Events: `upload` (files have arrived: read `sent`), `select`, `input` (a caption was typed), `delete` (one picture),
    `clear` (all), `undo` (the last removal). `touched(event)` reads what select, input and delete are about. Events
    come faster than they are answered: listen with `trigger_mode="multiple"`, and to select and input with
    "always_last" and without the tray as an output, since the browser already shows what they say.
    """
    data_model = TrayData

    def __init__(self, value: TrayView | None = None, biggest_file: int = BIGGEST_FILE, **rest):
        super().__init__(value=value or TrayView(), biggest_file=biggest_file, most_files=MOST_FILES,
                         longest_caption=LONGEST_QUERY, **parts(HERE, "tray", SCRIPTS, **rest))

    def postprocess(self, value: TrayView | None) -> TrayData:
        view = value or TrayView()
        return TrayData(items=[_row(item) for item in view.items], selected=view.selected,
                        problems=[printable(each) for each in view.problems], question=printable(view.question),
                        removed=printable(view.removed), busy=printable(view.busy))

    def preprocess(self, payload: TrayData | None) -> TrayHeard:
        if payload is None:
            return TrayHeard()
        sent = tuple((Path(file.path), (file.orig_name or Path(file.path).name)[:LONGEST_NAME])
                     for file in payload.sent[:MOST_FILES])
        captions = {row.key[:LONGEST_KEY]: row.caption[:LONGEST_QUERY] for row in payload.items[:MOST_FILES]}
        return TrayHeard(sent, payload.replace, payload.selected, captions)


def touched(event: gr.EventData) -> Touched:
    """What an event of the tray is about. The browser may say anything, so anything is read."""
    told = brought(event)
    index, key, text = told.get("index"), told.get("key"), told.get("text")
    return Touched(index if type(index) is int and 0 <= index < MOST_FILES else -1,
                   key[:LONGEST_KEY] if isinstance(key, str) else "",
                   text[:LONGEST_QUERY] if isinstance(text, str) else "")


def _row(item: TrayItem) -> Row:
    return Row(key=item.key, name=printable(item.name), thumb=FileData(path=item.thumb) if item.thumb else None,
               note=printable(item.note), caption=printable(item.caption), status=printable(item.status),
               problem=printable(item.problem))
