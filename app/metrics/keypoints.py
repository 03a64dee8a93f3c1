"""Keypoints: OKS, COCO's likeness of two figures from 0 to 1, and matching by it. Pure, no numpy.

    OKS = mean over the joints of the truth of exp(−distance² / (2 · area · (2σ)²))

σ is how far people who annotate a joint disagree, in figure sizes: an eye is placed closely, a hip is not
(cocodataset.org/#keypoints-eval). A joint that the answer does not have is infinitely far.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from app.geometry import area
from app.metrics import Match, in_crowd, one_to_one, same
from app.types import Annotation, Box, Point

SIGMAS: dict[str, float] = {
    "nose": .026, "left_eye": .025, "right_eye": .025, "left_ear": .035, "right_ear": .035, "left_shoulder": .079,
    "right_shoulder": .079, "left_elbow": .072, "right_elbow": .072, "left_wrist": .062, "right_wrist": .062,
    "left_hip": .107, "right_hip": .107, "left_knee": .087, "right_knee": .087, "left_ankle": .089,
    "right_ankle": .089}
USUAL = sum(SIGMAS.values()) / len(SIGMAS)  # for a joint that COCO does not have


def oks(truth: Annotation, predicted: Sequence[Point], sigmas: Mapping[str, float] = SIGMAS) -> float | None:
    """How alike a figure and an answer are. None where the truth has no joint, or no extent to measure by.

    The size is the figure's area; without one that of its box, else of the box around its joints.
    """
    wanted = [point for point in truth.points if point.visibility != "absent"]
    size = truth.area or area(truth.box or around(wanted) or (0, 0, 0, 0))
    if not wanted or size <= 0:
        return None
    given = {_named(point.name): point for point in reversed(predicted) if point.visibility != "absent"}
    likeness = 0.0
    for point in wanted:
        other = given.get(_named(point.name))
        if other is not None:
            spread = 2 * sigmas.get(_named(point.name), USUAL)
            likeness += math.exp(-((point.x - other.x) ** 2 + (point.y - other.y) ** 2) / (2 * size * spread ** 2))
    return likeness / len(wanted)


def match_figures(truth: Sequence[Annotation], predicted: Sequence[Annotation], threshold: float,
                  sigmas: Mapping[str, float] = SIGMAS) -> list[Match]:
    """Pairs of equal label with OKS ≥ threshold, one to one, the most alike first; crowds are no targets."""
    alike = {}
    for i, wanted in enumerate(truth):
        for j, given in enumerate(predicted):
            if not wanted.crowd and same(wanted.label) == same(given.label):
                value = oks(wanted, given.points, sigmas)
                if value is not None and value >= threshold and value > 0:
                    alike[i, j] = value
    return [Match(i, j, alike[i, j]) for i, j in one_to_one([(-value, i, j) for (i, j), value in alike.items()])]


def counted(truth: Sequence[Annotation], predicted: Sequence[Annotation], pairs: Sequence[Match],
            threshold: float) -> tuple[int, int]:
    """(answers that count, targets): figures without a joint are no targets, nor is what lies on them a mistake."""
    aside = [figure for figure in truth if figure.box and (figure.crowd or not _joints(figure))]
    used = {pair.predicted for pair in pairs}
    answers = sum(j in used or not in_crowd(_boxed(figure), aside, threshold) for j, figure in enumerate(predicted))
    return answers, sum(not figure.crowd and bool(_joints(figure)) for figure in truth)


def around(points: Sequence[Point]) -> Box | None:
    """The smallest box around the points that are there."""
    there = [point for point in points if point.visibility != "absent"]
    if not there:
        return None
    xs, ys = [point.x for point in there], [point.y for point in there]
    return min(xs), min(ys), max(xs), max(ys)


def _boxed(figure: Annotation) -> Annotation:
    return Annotation(figure.label, figure.box or around(figure.points) or (0, 0, 0, 0))


def _joints(figure: Annotation) -> bool:
    return any(point.visibility != "absent" for point in figure.points)


def _named(joint: str) -> str:
    return same(joint).replace(" ", "_")
