"""The picture with the answer drawn on it: boxes, points and labels as SVG, in pixels of the upright original.

One component for every panel. The overlays inside one element of the class `panels` look together: they share zoom,
hidden layers and the object that is pointed at, all in the browser (room.js). It only shows; the editor draws with the
same scripts. Everything drawn is a DOM node with a `data-id`, so that tests and screen readers can see it. The picture
travels once, as the address of a file; an update is JSON.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.colours import PALETTE
from app.skeletons import SKELETONS
from app.types import Annotation
from app.ui.component import parts, printable

HERE = Path(__file__).parent
# Joined before overlay.js, and before the editor's scripts.
SCRIPTS = tuple(HERE / name for name in ("room.js", "words.js", "looking.js", "zoom.js", "drawing.js"))
LONGEST_LABEL = 300  # characters; a tag is cut to fit the picture anyway, and a model can write forever


@dataclass(frozen=True)
class View:
    """What an overlay shows. `path` is a file a browser can show; `size` is (width, height) of the upright original.

    `truth` is drawn under the annotations, when a person switches it on.
    """
    path: str
    size: tuple[int, int]
    annotations: tuple[Annotation, ...] = ()
    truth: tuple[Annotation, ...] = ()


class OverlayData(GradioModel):
    """What travels. With a model, Gradio checks that a file sent by a browser is one that was uploaded here."""
    image: FileData
    width: int
    height: int
    annotations: list[dict] = []
    truth: list[dict] = []


class Overlay(gr.HTML):
    """Takes a View, or None for the empty state, which says `hint`."""
    data_model = OverlayData

    def __init__(self, value: View | None = None, *, hint: str = "No picture yet.", **rest):
        super().__init__(value=value, hint=hint, palette=list(PALETTE),
                         skeletons=[each.to_json() for each in SKELETONS], **parts(HERE, "overlay", SCRIPTS, **rest))

    def postprocess(self, value: View | None) -> OverlayData | None:
        if value is None:
            return None
        width, height = value.size
        return OverlayData(image=FileData(path=value.path), width=width, height=height,
                           annotations=[drawn(each, i) for i, each in enumerate(value.annotations)],
                           truth=[{**drawn(each, i), "id": f"truth {i}"} for i, each in enumerate(value.truth)])


def drawn(annotation: Annotation, index: int) -> dict:
    """The ANNOTATION of the commands, with an id that stays the same while text streams."""
    shown = annotation.to_json()
    shown["label"] = printable(annotation.label)[:LONGEST_LABEL]
    shown["points"] = [{**point, "name": printable(point["name"])[:LONGEST_LABEL]} for point in shown["points"]]
    return {"id": printable(annotation.id) or f"a{index}", **shown}
