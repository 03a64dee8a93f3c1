"""OWLv2: a list of names, each asked for on its own, such as `a photo of a cat`; scored boxes."""
from __future__ import annotations

from app.families.base import Example
from app.families.syntax_scored import Detector, asked
from app.types import Annotation, Frame, Image, Request


class Owlv2(Detector):
    name = "owlv2"
    title = "OWLv2"
    model_types = ("owlv2",)
    example = Example(
        request=Request(images=(Image("000000039769.jpg", (640, 480)),), task="detect", names=("a photo of a cat",)),
        frame=Frame((640, 480), (640, 480)),
        text='[{"label": "a photo of a cat", "box": [341.67, 23.39, 642.32, 371.35], "score": 0.614}, '
             '{"label": "a photo of a cat", "box": [6.75, 51.96, 326.62, 473.13], "score": 0.665}]',
        annotations=(Annotation("a photo of a cat", (341.67, 23.39, 640.0, 371.35), score=0.614),
                     Annotation("a photo of a cat", (6.75, 51.96, 326.62, 473.13), score=0.665)),
        source="google/owlv2-base-patch16-ensemble on COCO val2017 39769: the figures printed in transformers' "
               "documentation (Apache-2.0), written as this family writes them; one box leaves the picture",
    )

    def question(self, request: Request) -> str:
        """The names, joined only to be shown: the backend gives the model the list."""
        self.check(request)
        return "; ".join(asked(request))


FAMILY = Owlv2()
