"""Moondream 2 and 3: `{"objects": [{"x_min": 0.57, "y_min": 0.2, "x_max": 0.7, "y_max": 0.3}]}`, parts of each side.

It runs only as code of its own, which takes one name at a time and hands back this structure; it names nothing, so
`label` is ours, for several names. A box can leave the picture and is clipped. Points are `{"points": [{"x": …, "y":
…}]}`.
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import objects_json
from app.families.answer import parse, tagless
from app.families.base import Example, Family
from app.families.reading import Reading, boxed, pointed
from app.families.syntax_json import dumps
from app.geometry import clamp
from app.types import Annotation, Frame, Image, Parsed, Pixels, Request

CORNERS = ("x_min", "y_min", "x_max", "y_max")


class Moondream(Family):
    name = "moondream"
    title = "Moondream"
    aliases = ("moondream2", "moondream3", "moondream-2", "moondream-3")
    backend = "own code"
    tasks = frozenset({"detect", "ground", "point", "ask"})
    thinks = False
    pixels = Pixels(fixed=(378, 378))  # of one crop; a small copy of the whole is among them
    trainable_by = ()
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="detect", names=("objects",)),
        frame=Frame((1000, 1000), (378, 378)),
        text='{"objects": [{"x_min": 0.5704046934843063, "y_min": 0.20069346576929092, "x_max": 0.7049859315156937, '
             '"y_max": 0.3012596592307091}, {"x_min": 0.6210969910025597, "y_min": 0.3300672620534897, '
             '"x_max": 0.8417936339974403, "y_max": 0.4961046129465103}]}',
        annotations=(Annotation("objects", (570.404693, 200.693466, 704.985932, 301.259659)),
                     Annotation("objects", (621.096991, 330.067262, 841.793634, 496.104613))),
        source="vikhyatk/moondream2, what its `detect` handed back, in "
               "https://github.com/roboflow/supervision/blob/develop/src/supervision/detection/core.py (MIT)",
    )

    def question(self, request: Request) -> str:
        """The names, joined only to be shown: its code is asked for each by itself."""
        self.check(request)
        request = tagless(request)
        return "; ".join(request.names) if request.task == "detect" else request.caption

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        rows = []
        for annotation in annotations:
            places = pointed(annotation) if request.task == "point" else (boxed(annotation, request.task),)
            keys = ("x", "y") if request.task == "point" else CORNERS
            rows += [{"label": annotation.label} | dict(zip(keys, _parts(place, frame.image_size))) for place in places]
        return dumps({"points" if request.task == "point" else "objects": rows})

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return parse(text, Reading(request, frame, (1, 1), labelled=False), objects_json.read)


def _parts(place: Sequence[float], size: tuple[int, int]) -> list[float]:
    return [clamp(round(value / size[i % 2], 6), 1) for i, value in enumerate(place)]


FAMILY = Moondream()
