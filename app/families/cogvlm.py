"""CogVLM's grounding models: `[[097,514,283,996]]`, three digits each, in thousandths of each side.

The weights come with code of their own. They answer for one expression and name nothing; several boxes stand as
`[[…;…]]`, and a grounded sentence has a pair of brackets behind each thing it names. The wording is one of the makers'
(https://github.com/zai-org/CogVLM, template_caption2box); the figures come from its issue 46.
"""
from __future__ import annotations

import re
from collections.abc import Sequence

from app.families import objects_json
from app.families.answer import Found, parse, tagless
from app.families.base import Example, Family
from app.families.reading import Reading, boxed
from app.families.syntax_refs import NONE
from app.geometry import clamp
from app.types import Annotation, Frame, Image, Parsed, Pixels, Request

BOXES = re.compile(r"\[\[([\d,;.\s]{1,2000})\]\]")
OPENED = re.compile(r"\[\[?[\d,;.\s]*\]?$")


class CogVLM(Family):
    name = "cogvlm"
    title = "CogVLM"
    aliases = ("cogvlm-grounding", "cogvlm-grounding-generalist")
    backend = "own code"
    tasks = frozenset({"ground", "ask"})
    pixels = Pixels(fixed=(490, 490))
    trainable_by = ("sft",)
    example = Example(
        request=Request(images=(Image("", (288, 296)),), task="ground", caption="the person"),
        frame=Frame((288, 296), (490, 490)),
        text="[[097,514,283,996]]",
        annotations=(Annotation("the person", (27.936, 152.144, 81.504, 294.816)),),
        source="THUDM/cogvlm-grounding in https://github.com/zai-org/CogVLM/issues/46, where the makers say what the "
               "numbers count",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        caption = tagless(request).caption
        return f"Where is {caption}? answer in [[x0,y0,x1,y1]] format." if request.task == "ground" else caption

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        boxes = []
        for annotation in annotations:
            numbers = (round(value / frame.image_size[i % 2] * 1000)
                       for i, value in enumerate(boxed(annotation, request.task)))
            boxes.append(",".join(f"{int(clamp(number, 999)):03d}" for number in numbers))
        return f"[[{';'.join(boxes)}]]" if boxes else NONE

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return parse(text, Reading(request, frame, (1000, 1000), labelled=False), _read, objects_json.read)


def _read(said: str, reading: Reading) -> Found | None:
    """None where there are no double brackets; a box in `{…}` or single ones is read as JSON then."""
    for boxes in BOXES.finditer(said):
        start = boxes.start()
        for one in re.finditer(r"[^;]+", boxes[1]):
            box = reading.box([float(number) for number in re.findall(r"\d{1,9}(?:\.\d{1,9})?", one.group())])
            if box is not None:
                reading.add(Annotation(reading.label(""), box), (start, boxes.end()))
    if not BOXES.search(said):
        return None
    return Found(cut=bool(OPENED.search(said[-2_000:])))


FAMILY = CogVLM()
