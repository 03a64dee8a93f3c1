"""Qwen2-VL: `<|object_ref_start|>cat<|object_ref_end|><|box_start|>(576,12),(592,42)<|box_end|>` in thousandths.

Its makers document the tags, not a wording that asks for them; a JSON answer comes where the prompt shows one, and is
read too. Joints, points and counts are JSON, learnt by tuning.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import TagChat
from app.families.syntax_refs import Marks
from app.types import Annotation, Frame, Image, Pixels, Request


class Qwen2VL(TagChat):
    name = "qwen2-vl"
    title = "Qwen2-VL"
    aliases = ("qwen2",)
    model_types = ("qwen2_vl",)
    pixels = Pixels(factor=28, min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
    marks = Marks(("<|object_ref_start|>", "<|object_ref_end|>"), ("<|box_start|>", "<|box_end|>"), "pairs")
    example = Example(
        request=Request(images=(Image("desktop_setup.png", (750, 465)),), task="detect", names=("desk", "speaker")),
        frame=Frame((750, 465), (756, 476)),
        text='```json\n[\n    {\n        "object": "computer monitor",\n        "bboxes": [\n            '
             '[290, 250, 640, 600]\n        ]\n    },\n    {\n        "object": "speaker",\n        "bboxes": [\n'
             '            [270, 520, 340, 730]\n        ]\n    },\n    {\n        "object": "speaker",\n'
             '        "bboxes": [\n            [650, 350, 720, 560]\n        ]\n    },\n    {\n'
             '        "object": "desk",\n        "bboxes": [\n            [170, 450, 820, 999]\n        ]\n    },\n'
             '    {\n        "object": "keyboard",\n        "bboxes": [\n            [410, 600, 590, 620]\n'
             '        ]\n    },\n    {\n        "object": "mouse",\n        "bboxes": [\n            '
             '[600, 590, 660, 620]\n        ]\n    },\n    {\n        "object": "chair",\n        "bboxes": [\n'
             '            [250, 900, 750, 1000]\n        ]\n    },\n    {\n        "object": "drum set",\n'
             '        "bboxes": [\n            [830, 400, 1000, 999]\n        ]\n    }\n]\n```',
        annotations=(Annotation("computer monitor", (217.5, 116.25, 480.0, 279.0)),
                     Annotation("speaker", (202.5, 241.8, 255.0, 339.45)),
                     Annotation("speaker", (487.5, 162.75, 540.0, 260.4)),
                     Annotation("desk", (127.5, 209.25, 615.0, 464.535)),
                     Annotation("keyboard", (307.5, 279.0, 442.5, 288.3)),
                     Annotation("mouse", (450.0, 274.35, 495.0, 288.3)),
                     Annotation("chair", (187.5, 418.5, 562.5, 465.0)),
                     Annotation("drum set", (622.5, 186.0, 750.0, 464.535))),
        source="Qwen/Qwen2-VL-7B-Instruct (8-bit MLX), asked for this JSON, in "
               "https://github.com/Blaizzy/mlx-vlm/blob/main/examples/object_detection.ipynb (MIT)",
    )

    def wording(self, request: Request) -> str:
        if request.task == "detect":
            return f"Detect all {', '.join(request.names)} in the image and give the bounding box of each."
        if request.task == "ground":
            return f"Find the bounding box of {request.caption}."
        return super().wording(request)


FAMILY = Qwen2VL()
