"""Annotations of which nothing is known yet become ones that can be kept, and what changed between two lists of them.

    kept, problems = checked(annotations, (640, 480))

One place for the editor, the imports and the store, so that all refuse and repair the same. What a person can have
meant is repaired (corners swapped, a box over the edge) and said; what nobody can have meant (NaN, no area) is left
out and said, with `lost` set, and the store then refuses the whole: an object must not vanish silently.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

from app.geometry import area, clamp, clipped, ordered
from app.types import VISIBILITIES, Annotation, Box, Changes, Point

MOST = 10_000  # objects of one sample
MOST_POINTS = 500  # of one object; a hand has 21, a face 478
LONGEST_LABEL = 2_000  # characters, as many as a question can have: what was grounded carries its expression
LONGEST_ID = 100
SOURCES = ("", "model", "tokens", "person")  # of a score


@dataclass(frozen=True)
class Problem:
    """What is wrong with the annotation at `index`, in words; `lost` if it had to be left out, else it was repaired."""
    index: int
    words: str
    lost: bool = False

    def __str__(self) -> str:
        return self.words


def checked(annotations: Iterable[Annotation], *sizes: tuple[int, int]) -> tuple[tuple[Annotation, ...], list[Problem]]:
    """What can be kept, each with an id of its own, and what was wrong. `sizes` are (width, height), one per picture.

    Ids that are missing or doubled become a1, a2 … by position; the others stay. Raises ValueError for over MOST.
    """
    annotations = tuple(annotations)
    if len(annotations) > MOST:
        raise ValueError(f"{len(annotations):,} objects are more than the {MOST:,} that one sample can have")
    kept, problems = [], []
    for index, annotation in enumerate(annotations):
        said: list[str] = []
        name = f"object {index + 1}" + (f" ({_short(annotation.label)})" if annotation.label else "")
        try:
            kept.append(_checked(annotation, sizes, said))
        except Lost as lost:
            problems.append(Problem(index, f"{name} was left out: {lost}", lost=True))
        problems += [Problem(index, f"{name}: {words}") for words in said]
    return _with_ids(kept), problems


def read(objects: object, *sizes: tuple[int, int]) -> tuple[tuple[Annotation, ...], list[Problem]]:
    """As `checked`, from JSON that anybody may have sent: a list of ANNOTATION, with the noun's other fields or not."""
    if not isinstance(objects, Sequence) or isinstance(objects, str | bytes):
        raise ValueError(f"objects are a list, not {_short(objects)}")
    if len(objects) > MOST:
        raise ValueError(f"{len(objects):,} objects are more than the {MOST:,} that one sample can have")
    nouns, problems, positions = [], [], []
    for index, one in enumerate(objects):
        try:
            nouns.append(_noun(one))
            positions.append(index)
        except Lost as lost:
            problems.append(Problem(index, f"object {index + 1} was left out: {lost}", lost=True))
    kept, more = checked(nouns, *sizes)
    return kept, problems + [replace(problem, index=positions[problem.index]) for problem in more]


def changes(before: Iterable[Annotation], after: Iterable[Annotation]) -> Changes:
    """What became of each object of `before` and where those of `after` are from, by id."""
    old, new = {each.id: each for each in before}, {each.id: each for each in after}
    both = [id for id in old if id in new]
    moved = [id for id in both if _place(old[id]) != _place(new[id])]
    relabelled = [id for id in both if old[id].label != new[id].label]
    changed = {*moved, *relabelled}
    return Changes(tuple(id for id in both if id not in changed), tuple(moved), tuple(relabelled),
                   tuple(id for id in new if id not in old), tuple(id for id in old if id not in new))


class Lost(ValueError):
    """Why an annotation cannot be kept."""


def _checked(annotation: Annotation, sizes: Sequence[tuple[int, int]], said: list[str]) -> Annotation:
    if not 0 <= annotation.image < len(sizes):
        raise Lost(f"it is on picture {annotation.image}, and there are {len(sizes)}")
    size = sizes[annotation.image]
    score, size_in_pixels = annotation.score, annotation.area
    if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
        said.append(f"its score {score} is no number from 0 to 1, and was dropped")
        score = None
    if size_in_pixels is not None and not (math.isfinite(size_in_pixels) and size_in_pixels >= 0):
        said.append(f"its area {size_in_pixels} is none, and was dropped")
        size_in_pixels = None
    right = Annotation(_label(annotation.label, said),
                       None if annotation.box is None else _box(annotation.box, size, said),
                       tuple(_point(point, size, said) for point in _few(annotation.points)), score, annotation.id,
                       annotation.image, annotation.crowd, size_in_pixels, annotation.score_source)
    return annotation if right == annotation else right


def _label(label: str, said: list[str]) -> str:
    plain = " ".join(label.replace("\x00", " ").split())
    if len(plain) > LONGEST_LABEL:
        raise Lost(f"its label has {len(plain):,} characters; keep it under {LONGEST_LABEL:,}")
    if plain != label:
        said.append("the blanks in its label were made single")
    return plain


def _box(box: Box, size: tuple[int, int], said: list[str]) -> Box:
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise Lost(f"its box {_numbers(box)} is no four numbers")
    x1, y1, x2, y2 = box
    if 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]:
        return float(x1), float(y1), float(x2), float(y2)
    upright = ordered(tuple(float(value) for value in box))
    if upright != tuple(box):
        said.append(f"the corners of its box {_numbers(box)} were swapped")
    inside = clipped(upright, size)
    if area(upright) <= 0:
        raise Lost(f"its box {_numbers(box)} has no area; draw it again, or delete the object")
    if area(inside) <= 0:
        raise Lost(f"its box {_numbers(box)} lies outside the picture of {size[0]}×{size[1]}")
    if inside != upright:
        said.append(f"its box {_numbers(upright)} went over the edge of the picture of {size[0]}×{size[1]} and was cut")
    return inside


def _few(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) > MOST_POINTS:
        raise Lost(f"it has {len(points):,} points; {MOST_POINTS} is the most")
    return points


def _point(point: Point, size: tuple[int, int], said: list[str]) -> Point:
    if point.visibility not in VISIBILITIES:
        raise Lost(f"its point {_short(point.name)} is {_short(point.visibility)}, not one of: "
                   f"{', '.join(VISIBILITIES)}")
    if len(point.name) > LONGEST_LABEL:
        raise Lost(f"the name of a point has {len(point.name):,} characters; keep it under {LONGEST_LABEL:,}")
    if not (math.isfinite(point.x) and math.isfinite(point.y)):
        if point.visibility != "absent":
            raise Lost(f"its point {_short(point.name)} lies at {point.x}, {point.y}")
        return replace(point, x=0.0, y=0.0)  # where something absent is means nothing
    x, y = clamp(point.x, size[0]), clamp(point.y, size[1])
    if (x, y) != (point.x, point.y) and point.visibility != "absent":
        said.append(f"its point {_short(point.name)} lay outside the picture and was moved to its edge")
    return replace(point, x=x, y=y)


def _with_ids(annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    taken, result = {each.id for each in annotations}, []
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        id = annotation.id
        if not id or id in seen or len(id) > LONGEST_ID:
            number = index + 1
            while (id := f"a{number}") in taken:
                number += len(annotations)
            taken.add(id)
            annotation = replace(annotation, id=id)
        seen.add(id)
        result.append(annotation)
    return tuple(result)


def _noun(one: object) -> Annotation:
    if not isinstance(one, Mapping):
        raise Lost(f"it is {_short(one)}, not an object with a label")
    box, points = one.get("box"), one.get("points") or ()
    if not isinstance(points, Sequence) or isinstance(points, str | bytes):
        raise Lost(f"its points are {_short(points)}, not a list")
    if box is not None and (not isinstance(box, Sequence) or isinstance(box, str | bytes) or len(box) != 4):
        raise Lost(f"its box is {_short(box)}, not four numbers")
    index = one.get("image", 0)
    if type(index) is not int:
        raise Lost(f"its picture is {_short(index)}, not a number")
    return Annotation(
        _text(one, "label"), None if box is None else tuple(_number(value, "box") for value in box),
        tuple(_named_point(point) for point in points),
        None if one.get("score") is None else _number(one["score"], "score"), _text(one, "id"), index,
        one.get("crowd") is True, None if one.get("area") is None else _number(one["area"], "area"),
        source if (source := _text(one, "score_source")) in SOURCES else "")


def _named_point(point: object) -> Point:
    if not isinstance(point, Mapping):
        raise Lost(f"its point is {_short(point)}, not a name with a place")
    return Point(_text(point, "name"), _number(point.get("x"), "point"), _number(point.get("y"), "point"),
                 _text(point, "visibility") or "visible")


def _text(one: Mapping, field: str) -> str:
    value = one.get(field, "")
    if not isinstance(value, str):
        raise Lost(f"its {field} is {_short(value)}, not a text")
    return value


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise Lost(f"its {field} holds {_short(value)}, which is no number")
    try:
        return float(value)
    except OverflowError:  # JSON can write an integer that no float holds
        raise Lost(f"its {field} holds a number that is too large") from None


def _place(annotation: Annotation) -> tuple:
    return annotation.box, annotation.points, annotation.image


def _numbers(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
