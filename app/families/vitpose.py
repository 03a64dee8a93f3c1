"""ViTPose: the 17 joints that COCO names, on each person that a detector finds; scored persons, no text.

The person's box comes from a zero-shot detector, so that `caption` can name another figure than "person".
"""
from __future__ import annotations

import re

from app.families.base import Example
from app.families.reading import Reading
from app.families.syntax_scored import Detector, read
from app.types import Annotation, Frame, Image, Parsed, Point, Request

SIDED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
DETECTOR = ("grounding-dino", "IDEA-Research/grounding-dino-tiny")  # who finds the persons, unless a spec names another
JOINTS = ("nose", *(f"{side} {joint}" for joint in SIDED for side in ("left", "right")))


class VitPose(Detector):
    name = "vitpose"
    title = "ViTPose"
    aliases = ("vitpose++", "vitpose-plus")
    model_types = ("vitpose",)
    tasks = frozenset({"keypoints"})
    example = Example(
        request=Request(images=(Image("000000000139.jpg", (640, 426)),), task="keypoints",
                        names=("nose", "left eye", "right eye")),
        frame=Frame((640, 426), (640, 426)),
        text='[{"label": "person", "box": [384.43, 172.21, 399.55, 207.95], "score": null, '
             '"keypoints": {"nose": [398.13, 181.84], "left eye": [398.28, 179.81], "right eye": [395.96, 179.48]}}]',
        annotations=(Annotation("person", (384.43, 172.21, 399.55, 207.95), (
            Point("nose", 398.13, 181.84), Point("left eye", 398.28, 179.81), Point("right eye", 395.96, 179.48))),),
        source="usyd-community/vitpose-base-simple on COCO val2017 139: the figures that transformers' own test "
               "expects (Apache-2.0), written as this family writes them",
    )

    def question(self, request: Request) -> str:
        """What the detector is asked for."""
        self.check(request)
        return request.caption or "person"

    def check(self, request: Request) -> None:
        super().check(request)
        if request.names and request.prompt is None and not any(map(joint, request.names)):
            raise ValueError(f"{self.title} cannot place {'; '.join(request.names)}; it can: {'; '.join(JOINTS)}")

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        reading = Reading(request, frame, frame.image_size)
        for name in request.names:
            if joint(name) is None:
                reading.problem(f"{self.title} does not know the joint {name!r}; it knows: {'; '.join(JOINTS)}")
        return read(text, reading)


def joint(name: str) -> str | None:
    """COCO's name of a joint, however it is spelt: `L_Eye`, `left_eye` and `Left Eye` are "left eye"; else None."""
    words = re.sub(r"[\W_]+", " ", name).strip().lower()
    words = re.sub(r"^(l|r)(?= )", lambda side: {"l": "left", "r": "right"}[side[0]], words)
    return words if words in JOINTS else None


def asked_joints(request: Request) -> dict[str, str]:
    """COCO's name → as the person wrote it, of the joints that were asked for and are known."""
    return {known: name for name in reversed(request.names) if (known := joint(name)) is not None}


FAMILY = VitPose()
