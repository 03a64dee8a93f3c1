"""Curves of answers that have scores: precision over recall, how often a score is right, and a calibration. Pure.

All start from the same matching as the table's precision and recall: right is a box with a true one of its label at
the threshold, best overlap first. So the curve's last point is what stands in the table.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.geometry import iou
from app.metrics import IOU, in_crowd, match, one_to_one, same
from app.types import Annotation

BINS = 10
FOLDS = 5
MOST_POINTS = 400  # of a curve: more than a screen has columns for
RIDGE = 1e-2  # keeps a fit of few answers from running away
FEWEST = 20  # answers with a score, and of both kinds, below which nothing is fitted
MISSED, INVENTED = "(missed)", "(nothing there)"


@dataclass(frozen=True)
class Scored:
    """Every box that has a score, a row each: which picture, the score, whether it was right; and how many targets."""
    picture: np.ndarray
    score: np.ndarray
    right: np.ndarray
    truth: int


@dataclass(frozen=True)
class Bin:
    """Of the answers with scores in a range: how many, their mean score, the share that was right."""
    count: int
    score: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """chance = 1 / (1 + exp(−(slope · log(score / (1 − score)) + offset))), after Platt 1999.

    `error` and `calibrated_error` are expected calibration errors; the second is of answers on pictures that the fit
    did not see (five folds).
    """
    slope: float
    offset: float
    error: float
    calibrated_error: float
    bins: tuple[Bin, ...]  # of the calibrated chances on unseen pictures

    def chance(self, score: float) -> float:
        return float(_chance(_logit(np.array([score])), self.slope, self.offset)[0])


def scored(pictures: Sequence[tuple[Sequence[Annotation], Sequence[Annotation]]], threshold: float = IOU) -> Scored:
    """From (truth, predicted) of each picture; boxes in a crowd count neither way, boxes without a score not here."""
    rows, truth = [], 0
    for place, (wanted, given) in enumerate(pictures):
        right = {pair.predicted for pair in match(wanted, given, threshold)}
        crowds = [each for each in wanted if each.crowd and each.box is not None]
        truth += sum(each.box is not None and not each.crowd for each in wanted)
        rows += [(place, each.score, j in right) for j, each in enumerate(given)
                 if each.box is not None and each.score is not None
                 and (j in right or not in_crowd(each, crowds, threshold))]
    picture, score, right = (np.array(column) for column in zip(*rows)) if rows else (np.zeros(0),) * 3
    return Scored(picture.astype(int), score.astype(float), right.astype(bool), truth)


def precision_recall(found: Scored) -> list[tuple[float, float, float]]:
    """(recall, precision, score from which on) at every cut, the surest answers first; [] without scores or truth."""
    if not len(found.score) or not found.truth:
        return []
    order = np.argsort(-found.score, kind="stable")
    hits, score = np.cumsum(found.right[order]), found.score[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))  # equal scores cannot be cut apart
    points = [(hits[i] / found.truth, hits[i] / (i + 1), score[i]) for i in last]
    step = max(1, math.ceil(len(points) / MOST_POINTS))
    return [tuple(map(float, point)) for point in [*points[:-1:step], points[-1]]]


def reliability(score: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[Bin]:
    """The answers by their scores, in ranges that hold as many each; equal scores are not cut apart.

    Not ranges of equal width (Nguyen and O'Connor 2015): a model that scores its boxes from 0.001 to 0.05 would have
    all in one. Fewer ranges for few answers, so that each share is one of at least five.
    """
    bins = min(bins, max(1, len(score) // 5))
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])) if len(score) else ()
    place = np.searchsorted(edges, score, side="left")
    return [Bin(int(here.sum()), float(score[here].mean()), float(right[here].mean()))
            for here in (place == i for i in range(bins)) if here.any()]


def calibration_error(bins: Iterable[Bin]) -> float | None:
    """Expected calibration error (Naeini et al. 2015): how far score and share right are apart, by answers."""
    bins = list(bins)
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.score - each.right) for each in bins) / total if total else None


def calibrated(found: Scored) -> Calibration | None:
    """A chance of being right for every score, fitted on these answers; None where there are too few to fit."""
    if min(found.right.sum(), (~found.right).sum()) < FEWEST // 4 or len(found.right) < FEWEST:
        return None
    x, y = _logit(found.score), found.right.astype(float)
    slope, offset = _fitted(x, y)
    fold, unseen = found.picture % FOLDS, np.full(len(x), np.nan)
    for held in range(FOLDS):
        rest = fold != held
        if (fold == held).any() and 0 < y[rest].sum() < rest.sum():
            unseen[~rest] = _chance(x[~rest], *_fitted(x[rest], y[rest]))
    known = ~np.isnan(unseen)
    if not known.any():
        return None
    bins = tuple(reliability(unseen[known], found.right[known]))
    return Calibration(slope, offset, calibration_error(reliability(found.score, found.right)),
                       calibration_error(bins), bins)


def confusion(pictures: Iterable[tuple[Sequence[Annotation], Sequence[Annotation]]], threshold: float = IOU
              ) -> Counter[tuple[str, str]]:
    """(true label, said label) → how often: boxes paired by overlap alone. MISSED and INVENTED stand for no partner.

    A pair of equal labels is taken before one that overlaps as well and is named otherwise.
    """
    found: Counter[tuple[str, str]] = Counter()
    for wanted, given in pictures:
        crowds = [each for each in wanted if each.crowd and each.box is not None]
        wanted = [each for each in wanted if each.box is not None and not each.crowd]
        given = [each for each in given if each.box is not None]
        pairs = []
        for i, one in enumerate(wanted):
            for j, other in enumerate(given):
                overlap = iou(one.box, other.box)
                if overlap >= threshold and overlap > 0:
                    pairs.append((-overlap - (same(one.label) == same(other.label)), i, j))
        taken = one_to_one(pairs)
        found.update((same(wanted[i].label), same(given[j].label)) for i, j in taken)
        found.update((same(one.label), MISSED) for i, one in enumerate(wanted) if i not in dict(taken))
        used = {j for _, j in taken}
        found.update((INVENTED, same(other.label)) for j, other in enumerate(given)
                     if j not in used and not in_crowd(other, crowds, threshold))
    return found


def _fitted(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Logistic regression by Newton's steps, with Platt's smoothed targets, so that two separate heaps have a fit."""
    hits, misses = y.sum(), len(y) - y.sum()
    target = np.where(y > 0, (hits + 1) / (hits + 2), 1 / (misses + 2))
    middle, spread = x.mean(), x.std() or 1.0
    design, weights = np.stack([(x - middle) / spread, np.ones(len(x))], axis=1), np.zeros(2)

    def loss(weights: np.ndarray) -> float:
        z = design @ weights
        return float((np.logaddexp(0, z) - target * z).sum() + RIDGE / 2 * weights @ weights)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (chance - target) + RIDGE * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + RIDGE * np.eye(2)
        step, here = np.linalg.solve(curvature, gradient), loss(weights)
        while loss(weights - step) > here and np.abs(step).max() > 1e-9:  # a full step can go too far
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    slope = weights[0] / spread
    return float(slope), float(weights[1] - slope * middle)


def _chance(x: np.ndarray, slope: float, offset: float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(slope * x + offset, -30, 30)))


def _logit(score: np.ndarray) -> np.ndarray:
    score = np.clip(score, 1e-4, 1 - 1e-4)
    return np.log(score / (1 - score))
