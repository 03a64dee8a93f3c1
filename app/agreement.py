"""Where models agree about one picture, and where each stands alone: the line under a panel's head. Pure."""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from app import metrics
from app.geometry import iou
from app.types import Annotation, Prediction

TOUCH = 0.1  # IoU from which two boxes mean the same place, though one of them is off


@dataclass(frozen=True)
class Agreement:
    """One answer beside the others, counted in objects.

    `agree`: at least half of the others have it too. `shifted`: another has it nearby. `renamed`: another has it under
    another label. `alone`: nobody else has it. `missing`: at least half of the others have it, this answer does not.
    """
    agree: int = 0
    shifted: int = 0
    renamed: int = 0
    alone: int = 0
    missing: int = 0

    def __str__(self) -> str:
        told = [(self.agree, "agree"), (self.shifted, "shifted"), (self.renamed, "named otherwise"),
                (self.alone, "only here"), (self.missing, "missing here")]
        return " · ".join(f"{number} {words}" for number, words in told if number)


def agreement(answer: Sequence[Annotation], others: Sequence[Sequence[Annotation]], size: tuple[int, int]) -> Agreement:
    """One answer against the others' answers about a picture of (width, height). Objects without a place don't count.

    Boxes agree at IoU ≥ 0.5 and equal label, as everywhere; things that are only points where they lie within 5% of
    the diagonal of each other.
    """
    mine = _placed(answer)
    theirs = [_placed(other) for other in others]
    if not theirs:
        return Agreement()
    kinds = [_kind(each, theirs, size) for each in mine]
    missing, found = 0, list(mine)
    for other in theirs:
        for each in other:
            if not any(_near(each, known, size) for known in found):
                found.append(each)
                missing += _support(each, theirs, size) * 2 >= len(theirs)
    return Agreement(*(kinds.count(kind) for kind in ("agree", "shifted", "renamed", "alone")), missing)


def among(answers: Sequence[Prediction], size: tuple[int, int]) -> float:
    """How much several answers to one question agree, from 0 to 1: the mean over their pairs. 1 for fewer than two.

    Of each pair the share of objects that the other has too (F1 of `_support`'s rule), of objects without a place the
    share of equal labels, of words alone whether they are the same. An answer that could not be read agrees with none.
    """
    pairs = list(combinations(answers, 2))
    return sum(_alike(one, other, size) for one, other in pairs) / len(pairs) if pairs else 1.0


def _alike(one: Prediction, other: Prediction, size: tuple[int, int]) -> float:
    if any(each.status not in ("ok", "empty", "truncated") for each in (one, other)):
        return 0.0
    if not one.annotations and not other.annotations:
        return float(one.status == other.status == "empty" or metrics.same(one.text) == metrics.same(other.text))
    both = 0
    for mine, theirs in ((one.annotations, other.annotations), (other.annotations, one.annotations)):
        placed = _placed(theirs)
        both += sum(_support(each, [placed], size) for each in _placed(mine))
    bare = [Counter(metrics.same(each.label) for each in answer.annotations if metrics.middle(each) is None)
            for answer in (one, other)]
    both += 2 * (bare[0] & bare[1]).total()
    return both / (len(one.annotations) + len(other.annotations))


def _kind(each: Annotation, theirs: Sequence[Sequence[Annotation]], size: tuple[int, int]) -> str:
    if _support(each, theirs, size) * 2 >= len(theirs):
        return "agree"
    everything = [thing for other in theirs for thing in other]
    if any(_same(each, thing) and _overlap(each, thing, size) >= TOUCH for thing in everything):
        return "shifted"
    if any(_overlap(each, thing, size) >= metrics.IOU for thing in everything):
        return "renamed"
    return "alone"


def _support(each: Annotation, theirs: Sequence[Sequence[Annotation]], size: tuple[int, int]) -> int:
    """How many of the answers have this very object."""
    return sum(any(_same(each, thing) and _overlap(each, thing, size) >= metrics.IOU for thing in other)
               for other in theirs)


def _near(one: Annotation, other: Annotation, size: tuple[int, int]) -> bool:
    return _overlap(one, other, size) >= TOUCH


def _same(one: Annotation, other: Annotation) -> bool:
    return metrics.same(one.label) == metrics.same(other.label)


def _overlap(one: Annotation, other: Annotation, size: tuple[int, int]) -> float:
    """IoU of two boxes; for anything with points only, 1 at no distance, 0.5 at 5% of the diagonal, 0 from 10% on."""
    if one.box is not None and other.box is not None:
        return iou(one.box, other.box)
    (x1, y1), (x2, y2) = metrics.middle(one), metrics.middle(other)
    return max(0.0, 1 - math.hypot(x1 - x2, y1 - y2) / (2 * metrics.NEAR * math.hypot(*size)))


def _placed(answer: Sequence[Annotation]) -> list[Annotation]:
    return [each for each in answer if metrics.middle(each) is not None]
