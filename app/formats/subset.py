"""A part of what a format reads, as the first step of the Qwen2-VL project takes it: by class, and so many."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.formats.base import Refused, Row
from app.formats.judging import common_query, identity
from app.types import Sample


def subset(rows: Iterable[Row], classes: Sequence[str] = (), count: int | None = None) -> Iterator[Row]:
    """The first `count` samples that have an object of `classes`, asking for these and with the truth of these alone.

    Without classes, the first `count` of all. A repair is told of what is kept only; it comes before its sample.
    """
    kept, waiting = 0, []
    for row in rows:
        if isinstance(row, Refused):
            yield row
        elif not isinstance(row, Sample):
            waiting.append(row)
        else:
            sample = _narrowed(row, classes) if classes else row
            if sample is not None:
                yield from (*waiting, sample)
                kept += 1
            waiting = []
        if count is not None and kept >= count:
            return


def _narrowed(sample: Sample, classes: Sequence[str]) -> Sample | None:
    if sample.task not in ("detect", "keypoints", "count"):
        return None
    truth = tuple(each for each in sample.truth or () if each.label in classes)
    if not truth:
        return None
    query = sample.query if sample.task == "keypoints" else common_query(classes)
    narrowed = replace(sample, query=query, truth=truth)
    return replace(narrowed, id=identity(narrowed))
