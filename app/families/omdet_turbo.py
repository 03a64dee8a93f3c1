"""OmDet-Turbo: a list of names, and `Detect cat, remote.` made of them as the task; scored boxes."""
from __future__ import annotations

from app.families.base import Example
from app.families.syntax_scored import Detector, asked
from app.types import Annotation, Frame, Image, Request


class OmDetTurbo(Detector):
    name = "omdet-turbo"
    title = "OmDet-Turbo"
    aliases = ("omdet",)
    model_types = ("omdet-turbo",)
    example = Example(
        request=Request(images=(Image("000000039769.jpg", (640, 480)),), task="detect", names=("cat", "remote")),
        frame=Frame((640, 480), (640, 480)),
        text='[{"label": "remote", "box": [39.89, 70.35, 176.74, 118.04], "score": 0.768}, '
             '{"label": "cat", "box": [11.6, 54.19, 314.8, 473.95], "score": 0.72}, '
             '{"label": "remote", "box": [333.38, 75.77, 370.7, 187.03], "score": 0.563}, '
             '{"label": "cat", "box": [345.15, 23.95, 639.75, 371.67], "score": 0.552}]',
        annotations=(Annotation("remote", (39.89, 70.35, 176.74, 118.04), score=0.768),
                     Annotation("cat", (11.6, 54.19, 314.8, 473.95), score=0.72),
                     Annotation("remote", (333.38, 75.77, 370.7, 187.03), score=0.563),
                     Annotation("cat", (345.15, 23.95, 639.75, 371.67), score=0.552)),
        source="omlab/omdet-turbo-swin-tiny-hf on COCO val2017 39769: the figures printed in transformers' "
               "documentation (Apache-2.0), written as this family writes them",
    )

    def question(self, request: Request) -> str:
        """The names, joined only to be shown: the backend gives the model the list, and the task made of it."""
        self.check(request)
        return "; ".join(asked(request))


FAMILY = OmDetTurbo()
