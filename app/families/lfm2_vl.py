"""LFM2-VL and LFM2.5-VL: `[{"label": "ship", "bbox": [0.37, 0.00, 0.80, 0.99]}]`, parts of each side, from 0 to 1.

The wording and the form are those of the makers' cookbook, which calls it the format of the pretraining. It shows two
decimals; ours are three, because a hundredth of a picture is too coarse for a box to be held to.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import Chat
from app.families.objects_json import Spelling
from app.types import Annotation, Frame, Image, Pixels, Request


class Lfm2VL(Chat):
    name = "lfm2.5-vl"
    title = "LFM2.5-VL"
    aliases = ("lfm2-vl", "lfm2", "lfm2.5")
    model_types = ("lfm2_vl",)
    spelling = Spelling(box="bbox", point="point", label_first=True, decimals=3, fenced=False)
    pixels = Pixels(factor=32, min_pixels=64 * 32 * 32, max_pixels=256 * 32 * 32)  # the small copy; tiles are 512
    language_layers = r".*language_model.*\.(q_proj|k_proj|v_proj|out_proj|in_proj|w1|w2|w3)"
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="ground", caption="large white ship"),
        frame=Frame((1000, 1000), (512, 512)),
        text='[{"label": "ship", "bbox": [0.37, 0.00, 0.80, 0.99]}]',
        annotations=(Annotation("ship", (370.0, 0.0, 800.0, 990.0)),),
        source="LiquidAI's https://github.com/Liquid4All/cookbook/blob/main/examples/satellite-vlm/README.md: the "
               "answer it shows as the model's format; the picture's size is not said there",
    )

    def wording(self, request: Request) -> str:
        asked = {"detect": ", ".join(request.names), "ground": request.caption, "point": request.caption}
        if request.task not in asked:
            return super().wording(request)
        place = '"point": [x,y]' if request.task == "point" else '"bbox": [x1,y1,x2,y2]'
        return (f"Inspect the image and detect the {asked[request.task]}. Provide result as a valid JSON: "
                f'[{{"label": str, {place}}}, ...]. Coordinates must be normalized to 0-1.')

    def units(self, frame: Frame) -> tuple[int, int]:
        return 1, 1


FAMILY = Lfm2VL()
