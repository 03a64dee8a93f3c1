"""Gemma 4, and Gemini behind a server: `{"box_2d": [y1, x1, y2, x2], "label": …}`, y before x, in thousandths.

Points are `{"point": [y, x], "label": …}`. The wordings for classes and points are those of Google's documentation
(https://ai.google.dev/gemini-api/docs/vision and its robotics page) and cookbook, for one thing that of
https://github.com/huggingface/blog/blob/main/gemma4.md; joints and counts are ours.
"""
from __future__ import annotations

import math

from app.families.base import Example
from app.families.chat import Chat
from app.families.objects_json import Spelling
from app.types import Annotation, Frame, Image, Pixels, Request


class Gemma4(Chat):
    name = "gemma-4"
    title = "Gemma 4"
    model_types = ("gemma4",)
    spelling = Spelling(box="box_2d", point="point", y_first=True, indent="  ")
    pixels = Pixels(factor=48, min_pixels=48 * 48, max_pixels=280 * 48 * 48)  # 280 soft tokens of 3×3 patches of 16
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="ground", caption='"view recipe" element'),
        frame=Frame((1000, 1000), (768, 768)),
        text='```json\n[\n  {"box_2d": [171, 75, 245, 308], "label": "view recipe element"}\n]\n```',
        annotations=(Annotation("view recipe element", (75.0, 171.0, 308.0, 245.0)),),
        source="google/gemma-4 in https://github.com/huggingface/blog/blob/main/gemma4.md; the picture's size is not "
               "said there",
    )

    def wording(self, request: Request) -> str:
        if request.task == "detect":
            return (f"Detect the 2d bounding boxes of every {', '.join(request.names)} in the image. The box_2d should "
                    "be [ymin, xmin, ymax, xmax] normalized to 0-1000, with the name as label, in JSON format.")
        if request.task == "ground":
            return f"What's the bounding box for {request.caption} in the image?"
        if request.task == "point":
            return (f"Point to {request.caption} in the image. The answer should follow the json format: "
                    '[{"point": [y, x], "label": <label>}, ...]. The points are in [y, x] format normalized to 0-1000.')
        return super().wording(request)

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """The largest size in whole steps of `factor` that keeps the shape within the budget, as its processor does."""
        rule = pixels or self.pixels
        most = rule.max_pixels // rule.factor**2  # steps in all, and so along one side
        ideal = math.sqrt(rule.max_pixels / (image_size[0] * image_size[1]))
        steps = [math.floor(side * ideal / rule.factor) for side in image_size]
        for i, (side, other) in enumerate((image_size, image_size[::-1])):
            if steps[i] == 0:  # a picture thinner than one step
                steps[i], steps[1 - i] = 1, min(other // side, most)
        return Frame(image_size, (steps[0] * rule.factor, steps[1] * rule.factor))


class Gemini(Gemma4):
    name = "gemini"
    title = "Gemini"
    aliases = ("gemini-2.5", "gemini-3", "gemini-3.5", "gemini-3.6")
    model_types = ()
    backend = "remote"
    trainable_by = ()
    example = Example(
        request=Request(images=(Image("cupcakes.jpg", (1000, 1000)),), task="detect", names=("cupcake",)),
        frame=Frame((1000, 1000), (1000, 1000)),
        text='[\n'
             '  {"box_2d": [393, 67, 574, 206], "label": "red sprinkle topping"},\n'
             '  {"box_2d": [379, 248, 539, 370], "label": "pink swirl topping with sprinkles"},\n'
             '  {"box_2d": [365, 396, 502, 503], "label": "light pink swirl topping"},\n'
             '  {"box_2d": [444, 432, 597, 566], "label": "bright pink topping with eye dots"},\n'
             '  {"box_2d": [353, 529, 522, 652], "label": "pink swirl topping with blue dots"},\n'
             '  {"box_2d": [377, 737, 534, 866], "label": "chocolate swirl topping"},\n'
             '  {"box_2d": [554, 41, 727, 201], "label": "white frosting with colorful sprinkles"},\n'
             '  {"box_2d": [543, 296, 703, 444], "label": "monster topping with sprinkles and eyes"},\n'
             '  {"box_2d": [557, 513, 712, 665], "label": "monster topping with pink sprinkles and eyes"},\n'
             '  {"box_2d": [473, 629, 638, 772], "label": "white frosting with pink and green sprinkles"},\n'
             '  {"box_2d": [508, 798, 691, 959], "label": "white frosting with colorful candy dots"},\n'
             '  {"box_2d": [655, 353, 819, 516], "label": "monster topping with eyes (center)"},\n'
             '  {"box_2d": [742, 134, 922, 308], "label": "monster topping with eyes (bottom left)"}\n'
             ']\n',
        annotations=(Annotation("red sprinkle topping", (67.0, 393.0, 206.0, 574.0)),
                     Annotation("pink swirl topping with sprinkles", (248.0, 379.0, 370.0, 539.0)),
                     Annotation("light pink swirl topping", (396.0, 365.0, 503.0, 502.0)),
                     Annotation("bright pink topping with eye dots", (432.0, 444.0, 566.0, 597.0)),
                     Annotation("pink swirl topping with blue dots", (529.0, 353.0, 652.0, 522.0)),
                     Annotation("chocolate swirl topping", (737.0, 377.0, 866.0, 534.0)),
                     Annotation("white frosting with colorful sprinkles", (41.0, 554.0, 201.0, 727.0)),
                     Annotation("monster topping with sprinkles and eyes", (296.0, 543.0, 444.0, 703.0)),
                     Annotation("monster topping with pink sprinkles and eyes", (513.0, 557.0, 665.0, 712.0)),
                     Annotation("white frosting with pink and green sprinkles", (629.0, 473.0, 772.0, 638.0)),
                     Annotation("white frosting with colorful candy dots", (798.0, 508.0, 959.0, 691.0)),
                     Annotation("monster topping with eyes (center)", (353.0, 655.0, 516.0, 819.0)),
                     Annotation("monster topping with eyes (bottom left)", (134.0, 742.0, 308.0, 922.0))),
        source="gemini-3.6-flash in https://github.com/google-gemini/cookbook/blob/main/quickstarts/"
               "Spatial_understanding.ipynb (Apache-2.0); the picture's size is not said there",
    )

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """A server does not say what its model saw, and thousandths do not need it."""
        return Frame(image_size, image_size)


FAMILIES = (Gemma4(), Gemini())
