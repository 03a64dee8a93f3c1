"""COCO's AP of answers in Boxloop's own nouns, and what it would be over resampled pictures.

hotcoco matches once; a resample only weighs the pictures anew. An object without a score has the score 1, and
`score_sources` says so: without an order there is one point of the curve, and AP is what that point encloses.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.geometry import area
from app.metrics import coco, same
from app.metrics.coco_files import Results, Truth
from app.metrics.intervals import times_drawn
from app.types import Annotation

if TYPE_CHECKING:
    from app.evaluate import Answered

RESAMPLES_OF_AP = 1_000
MOST_WORK = 300_000_000  # additions; more answers than that get an AP without an interval
RECALLS = np.linspace(0, 1, 101)


def average_precision(answered: Sequence[Answered], sure: bool, groups: Sequence[int], pictures: int,
                      ) -> tuple[dict[str, float | None], dict[str, np.ndarray]]:
    """(COCO's numbers, AP and AP50 over the draws of all `pictures`, of which each answer is about that in `groups`).
    """
    from app.evaluate import NAMES_OF_AP
    truth, found = columns(answered)
    numbers = coco.average_precision(truth, found, "bbox")
    values = {name: numbers[name] for name in NAMES_OF_AP}
    work = len(found.image) * len(coco.THRESHOLDS) * RESAMPLES_OF_AP
    if not sure or pictures < 2 or work > MOST_WORK or values["AP"] is None:
        return values, {}
    times = np.concatenate(list(times_drawn(pictures, RESAMPLES_OF_AP)))[:, list(groups)]
    drawn = weighted(coco.matches(truth, found), times)
    return values, {"AP": drawn.mean(axis=1), "AP50": drawn[:, 0]}


def weighted(matches: Sequence[coco.Matches], times: np.ndarray) -> np.ndarray:
    """AP at each of COCO's thresholds, [resamples, thresholds], where picture i counts times[:, i]; NaN: undefined."""
    total = np.zeros((len(times), len(coco.THRESHOLDS)))
    labels = np.zeros(len(times))
    for label in matches:
        targets = times @ label.targets
        labels += targets > 0
        for index, (right, counts) in enumerate(zip(label.right, label.counts)):
            hits = np.cumsum(times[:, label.image] * (right & counts), axis=1)
            said = np.cumsum(times[:, label.image] * counts, axis=1)
            total[:, index] += _enclosed(hits, said, targets)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / np.where(labels > 0, labels, np.nan)[:, None]


def _enclosed(hits: np.ndarray, said: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """COCO's interpolation, a row for each resample: at 101 recalls, the best precision there or beyond."""
    rows, answers = hits.shape
    if not answers:
        return np.zeros(rows)
    precision = np.maximum.accumulate((hits / np.maximum(said, 1))[:, ::-1], axis=1)[:, ::-1]
    needed = np.ceil(RECALLS * targets[:, None] - 1e-9).astype(int)  # hits; whole numbers, so that nothing rounds
    step = int(max(hits.max(), needed.max())) + 1
    far = np.arange(rows)[:, None] * step  # one search for all rows
    at = np.searchsorted((hits + far).ravel(), (needed + far).ravel()).reshape(needed.shape)
    at -= np.arange(rows)[:, None] * answers
    reached = np.where(at < answers, np.take_along_axis(precision, np.minimum(at, answers - 1), axis=1), 0.0)
    return np.where(targets > 0, reached.mean(axis=1), 0.0)


def columns(answered: Sequence[Answered]) -> tuple[Truth, Results]:
    """Both sides in COCO's columns: pictures in their order, a number for each label that occurs."""
    sides = [[(image, each) for image, one in enumerate(answered) for each in side(one) if each.box is not None]
             for side in (lambda one: one.sample.truth, lambda one: one.prediction.annotations)]
    labels = sorted({same(each.label) for rows in sides for _, each in rows})
    number = {label: index for index, label in enumerate(labels)}
    wanted, given = ([np.array([image for image, _ in rows], int),
                      np.array([number[same(each.label)] for _, each in rows], int),
                      np.array([_sized(each) for _, each in rows], float).reshape(-1, 4),
                      np.zeros((len(rows), 0, 3))] for rows in sides)
    truth = Truth(*wanted, np.arange(len(answered)), np.arange(len(labels)), [None] * len(answered),
                  np.array([each.crowd for _, each in sides[0]], bool),
                  np.array([each.area or area(each.box) for _, each in sides[0]], float), ())
    return truth, Results(*given, np.array([1.0 if each.score is None else each.score for _, each in sides[1]], float))


def _sized(each: Annotation) -> list[float]:
    x1, y1, x2, y2 = each.box
    return [x1, y1, x2 - x1, y2 - y1]
