"""Qwen2.5-VL: `{"bbox_2d": [x1, y1, x2, y2], "label": "chair"}` in pixels of the resized picture that it saw.

Each axis is rounded to multiples of 28 by itself, so the scale differs between x and y: 720×1280 was seen as 728×1288.
"""
from __future__ import annotations

from app.families import objects_json
from app.families.base import Example
from app.families.chat import Chat
from app.types import Annotation, Frame, Image, Pixels, Request


class Qwen25VL(Chat):
    name = "qwen2.5-vl"
    title = "Qwen2.5-VL"
    aliases = ("qwen2.5",)
    model_types = ("qwen2_5_vl",)
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

    largest = objects_json.LARGEST  # pixels

    def units(self, frame: Frame) -> tuple[int, int]:
        return frame.input_size


FAMILY = Qwen25VL()
