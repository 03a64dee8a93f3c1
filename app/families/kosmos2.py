"""Kosmos-2: `<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object>`, cells of a 32×32 grid.

Two cells are the upper left and the lower right corner of a box; it goes from middle to middle, or, where both are in
one row or column, from edge to edge. The prompts for an expression, a caption and a question are the model card's. A
phrase in the prompt is completed by its `<object>` alone, so such an answer names nothing. Asked for several classes,
it answers with a phrase for each: that wording is ours, learnt by tuning. So are the phrases of a caption asked for:
its makers ground them one by one, each in a prompt that ends with it, and a request is one prompt.
"""
from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import groupby

from app import phrases
from app.families.answer import HALF_TAG, Found, parse, plain_label, tagless
from app.families.base import Example, Family
from app.families.reading import Reading, boxed
from app.geometry import clamp
from app.types import Annotation, Box, Frame, Image, Parsed, Pixels, Request

SIDE = 32
TOKEN = re.compile(r"(?P<phrase><phrase>(?P<words>(?:[^<]|<(?![/a-zA-Z]))*)(?P<closed></phrase>)?)|(?P<open><object>)|"
                   r"(?P<cells><patch_index_(?P<first>\d{4})>\s*<patch_index_(?P<last>\d{4})>)|(?P<close></object>)")
NEXT = "</delimiter_of_multi_objects/>"


class Kosmos2(Family):
    name = "kosmos-2"
    title = "Kosmos-2"
    aliases = ("kosmos",)
    model_types = ("kosmos-2",)
    padding = None  # padded on the left, its answers differ from the second token on
    tasks = frozenset({"detect", "ground", "ask"})
    thinks = False
    pixels = Pixels(fixed=(224, 224))
    language_layers = r".*text_model.*\.(?:[qkv]_proj|out_proj|fc1|fc2)"
    trainable_by = ("sft",)
    example = Example(
        request=Request(images=(Image("snowman.png", (1000, 1000)),), task="ground", caption="a snowman by a fire"),
        frame=Frame((1000, 1000), (224, 224)),
        text="<grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> "
             "warming himself by<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>.",
        annotations=(Annotation("a snowman", (390.625, 46.875, 984.375, 828.125)),
                     Annotation("a fire", (171.875, 15.625, 484.375, 890.625))),
        source="microsoft/kosmos-2-patch14-224 in transformers' tests/models/kosmos2/test_modeling_kosmos2.py "
               "(Apache-2.0); boxes as published there, in units of a picture whose size is not said",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        request = tagless(request)
        if request.task == "ask":
            return f"<grounding> Question: {request.caption} Answer:"
        if request.task == "detect" and len(request.names) > 1:
            return f"<grounding> Find {', '.join(request.names)}:"
        return f"<grounding><phrase> {request.caption if request.task == 'ground' else request.names[0]}</phrase>"

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        named = [("" if _completes(request) else f"<phrase> {plain_label(annotation.label)}</phrase>",
                  _cells(boxed(annotation, request.task), frame.image_size)) for annotation in annotations]
        return "".join(f"{phrase}<object>{NEXT.join(cells for _, cells in group)}</object>"
                       for phrase, group in groupby(named, key=lambda found: found[0])) or "<object></object>"

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        parsed = parse(text, Reading(request, frame, (SIDE, SIDE), labelled=not _completes(request)), _read)
        return phrases.renamed(parsed, request) if request.phrases else parsed


def _completes(request: Request) -> bool:
    """Whether the answer goes on behind a phrase in the prompt."""
    return request.task == "ground" or len(request.names) == 1


def _cells(box: Box, size: tuple[int, int]) -> str:
    """The makers' rule: the cell a corner is in; a corner on an edge belongs to the inside of the box."""
    x1, y1, x2, y2 = (value / size[i % 2] * SIDE for i, value in enumerate(box))
    left, top = (int(clamp(math.floor(value + 1e-6), SIDE - 1)) for value in (x1, y1))
    right, bottom = (int(clamp(math.ceil(value - 1 - 1e-6), SIDE - 1)) for value in (x2, y2))
    last = max(bottom, top) * SIDE + max(right, left)
    return f"<patch_index_{top * SIDE + left:04d}><patch_index_{last:04d}>"


def _corners(first: int, last: int) -> list[float]:
    """Two cells → x1, y1, x2, y2 in cells."""
    (top, left), (bottom, right) = divmod(first, SIDE), divmod(last, SIDE)
    if left == right or top == bottom:
        return [left, top, right + 1, bottom + 1]
    return [left + 0.5, top + 0.5, right + 0.5, bottom + 0.5]


def _read(said: str, reading: Reading) -> Found:
    label, start, inside, nothing, half_phrase = "", None, False, False, False
    for token in TOKEN.finditer(said):
        half_phrase = False
        if token["phrase"] is not None:
            label, start, inside = token["words"].strip(), token.start(), False
            half_phrase = token["closed"] is None and token.end() == len(said)
        elif token["cells"] is not None:
            inside = True
            box = reading.box(_corners(int(token["first"]), int(token["last"])))
            if box is not None:
                reading.add(Annotation(reading.label(label), box),
                            (token.start() if start is None else start, token.end()))
        else:
            inside = token["open"] is not None
            nothing = nothing or (not inside and not reading.annotations)
    return Found(cut=inside or half_phrase or bool(HALF_TAG.search(said[-50:])), nothing=nothing and not inside)


FAMILY = Kosmos2()
