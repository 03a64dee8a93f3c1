"""Florence-2: `car<loc_53><loc_333><loc_933><loc_774>…`, the name before its boxes, x before y, 1000 bins.

The prompt is a task token with words behind it. A bin is read at its middle, `(k + 0.5) / 1000`; the makers' code then
cuts to whole pixels, ours does not. Several classes are joined by `<and>`, as its users found
(https://github.com/IDEA-Research/Grounded-SAM-2/issues/23). A whole caption is grounded at once, as its makers do; it
answers with the caption's words ("A green car"), and a box gets the name of the phrase that they are. An edited prompt
may be any of its tasks: the quads of `<OCR_WITH_REGION>` and the outlines of `<…_SEGMENTATION>` become the boxes
around them.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from app import phrases
from app.families.answer import ENDING, HALF_TAG, Found, parse, plain_label, tagless
from app.families.base import Example, Family
from app.families.reading import Reading, boxed
from app.geometry import clamp
from app.types import Annotation, Box, Frame, Image, Parsed, Pixels, Request

BINS = 1000
TOKEN = re.compile(r"(?P<run>(?:<loc_\d{1,4}>)+)|(?P<tag></?[a-zA-Z][^<>\s]{0,40}>)|(?P<text>(?:[^<]|<(?![/a-zA-Z]))+)")
NUMBER = re.compile(r"<loc_(\d{1,4})>")


class Florence2(Family):
    name = "florence-2"
    title = "Florence-2"
    aliases = ("florence", "florence2-base", "florence2-large")
    model_types = ("florence2",)
    tasks = frozenset({"detect", "ground"})
    thinks = False
    pixels = Pixels(fixed=(768, 768))
    padding = "right"  # BART counts positions from the left: left padding changes the answer
    language_layers = r".*language_model.*\.(?:[qkv]_proj|out_proj|fc1|fc2)"
    trainable_by = ("sft",)
    example = Example(
        request=Request(images=(Image("car.jpg", (640, 480)),), task="detect", names=("wheels",)),
        frame=Frame((640, 480), (768, 768)),
        text="</s><s>wheels<loc_144><loc_570><loc_870><loc_778>wheels<loc_711><loc_573><loc_866><loc_774>"
             "wheels<loc_148><loc_579><loc_304><loc_774></s><pad><pad>",
        annotations=(Annotation("wheels", (92.48, 273.84, 557.12, 373.68)),
                     Annotation("wheels", (455.36, 275.28, 554.56, 371.76)),
                     Annotation("wheels", (95.04, 278.16, 194.88, 371.76))),
        source="florence-community/Florence-2-base in transformers' tests/models/florence2/test_modeling_florence2.py "
               "(Apache-2.0), without most of its padding",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        request = tagless(request)
        if request.task == "detect" and not request.phrases:
            return f"<OPEN_VOCABULARY_DETECTION>{'<and>'.join(request.names)}"
        return f"<CAPTION_TO_PHRASE_GROUNDING>{request.caption}"

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        named = [(plain_label(annotation.label), _bins(boxed(annotation, request.task), frame.image_size))
                 for annotation in annotations]
        return "".join(label + "".join(bins for _, bins in group)
                       for label, group in groupby(named, key=lambda found: found[0]))

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        parsed = parse(text, Reading(request, frame, (BINS, BINS)), _read)
        return phrases.renamed(parsed, request) if request.phrases else parsed


def _bins(box: Box, size: tuple[int, int]) -> str:
    # A hair more than the number: a bin's own edge must not fall into the bin before it.
    return "".join(f"<loc_{int(clamp(value / size[i % 2] * BINS + 1e-6, BINS - 1))}>" for i, value in enumerate(box))


def _read(said: str, reading: Reading) -> Found:
    label, start, waiting, half = "", 0, False, False
    length = _length(reading.request.prompt or "")
    for token in TOKEN.finditer(said):
        if token["text"] is not None and token["text"].strip():
            label, waiting = " ".join(token["text"].split()), True
            start = token.end() - len(token["text"].lstrip())
        elif token["run"] is not None:
            start = start if label else token.start()
            waiting, half = False, not _add(token, label, start, length, reading) and token.end() == len(said)
    waiting = waiting and bool(reading.annotations)  # a name whose places are to come; else these are words
    return Found(cut=waiting or half or bool(HALF_TAG.search(said[-50:])), nothing=not ENDING.sub("", said).strip())


def _length(prompt: str) -> int | None:
    """How many bins one thing has: a box 4, text in a picture 8 for its quad, an outline as many as there are."""
    if prompt.startswith("<OCR_WITH_REGION>"):
        return 8
    return None if "_SEGMENTATION>" in prompt or "_TO_SEGMENTATION>" in prompt else 4


def _add(token: re.Match, label: str, start: int, length: int | None, reading: Reading) -> bool:
    """Adds the boxes of one run of bins; False where some are left over."""
    middles = [int(number) + 0.5 for number in NUMBER.findall(token.group())]
    length = length or len(middles)
    many = len(middles) // length * length
    ends = [found.end() for found in NUMBER.finditer(token.group())]
    for i in range(0, many, length):
        xs, ys = middles[i:i + length:2], middles[i + 1:i + length:2]
        box = reading.box([min(xs), min(ys), max(xs), max(ys)] if length != 4 and ys else middles[i:i + 4])
        if box is not None:
            reading.add(Annotation(reading.label(label), box), (start, token.start() + ends[i + length - 1]))
    if many < len(middles):
        reading.problem(f"left out {len(middles) - many} <loc_> tokens in a row: a box has 4")
    return many == len(middles)


FAMILY = Florence2()
