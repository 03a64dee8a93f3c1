"""Qwen2.5-VL: `{"bbox_2d": [x1, y1, x2, y2], "label": "chair"}` in pixels of the resized picture that it saw.

Each axis is rounded to multiples of 28 by itself, so the scale differs between x and y: 720×1280 was seen as 728×1288.
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import objects_json
from app.families.base import Example, Family
from app.families.reading import Reading
from app.geometry import smart_resize
from app.types import Annotation, Frame, Image, Parsed, Pixels, Request


class Qwen25VL(Family):
    name = "qwen2.5-vl"
    title = "Qwen2.5-VL"
    aliases = ("qwen2.5",)
    model_types = ("qwen2_5_vl",)
    tasks = frozenset({"detect", "ground", "point", "keypoints", "count", "ask"})
    pixels = Pixels(factor=28, min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
    example = Example(
        request=Request(images=(Image("dog-3.jpeg", (720, 1280)),), task="detect", names=("chair",)),
        frame=Frame((720, 1280), (728, 1288)),
        text='```json\n[\n\t{"bbox_2d": [74, 631, 465, 1138], "label": "chair"},\n'
             '\t{"bbox_2d": [409, 512, 545, 700], "label": "chair"},\n'
             '\t{"bbox_2d": [515, 550, 728, 733], "label": "chair"},\n'
             '\t{"bbox_2d": [625, 515, 728, 728], "label": "chair"}\n]\n```\n',
        annotations=(Annotation("chair", (73.187, 627.081, 459.890, 1130.932)),
                     Annotation("chair", (404.505, 508.820, 539.011, 695.652)),
                     Annotation("chair", (509.341, 546.584, 720.0, 728.447)),
                     Annotation("chair", (618.132, 511.801, 720.0, 723.478))),
        source="Qwen/Qwen2.5-VL-7B-Instruct in https://github.com/roboflow/notebooks/blob/main/notebooks/"
               "zero-shot-object-detection-with-qwen2-5-vl.ipynb",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        words = self.wording(request).replace("<|", "< |")  # somebody's "<|im_end|>" must not end the conversation
        return words + (objects_json.THINK if request.think else "")

    def wording(self, request: Request) -> str:
        """The documented wordings, and ours in their manner for joints and counts."""
        names = ", ".join(request.names)
        if request.task == "detect":
            return f"Outline the position of each {names} and output all the coordinates in JSON format."
        if request.task == "ground":
            return f"Locate the {request.caption}, output its bbox coordinates using JSON format."
        if request.task == "point":
            return f"Point to the {request.caption}, output its coordinates in JSON format."
        if request.task == "keypoints":
            return f"Locate the {names} of each {request.caption or 'person'}, output the keypoints in JSON format."
        if request.task == "count":
            return f"How many {names} are there? Answer in JSON format."
        return request.caption

    def units(self, frame: Frame) -> tuple[int, int]:
        """What the whole picture measures in the numbers of an answer."""
        return frame.input_size

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """Raises ValueError for a picture longer than 200:1, which the processor refuses too."""
        rule = pixels or self.pixels
        size = rule.fixed or smart_resize(image_size, rule.factor, rule.min_pixels, rule.max_pixels)
        return Frame(image_size, size)

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check(request)
        return objects_json.write(annotations, request, frame.image_size, self.units(frame))

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return objects_json.parse(text, Reading(request, frame, self.units(frame)))

    def schema(self, request: Request) -> dict | None:
        return objects_json.schema(request)


FAMILY = Qwen25VL()
