"""What a detector found, as text: `[{"label": "cat", "box": [x1, y1, x2, y2], "score": 0.93}]`, original pixels.

Joints stand beside a box, as `"keypoints": {"nose": [x, y]}`, those that are there.

A detector writes no text. Its backend writes this, so that an answer is kept, shown and read again like any other.
"""
from __future__ import annotations

import json
from collections.abc import Sequence

from app.families.base import Family
from app.families.reading import Reading, asked_label
from app.families.syntax_tags import as_number
from app.types import Annotation, Frame, Parsed, Pixels, Point, Request


class Detector(Family):
    """Scored boxes for names or an expression; no language model, so nothing to format a text for but this one."""
    tasks = frozenset({"detect", "ground"})
    backend = "detector"
    thinks = False
    trainable_by = ()
    language_layers = ""

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """The backend's boxes are already in pixels of the original, whatever the model saw."""
        return Frame(image_size, image_size)

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        self.check(request)
        return write(annotations)

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        return read(text, Reading(request, frame, frame.image_size))


def asked(request: Request) -> tuple[str, ...]:
    """What to look for: the names, or the expression as the one name."""
    return request.names if request.task == "detect" else (request.caption,)


def write(annotations: Sequence[Annotation]) -> str:
    """Scores as they are, boxes to a hundredth of a pixel; the best score first is the backend's business."""
    rows = []
    for annotation in annotations:
        if annotation.box is None:
            raise ValueError(f"{annotation.label!r} has no box, and a detector answers in boxes")
        row = {"label": annotation.label, "box": [round(float(v), 2) for v in annotation.box],
               "score": annotation.score}
        if annotation.points:
            row["keypoints"] = {point.name: [round(float(point.x), 2), round(float(point.y), 2)]
                                for point in annotation.points if point.visibility != "absent"}
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False)


def read(text: str, reading: Reading) -> Parsed:
    """Our own JSON, so strict: anything else is unreadable. Still a box that cannot be is left out and named."""
    if not text.strip():
        return reading.parsed("empty")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        reading.problem(f"this is no list of scored boxes: {error}"[:120])
        return reading.parsed("unreadable")
    if not isinstance(rows, list):
        reading.problem("this is no list of scored boxes")
        return reading.parsed("unreadable")
    decoder, end = json.JSONDecoder(), text.index("[") + 1
    for row in rows:
        start = end + len(text[end:end + 8]) - len(text[end:end + 8].lstrip(" ,\n\r\t"))
        end = decoder.raw_decode(text, start)[1]
        values = row.get("box") if isinstance(row, dict) else None
        if not isinstance(values, list):
            reading.problem("left out a row without a box")
            continue
        box = reading.box([as_number(value) for value in values])
        if box is not None:
            label = row.get("label") if isinstance(row.get("label"), str) else ""
            score = as_number(row.get("score"))
            score = score if score is not None and 0 <= score <= 1 else None
            points = _points(row.get("keypoints"), reading)
            reading.add(Annotation(label or asked_label(reading.request), box, points, score=score), (start, end))
    return reading.parsed("ok" if reading.annotations else "unreadable" if rows else "empty")


def _points(joints: object, reading: Reading) -> tuple[Point, ...]:
    """The joints of a row that are places; the others are named in the problems."""
    found = [reading.point([as_number(value) for value in place] if isinstance(place, list) else [], name)
             for name, place in joints.items()] if isinstance(joints, dict) else []
    return tuple(point for point in found if point is not None)
