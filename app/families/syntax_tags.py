"""Points as XML: Molmo's `<points x1="32.0" y1="62.8" alt="…">speakers</points>`, and Molmo2's `coords`.

Molmo2 writes `<points coords="1 1 308 305 2 752 377">curb ramp</points>`: the number of the picture, then id, x, y of
each point, three digits at least. Qwen3-VL answers in Molmo's form now and then. Only the syntax is here: what the
numbers count belongs to the family.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from app.families.answer import HALF_TAG, Found, plain_label
from app.families.reading import Reading, pointed
from app.types import Annotation

POINTS = re.compile(r"<points?\b([^<>]*)>((?:[^<]|<(?![/a-zA-Z]))*)(</points?>)?")
OPENED = re.compile(r"<points?\b[^<>]*$")
ATTRIBUTE = re.compile(r"""([a-z]+)(\d{0,4})\s?=\s?(?:"([^"<>]*)"|'([^'<>]*)')""", re.IGNORECASE)
NONE = "There are none."


class Tagged(NamedTuple):
    """A point in the answer's own units, and the picture it is in."""
    values: list[float | None]
    label: str
    span: tuple[int, int]
    image: int = 0


def write(annotations: Sequence[Annotation], size: tuple[int, int], units: float, coords: bool = False) -> str:
    """A tag for each run of points with one label: Molmo's percents, or Molmo2's thousandths (`coords`)."""
    named = [(plain_label(annotation.label), x / size[0] * units, y / size[1] * units)
             for annotation in annotations for x, y in pointed(annotation)]
    tags = [_tag(label, [(min(max(x, 0), units), min(max(y, 0), units)) for _, x, y in group], coords)
            for label, group in groupby(named, key=lambda found: found[0])]
    return "\n".join(tags) or NONE


def _tag(label: str, places: list[tuple[float, float]], coords: bool) -> str:
    if coords:
        numbers = " ".join(f"{i} {round(x):03d} {round(y):03d}" for i, (x, y) in enumerate(places, 1))
        return f'<points coords="1 {numbers}">{label}</points>'
    alt = re.sub(r'["<>]', "'", label)
    if len(places) == 1:
        return f'<point x="{places[0][0]:.1f}" y="{places[0][1]:.1f}" alt="{alt}">{label}</point>'
    numbers = " ".join(f'x{i}="{x:.1f}" y{i}="{y:.1f}"' for i, (x, y) in enumerate(places, 1))
    return f'<points {numbers} alt="{alt}">{label}</points>'


def read(said: str, reading: Reading) -> Found | None:
    """Adds every point to `reading`; None where the text has no such tag."""
    for values, label, span, image in points(said):
        point = reading.point(values)
        if point is not None:
            reading.add(Annotation(reading.label(label), points=(point,), image=image), span)
    tags = list(POINTS.finditer(said))
    opened = bool(OPENED.search(said[-10_000:]))
    if not tags and not opened:
        return None
    half_name = bool(tags) and tags[-1][3] is None and tags[-1].end() == len(said)
    return Found(cut=opened or half_name or bool(HALF_TAG.search(said[-50:])))


def points(text: str) -> Iterator[Tagged]:
    """Each x with the y of its number: Molmo can give seven x for six y, so they are never zipped."""
    for tag in POINTS.finditer(text):
        xs, ys, label, coords = {}, {}, tag[2].strip(), ""
        for name, index, double, single in ATTRIBUTE.findall(tag[1]):
            value = double or single
            if name.lower() == "alt":
                label = label or value.strip()
            elif name.lower() == "coords":
                coords = value
            elif name.lower() in ("x", "y"):
                (xs if name.lower() == "x" else ys)[index] = as_number(value)
        for index in xs | ys:
            yield Tagged([xs.get(index), ys.get(index)], label, tag.span())
        for values, image in _coords(coords):
            yield Tagged(values, label, tag.span(), image)


def _coords(text: str) -> Iterator[tuple[list[float | None], int]]:
    """`1 1 308 305 2 752 377`: picture 1, then id, x, y; the next picture after a tab or one of `;:,`."""
    for picture in re.split(r"[\t;:,]", text):
        number, *places = [as_number(word) for word in picture.split()] or [None]
        image = int(number) - 1 if number and 1 <= number <= 1_000 else 0
        for i in range(0, len(places), 3):
            yield [*places[i + 1:i + 3]], image


def as_number(value: object) -> float | None:
    """A number, also written as a string; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and len(value) <= 40:
        try:
            return float(value)
        except ValueError:
            return None
    return None
