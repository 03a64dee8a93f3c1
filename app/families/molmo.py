"""Molmo and Molmo2: `<points x1="32.0" y1="62.8" …>speakers</points>` in percents, or `coords="1 1 308 305"`.

They point, and count by pointing; boxes they have none. Molmo2 counts in thousandths, each point with a number of its
own and the picture's number first. Nothing there is `There are none.`. Wordings and both formats are the makers'
(https://github.com/allenai/molmo2, olmo/preprocessing). The first Molmo comes with code of its own.
"""
from __future__ import annotations

from collections.abc import Sequence

from app.families import objects_json, syntax_tags
from app.families.answer import parse, tagless
from app.families.base import Example, Family
from app.families.reading import Reading
from app.types import Annotation, Frame, Image, Parsed, Pixels, Point, Request


class Molmo(Family):
    name = "molmo"
    title = "Molmo"
    aliases = ("molmo-7b", "molmo-7b-d", "molmo-7b-o", "molmo-72b")
    backend = "own code"
    tasks = frozenset({"point", "count", "ask"})
    pixels = Pixels(fixed=(336, 336))  # of one crop; a small copy of the whole is among them
    whole = 100.0  # a side, in the numbers of an answer
    coords = False
    example = Example(
        request=Request(images=(Image("desktop_setup.png", (750, 465)),), task="point", caption="speakers"),
        frame=Frame((750, 465), (336, 336)),
        text=' <points x1="32.0" y1="62.8" x2="68.5" y2="62.8" alt="speakers">speakers</points>',
        annotations=(Annotation("speakers", points=(Point("", 240.0, 292.02),)),
                     Annotation("speakers", points=(Point("", 513.75, 292.02),))),
        source="allenai/Molmo-7B-D-0924 (4-bit MLX) in "
               "https://github.com/Blaizzy/mlx-vlm/blob/main/examples/object_pointing.ipynb (MIT)",
    )

    def question(self, request: Request) -> str:
        self.check(request)
        request = tagless(request)
        if request.task == "count":
            return f"How many {', '.join(request.names)} are there?"
        return self.pointing(request.caption) if request.task == "point" else request.caption

    def pointing(self, caption: str) -> str:
        return f'Point to all occurrences of "{caption}"'

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check_target(request)
        if request.task == "point":
            return syntax_tags.write(annotations, frame.image_size, self.whole, self.coords)
        return objects_json.write(annotations, request, frame.image_size, (1000, 1000))

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return parse(text, Reading(request, frame, (self.whole, self.whole)), syntax_tags.read, objects_json.read)


class Molmo2(Molmo):
    name = "molmo2"
    title = "Molmo2"
    aliases = ("molmo2-4b", "molmo2-8b")
    model_types = ("molmo2",)
    backend = "local"
    pixels = Pixels(fixed=(378, 378))
    whole = 1000.0
    coords = True
    example = Example(
        request=Request(images=(Image("", (1000, 1000)),), task="point", caption="curb ramp"),
        frame=Frame((1000, 1000), (378, 378)),
        text='<points coords="1 1 308 305 2 752 377">curb ramp</points>',
        annotations=(Annotation("curb ramp", points=(Point("", 308.0, 305.0),)),
                     Annotation("curb ramp", points=(Point("", 752.0, 377.0),))),
        source="allenai/Molmo2-8B, noted word for word by a project that measured it (2026-07-23); the picture's size "
               "is not said there",
    )

    def pointing(self, caption: str) -> str:
        return f"Point to {caption}"


FAMILIES = (Molmo(), Molmo2())
