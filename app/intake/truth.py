"""The true answer beside a caption: the ANNOTATION of the commands, checked, because a file may say anything."""
from __future__ import annotations

from app.geometry import clipped, ordered
from app.types import VISIBILITIES, Annotation, Box, Point

MOST_OBJECTS = 1_000  # in one picture
LONGEST_LABEL = 300


class TruthRefused(ValueError):
    """A truth that cannot be read. The text is the end of a sentence."""


def annotations(told: object, size: tuple[int, int] | None) -> tuple[Annotation, ...] | None:
    """[ANNOTATION] → annotations, cut to the picture where its size is known; None stays "nobody has looked".

    Raises TruthRefused: half a truth would be a wrong one, so one bad object spoils it.
    """
    if told is None:
        return None
    if not isinstance(told, list) or len(told) > MOST_OBJECTS:
        raise TruthRefused(f"is not an array of at most {MOST_OBJECTS:,} objects")
    return tuple(_annotation(each, size) for each in told)


def _annotation(told: object, size: tuple[int, int] | None) -> Annotation:
    if not isinstance(told, dict) or not isinstance(told.get("label"), str):
        raise TruthRefused('has an object without a "label"')
    label = told["label"].encode("utf-8", "replace").decode("utf-8")[:LONGEST_LABEL]
    points = told.get("points") or []
    if not isinstance(points, list):
        raise TruthRefused(f'has "points" of {label!r} that are not an array')
    return Annotation(label, _box(told.get("box"), label, size), tuple(_point(each, label, size) for each in points))


def _box(told: object, label: str, size: tuple[int, int] | None) -> Box | None:
    if told is None:
        return None
    if not isinstance(told, list) or len(told) != 4 or not all(_number(value) for value in told):
        raise TruthRefused(f'has a "box" of {label!r} that is not [x1, y1, x2, y2]')
    box = ordered(tuple(float(value) for value in told))
    x1, y1, x2, y2 = kept = clipped(box, size) if size else box
    if x1 >= x2 or y1 >= y2:
        raise TruthRefused(f"has a box of {label!r} outside the picture")
    return kept


def _point(told: object, label: str, size: tuple[int, int] | None) -> Point:
    if not isinstance(told, dict) or not all(_number(told.get(axis)) for axis in "xy"):
        raise TruthRefused(f'has a point of {label!r} without numbers "x" and "y"')
    x, y, visibility = float(told["x"]), float(told["y"]), told.get("visibility", "visible")
    if visibility not in VISIBILITIES:
        raise TruthRefused(f"has a point of {label!r} that is none of {', '.join(VISIBILITIES)}")
    if size and visibility != "absent" and not (0 <= x <= size[0] and 0 <= y <= size[1]):
        raise TruthRefused(f"has a point of {label!r} outside the picture")
    return Point(str(told.get("name") or "")[:LONGEST_LABEL], x, y, visibility)


def _number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9  # NaN and infinity are not
