"""Changes pictures with their boxes and words: mirrored, cropped, recoloured. Each row of a run by its own dice.

Mirrored: left and right change places in the words too, so "the cup on the left" still means the same cup. Cropped:
never through an object, and only where the question stays true of a part of the picture (classes, joints, counts; what
is "the largest one" may change). Recoloured: brightness, contrast and saturation, never the hue, so red stays red.
"""
from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import PIL.Image
from PIL import ImageEnhance

from app.spec import TrainSpec
from app.types import Annotation, Box, Sample

SIDES = (("left", "right"), ("leftmost", "rightmost"), ("leftward", "rightward"), ("lefthand", "righthand"),
         ("clockwise", "counterclockwise"))
SWAPPED = {a: b for pair in SIDES for a, b in (pair, pair[::-1])}
LETTER = r"[^\W\d_]"
WORD = re.compile(rf"(?<!{LETTER})(?:{'|'.join(sorted(SWAPPED, key=len, reverse=True))})(?!{LETTER})", re.IGNORECASE)
CROPPED = ("detect", "keypoints", "count")
TRIES, LEAST = 12, 0.6  # windows that are tried, and how much of each side one keeps


def augmented(picture: PIL.Image.Image, sample: Sample, spec: TrainSpec, chance: np.random.Generator,
              ) -> tuple[PIL.Image.Image, Sample]:
    """The picture and the sample that is true of it. Samples with several pictures are only recoloured."""
    dice = chance.random(3)
    if len(sample.images) == 1:
        if dice[0] < spec.flip:
            picture, sample = flipped(picture, sample)
        if dice[1] < spec.crop and sample.task in CROPPED:
            picture, sample = cropped(picture, sample, chance)
    return (recoloured(picture, chance) if dice[2] < spec.colour else picture), sample


def flipped(picture: PIL.Image.Image, sample: Sample) -> tuple[PIL.Image.Image, Sample]:
    width = picture.width
    truth = None if sample.truth is None else tuple(_mirrored(found, width) for found in sample.truth)
    return (picture.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT),
            replace(sample, query=swapped(sample.query), truth=truth,
                    answer=None if sample.answer is None else swapped(sample.answer)))


def swapped(words: str) -> str:
    """left ↔ right in somebody's words, in their letter case; no part of a longer word ("bright", "leftover")."""
    return WORD.sub(lambda found: _cased(SWAPPED[found[0].lower()], found[0]), words)


def cropped(picture: PIL.Image.Image, sample: Sample, chance: np.random.Generator,
            ) -> tuple[PIL.Image.Image, Sample]:
    """A window that cuts no object; what lies outside is gone. As it was where none is found, or nobody has looked."""
    places = [_extent(found) for found in sample.truth or ()]
    if sample.truth is None or None in places or any(found.crowd for found in sample.truth):
        return picture, sample
    for _ in range(TRIES):
        window = _window(picture.size, chance)
        if all(_inside(place, window) or _outside(place, window) for place in places):
            left, top, right, bottom = window
            truth = tuple(_moved(found, left, top) for found, place in zip(sample.truth, places, strict=True)
                          if _inside(place, window))
            image = replace(sample.images[0], size=(right - left, bottom - top))
            return picture.crop(window), replace(sample, truth=truth, images=(image,))
    return picture, sample


def recoloured(picture: PIL.Image.Image, chance: np.random.Generator) -> PIL.Image.Image:
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(float(chance.uniform(0.75, 1.3)))
    return picture


def _mirrored(found: Annotation, width: int) -> Annotation:
    box = None if found.box is None else (width - found.box[2], found.box[1], width - found.box[0], found.box[3])
    points = tuple(replace(point, name=swapped(point.name), x=width - point.x) for point in found.points)
    return replace(found, label=swapped(found.label), box=box, points=points)


def _moved(found: Annotation, left: float, top: float) -> Annotation:
    box = found.box and (found.box[0] - left, found.box[1] - top, found.box[2] - left, found.box[3] - top)
    return replace(found, box=box, points=tuple(replace(p, x=p.x - left, y=p.y - top) for p in found.points))


def _extent(found: Annotation) -> Box | None:
    """The box around its box and points; None where it has no place."""
    xs = [point.x for point in found.points] + list(found.box[::2] if found.box else ())
    ys = [point.y for point in found.points] + list(found.box[1::2] if found.box else ())
    return (min(xs), min(ys), max(xs), max(ys)) if xs else None


def _window(size: tuple[int, int], chance: np.random.Generator) -> tuple[int, int, int, int]:
    (width, left), (height, top) = (_stretch(side, chance) for side in size)
    return left, top, left + width, top + height


def _stretch(side: int, chance: np.random.Generator) -> tuple[int, int]:
    length = max(1, round(side * chance.uniform(LEAST, 1)))
    return length, int(chance.integers(0, side - length + 1))


def _inside(place: Box, window: tuple) -> bool:
    return place[0] >= window[0] and place[1] >= window[1] and place[2] <= window[2] and place[3] <= window[3]


def _outside(place: Box, window: tuple) -> bool:
    return place[2] <= window[0] or place[3] <= window[1] or place[0] >= window[2] or place[1] >= window[3]


def _cased(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word
