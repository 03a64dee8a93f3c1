"""How sure a number is: bootstrap intervals over pictures, and of the difference between two models. Needs numpy.

A picture is drawn with all its objects, because objects of one picture are right or wrong together. Two models are
drawn on the same pictures (paired), which takes out what is hard for both.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

import numpy as np

RESAMPLES = 1_000
SWAPS = 9_999
LEVEL = 0.95
SEED = 0
MOST_AT_ONCE = 4_000_000  # numbers in memory
GROUPS = 1_000  # more pictures than these are drawn in so many random groups: as wide, and a fifth of the time of 5,000

Interval = tuple[float, float] | None
Statistic = Callable[[np.ndarray], np.ndarray]


def intervals(table: np.ndarray, statistic: Statistic, *, counts: Sequence[int] | None = None,
              resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED) -> list[Interval]:
    """Of each of the statistic's numbers: (low, high), or None where it is undefined or there is one picture only.

    `table` is [k, pictures]: what adds up over pictures. `statistic` takes sums [k, m] and gives numbers [s, m], NaN
    where undefined. `counts` says how many pictures each number is really from (a precision only from those where
    something was said); without it, from all. Percentiles of the resampled numbers, widened for few pictures as
    Student's t is (Hesterberg 2015, "What teachers should know about the bootstrap", §expanded percentile). A share
    that comes out as exactly 0 or 1 every time has Wilson's interval instead, since no resample of twenty right answers
    holds a wrong one.
    """
    whole = statistic(table.sum(axis=1, keepdims=True))[:, 0]
    draws = drawn(table, statistic, resamples=resamples, seed=seed)
    counts = [table.shape[1]] * len(whole) if counts is None else counts
    return [of_draws(numbers, count, _known(value), level) for value, numbers, count in zip(whole, draws, counts)]


def difference(a: np.ndarray, b: np.ndarray, statistic: Statistic, *, resamples: int = RESAMPLES,
               level: float = LEVEL, seed: int = SEED) -> list[tuple[float | None, Interval]]:
    """Of each number: (a's minus b's, its interval), over the same pictures in the same order."""
    if a.shape != b.shape:
        raise ValueError(f"a paired difference needs the same pictures: {a.shape[1]} and {b.shape[1]} were given")
    found = np.subtract(*(statistic(side.sum(axis=1, keepdims=True))[:, 0] for side in (a, b)))
    draws = [drawn(side, statistic, resamples=resamples, seed=seed) for side in (a, b)]  # the same pictures: one seed
    return [(_known(value), None if math.isnan(value) else of_differences(ours, theirs, a.shape[1], level))
            for value, ours, theirs in zip(found, *draws)]


def chance(a: np.ndarray, b: np.ndarray, statistic: Statistic, *, swaps: int = SWAPS, seed: int = SEED) -> list[float]:
    """Of each number: how often a difference as large comes about where, picture by picture, a coin says which side is
    whose. Exact for any number of pictures, which a bootstrap of a dozen is not: five pictures that all speak for one
    side say nothing, since two of 32 coins fall like that (the paired randomization test; 1 is "always").
    """
    rng, less = np.random.default_rng(seed), b - a
    moved = np.concatenate([less @ rng.integers(0, 2, (size, a.shape[1])).T for size in _blocks(swaps, a)], axis=1)
    seen, ours, theirs = (statistic(sums) for sums in (np.stack([a.sum(axis=1), b.sum(axis=1)], axis=1),
                                                       a.sum(axis=1, keepdims=True) + moved,
                                                       b.sum(axis=1, keepdims=True) - moved))
    apart = np.abs(seen[:, :1] - seen[:, 1:])
    as_large = np.nan_to_num(np.abs(ours - theirs)) >= apart - 1e-12
    return [1.0 if math.isnan(one) else float(1 + large.sum()) / (1 + swaps) for [one], large in zip(apart, as_large)]


def drawn(table: np.ndarray, statistic: Statistic, *, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """[s, resamples]: the numbers over as many pictures, drawn with replacement. One seed draws the same pictures."""
    pictures = table.shape[1]
    if pictures > GROUPS:
        group = np.random.default_rng(seed).permutation(pictures) % GROUPS
        table, pictures = np.stack([np.bincount(group, row, GROUPS) for row in table]), GROUPS
    return np.concatenate([statistic(table @ times.T) for times in times_drawn(pictures, resamples, seed)], axis=1)


def times_drawn(pictures: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[np.ndarray]:
    """How often each picture was drawn, [m, pictures] a block at a time; `resamples` rows in all."""
    rng, block = np.random.default_rng(seed), max(1, MOST_AT_ONCE // max(pictures, 1))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        draws = rng.integers(0, pictures, (size, pictures), np.int32) + np.arange(size)[:, None] * pictures
        yield np.bincount(draws.reshape(-1), minlength=size * pictures).reshape(size, pictures)


def of_draws(numbers: np.ndarray, pictures: int, value: float | None, level: float = LEVEL) -> Interval:
    """The interval of a number from its draws; None where it is undefined or from one picture."""
    if value is None or pictures < 2:
        return None
    defined = numbers[~np.isnan(numbers)]
    if value in (0.0, 1.0) and (defined == value).all():
        return _wilson(value, pictures, level)
    return _percentiles(defined, pictures, level)


def of_differences(ours: np.ndarray, theirs: np.ndarray, pictures: int, level: float = LEVEL) -> Interval:
    """Of a paired difference, from both sides' draws of the same pictures."""
    differences = ours - theirs
    return None if pictures < 2 else _percentiles(differences[~np.isnan(differences)], pictures, level)


def mean_statistic(sums: np.ndarray) -> np.ndarray:
    """Of a table of (values, how many are defined) in turn: each value's mean."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0::2] / sums[1::2]


def _blocks(rows: int, table: np.ndarray) -> Iterator[int]:
    """So many rows of a column for each picture, as many at a time as fit in memory."""
    block = max(1, MOST_AT_ONCE // max(table.shape[1], 1))
    return (min(block, rows - start) for start in range(0, rows, block))


def _percentiles(numbers: np.ndarray, pictures: int, level: float) -> Interval:
    if not numbers.size:
        return None
    tail = NormalDist().cdf(-math.sqrt(pictures / (pictures - 1)) * _students_t(1 - (1 - level) / 2, pictures - 1))
    low, high = np.quantile(numbers, [tail, 1 - tail])
    return float(low), float(high)


def _students_t(probability: float, freedom: int) -> float:
    """Its quantile, by Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5): within 2% from 3 on."""
    z = NormalDist().inv_cdf(probability)
    terms = (z, (z ** 3 + z) / 4, (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
             (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384)
    return sum(term / freedom ** power for power, term in enumerate(terms))


def _wilson(share: float, number: int, level: float) -> Interval:
    z = NormalDist().inv_cdf(1 - (1 - level) / 2)
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    reach = z / (1 + z * z / number) * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
