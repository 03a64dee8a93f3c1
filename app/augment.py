"""Instruction augmentations: more questions from the boxes of one sample, after the Qwen2-VL instruction project.

    for more in augmented(sample, ("count", "empty"), seed=0): ...

Each is a function (sample, chance) → Sample | None, where None is "not from this one". Counting becomes a `count`. The
other three ask about a region of the picture: one that encloses a single object, one that cuts objects, one that holds
nothing. A region is told in percent of the picture, which is true in whatever size a model sees it.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from app.formats.judging import identity
from app.geometry import area, clamp
from app.types import Annotation, Box, Sample

TRIES = 200  # for a region; crowded pictures have no empty one
MARGIN = 0.05  # of an object's side, by which a region that encloses it may be larger
SHARES = 0.2, 0.8  # of an object, that a region which cuts it holds
TOUCHED = 0.05  # of an object; less is not seen to be in a region
WHOLE = 0.98


def count(sample: Sample, chance: random.Random) -> Sample | None:
    """How many there are of each class."""
    if not _usable(sample):
        return None
    return replace(sample, task="count", truth=tuple(Annotation(each.label) for each in sample.truth))


def enclosed(sample: Sample, chance: random.Random) -> Sample | None:
    """A region around one object, and no other in it."""
    def region(size: tuple[int, int]) -> Box:
        box = chance.choice(sample.truth).box
        x, y = (box[2] - box[0]) * MARGIN, (box[3] - box[1]) * MARGIN
        return (clamp(box[0] - chance.random() * x, size[0]), clamp(box[1] - chance.random() * y, size[1]),
                clamp(box[2] + chance.random() * x, size[0]), clamp(box[3] + chance.random() * y, size[1]))

    return _asked(sample, region, lambda shares: len(shares) == 1 and shares[0][1] >= WHOLE)


def partial(sample: Sample, chance: random.Random) -> Sample | None:
    """A region that cuts at least one object."""
    def region(size: tuple[int, int]) -> Box:
        box = chance.choice(sample.truth).box
        width, height = box[2] - box[0], box[3] - box[1]
        x, y = box[0] + chance.uniform(-width, width), box[1] + chance.uniform(-height, height)
        return clamp(x, size[0]), clamp(y, size[1]), clamp(x + width, size[0]), clamp(y + height, size[1])

    return _asked(sample, region, lambda shares: any(SHARES[0] <= share <= SHARES[1] for _, share in shares))


def empty(sample: Sample, chance: random.Random) -> Sample | None:
    """A region without any object, of a size that objects of this picture have."""
    def region(size: tuple[int, int]) -> Box:
        box = chance.choice(sample.truth).box
        width, height = box[2] - box[0], box[3] - box[1]
        x, y = chance.uniform(0, size[0] - width), chance.uniform(0, size[1] - height)
        return x, y, x + width, y + height

    return _asked(sample, region, lambda shares: not shares)


AUGMENTATIONS: dict[str, Callable[[Sample, random.Random], Sample | None]] = {
    "count": count, "enclosed": enclosed, "partial": partial, "empty": empty}


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Raises ValueError for a name that is none."""
    names = tuple(names)
    for name in names:
        if name not in AUGMENTATIONS:
            raise ValueError(f"there is no augmentation {name!r}; there are: {', '.join(AUGMENTATIONS)}")
    return names


def augmented(sample: Sample, names: Iterable[str], seed: int = 0) -> Iterator[Sample]:
    """What comes of a sample, the same for the same seed. Only samples that detect, whose truth is known, give any."""
    for name in names:
        more = AUGMENTATIONS[name](sample, random.Random(f"{seed} {name} {identity(sample)}"))
        if more is not None:
            yield replace(more, id=identity(more))


def _usable(sample: Sample) -> bool:
    """A crowd is not one object, and what has no box is nowhere."""
    return (sample.task == "detect" and len(sample.images) == 1 and sample.truth is not None
            and all(each.box and not each.crowd for each in sample.truth))


def _asked(sample: Sample, region: Callable[[tuple[int, int]], Box],
           fits: Callable[[list[tuple[str, float]]], bool]) -> Sample | None:
    if not _usable(sample) or not sample.truth:
        return None
    size = sample.images[0].size
    for _ in range(TRIES):
        place = _percent(region(size), size)
        if place[0] >= place[2] or place[1] >= place[3]:
            continue
        box = tuple(value / 100 * size[i % 2] for i, value in enumerate(place))
        shares = [(each.label, share) for each in sample.truth if (share := _share(each.box, box)) > 0]
        if fits([(label, share) for label, share in shares if share >= TOUCHED]) and all(
                share == 0 or share >= TOUCHED for _, share in shares):
            return replace(sample, task="ask", query=_question(place, sample.query), truth=None,
                           answer=_answer(shares))
    return None


def _question(place: tuple[int, ...], names: str) -> str:
    x1, y1, x2, y2 = place
    return (f"Look at the region from {x1}% to {x2}% of the picture's width and from {y1}% to {y2}% of its height. "
            f"Which of these are in it, and how much of each: {names}?")


def _answer(shares: list[tuple[str, float]]) -> str:
    return "; ".join(f"{label}, whole" if share >= WHOLE else f"{label}, {100 * share:.0f}%"
                     for label, share in shares) or "nothing"


def _percent(box: Box, size: tuple[int, int]) -> tuple[int, ...]:
    return tuple(round(100 * value / size[i % 2]) for i, value in enumerate(box))


def _share(box: Box, region: Box) -> float:
    """How much of a box lies in a region."""
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    return max(0.0, width) * max(0.0, height) / area(box)
