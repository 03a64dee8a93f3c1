"""InternVL 3 and 3.5: `<ref>cats</ref><box>[[10, 20, 300, 400], [5, 6, 7, 8]]</box>` in thousandths of each side.

A picture is cut into tiles of 448 with a small copy of the whole, so its answer counts in the whole picture. Both
wordings are the makers' (https://internvl.readthedocs.io, "chat data format" and demos; issues 625 and 1016). VLM-R1
trains it on a bare `[x1, y1, x2, y2]`, which is read too. Joints, points and counts are JSON, learnt by tuning.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.chat import TagChat
from app.families.syntax_refs import Marks
from app.types import Annotation, Frame, Image, Pixels, Request


class InternVL(TagChat):
    name = "internvl"
    title = "InternVL"
    aliases = ("internvl2", "internvl2.5", "internvl3", "internvl3.5", "internvl-3", "internvl-3.5")
    model_types = ("internvl",)
    pixels = Pixels(fixed=(448, 448))
    marks = Marks(("<ref>", "</ref>"), ("<box>", "</box>"), "lists")
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="ground",
                        caption="a tall red bus on a road among cars"),
        frame=Frame((1000, 1000), (448, 448)),
        text="a tall red <ref>bus</ref><box>[[290, 202, 835, 851]]</box> is <pred>driving on</pred>"
             "<box>[[290, 202, 835, 851]]</box><box>[[0, 604, 984, 999]]</box> a <ref>road</ref>"
             "<box>[[0, 604, 984, 999]]</box> through a busy intersection in a metropolitan area. The bus is surrounded"
             " by various <ref>cars</ref><box>[[827, 590, 885, 682], [1, 604, 238, 804], [927, 596, 935, 620], "
             "[905, 592, 931, 645], [930, 592, 938, 616], [878, 590, 910, 660]]</box>",
        annotations=(Annotation("bus", (290.0, 202.0, 835.0, 851.0)), Annotation("road", (0.0, 604.0, 984.0, 999.0)),
                     Annotation("cars", (827.0, 590.0, 885.0, 682.0)), Annotation("cars", (1.0, 604.0, 238.0, 804.0)),
                     Annotation("cars", (927.0, 596.0, 935.0, 620.0)), Annotation("cars", (905.0, 592.0, 931.0, 645.0)),
                     Annotation("cars", (930.0, 592.0, 938.0, 616.0)), Annotation("cars", (878.0, 590.0, 910.0, 660.0))
                     ),
        source="OpenGVLab/ASMv2 (All-Seeing v2, by the same makers in the same syntax), in its visualisation script; "
               "no answer of InternVL 3 itself was found in public. The picture's size is not said there",
    )

    def wording(self, request: Request) -> str:
        if request.task == "detect":
            return (f"Please detect and label all {', '.join(request.names)} in the following image and mark their "
                    "positions.")
        if request.task == "ground":
            return ("Please provide the bounding box coordinate of the region this sentence describes: "
                    f"<ref>{request.caption}</ref>")
        return super().wording(request)


FAMILY = InternVL()
