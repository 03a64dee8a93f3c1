"""GLM-4.1V, 4.5V and 4.6V: `<|begin_of_box|>[[94,598,177,991]]<|end_of_box|>` in thousandths, the brackets vary.

Such an answer names nothing; asked for classes or in JSON, it answers `{"bbox_2d": […], "label": …}`. The wording for
an expression is the makers' (https://github.com/zai-org/GLM-V, README); the thinking variants think aloud before it.
The processor counts a picture as two frames, so it allows itself half of the pixels that its settings say.
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families.base import Example
from app.families.chat import Chat
from app.families.reading import boxed
from app.families.syntax_refs import NONE
from app.geometry import clamp, smart_resize
from app.types import Annotation, Frame, Image, Pixels, Request


class GlmV(Chat):
    name = "glm-4.6v"
    title = "GLM-4.6V"
    aliases = ("glm-v", "glm-4.1v", "glm-4.5v", "glm-4.6v-flash")
    model_types = ("glm46v", "glm4v", "glm4v_moe")
    pixels = Pixels(factor=28, min_pixels=112 * 112, max_pixels=15_000 * 28 * 28)
    language_layers = r".*language_model.*\.(q|k|v|o|gate_up|gate|up|down)_proj"
    unlabelled = frozenset({"ground"})
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="ground",
                        caption="the second bottle of beer from the right on the table"),
        frame=Frame((1000, 1000), (1008, 1008)),
        text="\nThe coordinates of the second bottle of beer from the right on the table are "
             "<|begin_of_box|>[[94,598,177,991]]<|end_of_box|>.",
        annotations=(Annotation("the second bottle of beer from the right on the table", (94.0, 598.0, 177.0, 991.0)),),
        source="zai-org/GLM-4.6V in the blog post 'Run GLM-4.6V on AMD MI300X GPU with vLLM' (2025-12-09); the "
               "picture's size is not said there",
    )

    def wording(self, request: Request) -> str:
        if request.task == "ground":
            return f"Help me to locate {request.caption} in the image and give me its bounding boxes."
        return super().wording(request)

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        rule = pixels or self.pixels
        size = rule.fixed or smart_resize(image_size, rule.factor, rule.min_pixels // 2, rule.max_pixels // 2)
        return Frame(image_size, size)

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        if request.task != "ground":
            return super().format(annotations, request, frame)
        boxes = [[int(clamp(round(value / frame.image_size[i % 2] * 1000), 1000))
                  for i, value in enumerate(boxed(annotation, request.task))] for annotation in annotations]
        return f"<|begin_of_box|>{str(boxes).replace(' ', '')}<|end_of_box|>" if boxes else NONE

    def schema(self, request: Request) -> dict | None:
        return None if request.task == "ground" else super().schema(request)


FAMILY = GlmV()
