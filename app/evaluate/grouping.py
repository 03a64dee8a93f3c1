"""Which samples are about one picture: right or wrong together, so they are drawn, held out and shuffled together."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.types import Image, Sample


def grouped(samples: Sequence[Sample]) -> list[int]:
    """The number of each sample's picture, from 0 in the order in which they come. Samples of several pictures tie
    these together: whoever shares one of them is of the same number."""
    root = list(range(len(samples)))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = place = root[root[place]]
        return place

    first: dict[str, int] = {}
    for place, sample in enumerate(samples):
        for image in sample.images:
            for mark in marks(image):
                root[top(place)] = top(first.setdefault(mark, place))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(top(place), len(numbers)) for place in range(len(samples))]


def marks(image: Image) -> set[str]:
    """By which a picture is known: its file and its upright pixels, else where it lies."""
    return set(filter(None, (image.sha256, image.pixels_sha256))) or {image.path}


def by_picture(table: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """[k, samples] → [k, pictures], added up."""
    added = np.zeros((len(table), max(groups, default=-1) + 1))
    for row, values in zip(added, table):
        np.add.at(row, list(groups), values)
    return added
