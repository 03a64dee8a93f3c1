"""The picture with the answer drawn on it: boxes, points and labels as SVG, in pixels of the upright original.

One component for every panel. It only shows for now; everything it draws is a DOM node with a `data-id`, so that
a form in which boxes can be moved can grow from it (props.value flows back to Python), and tests and screen readers
can see it. The picture travels once, as the address of a file; an update is JSON.
"""
from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData, GradioModel

from app.types import Annotation
from app.ui.component import parts, printable

# Okabe and Ito's colours (2008), distinguishable with every common colour blindness; black is left out, because the
# outline that makes a line visible on any picture is black.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
LONGEST_LABEL = 300  # characters; a tag is cut to fit the picture anyway, and a model can write forever


@dataclass(frozen=True)
class View:
    """What an overlay shows. `path` is a file a browser can show; `size` is (width, height) of the upright original."""
    path: str
    size: tuple[int, int]
    annotations: tuple[Annotation, ...] = ()


class OverlayData(GradioModel):
    """What travels. With a model, Gradio checks that a file sent by a browser is one that was uploaded here."""
    image: FileData
    width: int
    height: int
    annotations: list[dict] = []


class Overlay(gr.HTML):
    """Takes a View, or None for the empty state, which says `hint`."""
    data_model = OverlayData

    def __init__(self, value: View | None = None, *, hint: str = "No picture yet.", **rest):
        super().__init__(value=value, hint=hint, palette=list(PALETTE), **parts(Path(__file__).parent, "overlay"),
                         **rest)

    def postprocess(self, value: View | None) -> OverlayData | None:
        if value is None:
            return None
        width, height = value.size
        return OverlayData(image=FileData(path=value.path), width=width, height=height,
                           annotations=[drawn(each, i) for i, each in enumerate(value.annotations)])


def drawn(annotation: Annotation, index: int) -> dict:
    """The ANNOTATION of the commands, with an id that stays the same while text streams."""
    shown = annotation.to_json()
    shown["label"] = printable(annotation.label)[:LONGEST_LABEL]
    shown["points"] = [{**point, "name": printable(point["name"])[:LONGEST_LABEL]} for point in shown["points"]]
    return {"id": printable(annotation.id) or f"a{index}", **shown}


def colour(label: str) -> str:
    """A label's colour, the same on every page and every day: FNV-1a (32 bit) of the label, over the palette.

    overlay.js does the same sum; a test in the browser compares them over many scripts.
    """
    hashed = 2166136261
    for byte in unicodedata.normalize("NFC", printable(label)).lower().encode("utf-8"):
        hashed = (hashed ^ byte) * 16777619 & 0xFFFFFFFF
    return PALETTE[hashed % len(PALETTE)]
