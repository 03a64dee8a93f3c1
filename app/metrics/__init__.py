"""Scores: matching at an IoU threshold, precision, recall and F1, mean IoU, pointing, joints, counts. Pure.

Beside this page: coco.py (AP, AR), voc.py, keypoints.py (OKS), intervals.py (bootstrap), curves.py, slices.py.

What is undefined (a mean over nothing) is None here and -1 in the JSON of the commands; it is never 0 or 1 by
convention. Nothing asked, nothing found is such a case: `no_target` scores it, precision and recall do not.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.geometry import iou
from app.types import Annotation, Box, Point

IOU = 0.5
NEAR = 0.05  # of the picture's diagonal: a joint or point this close to the true one is right


@dataclass(frozen=True)
class Match:
    """Truth i belongs to prediction j, with this overlap."""
    truth: int
    predicted: int
    iou: float


@dataclass(frozen=True)
class Tally:
    """Counts that add up over pictures: their sums give the pooled (micro) scores."""
    matched: int = 0
    predicted: int = 0
    truth: int = 0
    iou_sum: float = 0.0  # over the matched pairs

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.matched + other.matched, self.predicted + other.predicted, self.truth + other.truth,
                     self.iou_sum + other.iou_sum)

    @property
    def precision(self) -> float | None:
        return self.matched / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        return self.matched / self.truth if self.truth else None

    @property
    def f1(self) -> float | None:
        """2·TP / (predicted + truth): 0 where only one side has boxes, None where neither has."""
        total = self.predicted + self.truth
        return 2 * self.matched / total if total else None

    @property
    def mean_iou(self) -> float | None:
        """Over the matched pairs only; how many were matched is what recall says."""
        return self.iou_sum / self.matched if self.matched else None


def match(truth: Sequence[Annotation], predicted: Sequence[Annotation], threshold: float = IOU) -> list[Match]:
    """Pairs of equal label with IoU ≥ threshold, one to one, the best-overlapping pair first.

    Best first and not by score, because a language model gives no scores to sort by (COCO's matching goes through
    predictions by score). Equal overlaps go to the smaller truth, then prediction index, so that order of time or
    hash decides nothing. A crowd is no target: `tally` neither asks for it nor punishes what lies in it.
    """
    by_label: dict[str, list[int]] = {}
    for i, annotation in enumerate(truth):
        if annotation.box is not None and not annotation.crowd:
            by_label.setdefault(same(annotation.label), []).append(i)
    pairs = []
    for j, annotation in enumerate(predicted):
        if annotation.box is not None:
            for i in by_label.get(same(annotation.label), ()):
                overlap = iou(truth[i].box, annotation.box)
                if overlap >= threshold and overlap > 0:
                    pairs.append((-overlap, i, j))
    overlaps = {(i, j): -cost for cost, i, j in pairs}
    return [Match(i, j, overlaps[i, j]) for i, j in one_to_one(pairs)]


def tally(truth: Sequence[Annotation], predicted: Sequence[Annotation], threshold: float = IOU) -> Tally:
    """One picture's counts. A prediction mostly inside a crowd of its label counts neither for nor against."""
    pairs = match(truth, predicted, threshold)
    used = {pair.predicted for pair in pairs}
    crowds = [annotation for annotation in truth if annotation.crowd and annotation.box is not None]
    boxes = [j for j, annotation in enumerate(predicted)
             if annotation.box is not None and (j in used or not in_crowd(annotation, crowds, threshold))]
    targets = sum(annotation.box is not None and not annotation.crowd for annotation in truth)
    return Tally(len(pairs), len(boxes), targets, sum(pair.iou for pair in pairs))


def total(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def grounded(truth: Sequence[Annotation], predicted: Sequence[Annotation], threshold: float = IOU) -> bool | None:
    """Acc@0.5 of a referring expression: whether the first box given has IoU ≥ 0.5 with a box it may mean.

    Labels are not compared: a model may repeat the expression or shorten it. None where there is nothing to find.
    RefCOCO's protocol (Yu et al. 2016, "Modeling context in referring expressions") with one answer per expression.
    """
    targets = [annotation.box for annotation in truth if annotation.box is not None]
    if not targets:
        return None
    first = next((annotation.box for annotation in predicted if annotation.box is not None), None)
    return first is not None and max(iou(first, box) for box in targets) >= threshold


def point_in_box(x: float, y: float, box: Box) -> bool:
    """Whether a point lies in a box; its edge belongs to it."""
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def pointing(truth: Sequence[Annotation], places: Sequence[tuple[float, float]], size: tuple[int, int]) -> Tally:
    """Points one to one with the objects they hit: in its box, or near its own point where it has no box.

    The point closest to an object's middle takes it, so that two points on one cat find one cat.
    """
    diagonal = math.hypot(*size)
    targets = [annotation for annotation in truth if middle(annotation) is not None]
    pairs = []
    for i, target in enumerate(targets):
        x, y = middle(target)
        for j, place in enumerate(places):
            distance = math.hypot(place[0] - x, place[1] - y)
            hit = distance <= NEAR * diagonal if target.box is None else point_in_box(*place, target.box)
            if hit:
                pairs.append((distance, i, j))
    return Tally(len(one_to_one(pairs)), len(places), len(targets))


def figures(truth: Sequence[Annotation], predicted: Sequence[Annotation], size: tuple[int, int],
            ) -> list[tuple[Annotation, Annotation | None]]:
    """Each true figure with the predicted one whose joints lie closest on average, one to one; None if none is left."""
    pairs = []
    for i, wanted in enumerate(truth):
        for j, given in enumerate(predicted):
            distances = joint_distances(wanted.points, given.points, size).values()
            if distances:
                pairs.append((sum(min(d, 1.0) for d in distances) / len(distances), i, j))
    chosen = dict(one_to_one(pairs))
    return [(wanted, predicted[chosen[i]] if i in chosen else None) for i, wanted in enumerate(truth)]


def joint_distances(truth: Sequence[Point], predicted: Sequence[Point], size: tuple[int, int]) -> dict[str, float]:
    """Each joint of the truth → its distance in diagonals of the picture; infinite where it was not predicted."""
    diagonal = math.hypot(*size)
    found = {point.name: point for point in reversed(predicted) if point.visibility != "absent"}
    return {point.name: math.hypot(found[point.name].x - point.x, found[point.name].y - point.y) / diagonal
            if point.name in found else math.inf
            for point in truth if point.visibility != "absent"}


def count_error(truth: Sequence[Annotation], predicted: Sequence[Annotation], names: Sequence[str] = ()) -> int:
    """How far the counts are off, summed over the labels: 2 cats for 3 and a dog too many make 2."""
    wanted, given = (Counter(same(annotation.label) for annotation in side) for side in (truth, predicted))
    labels = {same(name) for name in names} | set(wanted) | set(given)
    return sum(abs(wanted[label] - given[label]) for label in labels)


def no_target(truth: Sequence[Annotation], predicted: Sequence[Annotation]) -> bool | None:
    """Where nothing is there: whether the answer was nothing. None where something is there."""
    return None if truth else not predicted


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is defined; None if nothing is."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def same(label: str) -> str:
    """What two labels are compared by: letter case and spacing make no difference, everything else does."""
    return " ".join(label.casefold().split())


def middle(annotation: Annotation) -> tuple[float, float] | None:
    """The middle of its box, else its first point that is there; None where it has no place."""
    if annotation.box is not None:
        x1, y1, x2, y2 = annotation.box
        return (x1 + x2) / 2, (y1 + y2) / 2
    return next(((point.x, point.y) for point in annotation.points if point.visibility != "absent"), None)


def one_to_one(pairs: list[tuple[float, int, int]]) -> list[tuple[int, int]]:
    """(cost, truth, predicted) → the cheapest pair, then the cheapest of what is left, …; in order of truth."""
    found, taken = {}, set()
    for _, i, j in sorted(pairs):
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)
    return sorted(found.items())


def in_crowd(annotation: Annotation, crowds: Sequence[Annotation], threshold: float) -> bool:
    """COCO's rule: the share of the prediction that a crowd covers, not their IoU."""
    x1, y1, x2, y2 = annotation.box
    own = (x2 - x1) * (y2 - y1)
    for crowd in crowds:
        width = min(x2, crowd.box[2]) - max(x1, crowd.box[0])
        height = min(y2, crowd.box[3]) - max(y1, crowd.box[1])
        overlap = max(0.0, width) * max(0.0, height)
        if same(crowd.label) == same(annotation.label) and overlap > 0 and overlap >= threshold * own:
            return True
    return False
