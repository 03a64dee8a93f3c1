"""Qwen-VL, the first: `<ref>击掌</ref><box>(536,509),(588,602)</box>` in thousandths of each side.

The weights come with code of their own. The wording for a box is the README's, in Chinese as it stands there; its
labels are the words of the question. Joints, points and counts are JSON, learnt by tuning.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import TagChat
from app.families.syntax_refs import Marks
from app.types import Annotation, Frame, Image, Pixels, Request


class QwenVL(TagChat):
    name = "qwen-vl"
    title = "Qwen-VL"
    aliases = ("qwen-vl-chat",)
    backend = "own code"
    pixels = Pixels(fixed=(448, 448))
    marks = Marks(("<ref>", "</ref>"), ("<box>", "</box>"), "pairs")
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="ground", caption="击掌"),
        frame=Frame((1000, 1000), (448, 448)),
        text="<ref>击掌</ref><box>(536,509),(588,602)</box>",
        annotations=(Annotation("击掌", (536.0, 509.0, 588.0, 602.0)),),
        source="Qwen/Qwen-VL-Chat in https://github.com/QwenLM/Qwen-VL/blob/master/README.md; the picture's size is "
               "not said there, so a picture of 1000×1000 shows the thousandths",
    )

    def wording(self, request: Request) -> str:
        if request.task in ("detect", "ground"):
            return f"框出图中{'、'.join(request.names) if request.task == 'detect' else request.caption}的位置"
        return super().wording(request)


FAMILY = QwenVL()
