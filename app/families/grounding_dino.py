"""Grounding DINO and MM-Grounding-DINO: class names as one lower-case text, `a cat. a remote control.`, scored boxes.

The model answers with words of the prompt, so that two names can run into one; the backend maps them back to names.
"""
from __future__ import annotations

from app.families.base import Example
from app.families.syntax_scored import Detector, asked
from app.types import Annotation, Frame, Image, Request


class GroundingDino(Detector):
    name = "grounding-dino"
    title = "Grounding DINO"
    aliases = ("mm-grounding-dino", "groundingdino")
    model_types = ("grounding-dino", "mm-grounding-dino")
    example = Example(
        request=Request(images=(Image("000000039769.jpg", (640, 480)),), task="detect",
                        names=("a cat", "a remote control")),
        frame=Frame((640, 480), (640, 480)),
        text='[{"label": "a cat", "box": [344.7, 23.11, 637.18, 374.28], "score": 0.479}, '
             '{"label": "a cat", "box": [12.27, 51.91, 316.86, 472.44], "score": 0.438}, '
             '{"label": "a remote control", "box": [38.57, 70.0, 176.78, 118.18], "score": 0.478}]',
        annotations=(Annotation("a cat", (344.7, 23.11, 637.18, 374.28), score=0.479),
                     Annotation("a cat", (12.27, 51.91, 316.86, 472.44), score=0.438),
                     Annotation("a remote control", (38.57, 70.0, 176.78, 118.18), score=0.478)),
        source="IDEA-Research/grounding-dino-tiny on COCO val2017 39769: the figures printed in transformers' "
               "documentation (Apache-2.0), written as this family writes them",
    )

    def question(self, request: Request) -> str:
        """Lower case, each name closed by a period: the form it was trained on."""
        self.check(request)
        return " ".join(f"{name.lower().strip().rstrip('.')}." for name in asked(request))


FAMILY = GroundingDino()
