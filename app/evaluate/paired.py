"""Two models on the same samples: is a difference more than chance? Every verdict of a receipt is made here.

A number says "better" or "worse" where its interval, a paired bootstrap over pictures, leaves out 0, and the same
difference seldom comes about when a coin says of each picture whose answer is whose: of few pictures a bootstrap says
too much. Parts of the data ask together: of twenty, one would be clear by chance alone, so each must be clear at a
twentieth of the risk (Bonferroni), and its interval is as wide as that.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app import metrics
from app.evaluate import HIGHER_IS_WORSE, Answered, Numbers, differences, measured
from app.evaluate.grouping import by_picture, grouped
from app.evaluate.slices import choices, of_objects, of_pictures
from app.metrics.intervals import LEVEL, Interval, chance, difference, mean_statistic
from app.types import Annotation

BETTER, WORSE, UNCLEAR = "better", "worse", "no clear difference"
RESAMPLES = 10_000  # of a slice: its interval's ends are in the last thousandths
BOXES = ("detect", "phrases", "ground")  # tasks whose answers are boxes


@dataclass(frozen=True)
class Paired:
    """Tuned minus base."""
    name: str
    base: float | None
    tuned: float | None
    difference: float | None
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class PairedSlice:
    """A part of the data. All slices of a receipt are clear together: see above."""
    kind: str
    value: str
    metric: str
    of: str  # "objects" or "pictures"
    count: int
    base: float | None
    tuned: float | None
    difference: float | None
    interval: Interval
    verdict: str


def paired(tuned: Numbers, base: Numbers) -> list[Paired]:
    """Every number that both have; one picture gives no interval. Raises ValueError for different samples."""
    known = differences(tuned, base)
    return [Paired(name, base.values[name], value, value - base.values[name], interval := known.get(name, (0, None))[1],
                   verdict(name, interval, lambda name=name: _chance(name, tuned, base)))
            for name, value in tuned.values.items() if (name in known or name in tuned.tables)
            and value is not None and base.values.get(name) is not None]


def paired_slices(tuned: Sequence[Answered], base: Sequence[Answered]) -> list[PairedSlice]:
    """Parts of the data in which more than one value occurs, such as small and large objects."""
    objects = zip(of_objects(tuned), of_objects(base), strict=True)  # the same ones: the truth says which there are
    found = [(kind, value, "recall", "objects", int(ours[1].sum()), ours, theirs)
             for (kind, value, ours), (_, _, theirs) in objects]
    kinds = [kind for kind, *_ in found]
    found = [each for each in found if kinds.count(each[0]) > 1]
    for kind, value, places in of_pictures(tuned):
        ours, theirs = (measured([side[place] for place in places], sure=False, ranked=False) for side in (tuned, base))
        metric = next((name for name in choices([tuned[place] for place in places])
                       if ours.values.get(name) is not None and theirs.values.get(name) is not None), None)
        if metric is not None:
            found.append((kind, value, metric, "pictures", ours.pictures, ours.tables[metric], theirs.tables[metric]))
    asking = sum(ours.shape[1] >= enough(LEVEL) for *_, ours, _ in found)
    level = 1 - (1 - LEVEL) / max(1, asking)
    return [PairedSlice(kind, value, metric, of, count, *_difference(metric, ours, theirs, level, RESAMPLES))
            for kind, value, metric, of, count, ours, theirs in found]


def class_agnostic(tuned: Sequence[Answered], base: Sequence[Answered]) -> Paired | None:
    """F1 of the boxes alone, whatever they are called; None where no task of the samples has boxes."""
    if not any(one.sample.task in BOXES for one in tuned):
        return None
    ours, theirs = _nameless(tuned), _nameless(base)
    return Paired("f1", *_difference("f1", ours, theirs, LEVEL))


def verdict(name: str, interval: Interval, by_chance: Callable[[], float], level: float = LEVEL) -> str:
    """`by_chance()`: how often a coin gives such a difference, see `intervals.chance`."""
    if interval is None or interval[0] <= 0 <= interval[1] or by_chance() > 1 - level:
        return UNCLEAR
    worse_when_high = name.rpartition(".")[2] in HIGHER_IS_WORSE
    return BETTER if (interval[0] > 0) != worse_when_high else WORSE


def enough(level: float) -> int:
    """With fewer pictures no difference is clear at this level: all of them may speak for one side by chance."""
    return math.ceil(1 - math.log2(1 - level))


def _chance(name: str, tuned: Numbers, base: Numbers) -> float:
    """AP is no sum over pictures: there, how often a coin falls on one side for all pictures with other answers."""
    if name in tuned.tables:
        return chance(tuned.tables[name], base.tables[name], mean_statistic)[0]
    apart = [(tuned.tables[each] != base.tables[each]).any(axis=0) for each in tuned.tables if each in base.tables]
    return min(1.0, 2.0 ** (1 - int(np.any(apart, axis=0).sum()))) if apart else 1.0


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray, level: float, resamples: int = 1_000) -> tuple:
    """(base, tuned, difference, interval, verdict) of a number with these tables."""
    [(value, interval)] = difference(ours, theirs, mean_statistic, level=level, resamples=resamples)
    whole = [float(side[0].sum() / side[1].sum()) if side[1].sum() else None for side in (theirs, ours)]
    return *whole, value, interval, verdict(name, interval, lambda: chance(ours, theirs, mean_statistic)[0], level)


def _nameless(answered: Sequence[Answered]) -> np.ndarray:
    tallies = [metrics.tally(*([Annotation("", each.box, crowd=each.crowd) for each in side if each.box is not None]
                               for side in (one.sample.truth, one.prediction.annotations)))
               for one in answered if one.sample.task in BOXES]
    table = np.array([(2 * tally.matched, tally.predicted + tally.truth) for tally in tallies], float).T
    return by_picture(table, grouped([one.sample for one in answered if one.sample.task in BOXES]))
