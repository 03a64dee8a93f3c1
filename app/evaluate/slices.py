"""Where a model is good and where it is not: the same number for parts of the data, each with its interval.

By object (recall, as an object that was missed has no other property than its own): label, size, shape. By picture
(the task's own number): how many objects, whether the question has a relation or a negation in it. What a slice is, is
said by truth and question alone, so that two models are held against each other on the same one (`paired.py`).
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.evaluate import Answered, measured, measures
from app.evaluate.grouping import by_picture, grouped
from app.geometry import area
from app.metrics import IOU, match, same
from app.metrics.intervals import Interval, intervals, mean_statistic
from app.types import Annotation

RELATION = re.compile(r"\b(left|right|above|below|under|over|beneath|between|behind|next to|near|inside|outside|"
                      r"in front of|on top of|beside|closest|furthest|nearest)\b", re.IGNORECASE)
NEGATION = re.compile(r"\b(no|not|without|none|never|nothing|except|isn't|doesn't|n't)\b|n't\b", re.IGNORECASE)
SMALL, LARGE = 32 ** 2, 96 ** 2  # square pixels: COCO's small, medium and large
LONG = 2.0  # sides: from here on a box is wide or tall
MOST_LABELS = 12  # the most frequent ones


@dataclass(frozen=True)
class Slice:
    """`kind` "label", value "cat": `number` of so many objects or pictures."""
    kind: str
    value: str
    metric: str
    number: float | None
    interval: Interval
    count: int
    of: str  # "objects" or "pictures"


def slices(answered: Sequence[Answered], threshold: float = IOU) -> list[Slice]:
    """Only those kinds that divide the data: a question without relations anywhere makes no slice."""
    found = []
    for kind, value, table in of_objects(answered, threshold):
        [interval] = intervals(table, mean_statistic)
        found.append(Slice(kind, value, "recall", float(table[0].sum() / table[1].sum()), interval,
                           int(table[1].sum()), "objects"))
    for kind, value, places in of_pictures(answered):
        part = [answered[place] for place in places]
        numbers = measured(part, threshold)
        metric = next(name for name in choices(part) if numbers.values.get(name) is not None)
        found.append(Slice(kind, value, metric, numbers.values[metric], numbers.intervals.get(metric), len(part),
                           "pictures"))
    return found


def of_objects(answered: Sequence[Answered], threshold: float = IOU) -> Iterator[tuple[str, str, np.ndarray]]:
    """(kind, value, [found, there] by picture, of those pictures that have any)."""
    asked = [one for one in answered if one.request.task == "detect"]
    groups = grouped([one.sample for one in asked])
    for kind, of in OBJECTS.items():
        counts: dict[str, np.ndarray] = {}
        for place, one in enumerate(asked):
            hit = {pair.truth for pair in match(one.sample.truth, one.prediction.annotations, threshold)}
            for i, each in enumerate(one.sample.truth):
                if each.box is not None and not each.crowd:
                    table = counts.setdefault(of(each), np.zeros((2, len(asked))))
                    table[:, place] += i in hit, 1
        largest = sorted(counts, key=lambda value, counts=counts: (-counts[value][1].sum(), value))[:MOST_LABELS]
        for value in sorted(largest) if kind != "label" else largest:
            table = by_picture(counts[value], groups)
            yield kind, value, table[:, table[1] > 0]


def of_pictures(answered: Sequence[Answered]) -> Iterator[tuple[str, str, list[int]]]:
    """(kind, value, the places of its answers)."""
    for kind, of in PICTURES.items():
        parts: dict[str, list[int]] = {}
        for place, one in enumerate(answered):
            parts.setdefault(of(one), []).append(place)
        if len(parts) > 1:
            for value in sorted(parts):
                yield kind, value, parts[value]


def choices(part: Sequence[Answered]) -> tuple[str, ...]:
    """What stands for a part of the data, the first of them that is defined: where nothing is there, no F1 is."""
    return measures(part), "no_target", "score"


def _size(each: Annotation) -> str:
    size = each.area or area(each.box)
    return "1 small, under 32² pixels" if size < SMALL else "2 medium" if size < LARGE else "3 large, from 96² on"


def _shape(each: Annotation) -> str:
    width, height = each.box[2] - each.box[0], each.box[3] - each.box[1]
    return "wide, 2:1 or more" if width >= LONG * height else "tall, 1:2 or more" if height >= LONG * width else "even"


def _how_many(one: Answered) -> str:
    count = len(one.sample.truth or ())
    return str(count) if count < 2 else "2 to 4" if count < 5 else "5 to 9" if count < 10 else "more than 9"


def _has(pattern: re.Pattern, yes: str, no: str) -> Callable[[Answered], str]:
    return lambda one: yes if pattern.search(one.sample.query) else no


OBJECTS: dict[str, Callable[[Annotation], str]] = {"label": lambda each: same(each.label), "size": _size,
                                                   "shape": _shape}
PICTURES: dict[str, Callable[[Answered], str]] = {
    "count": _how_many, "task": lambda one: one.sample.task,
    "relation": _has(RELATION, "with a relation", "without"), "negation": _has(NEGATION, "with a negation", "without")}
