"""What every family needs while it reads an answer: places checked and clipped, labels filled in, problems kept.

Nothing here raises on a model's text. A place that cannot be used is left out and named in `problems`; one that can
be mended (swapped corners, a corner outside the picture) is mended and named.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

from app.geometry import clipped, ordered, scaled
from app.types import Annotation, Box, Frame, Parsed, Point, Request

# More objects than anybody looks at; a model that repeats itself until its budget ends reaches it.
MOST_OBJECTS = 1_000
MOST_PROBLEMS = 20
LONGEST_ANSWER = 200_000  # characters read, after the thoughts: twice what the most objects need


class Reading:
    """One answer being read. `units` is the (width, height) of the whole picture in the numbers the answer uses.

    `y_first`: bare lists of numbers go y, x, y, x. `labelled`: the family's answers name what they found, so that an
    object without a name is worth a word.
    """

    def __init__(self, request: Request, frame: Frame, units: tuple[float, float], *, y_first: bool = False,
                 labelled: bool = True):
        self.request = request
        self.y_first, self.labelled = y_first, labelled
        self.offset = 0  # of the part that is read in the whole text, for the spans
        self.size = frame.image_size
        self.scale = (self.size[0] / units[0], self.size[1] / units[1])
        self.annotations: list[Annotation] = []
        self.spans: list[tuple[int, int]] = []
        self.problems: dict[str, int] = {}  # each sentence once, with how often it was true

    def problem(self, sentence: str) -> None:
        if sentence in self.problems or len(self.problems) < MOST_PROBLEMS:
            self.problems[sentence] = self.problems.get(sentence, 0) + 1

    def add(self, annotation: Annotation, span: tuple[int, int]) -> None:
        """Keeps an object; `span` is where it stands in the part that is read."""
        if len(self.annotations) < MOST_OBJECTS:
            self.annotations.append(annotation)
            self.spans.append((self.offset + span[0], self.offset + span[1]))
        else:
            self.problem(f"only the first {MOST_OBJECTS:,} objects are kept")

    def short(self, said: str) -> str:
        """As much of an answer as is read at all, so that a megabyte of noise does not stop the page."""
        if len(said) > LONGEST_ANSWER:
            self.problem(f"only the first {LONGEST_ANSWER:,} of {len(said):,} characters were read")
        return said[:LONGEST_ANSWER]

    def parsed(self, status: str) -> Parsed:
        problems = (text if times == 1 else f"{text} ({times} times)" for text, times in self.problems.items())
        return Parsed(tuple(self.annotations), status, tuple(problems), tuple(self.spans))

    def label(self, written: str) -> str:
        """The label as written, else what was asked for: an object without a label is still an object."""
        if written:
            return written
        asked = asked_label(self.request)
        if self.labelled:
            self.problem(f"an object without a label is called {asked!r}")
        return asked

    def x_first(self, values: Sequence[float | None]) -> list[float | None]:
        """Numbers of a bare list, x before y. An odd one at the end stays: it is named as too many or too few."""
        if not self.y_first or len(values) % 2:
            return list(values)
        return [values[i ^ 1] for i in range(len(values))]

    def box(self, values: Sequence[float | None]) -> Box | None:
        """Four numbers in the answer's units → a box in pixels inside the picture, or None with the reason noted."""
        if len(values) != 4:
            return self.problem(f"left out a box with {len(values)} numbers instead of 4")
        box = self._pixels(values, "box")
        if box is None:
            return None
        if ordered(box) != box:
            self.problem("a box had its corners swapped")
            box = ordered(box)
        width, height = self.size
        if box[0] > width or box[1] > height or box[2] < 0 or box[3] < 0:
            return self.problem("left out a box that is wholly outside the picture")
        inside = clipped(box, self.size)
        if any(abs(a - b) > 1e-6 for a, b in zip(box, inside, strict=True)):
            self.problem("a box reached out of the picture and was clipped")
        return inside

    def point(self, values: Sequence[float | None], name: str = "") -> Point | None:
        """Two numbers in the answer's units → a point inside the picture, or None with the reason noted."""
        if len(values) != 2:
            return self.problem(f"left out a point with {len(values)} numbers instead of 2")
        place = self._pixels(values, "point")
        if place is None:
            return None
        x, y, *_ = clipped((*place, *place), self.size)
        if abs(x - place[0]) > 1e-6 or abs(y - place[1]) > 1e-6:
            self.problem("a point outside the picture was moved to its edge")
        return Point(name, x, y)

    def _pixels(self, values: Sequence[float | None], what: str) -> tuple[float, ...] | None:
        if any(value is None for value in values):
            return self.problem(f"left out a {what} with something that is no number")
        pixels = scaled(tuple(values), self.scale)
        if not all(math.isfinite(value) for value in pixels):
            return self.problem(f"left out a {what} with an infinite or undefined number")
        return pixels


def asked_label(request: Request) -> str:
    """What an object without a label is called: the one class that was asked for, the expression, else "object"."""
    if request.task == "keypoints":
        return request.caption or "person"
    if len(request.names) == 1:
        return request.names[0]
    return request.caption if request.task in ("ground", "point") and request.caption else "object"


def boxed(annotation: Annotation, task: str) -> Box:
    """The object's box. Raises ValueError where it has none: it cannot be a target of that task."""
    if annotation.box is None:
        raise ValueError(f"{annotation.label!r} has no box, and {task} answers in boxes")
    return annotation.box


def pointed(annotation: Annotation) -> tuple[tuple[float, float], ...]:
    """Where an object is pointed at: its points that are there, else the middle of its box."""
    points = tuple((point.x, point.y) for point in annotation.points if point.visibility != "absent")
    if points or annotation.box is None:
        return points
    x1, y1, x2, y2 = annotation.box
    return (((x1 + x2) / 2, (y1 + y2) / 2),)


def counted(annotations: Sequence[Annotation], names: Sequence[str]) -> dict[str, int]:
    """How many of each name there are. Raises ValueError for an object that nobody asked for: it would not count."""
    counts = dict.fromkeys(names, 0)
    for annotation in annotations:
        if annotation.label not in counts:
            raise ValueError(f"cannot count {annotation.label!r}: it is not among the names {', '.join(names)}")
        counts[annotation.label] += 1
    return counts
