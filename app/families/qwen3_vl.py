"""Qwen3-VL and Qwen3.5: Qwen2.5-VL's answers, but in thousandths of each side, whatever the model's input was."""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import Chat
from app.types import Annotation, Frame, Image, Pixels, Request


class Qwen3VL(Chat):
    name = "qwen3-vl"
    title = "Qwen3-VL"
    aliases = ("qwen3.5", "qwen3.5-vl", "qwen3.5-moe", "qwen3-vl-moe")
    model_types = ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
    pixels = Pixels(factor=32, min_pixels=64 * 64, max_pixels=1280 * 32 * 32)
    example = Example(
        request=Request(images=(Image("hopinn.jpg", (2460, 1612)),), task="ground",
                        caption="main hanging sign for Hop Inn"),
        frame=Frame((2460, 1612), (1408, 928)),
        text="I will zoom in on the main hanging sign for \"Hop Inn\" to get a better look at the details.\n\n\n"
             "[TOOL_CALL] image_zoom_in_tool\n"
             '{"label": "main hanging sign for Hop Inn", "bbox_2d": [574, 301, 660, 468], "img_idx": 0}\n',
        annotations=(Annotation("main hanging sign for Hop Inn", (1412.04, 485.212, 1623.6, 754.416)),),
        source="qwen3-vl-235b-a22b-instruct in https://github.com/QwenLM/Qwen3-VL/blob/main/cookbooks/"
               "think_with_images.ipynb (Apache-2.0)",
    )

    def wording(self, request: Request) -> str:
        """Its cookbook asks for classes in its own way; for the rest Qwen2.5-VL's wordings still work."""
        if request.task == "detect":
            return (f"Locate every instance that belongs to the following categories: '{', '.join(request.names)}'. "
                    "Report bbox coordinates in JSON format.")
        return super().wording(request)


FAMILY = Qwen3VL()
