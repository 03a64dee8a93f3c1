"""Figures with named joints: the names in their order, the lines between them, and where they lie in a box. Pure.

A figure is a template, in the editor (a drag places all of its joints at once) and on every picture (its lines are
drawn between joints of these names, however many there are). Sources: COCO's person keypoints (17, its names and its
skeleton), and the 21 joints of a hand as COCO-WholeBody numbers them (wrist, then four of each finger from its root).
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """`layout` has a place for each name, in parts of the box from its upper left corner."""
    title: str
    label: str
    names: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    layout: tuple[tuple[float, float], ...]

    def to_json(self) -> dict:
        return {"title": self.title, "label": self.label, "names": list(self.names),
                "lines": [list(line) for line in self.lines], "layout": [list(place) for place in self.layout]}


PERSON = Skeleton(
    "Person, 17 joints", "person",
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
     "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
     "right_ankle"),
    (("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"),
     ("right_knee", "right_hip"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
     ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"),
     ("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
     ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"),
     ("right_eye", "right_ear"), ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder")),
    # Facing the camera, so a person's left is on the right of the picture.
    ((.50, .09), (.56, .07), (.44, .07), (.63, .09), (.37, .09), (.72, .22), (.28, .22), (.84, .38), (.16, .38),
     (.92, .52), (.08, .52), (.64, .53), (.36, .53), (.66, .74), (.34, .74), (.67, .96), (.33, .96)))

TIPS = {"thumb": (.04, .44), "index": (.28, .10), "middle": (.50, .03), "ring": (.72, .10), "little": (.94, .28)}
ROOTS = {"thumb": (.30, .84), "index": (.34, .50), "middle": (.48, .48), "ring": (.61, .51), "little": (.73, .57)}
JOINTS = (1, 2, 3, 4)


def _along(finger: str, joint: int) -> tuple[float, float]:
    (x1, y1), (x2, y2), part = ROOTS[finger], TIPS[finger], (joint - 1) / 3
    return round(x1 + (x2 - x1) * part, 3), round(y1 + (y2 - y1) * part, 3)


HAND = Skeleton(
    "Hand, 21 joints", "hand",
    ("wrist", *(f"{finger}_{joint}" for finger in ROOTS for joint in JOINTS)),
    tuple(line for finger in ROOTS
          for line in (("wrist", f"{finger}_1"), *((f"{finger}_{n}", f"{finger}_{n + 1}") for n in JOINTS[:-1]))),
    ((.50, .97), *(_along(finger, joint) for finger in ROOTS for joint in JOINTS)))

FIGURE = Skeleton(  # what the demo models find
    "Stick figure, 7 joints", "person",
    ("head", "neck", "left hand", "right hand", "hip", "left foot", "right foot"),
    (("head", "neck"), ("neck", "left hand"), ("neck", "right hand"), ("neck", "hip"), ("hip", "left foot"),
     ("hip", "right foot")),
    ((.50, .08), (.50, .24), (.95, .40), (.05, .40), (.50, .58), (.80, .97), (.20, .97)))

SKELETONS = (PERSON, HAND, FIGURE)


def plain(names: tuple[str, ...], label: str = "object") -> Skeleton:
    """Joints that somebody asked for by name: one below the other, without lines."""
    several = max(len(names) - 1, 1)
    return Skeleton("The joints asked for", label, names, (),
                    tuple((.5, round(.1 + .8 * n / several, 3)) for n in range(len(names))))
