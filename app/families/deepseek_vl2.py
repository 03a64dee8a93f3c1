"""DeepSeek-VL2: `<|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|>`, 999 steps a side.

The weights come with code of their own. Asking is done with its tags too; both wordings are the makers'
(https://github.com/deepseek-ai/DeepSeek-VL2, README and web_demo.py). A long picture is cut into tiles of 384 with a
small copy of the whole, and the answer counts in the whole, without the grey margins of either.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import TagChat
from app.families.syntax_refs import Marks, name
from app.types import Annotation, Frame, Image, Pixels, Request


class DeepSeekVL2(TagChat):
    name = "deepseek-vl2"
    title = "DeepSeek-VL2"
    aliases = ("deepseek-vl2-tiny", "deepseek-vl2-small")
    backend = "own code"
    tasks = frozenset({"detect", "ground", "count", "ask"})
    pixels = Pixels(fixed=(384, 384))
    marks = Marks(("<|ref|>", "<|/ref|>"), ("<|det|>", "<|/det|>"), "lists")
    example = Example(
        request=Request(images=(Image("visual_grounding_1.jpeg", (724, 1086)),), task="ground",
                        caption="The giraffe at the back."),
        frame=Frame((724, 1086), (384, 384)),
        text="<|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|><｜end▁of▁sentence｜>",
        annotations=(Annotation("The giraffe at the back.", (420.340340, 293.513514, 724.0, 978.378378)),),
        source="deepseek-ai/deepseek-vl2-small in https://github.com/deepseek-ai/DeepSeek-VL2/blob/main/README.md",
    )

    def wording(self, request: Request) -> str:
        if request.task == "detect":
            return f"Find all the {', '.join(name(label, self.marks) for label in request.names)}"
        if request.task == "ground":
            return f"{name(request.caption, self.marks)}."
        return super().wording(request)

    def units(self, frame: Frame) -> tuple[int, int]:
        return 999, 999


FAMILY = DeepSeekVL2()
