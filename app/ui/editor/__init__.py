"""The overlay in its editable form: boxes, points and labels of one picture, corrected with mouse, fingers or keys.

    editor = Editor(elem_id="editor")
    editor.save(handler, [...], [editor])        # an event's data is read by `told.read`; answer with `receipt(...)`
    editor.go(handler, …)                        # to another picture: {"to": "next", "sample": …}
    editor.version(handler, …)                   # an older version is asked for; answer with `version(...)`

It draws with the overlay's own scripts. What a person did goes to Python as an event's data and never as the
component's value: so it names a sample and an event of the store, and no file; the picture is never sent again. Several
edits can be on their way, so each carries a key, by which its receipt finds it.
"""
from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app import tasks
from app.colours import PALETTE
from app.skeletons import SKELETONS, plain
from app.types import Annotation
from app.ui.component import parts, printable
from app.ui.overlay import HERE as OVERLAY
from app.ui.overlay import SCRIPTS as DRAWING
from app.ui.overlay import drawn

HERE = Path(__file__).parent
SCRIPTS = tuple(HERE / name for name in ("items.js", "marks.js", "pointing.js", "joints.js", "labels.js", "listing.js",
                                         "typing.js", "saving.js", "details.js"))  # one scope, before editor.js
STYLES = (OVERLAY / "overlay.css", HERE / "editor.css", HERE / "beside.css")
LONGEST_KEY = 100
MOST_LABELS = 2_000  # in the list to search


@dataclass(frozen=True)
class About:
    """What is known of a picture beside its objects."""
    task: str
    query: str
    answer: str | None = None
    note: str = ""
    flagged: bool = False
    skipped: bool = False

    def to_json(self) -> dict:
        return {"task": self.task, "query": printable(self.query), "note": printable(self.note),
                "answer": None if self.answer is None else printable(self.answer), "flagged": self.flagged,
                "skipped": self.skipped}


@dataclass(frozen=True)
class Version:
    """One line of the history. `when`, `author` and `words` are for the person."""
    id: str
    when: str
    author: str
    words: str
    current: bool = False

    def to_json(self) -> dict:
        return {"id": self.id, "when": self.when, "author": printable(self.author), "words": printable(self.words),
                "current": self.current}


@dataclass(frozen=True)
class Work:
    """A picture to correct. `path` is a file a browser can show, `size` (width, height) of the upright original.

    `annotations` is what stands now (None: nobody has looked), `base` what the changes are counted from, which is
    called `beneath`. `parent` is the event that it stands in. `names` are joints that the question asks for.
    """
    sample: str
    path: str
    size: tuple[int, int]
    about: About
    annotations: tuple[Annotation, ...] | None = None
    base: tuple[Annotation, ...] = ()
    beneath: str = ""
    parent: str | None = None
    reviewed: bool = False
    earlier: tuple[Annotation, ...] = ()  # of the picture before this one, to copy
    labels: tuple[str, ...] = ()  # the first nine are on the number keys
    history: tuple[Version, ...] = ()
    place: str = ""  # `3 of 120`
    before: bool = False  # whether a picture comes before it
    suggesting: bool = False  # what a visitor saves waits until somebody accepts it
    open: bool = False  # on a phone: take the screen now


class EditorData(GradioModel):
    """What travels to the browser, once per picture. `stamp` tells a new beginning from the same value told again."""
    image: FileData
    stamp: str
    sample: str
    width: int
    height: int
    annotations: list[dict] = []
    base: list[dict] = []
    earlier: list[dict] = []
    nothing: bool = False
    reviewed: bool = False
    beneath: str = ""
    parent: str | None = None
    labels: list[str] = []
    template: dict | None = None
    history: list[dict] = []
    place: str = ""
    before: bool = False
    suggesting: bool = False
    open: bool = False
    task: str = ""
    query: str = ""
    answer: str | None = None
    note: str = ""
    flagged: bool = False
    skipped: bool = False


class Editor(gr.HTML):
    """Takes a Work, or None for the empty state, which says `hint`. Its value is of no use to a handler."""
    data_model = EditorData

    def __init__(self, value: Work | None = None, *, hint: str = "No picture yet.", receipt: dict | None = None,
                 older: dict | None = None, **rest):
        # `receipt` and `older` are what the functions of these names update; Gradio then makes the component anew.
        super().__init__(value=value, hint=hint, palette=list(PALETTE), receipt=receipt, older=older,
                         skeletons=[each.to_json() for each in SKELETONS],
                         tasks=[[task.title, name] for name, task in tasks.TASKS.items()],
                         **parts(HERE, "editor", (*DRAWING, *SCRIPTS), STYLES, **rest))

    def preprocess(self, payload: EditorData | None) -> None:
        """Nothing: what a browser says is in the data of its events, which `told.read` reads."""

    def postprocess(self, value: Work | None) -> EditorData | None:
        if value is None:
            return None
        width, height = value.size
        now = objects(value.annotations or (), value.reviewed)
        return EditorData(
            image=FileData(path=value.path), stamp=secrets.token_hex(6), sample=value.sample, width=width,
            height=height, annotations=now, base=objects(value.base, value.reviewed), earlier=objects(value.earlier),
            nothing=value.annotations == () and value.reviewed, reviewed=value.reviewed,
            beneath=printable(value.beneath), parent=value.parent,
            labels=[printable(label) for label in value.labels[:MOST_LABELS]], template=_template(value.about),
            history=[each.to_json() for each in value.history], place=value.place, before=value.before,
            suggesting=value.suggesting, open=value.open, **value.about.to_json())


def objects(annotations: Sequence[Annotation], reviewed: bool = False) -> list[dict]:
    """As the editor holds them. `checked`: a person has seen this one and left it so."""
    return [{**drawn(each, index), "crowd": each.crowd, "area": each.area, "score_source": each.score_source,
             "checked": reviewed or each.score_source == "person"} for index, each in enumerate(annotations)]


def receipt(key: str, *, saved: str | None = None, words: str = "", problem: str = "",
            history: Sequence[Version] | None = None, conflict: Mapping | None = None) -> dict:
    """The answer to a save: it is the event `saved` now, or a `problem` in a sentence, or a `conflict` (`theirs`)."""
    told: dict = {"key": key}
    if conflict is not None:
        told["conflict"] = dict(conflict)
    elif problem:
        told["problem"] = printable(problem)
    else:
        told |= {"saved": saved, "words": printable(words)}
    if history is not None:
        told["history"] = [each.to_json() for each in history]
    return gr.update(receipt=told)


def theirs(id: str, when: str, author: str, words: str, annotations: Sequence[Annotation] | None, reviewed: bool,
           about: About) -> dict:
    """The version of somebody who was faster."""
    return {"id": id, "when": when, "author": printable(author), "words": printable(words),
            "objects": objects(annotations or (), reviewed), "nothing": annotations == () and reviewed,
            "about": about.to_json()}


def version(sample: str, id: str, when: str, annotations: Sequence[Annotation] | None, reviewed: bool,
            about: About) -> dict:
    """The answer to `version`: an older version, which becomes one more edit."""
    return gr.update(older={"ticket": secrets.token_hex(6), "sample": sample, "id": id, "when": when,
                            "objects": objects(annotations or (), reviewed),
                            "nothing": annotations == () and reviewed, "about": about.to_json()})


def _template(about: About) -> dict | None:
    if about.task != "keypoints":
        return None
    names = tuple(dict.fromkeys(filter(None, (" ".join(name.split()) for name in about.query.split(";")))))
    return plain(names, "person").to_json() if names else None
