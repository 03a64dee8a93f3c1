"""Measure: what models said about samples becomes numbers, each with an interval, by the same scores as everywhere.

    for name, value in evaluate(samples, ask):        # ask(sample) → Prediction; used by the trainer, too
        print(name, value)
    numbers = measured([Answered(sample, prediction), …])
    differences(numbers, of_another_model)            # paired: on the same samples

An answer that could not be read (unreadable, refused, failed, cut off before its first object) counts as a miss, and
how often that happened is a number of its own. A sample that nobody has looked at cannot be measured.
"""
from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from app import metrics, tasks
from app.evaluate.grouping import by_picture, grouped
from app.evaluate.parts import Ratio, ratios
from app.metrics.intervals import Interval, drawn, mean_statistic, of_differences, of_draws
from app.types import Prediction, Request, Sample

NAMES_OF_AP = ("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100")
UNREAD = ("unreadable", "truncated", "refused", "failed")  # statuses that are counted and shown
HIGHER_IS_WORSE = frozenset({*UNREAD, "hallucination", "error", "distance", "seconds", "tokens"})


@dataclass(frozen=True)
class Answered:
    """What one model said about one sample whose truth is known."""
    sample: Sample
    prediction: Prediction

    @property
    def request(self) -> Request:
        return request_of(self.sample)

    @property
    def score(self) -> float:
        """Of this one picture, from 0 to 1: `tasks.score`."""
        return tasks.score(self.request, truth_of(self.sample), self.prediction)["score"]


@dataclass(frozen=True)
class Numbers:
    """One model's. None is undefined: a mean over nothing. `draws` are its values over resampled pictures, `tables`
    what each picture adds to numerator and denominator, [2, pictures]."""
    samples: tuple[str, ...]
    values: dict[str, float | None]
    intervals: dict[str, Interval] = field(default_factory=dict)
    draws: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    tables: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    pictures: int = 0


def evaluate(samples: Iterable[Sample], ask: Callable[[Sample], Prediction]) -> Iterator[tuple[str, float | None]]:
    """Ask about each sample, then yield each number's name and value. Samples without a truth are passed over."""
    answered = [Answered(sample, ask(sample)) for sample in samples if measurable(sample)]
    yield from measured(answered, sure=False).values.items()


def measured(answered: Sequence[Answered], threshold: float = metrics.IOU, sure: bool = True,
             ranked: bool = True) -> Numbers:
    """All numbers of one model's answers; `sure` computes the intervals, too, which takes most of the time.

    Resampled by picture, with all questions about it. `ranked`: with AP, which asks for scores to rank objects by.
    Names stand alone where all samples have one task, else behind it: `ground.accuracy`; those of the answers
    themselves (score, unreadable, seconds …) are over all.
    """
    kinds = sorted({one.sample.task for one in answered})
    groups = grouped([one.sample for one in answered])
    pictures = max(groups, default=-1) + 1
    parts = [{"score": Ratio(one.score)} | {status: Ratio(one.prediction.status == status) for status in UNREAD}
             for one in answered]
    values, draws = {}, {}
    for kind in kinds:
        places = [place for place, one in enumerate(answered) if one.sample.task == kind]
        before = "" if len(kinds) == 1 else f"{kind}."
        for place in places:
            parts[place] |= {before + name: ratio for name, ratio in ratios(answered[place], threshold).items()}
        if kind in ("detect", "phrases") and ranked:
            from app.evaluate.average_precision import average_precision  # brings hotcoco
            found, spread = average_precision([answered[place] for place in places], sure,
                                              [groups[place] for place in places], pictures)
            values |= {before + name: value for name, value in found.items()}
            draws |= {before + name: value for name, value in spread.items()}
    table, names = _table(parts)
    table = by_picture(table, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = mean_statistic(table.sum(axis=1, keepdims=True))[:, 0]
    values |= {name: None if np.isnan(value) else float(value) for name, value in zip(names, pooled)}
    values |= _cost(answered)
    if sure and pictures > 1:
        draws |= dict(zip(names, drawn(table, mean_statistic)))
    counts = dict(zip(names, (table[1::2] > 0).sum(axis=1).tolist()))  # pictures that a number is really from
    spread = {name: of_draws(numbers, counts.get(name, pictures), values[name]) for name, numbers in draws.items()}
    tables = {name: table[2 * row:2 * row + 2] for row, name in enumerate(names)}
    return Numbers(tuple(one.sample.id for one in answered), _ordered(values), spread, draws, tables, pictures)


def differences(a: Numbers, b: Numbers) -> dict[str, tuple[float, Interval]]:
    """a minus b of every number that both have, with its interval. Raises ValueError for different samples."""
    if a.samples != b.samples:
        raise ValueError(f"a paired difference needs the same samples: {len(a.samples)} and {len(b.samples)} "
                         "were given, or in another order")
    return {name: (value - b.values[name], of_differences(a.draws[name], b.draws[name], a.pictures))
            for name, value in a.values.items()
            if value is not None and b.values.get(name) is not None and name in a.draws and name in b.draws}


def measurable(sample: Sample) -> bool:
    return sample.answer is not None if sample.task == "ask" else sample.truth is not None


def truth_of(sample: Sample):
    return sample.answer if sample.task == "ask" else sample.truth


def request_of(sample: Sample) -> Request:
    return tasks.request(sample.images, sample.task, sample.query)


def measures(answered: Sequence[Answered]) -> str:
    """The number that stands for all: the task's own, or the mean score where there are several tasks."""
    kinds = {one.sample.task for one in answered}
    return tasks.TASKS[kinds.pop()].measure if len(kinds) == 1 else "score"


def score_sources(answered: Sequence[Answered]) -> list[str]:
    """Where the scores of the objects come from, because AP depends on it: "model" (a detector's own), "tokens"
    (log-probabilities), "person", "unknown", "none", and "constant" where all of several are equal."""
    found = [each for one in answered for each in one.prediction.annotations]
    sources = {("none" if each.score is None else each.score_source or "unknown") for each in found}
    scores = {each.score for each in found if each.score is not None}
    if len(scores) == 1 and len(found) > 1:
        sources.add("constant")
    return sorted(sources)


def _table(parts: Sequence[dict[str, Ratio]]) -> tuple[np.ndarray, list[str]]:
    """Two rows for each number: numerators and denominators, a column for each sample."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    nothing = Ratio(None)
    return np.array([row for name in names for row in zip(*[part.get(name, nothing).pair for part in parts])],
                    np.float64).reshape(2 * len(names), len(parts)), names


def _cost(answered: Sequence[Answered]) -> dict[str, float | None]:
    asked = [one.prediction for one in answered if one.prediction.status != "failed"]
    return {"seconds": statistics.median([one.seconds for one in asked]) if asked else None,
            "tokens": metrics.mean([one.tokens for one in asked])}


def _ordered(values: dict) -> dict:
    """What the person looks for first, first: the task's numbers, then how often there was no answer, then cost."""
    last = ("score", *UNREAD, "seconds", "tokens")
    detailed = [name for name in values if name.rpartition(".")[2] in NAMES_OF_AP]
    first = [name for name in values if name not in last and name not in detailed]
    return {name: values[name] for name in [*first, *detailed, *last] if name in values}
